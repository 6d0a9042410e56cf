"""What is asked of the spaces of vector environments."""

from __future__ import annotations

import gymnasium as gym

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
