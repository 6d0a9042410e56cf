"""What the player's page can be told to begin with: each setting, and the values it accepts (web/src/settings.ts)."""

from __future__ import annotations

from urllib.parse import urlencode

from course_lib.envs import TABLETOP
from course_lib.envs.engine.disturbance import Indices
from course_lib.errors import ArgumentError, Between, Whole, nearest
from course_lib.policies.saved import nested

RATES = (0.25, 0.5, 1, 2, 4)
COMMANDS = ((-1, 2), (-0.6, 0.6), (-1.5, 1.5))  # m/s forward, m/s to the left, rad/s of turning
STEERED = "AnymalC-v0"


class _Rate:
    def check(self, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value not in RATES:
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be one of {', '.join(map(str, RATES))}")
        return value


class _Flag:
    def check(self, name: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be True or False")
        return value


class _Command:
    def check(self, name: str, value: object) -> list[float]:
        try:
            numbers = [Between(*limits).check(name, v) for v, limits in zip(value, COMMANDS, strict=True)]
        except (TypeError, ValueError):
            listed = ", ".join(f"{low} to {high}" for low, high in COMMANDS)
            raise ArgumentError(
                f"{name}={value!r} is not accepted; it must be three numbers, forward (m/s), to the left (m/s) and "
                f"turning (rad/s), from {listed}"
            ) from None
        return numbers


class _Held:
    """Neurons to hold at 0, or pairs of a neuron and the value to hold it at."""

    def check(self, name: str, value: object) -> list:
        out = []
        for one in value if isinstance(value, (list, tuple, range)) else [value]:
            pair = isinstance(one, (list, tuple)) and len(one) == 2
            (neuron,) = Indices().check(name, one[0] if pair else one)
            out.append([neuron, Between(-100, 100).check(name, one[1])] if pair else neuron)
        return out


SETTINGS = {
    "seed": Whole(0, 2**31),
    "speed": Between(0.1, 4),
    "gravity": Between(0, 2),
    "friction": Between(0, 2),
    "rate": _Rate(),
    "told": _Flag(),
    "noise": Between(0, 1),
    "drop": Between(0, 0.95),
    "delay": Whole(0, 10),
    "dead": Indices(),
    "hold": _Held(),
    "hold_beside": _Held(),
    "push": Between(0, 4),
    "command": _Command(),
    "paused": _Flag(),
}


def checked(start: dict, entry: dict, header: dict) -> dict:
    """`start` as plain values, each one accepted; `entry` and `header` are those of the policy that is shown.

    Raises:
        ArgumentError: a setting that the page does not have, or a value that it does not accept.
    """
    out = {}
    for name, value in start.items():
        if name not in SETTINGS:
            raise ArgumentError(
                f"{name}={value!r:.100} is no setting of the live player; accepted: {', '.join(SETTINGS)}"
                f"{nearest(name, SETTINGS)}"
            )
        value = SETTINGS[name].check(name, value)
        out[name] = list(value) if isinstance(value, tuple) else value
    settings = nested(header["settings"])
    _within("dead", out.get("dead", []), settings["obs_dim"], "entries of the observation")
    cell = settings.get("cell") or {}
    if cell.get("name"):
        held = [one[0] if isinstance(one, list) else one for one in out.get("hold", [])]
        _within("hold", held, cell["neurons"], "neurons of the policy")
    task = entry["task"]
    if "command" in out and task != STEERED:
        raise ArgumentError(f"command={out['command']} is not accepted by {task}; accepted by {STEERED}")
    if out.get("rate", 1) != 1 and task in TABLETOP:
        raise ArgumentError(f"rate={out['rate']} is not accepted by {task}, whose plans have steps of one length")
    return out


def _within(name: str, numbers: list[int], count: int, what: str) -> None:
    if any(not 0 <= i < count for i in numbers):
        raise ArgumentError(f"{name}={numbers} is not accepted; the {what} are 0 to {count - 1}")


def as_hash(start: dict) -> str:
    """Settings as they stand behind the # of an address: `policy=anymal_walk_ltc&rate=0.5&hold=3,4:0.5`."""
    return urlencode({name: _said(value) for name, value in start.items()}, safe=",:")


def _said(value) -> str:
    if isinstance(value, list):
        return ",".join(":".join(map(str, one)) if isinstance(one, list) else str(one) for one in value)
    return str(int(value)) if isinstance(value, bool) else str(value)
