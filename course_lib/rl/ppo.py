"""Proximal policy optimisation (Schulman et al. 2017), clipped form.

`PPO.iterate()` is the whole algorithm: collect, estimate advantages, improve. The losses are pure functions.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from course_lib.cells import CELLS
from course_lib.envs.foreign import Foreign
from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.policies import (
    ACTIVATIONS,
    ActorCritic,
    MLPActorCritic,
    RecurrentActorCritic,
    RunningMoments,
    gaussian_entropy,
    gaussian_log_prob,
)
from course_lib.rl.gae import gae
from course_lib.rl.optim import FlatAdam


@dataclass
class PPOConfig:
    """Hyperparameters of PPO. The defaults are for continuous control with many copies on two cores."""

    rollout_steps: int = 64
    """control steps each copy takes between two improvements (T)"""
    minibatch_size: int = 1024
    """transitions in a gradient step"""
    epochs: int = 10
    """passes over each rollout (K in the paper)"""
    learning_rate: float = 1e-3
    """step size of Adam at the start"""
    lr_schedule: str = "linear"
    """'linear' falls to 0 at the end of training, 'constant' does not"""
    gamma: float = 0.99
    """discount factor"""
    gae_lambda: float = 0.95
    """λ of generalised advantage estimation"""
    clip: float = 0.2
    """ε of the clipped surrogate, eq. (7)"""
    value_coef: float = 0.5
    """weight of the value loss, c1 of eq. (9)"""
    entropy_coef: float = 0.0
    """weight of the entropy bonus, c2 of eq. (9)"""
    max_grad_norm: float = 0.5
    """gradients are scaled down to this norm"""
    target_kl: float | None = None
    """stop the epochs of an iteration once the approximate KL is above this"""
    normalize_observation: bool = True
    """normalise observations by running moments (inside the policy)"""
    normalize_reward: bool = True
    """divide rewards by the running sd of the discounted return"""
    normalize_advantage: bool = True
    """zero mean, unit variance in each minibatch"""
    sequence_length: int = 16
    """steps of back-propagation through time; policies without memory do not use it"""
    refresh_states: bool = False
    """recompute the states in which sequences begin before each epoch; else those met while acting are used, which go
    stale as the weights move (Kapturowski et al. 2019)"""
    cell: str | None = None
    """recurrent cell of the policy, a name in `cells.CELLS`; None for an MLP"""
    neurons: int = 8
    """states of the cell"""
    cell_options: dict[str, Any] = field(default_factory=dict)
    """options of the cell's class: solver, substeps, …"""
    encoder: int | None = None
    """width of a tanh layer between observation and cell; None for none"""
    feedthrough: bool = False
    """whether the readouts see the cell's input beside its states"""
    critic: str = "cell"
    """critic of a policy with a cell: 'cell', one of the same kind with its own state, or 'mlp', without memory"""
    critic_neurons: int | None = None
    """states of the critic's cell; None for as many as the policy's"""
    hidden: tuple[int, ...] = (64, 64)
    """widths of the hidden layers"""
    activation: str = "tanh"
    """between the hidden layers: "tanh" or "elu", which walking robots are mostly trained with"""
    init_log_std: float = 0.0
    """start of log σ of the Gaussian"""
    adam_eps: float = 1e-5
    """ε of Adam"""
    torch_threads: int = 1
    """threads torch may use; small networks gain nothing from more"""
    seed: int = 0
    """seeds the weights, the action noise and the shuffling"""

    @classmethod
    def recommended(cls, env_id: str, **changes) -> PPOConfig:
        """The settings found to work best here on `env_id` (the defaults where none were sought), with `changes`."""
        return cls(**{**TUNED.get(env_id.removeprefix("course/"), {}), **changes})

    def __post_init__(self):
        for name in ("rollout_steps", "minibatch_size", "epochs", "sequence_length", "torch_threads", "neurons"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, 0)
        if self.cell is not None:
            check_choice("cell", self.cell, CELLS)
        check_choice("critic", self.critic, ("cell", "mlp"))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("lr_schedule", self.lr_schedule, ("linear", "constant"))
        for name, low, high in (("gamma", 0, 1), ("gae_lambda", 0, 1)):
            _check_range(name, getattr(self, name), low, high)
        for name in ("learning_rate", "clip", "max_grad_norm", "adam_eps"):
            _check_range(name, getattr(self, name), 0, np.inf, open_low=True)
        for name in ("value_coef", "entropy_coef"):
            _check_range(name, getattr(self, name), 0, np.inf)
        if self.target_kl is not None:
            _check_range("target_kl", self.target_kl, 0, np.inf, open_low=True)
        _check_range("init_log_std", self.init_log_std, -20, 5)
        self.hidden = tuple(check_count("hidden", width) for width in self.hidden)


# Found with a handful of single-seed trials of a few million steps. Of these changes the ablations confirm the small
# first σ; at their length γ = .98 shows no gain over .99, and the KL stop does not act yet.
TUNED: dict[str, dict] = {
    "HalfCheetah-v5": dict(gamma=0.98, gae_lambda=0.92, init_log_std=-1.0, target_kl=0.03),
    "AnymalC-v0": dict(
        learning_rate=1e-3, epochs=5, minibatch_size=1024, init_log_std=-1.0, hidden=(128, 128), activation="elu",
        entropy_coef=0.005,
    ),
    # The bonus lets σ grow from .37 to above 1. Without it a slow seed had 5,500 after 1.2M steps, with it 12,400.
    "AnymalSprint-v0": dict(
        learning_rate=1e-3, epochs=5, minibatch_size=1024, init_log_std=-1.0, hidden=(128, 128), activation="elu",
        entropy_coef=0.01,
    ),
    "InvertedPendulum-v5": dict(
        rollout_steps=32, minibatch_size=64, learning_rate=5e-3, lr_schedule="constant", sequence_length=32
    ),
}


def _check_range(name: str, value: object, low: float, high: float, open_low: bool = False) -> None:
    fits = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    fits = fits and np.isfinite(value) and (low < value if open_low else low <= value) and value <= high
    if not fits:
        bound = f"above {low:g}" if open_low else f"at least {low:g}"
        bound += "" if np.isinf(high) else f" and at most {high:g}"
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be a finite number {bound}")


def policy_loss(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """Clipped surrogate, negated: -E[min(ρ A, clip(ρ, 1-ε, 1+ε) A)], ρ = π/π_old.  # eq. (7)

    All arguments of one shape. Returns the loss and log ρ, for `ratio_statistics`.
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
    """One iteration's experience, each (T, N, …)."""

    x: Tensor  # normalised observations (T, N, obs)
    action: Tensor  # (T, N, act), before clipping to the bounds
    starts: Tensor  # (T, N) true where an episode begins at this step
    state: Tensor  # (T, N, state_dim) memory before the step
    log_prob: Tensor  # (T, N) under the policy that acted
    advantage: Tensor  # (T, N)
    target: Tensor  # (T, N) for the value

    def segments(self, length: int) -> Rollout:
        """The same cut into pieces of `length` steps: (length, T/length × N, …), states at their first step only."""

        def cut(a: Tensor) -> Tensor:
            T, n, *rest = a.shape
            return (
                a.reshape(T // length, length, n, *rest)
                .transpose(0, 1)
                .reshape(length, T // length * n, *rest)
            )

        pieces = {name: cut(value) for name, value in vars(self).items()}
        return Rollout(**{**pieces, "state": pieces["state"][0]})

    def minibatches(self, size: int, order: Tensor):
        """Segments in `order`, `size` at a time."""
        # index_select is several times faster than indexing with a tensor.
        shuffled = [v.index_select(0 if k == "state" else 1, order) for k, v in vars(self).items()]
        for lo in range(0, len(order), size):
            yield Rollout(
                *(v[lo : lo + size] if i == 3 else v[:, lo : lo + size] for i, v in enumerate(shuffled))
            )


class PPO:
    """An agent that trains on `envs`.

    Args:
        envs: what `cl.make` returns, or any vector environment of Gymnasium with autoreset SAME_STEP.
        config: hyperparameters.
        policy: class of the actor-critic; see `policies` for its interface. None: an `MLPActorCritic`, or
            a `RecurrentActorCritic` where the config names a cell. Or a policy, such as `cl.load` returns: training
            goes on with a copy of it (its weights and normaliser; the optimiser starts anew).

    Attributes:
        policy: the actor-critic, normaliser included.
        env_steps: transitions seen so far, over all copies.
    """

    name = "ppo"

    def __init__(self, envs: gym.vector.VectorEnv, config: PPOConfig | None = None, policy=None):
        self.config = c = config or PPOConfig()
        obs_dim, act_dim = _widths(envs)
        envs = _same_step(envs)
        batch = c.rollout_steps * envs.num_envs
        if c.minibatch_size > batch:
            raise ArgumentError(
                f"minibatch_size={c.minibatch_size} is larger than a rollout: rollout_steps × num_envs = {batch}; "
                f"accepted: 1 to {batch}"
            )
        torch.set_num_threads(c.torch_threads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed)
            self.policy = _build(policy, c, obs_dim, act_dim)
        if self.policy.state_dim and c.rollout_steps % c.sequence_length:
            raise ArgumentError(
                f"sequence_length={c.sequence_length} does not divide rollout_steps={c.rollout_steps}; it must for a "
                "policy with memory"
            )
        self._enter(envs)
        self.optimizer = FlatAdam(self.policy, c.learning_rate, c.adam_eps, c.max_grad_norm)
        self.generator = torch.Generator().manual_seed(c.seed)
        self.return_moments = RunningMoments()
        self.env_steps = self.iterations = 0
        self.recent = deque(maxlen=100)  # (return, length) of the last finished episodes

    def _enter(self, envs: gym.vector.VectorEnv) -> None:
        self.envs, policy = envs, self.policy
        self.observation = None  # (N, obs) set by the first iterate()
        policy.env_id, policy.env_options = getattr(envs, "id", None), getattr(envs, "options", {})
        policy.action_low, policy.action_high = envs.single_action_space.low, envs.single_action_space.high

    def move_to(self, envs: gym.vector.VectorEnv) -> PPO:
        """Go on in other environments, such as the same robot on rough ground: fine-tuning.

        Policy, normaliser, optimiser state and the scale of the returns stay. Observations and actions must have the
        widths of before, and there must be as many copies.
        """
        old = (*_widths(self.envs), self.envs.num_envs)
        new = (*_widths(envs), envs.num_envs)
        if old != new:
            raise ArgumentError(
                f"envs has (observation width, action width, copies) = {new}; accepted is what this agent has learnt "
                f"with: {old}"
            )
        self._enter(_same_step(envs))
        self.recent.clear()
        return self

    def begin(self) -> None:
        """Start the first episodes."""
        n = self.envs.num_envs
        self.observation, _ = self.envs.reset(options={"stagger": True})
        self.state = self.policy.initial_state(n)
        self.starts = np.ones(n, dtype=bool)
        self.discounted = np.zeros(n)  # running discounted return of each copy, for the reward scale

    # --- 1. collect -------------------------------------------------------------------------

    @torch.no_grad()
    def collect(self) -> tuple[Rollout, np.ndarray]:
        """Act for `rollout_steps` steps and estimate the advantages -> rollout, raw observations (T, N, obs)."""
        c, envs, policy = self.config, self.envs, self.policy
        T, n, act_dim = c.rollout_steps, envs.num_envs, envs.single_action_space.shape[0]
        low, high = (torch.from_numpy(b) for b in (envs.single_action_space.low, envs.single_action_space.high))
        raw = np.empty((T, n, self.observation.shape[1]))
        x, actions = torch.empty(raw.shape), torch.empty(T, n, act_dim)
        states, rewards = torch.empty(T, n, policy.state_dim), np.empty((T, n))
        starts, terminated, over = (np.empty((T, n), bool) for _ in range(3))
        # All the noise of the rollout in one draw: σ does not change while acting.
        noise = torch.randn(actions.shape, generator=self.generator) * policy.log_std.exp()
        ends = []  # where episodes ended: step, copies, their final observations, their memory
        for t in range(T):
            raw[t] = self.observation
            x[t] = policy.normalizer(torch.from_numpy(self.observation).float())
            starts[t] = self.starts
            if policy.state_dim:
                states[t] = self.state
            mean, self.state = policy.step(x[t], self.state)
            torch.add(mean, noise[t], out=actions[t])
            action = torch.clamp(actions[t], low, high).numpy()
            self.observation, rewards[t], terminated[t], truncated, infos = envs.step(action)
            over[t] = self.starts = terminated[t] | truncated
            if self.starts.any():
                index = np.flatnonzero(self.starts)
                ends.append((t, index, infos["final_obs"][index], self.state[index]))
                self.state = self.state * torch.from_numpy(~self.starts)[:, None]
                episode, index = infos["episode"], np.flatnonzero(infos["_episode"])
                self.recent.extend(
                    zip(episode["r"][index].tolist(), episode["l"][index].tolist(), strict=True)
                )
        self.env_steps += T * n
        starts = torch.from_numpy(starts)
        mean, value = policy.sequence(x, states[0], starts)
        next_value = torch.cat([value[1:], self._value(self.observation, self.state)[None]])
        for t, index, final, state in ends:  # the next state of an ended episode is its final one
            next_value[t, index] = self._value(final, state)
        scaled = self._scale_rewards(rewards, over)
        advantage, target = gae(
            scaled, value.numpy(), next_value.numpy(), terminated, over, c.gamma, c.gae_lambda
        )
        log_prob = gaussian_log_prob(actions, mean, policy.log_std)
        advantage, target = torch.from_numpy(advantage).float(), torch.from_numpy(target).float()
        return Rollout(x, actions, starts, states, log_prob, advantage, target), raw

    def _value(self, obs: np.ndarray, state: Tensor) -> Tensor:
        return self.policy.value(self.policy.normalizer(torch.from_numpy(obs).float()), state)

    def _scale_rewards(self, rewards: np.ndarray, over: np.ndarray) -> np.ndarray:
        """rewards (T, N) divided by the sd of the discounted return seen so far."""
        if not self.config.normalize_reward:
            return rewards
        seen = np.empty_like(rewards)
        for t in range(len(rewards)):
            self.discounted = self.discounted * self.config.gamma + rewards[t]
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
        log_prob = gaussian_log_prob(batch.action, mean, policy.log_std)
        loss_pi, log_ratio = policy_loss(log_prob, batch.log_prob, advantage, c.clip)
        loss_v = value_loss(value, batch.target)
        loss = loss_pi + c.value_coef * loss_v
        if c.entropy_coef:
            loss = loss - c.entropy_coef * gaussian_entropy(policy.log_std)
        return loss, (loss_pi.detach(), loss_v.detach(), log_ratio)

    def improve(self, rollout: Rollout) -> dict[str, float]:
        """`epochs` passes of minibatch gradient steps on the rollout -> metrics, averaged over all passes."""
        c = self.config
        length = c.sequence_length if self.policy.state_dim else 1
        segments = rollout.segments(length)
        size = max(c.minibatch_size // length, 1)
        epochs = []
        for epoch in range(c.epochs):
            if epoch and c.refresh_states and self.policy.state_dim:
                fresh = self.policy.memory(rollout.x, rollout.state[0], rollout.starts)
                segments = replace(rollout, state=fresh).segments(length)
            order = torch.randperm(segments.x.shape[1], generator=self.generator)
            parts = []
            for batch in segments.minibatches(size, order):
                loss, part = self.loss(batch)
                self.optimizer.step(loss)
                parts.append(part)
            losses_pi, losses_v, log_ratios = zip(*parts, strict=True)
            metrics = {
                "policy_loss": torch.stack(losses_pi).mean().item(),
                "value_loss": torch.stack(losses_v).mean().item(),
            }
            epochs.append({**metrics, **ratio_statistics(torch.cat(log_ratios, dim=-1), c.clip)})
            if c.target_kl is not None and epochs[-1]["approx_kl"] > c.target_kl:
                break
        return {name: float(np.mean([e[name] for e in epochs])) for name in epochs[0]}

    def iterate(self, progress: float) -> dict[str, float]:
        """One iteration -> metrics. `progress` in [0, 1] is the share of training behind us."""
        if self.observation is None:
            self.begin()
        c = self.config
        lr = c.learning_rate * (1.0 - progress if c.lr_schedule == "linear" else 1.0)
        self.optimizer.lr = lr
        rollout, raw = self.collect()
        explained = 1.0 - (rollout.advantage.var() / (rollout.target.var() + 1e-8)).item()
        metrics = self.improve(rollout)
        if c.normalize_observation:
            self.policy.normalizer.update(raw.reshape(-1, raw.shape[-1]))
        self.iterations += 1
        returns = [r for r, _ in self.recent]
        return {
            **metrics,
            "explained_variance": explained,
            "entropy": gaussian_entropy(self.policy.log_std).item(),
            "learning_rate": lr,
            "return_mean": float(np.mean(returns)) if returns else float("nan"),
            "episode_length": float(np.mean([n for _, n in self.recent])) if returns else float("nan"),
        }

    # --- saving -----------------------------------------------------------------------------

    def state_dict(self) -> tuple[dict[str, Tensor], dict]:
        """All that decides the future -> tensors, JSON facts. See `load_state_dict`."""
        tensors = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"adam.{k}": v for k, v in self.optimizer.state_dict().items()}
        tensors |= {f"moments.{k}": v for k, v in self.return_moments.state_dict().items()}
        tensors["generator"] = self.generator.get_state()
        facts = {
            "env_steps": self.env_steps,
            "iterations": self.iterations,
            "recent": list(self.recent),
            "envs": None,
        }
        if self.observation is not None and hasattr(self.envs, "snapshot"):
            snapshot = self.envs.snapshot()
            facts["envs"] = snapshot["rngs"]
            tensors |= {
                f"envs.{k}": torch.from_numpy(snapshot[k]) for k in ("physics", "steps", "returns", "whole")
            }
            tensors |= {f"memory.{k}": torch.from_numpy(v) for k, v in snapshot["memory"].items()}
            tensors |= {"state": self.state, "starts": torch.from_numpy(self.starts)}
            tensors["discounted"] = torch.from_numpy(self.discounted)
        return tensors, facts

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict) -> None:
        """Back to where `state_dict` was taken. Environments without `snapshot` start new episodes."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        try:
            self.policy.load_state_dict(part("policy."))
        except RuntimeError as error:
            raise ArgumentError(
                f"the checkpoint does not fit this policy: {str(error).splitlines()[-1].strip()}"
            ) from None
        self.optimizer.load_state_dict(part("adam."))
        self.return_moments.load_state_dict(part("moments."))
        self.generator.set_state(tensors["generator"])
        self.env_steps, self.iterations = facts["env_steps"], facts["iterations"]
        self.recent = deque(map(tuple, facts["recent"]), maxlen=self.recent.maxlen)
        self.observation = None
        if facts["envs"] is not None:
            snapshot = {k: v.numpy() for k, v in part("envs.").items()}
            memory = {k: v.numpy() for k, v in part("memory.").items()}
            self.observation = self.envs.restore({**snapshot, "memory": memory, "rngs": facts["envs"]})
            self.state, self.starts = tensors["state"], tensors["starts"].numpy().copy()
            self.discounted = tensors["discounted"].numpy().copy()


def _build(policy, c: PPOConfig, obs_dim: int, act_dim: int):
    """The actor-critic that the config describes, or one of the class `policy`."""
    more = dict(hidden=c.hidden, init_log_std=c.init_log_std, normalize=c.normalize_observation)
    if isinstance(policy, ActorCritic):
        has = tuple(policy.settings[name] for name in ("obs_dim", "act_dim"))
        if has != (obs_dim, act_dim):
            raise ArgumentError(
                f"policy takes {has[0]} observations to {has[1]} actions; these envs need {obs_dim} to {act_dim}"
            )
        return copy.deepcopy(policy)
    if policy is not None:
        return policy(obs_dim, act_dim, **more)
    more["activation"] = c.activation
    if c.cell is not None:
        names = ("cell", "neurons", "cell_options", "encoder", "feedthrough", "critic", "critic_neurons")
        return RecurrentActorCritic(obs_dim, act_dim, **{name: getattr(c, name) for name in names}, **more)
    return MLPActorCritic(obs_dim, act_dim, **more)


def _same_step(envs: gym.vector.VectorEnv) -> gym.vector.VectorEnv:
    """`envs` with the `infos` of `cl.make`; refused where final observations would be lost."""
    if hasattr(envs, "id"):  # from cl.make
        return envs
    mode = envs.metadata.get("autoreset_mode")
    if mode != gym.vector.AutoresetMode.SAME_STEP:
        raise ArgumentError(
            f"envs has autoreset_mode={mode}; accepted: SAME_STEP, as in "
            "gymnasium.make_vec(id, n, vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP}) or cl.make(id, n)"
        )
    return Foreign(envs, envs.spec.id if envs.spec else type(envs).__name__)


def _widths(envs: gym.vector.VectorEnv) -> tuple[int, int]:
    """(obs_dim, act_dim), raising where PPO here cannot act."""
    obs, act = envs.single_observation_space, envs.single_action_space
    if not isinstance(act, gym.spaces.Box) or len(act.shape) != 1:
        raise ArgumentError(
            f"the action space {act} is not accepted; PPO here needs a flat Box (continuous actions)"
        )
    if not isinstance(obs, gym.spaces.Box) or len(obs.shape) != 1:
        raise ArgumentError(
            f"the observation space {obs} is not accepted; PPO here needs a flat Box, not images or dicts"
        )
    return obs.shape[0], act.shape[0]
