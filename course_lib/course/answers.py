"""What an answer holds: numbers in any container, fitted to the shape that is expected, and how far off they are."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np

Function = Callable[..., object]
LONGEST = 90  # characters of the arguments in a hint


class Wrong(Exception):
    """What the learner wrote is not right; the message is the hint."""


def call(function: Function, case: tuple) -> object:
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


def careful(function: Function) -> Function:
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


def parts_of(answer: object) -> list[np.ndarray]:
    """The arrays that the oracle gave: one, or one for each part of a tuple."""
    return [array_of(part) for part in (answer if isinstance(answer, tuple) else (answer,))]


def array_of(value: object) -> np.ndarray:
    """Numbers in any container as an array of floats."""
    if isinstance(value, (list, tuple)):
        return np.array([array_of(v) for v in value]) if len(value) else np.zeros(0)
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if np.iscomplexobj(array):
        if np.abs(array.imag).max(initial=0.0) > 0:
            raise Wrong("it returns complex numbers; is there an absolute value or a real part to take?")
        array = array.real
    return array.astype(float)


def fitted(answer: object, true: list[np.ndarray], names: Sequence[str] = ()) -> list[np.ndarray]:
    """`answer` as arrays of the shapes of `true`, if it holds such; else `Wrong` says what it lacks."""
    if len(true) == 1:
        return [_shaped(answer, true[0], "")]
    held = answer.detach() if hasattr(answer, "detach") else answer
    several = isinstance(held, (list, tuple)) or (isinstance(held, np.ndarray) or hasattr(held, "detach")) and held.ndim
    if not several or len(held) != len(true):
        came = f"{len(held)} values" if several and len(held) != 1 else "one value"
        wanted = ", ".join(_names(names, len(true)))
        raise Wrong(f"the function returns {came}; {len(true)} are expected: {wanted}")
    return [_shaped(a, t, f"{n} ") for a, t, n in zip(held, true, _names(names, len(true)), strict=True)]


def _names(names: Sequence[str], count: int) -> list[str]:
    return list(names) or [f"part {k + 1}" for k in range(count)]


def _shaped(answer: object, true: np.ndarray, name: str) -> np.ndarray:
    try:
        array = array_of(answer)
    except (TypeError, ValueError):
        raise Wrong(f"{name}is {type(answer).__name__}; numbers or arrays are expected".lstrip()) from None
    if array.shape == true.shape:
        return array
    if np.squeeze(array).shape == np.squeeze(true).shape:  # an axis of length 1 more or less
        return array.reshape(true.shape)
    raise Wrong(f"{name or 'the answer '}has shape {array.shape}; {true.shape} is expected")


def equal(found: list[np.ndarray], true: list[np.ndarray], tolerance: float) -> bool:
    return all(_near(a, b, tolerance).all() for a, b in zip(found, true, strict=True))


def _near(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.isfinite(b) & (np.abs(a - b) <= tolerance * np.maximum(1, np.abs(b))) | (a == b)


def difference(found, true, names: Sequence[str], tolerance: float, matters: str) -> str:
    """The first part that is wrong, what came and what is expected; "" where all is right."""
    if equal(found, true, tolerance):
        return ""
    for order in permutations(range(len(true))) if 1 < len(true) <= 4 else ():
        alike = all(found[k].shape == true[i].shape for k, i in enumerate(order))
        if alike and equal(found, [true[i] for i in order], tolerance):
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
        digits = next((n for n in range(4, 16) if f"{a[at]:.{n}g}" != f"{b[at]:.{n}g}"), 16)
        return f"{entry} is {a[at]:.{digits}g}, and {b[at]:.{digits}g} is expected"
    return ""


def shown(case: Sequence[object]) -> str:
    """Arguments on one line, short."""
    text = ", ".join(_shown(value) for value in case)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _shown(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return f"{value:.4g}"
    if callable(value) and not hasattr(value, "detach"):
        return getattr(value, "__name__", type(value).__name__)
    try:
        array = array_of(value) if not isinstance(value, (str, bytes, dict)) else None
    except (TypeError, ValueError, Wrong):
        array = None
    if array is None:
        return repr(value) if isinstance(value, (str, bool)) else type(value).__name__
    if array.size <= 8:
        return str([float(f"{v:.3g}") for v in array]) if array.ndim == 1 else str(np.round(array, 3).tolist())
    first = ", ".join(f"{v:.3g}" for v in array.ravel()[:3])
    return f"{array.shape} [{first}, …]"
