"""Hyperparameters of DDPG, TD3 and SAC: one set of switches, three presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from course_lib.errors import ArgumentError, Between, Count, Few, NonNegative, Number, OneOf, Positive, Seed, Share
from course_lib.nets.ensemble import PRODUCTS
from course_lib.rl.config import Config


@dataclass
class DDPGConfig(Config):
    """Hyperparameters of DDPG. Those of TD3 and SAC derive from them.

    The defaults make DDPG (Lillicrap et al. 2016), with the network sizes, learning rates, batch sizes, τ and noise
    that are usual when TD3 and SAC are compared. The fields before `hidden` hold every change that TD3 and SAC make.
    """

    critics: Few = 1
    """number of networks that estimate Q; targets use the lowest estimate (TD3, section 4.2: twin critics)"""
    smoothing: NonNegative = 0.0
    """sd of the noise on the target's action (TD3, section 5.3); 0 for none"""
    smoothing_clip: Positive = 0.5
    """that noise is clipped to ± this"""
    policy_delay: Count = 1
    """critic updates for each update of the actor, the temperature and all targets (TD3, section 5.2)"""
    stochastic: bool = False
    """the actor is a Gaussian squashed by a tanh (SAC), not a deterministic tanh network"""
    temperature: NonNegative = 0.0
    """α, how much one nat of entropy is worth (SAC); its initial value if it is learned; 0 for no entropy term"""
    learn_temperature: bool = False
    """α is learned so that the entropy becomes `target_entropy` (Haarnoja et al. 2018b, section 5)"""
    target_entropy: Number | None = None
    """entropy to aim at, in nats; None for minus the width of the action"""
    target_actor: bool = True
    """targets use the action of a copy that slowly follows the actor (DDPG, TD3); otherwise the actor's own (SAC)"""
    actor_critic: Literal["first", "least"] = "first"
    """the Q that the actor climbs: the 'first' critic's (DDPG, TD3) or the 'least' of all critics' (SAC)"""
    exploration_noise: NonNegative = 0.1
    """sd of the noise on actions in [-1, 1] while acting; a stochastic actor needs none"""

    hidden: tuple[Count, ...] = (256, 256)
    """widths of the ReLU layers of actor and critics"""
    gamma: Share = 0.99
    """discount factor"""
    tau: Annotated[float, Between(0, 1, open_low=True)] = 0.005
    """share of the way towards the trained networks that targets move at each update (1 - polyak)"""
    learning_rate: Positive = 3e-4
    """step size of Adam for actor, critics and log α"""
    lr_schedule: Literal["linear", "constant"] = "constant"
    """'linear' falls to 0 at the end of training, 'constant' does not"""
    max_grad_norm: Annotated[float, Between(0, open_low=True, or_inf=True)] = float("inf")
    """gradients are scaled down to this norm"""
    batch_size: Count = 256
    """transitions in a gradient step"""
    buffer_size: Count = 1_000_000
    """transitions that the replay buffer holds"""
    save_buffer: bool = True
    """checkpoints include the buffer, so a resumed run is the same bit for bit; otherwise acting fills it again"""
    learning_starts: Count = 5_000
    """transitions with uniformly random actions before the first update"""
    random_hold: Count = 1
    """control steps that each random action is held; if drawn anew at each step, they cancel out and lead nowhere"""
    updates_per_step: Positive = 1.0
    """gradient steps per transition; with 64 copies and 0.25, there are 16 after each step of all copies"""
    rollout_steps: Count = 16
    """control steps each copy takes in an iteration (a row of the curve)"""
    normalize_observation: bool = False
    """normalise observations with their running moments (inside the policy)"""
    products: Annotated[str, OneOf(tuple(PRODUCTS))] = "float32"
    """'bfloat16' rounds the factors of the matrix products in updates, which makes them several times faster on
    processors with AMX; elsewhere it does nothing"""
    torch_threads: Few = 1
    """threads torch may use; small networks gain nothing from more"""
    seed: Seed = 0
    """seeds the weights, the noise and the sampling"""

    def check_together(self) -> None:
        if not self.stochastic and (self.temperature or self.learn_temperature):
            raise ArgumentError(
                f"temperature={self.temperature}, learn_temperature={self.learn_temperature} need an actor that has "
                "entropy: stochastic=True; accepted for a deterministic one: 0 and False"
            )
        if self.learn_temperature and not self.temperature:
            raise ArgumentError("temperature=0 cannot be learned, as its logarithm is learned; it must start above 0")
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

    critics: Few = 2
    smoothing: NonNegative = 0.2
    policy_delay: Count = 2


@dataclass
class SACConfig(DDPGConfig):
    """DDPG with twin critics and a stochastic actor that is paid for entropy (Haarnoja et al. 2018a, 2018b)."""

    critics: Few = 2
    stochastic: bool = True
    temperature: NonNegative = 1.0
    learn_temperature: bool = True
    target_actor: bool = False
    actor_critic: Literal["first", "least"] = "least"
    exploration_noise: NonNegative = 0.0
