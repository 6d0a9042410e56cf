"""What every wrapper of a task shares: whatever it does not change goes through to the task behind it."""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from course_lib.envs.engine.task import Array, State, Task

SAME = ("model", "id", "frame_skip", "horizon", "derived", "substeps", "sensors", "pushed", "integrals", "refuses")
SAME += ("init_qpos", "init_qvel", "step_length", "failure", "fastest")


class Wrapped(Task):
    """`task` as it is; a subclass changes what is seen, done or paid.

    Attributes:
        task: the one behind.
    """

    def __init__(self, task: Task):
        self._wrap(task)

    def _wrap(self, task: Task) -> None:
        self.task = task
        for name in SAME:
            setattr(self, name, getattr(task, name))

    def altered(self, model: mujoco.MjModel, rate) -> Task:
        other = copy.copy(self)
        other._wrap(self.task.altered(model, rate))
        return other

    @property
    def unmasked(self) -> Task:
        return self.task.unmasked

    @property
    def keep(self) -> Array:
        return self.task.keep

    @property
    def action_low(self) -> Array:
        return self.task.action_low

    @property
    def action_high(self) -> Array:
        return self.task.action_high

    def reset(self, rng: np.random.Generator, n: int) -> State:
        return self.task.reset(rng, n)

    def observe(self, state: State) -> Array:
        return self.task.observe(state)

    def observation_kinds(self) -> list[str]:
        return self.task.observation_kinds()

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return self.task.reward_terms(before, action, after)

    def terminated(self, after: State) -> Array:
        return self.task.terminated(after)

    def control(self, before: State, action: Array) -> Array:
        return self.task.control(before, action)

    def push(self, before: State) -> Array:
        return self.task.push(before)

    def variant(self, i: int) -> mujoco.MjModel:
        return self.task.variant(i)

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return self.task.remember(before, action, after)

    def outcome(self, after: State) -> dict[str, Array]:
        return self.task.outcome(after)
