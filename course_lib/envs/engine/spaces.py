"""What is asked of the spaces of vector environments."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from course_lib.errors import ArgumentError


def widths(envs: gym.vector.VectorEnv, who: str) -> tuple[int, int]:
    """(obs_dim, act_dim). Raises if `who`, such as the name of an algorithm, cannot act in these spaces."""
    obs, act = envs.single_observation_space, envs.single_action_space
    if not isinstance(act, gym.spaces.Box) or len(act.shape) != 1:
        raise ArgumentError(f"the action space {act} is not accepted; {who} here needs a flat Box (continuous actions)")
    if not isinstance(obs, gym.spaces.Box) or len(obs.shape) != 1:
        raise ArgumentError(
            f"the observation space {obs} is not accepted; {who} here needs a flat Box, not images or dicts"
        )
    return obs.shape[0], act.shape[0]


def check_bounds(envs: gym.vector.VectorEnv, who: str) -> None:
    """Raise unless all actions have finite bounds, because a tanh is stretched between them."""
    low, high = envs.single_action_space.low, envs.single_action_space.high
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ArgumentError(
            f"the action bounds {low.tolist()} to {high.tolist()} are not accepted; {who} stretches a tanh between "
            "them and needs finite ones; accepted: an environment whose action_space has finite bounds, or PPO"
        )
