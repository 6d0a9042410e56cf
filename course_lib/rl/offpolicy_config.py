"""Hyperparameters of DDPG, TD3 and SAC: one set of switches, three presets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.ensemble import PRODUCTS
from course_lib.errors import ArgumentError, check_choice, check_count


@dataclass
class DDPGConfig:
    """Hyperparameters of the family. The defaults are DDPG's (Lillicrap et al. 2016), with the networks, rates and
    batches that TD3 and SAC are usually compared with; each change of those two is one of the first ten fields."""

    critics: int = 1
    """networks that estimate Q; targets use the least estimate (TD3, section 4.2: twin critics)"""
    smoothing: float = 0.0
    """sd of the noise on the target's action (TD3, section 5.3); 0 for none"""
    smoothing_clip: float = 0.5
    """that noise is clipped to ± this"""
    policy_delay: int = 1
    """critic updates for one of actor, temperature and all targets (TD3, section 5.2)"""
    stochastic: bool = False
    """the actor is a Gaussian squashed by a tanh (SAC), not a deterministic tanh network"""
    temperature: float = 0.0
    """α, the worth of a nat of entropy (SAC); its start where it is learned; 0 for none"""
    learn_temperature: bool = False
    """α is learned so that the entropy becomes `target_entropy` (Haarnoja et al. 2018b, section 5)"""
    target_entropy: float | None = None
    """in nats; None for minus the number of actions"""
    target_actor: bool = True
    """targets take the action of a slowly following copy of the actor (DDPG, TD3), else of the actor itself (SAC)"""
    actor_critic: str = "first"
    """the Q that the actor climbs: 'first' critic (DDPG, TD3) or 'least' of all (SAC)"""
    exploration_noise: float = 0.1
    """sd of the noise on actions in [-1, 1] while acting; a stochastic actor needs none"""

    hidden: tuple[int, ...] = (256, 256)
    """widths of the ReLU layers of actor and critics"""
    gamma: float = 0.99
    """discount factor"""
    tau: float = 0.005
    """share of the way that targets move at an update (1 - polyak)"""
    learning_rate: float = 3e-4
    """step size of Adam for actor, critics and log α"""
    lr_schedule: str = "constant"
    """'linear' falls to 0 at the end of training, 'constant' does not"""
    max_grad_norm: float = float("inf")
    """gradients are scaled down to this norm"""
    batch_size: int = 256
    """transitions in a gradient step"""
    buffer_size: int = 1_000_000
    """transitions that the replay buffer holds"""
    save_buffer: bool = True
    """checkpoints hold the buffer, and resuming goes on bit for bit; else it is filled again by acting"""
    learning_starts: int = 5_000
    """transitions with uniformly random actions before the first update"""
    random_hold: int = 1
    """control steps that each of those actions is kept; drawn anew at each step, they cancel out and lead nowhere"""
    updates_per_step: float = 1.0
    """gradient steps for each transition; with 64 copies and 0.25, 16 of them after each step of all copies"""
    rollout_steps: int = 16
    """control steps each copy takes in an iteration (a row of the curve)"""
    normalize_observation: bool = False
    """normalise observations by running moments (inside the policy)"""
    products: str = "float32"
    """'bfloat16' rounds the factors of the updates' matrix products, several times faster where the processor has AMX;
    elsewhere it does nothing"""
    torch_threads: int = 1
    """threads torch may use; small networks gain nothing from more"""
    seed: int = 0
    """seeds the weights, the noise and the sampling"""

    @classmethod
    def recommended(cls, env_id: str, **changes) -> DDPGConfig:
        """The settings to begin with on `env_id` (the defaults where none were sought), with `changes`."""
        tuned = TUNED.get(env_id.removeprefix("course/"), {}) if isinstance(env_id, str) else {}
        return cls(**{**tuned.get(cls.__name__, {}), **changes})

    def __post_init__(self):
        for name in ("critics", "policy_delay", "batch_size", "buffer_size", "rollout_steps", "torch_threads"):
            check_count(name, getattr(self, name))
        for name in ("learning_starts", "random_hold"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, 0)
        for name in ("stochastic", "learn_temperature", "target_actor", "save_buffer", "normalize_observation"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ArgumentError(f"{name}={getattr(self, name)!r} is not accepted; it must be True or False")
        check_choice("actor_critic", self.actor_critic, ("first", "least"))
        check_choice("lr_schedule", self.lr_schedule, ("linear", "constant"))
        check_choice("products", self.products, PRODUCTS)
        for name, high in (("gamma", 1), ("smoothing", np.inf), ("exploration_noise", np.inf), ("temperature", np.inf)):
            check_range(name, getattr(self, name), 0, high)
        for name in ("learning_rate", "smoothing_clip", "updates_per_step"):
            check_range(name, getattr(self, name), 0, np.inf, open_low=True)
        check_range("tau", self.tau, 0, 1, open_low=True)
        if self.max_grad_norm != np.inf:
            check_range("max_grad_norm", self.max_grad_norm, 0, np.inf, open_low=True)
        if self.target_entropy is not None:
            check_range("target_entropy", self.target_entropy, -np.inf, np.inf)
        self.hidden = tuple(check_count("hidden", width) for width in self.hidden)
        self._check_together()

    def _check_together(self) -> None:
        """Fields that exclude each other."""
        if not self.stochastic and (self.temperature or self.learn_temperature):
            raise ArgumentError(
                f"temperature={self.temperature}, learn_temperature={self.learn_temperature} need an actor that has "
                "entropy: stochastic=True; accepted for a deterministic one: 0 and False"
            )
        if self.learn_temperature and not self.temperature:
            raise ArgumentError("temperature=0 cannot be learned, because its logarithm is; it must start above 0")
        if self.learning_starts > self.buffer_size:
            raise ArgumentError(
                f"learning_starts={self.learning_starts} is more than the buffer holds: "
                f"buffer_size={self.buffer_size}; accepted: 1 to {self.buffer_size}"
            )
        if self.batch_size > self.learning_starts:
            raise ArgumentError(
                f"batch_size={self.batch_size} is more than the buffer can give when updates begin: "
                f"learning_starts={self.learning_starts}; accepted: 1 to {self.learning_starts}"
            )


@dataclass
class TD3Config(DDPGConfig):
    """DDPG with three changes (Fujimoto et al. 2018): twin critics, smoothed targets, a delayed actor."""

    critics: int = 2
    smoothing: float = 0.2
    policy_delay: int = 2


@dataclass
class SACConfig(DDPGConfig):
    """DDPG with twin critics and a stochastic actor that is paid for entropy (Haarnoja et al. 2018a, 2018b)."""

    critics: int = 2
    stochastic: bool = True
    temperature: float = 1.0
    learn_temperature: bool = True
    target_actor: bool = False
    actor_critic: str = "least"
    exploration_noise: float = 0.0


# Settings to begin with where the defaults are not: env id -> config class -> changes. Trials of one or
# two seeds; more in benchmarks/memory.py. Narrow networks bear a learning rate of 1e-3; with it RSAC swings
# the pendulum up (-170) after 12,000 steps and 2,800 updates.
_NARROW = dict(hidden=(64, 64), learning_rate=1e-3, lr_schedule="linear", learning_starts=1_000)
# Angles are hundredths of a radian, so observations are normalised, and targets are faster; with γ = .995, a horizon
# of 4 s for the track. A good episode takes 500 steps, so it takes many steps, and few updates for each, to see enough
# of them: with 16 copies SAC that sees all has 464 after 192,000. RSAC comes to 390, noise on, and falls again.
_POLE = dict(_NARROW, normalize_observation=True, tau=0.02)
_CARTPOLE = dict(_POLE, gamma=0.995)
# One reward of 1 at the end, and the way by the sign is the longer one: with γ = .99 it is worth hardly more (by hand
# .51 at best) than to drive to one side at once (.35), and learners stay with that. With .995 it is .71 to .42. Random
# pushes are held for a second, or they lead nowhere; targets follow fast, because what the end is worth goes back one
# step at a time.
_CAR = dict(
    _NARROW, learning_starts=16_000, random_hold=20, gamma=0.995, tau=0.05, target_entropy=-0.3, updates_per_step=0.5
)
# Half the updates, each three times as large, on 16 copies: benchmarks/offpolicy_halfcheetah.py.
_CHEETAH = dict(learning_rate=1e-3, updates_per_step=0.5, products="bfloat16")
TUNED: dict[str, dict[str, dict]] = {
    "HalfCheetah-v5": {
        "DDPGConfig": _CHEETAH,
        "TD3Config": _CHEETAH,
        "SACConfig": dict(_CHEETAH, temperature=0.1),
    },
    "MemoryPendulum-v0": {
        "SACConfig": dict(_NARROW, updates_per_step=0.5),
        "RSACConfig": dict(_NARROW, updates_per_step=0.25, batch_size=32, sequence_length=64, summarizers="critics"),
    },
    "MemoryCartPole-v0": {
        "SACConfig": dict(_CARTPOLE, updates_per_step=0.125, temperature=0.1),
        "RSACConfig": dict(
            _CARTPOLE,
            updates_per_step=0.125,
            temperature=0.1,
            batch_size=32,
            sequence_length=16,
            summarizers="critics",
            feedthrough=True,
        ),
    },
    "InvertedPendulum-v5": {
        "SACConfig": dict(_POLE, updates_per_step=0.5),
        "RSACConfig": dict(
            _POLE, updates_per_step=0.5, batch_size=32, sequence_length=16, summarizers="critics", feedthrough=True
        ),
    },
    "CarHeavenHell-v0": {
        "SACConfig": dict(_CAR, temperature=0.02),
        # Whole episodes: what the sign said is needed until the end.
        "RSACConfig": dict(_CAR, temperature=0.005, batch_size=8, summarizers="critics", feedthrough=True),
    },
}


def check_range(name: str, value: object, low: float, high: float, open_low: bool = False) -> None:
    """Raise unless `value` is a finite number from `low` (without it where `open_low`) to `high`."""
    fits = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    fits = fits and np.isfinite(value) and (low < value if open_low else low <= value) and value <= high
    if not fits:
        bound = "" if np.isinf(low) else f" above {low:g}" if open_low else f" of at least {low:g}"
        bound += "" if np.isinf(high) else f"{' and' if bound else ' of'} at most {high:g}"
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be a finite number{bound}")
