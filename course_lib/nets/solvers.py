"""ODE solvers for batches of states, with gradients by back-propagation or by the adjoint method.

Euler, midpoint and RK4 are written here as tableaus; adaptive and multistep methods are torchdiffeq's. Every interval
is integrated in its own time s from 0 to 1, so each sample of a batch may have its own duration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import torch
import torchdiffeq
from torch import Tensor, nn
from torchdiffeq._impl.odeint import SOLVERS

from course_lib.errors import ArgumentError, NonFiniteError, check_choice, check_count
from course_lib.nets.checks import once

Field = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge–Kutta method (Butcher 1964): kᵢ = f(t + cᵢδ, h + δ Σⱼ aᵢⱼ kⱼ), h ← h + δ Σ bᵢ kᵢ."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    order: int


TABLEAUS = {
    "euler": Tableau(((),), (1.0,), (0.0,), 1),
    "midpoint": Tableau(((), (0.5,)), (0.0, 1.0), (0.0, 0.5), 2),
    "rk4": Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 0.5, 0.5, 1.0), 4),
}
# scipy_solver leaves torch and comes back without a gradient; explicit_adams is of order 12 with hardly any region of
# stability, and its adjoint was seen to explode on a tame field.
METHODS = (*TABLEAUS, *sorted(set(SOLVERS) - set(TABLEAUS) - {"scipy_solver", "explicit_adams"}))
GRADIENTS = ("backprop", "adjoint")
MAX_STEPS = 10_000


class Counted(nn.Module):
    """`field` with a counter: `evaluations` is how often it was called."""

    def __init__(self, field: Field):
        super().__init__()
        self.field, self.evaluations = field, 0

    def forward(self, t: Tensor, h: Tensor) -> Tensor:
        self.evaluations += 1
        return self.field(t, h)


def odeint(
    field: Field,
    h0: Tensor,
    t: Tensor,
    *,
    method: str = "rk4",
    substeps: int = 1,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    max_steps: int = MAX_STEPS,
    gradient: str = "backprop",
    params: tuple[Tensor, ...] | None = None,
) -> Tensor:
    """Solve dh/dt = field(t, h) from h(t[0]) = h0.

    Args:
        field: (t, h (B, n)) -> (B, n); t is a scalar, or (B, 1) where `t` differs between samples.
        h0: (B, n).
        t: increasing times, (K,), or (K, B) with separate times for each sample; any unit.
        method: one of `METHODS`.
        substeps: steps per interval of the fixed-step methods; adaptive ones choose their own.
        rtol, atol: error tolerances of the adaptive methods, relative and absolute, per step.
        max_steps: how many steps an adaptive method may take per interval, including steps that it repeats. Without a
            limit, a stiff field could make it take ever shorter steps for hours.
        gradient: "backprop" through the steps (memory grows with them), or "adjoint": solve the adjoint ODE backwards
            by the same method (Pontryagin 1962; Chen et al. 2018, algorithm 1; constant memory, no second derivative).
        params: for "adjoint", the tensors that `field` depends on, none of them computed from another; by default
            `field.parameters()`.

    Returns:
        (K, B, n), the first row is h0.

    Raises:
        ArgumentError: an option that is not accepted. NonFiniteError: the state is no longer finite, or an adaptive
            method gave up.
    """
    t = _checked(h0, t, method, substeps, rtol, atol, gradient)
    if not h0.numel():  # there is nothing to adapt to
        method, substeps = "euler", 1
    solve = _Interval(method, substeps, rtol, atol, check_count("max_steps", max_steps))
    if gradient == "adjoint":
        if params is None:
            if not isinstance(field, nn.Module):
                raise ArgumentError(
                    "gradient='adjoint' cannot see what a plain function depends on; make field an nn.Module, or name "
                    "its tensors in params=(…)"
                )
            params = tuple(field.parameters())
        if t.requires_grad:
            raise ArgumentError("gradient='adjoint' gives no gradient for t; detach t or use gradient='backprop'")
        out = _Adjoint.apply(field, solve, len(params), h0, t, *params)
    else:
        rows = [h0]
        for start, end in zip(t[:-1], t[1:], strict=True):
            rows.append(solve(_rescaled(field, start, end), (rows[-1],), start, end)[0])
        out = torch.stack(rows)
    check_finite(out, f"method={method!r}", first=0)
    return out


def check_finite(states: Tensor, where: str, first: int = 1) -> None:
    """Raise, naming neuron and step, unless all `states` (T, B, n) are finite; `first` is the number of row 0."""
    if torch.isfinite(states.detach().sum()) or torch.isfinite(states).all():  # a sum of large numbers may overflow
        return
    step, sample, neuron = (~torch.isfinite(states)).nonzero()[0].tolist()
    raise NonFiniteError(
        f"the state of neuron {neuron} is not finite ({states[step, sample, neuron].item()}) after step {step + first} "
        f"(sample {sample}, {where}); try more substeps, a shorter dt, an implicit step (solver='fused'), or a smaller "
        "learning rate"
    )


def _checked(h0: Tensor, t: Tensor, method: str, substeps: int, rtol: float, atol: float, gradient: str) -> Tensor:
    check_choice("method", method, METHODS)
    check_choice("gradient", gradient, GRADIENTS)
    check_count("substeps", substeps)
    check_tolerances(rtol, atol, h0.dtype)
    given, t = t, torch.as_tensor(t, dtype=h0.dtype, device=h0.device)
    if t.ndim not in (1, 2) or len(t) < 2 or (t.ndim == 2 and t.shape[1] != len(h0)):
        raise ArgumentError(
            f"t of shape {tuple(t.shape)} is not accepted; it must be (K,) or (K, {len(h0)}) with K of at least 2"
        )
    step = t.detach().diff(dim=0)
    if not isinstance(given, Tensor) or given.dtype != t.dtype:
        exact = torch.as_tensor(given, dtype=torch.float64, device="cpu").detach().diff(dim=0)
        off = (step.cpu() / exact - 1).abs()[(exact > 0) & torch.isfinite(exact)]
        if off.numel() and float(off.max()) > 0.01:  # far from 0, numbers of few digits are too far apart
            kind = str(t.dtype).removeprefix("torch.")
            raise ArgumentError(
                f"t is not accepted: in {kind}, the type of h0, an interval of it would be {float(off.max()):.0%} off; "
                "accepted: times counted from nearer to 0, or h0 of float64"
            )
    if not bool((step > 0).all()) or not bool(torch.isfinite(step).all()):
        k = (~(step > 0) | ~torch.isfinite(step)).reshape(len(step), -1).any(1).nonzero()[0].item()
        raise ArgumentError(f"t is not accepted: from t[{k}] to t[{k + 1}] it must grow, by a finite amount")
    return t


def check_tolerances(rtol: float, atol: float, dtype: torch.dtype) -> None:
    """Raise unless both are positive and `rtol` is not below the precision of `dtype`."""
    least = 4 * torch.finfo(dtype).eps
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 0 < value < float("inf"):
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be a finite number above 0")
    if rtol < least:
        raise ArgumentError(
            f"rtol={rtol:g} is below the precision of {str(dtype).removeprefix('torch.')}; accepted: {least:.1g} or "
            "more" + ("" if dtype == torch.float64 else ", or use float64")
        )


def _rescaled(field: Field, start: Tensor, end: Tensor) -> Field:
    """dh/ds = Δ field(t₀ + s Δ, h) with Δ = end - start: s runs from 0 to 1 whatever the duration of each sample."""
    if start.ndim:
        start, end = start[:, None], end[:, None]

    def rescaled(s: Tensor, h: Tensor) -> Tensor:
        rate = field(start + s * (end - start), h)
        if (shape := getattr(rate, "shape", ())) != h.shape:  # (B,) would be stretched over the neurons
            raise ArgumentError(
                f"field of shape {tuple(shape)} is not accepted where h is {tuple(h.shape)}; it must be of the "
                "same shape, a rate for each state"
            )
        return (end - start) * rate

    return rescaled


class _Interval:
    """Integrates tuples of tensors from s = 0 to 1, or backwards from 1 to 0."""

    def __init__(self, method: str, substeps: int, rtol: float, atol: float, max_steps: int):
        self.method, self.substeps, self.rtol, self.atol, self.max_steps = method, substeps, rtol, atol, max_steps

    def __call__(
        self, field, state: tuple[Tensor, ...], start: Tensor, end: Tensor, backwards: bool = False
    ) -> tuple[Tensor, ...]:
        """`field` maps (s, *state) to the derivative of each part; a lone part comes without a tuple. `start` and `end`
        are the times that s = 0 and 1 stand for."""

        def rates(s, parts):
            k = field(s, *parts)
            return k if isinstance(k, tuple) else (k,)

        if self.method in TABLEAUS:
            step = (-1.0 if backwards else 1.0) / self.substeps
            s0 = 1.0 if backwards else 0.0
            for i in range(self.substeps):
                state = runge_kutta_step(rates, s0 + i * step, state, step, TABLEAUS[self.method])
            return state
        ends = state[0].new_tensor([1.0, 0.0] if backwards else [0.0, 1.0])
        steps, at = 0, ends[0]

        def count(s, *_):
            nonlocal steps, at
            steps, at = steps + 1, s
            if steps > self.max_steps:
                self._give_up(start, end, at, f"it took max_steps={self.max_steps:,} steps")

        # Adaptive methods would step past the end and interpolate, which costs dopri8 a factor of 1000 in accuracy.
        options = {"step_t": ends}
        if issubclass(SOLVERS[self.method], torchdiffeq._impl.solvers.AdaptiveStepsizeODESolver):
            rates.callback_step = count  # a name that torchdiffeq looks for
        else:
            options = {"step_size": 1.0 / self.substeps}
        try:
            out = torchdiffeq.odeint(
                rates, state, ends, method=self.method, rtol=self.rtol, atol=self.atol, options=options
            )
        except AssertionError as error:
            self._give_up(start, end, at, str(error).splitlines()[0])
        return tuple(part[-1] for part in out)

    def _give_up(self, start: Tensor, end: Tensor, s: Tensor, why: str) -> NoReturn:
        start, end, s = (x.detach().reshape(-1)[0].item() for x in (start, end, s))
        raise NonFiniteError(
            f"method={self.method!r} could not go on at t={start + s * (end - start):.6g}, between {start:.6g} and "
            f"{end:.6g} ({why}): the field is too stiff or not finite there; try a looser rtol, a shorter interval, an "
            "implicit step (solver='fused'), or, if it only needs more of them, a larger max_steps"
        ) from None


def runge_kutta_step(rates, t, state: tuple[Tensor, ...], step, tableau: Tableau) -> tuple[Tensor, ...]:
    """One explicit Runge–Kutta step of a tuple of tensors; `rates` maps (t, tuple) to a tuple."""
    ks: list[tuple[Tensor, ...]] = []
    for a, c in zip(tableau.a, tableau.c, strict=True):
        ks.append(rates(t + c * step, _moved(state, ks, a, step)))
    return _moved(state, ks, tableau.b, step)


def _moved(state, ks, weights, step):
    """state + step · Σ weights · ks, part by part."""
    for k, w in zip(ks, weights, strict=False):
        if w:
            state = tuple(part + (step * w) * rate for part, rate in zip(state, k, strict=True))
    return state


class _Adjoint(torch.autograd.Function):
    """Forward: solve and keep only the states asked for. Backward: one augmented ODE, from the end to the start.

    With a = ∂L/∂h:  dh/dt = f,  da/dt = -aᵀ ∂f/∂h,  dg/dt = -aᵀ ∂f/∂θ,  and g(t₀) = dL/dθ.
    """

    @staticmethod
    def forward(ctx, field, solve: _Interval, count: int, h0: Tensor, t: Tensor, *params: Tensor) -> Tensor:
        rows = [h0]
        for start, end in zip(t[:-1], t[1:], strict=True):
            rows.append(solve(_rescaled(field, start, end), (rows[-1],), start, end)[0])
        out = torch.stack(rows)
        ctx.field, ctx.solve = field, solve
        ctx.save_for_backward(out, t, *params)
        return out

    @staticmethod
    @once
    def backward(ctx, grad_out: Tensor):
        out, t, *params = ctx.saved_tensors
        needed = [p for p in params if p.requires_grad]
        gradient = tuple(torch.zeros_like(p) for p in needed)
        a = grad_out[-1]
        for k in range(len(t) - 2, -1, -1):
            field = _rescaled(ctx.field, t[k], t[k + 1])

            def augmented(s, h, a, *_, field=field):
                with torch.enable_grad():
                    h = h.detach().requires_grad_()
                    f = field(s, h)
                    vjp = torch.autograd.grad(f, (h, *needed), a, allow_unused=True)
                zeros = (torch.zeros_like(x) if v is None else v for v, x in zip(vjp, (h, *needed), strict=True))
                return f.detach(), *(-v for v in zeros)

            _, a, *gradient = ctx.solve(augmented, (out[k + 1], a, *gradient), t[k], t[k + 1], backwards=True)
            a = a + grad_out[k]
        grads = iter(gradient)
        return None, None, None, a, None, *(next(grads) if p.requires_grad else None for p in params)
