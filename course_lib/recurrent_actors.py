"""Actors with memory: those of `actors`, whose network sees a summary of the history instead of the observation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_lib.actors import Actor, DeterministicActor, SquashedActor
from course_lib.ensemble import Ensemble
from course_lib.summarizers import Summarizer


class RecurrentActor(Actor):
    """What both actors with memory share.

    Args:
        obs_dim, act_dim, hidden, noise, normalize: see `Actor`.
        cell, neurons, layers, cell_options, feedthrough, remember: see `Summarizer`.
        previous_action: whether the summarizer sees the last action, in [-1, 1], beside the observation.
        previous_reward: whether it sees the last reward.

    The state of the policy is (n, state_dim): the summarizer's, then the last action and the last reward where they are
    seen. A reward arrives after the action, so who evaluates such a policy hands it over by `rewarded`.
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        hidden: tuple[int, ...] = (256, 256),
        noise: float = 0.0,
        normalize: bool = False,
        cell: str = "lstm",
        neurons: int = 64,
        layers: int = 1,
        cell_options: dict | None = None,
        feedthrough: bool = False,
        previous_action: bool = False,
        previous_reward: bool = False,
        remember: int = 0,
    ):
        super().__init__(obs_dim, act_dim, hidden, noise, normalize)
        memory = dict(cell=cell, neurons=neurons, layers=layers, cell_options=cell_options, feedthrough=feedthrough)
        memory["remember"] = remember
        self.settings |= dict(**memory, previous_action=previous_action, previous_reward=previous_reward)
        self.previous_action, self.previous_reward = previous_action, previous_reward
        inputs = obs_dim + act_dim * previous_action + previous_reward
        self.summarizer = Summarizer(inputs, **memory)
        self.network = Ensemble(1, [self.summarizer.width, *hidden, self.network.sizes[-1]])
        self.state_dim = self.summarizer.state_dim + inputs - obs_dim

    def inputs(self, x: Tensor, action: Tensor, reward: Tensor) -> Tensor:
        """What the summarizer sees: x (…, obs) normalised, the last action (…, act) and reward (…,) -> (…, inputs)."""
        parts = [x, *([action] if self.previous_action else ()), *([reward[..., None]] if self.previous_reward else ())]
        return torch.cat(parts, dim=-1) if len(parts) > 1 else x

    def _remember(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs), policy's state -> summary, next state of the summarizer."""
        memory, seen = state.tensor_split([self.summarizer.state_dim], dim=-1)
        return self.summarizer.step(torch.cat([x, seen], dim=-1), memory)

    def _state(self, memory: Tensor, unit: Tensor) -> Tensor:
        parts = [memory, *([unit] if self.previous_action else ())]
        parts += [torch.zeros(len(memory), 1)] if self.previous_reward else []
        return torch.cat(parts, dim=-1)

    def initial_state(self, n: int) -> Tensor:
        """(n, state_dim) of zeros."""
        return torch.zeros(n, self.state_dim)

    def rewarded(self, state: Tensor, reward: np.ndarray) -> Tensor:
        """`state` with the reward (n,) of the last action in it, where this policy sees rewards."""
        if self.previous_reward:
            state = state.clone()
            state[:, -1] = torch.as_tensor(np.asarray(reward), dtype=state.dtype)
        return state

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, obs) -> most likely action (n, act) in the units of the environment, next state."""
        summary, memory = self._remember(x, state)
        unit = self.unit(summary)[0]
        return self.scaled(unit), self._state(memory, unit)

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
        summary, memory = self._remember(x, self.initial_state(len(x)) if state is None else state)
        if deterministic:
            unit = self.unit(summary)[0]
        else:
            rng = np.random.default_rng() if rng is None else rng
            noise = rng.standard_normal((2, len(x), self.act_dim), dtype=np.float32)
            unit = self.explore(summary, torch.from_numpy(noise))
        return self.scaled(unit.numpy()), self._state(memory, unit)


class RecurrentDeterministicActor(RecurrentActor, DeterministicActor):
    """μ(history) = tanh(network(summary)), of RDPG and RTD3 (Heess et al. 2015). Arguments: see `RecurrentActor`."""


class RecurrentSquashedActor(RecurrentActor, SquashedActor):
    """tanh of a Gaussian given by a network of the summary, of RSAC. Arguments: see `RecurrentActor`."""
