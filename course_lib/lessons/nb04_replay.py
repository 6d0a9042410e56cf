"""Notebook 04: states of a rollout. A toy, a rollout as it was acted, four programs that replay one with a bug each."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.policies.actor_critics import gaussian_log_prob
from course_lib.rl.ppo import PPO, Rollout


def toy_states(starts: np.ndarray, zeroed_every: int | None = None) -> np.ndarray:
    """States of h <- h/2 + 1 after each step, (T, N), from 0; `starts` (T, N) is true where an episode begins.

    Args:
        zeroed_every: also zero all states whenever so many steps have passed; None: never.
    """
    state, after = np.zeros(starts.shape[1]), []
    for t, begins in enumerate(starts):
        border = zeroed_every is not None and t % zeroed_every == 0
        state = np.where(begins | border, 0.0, state) / 2 + 1
        after.append(state)
    return np.array(after)


def collect_as_acted(agent: PPO) -> tuple[Rollout, np.ndarray]:
    """`agent.collect()` of a policy with a cell, but the rollout's `log_prob` is that of each action when it was drawn.

    `collect` itself takes it from a replay of the whole rollout, which also gives the values. That cannot show a
    difference between acting and replaying.
    """
    if not agent.config.cell.name:
        raise ArgumentError("agent has no cell; its configuration must name one, such as cell='ltc'")
    means, step = [], agent.policy.step

    def noted(x, state):
        mean, after = step(x, state)
        means.append(mean)
        return mean, after

    agent.policy.step = noted
    try:
        rollout, raw = agent.collect()
    finally:
        del agent.policy.step
    log_prob = gaussian_log_prob(rollout.action, torch.stack(means), agent.policy.log_std.detach())
    return replace(rollout, log_prob=log_prob), raw


def wrong_replays(agent: PPO, rollout: Rollout, raw: np.ndarray, length: int) -> dict[str, Rollout]:
    """Letter -> the pieces of `rollout` as one of the four programs cuts them.

    Args:
        agent: whose policy acted. rollout, raw: what its `collect` gave.
        length: steps of a piece.
    """
    pieces, newer = rollout.segments(length), copy.deepcopy(agent.policy.normalizer)
    newer.update(raw.reshape(-1, raw.shape[-1]))
    everyone = rollout.starts.any(1, keepdim=True).expand_as(rollout.starts)
    return {
        "A": replace(pieces, starts=torch.zeros_like(pieces.starts)),
        "B": replace(pieces, state=torch.zeros_like(pieces.state)),
        "C": replace(rollout, x=newer(torch.as_tensor(raw, dtype=torch.float32))).segments(length),
        "D": replace(rollout, starts=everyone).segments(length),
    }
