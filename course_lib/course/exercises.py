"""Checks for exercises: run what the learner wrote beside an independent oracle, and say in one line how it went.

    ○ 1.1 rewards_to_go: not done yet
    ✗ 1.1 rewards_to_go: these sums look backwards in time; add up what comes after step t
    ✗ 1.1 rewards_to_go: in case 1 of 3, rewards_to_go([1, 2, 3], 0.9), entry [0] is 6, and 5.23 is expected
    ✓ 1.1 rewards_to_go: right in all 3 cases

A right answer passes in whatever holds it: a list, a tuple, an array, a tensor, with or without an axis of length 1. A
check never shows a traceback. Only while nbgrader grades, which counts points by exceptions, does it raise.
"""

from __future__ import annotations

import copy
import functools
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np

Function = Callable[..., object]
LONGEST = 90  # characters of the arguments in a hint


class Wrong(Exception):
    """What the learner wrote is not right; the message is the hint."""


def check(
    name: str,
    candidate: str | Function,
    oracle: Function,
    cases: Sequence[tuple],
    mistakes: dict[str, Function] | None = None,
    *,
    parts: Sequence[str] = (),
    tolerance: float = 1e-6,
    right: str = "",
    matters: str = "",
) -> None:
    """Compare `candidate(*case)` with `oracle(*case)` in every case and print the verdict.

    Args:
        name: number of the exercise, e.g. "1.3".
        candidate: the learner's function, or its name, looked up where `check` is called: a missing one is "not done".
        oracle: computes the same by another road: numbers, arrays, tensors or tuples of them.
        cases: tuples of arguments. Every call gets its own copy.
        mistakes: hint -> function that makes that mistake; the first that agrees with the candidate is named.
        parts: what the parts of a tuple are called in hints; "part 1" … where this is not said.
        tolerance: largest difference that counts as equal, relative to the larger of 1 and the true value.
        right: what to say when it is right.
        matters: where the answer is one number, what follows from a wrong one; hints then do not give the number away.
    """
    label = candidate if isinstance(candidate, str) else getattr(candidate, "__name__", "answer")

    def judge(function: Function) -> str:
        answers = [_call(function, case) for case in cases]
        true = [_parts(_call(oracle, case)) for case in cases]
        troubles = []
        for k, (answer, wanted) in enumerate(zip(answers, true, strict=True)):
            where = f"in case {k + 1} of {len(cases)}, {label}({shown(cases[k])}), " if cases[k] else ""
            try:
                troubles.append(_difference(_fitted(answer, wanted, parts), wanted, parts, tolerance, matters))
            except Wrong as wrong:
                troubles.append(str(wrong))
            troubles[k] = troubles[k] and where + troubles[k]
        if not any(troubles):
            return right or f"right in all {len(cases)} cases"
        for hint, mistaken in (mistakes or {}).items():
            if all(map(functools.partial(_makes, mistaken, tolerance), cases, answers)):
                raise Wrong(hint)
        raise Wrong(next(filter(None, troubles)))

    _report(name, candidate, judge, sys._getframe(1).f_globals)


def _makes(mistaken: Function, tolerance: float, case: tuple, answer: object) -> bool:
    """Whether `mistaken` gives this answer in this case."""
    made = attempt(mistaken, *copy.deepcopy(case))
    if made is None:
        return False
    try:
        made = _parts(made)
        return _equal(_fitted(answer, made), made, tolerance)
    except (Wrong, TypeError, ValueError):
        return False


def check_that(name: str, candidate: str | Function, *demands: tuple[str, Function], right: str = "right") -> None:
    """For answers with more than one right value: `demands` are (hint, condition) pairs; prints the hint of the
    first whose `condition(candidate)` is not true."""

    def judge(function: Function) -> str:
        for hint, condition in demands:
            if not _call(condition, (_careful(function),)):
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


def _careful(function: Function) -> Function:
    """`function` with copies of the arrays and tensors it is given: an answer may work in place."""
    if not inspect.isfunction(function):
        return function

    @functools.wraps(function)
    def called(*args, **kwargs):
        return function(*map(_own, args), **{name: _own(value) for name, value in kwargs.items()})

    return called


def _own(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.copy()
    return value.clone() if hasattr(value, "clone") and hasattr(value, "detach") else value


# --- what an answer holds ---------------------------------------------------------------------------


def _parts(answer: object) -> list[np.ndarray]:
    """The arrays that the oracle gave: one, or one for each part of a tuple."""
    return [_array(part) for part in (answer if isinstance(answer, tuple) else (answer,))]


def _array(value: object) -> np.ndarray:
    """Numbers in any container as an array of floats."""
    if isinstance(value, (list, tuple)):
        return np.array([_array(v) for v in value]) if len(value) else np.zeros(0)
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if np.iscomplexobj(array):
        if np.abs(array.imag).max(initial=0.0) > 0:
            raise Wrong("it returns complex numbers; is there an absolute value or a real part to take?")
        array = array.real
    return array.astype(float)


def _fitted(answer: object, true: list[np.ndarray], names: Sequence[str] = ()) -> list[np.ndarray]:
    """`answer` as arrays of the shapes of `true`, if it holds such; else `Wrong` says what it lacks."""
    if len(true) == 1:
        return [_shaped(answer, true[0], "")]
    held = answer.detach() if hasattr(answer, "detach") else answer
    several = isinstance(held, (list, tuple)) or (isinstance(held, np.ndarray) or hasattr(held, "detach")) and held.ndim
    if not several:
        raise Wrong(f"one thing comes back; {len(true)} are expected: {', '.join(_names(names, len(true)))}")
    if len(held) != len(true):
        raise Wrong(f"{len(held)} things come back; {len(true)} are expected: {', '.join(_names(names, len(true)))}")
    return [_shaped(a, t, f"{n} ") for a, t, n in zip(held, true, _names(names, len(true)), strict=True)]


def _names(names: Sequence[str], count: int) -> list[str]:
    return list(names) or [f"part {k + 1}" for k in range(count)]


def _shaped(answer: object, true: np.ndarray, name: str) -> np.ndarray:
    try:
        array = _array(answer)
    except (TypeError, ValueError):
        raise Wrong(f"{name}is {type(answer).__name__}; numbers or arrays are expected".lstrip()) from None
    if array.shape == true.shape:
        return array
    if np.squeeze(array).shape == np.squeeze(true).shape:  # an axis of length 1 more or less
        return array.reshape(true.shape)
    raise Wrong(f"{name or 'the answer '}has shape {array.shape}; {true.shape} is expected")


def _equal(found: list[np.ndarray], true: list[np.ndarray], tolerance: float) -> bool:
    return all(_near(a, b, tolerance).all() for a, b in zip(found, true, strict=True))


def _near(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return (np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))) | (a == b)


def _difference(found, true, names: Sequence[str], tolerance: float, matters: str) -> str:
    """The first part that is wrong, what came and what is expected; "" where all is right."""
    if _equal(found, true, tolerance):
        return ""
    for order in permutations(range(len(true))) if 1 < len(true) <= 4 else ():
        alike = all(found[k].shape == true[i].shape for k, i in enumerate(order))
        if alike and _equal(found, [true[i] for i in order], tolerance):
            return f"the parts come in another order; {', '.join(_names(names, len(true)))} is expected"
    for a, b, name in zip(found, true, _names(names, len(true)), strict=True):
        wrong = ~_near(a, b, tolerance)
        if not wrong.any():
            continue
        name = name if len(true) > 1 else "the answer"
        if not np.isfinite(a).all() and np.isfinite(b).all():
            return f"{name} holds NaN or infinity"
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        if len(true) == 1 and b.size == 1:
            size = "too large" if a[at] > b[at] else "too small"
            return f"{name} is {size}{': ' + matters if matters else ''}"
        entry = (
            f"entry {list(at)} of {name}"
            if a.size > 1 and len(true) > 1
            else f"entry {list(at)}"
            if a.size > 1
            else name
        )
        return f"{entry} is {a[at]:.4g}, and {b[at]:.4g} is expected"
    return ""


def shown(case: Sequence[object]) -> str:
    """Arguments on one line, short."""
    text = ", ".join(_shown(value) for value in case)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _shown(value: object) -> str:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return f"{value:.4g}"
    if callable(value) and not hasattr(value, "detach"):
        return getattr(value, "__name__", type(value).__name__)
    try:
        array = _array(value) if not isinstance(value, (str, bytes, dict)) else None
    except (TypeError, ValueError, Wrong):
        array = None
    if array is None:
        return repr(value) if isinstance(value, (str, bool)) else type(value).__name__
    if array.size <= 8:
        return str([float(f"{v:.3g}") for v in array]) if array.ndim == 1 else str(np.round(array, 3).tolist())
    first = ", ".join(f"{v:.3g}" for v in array.ravel()[:3])
    return f"{array.shape} [{first}, …]"
