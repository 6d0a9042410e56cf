"""A policy that decides once for several control steps: actions straight from a network, or along a DMP's path.

At a decision, the network turns an observation into a plan: the mean actions of the next T steps. The critic turns it
into T values: of the state now and of those the plan leads to, as far as the first observation tells (the multi-action
critic of Bahl et al., NeurIPS 2020, section 3.3). T is called `chunk`. The place in a plan is memory, like a cell's
state: the place and what the plan was made from are part of `state`. So everything that the course does with policies
that remember (PPO, evaluation, videos) works with this one too. The environment goes on step by step, so rewards,
discounts and ends of episodes come at the same steps as for a policy that decides at every step.

A plan ends early only with its episode. A step that was not made has no sample and counts nowhere.

PPO learns from single steps, however they were planned: advantage, ratio and value loss are those of each executed
action, given the place in the plan and the observation that the plan was made from. That is plain PPO, on a state that
includes these two. If noise is drawn at each step, the log-density of a chunk is the sum over its steps. The surrogate
of eq. (7) clips each step's ratio rather than their product, so an action answers only for the rewards after it. If
noise is drawn once for a whole plan, the decision has the density, and the steps after it have none. If the clock ends
an episode in the middle of a plan, the missing value is the plan's own value of the step that would have come. If the
episode ends together with the plan, it is the value of the final observation, as without plans.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError
from course_lib.machine import check_memory
from course_lib.nets.config import CellConfig
from course_lib.policies.actor_critics import ActorCritic, gaussian_log_prob
from course_lib.policies.networks import MLPNetworks, Readout, RecurrentNetworks, mlp
from course_lib.policies.plans import PlanConfig


class ChunkActorCritic(ActorCritic):
    """A Gaussian policy that plans `chunk` steps at a time, read out from a tanh network or from a recurrent cell.

    A cell makes one step per decision. With "ltc" and a DMP, goal and weights come from a liquid network.

    Args:
        obs_dim, act_dim: widths of observation and action.
        plan: a `PlanConfig`, or a dict of its fields. With explore="actions" there is noise on each action, and the
            plan is its mean; the log-density of a plan is the sum over the executed actions. With "plan" the noise is
            on the numbers that describe the plan, drawn once per decision; all its actions follow from them, and its
            log-density is that of the numbers. With heads="first" the critic's k-th head values the k-th step of a plan
            from the plan's first observation, as in the paper; with "present" from the present one, which shows what
            the noise has done since. Acting needs no critic, so this does not change the plan. A critic with a cell
            sees what decisions see, the first observation.
        cell: a `CellConfig`, a dict of its fields or a name; without a name, a tanh network. The rest is as for
            `RecurrentActorCritic`.

    The memory is (n, state_dim): place in the plan (0: a decision is due), the plan's first observation, velocity of
    the path there, states of the cells after the decision, and with explore="plan" the numbers that were drawn.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        plan: PlanConfig | dict | int = 5,
        cell: CellConfig | dict | str | None = None,
        hidden: tuple[int, ...] = (64, 64),
        init_log_std: float = 0.0,
        normalize: bool = True,
        activation: str = "tanh",
    ):
        plan, cell = PlanConfig.of(plan), CellConfig.of(cell)
        if plan.heads == "present" and cell.name is not None and cell.critic == "cell":
            raise ArgumentError("heads='present' needs a critic without memory; accepted with a cell: critic='mlp'")
        if cell.clock:
            raise ArgumentError(
                "cell.clock=True does not go with a plan: between its decisions the cell does not run; accepted: False"
            )
        check_memory("chunk", plan.chunk, 4 * plan.chunk * act_dim)
        numbers = plan.build(act_dim)
        whole = plan.explore == "plan"
        more = dict(plan=asdict(plan), cell=asdict(cell), hidden=list(hidden), activation=activation)
        drawn = numbers.outputs if whole else act_dim
        super().__init__(obs_dim, act_dim, init_log_std, normalize, drawn, **more)
        self.plan, self.chunk, self.explore, self.heads = numbers, plan.chunk, plan.explore, plan.heads
        if cell.name is None:
            self.core = MLPNetworks()
            self.core.build_networks(obs_dim, numbers.outputs, hidden, activation)
        else:
            self.core = RecurrentNetworks()
            self.core.build_networks(obs_dim, numbers.outputs, cell, hidden, activation)
        if self.chunk > 1:
            self.core.critic = self._heads(obs_dim, cell, hidden, activation)
        self.forgets, self.dofs = self.core.forgets, self.plan.dofs
        self.widths = [1, obs_dim, self.plan.dofs, self.core.state_dim, numbers.outputs if whole else 0]
        self.state_dim = sum(self.widths)

    @property
    def networks(self) -> nn.Module:
        return self.core

    def _heads(self, obs_dim: int, cell: CellConfig, hidden: tuple, activation: str) -> nn.Module:
        core = self.core
        if core.forgets or core.critic_cell is None:
            return mlp([obs_dim, *hidden, self.chunk], activation, last_gain=1.0)
        through = core.critic_cell.inputs if cell.feedthrough else 0
        return Readout(obs_dim, core.critic_encoder, core.critic_cell, self.chunk, 1.0, through)

    # --- one decision -----------------------------------------------------------------------

    def _numbers(self, first: Tensor, memory: Tensor) -> Tensor:
        """A plan's first observation, memory after it -> what describes the plan (…, outputs)."""
        core = self.core
        if self.forgets:
            return core.actor(first)
        return core._read(core.readout, core.actor_state(memory), core.encoder(first))

    def _values(self, first: Tensor, memory: Tensor) -> Tensor:
        """The same -> values of the plan's steps (…, chunk)."""
        core = self.core
        if self.forgets or core.critic_cell is None:
            return core.critic(first)
        return core._read(core.critic, core.parts(memory)[1], core.critic_encoder(first))

    def _remember(self, x: Tensor, memory: Tensor, starts: Tensor) -> Tensor:
        """Decisions (D, n, obs), memory before them (n, m), starts (D, n) -> memory after each (D, n, m)."""
        core = self.core
        if self.forgets or not len(x):
            return memory.expand(len(x), -1, -1)
        actor, critic = core.parts(memory)
        after = core.cell.sequence(core.encoder(x), actor, starts, core.dt)
        if core.critic_cell is None:
            return after
        critic = core.critic_cell.sequence(core.critic_encoder(x), critic, starts, core.dt)
        return torch.cat([after, critic], dim=-1)

    # --- one step ---------------------------------------------------------------------------

    def _begin(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Place in the plan, its first observation, velocity, memory, numbers drawn; a decision is made where due."""
        phase, first, velocity, memory, drawn = state.split(self.widths, dim=-1)
        due = phase == 0
        first = torch.where(due, x, first)
        if not self.forgets:
            after = self.core._clamp(self._remember(x[None], memory, torch.zeros(1, len(x), dtype=bool))[0])
            memory = torch.where(due, after, memory)
        return phase[:, 0].long(), first, velocity, memory, drawn

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs), state (n, state_dim) -> mean of what is drawn (n, act or outputs), next state."""
        phase, first, velocity, memory, drawn = self._begin(x, state)
        mean, after = self._numbers(first, memory), (phase + 1) % self.chunk
        if self.explore == "actions":
            actions, end = self.plan(mean, velocity)
            mean = _at(actions, phase)
            velocity = torch.where((after == 0)[:, None], end, velocity)
        return mean, torch.cat([after[:, None], first, velocity, memory, drawn], dim=-1)

    def execute(self, drawn: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """What was drawn after `step`, and the state that `step` returned -> action (n, act), state."""
        if self.explore == "actions":
            return drawn, state
        after, first, velocity, memory, kept = state.split(self.widths, dim=-1)
        drawn = torch.where(after == 1 % self.chunk, drawn, kept)  # the step before was a decision
        actions, end = self.plan(drawn, velocity)
        action = _at(actions, (after[:, 0].long() - 1) % self.chunk)
        velocity = torch.where(after == 0, end, velocity)
        return action, torch.cat([after, first, velocity, memory, drawn], dim=-1)

    def value(self, x: Tensor, state: Tensor) -> Tensor:
        """x (n, obs), state (n, state_dim) before this observation -> value (n,), by the head of that step."""
        phase, first, _, memory, _ = self._begin(x, state)
        return _at(self._values(first if self.heads == "first" else x, memory), phase)

    @torch.no_grad()
    def plans(self, obs: np.ndarray, state: Tensor | None = None) -> np.ndarray:
        """obs (n, obs) -> the actions that a decision made now would plan, (n, chunk, act), unclipped."""
        x, state = self.sensed(obs, state)
        state = state.clone()
        state[:, 0] = 0
        _, first, velocity, memory, _ = self._begin(x, state)
        return self.plan(self._numbers(first, memory), velocity)[0].numpy()

    def at_decision(self, state: Tensor, velocity: Tensor) -> Tensor:
        """`state` (n, state_dim) with a decision due, and the path at `velocity` (n, dofs), in strides per chunk."""
        _, first, _, memory, drawn = state.split(self.widths, dim=-1)
        return torch.cat([torch.zeros(len(state), 1), first, velocity, memory, drawn], dim=-1)

    # --- many steps -------------------------------------------------------------------------

    def phases(self, state: Tensor, starts: Tensor) -> Tensor:
        """state (n, state_dim) before the first step, starts (T, n) -> place in the plan at each step (T, n)."""
        t = torch.arange(len(starts))[:, None]
        begun = torch.where(starts, t, -1).cummax(0).values
        return torch.where(begun < 0, t + state[:, 0].long(), t - begun) % self.chunk

    def log_prob(self, drawn: Tensor, mean: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """Log-density of what was drawn at each step (T, n); 0 at steps where nothing was drawn."""
        density = gaussian_log_prob(drawn, mean, self.log_std)
        return density if self.explore == "actions" else density.masked_fill(self.phases(state, starts) != 0, 0)

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs), state (n, state_dim) before the first step -> mean (T, n, act or outputs), value (T, n)."""
        state = state.masked_fill(starts[0][:, None], 0)
        if len(x) == 1 and self.forgets:
            return self.step(x[0], state)[0][None], self.value(x[0], state)[None]
        phase, copies = self.phases(state, starts), torch.arange(x.shape[1]).expand(starts.shape)
        _, first, velocity, memory, _ = state.split(self.widths, dim=-1)
        # Row 0 is the plan in progress, the others are decisions; a copy with fewer than others has idle rows.
        due, old = phase == 0, int(not bool((phase[0] == 0).all()))
        row = due.long().cumsum(0) - 1 + old
        where = row[due], copies[due]
        size = (int(row.max()) + 1, x.shape[1])
        firsts, begins = x.new_zeros(*size, x.shape[-1]), torch.zeros(size, dtype=torch.bool)
        firsts[:old] = first
        firsts[where], begins[where] = x[due], starts[due]
        memories = self._remember(firsts[old:], memory, begins[old:])
        memories = torch.cat([memory[None], memories]) if old else memories
        mean = self._numbers(firsts, memories)
        if self.explore == "actions":
            fresh = state[:, :1] == 0 if old else None
            mean = self._along(mean, velocity, begins, fresh)[row, copies, phase]
        else:
            mean = mean[row, copies]
        if self.heads == "present":
            return mean, self.core.critic(x).gather(-1, phase[..., None])[..., 0]
        return mean, self._values(firsts, memories)[row, copies, phase]

    def _along(self, numbers: Tensor, velocity: Tensor, begins: Tensor, fresh: Tensor | None) -> Tensor:
        """Numbers (D, n, outputs) of plans that follow each other -> their actions (D, n, chunk, act).

        velocity: of the first (n, dofs); fresh (n, 1): where the first is idle, and the next one begins with it.
        """
        if not self.plan.dofs:
            return self.plan(numbers, velocity)[0]
        actions = []
        for d in range(len(numbers)):
            velocity = velocity.masked_fill(begins[d][:, None], 0)
            plan, end = self.plan(numbers[d], velocity)
            actions.append(plan)
            velocity = torch.where(fresh, velocity, end) if d == 0 and fresh is not None else end
        return torch.stack(actions)

    @torch.no_grad()
    def memory(self, x: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """State before each step (T, n, state_dim), recomputed with the current weights. Drawn numbers are left out,
        because learning does not read them."""
        before = []
        for t in range(len(x)):
            before.append(state.masked_fill(starts[t][:, None], 0))
            _, state = self.step(x[t], before[-1])
        return torch.stack(before)


def _at(rows: Tensor, phase: Tensor) -> Tensor:
    """rows (n, chunk, …), phase (n,) -> (n, …): of each copy the row of its phase."""
    return rows[torch.arange(len(phase)), phase]
