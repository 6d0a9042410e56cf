"""What all recurrent cells share: weights, wiring, running a sequence. `ODECell` adds what cells with an ODE share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import ArgumentError, NonFiniteError, check_choice, check_count
from course_lib.nets.checks import begins, check_states, durations
from course_lib.nets.fused import fused_map, fused_runge_kutta
from course_lib.nets.solvers import GRADIENTS, MAX_STEPS, METHODS, TABLEAUS, check_finite, check_tolerances, odeint


class Cell(nn.Module):
    """What all cells share: h ← advance(h Wᵀ + drive, h, dt, *params), with drive = x Uᵀ + b.

    Args:
        inputs: width of the input. neurons: number of states.
        wiring: a `wiring.Wiring` whose masks say which synapses exist; None for all.
        rank: rank of W. W is then a product of two factors, (gates · neurons, rank) and (rank, neurons), times the mask
            of the wiring if there is one (Tumma et al. 2024, low-rank and sparse recurrent weights). None: full rank.

    Subclasses say how wide the pre-activation is (`gates` · neurons) and define `advance` and `params`. If W cannot be
    a product, `rankless` says why.
    """

    gates, rankless = 1, ""

    def __init__(self, inputs: int, neurons: int, wiring=None, rank: int | None = None):
        super().__init__()
        self.inputs, self.neurons = check_count("inputs", inputs), check_count("neurons", neurons)
        self.rank = None if rank is None else self._checked_rank(rank)
        rows = self.gates * neurons
        self.input = nn.Parameter(torch.empty(rows, inputs).uniform_(-1, 1) * math.sqrt(3 / inputs))
        if self.rank is None:
            self.recurrent = nn.Parameter(torch.empty(rows, neurons).uniform_(-1, 1) / math.sqrt(neurons))
        else:
            # An entry of the product is a sum of `rank` products, of the variance 1/(3 neurons) of the full start.
            bound = (3 / (self.rank * neurons)) ** 0.25
            self.recurrent_left = nn.Parameter(torch.empty(rows, self.rank).uniform_(-bound, bound))
            self.recurrent_right = nn.Parameter(torch.empty(self.rank, neurons).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(rows))
        self.wiring = wiring
        self.masked = wiring is not None
        if self.masked:
            self._wire(wiring)

    def _checked_rank(self, rank: int) -> int:
        if self.rankless:
            raise ArgumentError(
                f"rank={rank!r} is not accepted by {type(self).__name__}, which has {self.rankless}; accepted: None"
            )
        if check_count("rank", rank) > self.neurons:
            raise ArgumentError(f"rank={rank} is not accepted with neurons={self.neurons}; it must be at most as large")
        return int(rank)

    def _wire(self, wiring) -> None:
        wanted, came = (self.neurons, self.inputs), tuple(wiring.sensory.shape)
        if came != wanted:
            raise ArgumentError(
                f"wiring has {came[0]} neurons and {came[1]} inputs; accepted: neurons={wanted[0]}, inputs={wanted[1]}"
            )
        wiring.check()
        for name, mask in (("recurrent_mask", wiring.recurrent), ("input_mask", wiring.sensory)):
            mask = torch.as_tensor(mask, dtype=torch.get_default_dtype())
            self.register_buffer(name, mask.repeat(self.gates, 1))

    # --- what a subclass defines --------------------------------------------------------------

    @staticmethod
    def advance(a: Tensor, h: Tensor, dt, *params: Tensor) -> Tensor:
        """One step of length dt: a = h Wᵀ + drive (…, gates·n), h (…, n) -> (…, n)."""
        raise NotImplementedError

    def params(self) -> tuple[Tensor, ...]:
        """What else `advance` needs, each (neurons,)."""
        return ()

    def time_constants(self, h: Tensor, x: Tensor) -> Tensor:
        """h (…, neurons), x (…, inputs) -> how long each neuron remembers (…, neurons). Not every cell defines this."""
        raise NotImplementedError

    @property
    def state_width(self) -> int:
        """Width of the state. Its first `neurons` entries are what is read; a cell may keep more after them."""
        return self.neurons

    # --- weights as they act ------------------------------------------------------------------

    def _recurrent(self) -> Tensor:
        weight = self.recurrent if self.rank is None else self.recurrent_left @ self.recurrent_right
        return weight * self.recurrent_mask if self.masked else weight

    def _input(self) -> Tensor:
        return self.input * self.input_mask if self.masked else self.input

    @property
    def recurrent_weight(self) -> Tensor:
        """(neurons, neurons) [to, from], without gradient; for a gated cell, those of its last gate, the candidate."""
        return self._recurrent().detach()[-self.neurons :]

    @property
    def input_weight(self) -> Tensor:
        """(neurons, inputs) [to, from], without gradient."""
        return self._input().detach()[-self.neurons :]

    # --- running ------------------------------------------------------------------------------

    @staticmethod
    def _received(drive: Tensor, h: Tensor, weight: Tensor) -> Tensor:
        """h Wᵀ + drive: what the neurons receive from each other and from the input."""
        return torch.addmm(drive, h, weight.t()) if h.ndim == drive.ndim == 2 else h @ weight.t() + drive

    def initial_state(self, n: int) -> Tensor:
        """Zeros, (n, state_width), of the type and on the device of the weights."""
        return next(self.parameters()).new_zeros(n, self.state_width)

    def drive(self, x: Tensor) -> Tensor:
        """x (…, inputs) -> x Uᵀ + b, (…, gates·neurons)."""
        return F.linear(self._checked(x), self._input(), self.bias)

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.inputs:
            raise ArgumentError(
                f"x of shape {tuple(x.shape)} is not accepted; its last axis must be {self.inputs} wide"
            )
        return x

    def forward(self, x: Tensor, h: Tensor, dt: float | Tensor = 1.0) -> Tensor:
        """x (B, inputs), h (B, state_width), dt a number or (B,) -> the state dt later, (B, state_width)."""
        check_states(self, x, h, "B")
        dt = durations(dt, h)
        dt = dt[0] if isinstance(dt, Tensor) else dt
        return self.advance(self._received(self.drive(x), h, self._recurrent()), h, dt, *self.params())

    def sequence(self, x: Tensor, h: Tensor, starts: Tensor | None = None, dt: float | Tensor = 1.0) -> Tensor:
        """Run through a whole sequence in one fused call.

        Args:
            x: (T, B, inputs); T and B may be 0. h: state before the first step, (B, state_width). Both have the type
                and the device of the weights.
            starts: (T, B) of bools, true where an episode begins. There the state is set to zero before the step,
                whatever it was.
            dt: duration of each step: a number, (T,) or (T, B), positive.

        Returns:
            States after each step, (T, B, state_width). You can differentiate them once. A second derivative needs
            gradient="backprop" and a solver that is neither "fused" nor in `solvers.TABLEAUS`.
        """
        check_states(self, x, h, "TB")
        starts, dt = begins(starts, h, len(x)), durations(dt, h, len(x))
        if not x.numel():
            nothing = sum(p.sum() for p in (x, *self.parameters()))  # so that all get a gradient, of zeros
            return (h + nothing).expand(*x.shape[:2], self.state_width)
        out = self._run(self.drive(x), h, starts, dt)
        check_finite(out, type(self).__name__)
        return out

    def _run(self, drive, h, starts, dt) -> Tensor:
        return fused_map(self.advance, drive, None, h, starts, dt, 1, self._recurrent(), self.params())

    def extra_repr(self) -> str:
        ranked = "" if self.rank is None else f", rank {self.rank}"
        return f"{self.inputs} inputs, {self.neurons} neurons{ranked}"


class ODECell(Cell):
    """A cell that solves dh/dt = rate(h Wᵀ + drive, h, *params) over each step.

    Args:
        solver: "fused" (semi-implicit, the decay taken implicitly; fast and stable), or one of `solvers.METHODS`.
        substeps: solver steps per step of the cell, for the solvers with fixed steps.
        gradient: "backprop" or "adjoint" (see `solvers.odeint`).
        input: "held": the input acts during the whole step. "initial": it is added to the state when the step begins,
            h ← h + x Uᵀ, and the equation then runs freely.
        rtol, atol, max_steps: tolerances of the adaptive solvers, and how many steps they may take per cell step.
    """

    def __init__(
        self, inputs: int, neurons: int, *, solver: str = "fused", substeps: int = 1, gradient: str = "backprop",
        input: str = "held", rtol: float = 1e-5, atol: float = 1e-6, max_steps: int = MAX_STEPS, wiring=None,
        rank: int | None = None,
    ):  # fmt: skip
        super().__init__(inputs, neurons, wiring, rank)
        check_choice("solver", solver, ("fused", *METHODS))
        check_choice("gradient", gradient, GRADIENTS)
        check_choice("input", input, ("held", "initial"))
        check_tolerances(rtol, atol, torch.get_default_dtype())
        if gradient == "adjoint" and solver == "fused":
            raise ArgumentError(
                "gradient='adjoint' does not go with solver='fused': the semi-implicit step cannot be run backwards in "
                "time; accepted: gradient='backprop', or a solver such as 'rk4' or 'dopri5'"
            )
        self.solver, self.substeps, self.gradient = solver, check_count("substeps", substeps), gradient
        self.mode, self.rtol, self.atol, self.max_steps = input, rtol, atol, check_count("max_steps", max_steps)

    @staticmethod
    def rate(a: Tensor, h: Tensor, *params: Tensor) -> Tensor:
        """dh/dt from a = h Wᵀ + drive and h, each (…, n)."""
        raise NotImplementedError

    @property
    def tau(self) -> Tensor:
        """Time constants τ (neurons,), positive by construction."""
        return F.softplus(self.raw_tau)

    def derivative(self, h: Tensor, x: Tensor) -> Tensor:
        """dh/dt (…, neurons) at h (…, neurons) under the input x (…, inputs)."""
        drive, _ = self._split(self.drive(x))
        return self.rate(self._received(drive, h, self._recurrent()), h, *self.params())

    def time_constants(self, h: Tensor, x: Tensor) -> Tensor:
        """Effective time constants (…, neurons): how fast each state forgets, at h under x."""
        return self.tau.expand(torch.broadcast_shapes(h.shape[:-1], x.shape[:-1]) + (self.neurons,))

    def _split(self, drive: Tensor) -> tuple[Tensor, Tensor | None]:
        """drive -> what drives the equation, what is added to the state at the beginning of the step."""
        return (drive, None) if self.mode == "held" else (self.bias.expand_as(drive), drive - self.bias)

    def forward(self, x: Tensor, h: Tensor, dt: float | Tensor = 1.0) -> Tensor:
        check_states(self, x, h, "B")
        dt = durations(dt, h)
        drive, kick = self._split(self.drive(x))
        h = h if kick is None else h + kick
        if self.solver != "fused":
            return self._integrate(drive, h, dt[0] if isinstance(dt, Tensor) else dt)
        delta, weight = (dt[0] if isinstance(dt, Tensor) else dt) / self.substeps, self._recurrent()
        params = self.params()
        for _ in range(self.substeps):
            h = self.advance(self._received(drive, h, weight), h, delta, *params)
        return h

    def _integrate(self, drive: Tensor, h: Tensor, dt) -> Tensor:
        """h (B, n) carried on by dt, a number or (B, 1), with `solvers.odeint`."""
        # Views: where one parameter is computed from another, the adjoint would otherwise count that path twice.
        drive, weight, *params = (p.view_as(p) for p in (drive, self._recurrent(), *self.params()))
        end = dt.squeeze(-1) if isinstance(dt, Tensor) else h.new_tensor(dt)
        field = lambda t, h: self.rate(self._received(drive, h, weight), h, *params)  # noqa: E731
        return odeint(
            field, h, torch.stack([torch.zeros_like(end), end]), method=self.solver, substeps=self.substeps,
            rtol=self.rtol, atol=self.atol, max_steps=self.max_steps, gradient=self.gradient,
            params=(drive, weight, *params),
        )[-1]  # fmt: skip

    def _run(self, drive, h, starts, dt) -> Tensor:
        drive, kick = self._split(drive)
        common = (drive, kick, h, starts, dt, self.substeps, self._recurrent(), self.params())
        if self.solver == "fused":
            return fused_map(self.advance, *common)
        if self.solver in TABLEAUS and self.gradient == "backprop":
            return fused_runge_kutta(self.rate, self.solver, *common)
        return self._step_by_step(drive, kick, h, starts, dt)

    def _step_by_step(self, drive, kick, h, starts, dt) -> Tensor:
        """`_run` with `solvers.odeint`, for what has no fused form."""
        states = []
        for t in range(len(drive)):
            h = h if starts is None else h.masked_fill(starts[t], 0.0)
            h = h if kick is None else h + kick[t]
            try:
                h = self._integrate(drive[t], h, dt[t] if isinstance(dt, Tensor) else dt)
            except NonFiniteError as error:
                raise NonFiniteError(f"in step {t + 1} of {len(drive)}, {error}") from None
            states.append(h)
        return torch.stack(states)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, solver={self.solver!r}, substeps={self.substeps}, gradient={self.gradient!r}"


def inverse_softplus(y: Tensor) -> Tensor:
    return y + torch.log(-torch.expm1(-y))
