"""MemoryPendulum: swing a pendulum up without seeing all of it. Motion and reward of Gymnasium's `Pendulum-v1`."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State
from course_lib.envs.memory.equations import WEIGHTLESS, Equations
from course_lib.errors import check_choice

LENGTHS = {"fixed": (1.0,), "varied": (0.2, 1.0)}  # m; one of them is drawn for an episode
KINDS = {  # what each observation shows, in order
    "full": ["positions", "positions", "velocities"],
    "p": ["positions", "positions"],
    "v": ["velocities"],
    "va": ["velocities", "actions"],
    "pa": ["positions", "positions", "actions"],
}
TORQUE, SPEED = 2.0, 8.0  # N m and rad/s: the largest
# The joint "length" only draws: a short rod has the long one behind the board.
BODIES = f"""
<geom name="board" type="box" pos="0 .2 0" size="1.2 .02 1.2" rgba=".9 .92 .95 1"/>
<body name="rod"><joint name="angle" axis="0 -1 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="short" type="capsule" fromto="0 0 0 0 0 .2" size=".08" rgba=".8 .3 .25 1"/>
  <geom name="pivot" type="cylinder" fromto="0 -.14 0 0 .1 0" size=".04" rgba=".25 .28 .33 1"/>
  <body name="long"><joint name="length" class="idle" axis="0 -1 0" ref="1"/>
    <inertial pos="0 0 0" {WEIGHTLESS}/>
    <geom name="outer" type="capsule" fromto="0 0 0 0 0 1" size=".06" rgba=".8 .3 .25 1"/>
  </body>
</body>"""


class MemoryPendulum(Equations):
    """Reward = -(angle² + 0.1 rate² + 0.001 torque²), of the state before the step; the angle lies in [-π, π).

    A rod of 1 kg on a hinge, angle 0 upright, pulled down by g = 10 m/s². It starts anywhere, turning at up to 1 rad/s.
    At most 2 N m are too little to lift it at once: it has to be swung up. 20 control steps a second, 200 steps (10 s).
    Motion: rate += dt (3 g / (2 l) sin(angle) + 3 / (m l²) torque), at most ±8 rad/s; angle += dt rate.
    Never ends early.

    What to remember: from the angle alone the direction of the swing cannot be told, and the torque that pumps
    energy in has the sign of the rate. From the rate alone, the angle cannot be told.

    observation:
        "p" (2): [cos | sin of the angle].
        "v" (1): [rate (rad/s)].   "va" (2): [rate | last torque (N m)].   "pa" (3): [cos | sin | last torque].
        "full" (3): [cos | sin | rate], and (4) the length of the rod (m) if that varies. The fully observed twin.
    action (1): torque in N m, clipped to ±2.

    Args:
        observation: see above.
        length: "fixed" (1 m) or "varied": 0.2 m or 1 m, drawn for each episode and hidden, except in "full".
            Together with observation "pa" this is the task known as pendulum with variable length.
        g: gravity in m/s².

    Source: Gymnasium's Pendulum-v1; the partial forms of Yang & Nguyen 2021, table of tasks.
    """

    id = "MemoryPendulum-v0"
    horizon = 200

    def __init__(self, observation: str = "p", length: str = "fixed", g: float = 10.0):
        check_choice("observation", observation, KINDS)
        check_choice("length", length, LENGTHS)
        self.g = check_number("g", g)
        self.observation, self.lengths = observation, np.array(LENGTHS[length])
        super().__init__(BODIES, ("angle",), dt=0.05)

    @property
    def action_low(self) -> Array:
        return np.array([-TORQUE], dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.array([TORQUE], dtype=np.float32)

    def reset(self, rng: np.random.Generator, n: int) -> State:
        start = rng.uniform([-np.pi, -1.0], [np.pi, 1.0], (n, 2))
        length = rng.choice(self.lengths, n) if len(self.lengths) > 1 else np.full(n, self.lengths[0])
        qpos, qvel = np.stack([start[:, 0], length], axis=1), np.stack([start[:, 1], np.zeros(n)], axis=1)
        return self.start(qpos, qvel, last_action=np.zeros((n, 1)))

    def next_velocity(self, before: State, action: Array) -> Array:
        angle, length = before.qpos.T
        torque = np.clip(action[:, 0], -TORQUE, TORQUE)
        turn = 1.5 * self.g / length * np.sin(angle) + 3.0 * torque / length**2  # rad/s²
        return np.clip(before.qvel[:, 0] + self.dt * turn, -SPEED, SPEED)[:, None]

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"last_action": np.clip(np.asarray(action, dtype=np.float64), -TORQUE, TORQUE)}

    def observe(self, state: State) -> Array:
        angle, rate = state.qpos[:, :1], state.qvel[:, :1]
        parts = [] if self.observation in ("v", "va") else [np.cos(angle), np.sin(angle)]
        if self.observation in ("full", "v", "va"):
            parts.append(rate)
        if self.observation in ("va", "pa"):
            parts.append(state.memory["last_action"])
        if self.observation == "full" and len(self.lengths) > 1:
            parts.append(state.qpos[:, 1:])
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        varied = self.observation == "full" and len(self.lengths) > 1
        return KINDS[self.observation] + (["length"] if varied else [])

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        torque = np.clip(action[:, 0], -TORQUE, TORQUE)
        return {
            "angle": -((np.mod(before.qpos[:, 0] + np.pi, 2 * np.pi) - np.pi) ** 2),
            "rate": -0.1 * before.qvel[:, 0] ** 2,
            "torque": -0.001 * torque**2,
        }
