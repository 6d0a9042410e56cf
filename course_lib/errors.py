"""Error sentences (the argument, what came, what is accepted, the nearest valid name), and the checks that raise them.

The fields of a config say in their annotation what they accept, such as `rollout_steps: Count`. `check_fields` enforces
it, so there is one checker for every field of every config.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import operator
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import PurePath
from typing import Annotated, Any, ClassVar


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
    if not isinstance(value, Hashable) or value not in valid:  # nor an array, with which `in` fails
        listed = ", ".join(repr(v) for v in valid)
        raise ArgumentError(f"{argument}={value!r} is not known; accepted: {listed}{nearest(value, valid)}")


def check_count(argument: str, value: object, least: int = 1) -> int:
    """`value` as an int, raising unless it is a whole number of at least `least`."""
    try:
        number = least - 1 if _is_bool(value) else operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ArgumentError(f"{argument}={value!r} is not accepted; it must be a whole number of at least {least}")
    return number


def check_range(argument: str, value: object, low: float, high: float, open_low: bool = False) -> float:
    """`value` as a float, raising unless it is a finite number from `low` (excluded if `open_low`) to `high`."""
    try:
        number = math.nan if isinstance(value, (str, bytes)) or _is_bool(value) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and (low < number if open_low else low <= number) and number <= high):
        bound = "" if low == -math.inf else f" above {low:g}" if open_low else f" of at least {low:g}"
        bound += "" if high == math.inf else f"{' and' if bound else ' of'} at most {high:g}"
        raise ArgumentError(f"{argument}={value!r} is not accepted; it must be a finite number{bound}")
    return number


def _is_bool(value: object) -> bool:
    """Of Python or of NumPy, which this module need not import for it."""
    return type(value).__name__ in ("bool", "bool_")


def plain(options: Mapping, finite: bool = True) -> dict:
    """`options` with plain Python values that JSON can hold: NumPy numbers and arrays, ranges and paths are converted.

    finite: whether NaN and infinity are refused.

    Raises:
        ArgumentError: a value that cannot be kept, such as a function or a tensor; the sentence names it.
    """
    return {name: _plain(str(name), value, finite) for name, value in options.items()}


def _plain(name: str, value, finite: bool):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be a finite number")
        return value
    if callable(getattr(value, "tolist", None)):  # numbers and arrays of NumPy, which this module need not import
        return _plain(name, value.tolist(), finite)
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, Mapping):
        return plain({f"{key}": inner for key, inner in value.items()}, finite)
    if isinstance(value, (list, tuple, range, set, frozenset)):
        return [_plain(name, inner, finite) for inner in value]
    raise ArgumentError(
        f"{name}={value!r:.200} is not accepted, because a saved policy could not name it; accepted: numbers, words, "
        "lists and dicts of them, arrays, paths"
    )


# --- fields of a config -------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Whole:
    """A whole number of at least `least`, and at most `most` where there is one."""

    least: int
    most: int | None = None

    def check(self, name: str, value: object) -> int:
        number = check_count(name, value, self.least)
        if self.most is not None and number > self.most:
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be from {self.least} to {self.most:,}")
        return number


@dataclasses.dataclass(frozen=True)
class Between:
    """A finite number from `low` (without it where `open_low`) to `high`; `or_inf`: infinity will do too."""

    low: float
    high: float = math.inf
    open_low: bool = False
    or_inf: bool = False

    def check(self, name: str, value: object) -> float:
        if self.or_inf and isinstance(value, Real) and value == math.inf:
            return math.inf
        return check_range(name, value, self.low, self.high, self.open_low)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """One of some names."""

    names: tuple[str, ...]

    def check(self, name: str, value: object) -> str:
        check_choice(name, value, self.names)
        return value


Count, Natural = Annotated[int, Whole(1)], Annotated[int, Whole(0)]
Few, Seed = Annotated[int, Whole(1, 1000)], Annotated[int, Whole(0, 2**63 - 1)]
Positive, NonNegative = Annotated[float, Between(0, open_low=True)], Annotated[float, Between(0)]
Share, Number = Annotated[float, Between(0, 1)], Annotated[float, Between(-math.inf)]


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def check_fields(config) -> None:
    """Check every field of the dataclass `config` against its annotation, and turn `np.int64(1)` into a plain 1.

    Accepted in annotations: bool, str, dict, tuples of one kind, other configs (for which a dict of their fields will
    do), `Annotated` with an object that has `check(name, value)`, `Literal`, and None beside any of these.
    """
    prefix = config.prefix if isinstance(config, Nested) else ""
    for field in dataclasses.fields(config):
        hint = _hints(type(config))[field.name]
        setattr(config, field.name, _checked(prefix + field.name, getattr(config, field.name), hint))


def _checked(name: str, value: object, hint) -> object:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inside:
            return None
        return _checked(name, value, next(part for part in inside if part is not type(None)))
    if origin is Annotated:
        return next(rule for rule in inside if hasattr(rule, "check")).check(name, value)
    if origin is typing.Literal:
        return OneOf(inside).check(name, value)
    if origin is tuple:
        value = value.tolist() if callable(getattr(value, "tolist", None)) else value
        if not isinstance(value, (tuple, list, range)):
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be a tuple, e.g. (64, 64)")
        return tuple(_checked(name, part, inside[0]) for part in value)
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be a dict with names as keys")
        return plain(value)
    if dataclasses.is_dataclass(hint):
        return hint.of(value)
    if hint is bool and _is_bool(value):
        return bool(value)
    if hint is bool:
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be True or False")
    if not isinstance(value, hint):
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be of type {hint.__name__}")
    return value


def no_field(kind: type, name: object) -> ArgumentError:
    """The error where the dataclass `kind` has no field `name`."""
    fields = [field.name for field in dataclasses.fields(kind)]
    return ArgumentError(f"{kind.__name__} has no field {name!r}; accepted: {', '.join(fields)}{nearest(name, fields)}")


def check_known(config, name: str) -> None:
    """Raise unless `name` is a field of the dataclass `config`, or something else that its class has."""
    if name not in config.__dataclass_fields__ and not hasattr(type(config), name):
        raise no_field(type(config), name)


class Nested:
    """A config inside another one, which may be given as a dict of its fields or as the value of its first.

    Attributes:
        prefix: what stands before the names of its fields in errors, commands and sweeps, such as "cell.".
    """

    prefix: ClassVar[str] = ""

    @classmethod
    def of(cls, value):
        """`value` itself, or one made of a dict of fields or of the value of the first field."""
        fields = [field.name for field in dataclasses.fields(cls)]
        if isinstance(value, cls):
            value.__post_init__()  # it may have been changed since it was made
            return value
        if isinstance(value, Mapping):
            for name in value.keys() - set(fields):
                raise no_field(cls, name)
            return cls(**value)
        if value is None or isinstance(value, (str, Integral)):
            return cls(**{fields[0]: value})
        raise ArgumentError(
            f"{cls.prefix[:-1]}={value!r:.200} is not accepted; it must be a {cls.__name__}, or a dict of its fields: "
            f"{', '.join(fields)}"
        )

    def __post_init__(self):
        check_fields(self)

    def __setattr__(self, name: str, value: object) -> None:
        check_known(self, name)
        super().__setattr__(name, value)
