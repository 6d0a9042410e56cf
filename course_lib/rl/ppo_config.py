"""Hyperparameters of PPO."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from course_lib.errors import Between, Count, Few, NonNegative, OneOf, Positive, Seed, Share
from course_lib.nets.config import CellConfig
from course_lib.policies.networks import ACTIVATIONS
from course_lib.policies.plans import PlanConfig
from course_lib.rl.config import Config


@dataclass
class PPOConfig(Config):
    """Hyperparameters of PPO. The defaults are for continuous control with many copies on two cores.

    "The paper" and its equations are those of Schulman et al. 2017 (arXiv 1707.06347).
    """

    rollout_steps: Count = 64
    """control steps each copy takes between two improvements (T)"""
    minibatch_size: Count = 1024
    """transitions in a gradient step; of a policy with memory, rounded down to whole sequences"""
    epochs: Count = 10
    """passes over each rollout (K in the paper)"""
    learning_rate: Positive = 1e-3
    """step size of Adam at the start"""
    lr_schedule: Literal["linear", "constant"] = "linear"
    """'linear' falls to 0 at the end of training, 'constant' does not"""
    gamma: Share = 0.99
    """discount factor"""
    gae_lambda: Share = 0.95
    """λ of generalised advantage estimation"""
    clip: Positive = 0.2
    """ε of the clipped surrogate, eq. (7)"""
    value_coef: NonNegative = 0.5
    """weight of the value loss, c1 of eq. (9). It multiplies ½ (V - target)². Stable-Baselines3's vf_coef multiplies
    the whole square, so 1 here is 0.5 there"""
    entropy_coef: NonNegative = 0.0
    """weight of the entropy bonus, c2 of eq. (9), at the start"""
    entropy_schedule: Literal["linear", "constant"] = "constant"
    """'linear' lets that weight fall to 0 at the end of training, 'constant' does not"""
    max_grad_norm: Positive = 0.5
    """gradients are scaled down to this norm"""
    target_kl: Positive | None = None
    """stop the epochs of an iteration once the approximate KL, a mean over all steps, is above this. A plan that
    explores as a whole draws at its first step only, so its KL a draw is as many times larger as it has steps"""
    normalize_observation: bool = True
    """normalise observations with their running moments (inside the policy)"""
    normalize_reward: bool = True
    """divide rewards by the running sd of the discounted return, and clip them to ±10"""
    normalize_advantage: bool = True
    """give advantages zero mean and unit variance in each minibatch"""
    sequence_length: Count = 16
    """control steps of back-propagation through time; policies without a cell do not use it"""
    refresh_states: bool = False
    """before each epoch, recompute the states that sequences start from; otherwise the states met while acting are
    used, and they go stale as the weights change (Kapturowski et al. 2019)"""
    cell: CellConfig = field(default_factory=CellConfig)
    """recurrent cell of the policy and its critic: a `CellConfig`, a name or a dict; None for an MLP"""
    plan: PlanConfig = field(default_factory=PlanConfig)
    """how many steps the policy decides at once: a `PlanConfig` or a dict"""
    hidden: tuple[Count, ...] = (64, 64)
    """widths of the hidden layers"""
    activation: Annotated[str, OneOf(tuple(ACTIVATIONS))] = "tanh"
    """between the hidden layers: "tanh", or "elu", the usual choice for walking robots"""
    init_log_std: Annotated[float, Between(-20, 5)] = 0.0
    """initial log σ of the Gaussian policy"""
    adam_eps: Positive = 1e-5
    """ε of Adam"""
    torch_threads: Few = 1
    """threads torch may use; small networks gain nothing from more"""
    seed: Seed = 0
    """seeds the weights, the action noise and the shuffling"""
