"""Proximal policy optimisation (Schulman et al. 2017), clipped form.

`PPO.iterate()` is the whole algorithm: collect, estimate advantages, improve. The losses are pure functions. It is all
in one file, so you can read it from top to bottom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from course_lib.envs.adopt import adopt
from course_lib.envs.engine.spaces import widths
from course_lib.errors import ArgumentError
from course_lib.machine import check_memory
from course_lib.policies.actor_critics import (
    ActorCritic,
    MLPActorCritic,
    RecurrentActorCritic,
    check_horizon,
    gaussian_entropy,
)
from course_lib.policies.base import RunningMoments
from course_lib.policies.chunks import ChunkActorCritic
from course_lib.rl.agent import Agent, load_fitting, part, scheduled
from course_lib.rl.gae import gae
from course_lib.rl.handed import optional_settings
from course_lib.rl.optim import FlatAdam
from course_lib.rl.ppo_config import PPOConfig
from course_lib.rl.ppo_epoch import Epoch


def policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> tuple[Tensor, Tensor]:
    """Clipped surrogate, negated: -E[min(ρ A, clip(ρ, 1-ε, 1+ε) A)], ρ = π/π_old.  # eq. (7)

    All tensors have the same shape. Returns the loss and log ρ, for `ratio_statistics`.
    """
    log_ratio = log_prob - old_log_prob
    ratio = log_ratio.exp()
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
    return -surrogate.mean(), log_ratio.detach()


def ratio_statistics(log_ratio: Tensor, clip: float) -> dict[str, float]:
    """How far the policy has moved, from log ρ of any shape.

    `approx_kl` = E[(ρ - 1) - log ρ], an estimator of KL(π_old‖π) that is never negative and varies little;
    `clip_fraction` = share of ρ outside [1-ε, 1+ε].
    """
    ratio = log_ratio.exp()
    return {
        "approx_kl": (ratio - 1.0 - log_ratio).mean().item(),
        "clip_fraction": ((ratio - 1.0).abs() > clip).float().mean().item(),
    }


def value_loss(value: Tensor, target: Tensor) -> Tensor:
    """½ E[(V - target)²]; both (B,).  # L^VF of eq. (9)"""
    return 0.5 * (value - target).square().mean()


@dataclass
class Rollout:
    """The experience of one iteration; each tensor is (T, N, …)."""

    x: Tensor  # normalised observations (T, N, obs)
    action: Tensor  # (T, N, act), before clipping to the bounds; or whatever else the policy drew
    starts: Tensor  # (T, N) true where an episode begins at this step
    state: Tensor  # (T, N, state_dim) memory before the step
    log_prob: Tensor  # (T, N) under the policy that acted
    advantage: Tensor  # (T, N)
    target: Tensor  # (T, N) for the value

    def segments(self, length: int) -> Rollout:
        """The same data in pieces of `length` steps: (length, T/length × N, …); states only at each piece's start."""

        def cut(a: Tensor) -> Tensor:
            T, n, *rest = a.shape
            return a.reshape(T // length, length, n, *rest).transpose(0, 1).reshape(length, T // length * n, *rest)

        pieces = {name: cut(value) for name, value in vars(self).items()}
        return Rollout(**{**pieces, "state": pieces["state"][0]})

    def minibatches(self, size: int, order: Tensor):
        """Segments in `order`, `size` at a time."""
        # index_select is several times faster than indexing with a tensor.
        shuffled = [v.index_select(0 if k == "state" else 1, order) for k, v in vars(self).items()]
        for lo in range(0, len(order), size):
            yield Rollout(*(v[lo : lo + size] if i == 3 else v[:, lo : lo + size] for i, v in enumerate(shuffled)))


class PPO(Agent):
    """An agent that trains in `envs` on its own latest rollouts.

    Args:
        envs, config: see `Agent`.
        policy: class of the actor-critic; see `actor_critics.ActorCritic`. None means a `ChunkActorCritic` if the
            config has a plan, a `RecurrentActorCritic` if it names a cell, otherwise an `MLPActorCritic`. You can also
            give a policy, such as `cl.load` returns: training continues with a copy of it (its weights, σ and
            normaliser; the optimiser starts anew). Fields of the config that describe the policy and are not at their
            defaults reach the class, or must be what the policy has; if not, they are refused.
    """

    name = "ppo"
    Config = PPOConfig
    policy_fields = ("normalize_observation", "hidden", "activation", "cell", "plan")

    def check(self, envs: gym.vector.VectorEnv) -> None:
        c, batch = self.config, self.config.rollout_steps * envs.num_envs
        if c.minibatch_size > batch:
            raise ArgumentError(
                f"minibatch_size={c.minibatch_size} is larger than a rollout: rollout_steps × num_envs = {batch}; "
                f"accepted: 1 to {batch}"
            )
        row = 20 * self.obs_dim + 8 * self.act_dim + 64  # bytes that a step of a copy takes, at least
        check_memory("rollout_steps", c.rollout_steps, batch * row, envs.num_envs * row)
        check_horizon(c.plan.chunk, envs)
        if c.cell.clock and envs.task is not None and envs.task.observation_kinds()[-1] != "durations":
            raise ArgumentError(
                f"cell.clock=True is not accepted with {envs.id} as it is: the last entry of its observation is no "
                "length of a step; accepted: clock=False, or copies made with disturb=dict(clock=True)"
            )

    def make_policy(self, policy) -> ActorCritic:
        c = self.config
        if isinstance(policy, ActorCritic):
            return self.copied(policy)
        more = dict(hidden=c.hidden, init_log_std=c.init_log_std, normalize=c.normalize_observation)
        if policy is not None:
            check_kind(policy)
            return policy(self.obs_dim, self.act_dim, **more, **optional_settings(policy, c))
        more["activation"] = c.activation
        if not c.plan.plain:
            return ChunkActorCritic(self.obs_dim, self.act_dim, c.plan, c.cell, **more)
        if c.cell.name is not None:
            return RecurrentActorCritic(self.obs_dim, self.act_dim, c.cell, **more)
        return MLPActorCritic(self.obs_dim, self.act_dim, **more)

    def build(self) -> None:
        c = self.config
        self.unrolled = 1 if self.policy.forgets else c.sequence_length  # steps that belong together in learning
        if c.rollout_steps % self.unrolled:
            raise ArgumentError(
                f"sequence_length={c.sequence_length} does not divide rollout_steps={c.rollout_steps}; it must for a "
                "policy with memory"
            )
        if c.minibatch_size < self.unrolled:
            raise ArgumentError(
                f"minibatch_size={c.minibatch_size} is less than one sequence; it must be at least "
                f"sequence_length={c.sequence_length} for a policy with memory"
            )
        self.optimizer = FlatAdam(self.policy, c.learning_rate, c.adam_eps, c.max_grad_norm)
        self.return_moments, self.entropy_coef = RunningMoments(), c.entropy_coef
        self._epoch: Epoch | None = None

    @property
    def in_c(self) -> Epoch | None:
        """Acting and `epoch` in C, as long as nobody has replaced what it does; made anew where parts were replaced."""
        if (type(self).loss, type(self).epoch) != PLAIN or {"loss", "epoch"} & vars(self).keys():
            return None
        parts = self.policy, self.optimizer, self.config
        if self._epoch is None or not self._epoch.is_for(*parts):
            self._epoch = Epoch(*parts) if Epoch.fits(self.policy, self.optimizer) else None
        return self._epoch

    def enter(self, envs: gym.vector.VectorEnv) -> None:
        check_horizon(self.policy.chunk, envs)
        super().enter(envs)

    def move_to(self, envs: gym.vector.VectorEnv) -> PPO:
        """Continue in other environments, such as the same robot on rough ground: fine-tuning.

        The policy, the normaliser, the optimiser state and the scale of the returns are kept. Observations and actions
        must have the same widths as before, and the number of copies must be the same.
        """
        old = (*widths(self.envs, "PPO"), self.envs.num_envs)
        new = (*widths(envs, "PPO"), envs.num_envs)
        if old != new:
            raise ArgumentError(
                f"envs has (observation width, action width, copies) = {new}; accepted is what this agent has learnt "
                f"with: {old}"
            )
        self.enter(adopt(envs))
        self.recent.clear()
        return self

    def begin(self) -> None:
        super().begin()
        n = self.envs.num_envs
        self.state = self.policy.initial_state(n)
        self.starts = np.ones(n, dtype=bool)
        self.discounted = np.zeros(n)  # running discounted return of each copy, for the reward scale

    # --- 1. collect -------------------------------------------------------------------------

    @torch.no_grad()
    def collect(self) -> tuple[Rollout, np.ndarray]:
        """Act for `rollout_steps` steps and estimate the advantages -> rollout, raw observations (T, N, obs)."""
        c, envs, policy = self.config, self.envs, self.policy
        T, n, act_dim = c.rollout_steps, envs.num_envs, len(policy.log_std)
        low, high = (torch.from_numpy(bound) for bound in (policy.action_low, policy.action_high))
        raw = np.empty((T, n, self.observation.shape[1]))
        x, actions = torch.empty(raw.shape), torch.empty(T, n, act_dim)
        states, rewards = torch.empty(T, n, policy.state_dim), np.empty((T, n))
        starts, terminated, over = (np.empty((T, n), bool) for _ in range(3))
        # All the noise of the rollout in one draw: σ does not change while acting.
        noise = torch.randn(actions.shape, generator=self.generator) * policy.log_std.exp()
        in_c = it.acting(noise, x, actions) if (it := self.in_c) else None
        ends = []  # where episodes ended: step, copies, their final observations, their memory
        for t in range(T):
            raw[t] = self.observation
            starts[t] = self.starts
            if in_c:  # the same in one call
                action = in_c(t, self.observation)
            else:
                x[t] = policy.normalizer(torch.from_numpy(self.observation).float())
                if policy.state_dim:
                    states[t] = self.state
                mean, self.state = policy.step(x[t], self.state)
                torch.add(mean, noise[t], out=actions[t])
                action, self.state = policy.execute(actions[t], self.state)
                action = torch.clamp(action, low, high).numpy()
            self.observation, rewards[t], terminated[t], truncated, infos = envs.step(action)
            over[t] = self.starts = terminated[t] | truncated
            if self.starts.any():
                index = np.flatnonzero(self.starts)
                ends.append((t, index, infos["final_obs"][index], self.state[index]))
                self.state = self.state * torch.from_numpy(~self.starts)[:, None]
                self.count_episodes(infos)
        self.env_steps += T * n
        starts = torch.from_numpy(starts)
        mean, value = policy.sequence(x, states[0], starts)
        next_value = torch.cat([value[1:], self._value(self.observation, self.state)[None]])
        for t, index, final, state in ends:  # the next state of an ended episode is its final one
            next_value[t, index] = self._value(final, state)
        scaled = self._scale_rewards(rewards, over)
        discounts = self.per_step(c.gamma), self.per_step(c.gae_lambda)
        advantage, target = gae(scaled, value.numpy(), next_value.numpy(), terminated, over, *discounts)
        log_prob = policy.log_prob(actions, mean, states[0], starts)
        advantage, target = torch.from_numpy(advantage).float(), torch.from_numpy(target).float()
        return Rollout(x, actions, starts, states, log_prob, advantage, target), raw

    def _value(self, obs: np.ndarray, state: Tensor) -> Tensor:
        return self.policy.value(self.policy.normalizer(torch.from_numpy(obs).float()), state)

    def per_step(self, factor: float) -> float | np.ndarray:
        """`factor` for a usual control step -> for the steps of these copies, a number or (N,). If control steps are
        half as long, there are twice as many, and the horizon in seconds must not change (De Asis & Sutton 2024)."""
        return factor**self.envs.step_length

    def _scale_rewards(self, rewards: np.ndarray, over: np.ndarray) -> np.ndarray:
        """rewards (T, N) divided by the sd of the discounted return seen so far, and clipped to ±10."""
        if not self.config.normalize_reward:
            return rewards
        seen, gamma = np.empty_like(rewards), self.per_step(self.config.gamma)
        for t in range(len(rewards)):
            self.discounted = self.discounted * gamma + rewards[t]
            seen[t] = self.discounted
            self.discounted = np.where(over[t], 0.0, self.discounted)
        self.return_moments.update(seen.reshape(-1))
        return np.clip(rewards / np.sqrt(float(self.return_moments.var) + 1e-8), -10.0, 10.0)

    # --- 2. improve -------------------------------------------------------------------------

    def loss(self, batch: Rollout) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Eq. (9), negated, on a minibatch -> loss and its parts: policy loss, value loss, log ρ."""
        c, policy = self.config, self.policy
        advantage = batch.advantage
        if c.normalize_advantage and advantage.numel() > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        mean, value = policy.sequence(batch.x, batch.state, batch.starts)
        log_prob = policy.log_prob(batch.action, mean, batch.state, batch.starts)
        loss_pi, log_ratio = policy_loss(log_prob, batch.log_prob, advantage, c.clip)
        loss_v = value_loss(value, batch.target)
        loss = loss_pi + c.value_coef * loss_v
        if self.entropy_coef:
            loss = loss - self.entropy_coef * gaussian_entropy(policy.log_std)
        return loss, (loss_pi.detach(), loss_v.detach(), log_ratio)

    def improve(self, rollout: Rollout) -> dict[str, float]:
        """`epochs` passes of minibatch gradient steps on the rollout -> metrics, averaged over all passes."""
        c = self.config
        segments = rollout.segments(self.unrolled)
        size = max(c.minibatch_size // self.unrolled, 1)
        epochs = []
        for epoch in range(c.epochs):
            if epoch and c.refresh_states and self.unrolled > 1:
                fresh = self.policy.memory(rollout.x, rollout.state[0], rollout.starts)
                segments = replace(rollout, state=fresh).segments(self.unrolled)
            order = torch.randperm(segments.x.shape[1], generator=self.generator)
            # The same in one call of C, where there is one for this policy.
            done = it.run(segments, order, size, self.entropy_coef) if (it := self.in_c) else None
            loss_pi, loss_v, log_ratio = done or self.epoch(segments, order, size)
            metrics = {"policy_loss": loss_pi, "value_loss": loss_v}
            epochs.append({**metrics, **ratio_statistics(log_ratio, c.clip)})
            if c.target_kl is not None and epochs[-1]["approx_kl"] > c.target_kl:
                break
        return {name: float(np.mean([e[name] for e in epochs])) for name in epochs[0]}

    def epoch(self, segments: Rollout, order: Tensor, size: int) -> tuple[float, float, Tensor]:
        """One gradient step for every `size` segments, in `order` -> the mean losses, and log ρ of all steps."""
        parts = []
        for batch in segments.minibatches(size, order):
            loss, part = self.loss(batch)
            self.optimizer.step(loss)
            parts.append(part)
        losses_pi, losses_v, log_ratios = zip(*parts, strict=True)
        return (
            torch.stack(losses_pi).mean().item(),
            torch.stack(losses_v).mean().item(),
            torch.cat(log_ratios, dim=-1),
        )

    def iterate(self, progress: float) -> dict[str, float]:
        """One iteration -> metrics. `progress` in [0, 1] is the share of training that is done."""
        if self.observation is None:
            self.begin()
        self.optimizer.lr = lr = self.learning_rate(progress)
        self.entropy_coef = scheduled(self.config.entropy_coef, self.config.entropy_schedule, progress)
        rollout, raw = self.collect()
        explained = 1.0 - (rollout.advantage.var() / (rollout.target.var() + 1e-8)).item()
        metrics = self.improve(rollout)
        if self.config.normalize_observation:
            self.policy.normalizer.update(raw.reshape(-1, raw.shape[-1]))
        self.iterations += 1
        return {
            **metrics,
            "explained_variance": explained,
            "entropy": gaussian_entropy(self.policy.log_std).item(),
            "learning_rate": lr,
            **self.episode_metrics(),
        }

    # --- saving -----------------------------------------------------------------------------

    def state_dict(self) -> tuple[dict[str, Tensor], dict]:
        tensors, facts = super().state_dict()
        tensors |= {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"adam.{k}": v for k, v in self.optimizer.state_dict().items()}
        tensors |= {f"moments.{k}": v for k, v in self.return_moments.state_dict().items()}
        if facts["envs"] is not None:
            tensors |= {"state": self.state, "starts": torch.from_numpy(self.starts)}
            tensors["discounted"] = torch.from_numpy(self.discounted)
        return tensors, facts

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict) -> None:
        load_fitting("policy", self.policy.load_state_dict, part(tensors, "policy."))
        self.optimizer.load_state_dict(part(tensors, "adam."))
        self.return_moments.load_state_dict(part(tensors, "moments."))
        super().load_state_dict(tensors, facts)
        if facts["envs"] is not None:
            self.state, self.starts = tensors["state"].clone(), tensors["starts"].numpy().copy()
            self.discounted = tensors["discounted"].numpy().copy()


def check_kind(policy) -> None:
    """Raise unless `policy` is a class of actor-critics, or a function that makes one."""
    fits = issubclass(policy, ActorCritic) if isinstance(policy, type) else not isinstance(policy, torch.nn.Module)
    if not (fits and callable(policy)):
        came = policy.__name__ if isinstance(policy, type) else f"a {type(policy).__name__}"
        raise ArgumentError(
            f"policy={came} is not accepted by PPO; it must be an ActorCritic, such as cl.load returns for a policy of "
            "PPO, or a class of them, e.g. cl.MLPActorCritic"
        )


PLAIN = PPO.loss, PPO.epoch  # what `Epoch` does in C
