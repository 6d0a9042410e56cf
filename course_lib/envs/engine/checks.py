"""What is verified: at every step the shape of the actions and that every number is finite; options of tasks."""

from __future__ import annotations

import math

import numpy as np

from course_lib.envs.engine.task import Array, Task
from course_lib.errors import ArgumentError, NonFiniteError


def check_actions(task: Task, actions: Array, shape: tuple[int, ...], steps: Array) -> Array:
    """`actions` (N, action_dim) as floats of the width they came in.

    float32 stays float32, because Gymnasium too computes the price of an action at the width it was given.
    """
    try:
        actions = np.asarray(actions)
        if actions.dtype != np.float32:
            actions = actions.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"actions={actions!r} is not an array of numbers; {task.id} accepts shape {shape}"
        ) from None
    if actions.shape != shape:
        raise ArgumentError(f"actions have shape {actions.shape}; {task.id} accepts {shape}")
    if not math.isfinite(actions.sum()):
        _report(task, "actions", actions, steps)
    return actions


def check_number(name: str, value, low: float = -math.inf, unit: str = "") -> float:
    """`value` as a float, raising unless it is a finite number of at least `low`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= low):
        least = "" if low == -math.inf else f" of at least {low:g}"
        raise ArgumentError(f"{name}={value!r} is not accepted; it must be a number{least}{unit}")
    return number


def check_numbers(task: Task, observation: Array, reward: Array, steps: Array) -> None:
    """Raise if anything in a step is NaN or infinite. `steps` (N,) counts the steps of each copy in its episode."""
    # A sum is cheap; only where it is not finite (or has overflowed) are the entries looked at.
    if not math.isfinite(observation.sum() + reward.sum()):
        _report(task, "observation", observation, steps)
        _report(task, "reward", reward, steps)


def _report(task: Task, name: str, values: Array, steps: Array) -> None:
    """Raise for the first entry of `values` (N, ...) that is not finite, if there is one."""
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        copy, *entry = (int(i) for i in wrong[0])
        place = f", entry {entry[0]}" if entry else ""
        raise NonFiniteError(
            f"{name} of {task.id} is {values[tuple(wrong[0])]} in copy {copy}{place} at step {int(steps[copy])} "
            "of its episode; accepted: finite numbers"
        )
