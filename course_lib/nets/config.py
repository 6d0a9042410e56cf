"""Descriptions of recurrent networks. A config passes them on as a whole to the network."""

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
    """Whether new networks keep their initial weights. False if weights are about to be read from a file."""
    return _fresh.get()


@contextlib.contextmanager
def to_be_filled() -> Iterator[None]:
    """Inside the `with` block, networks are built to be filled from a file, so steps for fresh weights are left out."""
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
    """name of the cell in `cells.CELLS`: ltc, cfc, ctrnn, neural_ode, gru, …; None for a network without memory"""
    neurons: Count = 8
    """number of states of the cell"""
    options: dict[str, Any] = field(default_factory=dict)
    """options of the cell's class: solver, substeps, form, rank, …; `wiring` is a `Wiring` or its `to_dict()`"""
    encoder: Count | None = None
    """width of a tanh layer between observation and cell; with None the cell sees the observation itself"""
    feedthrough: bool = False
    """whether the readouts see the cell's input as well as its states, like D in the state-space model y = C h + D x;
    an action can then follow an observation at once, without the lag of the states"""
    critic: Literal["cell", "mlp"] = "cell"
    """'cell': a cell of the same kind with its own state; 'mlp': a tanh network that sees the current observation"""
    critic_neurons: Count | None = None
    """number of states of the critic's cell; None for as many as the policy's"""
    clock: bool = False
    """whether the last entry of the observation says how long the next step lasts, in control steps of training; a
    continuous-time cell then solves over that time"""


@dataclass
class SummarizerConfig(_Cell):
    """A network that turns the history of an agent into a vector."""

    name: Annotated[str, OneOf(SUMMARIZERS)] = "lstm"
    """the network: lstm, elman, identity (remembers nothing), or a cell of `cells.CELLS`"""
    neurons: Count = 64
    """width of a summary"""
    layers: Annotated[int, Whole(1, 100)] = 1
    """number of stacked layers, for lstm and elman"""
    options: dict[str, Any] = field(default_factory=dict)
    """options of the cell's class: solver, tau, …"""
    feedthrough: bool = False
    """whether a summary also holds the current input, beside the states; the states of an LTC lag behind it"""
    remember: Natural = 0
    """steps over which a fresh lstm or gru remembers; 0 for usual initial weights, which forget half at each step"""
    previous_action: bool = False
    """whether the last action, in [-1, 1], is an input beside the observation"""
    previous_reward: bool = False
    """whether the last reward is an input too"""
