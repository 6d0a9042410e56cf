"""Pusher: push a cylinder to a goal with a seven-joint arm. Twin of Gymnasium's `Pusher-v5`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model

NEAR = 0.17  # m: a cylinder never starts closer to the goal


class Pusher(Task):
    """Reward = - distance cylinder to goal (m) - ½ distance tip to cylinder (m) - 0.1 |action|². 100 steps.

    observation (23): [7 joint angles | 7 joint rates | tip x, y, z | cylinder x, y, z | goal x, y, z].
    action (7): joint torques as fractions of the gear, in [-2, 2].
    """

    id = "Pusher-v5"
    frame_skip = 5
    horizon = 100
    derived = ("xpos",)  # of tip, cylinder and goal, as the last physics step leaves them

    def __init__(
        self, reward_near_weight: float = 0.5, reward_dist_weight: float = 1.0, reward_control_weight: float = 0.1
    ):
        super().__init__(load_model(gymnasium_asset("pusher_v5.xml")))
        self.reward_near_weight, self.reward_dist_weight = reward_near_weight, reward_dist_weight
        self.reward_control_weight = reward_control_weight
        self._bodies = [self.model.body(name).id for name in ("tips_arm", "object", "goal")]

    def reset(self, rng: np.random.Generator, n: int) -> State:
        model = self.model
        qpos, qvel = np.tile(self.init_qpos, (n, 1)), np.tile(self.init_qvel, (n, 1))
        for row in range(n):
            while True:
                place = np.array([rng.uniform(-0.3, 0.0), rng.uniform(-0.2, 0.2)])
                if np.linalg.norm(place) > NEAR:
                    break
            qpos[row, -4:] = [*place, 0.0, 0.0]  # the goal is at the origin
            qvel[row] += rng.uniform(-0.005, 0.005, model.nv)
        qvel[:, -4:] = 0.0
        return self.start(qpos, qvel)

    def places(self, state: State) -> Array:
        """(N, 3, 3): tip, cylinder and goal, in m."""
        return state.derived["xpos"][:, self._bodies]

    def observe(self, state: State) -> Array:
        places = self.places(state).reshape(len(state), -1)
        return np.concatenate([state.qpos[:, :7], state.qvel[:, :7], places], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 7 + ["velocities"] * 7 + ["positions"] * 6 + ["target"] * 3

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        tip, cylinder, goal = self.places(after).swapaxes(0, 1)
        return {
            "near": -self.reward_near_weight * np.linalg.norm(cylinder - tip, axis=1),
            "dist": -self.reward_dist_weight * np.linalg.norm(cylinder - goal, axis=1),
            "ctrl": -self.reward_control_weight * np.square(action).sum(axis=1),
        }

    def terminated(self, after: State) -> Array:
        return np.zeros(len(after), dtype=bool)
