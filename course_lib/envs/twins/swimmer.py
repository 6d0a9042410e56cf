"""Swimmer: a chain of three links swims forward. Twin of Gymnasium's `Swimmer-v5`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model
from course_lib.errors import NonNegative


class Swimmer(Task):
    """Reward = forward speed (m/s) - 0.0001 |action|². Never terminates.

    observation (8): [heading, 2 joint angles | ẋ, ẏ, heading rate, 2 joint rates].
    action (2): joint torques as fractions of the gear, in [-1, 1].
    """

    id = "Swimmer-v5"
    frame_skip = 4
    horizon = 1000
    refuses = ("friction",)  # nothing touches anything

    def __init__(
        self,
        forward_reward_weight: float = 1.0,
        ctrl_cost_weight: float = 1e-4,
        reset_noise_scale: NonNegative = 0.1,
    ):
        super().__init__(load_model(gymnasium_asset("swimmer.xml")))
        self.forward_reward_weight = forward_reward_weight
        self.ctrl_cost_weight = ctrl_cost_weight
        self.reset_noise_scale = reset_noise_scale

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise, model = self.reset_noise_scale, self.model
        qpos = self.init_qpos + rng.uniform(-noise, noise, (n, model.nq))
        qvel = self.init_qvel + rng.uniform(-noise, noise, (n, model.nv))
        return self.start(qpos, qvel)

    def observe(self, state: State) -> Array:
        return np.concatenate([state.qpos[:, 2:], state.qvel], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 3 + ["velocities"] * 5

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        speed = (after.qpos[:, 0] - before.qpos[:, 0]) / self.dt
        return {
            "forward": self.forward_reward_weight * speed,
            "ctrl": -self.ctrl_cost_weight * np.square(action).sum(axis=1),
        }
