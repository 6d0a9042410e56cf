"""What a drawing of a network is made from, and where its nodes stand.

Coordinates are in units of 1/100 inch at the natural size, x to the right and y down, as in SVG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.nets.wiring import Wiring
from course_lib.policies.networks import Readout, RecurrentNetworks

WIDTH, HEAD, FOOT = 720.0, 34.0, 64.0
MOST_CHARACTERS = 24


@dataclass
class Network:
    """Weights [to, from] and names; `readout` is None where none was given, `roles` where neurons have none."""

    sensory: np.ndarray  # (neurons, inputs)
    recurrent: np.ndarray  # (neurons, neurons)
    readout: np.ndarray | None  # (actions, neurons)
    inputs: list[str]
    actions: list[str]
    roles: tuple[str, ...] | None = None
    motor: tuple[int, ...] = ()
    polarity: bool = False  # only signs are known
    clamped: frozenset = frozenset()

    @property
    def neurons(self) -> int:
        return len(self.recurrent)


def finite_array(argument: str, value, shape: tuple) -> np.ndarray:
    """`value` as a finite float array; None in `shape` accepts any length."""
    value = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(())
    right = array.ndim == len(shape) and all(w is None or w == h for w, h in zip(shape, array.shape, strict=True))
    if not right:
        wanted = ", ".join("any" if w is None else str(w) for w in shape)
        wanted += "," * (len(shape) == 1)
        raise ArgumentError(f"{argument} has shape {array.shape}; it must be ({wanted})")
    if not np.isfinite(array).all():
        raise ArgumentError(f"{argument} holds {array[~np.isfinite(array)][0]}; it must be finite")
    return array


def _names(argument: str, names: Sequence[str] | None, count: int, default: str) -> list[str]:
    if names is None:
        return [f"{default} {k}" for k in range(count)]
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    if len(names) != count:
        raise ArgumentError(f"{argument} has {len(names)} entries; it must have one for each of the {count}")
    return names


def network_of(cell, readout=None, observation_names=None, action_names=None) -> Network:
    """The `Network` of a cell, a wiring or a policy (whose `cell` and `readout` are taken).

    Raises:
        ArgumentError: no weights to draw, or names and readout of another size.
    """
    clamped, polarity = frozenset(), isinstance(cell, Wiring)
    if isinstance(cell, RecurrentNetworks):
        clamped, readout = frozenset(cell.clamped), cell.readout if readout is None else readout
        cell = cell.cell
    wiring = cell if polarity else getattr(cell, "wiring", None)
    recurrent = getattr(cell, "recurrent_sign" if polarity else "recurrent_weight", None)
    sensory = getattr(cell, "sensory_sign" if polarity else "input_weight", None)
    if sensory is None:
        raise ArgumentError(
            f"cell is a {type(cell).__name__} without weights to draw; "
            "accepted: a cell with input_weight and recurrent_weight, a Wiring, or a policy that has such a cell"
        )
    sensory = finite_array("input_weight", sensory, (None, None))
    n, inputs = sensory.shape
    recurrent = np.zeros((n, n)) if recurrent is None else finite_array("recurrent_weight", recurrent, (n, n))
    motor = tuple(wiring.motor) if wiring is not None else ()
    if readout is not None:
        if isinstance(readout, Readout):  # on the states as they are; what bypasses the cell is no neuron's
            readout = readout.affine[0][:, : len(readout.center)]
        readout = finite_array("readout", getattr(readout, "weight", readout), (None, n))
    actions = len(motor) if readout is None else len(readout)
    roles = tuple(wiring.roles) if wiring is not None and "command" in wiring.roles else None
    return Network(
        sensory, recurrent, readout,
        _names("observation_names", observation_names, inputs, "input"),
        _names("action_names", action_names, actions, "action"),
        roles, motor, polarity, clamped,
    )  # fmt: skip


def shortened(name: str) -> str:
    return name if len(name) <= MOST_CHARACTERS else name[: MOST_CHARACTERS - 1] + "…"


def _margin(names: list[str]) -> float:
    longest = max((len(shortened(name)) for name in names), default=0)
    return max(20 + 6.6 * longest, 76)  # room for the heading too


def layout(net: Network) -> tuple[dict[str, np.ndarray], float, float]:
    """Positions by node key ("i0" inputs, "n0" neurons, "a0" actions), radius of a neuron, height of the canvas."""
    columns = [[k for k in range(net.neurons) if net.roles[k] == role] for role in dict.fromkeys(net.roles or ())]
    tallest = max(map(len, columns), default=0)
    rows = max(len(net.inputs), len(net.actions))
    wanted = 30 * min(tallest, 16) + 20 if columns else 175 + 8.2 * net.neurons
    body = float(np.clip(max(wanted, 23 * rows), 210, 460))
    middle, left = HEAD + body / 2, _margin(net.inputs) + 8
    right = WIDTH - (_margin(net.actions) + 8 if net.actions else 16)
    places = {f"i{k}": (left, y) for k, y in enumerate(_column(len(net.inputs), middle, body))}
    places |= {f"a{k}": (right, y) for k, y in enumerate(_column(len(net.actions), middle, body))}
    if columns:
        radius = float(np.clip(0.36 * body / tallest, 9, 15))
        step = (right - left) / (len(columns) + bool(net.actions))
        for c, members in enumerate(columns, start=1):
            crowded = len(members) > 16
            radius = min(radius, 0.62 * body / len(members)) if crowded else radius
            for k, (i, y) in enumerate(zip(members, _column(len(members), middle, body, 52), strict=True)):
                places[f"n{i}"] = (left + c * step + (k % 2 - 0.5) * 2.6 * radius * crowded, y)
    else:
        centre = (left + right) / 2 if net.actions else left + (right - left) * 0.56
        across, down = min((right - left) / 2 - 62, 0.62 * body), body / 2 - 36
        if net.neurons <= 3:
            across, down = across * 0.6, down * 0.6
        angle = _even(net.neurons, across, down)
        if net.motor and net.readout is None:  # motor neurons to the right, where they are read
            angle = _even(net.neurons, across, down, 0.0, -np.mean(net.motor))
        radius = float(np.clip(0.3 * _perimeter(across, down) / max(net.neurons, 1), 9, 17))
        for i, a in enumerate(angle):
            places[f"n{i}"] = (centre + across * np.cos(a), middle + down * np.sin(a))
    return {key: np.array(place) for key, place in places.items()}, radius, HEAD + body + FOOT


def _column(count: int, middle: float, body: float, most: float = 46) -> np.ndarray:
    gap = min(most, (body - 36) / max(count - 1, 1))
    return middle + gap * (np.arange(count) - (count - 1) / 2)


def _perimeter(a: float, b: float) -> float:
    return np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))  # Ramanujan


def _even(count: int, a: float, b: float, origin: float = -np.pi / 2, first: float = 0.0) -> np.ndarray:
    """Angles of `count` points at equal distances along an ellipse, clockwise; the first is `first` places after
    the angle `origin` (the top)."""
    fine = np.linspace(0, 2 * np.pi, 721) + origin
    length = np.concatenate([[0], np.cumsum(np.hypot(a * np.diff(np.cos(fine)), b * np.diff(np.sin(fine))))])
    return np.interp((np.arange(count) + first) / count % 1 * length[-1], length, fine)
