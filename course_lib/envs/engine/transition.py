"""One control step of all copies of a task, as both environments take it, and what happens where the physics fails."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

from course_lib.envs.engine.checks import check_numbers
from course_lib.envs.engine.task import Array, State, Task
from course_lib.errors import NonFiniteError


@dataclass
class Transition:
    """What a control step leads to; every array starts with N."""

    after: State
    observation: Array
    terms: dict[str, Array]  # of the reward
    reward: Array
    terminated: Array


def advance(task: Task, physics, before: State, actions: Array, steps: Array) -> Transition:
    """One control step from `before` with actions (N, action_dim); `steps` (N,) counts it already."""
    push = None if task.pushed is None else task.push(before)
    after = physics.step(task.control(before, actions), push)
    after.memory = task.remember(before, actions, after)
    terms = task.reward_terms(before, actions, after)
    terminated, observation = np.asarray(task.terminated(after), dtype=bool), task.observe(after)
    if (failed := failed_copies(task, before, after)).any():
        said = _sentence(task, before, after, int(failed.argmax()), steps)
        if task.failure is None:
            raise NonFiniteError(said + "; look at the last actions, or reset()")
        warnings.warn(f"{said}; this episode ends there as a fall does", RuntimeWarning, stacklevel=3)
        term, paid = task.failure
        terms = {name: np.where(failed, paid if name == term else 0.0, value) for name, value in terms.items()}
        terminated = terminated | failed
        observation = np.where(failed[:, None], task.observe(before), observation)  # the last one that was real
    reward = sum(terms.values())
    check_numbers(task, observation, reward, steps)
    return Transition(after, observation, terms, reward, terminated)


def failed_copies(task: Task, before: State, after: State) -> Array:
    """(N,) bool: where the simulator gave up, or something moves faster than anything could.

    The second comes first: a contact sends a joint to thousands of rad/s, and some steps later a number is too large.
    Until then the numbers are finite, and one of 1e6 is enough to ruin a running mean and variance.
    """
    started_over = _started_over(task, before, after)
    if math.isfinite(task.fastest):
        return started_over | (np.abs(after.qvel).max(axis=1) > task.fastest)
    return started_over


def _started_over(task: Task, before: State, after: State) -> Array:
    """MuJoCo answers a diverging state by going back to the model's initial one and carries on; its clock tells."""
    return after.time - before.time < task.dt - 0.5 * task.model.opt.timestep


def _sentence(task: Task, before: State, after: State, copy: int, steps: Array) -> str:
    if _started_over(task, before, after)[copy]:
        why = "MuJoCo met a NaN, an infinity or a huge value and started over"
    else:
        fastest = np.abs(after.qvel[copy]).max()
        why = (
            f"something moved at {fastest:,.0f} m/s or rad/s, and more than {task.fastest:g} is no motion of this robot"
        )
    return (
        f"the simulation of {task.id} became unstable in copy {copy} at step {int(steps[copy])} of its episode: {why}"
    )
