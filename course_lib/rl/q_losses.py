"""The losses of DDPG, TD3 and SAC, with and without memory: pure functions of tensors.

`mask` is 1 where a step counts and 0 where a sequence is padded; None counts everything. B stands for any leading
shape: (batch,), or (time, batch) for sequences. Equation numbers are those of Haarnoja et al. 2018b (arXiv 1812.05905),
whose losses contain those of DDPG (Lillicrap et al. 2016) and TD3 (Fujimoto et al. 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of values (B) over the entries where mask (B) is 1."""
    if mask is None:
        return values.mean()
    # where, not a product: 0 · ∞ is not a number. (This saves the value; the gradient of infinite padding is NaN.)
    return torch.where(mask.bool(), values, 0.0).sum() / mask.sum()


def least(q: Tensor) -> Tensor:
    """min_e Q_e: (E, B) -> (B)."""
    if len(q) == 1:
        return q[0]
    return torch.minimum(q[0], q[1]) if len(q) == 2 else q.amin(0)


def smooth(action: Tensor, noise: Tensor, sd: float, clip: float) -> Tensor:
    """clip(a + clip(ε, ±clip), ±1), ε = sd·noise; all (B, act).  # target policy smoothing of TD3, section 5.3"""
    return (action + (sd * noise).clamp(-clip, clip)).clamp(-1.0, 1.0)


def td_target(
    reward: Tensor,
    terminated: Tensor,
    next_q: Tensor,
    gamma: float,
    next_log_prob: Tensor | None = None,
    temperature: Tensor | float = 0.0,
) -> Tensor:
    """r + γ (1 - terminated) (min_e Q'_e - α log π) -> (B,).  # eqs. (2), (3); α = 0: TD3, DDPG

    Args:
        reward, terminated: (B,); an episode that was only cut off (truncated) is not terminated.
        next_q: values of the target critics at the state that really came next, (E, B).
        next_log_prob: log π of the next action, (B,); None for no entropy term.
    """
    value = least(next_q)
    if next_log_prob is not None:
        value = value - temperature * next_log_prob
    return reward + gamma * (1.0 - terminated) * value


def critic_loss(q: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Σ_e ½ E[(Q_e - target)²]; q (E, B), target (B).  # eq. (5)"""
    return 0.5 * masked_mean((q - target).square().sum(0), mask)


def actor_loss(
    q: Tensor, log_prob: Tensor | None = None, temperature: Tensor | float = 0.0, mask: Tensor | None = None
) -> Tensor:
    """E[α log π - min_e Q_e], q (E, B) at the actor's own actions.  # eq. (9); one Q and α = 0: DDPG, TD3"""
    value = least(q)
    return masked_mean(-value if log_prob is None else temperature * log_prob - value, mask)


def temperature_loss(
    log_temperature: Tensor, log_prob: Tensor, target_entropy: float, mask: Tensor | None = None
) -> Tensor:
    """-log α · E[log π + target entropy]: α rises while the entropy is below its target.  # eq. (18), in log α"""
    return -log_temperature * masked_mean(log_prob.detach() + target_entropy, mask)
