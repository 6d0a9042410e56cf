"""Plans turn a network's numbers into the actions of the next T control steps, directly or along a DMP's path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError, Between, Count, Nested, Whole
from course_lib.machine import check_memory
from course_lib.nets.dmp import DMP

SUBSTEPS = 40  # of Euler's method in a plan, at least (Bahl et al., appendix)


@dataclass
class PlanConfig(Nested):
    """How many steps a policy decides at once, and how it describes them. "The paper" is Bahl et al., NeurIPS 2020."""

    prefix: ClassVar[str] = "plan."

    chunk: Count = 1
    """control steps that a decision plans"""
    trajectory: Literal["none", "dmp"] = "none"
    """'none': the network plans the actions themselves; 'dmp': a path of the hand, by a dynamic movement primitive"""
    dofs: Count = 3
    """number of leading actions that move the hand along the DMP's path; the network plans the others itself"""
    basis: Annotated[int, Whole(1, 1000)] = 6
    """number of basis functions of each degree of freedom of the DMP (N in the paper)"""
    alpha: Annotated[float, Between(0, 1000, open_low=True)] = 10.0
    """spring constant of the DMP, per chunk: with zero weights a plan covers .72 of the way at 5, .97 at 10, 1 at 25"""
    explore: Literal["actions", "plan"] = "actions"
    """what is drawn at random: each of the 'actions', as in the paper, or the whole 'plan' at each decision"""
    heads: Literal["first", "present"] = "first"
    """what the critic sees at a step of a plan: its 'first' observation, as in the paper, or the 'present' one"""

    @property
    def plain(self) -> bool:
        """Whether each step has its own decision, which is the action itself."""
        return self.chunk == 1 and self.trajectory == "none"

    def build(self, act_dim: int) -> DirectPlan | PathPlan:
        """The module that turns a network's numbers into actions."""
        if self.trajectory == "none":
            return DirectPlan(self.chunk, act_dim)
        return PathPlan(self.chunk, act_dim, self.dofs, self.basis, self.alpha)


class DirectPlan(nn.Module):
    """The network's numbers are the actions themselves (ppo-multi in the paper)."""

    dofs = 0

    def __init__(self, chunk: int, act_dim: int):
        super().__init__()
        self.shape, self.outputs = (chunk, act_dim), chunk * act_dim

    def forward(self, numbers: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """numbers (…, outputs), velocity (…, 0) -> actions (…, chunk, act), velocity."""
        return numbers.unflatten(-1, self.shape), velocity


class PathPlan(nn.Module):
    """The numbers are a goal and weights of a DMP for each of the first `dofs` actions, and the other actions directly.

    An action asks for a displacement of the hand in units of the task's stride. The path is that of the hand, in the
    same unit, starting where the hand is. The inverse controller is therefore the difference of neighbouring points: it
    asks for the displacement from the hand's planned position now to its next one. A plan does not depend on where in
    the world it is made. The DMP is used without its factor (g - y0), which would tie motion to the distance from the
    goal. It is then linear, so plan and inverse controller are one product with a fixed matrix.

    A goal of 1 is `unit` strides away, and a weight of 1 moves the spring's anchor equally far at x = 1. The unit is
    chosen so that independent numbers of sd 1 make actions of sd 1, on average over the plan. Noise of one σ is then
    equally strong on the numbers and on the actions, whatever the constants of the spring.
    """

    def __init__(self, chunk: int, act_dim: int, dofs: int, basis: int, alpha: float):
        super().__init__()
        if dofs > act_dim:
            raise ArgumentError(f"dofs={dofs} is more than the actions of this environment; accepted: 1 to {act_dim}")
        self.chunk, self.dofs, self.rest = chunk, dofs, act_dim - dofs
        self.outputs = dofs * (basis + 1) + chunk * self.rest
        substeps = max(SUBSTEPS, math.ceil(alpha / 2))  # Euler's method is stable from α/4 on
        check_memory("chunk", chunk, 16 * (basis + 2) * (chunk + substeps))
        self.dmp = DMP(1, basis, steps=chunk * math.ceil(substeps / chunk), points=chunk, alpha=alpha, scaled=False)
        size = torch.tensor([1.0] + [self.dmp.stiffness] * basis, dtype=torch.float64)
        unit = torch.eye(basis + 2, dtype=torch.float64)  # row by row: ẏ0, goal, each weight
        goal, weights = unit[:, 1:2] * size[0], unit[:, None, 2:] * size[1:]
        path = self.dmp(goal, weights, torch.zeros_like(goal), unit[:, :1])
        steps = path.position[..., 0].diff(dim=1, prepend=torch.zeros_like(goal))
        table = torch.cat([steps, path.end[1]], 1)
        self.unit = 1.0 / float(steps[1:].square().sum(0).mean().sqrt())
        table[1:] *= self.unit
        self.register_buffer("table", table.float(), persistent=False)

    def forward(self, numbers: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor]:
        """numbers (…, outputs), velocity (…, dofs) -> actions (…, chunk, act), velocity at the end (…, dofs).

        Velocities are in strides per chunk.
        """
        path, rest = numbers.split([self.outputs - self.chunk * self.rest, self.chunk * self.rest], dim=-1)
        columns = torch.cat([velocity[..., None], path.unflatten(-1, (self.dofs, -1))], -1)
        moved = columns @ self.table  # (…, dofs, chunk + 1)
        actions, end = moved[..., :-1].transpose(-1, -2), moved[..., -1]
        if self.rest:
            actions = torch.cat([actions, rest.unflatten(-1, (self.chunk, self.rest))], -1)
        return actions, end
