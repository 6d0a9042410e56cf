"""AnymalSprint: run along +x as fast as you can for 8 s. The task of this course's predecessor, to the letter."""

from __future__ import annotations

import mujoco
import numpy as np

from course_lib.envs.anymal.model import FASTEST, JOINTS, build, default_scale, gravity, to_body
from course_lib.envs.anymal.terrain import Terrain, terrain_of
from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State, Task
from course_lib.errors import ArgumentError, check_choice

HEIGHT = slice(0, 1)  # where each block of the observation "body" stands
GRAVITY, LINEAR, ANGULAR = slice(1, 4), slice(4, 7), slice(7, 10)
JOINT_OFFSETS, JOINT_RATES, LAST_ACTION = slice(10, 22), slice(22, 34), slice(34, 46)
HAA = np.array([name.endswith("HAA") for name in JOINTS])
HAA_OFFSETS = np.array([-0.1 if name[0] == "L" else 0.1 for name in JOINTS]) * HAA  # rad
ACTIONS = ("stance", "predecessor")
OBSERVATIONS = ("body", "raw")


class AnymalSprint(Task):
    """Reward = sum over the 5 physics steps of [speed along x (m/s) + height - 0.5 (m)] - 100 at a fall.

    100 control steps a second, 8 s (801 control steps, as in the predecessor). MuJoCo moves x by the speed times the
    0.002 s of a physics step, so the speeds of an episode sum to 500 for each metre. Standing still earns about 440.
    A fall is a base below 0.45 m at the end of a control step; it ends the episode. So does a simulation that fails,
    with a warning; that step earns -100 and nothing else. Heights are over the ground, see
    `terrain`. The robot starts at rest at 0.62 m with all joints at zero; +x is behind its tail.

    observation (46): [0 base height (m) | 1:4 gravity direction | 4:7 linear velocity (m/s) | 7:10 angular velocity
    (rad/s) | 10:22 joint angles from the stance (rad) | 22:34 joint rates (rad/s) | 34:46 last action]; directions
    and velocities as seen from the base. "raw" instead gives the predecessor's 37 numbers, qpos and qvel.
    action (12), joints in the order of `model.JOINTS`: position targets of the joints, `scale` rad from the
    stance for 1, clipped to ±3.

    Args:
        scale: rad (with actuation "torque": N m, 40 by default) that an action of 1 stands for.
        action: "stance", or "predecessor": targets tanh(action) rad, for HAA 0.6 tanh(action) ∓ 0.1.
        actuation: "pd" (kp 100 N m/rad, at most 80 N m) or "torque" (scale * action N m, at most 80).
        observation: "body" or "raw".
        physics: "exact" (Menagerie's contacts) or "fast" (see `model.PHYSICS`).
        terrain: "flat", "step", "stairs", "hurdles", "rough", or a dict of arguments of `terrain.Terrain` with "kind".
        reset_noise: rad (and rad/s), half width of the uniform noise on joint angles (and rates) at the start.
        fall_height: m.
        meshes: draw the robot with the meshes of MuJoCo Menagerie (see module `meshes`); the physics stays the same.
    """

    id = "AnymalSprint-v0"
    frame_skip = 5
    horizon = 801
    substeps = True
    integrals = ("forward", "height", "fall")
    failure = ("fall", -100.0)
    fastest = FASTEST

    def __init__(
        self,
        scale: float | None = None,
        action: str = "stance",
        actuation: str = "pd",
        observation: str = "body",
        physics: str = "exact",
        terrain: str | dict | Terrain = "flat",
        reset_noise: float = 0.0,
        fall_height: float = 0.45,
        meshes: bool = False,
    ):
        check_choice("action", action, ACTIONS)
        check_choice("observation", observation, OBSERVATIONS)
        self.terrain = terrain_of(terrain)
        super().__init__(build(physics, actuation, self.terrain, meshes=meshes))
        self._bare = build(physics, actuation, self.terrain, look=False)
        self._tick = self.model.opt.timestep  # s; stays what it is where physics steps are made shorter
        if action == "predecessor" and actuation == "torque":
            raise ArgumentError("action='predecessor' gives position targets; with it, actuation must be 'pd'")
        self.torque, self.raw, self.predecessor = actuation == "torque", observation == "raw", action == "predecessor"
        self.scale = check_number("scale", default_scale(actuation) if scale is None else scale, 0.0)
        self.reset_noise = check_number("reset_noise", reset_noise, 0.0)
        self.fall_height = check_number("fall_height", fall_height)
        self.stance = self.init_qpos[7:].copy()

    @property
    def action_low(self) -> Array:
        return np.full(12, -3.0, dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.full(12, 3.0, dtype=np.float32)

    def variant(self, i: int) -> mujoco.MjModel:
        return self._bare

    def reset(self, rng: np.random.Generator, n: int) -> State:
        qpos, qvel = np.tile(self.init_qpos, (n, 1)), np.tile(self.init_qvel, (n, 1))
        if self.reset_noise:
            qpos[:, 7:] += rng.uniform(-self.reset_noise, self.reset_noise, (n, 12))
            qvel[:, 6:] += rng.uniform(-self.reset_noise, self.reset_noise, (n, 12))
        return self.start(qpos, qvel, last_action=np.zeros((n, 12)))

    def control(self, before: State, action: Array) -> Array:
        if self.predecessor:
            return np.tanh(action) * np.where(HAA, 0.6, 1.0) + HAA_OFFSETS
        action = np.clip(action, -3.0, 3.0)
        low, high = self.model.actuator_ctrlrange.T
        return np.clip(self.scale * action + (0.0 if self.torque else self.stance), low, high)

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"last_action": np.clip(np.asarray(action, dtype=np.float64), -3.0, 3.0)}

    def observe(self, state: State) -> Array:
        q, v = state.qpos, state.qvel
        if self.raw:
            return np.concatenate([q, v], axis=1)
        turn = q[:, 3:7]
        parts = [
            self.height(q)[:, None],
            gravity(turn),
            to_body(turn, v[:, :3]),
            v[:, 3:6],  # MuJoCo holds a free body's rotation in its own frame
            q[:, 7:] - self.stance,
            v[:, 6:],
            state.memory["last_action"],
        ]
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        if self.raw:
            return ["positions"] * 19 + ["velocities"] * 18
        return ["positions"] * 4 + ["velocities"] * 6 + ["positions"] * 12 + ["velocities"] * 12 + ["actions"] * 12

    def height(self, qpos: Array) -> Array:
        """Height of the base over the ground in m; qpos (..., 19) -> (...)"""
        if self.terrain.kind == "flat":
            return qpos[..., 2]
        return qpos[..., 2] - self.terrain.under(qpos[..., 0], qpos[..., 1])

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        heights = self.height(after.derived["substep_qpos"])
        return {
            "forward": (after.qpos[:, 0] - before.qpos[:, 0]) / self._tick,
            "height": (heights - 0.5).sum(axis=1) * (self.model.opt.timestep / self._tick),
            "fall": -100.0 * self.terminated(after),
        }

    def terminated(self, after: State) -> Array:
        return self.height(after.qpos) < self.fall_height
