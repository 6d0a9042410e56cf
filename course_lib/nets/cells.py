"""Recurrent cells in continuous time, behind one interface. For comparison there are cells in discrete time: a GRU, a
plain layer, and two that see a window of the past (`windows`).

    cell(x, h, dt)                  x (B, inputs), state h (B, state_width) -> the state dt later
    cell.sequence(x, h, starts, dt) x (T, B, inputs) -> states (T, B, state_width) after each step

Readouts see the first `neurons` entries of a state. That is the whole state, except in `windows`, whose states hold the
window too. The input is held during a step. Time can have any unit; the library's policies count control steps, dt = 1.
h is the state, W (to, from) the recurrent and U the input weights, b the bias, τ = softplus(·) > 0 the time constants.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError, check_choice
from course_lib.machine import check_memory
from course_lib.nets.base import Cell, ODECell, inverse_softplus
from course_lib.nets.fused import plus
from course_lib.nets.solvers import METHODS
from course_lib.nets.synaptic import SynapticLTC
from course_lib.nets.windows import Attention, Frames
from course_lib.nets.wiring import Wiring


class NeuralODE(ODECell):
    """dh/dt = tanh(W h + U x + b) (Chen et al. 2018, with one layer). Nothing decays: a perfect integrator if W = 0."""

    def __init__(self, inputs: int, neurons: int, *, solver: str = "rk4", **options):
        if solver == "fused":
            raise ArgumentError(
                "solver='fused' is not defined for NeuralODE, which has no decay to take implicitly; accepted: "
                + ", ".join(map(repr, METHODS))
            )
        super().__init__(inputs, neurons, solver=solver, **options)

    @staticmethod
    def rate(a, h):
        return torch.tanh(a)

    @property
    def tau(self) -> Tensor:
        raise ArgumentError("a NeuralODE has no time constants; CTRNN, LTC and SynapticLTC have")


class CTRNN(ODECell):
    """dh/dt = -h/τ + tanh(W h + U x + b) (Funahashi & Nakamura 1993).

    Args:
        tau: (least, largest) initial time constants; they are drawn log-uniformly between these two.
    """

    def __init__(self, inputs: int, neurons: int, *, tau: tuple[float, float] = (0.2, 2.0), **options):
        super().__init__(inputs, neurons, **options)
        self.raw_tau = nn.Parameter(inverse_softplus(_log_uniform(neurons, *tau)))

    def params(self):
        return (1.0 / self.tau,)

    @staticmethod
    def rate(a, h, decay):
        return torch.addcmul(torch.tanh(a), h, decay, value=-1.0)

    @staticmethod
    def advance(a, h, dt, decay):
        return plus(torch.tanh(a), h, 1.0 / dt) / (1.0 / dt + decay)


def _log_uniform(n: int, low: float, high: float) -> Tensor:
    if not 0 < low <= high < math.inf:
        raise ArgumentError(f"tau=({low!r}, {high!r}) is not accepted; it must be two positive numbers in order")
    return torch.empty(n).uniform_(math.log(low), math.log(high)).exp()


class LTC(ODECell):
    """Liquid time-constant cell: dh/dt = -(1/τ + f) h + f A, f = σ(W h + U x + b) (Hasani et al. 2021, eq. 1).

    The input changes f, and with it the time constant 1/(1/τ + f). States stay between min(0, A) and max(0, A).
    solver="fused" is the paper's step, eq. (3): h ← (h + δ f A) / (1 + δ (1/τ + f)).

    Args:
        tau: (least, largest) initial time constants; they are drawn log-uniformly between these two.
        A: (least, largest) initial |A|, drawn uniformly, with a random sign. bias: (least, largest) initial b, drawn
            uniformly. With the defaults f starts near 1/2 and no neuron remembers more than two units of time, so it
            reacts quickly. A negative b makes f small and memory long. `LTC.SLOW` has ranges for tasks that need that.
        form: "paper", or "writeup": dh/dt = -(1/τ + A f) h + f, as printed in a student report on the same system.
    """

    SLOW = {"tau": (0.5, 20.0), "A": (3.0, 9.0), "bias": (-4.0, 0.0)}

    def __init__(
        self, inputs: int, neurons: int, *, tau: tuple[float, float] = (0.2, 2.0), A: tuple[float, float] = (1.0, 3.0),
        bias: tuple[float, float] = (0.0, 0.0), form: str = "paper", **options,
    ):  # fmt: skip
        super().__init__(inputs, neurons, **options)
        check_choice("form", form, ("paper", "writeup"))
        self.form = form
        self.raw_tau = nn.Parameter(inverse_softplus(_log_uniform(neurons, *tau)))
        with torch.no_grad():
            self.input.mul_(2.0)  # σ is four times flatter at 0 than tanh
            if any(bias):
                self.bias.uniform_(*bias)
        sign = torch.ones(neurons) if form == "writeup" else (torch.rand(neurons) < 0.5) * 2.0 - 1.0
        self.A = nn.Parameter(sign * torch.empty(neurons).uniform_(*A))
        if form == "writeup":
            self.rate, self.advance = _writeup_rate, _writeup_advance

    def params(self):
        return 1.0 / self.tau, self.A

    @staticmethod
    def rate(a, h, decay, A):
        f = torch.sigmoid(a)
        return torch.addcmul(f * A, f + decay, h, value=-1.0)

    @staticmethod
    def advance(a, h, dt, decay, A):
        f = torch.sigmoid(a)
        return plus(f * A, h, 1.0 / dt) / (f + (1.0 / dt + decay))

    def time_constants(self, h: Tensor, x: Tensor) -> Tensor:
        """1/(1/τ + f), or 1/(1/τ + A f) in the write-up's form: (…, neurons)."""
        f = torch.sigmoid(self._received(self._split(self.drive(x))[0], h, self._recurrent()))
        return 1.0 / (1.0 / self.tau + (self.A * f if self.form == "writeup" else f))


def _writeup_rate(a, h, decay, A):
    f = torch.sigmoid(a)
    return f - (decay + A * f) * h


def _writeup_advance(a, h, dt, decay, A):
    f = torch.sigmoid(a)
    return plus(f, h, 1.0 / dt) / (1.0 / dt + decay + A * f)


# --- cells without a differential equation ------------------------------------------------------


class CfC(Cell):
    """Closed-form continuous-time cell (Hasani et al. 2022, eq. 10, without a shared backbone).

    h ← σ(-f dt) g + (1 - σ(-f dt)) k, where f is linear and g, k = tanh are heads of (h, x): no solver, time explicit.
    """

    gates = 3

    @staticmethod
    def advance(a, h, dt):
        f, g, k = a.chunk(3, -1)
        g, k = torch.tanh(g), torch.tanh(k)
        return torch.lerp(k, g, torch.sigmoid(-f * dt))


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014) in torch.nn.GRUCell's form. A cell in discrete time: it ignores dt."""

    gates = 3

    def __init__(self, inputs: int, neurons: int, wiring=None, rank: int | None = None):
        super().__init__(inputs, neurons, wiring, rank)
        self.recurrent_bias = nn.Parameter(torch.zeros(neurons))

    # The reset gate multiplies what comes from the state, but not what comes from the input. So the candidate has two
    # pre-activations, one fed by the input alone, the other by the state alone.
    def drive(self, x: Tensor) -> Tensor:
        """x (…, inputs) -> (…, 4 · neurons)."""
        u = super().drive(x)
        return torch.cat([u, self.recurrent_bias.expand(*u.shape[:-1], self.neurons)], dim=-1)

    def _recurrent(self) -> Tensor:
        gates, candidate = super()._recurrent().split([2 * self.neurons, self.neurons])
        return torch.cat([gates, torch.zeros_like(candidate), candidate])

    @staticmethod
    def advance(a, h, dt):
        n = h.shape[-1]
        gates, from_input, from_state = torch.sigmoid(a[..., : 2 * n]), a[..., 2 * n : 3 * n], a[..., 3 * n :]
        reset, update = gates.chunk(2, -1)
        return torch.lerp(torch.tanh(torch.addcmul(from_input, reset, from_state)), h, update)


class MLP(Cell):
    """h ← tanh(U x + b): a layer without memory, for comparison. It must fail where the past matters."""

    rankless = "no recurrent weights"

    def __init__(self, inputs: int, neurons: int, wiring=None, rank: int | None = None):
        super().__init__(inputs, neurons, wiring, rank)
        del self.recurrent
        self.register_buffer("recurrent", torch.zeros(neurons, neurons), persistent=False)

    @staticmethod
    def advance(a, h, dt):
        return torch.tanh(a)

    def _run(self, drive, h, starts, dt) -> Tensor:
        return torch.tanh(drive)


# What these functions are called in `native`.
CTRNN.advance.native, LTC.advance.native, GRU.advance.native, CfC.advance.native = "ctrnn", "ltc", "gru", "cfc"
NeuralODE.rate.native, CTRNN.rate.native, LTC.rate.native = "neural_ode", "ctrnn", "ltc"

CELLS: dict[str, type[Cell]] = {
    "neural_ode": NeuralODE,
    "ctrnn": CTRNN,
    "ltc": LTC,
    "cfc": CfC,
    "gru": GRU,
    "mlp": MLP,
    "frames": Frames,
    "attention": Attention,
    "synaptic_ltc": SynapticLTC,
}


def make_cell(name: str, inputs: int, neurons: int, **options) -> Cell:
    """A cell by its name in `CELLS`; options go to its class. `wiring` may be the dict from `Wiring.to_dict`."""
    check_choice("cell", name, CELLS)
    if "wiring" in options and not isinstance(options["wiring"], Wiring | None):
        options["wiring"] = Wiring.from_dict(options["wiring"])
    if isinstance(neurons, int) and isinstance(inputs, int):
        check_memory("neurons", neurons, 4 * CELLS[name].gates * neurons * (inputs + neurons + 1))
    try:
        return CELLS[name](inputs, neurons, **options)
    except TypeError as error:
        raise ArgumentError(f"cell={name!r} does not take these options: {str(error).split('() ')[-1]}") from None
