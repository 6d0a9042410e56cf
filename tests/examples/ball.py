"""A ball on a rail, to be held at the middle. The example of a new task in CONTRIBUTING.md: course_lib/envs/ball.py"""

from __future__ import annotations

import mujoco
import numpy as np

from course_lib.envs.engine.task import Array, State, Task

XML = """
<mujoco>
  <option timestep="0.02"/>
  <worldbody>
    <body><joint name="x" type="slide" axis="1 0 0" damping="0.1"/><geom size="0.1" mass="1"/></body>
  </worldbody>
  <actuator><motor joint="x" ctrllimited="true" ctrlrange="-1 1"/></actuator>
</mujoco>
"""


class Ball(Task):
    """Reward = 1 - |x| for each step; an episode ends 2 m from the middle.

    observation (2): [place (m) | speed (m/s)]. action (1): force (N), in [-1, 1].
    """

    id = "Ball-v0"
    frame_skip = 2
    horizon = 100

    def __init__(self):
        super().__init__(mujoco.MjModel.from_xml_string(XML))

    def reset(self, rng: np.random.Generator, n: int) -> State:
        return self.start(rng.uniform(-1, 1, (n, 1)), np.zeros((n, 1)))

    def observe(self, state: State) -> Array:
        return np.concatenate([state.qpos, state.qvel], axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions", "velocities"]

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"near": 1.0 - np.abs(after.qpos[:, 0])}

    def terminated(self, after: State) -> Array:
        return np.abs(after.qpos[:, 0]) > 2.0
