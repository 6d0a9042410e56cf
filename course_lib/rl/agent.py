"""What every agent shares: checks of its environments, its policy, finished episodes, common metrics, saving.

Each algorithm spells out how it collects experience, which losses it minimises and how it updates.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from course_lib.envs.adopt import adopt
from course_lib.envs.engine.spaces import widths
from course_lib.errors import ArgumentError
from course_lib.policies.base import Policy, single_precision
from course_lib.rl.config import Config
from course_lib.rl.handed import check_asked, digest, fingerprint

_CONFIGS: set[type] = set()  # those of the library's agent classes


class Agent:
    """A policy that learns in `envs`. A subclass defines `make_policy` and `iterate`, and adds to what is saved.

    Args:
        envs: what `cl.make` returns, or any vector environment of Gymnasium with autoreset SAME_STEP.
        config: hyperparameters, of the class `Config` or one derived from it; None for the defaults.
        policy: passed to `make_policy`: a policy to start from (a copy of it is trained), or None for a new one. What
            the config says of `policy_fields`, unless it is the default, must be what this policy has.

    Attributes:
        policy: the policy that acts, with its normaliser.
        env_steps: transitions seen so far, over all copies. iterations: calls of `iterate`.
        observation: (N, obs), None before the first `begin`.
        recent: (return, length) of the last 100 finished episodes.
        generator: source of all random numbers that learning draws.
        begun_with: digest of the policy that was handed over, or None. begun_at: of the very first observation.
        saving_hint: what to add to the error when a checkpoint cannot be written.
        policy_fields: fields of the config that describe the policy alone.

    Raises:
        ArgumentError: the config is of another algorithm, holds a value that is not accepted, or asks for another
            policy than the one handed over.
    """

    name: str
    Config: type[Config]
    saving_hint = ""
    policy_fields: tuple[str, ...] = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0]  # of other classes the base counts
        if "Config" in vars(cls) and ours:
            _CONFIGS.add(cls.Config)

    def __init__(self, envs: gym.vector.VectorEnv, config: Config | None = None, policy=None):
        self.config = self._checked(config)
        self.envs = adopt(envs)
        self.begun_with = fingerprint(policy) if isinstance(policy, Policy) else None
        self.begun_at: str | None = None
        self.torn_from: Path | None = None  # folder with the last checkpoint before an iteration that broke off
        self.obs_dim, self.act_dim = widths(self.envs, self.name)
        self.check(self.envs)
        torch.set_num_threads(self.config.torch_threads)
        with torch.random.fork_rng(devices=[]), single_precision():
            torch.manual_seed(self.config.seed)
            self.policy = self.make_policy(policy)
            self.build()
        self.generator = torch.Generator().manual_seed(self.config.seed)
        self.env_steps = self.iterations = 0
        self.recent: deque[tuple[float, int]] = deque(maxlen=100)
        with single_precision():
            self.enter(self.envs)

    def _checked(self, config: Config | None) -> Config:
        """`config`, which must be of this algorithm; it may have been changed since it was made."""
        own = getattr(type(self), "Config", None)
        if config is None:
            return self.Config()
        if own is not None and not (isinstance(config, own) and _algorithm_of(type(config)) is _algorithm_of(own)):
            came = f"{type(config).__name__}(…)" if isinstance(config, Config) else f"{config!r:.80}"
            raise ArgumentError(
                f"config={came} is not accepted by {type(self).__name__}; it must be a {own.__name__}, e.g. "
                f"{own.__name__}(seed=1)"
            )
        if isinstance(config, Config):
            config.check()
        return config

    # --- what a subclass defines --------------------------------------------------------------

    def check(self, envs: gym.vector.VectorEnv) -> None:
        """Raise if the config does not fit the environments, before anything is built."""

    def make_policy(self, policy) -> Policy:
        """The policy that the config describes, or a copy of `policy`."""
        raise NotImplementedError

    def build(self) -> None:
        """Build everything else that has weights. The policy exists by then."""

    def iterate(self, progress: float) -> dict[str, float]:
        """Collect and improve once -> metrics. `progress` in [0, 1] is the share of training that is done."""
        raise NotImplementedError

    # --- environments -------------------------------------------------------------------------

    def enter(self, envs: gym.vector.VectorEnv) -> None:
        """Act in `envs` from now on."""
        self.envs, self.observation = envs, None
        self.policy.enter(envs)

    def begin(self) -> None:
        """Start the first episodes."""
        self.observation, _ = self.envs.reset(options={"stagger": True})
        if self.begun_at is None:
            self.begun_at = digest(self.observation.tobytes())

    def look_again(self) -> None:
        """Note whether the task was changed since the agent was made: its policy tells where it was trained."""
        if isinstance(self.envs, gym.vector.VectorEnv):
            self.envs = adopt(self.envs)
            self.policy.env_options, self.policy.env_note = self.envs.options, self.envs.note

    def copied(self, policy: Policy) -> Policy:
        """A copy of `policy` to start from. Its widths must be those of these environments, and the config must not ask
        for another policy."""
        policy.check_widths(self.obs_dim, self.act_dim)
        check_asked(policy, self.config, self.policy_fields)
        return copy.deepcopy(policy)

    # --- metrics ------------------------------------------------------------------------------

    def count_episodes(self, infos: dict) -> None:
        """Record the returns and lengths of the episodes that ended in this step."""
        episode, index = infos["episode"], np.flatnonzero(infos["_episode"])
        self.recent.extend(zip(episode["r"][index].tolist(), episode["l"][index].tolist(), strict=True))

    def learning_rate(self, progress: float) -> float:
        """Step size according to the config's schedule."""
        return scheduled(self.config.learning_rate, self.config.lr_schedule, progress)

    def episode_metrics(self) -> dict[str, float]:
        """Mean return and length of the last 100 episodes, NaN before the first has ended."""
        returns = [r for r, _ in self.recent]
        return {
            "return_mean": float(np.mean(returns)) if returns else float("nan"),
            "episode_length": float(np.mean([n for _, n in self.recent])) if returns else float("nan"),
        }

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Name and value of everything that learning changes."""
        yield from self.policy.named_parameters()

    # --- saving -------------------------------------------------------------------------------

    def state_dict(self) -> tuple[dict[str, Tensor], dict]:
        """Everything needed to continue exactly -> tensors, JSON facts. See `load_state_dict`."""
        tensors = {"generator": self.generator.get_state()}
        facts = {"env_steps": self.env_steps, "iterations": self.iterations, "recent": list(self.recent), "envs": None}
        facts["begun_at"] = self.begun_at
        snapshot = None if self.observation is None else self.envs.snapshot()
        if snapshot is not None:
            facts["envs"] = snapshot["rngs"]
            tensors |= {f"envs.{k}": torch.from_numpy(snapshot[k]) for k in ("physics", "steps", "returns", "whole")}
            tensors |= {f"memory.{k}": torch.from_numpy(v) for k, v in snapshot["memory"].items()}
        return tensors, facts

    def load_state_dict(self, tensors: dict[str, Tensor], facts: dict) -> None:
        """Return to the state that `state_dict` saved. Environments without a snapshot start new episodes."""
        self.generator.set_state(tensors["generator"])
        self.env_steps, self.iterations = facts["env_steps"], facts["iterations"]
        self.begun_at = facts.get("begun_at")  # older checkpoints have none
        self.recent = deque(map(tuple, facts["recent"]), maxlen=self.recent.maxlen)
        self.observation = None
        if facts["envs"] is not None:
            snapshot = {k: v.numpy() for k, v in part(tensors, "envs.").items()}
            memory = {k: v.numpy() for k, v in part(tensors, "memory.").items()}
            self.observation = self.envs.restore({**snapshot, "memory": memory, "rngs": facts["envs"]})


def _algorithm_of(kind: type) -> type | None:
    """The config of an agent class that `kind` is, or derives from most closely: so SACConfig is no DDPGConfig."""
    return next((base for base in kind.__mro__ if base in _CONFIGS), None)


def scheduled(value: float, schedule: str, progress: float) -> float:
    """`value` when the share `progress` of training is done: "linear" lets it fall to 0, "constant" does not."""
    return value * (1.0 - progress if schedule == "linear" else 1.0)


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it; each owns its memory.

    A view into a file's memory may be aligned differently from a fresh tensor, and then sums round differently.
    """
    return {k.removeprefix(prefix): v.clone() for k, v in tensors.items() if k.startswith(prefix)}


def load_fitting(what: str, load, tensors: dict[str, Tensor]) -> None:
    """`load(tensors)`, with a one-sentence error instead of torch's list if they do not fit."""
    try:
        load(tensors)
    except (RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ArgumentError(f"the checkpoint does not fit this {what}: {reason}") from None
