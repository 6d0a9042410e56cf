"""How far learned Q values are from what the policy really earns: Q(s, a) against Monte-Carlo returns from (s, a) on.

As Fujimoto et al. 2018 (section 4) and Chen et al. 2021 (section 3) compare them; here on states that the policy itself
visits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from course_lib.errors import ArgumentError, check_count
from course_lib.evaluation.returns import make_for
from course_lib.rl.offpolicy import OffPolicy
from course_lib.rl.q_losses import least

REST = 0.01  # share of a constant reward's worth that is left when a return is cut off


@dataclass
class Estimates:
    """Estimated and earned values of the same states and actions, (n,) each."""

    q: np.ndarray
    returns: np.ndarray

    @property
    def bias(self) -> float:
        """Mean of Q - return: above 0 the critics promise too much."""
        return float(np.mean(self.q - self.returns))

    @property
    def relative_bias(self) -> float:
        """`bias` as a share of the mean size of the returns."""
        return self.bias / max(float(np.abs(self.returns).mean()), 1e-9)

    def __repr__(self) -> str:
        return (
            f"Estimates of {len(self.q)} states: Q {self.q.mean():,.1f}, earned {self.returns.mean():,.1f}, "
            f"too high by {self.bias:,.1f} ({self.relative_bias:+.0%})"
        )


def discounted(reward: np.ndarray, terminated: np.ndarray, gamma: float, bonus: np.ndarray | float = 0.0) -> np.ndarray:
    """Return of each step to the end: G_t = r_t + γ (1 - terminated_t) (bonus_{t+1} + G_{t+1}), nothing after the last.

    reward, terminated, bonus: (T, N) -> (T, N). `bonus` is what entropy earns, -α log π; that of a step's own action
    belongs to the value of its state, not to Q.
    """
    reward = np.asarray(reward, dtype=float)
    bonus = np.broadcast_to(np.asarray(bonus, dtype=float), reward.shape)
    out, after = np.empty_like(reward), np.zeros(reward.shape[1:])
    for t in reversed(range(len(reward))):
        out[t] = reward[t] + gamma * (1.0 - np.asarray(terminated[t], dtype=float)) * after
        after = bonus[t] + out[t]
    return out


@torch.no_grad()
def overestimation(agent, copies: int = 16, steps: int = 200, stride: int = 10, seed: int = 0) -> Estimates:
    """Q of the agent's critics (the least of them, as targets use it) against what its policy earns.

    `copies` episodes are played without exploration noise (a stochastic actor draws its actions, and is paid for their
    entropy, as its Q is) and without a time limit, because Q knows of none. Every `stride`-th of their first `steps`
    states is compared; the episodes go on until less than 1 % of a constant reward is left out of the last return.

    Args:
        agent: DDPG, TD3 or SAC on a task of this course.

    Raises:
        ArgumentError: an agent without critics of its own, an environment with a time limit that cannot be lifted.
    """
    if not isinstance(agent, OffPolicy) or agent.policy.state_dim:
        raise ArgumentError(
            f"agent={type(agent).__name__} has no Q of a single observation; accepted: a DDPG, TD3 or SAC agent"
        )
    learner, policy = agent.learner, agent.policy
    copies, steps, stride = check_count("copies", copies), check_count("steps", steps), check_count("stride", stride)
    gamma = agent.config.gamma
    if not gamma < 1.0:
        raise ArgumentError("gamma=1 is not accepted: returns without a time limit have no end; it must be below 1")
    envs = make_for(policy, copies, seed)
    if envs.task is None:
        raise ArgumentError(f"env_id={policy.env_id!r} is not accepted; accepted: a task of this course")
    rest = int(np.ceil(np.log(REST) / np.log(gamma))) if gamma else 1
    envs.task.horizon = steps + rest + 1
    try:
        q, reward, terminated, bonus = _play(envs, policy, learner, steps + rest, seed)
    finally:
        envs.close()
    returns = discounted(reward, terminated, gamma, bonus)
    return Estimates(q[:steps:stride].ravel(), returns[:steps:stride].ravel())


def _play(envs, policy, learner, steps: int, seed: int) -> tuple[np.ndarray, ...]:
    """Q, reward, terminated and the entropy's pay of every step, (steps, copies) each."""
    generator = torch.Generator().manual_seed(seed)
    temperature, rows = float(learner.temperature), []
    observation, _ = envs.reset(seed=seed)
    for _ in range(steps):
        x = policy.normalizer(torch.from_numpy(observation).float())
        noise = torch.randn(len(x), policy.act_dim, generator=generator) if policy.stochastic else None
        unit, log_prob = policy.unit(x, noise)
        q = least(learner.critics(torch.cat([x, unit], dim=-1)).squeeze(-1)).numpy()
        observation, reward, terminated, _, _ = envs.step(policy.scaled(unit.numpy()))
        pay = -temperature * log_prob.numpy() if log_prob is not None and temperature else np.zeros(len(x))
        rows.append((q, reward, terminated, pay))
    return tuple(np.array(column) for column in zip(*rows, strict=True))
