"""A whole sequence of recurrent steps in one autograd function, with the backward pass written out.

Every cell of `cells` but the synaptic one has the same anatomy: one matrix product a = h Wᵀ + drive, then arithmetic
neuron by neuron. So the Jacobian of a step is a diagonal plus a diagonal times W, and back-propagation through time is

    ḡ ← ḡ ⊙ ∂h'/∂h + (ḡ ⊙ ∂h'/∂a) W

Only that has to be done step by step. The diagonals of many steps are computed before it, in one large operation, and
the gradients of weights, inputs and parameters after it, in another.

Shapes: T steps, L substeps, S stages of a Runge–Kutta step, B samples, n neurons, m·n pre-activations (m = 1 but for
gated cells).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.nets import native
from course_lib.nets.checks import by_step, once, refuse_gradient
from course_lib.nets.solvers import TABLEAUS

BLOCK = 2**17  # states whose diagonals are computed together: as many as stay in a processor's cache


def fused_map(
    advance: Callable, drive: Tensor, kick: Tensor | None, h: Tensor, starts: Tensor | None, dt, substeps: int,
    weight: Tensor, params: tuple[Tensor, ...],
) -> Tensor:  # fmt: skip
    """States (T, B, n) after each step of h ← advance(h Wᵀ + drive, h, δ, *params), `substeps` times a step.

    A function with an attribute `native` is run in C where that is possible (see `native`).

    Args:
        advance: (a (…, m·n), h (…, n), δ, *params) -> (…, n), each neuron on its own.
        drive: what the input contributes, held during a step: (T, B, m·n).
        kick: added to the state when a step begins: (T, B, n), or None.
        h: state before the first step, (B, n).
        starts: (T, B, 1) true where an episode begins: the state is set to 0 there before the step. None: nowhere.
        dt: duration of a step: a number or (T, B, 1); carries no gradient.
        weight: W, (m·n, n). params: each (n,).
    """
    refuse_gradient(dt)
    kind, rate = getattr(advance, "native", None), substeps / dt
    if kind is not None and native.usable(drive, rate):
        run = native.gated if kind in ("gru", "cfc") else native.decaying
        return run(kind, drive, kick, h, starts, rate, substeps, weight, *params)
    return _Sequence.apply(advance, None, dt, substeps, drive, kick, h, starts, weight, *params)


def fused_runge_kutta(
    rate: Callable, method: str, drive: Tensor, kick: Tensor | None, h: Tensor, starts: Tensor | None, dt,
    substeps: int, weight: Tensor, params: tuple[Tensor, ...],
) -> Tensor:  # fmt: skip
    """As `fused_map`, with explicit Runge–Kutta steps of dh/dt = rate(h Wᵀ + drive, h, *params)."""
    refuse_gradient(dt)
    kind, speed = getattr(rate, "native", None), substeps / dt
    if kind is not None and native.usable(drive, speed):
        return native.explicit(kind, TABLEAUS[method], drive, kick, h, starts, speed, substeps, weight, *params)
    return _Sequence.apply(rate, TABLEAUS[method], dt, substeps, drive, kick, h, starts, weight, *params)


def plus(x: Tensor, y: Tensor, c) -> Tensor:
    """x + c y in one operation; c is a number or a tensor."""
    return torch.addcmul(x, y, c) if isinstance(c, Tensor) else torch.add(x, y, alpha=c)


class _Sequence(torch.autograd.Function):
    """`function` is `advance` where there is no tableau, and `rate` where there is one."""

    @staticmethod
    def forward(ctx, function, tableau, dt, substeps, drive, kick, h, starts, weight, *params):
        wt, before, after, begin = weight.t(), [], [], by_step(starts)
        for t, u in enumerate(drive.unbind()):
            delta = (dt[t] if isinstance(dt, Tensor) else dt) / substeps
            if begin and begin[t] is not None:
                h = h.masked_fill(begin[t], 0.0)  # a product with 0 would keep a NaN
            if kick is not None:
                h = h + kick[t]
            for _ in range(substeps):
                if tableau is None:
                    before.append(h)
                    h = function(torch.addmm(u, h, wt), h, delta, *params)
                else:
                    h = _runge_kutta(function, tableau, delta, u, h, wt, params, before)
            after.append(h)
        ctx.function, ctx.tableau, ctx.kicked = function, tableau, kick is not None
        ctx.dt, each = (None, dt) if isinstance(dt, Tensor) else (dt, None)
        stages = 1 if tableau is None else len(tableau.b)
        states = torch.stack(before).view(len(drive), substeps, stages, *h.shape)
        ctx.save_for_backward(states, drive, starts, each, weight, *params)
        return torch.stack(after)

    @staticmethod
    @once
    def backward(ctx, grad_out):
        states, drive, starts, each, weight, *params = ctx.saved_tensors
        (T, L), begin = states.shape[:2], by_step(starts)
        length = max(1, BLOCK // states[0].numel())
        g, kicks, drives, totals = torch.zeros_like(grad_out[0]), [], [], None
        for last in range(T, 0, -length):
            first = max(0, last - length)
            delta = (ctx.dt if each is None else each[first:last, None, None]) / L
            block = _Block(ctx, states[first:last], drive[first:last], delta, weight, params)
            for t in range(last - 1, first - 1, -1):
                g = g + grad_out[t]
                for _ in range(L):
                    g = block.backward(g)
                if ctx.kicked:
                    kicks.append(g)
                if begin and begin[t] is not None:
                    g = g.masked_fill(begin[t], 0.0)
            d_drive, *grads = block.gradients()
            drives.append(d_drive)
            totals = grads if totals is None else [a + b for a, b in zip(totals, grads, strict=True)]
        d_kick = torch.stack(kicks[::-1]) if ctx.kicked else None
        return None, None, None, None, torch.cat(drives[::-1]), d_kick, g, None, *totals


def _runge_kutta(rate, tableau, delta, u, h, wt, params, before: list) -> Tensor:
    """One step; the state of each stage is appended to `before`."""
    ks: list[Tensor] = []
    for row in tableau.a:
        y = h
        for w, k in zip(row, ks, strict=True):
            if w:
                y = plus(y, k, delta * w)
        before.append(y)
        ks.append(rate(torch.addmm(u, y, wt), y, *params))
    for w, k in zip(tableau.b, ks, strict=True):
        if w:
            h = plus(h, k, delta * w)
    return h


def _mixtures(tableau) -> list[tuple[float, list[tuple[int | None, float]]]]:
    """For each stage s: a factor w, and what ḡ (None) and the stages r after s send back to k_s, in units of w δ.

    k_s enters h' with weight b_s and stage r with a_rs. Units are chosen such that the first weight is 1.
    """
    if tableau is None:
        return [(1.0, [(None, 1.0)])]
    out = []
    for s, b in enumerate(tableau.b):
        terms = [(None, b)] + [(r, tableau.a[r][s]) for r in range(s + 1, len(tableau.b))]
        terms = [(r, w) for r, w in terms if w]
        out.append((terms[0][1], [(r, w / terms[0][1]) for r, w in terms]))
    return out


class _Block:
    """Some steps: their diagonals at once, the recursion from substep to substep, their gradients at once."""

    def __init__(self, ctx, states: Tensor, drive: Tensor, delta, weight: Tensor, params):
        self.states, self.weight, self.gates = states, weight, len(weight) // weight.shape[1]
        self.factors, self.mixtures = zip(*_mixtures(ctx.tableau), strict=True)
        self.plain = ctx.tableau is None
        with torch.enable_grad():
            a = (states @ weight.t()).add_(drive[:, None, None]).requires_grad_()
            h = states.detach().requires_grad_()
            self.params = [p.detach().requires_grad_() for p in params]
            self.out = ctx.function(a, h, *((delta,) if self.plain else ()), *self.params)
            da, dh = torch.autograd.grad(self.out.sum(), (a, h), retain_graph=True, allow_unused=True)
        # A Runge–Kutta stage is a step of length δ times a factor. The products are our own memory, free to be written.
        self.scale = 1.0 if self.plain else delta * h.new_tensor(self.factors).view(-1, 1, 1)
        self.da, self.dh = (
            torch.zeros_like(x) if d is None else (d * self.scale).contiguous() for d, x in ((da, a), (dh, h))
        )
        self.diagonals = list(zip(self.da.flatten(0, 2).unbind(), self.dh.flatten(0, 2).unbind(), strict=True))
        self.cotangents: list[Tensor] = []  # of each output, from the last to the first

    def _pull(self, v: Tensor) -> Tensor:
        """Cotangent of the next output, from the last to the first -> of the state it was computed from."""
        da, dh = self.diagonals.pop()
        self.cotangents.append(v)
        a_bar = da.mul_(v if self.gates == 1 else torch.cat([v] * self.gates, dim=-1))
        return torch.addmm(v * dh, a_bar, self.weight)

    def backward(self, g: Tensor) -> Tensor:
        """Cotangent of the state after the next substep -> of the state before it."""
        if self.plain:
            return self._pull(g)
        ys: dict[int | None, Tensor] = {None: g}
        total = g
        for s in range(len(self.mixtures) - 1, -1, -1):
            (first, _), *others = self.mixtures[s]
            v = ys[first]
            for r, w in others:
                v = plus(v, ys[r], w)
            ys[s] = self._pull(v)
            total = total + ys[s]
        return total

    def gradients(self) -> tuple[Tensor, ...]:
        """Of drive, weight and params."""
        d_weight = self.da.flatten(0, -2).t() @ self.states.flatten(0, -2)
        d_params: tuple[Tensor, ...] = ()
        if self.params:
            v = torch.stack(self.cotangents[::-1]).view(self.out.shape)
            d_params = torch.autograd.grad(self.out, self.params, v if self.plain else v.mul_(self.scale))
        return self.da.sum((1, 2)), d_weight, *d_params
