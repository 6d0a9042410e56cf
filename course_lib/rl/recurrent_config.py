"""Hyperparameters of RDPG, RTD3 and RSAC: those of DDPG, TD3 and SAC, and those for memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from course_lib.errors import ArgumentError, Count, Few, Natural, NonNegative
from course_lib.nets.config import SummarizerConfig
from course_lib.rl.offpolicy_config import DDPGConfig
from course_lib.rl.sequence_replay import check_sequences


@dataclass
class RDPGConfig(DDPGConfig):
    """Hyperparameters of RDPG. Those of RTD3 and RSAC derive from them.

    The defaults make RDPG (Heess et al. 2015). Every switch of `DDPGConfig` works here too. A batch is made of
    sequences, and a loss is a mean over all steps of a batch.
    """

    cell: SummarizerConfig = field(default_factory=SummarizerConfig)
    """the network that remembers: a `SummarizerConfig`, a name or a dict"""
    summarizers: Literal["separate", "critics", "shared"] = "separate"
    """'separate': the actor and each critic have their own (Yang & Nguyen 2021); 'critics': the actor has one and all
    critics share another; 'shared': one for all, trained only by the critics' loss"""
    sequence_length: Count | None = None
    """steps in a sequence of a batch, burn-in included; None for whole episodes"""
    burn_in: Natural = 0
    """first steps of a sequence that only bring memory up to date (R2D2, Kapturowski et al. 2019)"""
    memory_start: Literal["zero", "stored"] = "zero"
    """memory at the start of a sequence that begins inside an episode: 'zero', or 'stored', as it was while acting"""

    batch_size: Count = 10
    """sequences in a gradient step"""
    buffer_size: Count = 200_000
    """points in time that the replay buffer holds, over all copies; an episode of L steps takes L + 1"""

    def check_together(self) -> None:
        super().check_together()
        check_sequences(self.sequence_length, self.burn_in)
        if self.memory_start == "stored" and self.sequence_length is None:
            raise ArgumentError(
                "memory_start='stored' is not accepted with whole episodes (sequence_length=None), whose memory "
                "begins at zero as in acting; accepted: 'zero', or a sequence_length"
            )


@dataclass
class RTD3Config(RDPGConfig):
    """RDPG with the changes of TD3: twin critics, smoothed targets, a delayed actor (Yang & Nguyen 2021)."""

    critics: Few = 2
    smoothing: NonNegative = 0.2
    policy_delay: Count = 2


@dataclass
class RSACConfig(RDPGConfig):
    """RDPG with the changes of SAC: twin critics, a stochastic actor paid for entropy (Yang & Nguyen 2021)."""

    critics: Few = 2
    stochastic: bool = True
    temperature: NonNegative = 1.0
    learn_temperature: bool = True
    target_actor: bool = False
    actor_critic: Literal["first", "least"] = "least"
    exploration_noise: NonNegative = 0.0
