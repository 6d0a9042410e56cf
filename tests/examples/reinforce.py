"""REINFORCE (Williams 1992). The example of a new algorithm in CONTRIBUTING.md: course_lib/rl/reinforce.py"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from course_lib.errors import Count, Natural, Positive, Share
from course_lib.policies.actor_critics import MLPActorCritic
from course_lib.rl.agent import Agent, part
from course_lib.rl.config import Config


@dataclass
class ReinforceConfig(Config):
    """Hyperparameters of REINFORCE."""

    rollout_steps: Count = 50
    learning_rate: Positive = 1e-2
    lr_schedule: Literal["linear", "constant"] = "constant"
    gamma: Share = 0.95
    torch_threads: Count = 1
    seed: Natural = 0


class Reinforce(Agent):
    """The policy gradient with rewards to go, cut off at the end of a rollout, less their mean over the copies."""

    name, Config = "reinforce", ReinforceConfig

    def make_policy(self, policy):
        return MLPActorCritic(self.obs_dim, self.act_dim) if policy is None else self.copied(policy)

    def build(self):
        self.optimizer = torch.optim.Adam(self.policy.actor.parameters())

    def iterate(self, progress):
        self.optimizer.param_groups[0]["lr"] = self.learning_rate(progress)
        if self.observation is None:
            self.begin()
        c, n, log_probs, rewards, on = self.config, self.envs.num_envs, [], [], []
        for _ in range(c.rollout_steps):
            x, nothing = self.policy.normalizer(torch.from_numpy(self.observation).float()), torch.zeros(n, 0)
            mean, _ = self.policy.step(x, nothing)
            noise = torch.randn(mean.shape, generator=self.generator)
            action = (mean + noise * self.policy.log_std.exp()).detach()
            log_probs.append(self.policy.log_prob(action, mean, nothing, None))
            self.observation, reward, terminated, truncated, infos = self.envs.step(action.clamp(-1, 1).numpy())
            rewards.append(reward)
            on.append(~(terminated | truncated))
            if not on[-1].all():
                self.count_episodes(infos)
        to_go = np.zeros((c.rollout_steps + 1, n))
        for t in reversed(range(c.rollout_steps)):
            to_go[t] = rewards[t] + c.gamma * on[t] * to_go[t + 1]
        advantage = torch.from_numpy(to_go[:-1] - to_go[:-1].mean(1, keepdims=True)).float()
        loss = -(torch.stack(log_probs) * advantage).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.env_steps += c.rollout_steps * n
        self.iterations += 1
        return {"policy_loss": loss.item(), **self.episode_metrics()}

    def state_dict(self):
        tensors, facts = super().state_dict()
        return tensors | {f"policy.{k}": v for k, v in self.policy.state_dict().items()}, facts

    def load_state_dict(self, tensors, facts):
        self.policy.load_state_dict(part(tensors, "policy."))
        super().load_state_dict(tensors, facts)
