"""Error sentences: the argument, what came, what is accepted, the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CourseError(Exception):
    """Base class of the errors this library raises on purpose."""


class ArgumentError(CourseError, ValueError):
    """An argument whose value is not accepted."""


class NonFiniteError(CourseError, FloatingPointError):
    """A NaN or an infinity turned up in observations, rewards, losses or gradients."""


class PolicyFileError(CourseError, OSError):
    """A policy file that is truncated, foreign or edited."""


def nearest(name: object, valid: Iterable[str]) -> str:
    """`"; did you mean 'X'?"` with the closest of `valid`, or an empty string."""
    valid = list(valid)
    lower = {str(v).lower(): v for v in valid}
    hit = difflib.get_close_matches(str(name).lower(), list(lower), n=1, cutoff=0.5)
    return f"; did you mean {lower[hit[0]]!r}?" if hit else ""


def check_choice(argument: str, value: object, valid: Iterable[str]) -> None:
    """Raise unless `value` is one of `valid`."""
    valid = list(valid)
    if value not in valid:
        listed = ", ".join(repr(v) for v in valid)
        raise ArgumentError(f"{argument}={value!r} is not known; accepted: {listed}{nearest(value, valid)}")


def check_count(argument: str, value: object, least: int = 1) -> int:
    """`value` as an int, raising unless it is a whole number of at least `least`."""
    whole = isinstance(value, int) or (hasattr(value, "__index__") and not isinstance(value, bool))
    if isinstance(value, bool) or not whole or int(value) < least:
        raise ArgumentError(f"{argument}={value!r} is not accepted; it must be a whole number of at least {least}")
    return int(value)
