"""Adam in one pass over memory.

The critics of SAC have 150,000 parameters. Written in separate operations a step of Adam reads and writes them and its
moments seven times; torch's fused kernel does it once. Where torch has no such kernel, the operations are separate.

The moments of a unit that is dead (a ReLU that nothing turns on) shrink by a tenth a step until they are smaller than
1e-38, and with such numbers, called denormal, processors are many times slower: five times for a whole step of Adam.
They count as zero here.
"""

from __future__ import annotations

import contextlib
import math

import torch
from torch import Tensor, nn

from course_lib.nets import dense

_TINY = torch.tensor(1e-40)


def flushes_denormals() -> bool:
    """Whether this thread takes numbers below 1e-38 for zero."""
    return not float(_TINY * 1.0)


@contextlib.contextmanager
def denormals_are_zero():
    """Inside, numbers below 1e-38 are zero, on this thread and where the processor can."""
    before = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _separate(params, grads, firsts, seconds, step: int, lr: float, eps: float) -> None:
    """Adam (Kingma & Ba 2015, algorithm 1) with β1 = .9, β2 = .999, on lists of tensors."""
    for p, g, first, second in zip(params, grads, firsts, seconds, strict=True):
        first.lerp_(g, 0.1)
        second.mul_(0.999).addcmul_(g, g, value=0.001)
        root = second.sqrt().div_(math.sqrt(1.0 - 0.999**step)).add_(eps)
        p.addcdiv_(first, root, value=-lr / (1.0 - 0.9**step))


def _fused(params, grads, firsts, seconds, step: int, lr: float, eps: float) -> None:
    steps = [torch.tensor(float(step))] * len(params)
    torch._fused_adam_(
        params, grads, firsts, seconds, [], steps, lr=lr, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=eps,
        amsgrad=False, maximize=False,
    )  # fmt: skip


def _works(step) -> bool:
    try:
        step(*([torch.zeros(1)] for _ in range(4)), 1, 0.1, 1e-8)
    except Exception:  # no such function, other arguments, no kernel for this processor: all mean the same
        return False
    return True


_adam = _fused if _works(_fused) else _separate


class FusedAdam:
    """Adam over the parameters of `module`; best where these are few and large, as in an `Ensemble`.

    Args:
        lr, eps: step size α and ε of Adam; β1 = .9, β2 = .999.
        max_grad_norm: gradients are scaled down to this 2-norm first.
    """

    def __init__(self, module: nn.Module, lr: float, eps: float = 1e-8, max_grad_norm: float = float("inf")):
        self.lr, self.eps, self.max_grad_norm, self.steps = lr, eps, max_grad_norm, 0
        self.params = [p for p in module.parameters() if p.requires_grad]
        self.first = [torch.zeros_like(p) for p in self.params]
        self.second = [torch.zeros_like(p) for p in self.params]

    def step(self, loss: Tensor) -> None:
        """One gradient step down `loss`."""
        self.apply(torch.autograd.grad(loss, self.params, allow_unused=True, materialize_grads=True))

    @torch.no_grad()
    def apply(self, grads) -> None:
        """One step down `grads`, one for each parameter."""
        if self.max_grad_norm != math.inf:
            norm = torch.stack([torch.linalg.vector_norm(g) for g in grads]).norm()
            grads = [g * (self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0) for g in grads]
        self.steps += 1
        with denormals_are_zero():
            step = dense.adam if dense.usable(*self.params, *grads) and all(g.is_contiguous() for g in grads) else _adam
            step(self.params, list(grads), self.first, self.second, self.steps, self.lr, self.eps)

    def state_dict(self) -> dict[str, Tensor]:
        """Moments and step count."""
        tensors = {f"first.{i}": m for i, m in enumerate(self.first)}
        tensors |= {f"second.{i}": m for i, m in enumerate(self.second)}
        return tensors | {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        for name, moments in (("first", self.first), ("second", self.second)):
            for i, moment in enumerate(moments):
                moment.copy_(tensors[f"{name}.{i}"])
        self.steps = int(tensors["steps"])
