"""A whole sequence of recurrent steps in one autograd function, with the backward pass written out.

Every cell of `cells` but the synaptic one has the same anatomy: one matrix product a = h Wᵀ, then arithmetic neuron by
neuron. So the Jacobian of a step is a diagonal plus a diagonal times W, and back-propagation through time is the recursion

    ḡ ← ḡ ⊙ ∂h'/∂h + (ḡ ⊙ ∂h'/∂a) W

Only that has to be done step by step. The diagonals of all steps are computed before it, in one large operation, and the
gradients of weights, inputs and parameters after it, in another.

Shapes: T steps, L substeps, B samples, n neurons, m·n pre-activations (m = 1 but for gated cells).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.solvers import TABLEAUS, Tableau


def fused_map(
    advance: Callable, drive: Tensor, kick: Tensor | None, h: Tensor, keep: Tensor | None, dt, substeps: int,
    weight: Tensor, params: tuple[Tensor, ...],
) -> Tensor:
    """States (T, B, n) after each step of h ← advance(h Wᵀ, drive, h, δ, *params), `substeps` times a step.

    Args:
        advance: (a (…, m·n), u (…, k), h (…, n), δ, *params) -> (…, n), each neuron on its own.
        drive: what the input contributes, held during a step: (T, B, k).
        kick: added to the state when a step begins: (T, B, n), or None.
        h: state before the first step, (B, n).
        keep: 0 where an episode begins, else 1: (T, B, 1), multiplies the state before the step. None: all 1.
        dt: duration of a step: a number or (T, B, 1); carries no gradient.
        weight: W, (m·n, n). params: tensors that broadcast against (n,).
    """
    return _Map.apply(advance, dt, substeps, drive, kick, h, keep, weight, *params)


def fused_runge_kutta(
    rate: Callable, method: str, drive: Tensor, kick: Tensor | None, h: Tensor, keep: Tensor | None, dt, substeps: int,
    weight: Tensor, params: tuple[Tensor, ...],
) -> Tensor:
    """As `fused_map`, with explicit Runge–Kutta steps of dh/dt = rate(h Wᵀ, drive, h, *params)."""
    return _RungeKutta.apply(rate, TABLEAUS[method], dt, substeps, drive, kick, h, keep, weight, *params)


def _at(dt, t: int):
    return dt[t] if isinstance(dt, Tensor) else dt


def _begin(h: Tensor, keep: Tensor | None, kick: Tensor | None, t: int) -> Tensor:
    if keep is not None:
        h = h * keep[t]
    return h if kick is None else h + kick[t]


def _spread(a, extra: int):
    """(T, B, k) -> (T, 1, …, B, k) to go with substeps (and stages)."""
    return a.reshape(a.shape[0], *[1] * extra, *a.shape[1:]) if isinstance(a, Tensor) else a


def _blocks(g: Tensor, like: Tensor) -> Tensor:
    """g (…, n) repeated to the width m·n of `like`."""
    m = like.shape[-1] // g.shape[-1]
    return g if m == 1 else torch.cat([g] * m, dim=-1)


class _Diagonals:
    """The neuron-by-neuron part of all steps at once: its value, its diagonals, and its gradients."""

    def __init__(self, function: Callable, states: Tensor, drive: Tensor, extra: tuple, weight: Tensor, params):
        self.states, self.weight = states, weight
        with torch.enable_grad():
            self.a = (states @ weight.t()).requires_grad_()
            self.h = states.detach().requires_grad_()
            self.leaves = [x.detach().requires_grad_() for x in (drive, *params)]
            u, *p = self.leaves
            self.out = function(self.a, _spread(u, states.ndim - 3), self.h, *extra, *p)
        one = torch.ones_like(self.out)
        da, dh = torch.autograd.grad(self.out, (self.a, self.h), one, retain_graph=True, allow_unused=True)
        self.da = torch.zeros_like(self.a) if da is None else da
        self.dh = torch.zeros_like(self.h) if dh is None else dh

    def gradients(self, g: Tensor) -> tuple[Tensor, ...]:
        """From the cotangent g of every output: those of drive, weight and params."""
        a_bar = (_blocks(g, self.da) * self.da).reshape(-1, self.weight.shape[0])
        grads = torch.autograd.grad(self.out, self.leaves, g, allow_unused=True)
        drive, *params = (torch.zeros_like(x) if v is None else v for v, x in zip(grads, self.leaves, strict=True))
        return drive, a_bar.t() @ self.states.reshape(-1, self.states.shape[-1]), *params


class _Map(torch.autograd.Function):
    @staticmethod
    def forward(ctx, advance, dt, substeps, drive, kick, h, keep, weight, *params):
        wt, before, after = weight.t(), [], []
        for t in range(len(drive)):
            h, u, delta = _begin(h, keep, kick, t), drive[t], _at(dt, t) / substeps
            for _ in range(substeps):
                before.append(h)
                h = advance(h @ wt, u, h, delta, *params)
            after.append(h)
        ctx.advance, ctx.dt, ctx.substeps, ctx.kicked = advance, dt, substeps, kick is not None
        states = torch.stack(before).view(len(drive), substeps, *h.shape)
        ctx.save_for_backward(states, drive, keep, weight, *params)
        return torch.stack(after)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_out):
        states, drive, keep, weight, *params = ctx.saved_tensors
        T, L = states.shape[:2]
        dt = _spread(ctx.dt, 1) / L
        diagonal = _Diagonals(ctx.advance, states, drive, (dt,), weight, params)
        da, dh = diagonal.da.reshape(T * L, *diagonal.da.shape[2:]), diagonal.dh.reshape(T * L, *diagonal.dh.shape[2:])
        g, cotangents, kicks = torch.zeros_like(grad_out[0]), [], []
        for t in range(T - 1, -1, -1):
            g = g + grad_out[t]
            for i in range(t * L + L - 1, t * L - 1, -1):
                cotangents.append(g)
                g = torch.addmm(g * dh[i], _blocks(g, da) * da[i], weight)
            if ctx.kicked:
                kicks.append(g)
            if keep is not None:
                g = g * keep[t]
        G = torch.stack(cotangents[::-1]).view_as(states)
        d_drive, d_weight, *d_params = diagonal.gradients(G)
        d_kick = torch.stack(kicks[::-1]) if ctx.kicked else None
        return None, None, None, d_drive, d_kick, g, None, d_weight, *d_params


class _RungeKutta(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rate, tableau: Tableau, dt, substeps, drive, kick, h, keep, weight, *params):
        wt, stages, after = weight.t(), [], []
        for t in range(len(drive)):
            h, u, delta = _begin(h, keep, kick, t), drive[t], _at(dt, t) / substeps
            for _ in range(substeps):
                ks = []
                for row in tableau.a:
                    y = h
                    for w, k in zip(row, ks, strict=True):
                        y = y + (delta * w) * k if w else y
                    stages.append(y)
                    ks.append(rate(y @ wt, u, y, *params))
                for w, k in zip(tableau.b, ks, strict=True):
                    h = h + (delta * w) * k
            after.append(h)
        ctx.rate, ctx.tableau, ctx.dt, ctx.kicked = rate, tableau, dt, kick is not None
        states = torch.stack(stages).view(len(drive), substeps, len(tableau.b), *h.shape)
        ctx.save_for_backward(states, drive, keep, weight, *params)
        return torch.stack(after)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_out):
        states, drive, keep, weight, *params = ctx.saved_tensors
        (T, L, S), b, a = states.shape[:3], ctx.tableau.b, ctx.tableau.a
        diagonal = _Diagonals(ctx.rate, states, drive, (), weight, params)
        da, dh = diagonal.da, diagonal.dh
        g, kicks, cotangents = torch.zeros_like(grad_out[0]), [], []
        for t in range(T - 1, -1, -1):
            g, delta = g + grad_out[t], _at(ctx.dt, t) / L
            for i in range(L - 1, -1, -1):
                y_bar: list = [None] * S
                total = g
                for s in range(S - 1, -1, -1):  # k_s enters h' with weight b_s, and later stages with a_rs
                    k_bar = (delta * b[s]) * g
                    for r in range(s + 1, S):
                        if a[r][s]:
                            k_bar = k_bar + (delta * a[r][s]) * y_bar[r]
                    cotangents.append(k_bar)
                    y_bar[s] = torch.addmm(k_bar * dh[t, i, s], _blocks(k_bar, da) * da[t, i, s], weight)
                    total = total + y_bar[s]
                g = total
            if ctx.kicked:
                kicks.append(g)
            if keep is not None:
                g = g * keep[t]
        K = torch.stack(cotangents[::-1]).view_as(states)
        d_drive, d_weight, *d_params = diagonal.gradients(K)
        d_kick = torch.stack(kicks[::-1]) if ctx.kicked else None
        return None, None, None, None, d_drive, d_kick, g, None, d_weight, *d_params
