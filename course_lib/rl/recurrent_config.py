"""Hyperparameters of RDPG, RTD3 and RSAC: those of DDPG, TD3 and SAC, and what concerns memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.rl.offpolicy_config import DDPGConfig
from course_lib.rl.sequence_replay import check_sequences
from course_lib.summarizers import SUMMARIZERS

SHARING = ("separate", "critics", "shared")
MEMORY_STARTS = ("zero", "stored")


@dataclass
class RDPGConfig(DDPGConfig):
    """Hyperparameters of the family with memory. The defaults are RDPG's (Heess et al. 2015); every switch of
    `DDPGConfig` is one here too. A batch is made of sequences, and a loss is a mean over all of its steps."""

    cell: str = "lstm"
    """what remembers: a name in `summarizers.SUMMARIZERS`"""
    neurons: int = 64
    """width of a summary"""
    layers: int = 1
    """of cells "lstm" and "elman", stacked"""
    cell_options: dict[str, Any] = field(default_factory=dict)
    """for the cell's class (solver, tau, …)"""
    feedthrough: bool = False
    """heads see the present observation beside the summary"""
    remember: int = 0
    """steps over which a fresh "lstm" or "gru" remembers; 0 for torch's start, which forgets half at each step"""
    summarizers: str = "separate"
    """'separate': actor and each critic have one (Yang & Nguyen 2021); 'critics': the actor one, all critics another;
    'shared': one for all, trained by the critics' loss alone"""
    previous_action: bool = False
    """the summarizer also sees the last action"""
    previous_reward: bool = False
    """the summarizer also sees the last reward"""
    sequence_length: int | None = None
    """steps in a sequence of a batch, burn-in included; None for whole episodes"""
    burn_in: int = 0
    """first steps of a sequence that only bring memory up to date (R2D2, Kapturowski et al. 2019)"""
    memory_start: str = "zero"
    """memory at the beginning of a sequence inside an episode: 'zero', or 'stored' as it was when acting"""

    batch_size: int = 10
    """sequences in a gradient step"""
    buffer_size: int = 200_000
    """points in time that the replay buffer holds, over all copies; an episode of L steps takes L + 1"""

    def __post_init__(self):
        super().__post_init__()
        check_choice("cell", self.cell, SUMMARIZERS)
        check_choice("summarizers", self.summarizers, SHARING)
        check_choice("memory_start", self.memory_start, MEMORY_STARTS)
        for name in ("neurons", "layers"):
            check_count(name, getattr(self, name))
        check_count("remember", self.remember, 0)
        for name in ("feedthrough", "previous_action", "previous_reward"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ArgumentError(f"{name}={getattr(self, name)!r} is not accepted; it must be True or False")
        check_sequences(self.sequence_length, self.burn_in)
        if self.memory_start == "stored" and self.sequence_length is None:
            raise ArgumentError(
                "memory_start='stored' is not accepted with whole episodes (sequence_length=None), whose memory "
                "begins at zero as in acting; accepted: 'zero', or a sequence_length"
            )


@dataclass
class RTD3Config(RDPGConfig):
    """RDPG with the changes of TD3: twin critics, smoothed targets, a delayed actor (Yang & Nguyen 2021)."""

    critics: int = 2
    smoothing: float = 0.2
    policy_delay: int = 2


@dataclass
class RSACConfig(RDPGConfig):
    """RDPG with the changes of SAC: twin critics, a stochastic actor paid for entropy (Yang & Nguyen 2021)."""

    critics: int = 2
    stochastic: bool = True
    temperature: float = 1.0
    learn_temperature: bool = True
    target_actor: bool = False
    actor_critic: str = "least"
    exploration_noise: float = 0.0
