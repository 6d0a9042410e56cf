"""Generalised advantage estimation (Schulman et al. 2016). It tells truncation from termination."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def gae(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    over: Array,
    gamma: float | Array,
    lam: float | Array,
) -> tuple[Array, Array]:
    """Advantages and value targets, all arrays (T, N).

        δ_t = r_t + γ (1 - terminated_t) V(s_{t+1}) - V(s_t)                          (eq. 11)
        A_t = δ_t + γ λ (1 - over_t) A_{t+1}                                           (eq. 16)

    Args:
        rewards: r_t.
        values: V(s_t).
        next_values: V(s_{t+1}) of the state that really followed: where an episode ended, its final state,
            not the first state of the next episode.
        terminated: the task itself ended the episode, so no reward follows.
        over: terminated or truncated; the recursion stops here and does not reach into the next episode.
        gamma, lam: γ and λ, numbers, or (N,) if the copies have steps of different lengths.

    Returns:
        advantages A_t and targets A_t + V(s_t), each (T, N).
    """
    delta = rewards + gamma * np.where(terminated, 0.0, next_values) - values
    keep = gamma * lam * np.where(over, 0.0, 1.0)
    advantages = np.empty_like(delta)
    running = np.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + keep[t] * running
        advantages[t] = running
    return advantages, advantages + values
