"""Adam on one flat vector.

A small policy has a dozen weight matrices of a few kilobytes. Clipping and stepping each of them costs more in calls
than in arithmetic; one vector holding all of them makes an update cheap. The mathematics is that of
`torch.optim.Adam` with `clip_grad_norm_`, and a test holds the two together.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FlatAdam:
    """Adam (Kingma & Ba 2015, algorithm 1) over `module`'s parameters, which become views into one vector.

    Args:
        module: its parameters are re-pointed, so build the optimiser after the module and keep the module's dtype.
        lr, eps: step size α and ε of Adam; β1 = .9, β2 = .999.
        max_grad_norm: gradients are scaled down to this 2-norm first.
    """

    def __init__(self, module: nn.Module, lr: float, eps: float = 1e-8, max_grad_norm: float = float("inf")):
        self.lr, self.eps, self.max_grad_norm = lr, eps, max_grad_norm
        self.params = [p for p in module.parameters() if p.requires_grad]
        self.flat = torch.cat([p.detach().reshape(-1) for p in self.params])
        start = 0
        for p in self.params:
            p.data = self.flat[start : start + p.numel()].view_as(p)
            start += p.numel()
        self.first, self.second = torch.zeros_like(self.flat), torch.zeros_like(self.flat)  # m and v
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        """One gradient step down `loss`."""
        grads = torch.autograd.grad(loss, self.params, allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            grad = torch.cat([g.reshape(-1) for g in grads])
            norm = torch.linalg.vector_norm(grad)
            grad.mul_((self.max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
            self.steps += 1
            self.first.lerp_(grad, 0.1)
            self.second.mul_(0.999).addcmul_(grad, grad, value=0.001)
            root = self.second.sqrt().div_(math.sqrt(1.0 - 0.999**self.steps)).add_(self.eps)
            self.flat.addcdiv_(self.first, root, value=-self.lr / (1.0 - 0.9**self.steps))

    def state_dict(self) -> dict[str, Tensor]:
        """Moments and step count."""
        return {"first": self.first, "second": self.second, "steps": torch.tensor(self.steps)}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        self.first.copy_(tensors["first"])
        self.second.copy_(tensors["second"])
        self.steps = int(tensors["steps"])
