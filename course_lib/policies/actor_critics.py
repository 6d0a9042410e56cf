"""Gaussian actor-critics, the policies that PPO trains: with a tanh network, or with a recurrent cell."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.errors import ArgumentError
from course_lib.nets.config import CellConfig
from course_lib.policies.base import Normalizer, Policy
from course_lib.policies.networks import MLPNetworks, RecurrentNetworks

LOG_2PI = math.log(2.0 * math.pi)


def gaussian_log_prob(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(action; mean, diag(exp(log_std))²), summed over the last axis: (…, act) -> (…,)."""
    z = (action - mean) * torch.exp(-log_std)
    return -0.5 * (z * z).sum(-1) - (log_std + 0.5 * LOG_2PI).sum(-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """Entropy of a diagonal Gaussian in nats: (…, act) -> (…,)."""
    return (log_std + 0.5 * (1.0 + LOG_2PI)).sum(-1)


class ActorCritic(Policy):
    """A Gaussian policy with a value, as PPO needs it. PPO need not know whether it has a memory.

    A subclass defines `step`, `sequence` and `value`, and also `memory` if it has one. x is (n, obs) or (T, n, obs) and
    normalised; `starts` (T, n) is true where an episode begins, and the state is set to zero there before it is used.

    Args:
        obs_dim, act_dim, normalize, settings: see `Policy`.
        init_log_std: initial log σ, a free vector.
        drawn: how many numbers are drawn at a step; None: as many as the action has.

    Attributes:
        forgets: whether a step can be learnt from without the steps before it, because its state holds all it needs.
        chunk: control steps that one decision covers.
        dofs: how many of the actions follow a path over a chunk.
        explore: what is drawn at random, "actions" or a whole "plan".
    """

    forgets = True
    chunk, dofs, explore = 1, 0, "actions"

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        init_log_std: float = 0.0,
        normalize: bool = True,
        drawn: int | None = None,
        **settings,
    ):
        super().__init__(obs_dim, act_dim, normalize, init_log_std=init_log_std, **settings)
        self.log_std = nn.Parameter(torch.full((drawn or act_dim,), float(init_log_std)))

    @property
    def networks(self) -> nn.Module:
        """The networks of mean and value: this policy itself, or the module that it wraps."""
        return self

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs), state (n, state_dim) -> mean of what is drawn (n, act), next state."""
        raise NotImplementedError

    def sequence(self, x: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """x (T, n, obs), state (n, state_dim) before the first step -> mean (T, n, act), value (T, n)."""
        raise NotImplementedError

    def value(self, x: Tensor, state: Tensor) -> Tensor:
        """x (n, obs), state (n, state_dim) before this observation -> value (n,)."""
        raise NotImplementedError

    def memory(self, x: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """State before each step (T, n, state_dim), recomputed with the current weights."""
        return torch.zeros(*x.shape[:2], self.state_dim)

    def execute(self, drawn: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """What was drawn after `step` (n, …), and the state that `step` returned -> action (n, act), state."""
        return drawn, state

    def log_prob(self, drawn: Tensor, mean: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """Log-density of what was drawn at each step (T, n); state (n, state_dim) is that before the first step."""
        return gaussian_log_prob(drawn, mean, self.log_std)

    def choose(self, x: Tensor, state: Tensor, rng: np.random.Generator | None) -> tuple[Tensor, Tensor]:
        """See `Policy`."""
        drawn, state = self.step(x, state)
        if rng is not None:
            drawn = drawn + self.log_std.exp() * torch.from_numpy(rng.standard_normal(drawn.shape, dtype=np.float32))
        return self.execute(drawn, state)


def check_horizon(chunk: int, envs) -> None:
    """Raise if a decision for `chunk` steps is longer than an episode of `envs`."""
    if envs.horizon is not None and chunk > envs.horizon:
        raise ArgumentError(
            f"chunk={chunk} is longer than the horizon: an episode of {envs.id} has {envs.horizon} steps; "
            f"accepted: 1 to {envs.horizon}"
        )


class MLPActorCritic(MLPNetworks, ActorCritic):
    """Two separate networks: Gaussian mean, and value. The log standard deviation is a free vector.

    Args:
        obs_dim, act_dim: widths of observation and action.
        hidden: widths of the hidden layers of both networks. activation: name of the function in `ACTIVATIONS`.
        init_log_std: initial log σ.
        normalize: whether observations are normalised with their running moments.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden: tuple[int, ...] = (64, 64),
        init_log_std: float = 0.0,
        normalize: bool = True,
        activation: str = "tanh",
    ):
        super().__init__(obs_dim, act_dim, init_log_std, normalize, hidden=list(hidden), activation=activation)
        self.build_networks(obs_dim, act_dim, hidden, activation)


class RecurrentActorCritic(RecurrentNetworks, ActorCritic):
    """A Gaussian policy read out from the states of a recurrent cell; the critic has a cell and a state of its own.

    Args:
        obs_dim, act_dim: widths of observation and action.
        cell: a `CellConfig`, a dict of its fields, or the name of a cell.
        hidden, activation: widths of the critic's layers and its activation, if the critic is an "mlp".
        init_log_std, normalize: as for `MLPActorCritic`.

    The memory is (n, state_dim): the state of the actor's cell, then that of the critic's. `dt` is the duration of a
    control step in the cell's time; set it to another value to act at another rate than in training. With `cell.clock`
    each observation says how long its step lasts, and that entry is not normalised.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        cell: CellConfig | dict | str = "ltc",
        hidden: tuple[int, ...] = (64, 64),
        init_log_std: float = 0.0,
        normalize: bool = True,
        activation: str = "tanh",
    ):
        cell = CellConfig.of(cell)
        more = dict(cell=asdict(cell), hidden=list(hidden), activation=activation)
        super().__init__(obs_dim, act_dim, init_log_std, normalize, **more)
        if cell.clock:
            self.normalizer = Normalizer(obs_dim, enabled=normalize, plain=1)
        self.build_networks(obs_dim, act_dim, cell, hidden, activation)
