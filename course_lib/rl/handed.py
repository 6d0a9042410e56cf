"""A policy, or a class of policies, that is handed to an agent: what the config asks of it, and whether it has that.

A field with its default asks for nothing, so a config that is left as it is goes with any policy.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from course_lib.errors import ArgumentError, Nested
from course_lib.policies.base import Policy

OPTIONAL = ("activation", "cell", "plan")  # fields of a config that a class of policies may take, or do without
LACKING = {"activation": None, "cell.name": None, "plan.chunk": 1, "plan.trajectory": "none"}  # what it has without


def asked(config, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the fields `names` that do not have their defaults, and of a cell and a plan the fields inside."""
    found = {}
    for part in (part for part in dataclasses.fields(config) if part.name in names):
        name, value = part.name, getattr(config, part.name)
        usual = part.default if part.default_factory is dataclasses.MISSING else part.default_factory()
        if isinstance(value, Nested):
            usual = type(value).of(usual)
            inside = (field.name for field in dataclasses.fields(value))
            pairs = {f"{value.prefix}{key}": (getattr(value, key), getattr(usual, key)) for key in inside}
        else:
            pairs = {name: (value, usual)}
        found |= {key: value for key, (value, usual) in pairs.items() if value != usual}
    return found


def check_asked(policy: Policy, config, names: tuple[str, ...]) -> None:
    """Raise if the config asks, in one of its fields `names`, for something else than `policy` has."""
    for name, value in asked(config, names).items():
        if (has := _has(policy, name, value)) != value:
            other = f", or policy.noise = {value!r} beforehand" if name == "exploration_noise" else ""
            raise ArgumentError(
                f"{name}={value!r} is not accepted with the policy that was handed over, which has {has!r}; accepted: "
                f"{has!r}, also within recommended(…){other}"
            )


def _has(policy: Policy, name: str, otherwise):
    """What the policy has under the name of a config's field; `otherwise` if that cannot be told."""
    if name == "normalize_observation":
        return policy.normalizer.enabled
    if name == "exploration_noise":
        return policy.noise
    first, _, inner = name.partition(".")
    if not inner:
        value = policy.settings.get(name, LACKING.get(name, otherwise))
        return tuple(value) if isinstance(value, list) else value
    part = policy.settings.get(first) or {}
    if first == "cell" and part.get("name") is None:
        part = {}
    return part.get(inner, otherwise) if part else LACKING.get(name, otherwise)


def optional_settings(kind: Callable[..., Policy], config) -> dict[str, Any]:
    """What of `OPTIONAL` to call `kind`, a class of policies, with.

    Raises:
        ArgumentError: the config asks for something that this class does not take.
    """
    takes, found = _takes(kind), {}
    for name, value in asked(config, OPTIONAL).items():
        first = name.partition(".")[0]
        if first in takes:
            found[first] = getattr(config, first)
        elif name in LACKING and value != LACKING[name]:
            raise ArgumentError(
                f"{name}={value!r} is not accepted with policy={getattr(kind, '__name__', kind)}, which takes no "
                f"{first}; accepted: to leave it out, or another policy"
            )
    return found


def _takes(kind: Callable) -> set[str]:
    """Names of the arguments that `kind` takes. A class that passes on **others takes what its parents take."""
    inits = [vars(k)["__init__"] for k in kind.__mro__ if "__init__" in vars(k)] if isinstance(kind, type) else [kind]
    names: set[str] = set()
    for init in inits:
        parameters = inspect.signature(init).parameters.values()
        names |= {p.name for p in parameters}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return names if isinstance(kind, type) else {*names, *OPTIONAL}


def fingerprint(policy: Policy) -> str:
    """A digest of the weights and the normaliser, the same wherever they are the same."""
    parts = [type(policy).__name__.encode()]
    for name, value in sorted(policy.state_dict().items()):
        parts += [f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode(), value.detach().numpy().tobytes()]
    return digest(b"".join(parts))


def digest(content: bytes) -> str:
    """Sixteen letters and digits that differ where `content` does."""
    return hashlib.sha256(content).hexdigest()[:16]
