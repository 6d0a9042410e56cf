"""A minimal gated unit (Zhou et al. 2016). The example of a new cell in CONTRIBUTING.md: the end of nets/cells.py"""

from __future__ import annotations

import torch

from course_lib.nets.base import Cell
from course_lib.nets.cells import CELLS


class MinimalGated(Cell):
    """h ← h + f (tanh(c) - h), f = σ(g): one gate g for what is kept and what is taken up; g, c = h Wᵀ + x Uᵀ + b."""

    gates = 2

    @staticmethod
    def advance(a, h, dt):
        gate, candidate = a.chunk(2, -1)
        return torch.lerp(h, torch.tanh(candidate), torch.sigmoid(gate))


CELLS["minimal_gated"] = MinimalGated
