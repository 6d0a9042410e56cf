"""Hopper: hop forward on one leg. Twin of Gymnasium's `Hopper-v5`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model
from course_lib.errors import NonNegative


class Hopper(Task):
    """Reward = forward speed (m/s) + 1 while healthy - 0.001 |action|²; the episode ends with a fall.

    observation (11): [z, pitch, 3 joint angles | ẋ, ż, pitch rate, 3 joint rates], rates clipped to ±10.
    action (3): motor torques as fractions of the gear, in [-1, 1].
    """

    id = "Hopper-v5"
    frame_skip = 4
    horizon = 1000

    def __init__(
        self,
        forward_reward_weight: float = 1.0,
        ctrl_cost_weight: float = 1e-3,
        healthy_reward: float = 1.0,
        terminate_when_unhealthy: bool = True,
        healthy_state_range: tuple[float, float] = (-100.0, 100.0),
        healthy_z_range: tuple[float, float] = (0.7, float("inf")),
        healthy_angle_range: tuple[float, float] = (-0.2, 0.2),
        reset_noise_scale: NonNegative = 5e-3,
    ):
        super().__init__(load_model(gymnasium_asset("hopper.xml")))
        self.forward_reward_weight = forward_reward_weight
        self.ctrl_cost_weight = ctrl_cost_weight
        self.healthy_reward = healthy_reward
        self.terminate_when_unhealthy = terminate_when_unhealthy
        self.healthy_state_range = healthy_state_range
        self.healthy_z_range = healthy_z_range
        self.healthy_angle_range = healthy_angle_range
        self.reset_noise_scale = reset_noise_scale

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise, model = self.reset_noise_scale, self.model
        qpos = self.init_qpos + rng.uniform(-noise, noise, (n, model.nq))
        qvel = self.init_qvel + rng.uniform(-noise, noise, (n, model.nv))
        return self.start(qpos, qvel)

    def observe(self, state: State) -> Array:
        return np.concatenate([state.qpos[:, 1:], np.clip(state.qvel, -10, 10)], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 5 + ["velocities"] * 6

    def healthy(self, state: State) -> Array:
        """(N,) bool: torso high enough, nearly upright, and nothing has run away."""
        z, angle = state.qpos[:, 1], state.qpos[:, 2]
        rest = np.concatenate([state.qpos[:, 2:], state.qvel], axis=1)
        (low, high), (low_z, high_z) = self.healthy_state_range, self.healthy_z_range
        low_angle, high_angle = self.healthy_angle_range
        bounded = ((low < rest) & (rest < high)).all(axis=1)
        return bounded & (low_z < z) & (z < high_z) & (low_angle < angle) & (angle < high_angle)

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        speed = (after.qpos[:, 0] - before.qpos[:, 0]) / self.dt
        return {
            "forward": self.forward_reward_weight * speed,
            "survive": self.healthy_reward * self.healthy(after),
            "ctrl": -self.ctrl_cost_weight * np.square(action).sum(axis=1),
        }

    def terminated(self, after: State) -> Array:
        return ~self.healthy(after) & self.terminate_when_unhealthy
