"""What happens to a walking robot in an episode: the commands it is given and the pushes it gets.

Both are drawn at the start of an episode and kept in `State.memory`; what holds now follows from the clock. So a
snapshot of the state holds the rest of the episode too, and no random number is drawn in mid-step.
"""

from __future__ import annotations

import math

import numpy as np

from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State
from course_lib.errors import ArgumentError

EVERY, PUSH_EVERY = (5.0, 10.0), (3.0, 8.0)  # s from one command, or push, to the next
STANDING = 0.1  # share of commands that say: stand still
PUSH_SECONDS = 0.2


def _numbers(name: str, value, count: int, meaning: str) -> tuple[float, ...]:
    try:
        values = tuple(value)
    except TypeError:
        values = ()
    if isinstance(value, str) or len(values) != count:
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be {meaning}")
    return tuple(check_number(name, v) for v in values)


class Commands:
    """(forward m/s, left m/s, turn rad/s), drawn from ranges every 5 s to 10 s, or `fixed`."""

    def __init__(self, fixed, forward, left, turn, seconds: float):
        self.fixed = None if fixed is None else _numbers("command", fixed, 3, "three numbers: forward, left, turn")
        ranges = {"forward": forward, "left": left, "turn": turn}
        pairs = {name: _numbers(name, value, 2, "two numbers: least, most") for name, value in ranges.items()}
        for name, (low, high) in pairs.items():
            if low > high:
                raise ArgumentError(f"{name}={(low, high)!r} is not accepted; the first number must be the smaller one")
        self.low, self.high = np.array(list(pairs.values())).T
        self.count = 1 if fixed is not None else math.ceil(seconds / EVERY[0])

    def draw(self, rng: np.random.Generator, n: int) -> dict[str, Array]:
        """commands (n, K, 3) and the times (n, K) in s from which each holds."""
        begins = np.zeros((n, self.count))
        if self.fixed is not None:
            return {"commands": np.tile(np.array(self.fixed), (n, 1, 1)), "command_from": begins}
        begins[:, 1:] = rng.uniform(*EVERY, (n, self.count - 1)).cumsum(axis=1)
        commands = rng.uniform(self.low, self.high, (n, self.count, 3))
        commands[rng.uniform(size=(n, self.count)) < STANDING] = 0.0
        return {"commands": commands, "command_from": begins}

    def now(self, state: State) -> Array:
        """(N, 3)"""
        which = (state.memory["command_from"] <= state.time[:, None] + 1e-9).sum(axis=1) - 1
        return state.memory["commands"][np.arange(len(state)), which]


class Pushes:
    """A level force of `force` N for 0.2 s in a random direction, every 3 s to 8 s, or only at `at` s."""

    def __init__(self, force: float, at: float | None, seconds: float):
        self.force = check_number("push_force", force, 0.0, " (N)")
        self.at = None if at is None else check_number("push_at", at, 0.0, " (s)")
        self.count = 1 if at is not None else math.ceil(seconds / PUSH_EVERY[0])

    def draw(self, rng: np.random.Generator, n: int) -> dict[str, Array]:
        """Forces (n, P, 2) in N along x and y, and the times (n, P) in s at which each begins."""
        angle = rng.uniform(0, 2 * np.pi, (n, self.count))
        begins = rng.uniform(*PUSH_EVERY, (n, self.count)).cumsum(axis=1)
        if self.at is not None:
            begins[:] = self.at
        return {"pushes": self.force * np.stack([np.cos(angle), np.sin(angle)], axis=2), "push_from": begins}

    def now(self, state: State) -> Array:
        """(N, 6): force and torque on the base in this step."""
        since = state.time[:, None] - state.memory["push_from"]
        active = (since > -1e-9) & (since < PUSH_SECONDS - 1e-9)
        out = np.zeros((len(state), 6))
        out[:, :2] = (state.memory["pushes"] * active[:, :, None]).sum(axis=1)
        return out
