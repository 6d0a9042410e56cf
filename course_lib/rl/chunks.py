"""What PPO asks of a policy that may decide for several steps at once (`chunk_actors`).

PPO learns from single steps, whoever planned them: advantage, ratio and value loss are those of each executed action,
given the place in the plan and the observation it was made from. That is PPO itself, on a state with these two in it.
Where noise is drawn at each step, the log-density of a chunk is the sum over its steps; the surrogate of eq. (7) clips
each step's ratio rather than their product, so that an action answers for the rewards after it only, and for no earlier
ones. Where it is drawn once for a whole plan, the decision has the density, and the steps after it have none. Where the
clock ends an episode in the middle of a plan, what is missing is the plan's own value of the step that would have come;
where it ends one with its plan, the value of the final observation, as without plans.
"""

from __future__ import annotations

import gymnasium as gym
from torch import Tensor

from course_lib.errors import ArgumentError
from course_lib.policies import gaussian_log_prob


def executed(policy, drawn: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """What was drawn (n, …), the state after the step -> action (n, act), state."""
    return policy.execute(drawn, state) if hasattr(policy, "execute") else (drawn, state)


def log_prob(policy, drawn: Tensor, mean: Tensor, state: Tensor, starts: Tensor) -> Tensor:
    """Log-density of what was drawn at each step (T, n); state (n, …) is the one before the first."""
    if hasattr(policy, "log_prob"):
        return policy.log_prob(drawn, mean, state, starts)
    return gaussian_log_prob(drawn, mean, policy.log_std)


def unrolled(policy, sequence_length: int) -> int:
    """Steps that belong together in learning: 1, or `sequence_length` for a policy that learns through time."""
    alone = not policy.state_dim or getattr(policy, "forgets", False)
    return 1 if alone else sequence_length


def check_horizon(policy, envs: gym.vector.VectorEnv) -> None:
    """Raise if a plan of `policy` is longer than an episode."""
    chunk, horizon = getattr(policy, "chunk", 1), horizon_of(envs)
    if horizon is not None and chunk > horizon:
        raise ArgumentError(
            f"chunk={chunk} is longer than the horizon: an episode of {envs.id} has {horizon} steps; "
            f"accepted: 1 to {horizon}"
        )


def horizon_of(envs: gym.vector.VectorEnv) -> int | None:
    """Control steps after which an episode is truncated, or None where that is not known."""
    task, spec = getattr(envs, "task", None), getattr(envs, "spec", None)
    return getattr(task, "horizon", None) or getattr(spec, "max_episode_steps", None)
