"""Reacher: bring the tip of a two-link arm to a target. Twin of Gymnasium's `Reacher-v5`."""

from __future__ import annotations

import mujoco
import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model

REACH = 0.2  # m: targets are drawn within this distance of the shoulder


class Reacher(Task):
    """Reward = - distance of the tip from the target (m) - |action|². Never terminates; 50 steps.

    observation (10): [cos of 2 angles | sin of 2 angles | target x, y | 2 joint rates | tip - target x, y].
    action (2): joint torques as fractions of the gear, in [-1, 1].
    """

    id = "Reacher-v5"
    frame_skip = 2
    horizon = 50
    refuses = ("friction",)  # nothing touches anything
    derived = ("xpos",)  # of tip and target, which RK4 leaves at its last stage

    def __init__(self, reward_dist_weight: float = 1.0, reward_control_weight: float = 1.0):
        super().__init__(load_model(gymnasium_asset("reacher.xml")))
        self.reward_dist_weight = reward_dist_weight
        self.reward_control_weight = reward_control_weight
        self._tip, self._target = (
            mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, name) for name in ("fingertip", "target")
        )

    def reset(self, rng: np.random.Generator, n: int) -> State:
        model = self.model
        qpos, qvel = np.empty((n, model.nq)), np.empty((n, model.nv))
        for row in range(n):
            qpos[row] = self.init_qpos + rng.uniform(-0.1, 0.1, model.nq)
            while True:
                goal = rng.uniform(-REACH, REACH, 2)
                if np.linalg.norm(goal) < REACH:
                    break
            qpos[row, -2:] = goal
            qvel[row] = self.init_qvel + rng.uniform(-0.005, 0.005, model.nv)
        qvel[:, -2:] = 0.0  # the target rests
        return self.start(qpos, qvel)

    def to_target(self, state: State) -> Array:
        """(N, 3): from the target to the tip, in m."""
        xpos = state.derived["xpos"]
        return xpos[:, self._tip] - xpos[:, self._target]

    def observe(self, state: State) -> Array:
        angles = state.qpos[:, :2]
        parts = [
            np.cos(angles),
            np.sin(angles),
            state.qpos[:, 2:],
            state.qvel[:, :2],
            self.to_target(state)[:, :2],
        ]
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 4 + ["target"] * 2 + ["velocities"] * 2 + ["target"] * 2  # tip - target

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {
            "dist": -self.reward_dist_weight * np.linalg.norm(self.to_target(after), axis=1),
            "ctrl": -self.reward_control_weight * np.square(action).sum(axis=1),
        }
