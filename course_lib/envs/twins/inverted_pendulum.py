"""InvertedPendulum: keep a pole upright on a cart. Twin of Gymnasium's `InvertedPendulum-v5`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model
from course_lib.errors import NonNegative


class InvertedPendulum(Task):
    """Reward = 1 for each step that ends with the pole within 0.2 rad of upright; beyond, the episode ends.

    observation (4): [cart position (m), pole angle (rad) | their rates (m/s, rad/s)].
    action (1): force on the cart, in [-3, 3]; the actuator's gear makes it up to 300 N.
    """

    id = "InvertedPendulum-v5"
    frame_skip = 2
    horizon = 1000
    refuses = ("friction",)  # nothing touches anything

    def __init__(self, reset_noise_scale: NonNegative = 0.01):
        super().__init__(load_model(gymnasium_asset("inverted_pendulum.xml")))
        self.reset_noise_scale = reset_noise_scale

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise, model = self.reset_noise_scale, self.model
        qpos = self.init_qpos + rng.uniform(-noise, noise, (n, model.nq))
        qvel = self.init_qvel + rng.uniform(-noise, noise, (n, model.nv))
        return self.start(qpos, qvel)

    def observe(self, state: State) -> Array:
        return np.concatenate([state.qpos, state.qvel], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 2 + ["velocities"] * 2

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"survive": 1.0 - self.terminated(after)}

    def terminated(self, after: State) -> Array:
        return np.abs(after.qpos[:, 1]) > 0.2
