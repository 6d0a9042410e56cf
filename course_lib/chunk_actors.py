"""A policy that decides once for several control steps: actions straight from a network, or along a DMP's path.

At a decision, the network turns an observation into a plan, the mean actions of the next T steps, and the critic into T
values: of the state now and of those the plan leads to, as far as the first observation tells (the multi-action critic
of Bahl et al., NeurIPS 2020, section 3.3). T is called `chunk`. Where one stands in a plan is memory, as a cell's state
is: the place in it and what it was made of are part of `state`, and so is all that the course does with policies
that remember (PPO, evaluation, videos) done with this one too. The environment goes on step by step, so rewards,
discounts and ends of episodes come when they come for a policy that decides at every step.

A plan ends early only with its episode. No sample exists for a step that was not made: it counts nowhere.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.plans import TRAJECTORIES, DirectPlan, PathPlan
from course_lib.policies import (
    ActorCritic,
    MLPActorCritic,
    Readout,
    RecurrentActorCritic,
    gaussian_log_prob,
    mlp,
)

EXPLORE, HEADS = ("actions", "plan"), ("first", "present")
CELL_OPTIONS = ("cell", "neurons", "cell_options", "encoder", "feedthrough", "critic", "critic_neurons")
PLAN_OPTIONS = ("chunk", "trajectory", "dofs", "basis", "alpha", "explore", "heads")


class ChunkActorCritic(ActorCritic):
    """A Gaussian policy around plans of `chunk` steps, read out from a tanh network or from a recurrent cell.

    A cell makes one step a decision: with "ltc" and a DMP, goal and weights come from a liquid network.

    Args:
        obs_dim, act_dim: widths of observation and action.
        chunk: control steps of a plan.
        trajectory: "none" (see `DirectPlan`) or "dmp" (`PathPlan`). dofs, basis, alpha: of the DMP.
        explore: "actions": noise on each action, the plan being its mean; the log-density of a plan is the sum over
            the actions that were executed. "plan": noise on the numbers that describe the plan, drawn once a decision;
            all its actions follow, and its log-density is that of the numbers.
        heads: what the critic's k-th head values the k-th step of a plan from: its "first" observation, as in the
            paper, or the "present" one, which tells what the noise has done since. Acting needs no critic, so this
            takes nothing away from the plan. A critic with a cell sees what decisions see, the first.
        cell: name in `cells.CELLS`, None for a tanh network. What follows is as for `RecurrentActorCritic`.

    The memory is (n, state_dim): place in the plan (0: a decision is due), the plan's first observation, velocity of
    the path there, states of the cells after the decision, and with explore="plan" the numbers that were drawn.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        chunk: int = 5,
        trajectory: str = "none",
        dofs: int = 3,
        basis: int = 6,
        alpha: float = 10.0,
        explore: str = "actions",
        heads: str = "first",
        cell: str | None = None,
        hidden: tuple[int, ...] = (64, 64),
        init_log_std: float = 0.0,
        normalize: bool = True,
        activation: str = "tanh",
        **cells,
    ):
        super().__init__(obs_dim, act_dim, init_log_std, normalize)
        check_choice("trajectory", trajectory, TRAJECTORIES)
        check_choice("explore", explore, EXPLORE)
        check_choice("heads", heads, HEADS)
        if heads == "present" and cell is not None and cells.get("critic", "cell") == "cell":
            raise ArgumentError("heads='present' needs a critic without memory; accepted with a cell: critic='mlp'")
        self.chunk, self.explore, self.heads = check_count("chunk", chunk), explore, heads
        direct = trajectory == "none"
        self.plan = DirectPlan(chunk, act_dim) if direct else PathPlan(chunk, act_dim, dofs, basis, alpha)
        outputs = self.plan.outputs
        if explore == "plan":
            self.log_std = nn.Parameter(torch.full((outputs,), float(init_log_std)))
        more = dict(hidden=tuple(hidden), activation=activation)
        if cell is None:
            self.core = MLPActorCritic(obs_dim, outputs, **more)
        else:
            self.core = RecurrentActorCritic(obs_dim, outputs, cell, **cells, **more)
        self.core.log_std = self.core.normalizer = None  # this policy has its own
        if chunk > 1:
            self.core.critic = self._heads(obs_dim, cell, cells.get("feedthrough", False), **more)
        kept = CELL_OPTIONS[1:] if cell else ()
        self.settings |= dict(
            chunk=chunk, trajectory=trajectory, dofs=dofs, basis=basis, alpha=alpha, explore=explore, heads=heads,
            cell=cell, hidden=list(hidden), activation=activation, **{name: self.core.settings[name] for name in kept},
        )  # fmt: skip
        self.widths = [1, obs_dim, self.plan.dofs, self.core.state_dim, outputs if explore == "plan" else 0]
        self.state_dim = sum(self.widths)

    @property
    def forgets(self) -> bool:
        """Whether a step can be learnt from without the steps before it: all it needs is in its state."""
        return self.core.state_dim == 0

    def _heads(self, obs_dim: int, cell: str | None, feedthrough: bool, hidden: tuple, activation: str) -> nn.Module:
        core = self.core
        if cell is None or core.critic_cell is None:
            return mlp([obs_dim, *hidden, self.chunk], activation, last_gain=1.0)
        through = core.critic_cell.inputs if feedthrough else 0
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
        return core._read(core.critic, memory[..., core.neurons :], core.critic_encoder(first))

    def _remember(self, x: Tensor, memory: Tensor, starts: Tensor) -> Tensor:
        """Decisions (D, n, obs), memory before them (n, m), starts (D, n) -> memory after each (D, n, m)."""
        core = self.core
        if self.forgets or not len(x):
            return memory.expand(len(x), -1, -1)
        after = core.cell.sequence(core.encoder(x), core.actor_state(memory), starts, core.dt)
        if core.critic_cell is None:
            return after
        critic = core.critic_cell.sequence(core.critic_encoder(x), memory[:, core.neurons :], starts, core.dt)
        return torch.cat([after, critic], dim=-1)

    # --- one step ---------------------------------------------------------------------------

    def _begin(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Place in the plan, its first observation, velocity, memory, numbers drawn; a decision is made where due."""
        phase, first, velocity, memory, drawn = state.split(self.widths, dim=-1)
        due = phase == 0
        first = torch.where(due, x, first)
        if not self.forgets:
            memory = torch.where(due, self._remember(x[None], memory, torch.zeros(1, len(x), dtype=bool))[0], memory)
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
        """What was drawn after `step`, and the state it gave -> action (n, act), state."""
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
    def act(
        self,
        obs: np.ndarray,
        state: Tensor | None = None,
        deterministic: bool = True,
        rng: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, Tensor]:
        """obs (n, obs) -> action (n, act) within the bounds, next state. `rng` draws the noise when stochastic."""
        x = self.normalizer(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        drawn, state = self.step(x, self.initial_state(len(x)) if state is None else state)
        if not deterministic:
            rng = np.random.default_rng() if rng is None else rng
            drawn = drawn + self.log_std.exp() * torch.from_numpy(rng.standard_normal(drawn.shape, dtype=np.float32))
        action, state = self.execute(drawn, state)
        action = action.numpy()
        return action if self.action_low is None else np.clip(action, self.action_low, self.action_high), state

    @torch.no_grad()
    def plans(self, obs: np.ndarray, state: Tensor | None = None) -> np.ndarray:
        """obs (n, obs) -> the actions that a decision here and now means to take, (n, chunk, act), unclipped."""
        x = self.normalizer(torch.as_tensor(np.asarray(obs), dtype=torch.float32))
        state = self.initial_state(len(x)) if state is None else state.clone()
        state[:, 0] = 0
        _, first, velocity, memory, _ = self._begin(x, state)
        return self.plan(self._numbers(first, memory), velocity)[0].numpy()

    def at_decision(self, state: Tensor, velocity: Tensor) -> Tensor:
        """`state` (n, state_dim) with a decision due, and the path as fast as `velocity` (n, dofs), strides a chunk."""
        _, first, _, memory, drawn = state.split(self.widths, dim=-1)
        return torch.cat([torch.zeros(len(state), 1), first, velocity, memory, drawn], dim=-1)

    # --- many steps -------------------------------------------------------------------------

    def phases(self, state: Tensor, starts: Tensor) -> Tensor:
        """state (n, state_dim) before the first step, starts (T, n) -> place in the plan at each step (T, n)."""
        t = torch.arange(len(starts))[:, None]
        begun = torch.where(starts, t, -1).cummax(0).values
        return torch.where(begun < 0, t + state[:, 0].long(), t - begun) % self.chunk

    def log_prob(self, drawn: Tensor, mean: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """Log-density of what was drawn at each step (T, n); 0 at a step at which nothing was."""
        density = gaussian_log_prob(drawn, mean, self.log_std)
        return density if self.explore == "actions" else density * (self.phases(state, starts) == 0)

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs), state (n, state_dim) before the first step -> mean (T, n, act or outputs), value (T, n)."""
        state = state * ~starts[0][:, None]
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
            velocity = velocity * ~begins[d][:, None]
            plan, end = self.plan(numbers[d], velocity)
            actions.append(plan)
            velocity = torch.where(fresh, velocity, end) if d == 0 and fresh is not None else end
        return torch.stack(actions)

    @torch.no_grad()
    def memory(self, x: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """State before each step (T, n, state_dim), recomputed with the present weights; numbers drawn are left out,
        which learning does not read."""
        before = []
        for t in range(len(x)):
            before.append(state * ~starts[t][:, None])
            _, state = self.step(x[t], before[-1])
        return torch.stack(before)


def _at(rows: Tensor, phase: Tensor) -> Tensor:
    """rows (n, chunk, …), phase (n,) -> (n, …): of each copy the row of its phase."""
    return rows[torch.arange(len(phase)), phase]
