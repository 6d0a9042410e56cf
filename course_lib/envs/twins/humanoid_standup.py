"""HumanoidStandup: get up from lying on the back. Twin of Gymnasium's `HumanoidStandup-v5`."""

from __future__ import annotations

import math

import numpy as np

from course_lib.envs.engine.task import Array, State
from course_lib.envs.twins.humanoid import Body
from course_lib.errors import NonNegative


class HumanoidStandup(Body):
    """Reward = height of the torso (m) / 0.003 s + 1 - 0.1 |action|² - impact cost. Never terminates.

    The divisor is the length of a physics step, as in Gymnasium. Observation and action: see `Body`.
    """

    id = "HumanoidStandup-v5"

    def __init__(
        self,
        uph_cost_weight: float = 1.0,
        ctrl_cost_weight: float = 0.1,
        impact_cost_weight: float = 0.5e-6,
        impact_cost_range: tuple[float, float] = (-math.inf, 10.0),
        reset_noise_scale: NonNegative = 1e-2,
        include_cinert_in_observation: bool = True,
        include_cvel_in_observation: bool = True,
        include_qfrc_actuator_in_observation: bool = True,
        include_cfrc_ext_in_observation: bool = True,
    ):
        include = (include_cinert_in_observation, include_cvel_in_observation, include_qfrc_actuator_in_observation)
        super().__init__("humanoidstandup.xml", reset_noise_scale, (*include, include_cfrc_ext_in_observation))
        self._tick = self.model.opt.timestep  # s; stays what it is where physics steps are made shorter
        self.ctrl_cost_weight = ctrl_cost_weight  # `uph_cost_weight` does nothing, as in Gymnasium
        self.impact_cost_weight, self.impact_cost_range = impact_cost_weight, impact_cost_range

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {
            "linup": after.qpos[:, 2] / self._tick,
            "quadctrl": -self.ctrl_cost_weight * np.square(np.asarray(action, float)).sum(axis=1),
            "impact": -self.contact_cost(after, self.impact_cost_weight, self.impact_cost_range),
            "alive": np.ones(len(after)),
        }

    def terminated(self, after: State) -> Array:
        return np.zeros(len(after), dtype=bool)
