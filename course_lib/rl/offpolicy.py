"""DDPG, TD3 and SAC: Q-learning for continuous actions, one algorithm with switches.

`OffPolicy.iterate()` acts, stores and improves; the learning itself is `q_learner.QLearner.update`, from the losses in
`q_losses`. What the three algorithms differ in are fields of the config, so that each change can be switched on alone.
"""

from __future__ import annotations

import copy
from collections import deque

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from course_lib.actors import Actor, DeterministicActor, SquashedActor
from course_lib.ensemble import Pass
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.rl.offpolicy_config import DDPGConfig, SACConfig, TD3Config
from course_lib.rl.q_learner import QLearner
from course_lib.rl.replay import MEBI, Replay
from course_lib.rl.spaces import check_bounds, same_step, widths


class OffPolicy:
    """An agent that trains on `envs` from a replay buffer.

    Args:
        envs: what `cl.make` returns, or any vector environment of Gymnasium with autoreset SAME_STEP.
        config: hyperparameters; those of the class where none are given.
        policy: an actor to go on from, such as `cl.load` returns (a copy of it is trained; the critics start anew).

    Attributes:
        policy: the actor, normaliser included.
        learner: critics, targets, temperature, and their updates.
        replay: the buffer.
        env_steps: transitions seen so far, over all copies.
    """

    name = "ddpg"
    Config = DDPGConfig
    actors = (DeterministicActor, SquashedActor)  # without and with `stochastic`

    def __init__(self, envs: gym.vector.VectorEnv, config: DDPGConfig | None = None, policy: Actor | None = None):
        self.config = c = config or self.Config()
        obs_dim, act_dim = widths(envs, self.name)
        check_bounds(envs, self.name)
        self.envs = envs = same_step(envs)
        if envs.num_envs > c.buffer_size:
            raise ArgumentError(
                f"buffer_size={c.buffer_size} holds less than one step of num_envs={envs.num_envs} copies; "
                f"it must be at least {envs.num_envs}"
            )
        torch.set_num_threads(c.torch_threads)
        kind = self.actors[c.stochastic]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed)
            self.policy = (
                self._new_policy(kind, obs_dim, act_dim) if policy is None else _checked(policy, kind, obs_dim, act_dim)
            )
            self._build(obs_dim, act_dim)
        self.policy.env_id, self.policy.env_options = getattr(envs, "id", None), getattr(envs, "options", {})
        space = envs.single_action_space
        self.policy.action_low, self.policy.action_high = space.low.astype(np.float32), space.high.astype(np.float32)
        self.generator = torch.Generator().manual_seed(c.seed)
        self._way = Pass(self.policy.network)
        self.observation = None  # (N, obs) set by the first iterate()
        self.env_steps = self.iterations = 0
        self.owed = 0.0  # updates due, in fractions of one
        self.held = torch.zeros(envs.num_envs, act_dim)  # the random actions, in [-1, 1]
        self.recent = deque(maxlen=100)  # (return, length) of the last finished episodes

    def _new_policy(self, kind: type[Actor], obs_dim: int, act_dim: int) -> Actor:
        c = self.config
        return kind(obs_dim, act_dim, c.hidden, c.exploration_noise, c.normalize_observation)

    def _build(self, obs_dim: int, act_dim: int) -> None:
        """Buffer and learner, once there is a policy."""
        self.replay = Replay(self.config.buffer_size, obs_dim, act_dim)
        self.learner = QLearner(self.policy, self.config)

    # --- 1. act and store -------------------------------------------------------------------

    def begin(self) -> None:
        """Start the first episodes, and say how much memory the buffer will take."""
        self.observation, _ = self.envs.reset(options={"stagger": True})
        print(self.replay)

    @torch.no_grad()
    def collect(self) -> None:
        """One step of every copy into the buffer."""
        envs, n = self.envs, self.envs.num_envs
        if self.env_steps < self.config.learning_starts:
            unit = self.random_actions()
        else:
            x = self.policy.normalizer(torch.from_numpy(self.observation).float())
            noise = torch.randn(2, n, self.policy.act_dim, generator=self.generator)
            unit = self.policy.explore(x, noise, self._way)
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
            episode, index = infos["episode"], np.flatnonzero(infos["_episode"])
            self.recent.extend(zip(episode["r"][index].tolist(), episode["l"][index].tolist(), strict=True))
        self.observation = observation
        self.env_steps += n

    def random_actions(self) -> Tensor:
        """Uniform in [-1, 1], (n, act), each kept for `random_hold` steps."""
        if self.env_steps // self.envs.num_envs % self.config.random_hold == 0:
            self.held = torch.rand(*self.held.shape, generator=self.generator) * 2.0 - 1.0
        return self.held

    def ready(self) -> bool:
        """Whether the buffer holds enough to learn from."""
        return self.replay.size >= self.config.learning_starts

    # --- 2. improve -------------------------------------------------------------------------

    def iterate(self, progress: float) -> dict[str, float]:
        """One iteration -> metrics. `progress` in [0, 1] is the share of training behind us.

        Losses are means over some of the updates, and NaN where there was none: while the buffer holds less than
        `learning_starts` transitions.
        """
        if self.observation is None:
            self.begin()
        c = self.config
        rate = c.learning_rate * (1.0 - progress if c.lr_schedule == "linear" else 1.0)
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
        returns = [r for r, _ in self.recent]
        return {
            **metrics,
            "updates": self.learner.updates,
            "learning_rate": rate,
            "return_mean": float(np.mean(returns)) if returns else float("nan"),
            "episode_length": float(np.mean([n for _, n in self.recent])) if returns else float("nan"),
        }

    # --- saving -----------------------------------------------------------------------------

    @property
    def saving_hint(self) -> str:
        """What to add where a checkpoint cannot be written: most of it is the buffer."""
        size = 4 * self.replay.rows.shape[1] * self.replay.size / MEBI
        return f"; {size:,.0f} MiB of it are the replay buffer: save_buffer=False leaves it out" if size else ""

    def state_dict(self) -> tuple[dict[str, Tensor], dict]:
        """All that decides the future -> tensors, JSON facts. See `load_state_dict`."""
        tensors = {f"learner.{k}": v for k, v in self.learner.state_dict().items()}
        if self.config.save_buffer:
            tensors |= {f"replay.{k}": v for k, v in self.replay.state_dict().items()}
        tensors |= {"generator": self.generator.get_state(), "held": self.held}
        facts = {name: getattr(self, name) for name in ("env_steps", "iterations", "owed")}
        facts |= {"recent": list(self.recent), "envs": None}
        if self.observation is not None and hasattr(self.envs, "snapshot"):
            snapshot = self.envs.snapshot()
            facts["envs"] = snapshot["rngs"]
            tensors |= {f"envs.{k}": torch.from_numpy(snapshot[k]) for k in ("physics", "steps", "returns", "whole")}
            tensors |= {f"memory.{k}": torch.from_numpy(v) for k, v in snapshot["memory"].items()}
        return tensors, facts

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict) -> None:
        """Back to where `state_dict` was taken. Environments without `snapshot` start new episodes; a buffer that was
        not saved is filled again by acting before updates go on."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        try:
            self.learner.load_state_dict(part("learner."))
        except (RuntimeError, KeyError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise ArgumentError(f"the checkpoint does not fit this agent: {reason}") from None
        self.replay.clear()
        if self.config.save_buffer and "replay.rows" in tensors:
            self.replay.load_state_dict(part("replay."))
        self.generator.set_state(tensors["generator"])
        self.held = tensors.get("held", self.held).clone()  # checkpoints of before `random_hold` have none
        for name in ("env_steps", "iterations", "owed"):
            setattr(self, name, facts[name])
        self.recent = deque(map(tuple, facts["recent"]), maxlen=self.recent.maxlen)
        self.observation = None
        if facts["envs"] is not None:
            snapshot = {k: v.numpy() for k, v in part("envs.").items()}
            memory = {k: v.numpy() for k, v in part("memory.").items()}
            self.observation = self.envs.restore({**snapshot, "memory": memory, "rngs": facts["envs"]})


class DDPG(OffPolicy):
    """Deep deterministic policy gradient (Lillicrap et al. 2016): one critic, a deterministic actor and noise."""


class TD3(OffPolicy):
    """Twin delayed DDPG (Fujimoto et al. 2018): the lesser of two critics, smoothed targets, a delayed actor."""

    name = "td3"
    Config = TD3Config


class SAC(OffPolicy):
    """Soft actor-critic (Haarnoja et al. 2018b): twin critics, a stochastic actor, entropy with a learned worth."""

    name = "sac"
    Config = SACConfig


def _checked(policy, kind: type[Actor], obs_dim: int, act_dim: int) -> Actor:
    """A copy of `policy`, which must be of this kind and of these widths."""
    if not isinstance(policy, kind):
        raise ArgumentError(f"policy={type(policy).__name__} is not accepted; this config acts with a {kind.__name__}")
    has = tuple(policy.settings[name] for name in ("obs_dim", "act_dim"))
    if has != (obs_dim, act_dim):
        raise ArgumentError(
            f"policy takes {has[0]} observations to {has[1]} actions; these envs need {obs_dim} to {act_dim}"
        )
    return copy.deepcopy(policy)
