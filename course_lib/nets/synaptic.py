"""The synaptic LTC: every synapse has its own sigmoid, conductance and reversal potential, as in a nerve cell.

    C_i dh_i/dt = g_i (v_i - h_i) + Σ_j w_ij s_ij (E_ij - h_i) + Σ_k w'_ik s'_ik (E'_ik - h_i)
    s_ij = sigmoid(σ_ij (h_j - μ_ij)),    s'_ik = sigmoid(σ'_ik (x_k - μ'_ik))

i is the neuron a synapse leads to, j the neuron and k the input it comes from. This is the neuron of neural circuit
policies (Lechner et al. 2020), and what the package ncps calls LTC.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.nets import native
from course_lib.nets.base import ODECell, inverse_softplus
from course_lib.nets.checks import by_step, once

# First values are drawn from the ranges of ncps.
RANGES = {
    "w": (0.001, 1.0), "mu": (0.3, 0.8), "sigma": (3.0, 8.0), "g": (0.001, 1.0), "v": (-0.2, 0.2), "C": (0.4, 0.6),
}  # fmt: skip


class SynapticLTC(ODECell):
    """LTC with a sigmoid for every synapse. States stay between the least and the largest of v, E and E'.

    Conductances w and w', leak g and capacitance C are the softplus of free parameters, hence positive. A synapse that
    the wiring lacks has w = 0. E is learned. It starts at the sign of the synapse in the wiring, +1 or -1, or at a
    random sign if there is no wiring.

    solver="fused" is the semi-implicit step of ncps, with every s taken at the old state:
    h ← (C/δ h + g v + Σ w s E) / (C/δ + g + Σ w s), sums over all synapses onto the neuron.
    With input="initial" the sensory synapses only add their current Σ w' s' E' to the state when the step begins.

    Args:
        substeps: solver steps per step of the cell; ncps takes 6.
        The others are those of `ODECell`, except `rank`.
    """

    rankless = "four numbers a synapse"

    def __init__(self, inputs: int, neurons: int, *, substeps: int = 6, **options):
        super().__init__(inputs, neurons, substeps=substeps, **options)
        del self.input, self.recurrent, self.bias  # one number a synapse; here it is four
        signs = (None, None) if self.wiring is None else self.wiring.sign
        for kind, sources, sign in (("recurrent", neurons, signs[0]), ("sensory", inputs, signs[1])):
            shape = (neurons, sources)
            drawn = torch.sign(torch.rand(shape) - 0.5) if sign is None else torch.as_tensor(sign)
            self.register_parameter(f"{kind}_raw_w", nn.Parameter(inverse_softplus(_draw("w", *shape))))
            self.register_parameter(f"{kind}_E", nn.Parameter(drawn.to(torch.get_default_dtype(), copy=True)))
            self.register_parameter(f"{kind}_mu", nn.Parameter(_draw("mu", *shape)))
            self.register_parameter(f"{kind}_sigma", nn.Parameter(_draw("sigma", *shape)))
        self.raw_g = nn.Parameter(inverse_softplus(_draw("g", neurons)))
        self.v = nn.Parameter(_draw("v", neurons))
        self.raw_C = nn.Parameter(inverse_softplus(_draw("C", neurons)))

    # --- parameters as they act ---------------------------------------------------------------

    def _recurrent(self) -> Tensor:
        """σ, σμ, w E and w of the recurrent synapses: (4, neurons, neurons) [to, from]."""
        w = F.softplus(self.recurrent_raw_w)
        w = w * self.recurrent_mask if self.masked else w
        return torch.stack([self.recurrent_sigma, self.recurrent_sigma * self.recurrent_mu, w * self.recurrent_E, w])

    def _input(self) -> Tensor:
        """The same of the sensory synapses, (4, neurons, inputs)."""
        w = F.softplus(self.sensory_raw_w)
        w = w * self.input_mask if self.masked else w
        return torch.stack([self.sensory_sigma, self.sensory_sigma * self.sensory_mu, w * self.sensory_E, w])

    @property
    def recurrent_weight(self) -> Tensor:
        """w E, (neurons, neurons) [to, from], without gradient: the current through an open synapse at h = 0."""
        return self._recurrent()[2].detach()

    @property
    def input_weight(self) -> Tensor:
        """w' E', (neurons, inputs) [to, from], without gradient."""
        return self._input()[2].detach()

    def params(self):
        g = F.softplus(self.raw_g)
        return g, g * self.v, F.softplus(self.raw_C)

    @property
    def tau(self) -> Tensor:
        """C/g (neurons,): the time constants with all synapses closed."""
        g, _, C = self.params()
        return C / g

    def time_constants(self, h: Tensor, x: Tensor) -> Tensor:
        """C / (g + Σ w s), (…, neurons): open synapses make a neuron faster."""
        g, _, C = self.params()
        conductance = self._received(self._split(self.drive(x))[0], h, self._recurrent()).chunk(2, -1)[1]
        return C / (g + conductance)

    # --- the equation -------------------------------------------------------------------------

    @staticmethod
    def _received(drive: Tensor | float, h: Tensor, weight: Tensor) -> Tensor:
        """drive + what comes through the synapses `weight` (4, n, m) from h (…, m): current Σ w s E beside conductance
        Σ w s, (…, 2n)."""
        sigma, shift, *weight = weight
        flat = h.reshape(-1, h.shape[-1]).t()
        # Products of stacks of matrices, samples last: much faster than the same by broadcasting, above all backwards.
        z = torch.bmm(torch.stack([sigma, -shift], -1).transpose(0, 1), torch.stack([flat, torch.ones_like(flat)], 1))
        sums = torch.bmm(torch.stack(weight, 1), torch.sigmoid(z).transpose(0, 1))  # (n, 2, samples)
        return drive + sums.permute(2, 1, 0).reshape(*h.shape[:-1], 2 * len(sigma))

    def drive(self, x: Tensor) -> Tensor:
        """x (…, inputs) -> what the sensory synapses bring, (…, 2 · neurons): current, then conductance."""
        return self._received(0.0, self._checked(x), self._input())

    def _split(self, drive: Tensor) -> tuple[Tensor, Tensor | None]:
        return (drive, None) if self.mode == "held" else (torch.zeros_like(drive), drive.chunk(2, -1)[0])

    @staticmethod
    def rate(a, h, g, gv, C):
        current, conductance = a.chunk(2, -1)
        return (gv + current - (g + conductance) * h) / C

    @staticmethod
    def advance(a, h, dt, g, gv, C):
        current, conductance = a.chunk(2, -1)
        c = C / dt
        return (c * h + gv + current) / (c + g + conductance)

    def _run(self, drive, h, starts, dt) -> Tensor:
        drive, kick = self._split(drive)
        if self.solver != "fused":
            return self._step_by_step(drive, kick, h, starts, dt)
        g, gv, C = self.params()
        rate = self.substeps / dt
        if native.usable(drive, rate):
            return native.synaptic(drive, kick, h, starts, rate, self.substeps, self._recurrent(), g, gv, C)
        c = C * rate
        current, conductance = drive.chunk(2, -1)
        sigma, shift, *weight = self._recurrent() / 2
        weight = torch.stack(weight, dim=1)
        base = torch.stack([current + gv, conductance + (c + g)], dim=-2) + weight.sum(-1).t()  # (T, B, 2, n)
        # Samples come last inside: every operation on (neurons, neurons, B) then runs along memory.
        out = _Sequence.apply(
            base.permute(0, 3, 2, 1).contiguous(), c.expand(*current.shape).transpose(1, 2),
            None if kick is None else kick.transpose(1, 2), h.t(), None if starts is None else starts.transpose(1, 2),
            self.substeps, sigma, shift, weight,
        )  # fmt: skip
        return out.transpose(1, 2)


def _draw(name: str, *shape: int) -> Tensor:
    return torch.empty(shape).uniform_(*RANGES[name])


class _Sequence(torch.autograd.Function):
    """All semi-implicit steps of a sequence, with sigmoid(z) = (1 + tanh(z/2))/2, for tanh is cheaper:

        r_ij = tanh(σ_ij h_j - b_ij),   X_i = base_i + Σ_j W_ij r_ij  (two rows),   h_i ← (X_i0 + c_i h_i) / X_i1

    Shapes: base (T, n, 2, B); c, kick (T, n, B); h (n, B); starts (T, 1, B); σ, b (n, n) [to, from]; W (n, 2, n)
    [to, current or conductance, from]; result (T, n, B). Inside, r is (from, to, B). It is not kept: the backward pass
    computes it again from the states, a block of steps at a time, so that memory grows with neurons, not with synapses.

    Backwards only ḡ_j ← ḡ_j c_j/X_j1 + Σ_i σ_ij A_ij ḡ_i with A_ij = (1 - r_ij²) (W_i0j - h'_i W_i1j) / X_i1 must go
    step by step; h' is the state after the step.
    """

    @staticmethod
    def forward(ctx, base, c, kick, h, starts, substeps, sigma, shift, weight):
        (T, n, _, B), L = base.shape, substeps
        line = torch.stack([sigma.t(), -shift.t()], dim=-1)  # (from, to, 2)
        path = base.new_ones(n, 2, T, L + 1, B)  # states before and after each substep; a row of ones, for -b
        X, r, begin = base.new_empty(T * L, n, 2, B), base.new_empty(n, n, B), by_step(starts)
        to_from, steps = r.transpose(0, 1), zip(X.unbind(), *X.unbind(2), strict=True)
        for path_t, base_t, c_t, t in zip(path.unbind(2), base.unbind(), c.unbind(), range(T), strict=True):
            if begin and begin[t] is not None:
                h = h.masked_fill(begin[t], 0.0)
            if kick is not None:
                h = h + kick[t]
            rows, states = path_t.unbind(2), path_t[:, 0].unbind(1)
            states[0].copy_(h)
            substep = zip(rows[:L], states[:L], states[1:], steps, strict=False)
            for row, h, after, (X_k, current, conductance) in substep:
                torch.bmm(line, row, out=r).tanh_()
                torch.baddbmm(base_t, weight, to_from, out=X_k)
                torch.div(torch.addcmul(current, c_t, h), conductance, out=after)
            h = after
        ctx.save_for_backward(path, X, line, c, starts, weight)
        ctx.kicked = kick is not None
        return path[:, 0, :, L].transpose(0, 1).contiguous()

    @staticmethod
    @once
    def backward(ctx, grad_out):
        path, X, line, c, starts, weight = ctx.saved_tensors
        n, _, T, L, B = path[:, :, :, 1:].shape
        begin = by_step(starts)
        rows = path[:, :, :, :L].reshape(n, 2, -1)
        factor = torch.empty_like(rows)  # 1/X₁ and -h'/X₁, and in the end times ḡ
        ratio, other = factor.view(n, 2, T, L, B).unbind(1)
        torch.reciprocal(X[:, :, 1].transpose(0, 1).view(n, T, L, B), out=ratio)
        torch.mul(ratio, path[:, 0, :, 1:], out=other).neg_()
        share = (c.permute(1, 0, 2).unsqueeze(2) * ratio).reshape(n, 1, -1, B).unbind(2)  # c/X₁
        d_line, d_weight, d_kick = line.new_zeros(n, 2, n), torch.zeros_like(weight), []
        block = _Block(line, weight, L * T, B)
        g, sigma, grad_out = c.new_zeros(n, 1, B), line[..., 0].unsqueeze(1).contiguous(), grad_out.unsqueeze(2)
        for first, last in block.bounds:
            part, cotangents = slice(first * B, last * B), []
            r, A, A_k = block.fill(rows[..., part], factor[..., part])
            for k in range(last - 1, first - 1, -1):
                if k % L == L - 1:
                    g = g + grad_out[k // L]
                cotangents.append(g)
                g = torch.baddbmm(share[k] * g, sigma, A_k[k - first].mul_(g.transpose(0, 1)))
                if k % L == 0 and ctx.kicked:
                    d_kick.append(g.squeeze(1))
                if k % L == 0 and begin and begin[k // L] is not None:
                    g = g.masked_fill(begin[k // L], 0.0)
            d_sums = factor[..., part].mul_(torch.cat(cotangents[::-1], dim=1).view(n, 1, -1))
            d_weight.baddbmm_(d_sums, r.permute(1, 2, 0))
            d_line.baddbmm_(rows[..., part], A.transpose(1, 2))
        d_base = factor.view(n, 2, T, L, B)
        d_c = (d_base[:, 0] * path[:, 0, :, :L]).sum(2).transpose(0, 1)
        return (
            d_base.sum(3).permute(2, 0, 1, 3), d_c, torch.stack(d_kick[::-1]) if ctx.kicked else None, g.squeeze(1),
            None, None, d_line[:, 0].t(), -d_line[:, 1].t(), d_weight,
        )  # fmt: skip


class _Block:
    """r and A of some steps at a time, as many as a processor's cache holds; memory is taken once."""

    elements = 2**17

    def __init__(self, line: Tensor, weight: Tensor, steps: int, B: int):
        n = len(line)
        length = min(steps, max(1, self.elements // (n * n * B)))
        self.bounds = [(max(0, last - length), last) for last in range(steps, 0, -length)]
        self.line, self.weight_t, self.B = line, weight.transpose(1, 2), B
        self.buffers = line.new_empty(2, n * n * length * B)

    def fill(self, rows: Tensor, factor: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """rows, factor (n, 2, N) -> r (from, to, N), A (from, to, N), and A of each step, (from, to, B)."""
        n, _, N = rows.shape
        r, A = (buffer[: n * n * N].view(n, n, N) for buffer in self.buffers)
        torch.bmm(self.line, rows, out=r).tanh_()
        A = torch.bmm(self.weight_t, factor, out=A).transpose(0, 1)
        torch.ops.aten.tanh_backward.grad_input(A, r, grad_input=A)  # A (1 - r²)
        return r, A, A.unflatten(-1, (-1, self.B)).unbind(2)
