"""Humanoid: walk forward on two legs. Twin of Gymnasium's `Humanoid-v5`."""

from __future__ import annotations

import math

import numpy as np

from course_lib.envs.engine.task import Array, State, Task, gymnasium_asset, load_model
from course_lib.errors import NonNegative

FREE = 6  # degrees of freedom of the torso, which no motor drives


class Body(Task):
    """What walking and standing up share: the body, what is seen of it, where it starts.

    observation (348): [z, torso quaternion, 17 joint angles | 6 torso rates, 17 joint rates | of each of 13 bodies:
    inertia and mass (10), velocity of its centre of mass (6) | 17 motor torques | contact force and torque (6) on each
    body]; the last four can be left out. action (17): fractions of the gears, in [-0.4, 0.4].
    """

    frame_skip = 5
    horizon = 1000
    # All of them are what RK4's last stage leaves, as Gymnasium reads them.
    derived = ("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def __init__(self, model: str, reset_noise_scale: NonNegative, include: tuple[bool, bool, bool, bool]):
        super().__init__(load_model(gymnasium_asset(model)))
        self.reset_noise_scale = reset_noise_scale
        self._seen = [
            (name, first)
            for name, first, wanted in zip(self.derived[1:], (1, 1, FREE, 1), include, strict=True)
            if wanted
        ]

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise, model = self.reset_noise_scale, self.model
        qpos = self.init_qpos + rng.uniform(-noise, noise, (n, model.nq))
        qvel = self.init_qvel + rng.uniform(-noise, noise, (n, model.nv))
        return self.start(qpos, qvel)

    def observe(self, state: State) -> Array:
        parts = [state.derived[name][:, first:].reshape(len(state), -1) for name, first in self._seen]
        return np.concatenate([state.qpos[:, 2:], state.qvel, *parts], axis=1)

    def observation_kinds(self) -> list[str]:
        bodies = self.model.nbody - 1
        kinds = {"cinert": ["inertias"] * 10 * bodies, "cvel": ["velocities"] * 6 * bodies,
                 "qfrc_actuator": ["forces"] * (self.model.nv - FREE), "cfrc_ext": ["forces"] * 6 * bodies}  # fmt: skip
        seen = [kind for name, _ in self._seen for kind in kinds[name]]
        return ["positions"] * (self.model.nq - 2) + ["velocities"] * self.model.nv + seen

    def contact_cost(self, state: State, weight: float, limits: tuple[float, float]) -> Array:
        """(N,): weight · |contact forces|², within limits."""
        return np.clip(weight * np.square(state.derived["cfrc_ext"]).sum(axis=(1, 2)), *limits)

    def ahead(self, state: State) -> Array:
        """(N,): x of the centre of mass, in m."""
        mass = self.model.body_mass
        return state.derived["xipos"][:, :, 0] @ mass / mass.sum()


class Humanoid(Body):
    """Reward = 1.25 · forward speed of the centre of mass (m/s) + 5 while healthy - 0.1 |action|² - contact cost.

    The episode ends when the torso leaves 1 m to 2 m of height. Observation and action: see `Body`.
    """

    id = "Humanoid-v5"

    def __init__(
        self,
        forward_reward_weight: float = 1.25,
        ctrl_cost_weight: float = 0.1,
        contact_cost_weight: float = 5e-7,
        contact_cost_range: tuple[float, float] = (-math.inf, 10.0),
        healthy_reward: float = 5.0,
        terminate_when_unhealthy: bool = True,
        healthy_z_range: tuple[float, float] = (1.0, 2.0),
        reset_noise_scale: NonNegative = 1e-2,
        include_cinert_in_observation: bool = True,
        include_cvel_in_observation: bool = True,
        include_qfrc_actuator_in_observation: bool = True,
        include_cfrc_ext_in_observation: bool = True,
    ):
        include = (include_cinert_in_observation, include_cvel_in_observation, include_qfrc_actuator_in_observation)
        super().__init__("humanoid.xml", reset_noise_scale, (*include, include_cfrc_ext_in_observation))
        self.forward_reward_weight, self.ctrl_cost_weight = forward_reward_weight, ctrl_cost_weight
        self.contact_cost_weight, self.contact_cost_range = contact_cost_weight, contact_cost_range
        self.healthy_reward, self.healthy_z_range = healthy_reward, healthy_z_range
        self.terminate_when_unhealthy = terminate_when_unhealthy

    def healthy(self, state: State) -> Array:
        """(N,) bool: torso at walking height."""
        low, high = self.healthy_z_range
        return (low < state.qpos[:, 2]) & (state.qpos[:, 2] < high)

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {
            "survive": self.healthy_reward * self.healthy(after),
            "forward": self.forward_reward_weight * (self.ahead(after) - self.ahead(before)) / self.dt,
            "ctrl": -self.ctrl_cost_weight * np.square(np.asarray(action, float)).sum(axis=1),
            "contact": -self.contact_cost(after, self.contact_cost_weight, self.contact_cost_range),
        }

    def terminated(self, after: State) -> Array:
        return ~self.healthy(after) & self.terminate_when_unhealthy
