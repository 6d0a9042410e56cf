"""What a sweep may change: ranges and choices, checked against the fields of a config dataclass."""

from __future__ import annotations

import ast
import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from course_lib.errors import ArgumentError, check_choice, nearest

PLAIN = (type(None), bool, int, float, str)  # what a storage keeps as it is


@dataclasses.dataclass(frozen=True)
class Dimension:
    """The values that one hyperparameter may have, made by `uniform`, `log_uniform`, `integer` or `choice`.

    Attributes:
        kind: "uniform", "log_uniform", "integer" or "choice".
        low, high: ends of the range, both included.
        log: whether values are spread evenly in the logarithm.
        choices: the values of a choice.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple = ()

    @property
    def labels(self) -> list:
        """The choices as a storage keeps them: tuples, lists and dicts as text."""
        return [c if isinstance(c, PLAIN) else repr(c) for c in self.choices]

    def distribution(self) -> BaseDistribution:
        """The same values as a distribution of Optuna."""
        if self.kind == "choice":
            return CategoricalDistribution(self.labels)
        kind = IntDistribution if self.kind == "integer" else FloatDistribution
        return kind(self.low, self.high, log=self.log)

    def decode(self, stored):
        """The value behind what Optuna stored."""
        return self.choices[self.labels.index(stored)] if self.kind == "choice" else stored

    def position(self, value) -> float:
        """Where `value` lies between the ends, in [0, 1]; for a choice, its place in the list."""
        if self.kind == "choice":
            at = next(i for i, c in enumerate(self.choices) if c == value and type(c) is type(value))
            return at / max(len(self.choices) - 1, 1)
        if self.low == self.high:
            return 0.5
        low, high, x = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (x - low) / (high - low)

    def __repr__(self) -> str:
        if self.kind == "choice":
            return f"choice({', '.join(map(repr, self.choices))})"
        log = ", log=True" if self.kind == "integer" and self.log else ""
        return f"{self.kind}({self.low:g}, {self.high:g}{log})"

    def to_dict(self) -> dict:
        """Plain JSON; `dimension(**…)` reads it."""
        if self.kind == "choice":
            return {"kind": "choice", "choices": [repr(c) for c in self.choices]}
        return {"kind": self.kind, "low": self.low, "high": self.high, "log": self.log}


def dimension(kind: str, low=None, high=None, log: bool = False, choices=()) -> Dimension:
    """The `Dimension` that `Dimension.to_dict` wrote."""
    return Dimension(kind, low, high, log, tuple(ast.literal_eval(c) for c in choices))


def _range(kind: str, low, high, log: bool = False) -> Dimension:
    whole = kind == "integer"
    for end, value in (("low", low), ("high", high)):
        fits = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)
        if not fits or (whole and value != int(value)):
            accepted = "a whole number" if whole else "a finite number"
            raise ArgumentError(f"{end}={value!r} of {kind}({low!r}, {high!r}) is not accepted; it must be {accepted}")
    if low > high:
        raise ArgumentError(
            f"{kind}({low!r}, {high!r}) is inverted: low is above high; did you mean ({high!r}, {low!r})?"
        )
    if log and low <= 0:
        raise ArgumentError(f"low={low!r} of a logarithmic range is not accepted; it must be above 0")
    kept = int if whole else float
    return Dimension(kind, kept(low), kept(high), log)


def uniform(low: float, high: float) -> Dimension:
    """Any number from `low` to `high`, evenly."""
    return _range("uniform", low, high)


def log_uniform(low: float, high: float) -> Dimension:
    """Any number from `low` > 0 to `high`, evenly in the logarithm: for learning rates and other scales."""
    return _range("log_uniform", low, high, log=True)


def integer(low: int, high: int, log: bool = False) -> Dimension:
    """A whole number from `low` to `high`, both included; `log` as in `log_uniform`."""
    return _range("integer", low, high, log)


def choice(*values) -> Dimension:
    """One of `values`: None, booleans, numbers, strings, tuples, lists or dicts."""
    if len(values) < 1:
        raise ArgumentError("choice() is empty; it must hold at least one value, e.g. choice(None, 'ltc')")
    values = tuple(v.item() if isinstance(v, np.generic) else v for v in values)
    for value in values:
        try:
            known = ast.literal_eval(repr(value)) == value
        except (ValueError, SyntaxError):
            known = False
        if not known:
            raise ArgumentError(
                f"choice({value!r}) is not accepted; a choice holds None, booleans, numbers, strings, tuples or dicts"
            )
    if len({repr(v) for v in values}) < len(values):
        raise ArgumentError(f"choice({', '.join(map(repr, values))}) holds a value twice; each must occur once")
    return Dimension("choice", choices=values)


# --- against a config ---------------------------------------------------------------------------


def check_space(space, config) -> dict[str, Dimension]:
    """`space` as a dict, raising unless each entry can be a value of that field of `config` (None: any name)."""
    example = "e.g. {'learning_rate': cl.log_uniform(1e-4, 1e-2)}"
    if not isinstance(space, Mapping):
        raise ArgumentError(f"space={space!r} is not accepted; it must be a dict of name: range, {example}")
    if not space:
        raise ArgumentError(f"space is empty; it must name at least one hyperparameter, {example}")
    for name, found in space.items():
        if not isinstance(found, Dimension):
            raise ArgumentError(
                f"space[{name!r}]={found!r} is not accepted; it must be cl.uniform(low, high), "
                "cl.log_uniform(low, high), cl.integer(low, high) or cl.choice(…)"
            )
        if config is not None:
            _check_field(name, found, config)
    return dict(space)


def _check_field(name: str, found: Dimension, config) -> None:
    kind = type(config)
    hints = _hints(kind)
    if name not in hints:
        raise ArgumentError(
            f"space names {name!r}, which {kind.__name__} does not have; accepted: {', '.join(hints)}"
            f"{nearest(name, hints)}"
        )
    accepted = _types(hints[name])
    values = found.choices or (found.low, found.high)
    for value in values:
        if typing.Any not in accepted and not any(_fits(value, found, a) for a in accepted):
            names = " or ".join(sorted("None" if a is type(None) else a.__name__ for a in accepted))
            cure = "; use cl.integer(low, high)" if int in accepted and found.kind in ("uniform", "log_uniform") else ""
            raise ArgumentError(
                f"space[{name!r}]={found!r} does not fit {kind.__name__}.{name}, which takes {names}{cure}"
            )
        try:
            with_values(config, {name: value})
        except ArgumentError as error:
            # Only what is wrong with this field alone: others that it must agree with may be in the space too.
            if str(error).startswith((f"{name}=", f"{name}.")):
                raise ArgumentError(f"space[{name!r}]={found!r} goes too far: {error}") from None


def _hints(kind: type) -> dict:
    """Name -> annotation of every field of a dataclass, "cell.neurons" for those of a config in a config."""
    out = {}
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            out |= {f"{name}.{inner}": found for inner, found in _hints(hint).items()}
        out[name] = hint
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: hint for name, hint in out.items() if name.split(".")[0] in names}


def with_values(config, values: Mapping):
    """A copy of the dataclass `config` with other values; "cell.neurons" is the field `neurons` of its `cell`."""
    inner: dict[str, dict] = {}
    for name in [name for name in values if "." in name]:
        first, rest = name.split(".", 1)
        inner.setdefault(first, {})[rest] = values[name]
    outer = {name: value for name, value in values.items() if "." not in name}
    whole = dataclasses.replace(config, **outer)
    changed = {first: dataclasses.replace(getattr(whole, first), **changes) for first, changes in inner.items()}
    return dataclasses.replace(whole, **changed)


def _types(hint) -> set:
    """The classes in an annotation: `int | None` -> {int, NoneType}; `tuple[int, …]` -> {tuple}."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return {typing.Any}  # a config in a config takes a name or a dict, and checks it
    if origin is typing.Literal:
        return {type(value) for value in typing.get_args(hint)}
    if origin in (typing.Union, types.UnionType):
        return set().union(*(_types(part) for part in typing.get_args(hint)))
    return {origin or hint}


def _fits(value, found: Dimension, accepted: type) -> bool:
    if isinstance(value, bool) or accepted is bool:
        return isinstance(value, bool) and accepted is bool
    if accepted is float:
        return isinstance(value, (int, float))
    if accepted is int:
        return isinstance(value, int) and found.kind in ("integer", "choice")
    if accepted in (tuple, list):
        return isinstance(value, (tuple, list))
    return isinstance(value, accepted)


# --- from words ---------------------------------------------------------------------------------

WORDS = {"log": log_uniform, "log_uniform": log_uniform, "uniform": uniform, "int": integer, "integer": integer,
         "choice": choice}  # fmt: skip


def parse_space(words: typing.Iterable[str]) -> dict[str, Dimension]:
    """A space from words such as 'learning_rate=log(1e-4,1e-2)', 'epochs=int(2,10)', 'cell.name=choice(None,ltc)'."""
    space = {}
    for word in words:
        match = re.fullmatch(r"\s*([\w.]+)\s*=\s*(\w+)\s*\((.*)\)\s*", word)
        if match is None:
            raise ArgumentError(
                f"space={word!r} cannot be read; it must look like 'learning_rate=log(1e-4,1e-2)', 'epochs=int(2,10)', "
                "'gamma=uniform(0.9,0.999)' or 'cell.name=choice(None,ltc)'"
            )
        name, kind, inside = match.groups()
        check_choice(f"the kind of {name}", kind, WORDS)
        values = _values(inside)
        if kind != "choice" and len(values) != 2:
            raise ArgumentError(f"space={word!r} has {len(values)} ends; a range has two, a low one and a high one")
        if name in space:
            raise ArgumentError(f"space names {name!r} twice; each hyperparameter must occur once")
        space[name] = WORDS[kind](*values)
    return space


def _values(inside: str) -> list:
    """'None, ltc, (64, 64)' -> [None, 'ltc', (64, 64)]; a bare word is a string."""
    try:
        parts = ast.parse(f"[{inside}]", mode="eval").body.elts
    except SyntaxError:
        raise ArgumentError(f"the values ({inside}) cannot be read; they must be numbers, words or tuples") from None
    out = []
    for part in parts:
        try:
            out.append(part.id if isinstance(part, ast.Name) else ast.literal_eval(part))
        except ValueError:
            raise ArgumentError(f"the value {ast.unparse(part)} cannot be read; put it in quotes") from None
    return out
