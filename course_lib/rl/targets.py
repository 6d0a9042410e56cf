"""Slowly following copies of networks."""

from __future__ import annotations

import copy

import torch
from torch import nn

from course_lib.nets import dense


class Target:
    """A copy of `module` that follows it: θ' ← θ' + τ (θ - θ'), Polyak's averaging.

    Attributes:
        module: the copy; its parameters want no gradient.
    """

    def __init__(self, module: nn.Module):
        self.module = copy.deepcopy(module).requires_grad_(False)
        self._pairs = list(zip(self.module.parameters(), module.parameters(), strict=True))

    @torch.no_grad()
    def follow(self, tau: float) -> None:
        """One step towards the original."""
        for follower, followed in self._pairs:
            if dense.usable(follower, followed) and follower.is_contiguous() and followed.is_contiguous():
                dense.follow(follower, followed, tau)
            else:
                follower.lerp_(followed, tau)
