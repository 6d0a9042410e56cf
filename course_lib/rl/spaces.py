"""What an agent must know of vector environments before it acts in them."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from course_lib.envs.engine.spaces import widths
from course_lib.errors import ArgumentError

__all__ = ["check_bounds", "widths"]


def check_bounds(envs: gym.vector.VectorEnv, who: str) -> None:
    """Raise unless all actions have finite bounds, because a tanh is stretched between them."""
    low, high = envs.single_action_space.low, envs.single_action_space.high
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ArgumentError(
            f"the action bounds {low.tolist()} to {high.tolist()} are not accepted; {who} stretches a tanh between "
            "them and needs finite ones; accepted: an environment whose action_space has finite bounds, or PPO"
        )
