"""What describes a recurrent network, passed whole from a config to the network itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from course_lib.errors import Count, Natural, Nested, OneOf, Whole
from course_lib.nets.cells import CELLS
from course_lib.nets.wiring import Wiring

SUMMARIZERS = (*CELLS, "lstm", "elman", "identity")


_fresh: ContextVar[bool] = ContextVar("fresh", default=True)


def fresh() -> bool:
    """Whether networks get weights to begin with, and not ones that are read from a file at once."""
    return _fresh.get()


@contextlib.contextmanager
def to_be_filled() -> Iterator[None]:
    """Inside the `with` block networks are built to be filled from a file: what only fits fresh weights is left out."""
    token = _fresh.set(False)
    try:
        yield
    finally:
        _fresh.reset(token)


class _Cell(Nested):
    """What both have: fields are called "cell.…", and a wiring among the options becomes plain."""

    prefix: ClassVar[str] = "cell."

    def __post_init__(self):
        if isinstance(self.options, dict) and isinstance(wiring := self.options.get("wiring"), Wiring):
            self.options = {**self.options, "wiring": wiring.to_dict()}
        super().__post_init__()


@dataclass
class CellConfig(_Cell):
    """A recurrent cell and how a policy and its critic read it."""

    name: Annotated[str, OneOf(tuple(CELLS))] | None = None
    """of the cell in `cells.CELLS`: ltc, cfc, ctrnn, neural_ode, gru, …; None for a network without memory"""
    neurons: Count = 8
    """states of the cell"""
    options: dict[str, Any] = field(default_factory=dict)
    """for the cell's class: solver, substeps, form, rank, …; `wiring` is a `Wiring` or what its `to_dict` gave"""
    encoder: Count | None = None
    """width of a tanh layer between observation and cell; None for none: the cell sees the observation"""
    feedthrough: bool = False
    """whether the readouts see the cell's input beside its states, the D of a state-space model y = C h + D x: then an
    action may follow an observation at once, not through the lag of the states"""
    critic: Literal["cell", "mlp"] = "cell"
    """'cell': one of the same kind with its own state, 'mlp': a tanh network of the present observation"""
    critic_neurons: Count | None = None
    """states of the critic's cell; None for as many as the policy's"""
    clock: bool = False
    """whether the last entry of the observation says how long the coming step lasts, in control steps of training; a
    continuous-time cell then solves over it"""


@dataclass
class SummarizerConfig(_Cell):
    """A network that turns the history of an agent into a vector."""

    name: Annotated[str, OneOf(SUMMARIZERS)] = "lstm"
    """what remembers: lstm, elman, identity (nothing), or a cell of `cells.CELLS`"""
    neurons: Count = 64
    """width of a summary"""
    layers: Annotated[int, Whole(1, 100)] = 1
    """of lstm and elman, stacked"""
    options: dict[str, Any] = field(default_factory=dict)
    """for the cell's class: solver, tau, …"""
    feedthrough: bool = False
    """whether a summary also holds the present input, beside the states; those of an LTC lag"""
    remember: Natural = 0
    """steps over which a fresh lstm or gru remembers; 0 for torch's start, which forgets half at each step"""
    previous_action: bool = False
    """whether the last action, in [-1, 1], is seen beside the observation"""
    previous_reward: bool = False
    """whether the last reward is seen too"""
