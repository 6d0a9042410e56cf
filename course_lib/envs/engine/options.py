"""Options of environments: what the constructor of a task accepts, and what a saved policy can tell of them."""

from __future__ import annotations

import functools
import inspect
import math
import typing
from collections.abc import Callable

from course_lib.errors import ArgumentError, check_range, plain

RANGE = tuple[float, float]


def signature(kind: type) -> inspect.Signature:
    """Of the constructor of a task."""
    # Not of the class itself: Python 3.10 then looks at `__new__`, which takes anything.
    return inspect.signature(kind.__init__)


def options_of(kind: type) -> list[str]:
    """Names of the arguments that the constructor of a task takes."""
    return list(signature(kind).parameters)[1:]


def checked(init: Callable) -> Callable:
    """The constructor `init` of a task, which raises where what it is given does not fit its annotations.

    bool: True or False (1 and 0 will do). float: a finite number. `errors.NonNegative` and the like: what they say.
    tuple[float, float]: a range, in order, whose ends may be infinite. A default is always accepted. What is annotated
    otherwise is for `init` itself to check.
    """

    @functools.wraps(init)
    def construct(self, *args, **kwargs):
        init(self, *args, **kwargs)  # first: it may know more of an option, such as its unit
        given = inspect.signature(init).bind(self, *args, **kwargs).arguments
        for name, (hint, default) in _enforced(init).items():
            if name in given and given[name] is not default:
                _check(name, given[name], hint)

    return construct


@functools.cache
def _enforced(init: Callable) -> dict[str, tuple[typing.Any, typing.Any]]:
    """Annotation and default of the arguments that `checked` looks at, by name."""
    try:
        hints = typing.get_type_hints(init, include_extras=True)
    except Exception:  # of a task of its own, with names that are not there at run time
        return {}
    found = {}
    for name, option in inspect.signature(init).parameters.items():
        hint = hints.get(name)
        if hint in (bool, float, float | None, RANGE) or any(hasattr(part, "check") for part in typing.get_args(hint)):
            if option.kind not in (option.VAR_POSITIONAL, option.VAR_KEYWORD):
                found[name] = hint, option.default
    return found


def _check(name: str, value: object, hint) -> None:
    rule = next((part for part in typing.get_args(hint) if hasattr(part, "check")), None)
    if rule is not None:
        rule.check(name, value)
    elif hint == RANGE:
        _check_ends(name, value)
    elif hint is bool:
        if type(value).__name__ not in ("bool", "bool_") and not (type(value) is int and value in (0, 1)):
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be True or False")
    elif value is not None or hint is float:
        check_range(name, value, -math.inf, math.inf)


def _check_ends(name: str, value: object) -> None:
    try:
        if isinstance(value, (str, bytes, dict, set)):
            raise TypeError
        low, high = (float(end) for end in value)
    except (TypeError, ValueError):
        low = high = math.nan
    if math.isnan(low) or math.isnan(high):
        raise ArgumentError(
            f"{name}={value!r} is not accepted; it must be two numbers: least, most (infinity where there is no limit)"
        )
    if low > high:
        raise ArgumentError(f"{name}={value!r} is not accepted; the first number must be the smaller one")


def kept(options: dict) -> dict:
    """`options` as plain Python values, as a policy keeps them to make its environment again.

    Infinity is kept, too: it stands for the end of a range that has none.

    Raises:
        ArgumentError: a NaN, or a value that cannot be kept; see `errors.plain`.
    """
    found = plain(options, finite=False)
    for name, value in found.items():
        if _has_nan(value):
            raise ArgumentError(f"{name}={options[name]!r:.200} is not accepted; it must not be or hold a NaN")
    return found


def _has_nan(value) -> bool:
    if isinstance(value, dict):
        return any(_has_nan(inner) for inner in value.values())
    return any(map(_has_nan, value)) if isinstance(value, list) else value != value
