"""Several small ReLU networks at once: one batched product a layer, and a backward pass written out.

Two critics of 256-256 units cost one call a layer instead of two. The backward pass by hand computes only what is asked
for (no gradients of weights that are held fixed, none of inputs that nobody differentiates) and works in memory that
is used again and again. `Ensemble.forward` is differentiated by autograd as any module; an agent in a hurry makes a
`Pass` and calls its two halves itself.
"""

from __future__ import annotations

import contextlib
import math

import torch
from torch import Tensor, nn

from course_lib.errors import check_choice, check_count
from course_lib.machine import check_layers
from course_lib.nets import dense
from course_lib.nets.checks import once

PRODUCTS = ("float32", "bfloat16")
_relu_backward = torch.ops.aten.threshold_backward.grad_input
Layers = list[tuple[Tensor, Tensor]]


class Pass:
    """One way through an ensemble and back, by hand: in C where that is compiled (`dense`), else in torch.

    Args:
        ensemble: the networks.
        memory: where hidden layers and gradients are kept for the next pass; new if None. Two passes may share it when
            the first has come back (or will not) before the second sets out.

    What is in the processor's cache is quickest to write to: with memory used again an update of SAC takes a sixth less
    time than with new memory. What `forward` returns is new; gradients are good until the next call.
    """

    def __init__(self, ensemble: Ensemble, memory: dict[tuple, Tensor] | None = None):
        self.ensemble, self.memory = ensemble, {} if memory is None else memory
        self._views: dict[tuple, Layers] = {}
        self._in_c, self._through = False, dense.Through(ensemble, self._take)

    def _take(self, role: object, like: Tensor, *shape: int) -> Tensor:
        key = (role, like.dtype, *shape)
        if key not in self.memory:
            self.memory[key] = like.new_empty(shape)
        return self.memory[key]

    def _layers(self, flat: Tensor, first: bool) -> Layers:
        """`Ensemble.layers`, made once for each vector and kept with it."""
        key = (flat.data_ptr(), first)
        if key not in self._views:
            self._views[key] = self.ensemble.layers(flat.detach(), first)
        return self._views[key]

    @torch.no_grad()
    def forward(self, x: Tensor, first: bool = False) -> Tensor:
        """x (B, in) -> (E, B, out), or (1, B, out) of the `first` member."""
        self._in_c = (
            dense.usable(x, self.ensemble.flat) and x.numel() > 0 and len(self.ensemble.sizes) <= dense.MOST_LAYERS
        )
        if self._in_c:
            return self._through.forward(x, first)
        self.first, self.inputs, self._flat = first, [], self.ensemble.flat
        layers = self._layers(self._flat, first)
        h = self._take(0, x, len(layers[0][0]), *x.shape).copy_(x)  # once for all products
        for i, (weight, bias) in enumerate(layers, start=1):
            self.inputs.append(h)
            # Adding in place is quicker than baddbmm, which writes the bias into its result first.
            if i == len(layers):
                return torch.bmm(h, weight).add_(bias)
            h = torch.bmm(h, weight, out=self._take(i, h, *h.shape[:2], weight.shape[2])).add_(bias).relu_()

    @torch.no_grad()
    def backward(self, grad: Tensor, wanted: bool = True, wanted_x: int = 0) -> tuple[Tensor | None, Tensor | None]:
        """Derivative of a loss by what `forward` returned -> its derivatives by `flat`, if `wanted`, and by the last
        `wanted_x` columns of x, (B, wanted_x), if there are any."""
        if self._in_c:
            return self._through.backward(grad, wanted, wanted_x)
        flat, d_flat, d_x = self._flat, None, None
        layers = self._layers(flat, self.first)
        if wanted:
            d_flat = self._take("gradient", grad, len(flat))
            if self.first:
                d_flat.zero_()
            d_layers = self._layers(d_flat, self.first)
        for i in reversed(range(len(layers))):
            weight, before = layers[i][0], self.inputs[i]
            if wanted:
                d_weight, d_bias = d_layers[i]
                if weight.shape[2] == 1:  # a row is several times quicker to compute than a column, and lies the same
                    torch.bmm(grad.transpose(1, 2), before, out=d_weight.view(len(weight), 1, -1))
                else:
                    torch.bmm(before.transpose(1, 2), grad, out=d_weight)
                torch.sum(grad, 1, keepdim=True, out=d_bias)
            if i:
                behind = self._take(("gradient", i % 2), grad, *before.shape)
                grad = torch.bmm(grad, weight.transpose(1, 2), out=behind)
                _relu_backward(grad, before, 0, grad_input=grad)  # 0 where the ReLU's output is 0
        if wanted_x:
            d_x = torch.bmm(grad, layers[0][0][:, -wanted_x:].transpose(1, 2)).sum(0)
        return d_flat, d_x


class _Layers(torch.autograd.Function):
    """x (B, in), all parameters in one vector, the ensemble they belong to -> (E, B, out)."""

    @staticmethod
    def forward(ctx, x: Tensor, flat: Tensor, ensemble: Ensemble, first: bool) -> Tensor:
        ctx.there_and_back, ctx.columns = Pass(ensemble), x.shape[1]
        ctx.save_for_backward(flat)  # only so that torch objects where torch has changed the parameters meanwhile
        return ctx.there_and_back.forward(x, first)

    @staticmethod
    @once
    def backward(ctx, grad: Tensor):
        ctx.saved_tensors  # noqa: B018
        d_flat, d_x = ctx.there_and_back.backward(
            grad, ctx.needs_input_grad[1], ctx.columns if ctx.needs_input_grad[0] else 0
        )
        # The next way back may be through the same memory.
        return d_x, None if d_flat is None else d_flat.clone(), None, None


class Ensemble(nn.Module):
    """`members` fully connected networks of the same widths, ReLU between the layers.

    Args:
        members: E, how many networks.
        sizes: widths, from the input to the output.

    Attributes:
        flat: all parameters in one vector, so that an optimiser or a target moves them in one call; each starts from
            U(±1/√in), as torch's own layers do.
    """

    def __init__(self, members: int, sizes: list[int]):
        super().__init__()
        self.members, self.sizes = check_count("members", members), list(sizes)
        check_layers(sizes, members)
        self.shapes, starts = [], []
        for a, b in zip(sizes[:-1], sizes[1:], strict=True):
            for shape in ((members, a, b), (members, 1, b)):
                self.shapes.append(shape)
                starts.append(torch.empty(math.prod(shape)).uniform_(-1.0, 1.0) / math.sqrt(a))
        self.numbers = [len(s) for s in starts]
        self.flat = nn.Parameter(torch.cat(starts))

    def layers(self, flat: Tensor | None = None, first: bool = False) -> Layers:
        """Weight (E, in, out) and bias (E, 1, out) of each layer, views into `flat` (the parameters, or what is given).

        `first`: of the first member alone.
        """
        flat = self.flat if flat is None else flat
        parts = [part.view(shape) for part, shape in zip(flat.split(self.numbers), self.shapes, strict=True)]
        parts = [part[:1] for part in parts] if first else parts
        return list(zip(parts[::2], parts[1::2], strict=True))

    def forward(self, x: Tensor, fixed: bool = False, first: bool = False) -> Tensor:
        """x (…, in), the same for all members -> (E, …, out).

        Args:
            fixed: no gradient for the parameters; that of x is computed still.
            first: the first member alone, (1, …, out).
        """
        rows = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
        out = _Layers.apply(rows, self.flat.detach() if fixed else self.flat, self, first)
        return out if x.dim() == 2 else out.view(len(out), *x.shape[:-1], out.shape[-1])


def bfloat16_is_fast() -> bool:
    """Whether this processor has a unit for matrices of bfloat16 (AMX).

    AVX-512 BF16 alone does not count: there float32 in C is twice as fast, see benchmarks/offpolicy_speed.py.
    """
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


@contextlib.contextmanager
def products(kind: str):
    """Inside, matrix products of float32 numbers are computed from "float32" or "bfloat16" factors.

    With "bfloat16" each factor is rounded to 8 bits before it is multiplied; sums, results and everything else stay
    float32. Several times faster on processors that multiply such numbers themselves; on others nothing is rounded.
    """
    check_choice("products", kind, PRODUCTS)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if kind == "bfloat16" and bfloat16_is_fast() else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
