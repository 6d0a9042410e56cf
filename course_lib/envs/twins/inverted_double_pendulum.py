"""InvertedDoublePendulum: keep two poles upright on a cart. Twin of `InvertedDoublePendulum-v5`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model
from course_lib.errors import NonNegative

FALLEN = 1.0  # m: the episode ends when the tip is this low (upright it is at 1.2)
CLIP = 10.0  # bound on the velocities and the force that are seen


class InvertedDoublePendulum(Task):
    """Reward = 10 while up - (0.01 x² + (height - 2)²), x and height of the tip in m, - a price on joint speed.

    observation (9): [cart position | sin of 2 angles | cos of 2 angles | 3 rates | constraint force on the
    cart], rates and force clipped to ±10. action (1): force on the cart as a fraction of 500 N.
    """

    id = "InvertedDoublePendulum-v5"
    frame_skip = 5
    horizon = 1000
    refuses = ("friction",)  # nothing touches anything
    derived = ("site_xpos", "qfrc_constraint")

    def __init__(self, healthy_reward: float = 10.0, reset_noise_scale: NonNegative = 0.1):
        super().__init__(load_model(gymnasium_asset("inverted_double_pendulum.xml")))
        self.healthy_reward = healthy_reward
        self.reset_noise_scale = reset_noise_scale

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise, model = self.reset_noise_scale, self.model
        qpos = self.init_qpos + rng.uniform(-noise, noise, (n, model.nq))
        qvel = self.init_qvel + rng.standard_normal((n, model.nv)) * noise
        return self.start(qpos, qvel)

    def observe(self, state: State) -> Array:
        angles = state.qpos[:, 1:]
        speeds = np.clip(state.qvel, -CLIP, CLIP)
        force = np.clip(state.derived["qfrc_constraint"][:, :1], -CLIP, CLIP)
        return np.concatenate([state.qpos[:, :1], np.sin(angles), np.cos(angles), speeds, force], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 5 + ["velocities"] * 3 + ["forces"]

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        x, _, height = after.derived["site_xpos"][:, 0].T
        speeds = after.qvel[:, 1:]
        return {
            "survive": self.healthy_reward * ~self.terminated(after),
            "distance": -(0.01 * x**2 + (height - 2) ** 2),
            "velocity": -(1e-3 * speeds[:, 0] ** 2 + 5e-3 * speeds[:, 1] ** 2),
        }

    def terminated(self, after: State) -> Array:
        return after.derived["site_xpos"][:, 0, 2] <= FALLEN
