"""Checks for exercises: run what the learner wrote beside an independent oracle, and say in one line how it went.

    ○ 1.1 rewards_to_go: not done yet
    ✗ 1.1 rewards_to_go: these sums look backwards in time; add up what comes after step t
    ✓ 1.1 rewards_to_go: right in all 3 cases

A check never shows a traceback. Only while nbgrader grades, which counts points by exceptions, does it raise.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

Function = Callable[..., object]


class Wrong(Exception):
    """What the learner wrote is not right; the message is the hint."""


def check(
    name: str,
    candidate: str | Function,
    oracle: Function,
    cases: Sequence[tuple],
    mistakes: dict[str, Function] | None = None,
    *,
    tolerance: float = 1e-6,
    right: str = "",
) -> None:
    """Compare `candidate(*case)` with `oracle(*case)` in every case and print the verdict.

    Args:
        name: number of the exercise, e.g. "1.3".
        candidate: the learner's function, or its name, looked up where `check` is called: a missing one is "not done".
        oracle: computes the same by another road: numbers, arrays, tensors or tuples of them.
        cases: tuples of arguments. Every call gets its own copy.
        mistakes: hint -> function that makes that mistake; the first that agrees with the candidate is named.
        tolerance: largest difference that counts as equal, relative to the larger of 1 and the true value.
        right: what to say when it is right.
    """

    def judge(function: Function) -> str:
        found = [_numbers(_call(function, case)) for case in cases]
        true = [_numbers(_call(oracle, case)) for case in cases]
        same = [_equal(f, t, tolerance) for f, t in zip(found, true, strict=True)]
        if all(same):
            return right or f"right in all {len(cases)} cases"
        for hint, mistaken in (mistakes or {}).items():
            answers = [attempt(mistaken, *copy.deepcopy(case)) for case in cases]
            if all(a is not None and _equal(f, _numbers(a), tolerance) for f, a in zip(found, answers, strict=True)):
                raise Wrong(hint)
        k = same.index(False)
        raise Wrong(f"in case {k + 1} of {len(cases)} {_difference(found[k], true[k])}")

    _report(name, candidate, judge, sys._getframe(1).f_globals)


def check_that(name: str, candidate: str | Function, *demands: tuple[str, Function], right: str = "right") -> None:
    """For answers with more than one right value: `demands` are (hint, condition) pairs; prints the hint of the
    first whose `condition(candidate)` is not true."""

    def judge(function: Function) -> str:
        for hint, condition in demands:
            if not _call(condition, (function,)):
                raise Wrong(hint)
        return right

    _report(name, candidate, judge, sys._getframe(1).f_globals)


def attempt(function: Function, *args) -> object | None:
    """`function(*args)`, or None where it is not written yet or fails."""
    try:
        return function(*args)
    except Exception:
        return None


def _report(name: str, candidate: str | Function, judge: Callable[[Function], str], namespace: dict) -> None:
    label = candidate if isinstance(candidate, str) else getattr(candidate, "__name__", "answer")
    function = namespace.get(candidate) if isinstance(candidate, str) else candidate
    try:
        verdict = f"✓ {name} {label}: {judge(function)}" if function else f"○ {name} {label}: not done yet"
    except NotImplementedError:
        verdict = f"○ {name} {label}: not done yet"
    except Wrong as wrong:
        verdict = f"✗ {name} {label}: {wrong}"
    print(verdict)
    if not verdict.startswith("✓") and os.environ.get("NBGRADER_EXECUTION"):
        raise AssertionError(verdict)


def _call(function: Function, case: tuple) -> object:
    """`function(*case)` on copies of its arguments; any error becomes a sentence."""
    try:
        answer = function(*copy.deepcopy(case))
    except (NotImplementedError, Wrong):
        raise
    except Exception as error:
        raise Wrong(f"it stops with {type(error).__name__}: {str(error).partition(chr(10))[0]}") from None
    if answer is None or answer is Ellipsis:
        raise Wrong("it returns nothing; is the line with `return` there?")
    return answer


def _numbers(answer: object) -> list[np.ndarray]:
    """The arrays an answer consists of: one, or one for each part of a tuple."""
    try:
        parts = answer if isinstance(answer, tuple) else (answer,)
        return [np.asarray(p.detach() if hasattr(p, "detach") else p, dtype=float) for p in parts]
    except (TypeError, ValueError):
        raise Wrong(f"it returns {type(answer).__name__}; numbers or arrays are expected") from None


def _equal(found: list[np.ndarray], true: list[np.ndarray], tolerance: float) -> bool:
    return [a.shape for a in found] == [b.shape for b in true] and all(
        np.all(np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))) for a, b in zip(found, true, strict=True)
    )


def _difference(found: list[np.ndarray], true: list[np.ndarray]) -> str:
    """In words: shapes first, then NaN, then values."""
    shapes, wanted = ([str(a.shape) for a in arrays] for arrays in (found, true))
    if shapes != wanted:
        return f"the answer has shape {', '.join(shapes)}; {', '.join(wanted)} is expected"
    if not all(np.isfinite(a).all() for a in found):
        return "the answer holds NaN or infinity"
    return f"the answer is off by up to {max(np.abs(a - b).max() for a, b in zip(found, true, strict=True)):.3g}"
