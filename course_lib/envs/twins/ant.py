"""Ant: walk forward on four legs, in space. Twin of Gymnasium's `Ant-v5`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model
from course_lib.errors import NonNegative

TORSO = 1  # body 0 is the world


class Ant(Task):
    """Reward = forward speed (m/s) + 1 while healthy - 0.5 |action|² - 0.0005 |contact forces|².

    observation (105): [z, torso quaternion, 8 joint angles | 6 torso rates, 8 joint rates | contact force and
    torque on each of 13 bodies, clipped to ±1]; the last 78 can be left out. The episode ends when the torso
    leaves 0.2 m to 1 m of height. action (8): motor torques as fractions of the gear, in [-1, 1].
    """

    id = "Ant-v5"
    frame_skip = 5
    horizon = 1000
    # The speed is that of the torso's `xpos`, which RK4 leaves at its last stage: not quite qpos.
    derived = ("xpos", "cfrc_ext")

    def __init__(
        self,
        forward_reward_weight: float = 1.0,
        ctrl_cost_weight: float = 0.5,
        contact_cost_weight: float = 5e-4,
        healthy_reward: float = 1.0,
        terminate_when_unhealthy: bool = True,
        healthy_z_range: tuple[float, float] = (0.2, 1.0),
        contact_force_range: tuple[float, float] = (-1.0, 1.0),
        reset_noise_scale: NonNegative = 0.1,
        include_cfrc_ext_in_observation: bool = True,
    ):
        super().__init__(load_model(gymnasium_asset("ant.xml")))
        self.forward_reward_weight = forward_reward_weight
        self.ctrl_cost_weight = ctrl_cost_weight
        self.contact_cost_weight = contact_cost_weight
        self.healthy_reward = healthy_reward
        self.terminate_when_unhealthy = terminate_when_unhealthy
        self.healthy_z_range = healthy_z_range
        self.contact_force_range = contact_force_range
        self.reset_noise_scale = reset_noise_scale
        self.include_cfrc_ext_in_observation = include_cfrc_ext_in_observation

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise, model = self.reset_noise_scale, self.model
        qpos = self.init_qpos + rng.uniform(-noise, noise, (n, model.nq))
        qvel = self.init_qvel + noise * rng.standard_normal((n, model.nv))
        return self.start(qpos, qvel)

    def contact_forces(self, state: State) -> Array:
        """(N, 14, 6): torque (N m) and force (N) of contacts on each body, clipped."""
        return np.clip(state.derived["cfrc_ext"], *self.contact_force_range)

    def observe(self, state: State) -> Array:
        parts = [state.qpos[:, 2:], state.qvel]
        if self.include_cfrc_ext_in_observation:
            parts.append(self.contact_forces(state)[:, 1:].reshape(len(state), -1))
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        forces = ["forces"] * (6 * (self.model.nbody - 1)) if self.include_cfrc_ext_in_observation else []
        return ["positions"] * 13 + ["velocities"] * 14 + forces

    def healthy(self, state: State) -> Array:
        """(N,) bool: torso at walking height."""
        low, high = self.healthy_z_range
        return (low <= state.qpos[:, 2]) & (state.qpos[:, 2] <= high)

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        speed = (after.derived["xpos"][:, TORSO, 0] - before.derived["xpos"][:, TORSO, 0]) / self.dt
        return {
            "forward": self.forward_reward_weight * speed,
            "survive": self.healthy_reward * self.healthy(after),
            "ctrl": -self.ctrl_cost_weight * np.square(action).sum(axis=1),
            "contact": -self.contact_cost_weight * np.square(self.contact_forces(after)).sum(axis=(1, 2)),
        }

    def terminated(self, after: State) -> Array:
        return ~self.healthy(after) & self.terminate_when_unhealthy
