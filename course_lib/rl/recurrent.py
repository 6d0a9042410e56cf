"""RDPG, RTD3 and RSAC: DDPG, TD3 and SAC with memory (Yang & Nguyen 2021), for tasks that hide part of their state.

Actor and critics see a summary of the history, made by a recurrent network, instead of the observation. The learning is
in `recurrent_learner.RecurrentLearner.update`. Episodes are kept in a `sequence_replay.SequenceReplay`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_lib.policies.actors import RecurrentDeterministicActor, RecurrentSquashedActor
from course_lib.rl.offpolicy import OffPolicy
from course_lib.rl.recurrent_config import RDPGConfig, RSACConfig, RTD3Config
from course_lib.rl.recurrent_learner import RecurrentLearner
from course_lib.rl.sequence_replay import SequenceReplay

__all__ = ["RDPG", "RSAC", "RTD3", "RDPGConfig", "RSACConfig", "RTD3Config", "RecurrentOffPolicy"]


class RecurrentOffPolicy(OffPolicy):
    """An agent with memory that trains in `envs` from a buffer of episodes. Arguments and attributes: see `OffPolicy`.

    Attributes:
        memory: memory of the summarizers while acting, (n, width): the actor's, and the critics' too if it is stored.
    """

    name = "rdpg"
    Config = RDPGConfig
    actors = (RecurrentDeterministicActor, RecurrentSquashedActor)

    def actor_settings(self) -> dict:
        return super().actor_settings() | {"cell": self.config.cell}

    def build(self) -> None:
        c, n = self.config, self.envs.num_envs
        self.learner = RecurrentLearner(self.policy, c)
        stored = self.learner.memory_dim if c.memory_start == "stored" else 0
        sequences = dict(sequence_length=c.sequence_length, burn_in=c.burn_in, longest=self.envs.horizon)
        self.replay = SequenceReplay(c.buffer_size, n, self.obs_dim, self.act_dim, stored, **sequences)
        self.memory = torch.zeros(n, stored or self.learner.sizes[0])
        self.last_action, self.last_reward = torch.zeros(n, self.act_dim), torch.zeros(n)

    def begin(self) -> None:
        super().begin()
        for tensor in (self.memory, self.last_action, self.last_reward):
            tensor.zero_()
        self.replay.begin(self.observation)

    def ready(self) -> bool:
        return self.replay.size > 0 and self.replay.seen >= self.config.learning_starts

    @torch.no_grad()
    def collect(self) -> None:
        """Take one step in every copy and store it in the buffer."""
        envs, n, policy = self.envs, self.envs.num_envs, self.policy
        x = policy.normalizer(torch.from_numpy(self.observation).float())
        # Also while actions are random: the episode may outlast that.
        summary, memory = self.learner.remember(policy.inputs(x, self.last_action, self.last_reward), self.memory)
        if self.env_steps < self.config.learning_starts:
            unit = self.random_actions()
        else:
            noise = torch.randn(2, n, policy.act_dim, generator=self.generator)
            unit = policy.explore(summary, noise, self._tape)
        observation, reward, terminated, truncated, infos = envs.step(policy.scaled(unit.numpy()))
        over = terminated | truncated
        # The last observation of an episode is not the one returned, which begins the next.
        following = infos["final_obs"] if over.any() else observation
        state = memory.numpy() if self.replay.state_dim else None
        self.replay.add(unit.numpy(), following, reward, terminated, over, observation, state)
        if self.config.normalize_observation:
            policy.normalizer.update(self.observation)
        if over.any():
            self.count_episodes(infos)
        goes_on = torch.from_numpy(~over).float()
        self.memory = memory * goes_on[:, None]
        self.last_action = unit * goes_on[:, None]
        self.last_reward = torch.from_numpy(np.asarray(reward, dtype=np.float32)) * goes_on
        self.observation = observation
        self.env_steps += n

    # --- saving -----------------------------------------------------------------------------

    def state_dict(self) -> tuple[dict[str, Tensor], dict]:
        tensors, facts = super().state_dict()
        names = ("memory", "last_action", "last_reward")
        return tensors | {f"recurrent.{name}": getattr(self, name) for name in names}, facts

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict) -> None:
        """See `OffPolicy`. If the buffer was not saved, episodes in progress run to their ends and are not recorded."""
        super().load_state_dict(tensors, facts)
        for name in ("memory", "last_action", "last_reward"):
            setattr(self, name, tensors[f"recurrent.{name}"].clone())


class RDPG(RecurrentOffPolicy):
    """Recurrent deterministic policy gradient (Heess et al. 2015): DDPG with memory."""


class RTD3(RecurrentOffPolicy):
    """TD3 with memory (Yang & Nguyen 2021)."""

    name = "rtd3"
    Config = RTD3Config


class RSAC(RecurrentOffPolicy):
    """SAC with memory (Yang & Nguyen 2021)."""

    name = "rsac"
    Config = RSACConfig
