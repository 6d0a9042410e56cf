"""DDPG, TD3 and SAC: Q-learning for continuous actions, one algorithm with switches.

`OffPolicy.iterate()` acts, stores and improves. The learning itself is in `q_learner.QLearner.update`, with the losses
in `q_losses`. The three algorithms differ only in fields of the config, so you can switch on each change alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from course_lib.envs.engine.spaces import check_bounds
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.machine import MEBI
from course_lib.nets.ensemble import Pass
from course_lib.policies.actors import Actor, DeterministicActor, RecurrentActor, SquashedActor
from course_lib.rl.agent import Agent, load_fitting, part
from course_lib.rl.offpolicy_config import DDPGConfig, SACConfig, TD3Config
from course_lib.rl.q_learner import QLearner
from course_lib.rl.replay import Replay


class OffPolicy(Agent):
    """An agent that trains in `envs` from a replay buffer.

    Args:
        envs, config: see `Agent`.
        policy: an actor to start from, such as `cl.load` returns (a copy of it is trained; the critics start anew).
            Noise, normalisation and cell of the config must be its own, unless they are left at their defaults.

    Attributes:
        learner: critics, targets, temperature, and their updates.
        replay: the buffer.
    """

    name = "ddpg"
    Config = DDPGConfig
    actors = (DeterministicActor, SquashedActor)  # without and with `stochastic`
    policy_fields = ("normalize_observation", "exploration_noise", "cell")  # `hidden` is that of the critics, too

    def check(self, envs: gym.vector.VectorEnv) -> None:
        check_bounds(envs, self.name)
        if len(lengths := np.unique(envs.step_length)) > 1:
            raise ArgumentError(
                f"copies whose control steps last {', '.join(f'{x:g}' for x in lengths)} times the usual are not "
                f"accepted by {self.name}, which discounts all steps alike; accepted: one control rate, or PPO"
            )
        if envs.num_envs > self.config.buffer_size:
            raise ArgumentError(
                f"buffer_size={self.config.buffer_size} holds less than one step of num_envs={envs.num_envs} copies; "
                f"it must be at least {envs.num_envs}"
            )

    def make_policy(self, policy: Actor | None) -> Actor:
        kind = self.actors[self.config.stochastic]
        if policy is None:
            return kind(self.obs_dim, self.act_dim, **self.actor_settings())
        with_memory = isinstance(policy, RecurrentActor)
        if not isinstance(policy, kind) or with_memory != issubclass(kind, RecurrentActor):
            raise ArgumentError(
                f"policy={type(policy).__name__} is not accepted; this config acts with a {kind.__name__}"
            )
        return self.copied(policy)

    def actor_settings(self) -> dict:
        """What the config says about the actor."""
        c = self.config
        return dict(hidden=c.hidden, noise=c.exploration_noise, normalize=c.normalize_observation)

    def build(self) -> None:
        """Make the buffer and the learner."""
        self.replay = Replay(self.config.buffer_size, self.obs_dim, self.act_dim)
        self.learner = QLearner(self.policy, self.config)

    def enter(self, envs: gym.vector.VectorEnv) -> None:
        super().enter(envs)
        # Of steps half as long there are twice as many, and the horizon in seconds must not change (as in PPO).
        self.learner.gamma = float(self.config.gamma ** np.unique(envs.step_length)[0])
        self._tape = Pass(self.policy.network)
        self.owed = 0.0  # updates due, in fractions of one
        self.held = torch.zeros(envs.num_envs, self.act_dim)  # the random actions, in [-1, 1]

    # --- 1. act and store -------------------------------------------------------------------

    def begin(self) -> None:
        """Start the first episodes, and say how much memory the buffer will take."""
        super().begin()
        print(self.replay)

    @torch.no_grad()
    def collect(self) -> None:
        """Take one step in every copy and store it in the buffer."""
        envs, n = self.envs, self.envs.num_envs
        if self.env_steps < self.config.learning_starts:
            unit = self.random_actions()
        else:
            x = self.policy.normalizer(torch.from_numpy(self.observation).float())
            noise = torch.randn(2, n, self.policy.act_dim, generator=self.generator)
            unit = self.policy.explore(x, noise, self._tape)
        unit = unit.numpy()
        action = self.policy.scaled(unit)
        observation, reward, terminated, truncated, infos = envs.step(action)
        over = terminated | truncated
        # The last observation of an episode is not the one returned, which begins the next.
        following = infos["final_obs"] if over.any() else observation
        self.replay.add(self.observation, unit, following, reward, terminated)
        if self.config.normalize_observation:
            self.policy.normalizer.update(self.observation)
        if over.any():
            self.count_episodes(infos)
        self.observation = observation
        self.env_steps += n

    def random_actions(self) -> Tensor:
        """Uniformly random actions in [-1, 1], (n, act); each is held for `random_hold` steps."""
        if self.env_steps // self.envs.num_envs % self.config.random_hold == 0:
            self.held = torch.rand(*self.held.shape, generator=self.generator) * 2.0 - 1.0
        return self.held

    def ready(self) -> bool:
        """Whether the buffer holds enough to learn from."""
        return self.replay.size >= self.config.learning_starts

    # --- 2. improve -------------------------------------------------------------------------

    def iterate(self, progress: float) -> dict[str, float]:
        """One iteration -> metrics. `progress` in [0, 1] is the share of training that is done.

        Losses are means over some of the updates. They are NaN while the buffer holds fewer than `learning_starts`
        transitions, because there are no updates then.
        """
        if self.observation is None:
            self.begin()
        c = self.config
        rate = self.learning_rate(progress)
        self.learner.actor_optimizer.lr = self.learner.critic_optimizer.lr = rate
        parts: dict[str, list[Tensor]] = {name: [] for name in ("critic_loss", "q_mean", "actor_loss")}
        if c.stochastic:
            parts["entropy_mean"] = []
        for _ in range(c.rollout_steps):
            self.collect()
            if not self.ready():
                continue
            self.owed += c.updates_per_step * self.envs.num_envs
            while self.owed >= 1.0:
                self.owed -= 1.0
                batch = self.replay.sample(c.batch_size, self.generator)
                report = not parts["actor_loss"] or self.learner.updates % 8 == 0  # each would take time for nothing
                for name, value in self.learner.update(batch, self.generator, report).items():
                    parts[name].append(value)
        self.iterations += 1
        metrics = {name: torch.stack(v).mean().item() if v else float("nan") for name, v in parts.items()}
        for name, value in metrics.items():
            if parts[name] and not np.isfinite(value):
                raise NonFiniteError(
                    f"{name} is {value} at environment step {self.env_steps}; the last checkpoint is untouched; "
                    "a smaller learning_rate is the first thing to try"
                )
        if c.temperature:
            metrics["temperature"] = float(self.learner.temperature)
        return {
            **metrics,
            "updates": self.learner.updates,
            "learning_rate": rate,
            **self.episode_metrics(),
        }

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        yield from super().weights()
        yield from ((f"critics.{name}", value) for name, value in self.learner.critics.named_parameters())

    # --- saving -----------------------------------------------------------------------------

    @property
    def saving_hint(self) -> str:
        """What to add to the error when a checkpoint cannot be written, because most of it is the buffer."""
        size = 4 * self.replay.rows.shape[1] * self.replay.size / MEBI
        return f"; {size:,.0f} MiB of it are the replay buffer: save_buffer=False leaves it out" if size else ""

    def state_dict(self) -> tuple[dict[str, Tensor], dict]:
        tensors, facts = super().state_dict()
        tensors |= {f"learner.{k}": v for k, v in self.learner.state_dict().items()}
        if self.config.save_buffer:
            tensors |= {f"replay.{k}": v for k, v in self.replay.state_dict().items()}
        return tensors | {"held": self.held}, facts | {"owed": self.owed}

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict) -> None:
        """See `Agent`. If the buffer was not saved, acting fills it again before updates continue."""
        load_fitting("agent", self.learner.load_state_dict, part(tensors, "learner."))
        self.replay.clear()
        if self.config.save_buffer and "replay.rows" in tensors:
            self.replay.load_state_dict(part(tensors, "replay."))
        super().load_state_dict(tensors, facts)
        self.owed = facts["owed"]
        self.held = tensors.get("held", self.held).clone()  # checkpoints older than `random_hold` have none


class DDPG(OffPolicy):
    """Deep deterministic policy gradient (Lillicrap et al. 2016): one critic, a deterministic actor and noise."""


class TD3(OffPolicy):
    """Twin delayed DDPG (Fujimoto et al. 2018): the lower of two critics, smoothed targets, a delayed actor."""

    name = "td3"
    Config = TD3Config


class SAC(OffPolicy):
    """Soft actor-critic (Haarnoja et al. 2018b): twin critics, a stochastic actor, entropy with a learned weight."""

    name = "sac"
    Config = SACConfig
