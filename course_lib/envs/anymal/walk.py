"""AnymalC: a quadruped that walks where it is told to, head first, and is pushed while it does."""

from __future__ import annotations

import mujoco
import numpy as np

from course_lib.envs.anymal.commands import Commands, Pushes
from course_lib.envs.anymal.model import (
    BASE_BODY,
    FASTEST,
    FEET,
    SCRAPES,
    TORQUES,
    build,
    default_scale,
    gravity,
    randomised,
    to_body,
)
from course_lib.envs.anymal.terrain import Terrain, terrain_of
from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State, Task
from course_lib.errors import ArgumentError, check_count, nearest

GRAVITY, LINEAR, ANGULAR = slice(0, 3), slice(3, 6), slice(6, 9)  # where each block of the observation stands
COMMAND, JOINT_OFFSETS, JOINT_RATES = slice(9, 12), slice(12, 24), slice(24, 36)
LAST_ACTION, CONTACTS = slice(36, 48), slice(48, 52)
STANCE = np.array([0.0, 0.4, -0.8] * 2 + [0.0, -0.4, 0.8] * 2)  # rad: front knees bent back, hind knees forward
STANCE_HEIGHT = 0.55  # m: where the feet of the stance just touch the ground
TOUCH = 1.0  # N: less is not a contact
FALLEN_HEIGHT, FALLEN_GRAVITY = 0.35, -0.5  # m; the latter is a tilt of 60 degrees
WORST = 1.5  # m/s and rad/s: errors count no more than that
STEER = 0.5  # rad/s: no faster turn is told to keep the heading
SHORT, LONG = 0.1, 0.4  # s in the air: less is not paid, more is not paid more
WEIGHTS = {
    "velocity": 3.0,
    "yaw_rate": 1.5,
    "vertical": -0.5,
    "tilt_rate": -0.02,
    "orientation": -1.0,
    "posture": -0.15,
    "torque": -1e-5,
    "energy": -1e-4,
    "smoothness": -0.01,
    "scrape": -1.0,
    "air_time": 0.5,
    "fall": -5.0,
}


class AnymalC(Task):
    """Walk at a commanded velocity and turning rate for 20 s, at 50 control steps a second.

    The command is (forward m/s, to the left m/s, counter-clockwise rad/s) with the head in front; the robot starts
    looking along +x. Reward = sum of weight x term; all but the last two are multiplied by the 0.02 s of a step:
      velocity     1 - |velocity - command| / (1 m/s), over ground, averaged over the step, in the heading's frame
      yaw_rate     1 - |turning rate - command| / (1 rad/s); errors count up to 1.5
      vertical     (vertical velocity)²; tilt_rate (roll rate)² + (pitch rate)²; orientation sin² of the tilt
      posture      sum of (joint angle from the stance, rad)²: keeps one leg from doing all the lifting
      torque       sum of (joint torque, N m)²; energy sum of |torque x joint rate| in W
      smoothness   |action - last action|²; scrape: how many of base and thighs touch something
      air_time     at each landing of a foot: s in the air beyond 0.1, at most 0.3, while told to move
      fall         1 where the episode ends: the base below 0.35 m over the ground, or tilted by more than 60 degrees.
                   A simulation that fails counts as a fall too, with a warning
    (the terms follow Rudin et al. 2022, "Learning to walk in minutes", arXiv 2109.11978, table 5. There, tracking is
    paid by exp(-error² / 0.25). With few samples that teaches to stand: far from the command it hardly rises, while
    every noisy step costs.)

    observation (52): [0:3 gravity direction | 3:6 linear velocity (m/s) | 6:9 angular velocity (rad/s) | 9:12 command |
    12:24 joint angles from the stance (rad) | 24:36 joint rates (rad/s) | 36:48 last action | 48:52 feet on the ground
    (0 or 1)]; directions and velocities as seen from the base. The height is not among them: no robot feels it.
    action (12), joints in the order of `model.JOINTS`: position targets, `scale` rad from the stance for 1,
    clipped to ±3.

    Args:
        weights: replaces some of `WEIGHTS`, e.g. {"energy": 0.0} drops a term.
        command: (forward, left, turn) for the whole episode; by default drawn anew every 5 s to 10 s.
        keep_heading: the commanded turning rate steers back to +x: 1 rad/s for each rad off, at most 0.5 rad/s, also
            where the robot is told to stand still. `turn` has no effect then.
        forward, left, turn: ranges that commands are drawn from, m/s, m/s and rad/s. One in ten is to stand still.
        push_force: N on the base for 0.2 s in a random level direction every 3 s to 8 s; 0 for none.
        push_at: s at which the only push of the episode comes.
        randomize: copies after the first differ in grip, load and stiffness (`model.randomised`).
        randomize_seed: of these differences.
        scale: rad (with actuation "torque": N m, 40 by default) that an action of 1 stands for.
        actuation: "pd" (kp 100 N m/rad, at most 80 N m) or "torque".
        physics: "exact" (Menagerie's contacts) or "fast" (see `model.PHYSICS`).
        terrain: "flat", "step", "stairs", "hurdles", "rough", or a dict of arguments of `terrain.Terrain` with "kind".
        along: episodes start anywhere in the first `along` metres of the track.
        reset_noise: half width of the uniform noise at the start on joint angles (rad), rates (rad/s), heading (rad).
        meshes: draw the robot with the meshes of MuJoCo Menagerie (see module `meshes`); the physics stays the same.
    """

    id = "AnymalC-v0"
    frame_skip = 10
    horizon = 1000
    sensors = True
    pushed = BASE_BODY
    integrals = tuple(WEIGHTS)
    fastest = FASTEST

    def __init__(
        self,
        weights: dict[str, float] | None = None,
        command: tuple[float, float, float] | None = None,
        keep_heading: bool = False,
        forward: tuple[float, float] = (-0.5, 1.0),
        left: tuple[float, float] = (-0.3, 0.3),
        turn: tuple[float, float] = (-0.7, 0.7),
        push_force: float = 50.0,
        push_at: float | None = None,
        randomize: bool = True,
        randomize_seed: int = 0,
        scale: float | None = None,
        actuation: str = "pd",
        physics: str = "exact",
        terrain: str | dict | Terrain = "flat",
        along: float = 0.0,
        reset_noise: float = 0.1,
        meshes: bool = False,
    ):
        self.weights = _weights(weights)
        self.failure = ("fall", self.weights["fall"])
        self.terrain = terrain_of(terrain)
        super().__init__(build(physics, actuation, self.terrain, sensors=True, meshes=meshes))
        self._bare = build(physics, actuation, self.terrain, look=False, sensors=True)
        seconds = self.horizon * self.dt
        self.keep_heading = bool(keep_heading)
        if self.keep_heading and command is not None and len(command) == 3 and command[2]:
            raise ArgumentError(
                f"command={tuple(command)} is not accepted with keep_heading=True, which tells the turning rate "
                "itself; the third number must be 0"
            )
        self._commands = Commands(command, forward, left, turn, seconds)
        self._pushes = Pushes(push_force, push_at, seconds)
        self.randomize, self.randomize_seed = bool(randomize), check_count("randomize_seed", randomize_seed, least=0)
        self.torque = actuation == "torque"
        self.scale = check_number("scale", default_scale(actuation) if scale is None else scale, 0.0)
        self.along = check_number("along", along, 0.0, " (m)")
        self.reset_noise = check_number("reset_noise", reset_noise, 0.0)

    @property
    def action_low(self) -> Array:
        return np.full(12, -3.0, dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.full(12, 3.0, dtype=np.float32)

    def variant(self, i: int) -> mujoco.MjModel:
        if i == 0 or not self.randomize:
            return self._bare
        return randomised(self._bare, np.random.default_rng([self.randomize_seed, i]))

    def reset(self, rng: np.random.Generator, n: int) -> State:
        noise = self.reset_noise
        qpos, qvel = np.tile(self.init_qpos, (n, 1)), np.tile(self.init_qvel, (n, 1))
        half = rng.uniform(-noise, noise, n) / 2
        if self.along:
            qpos[:, 0] = rng.uniform(0.0, self.along, n)
        qpos[:, 2] = STANCE_HEIGHT + self.terrain.top(qpos[:, 0], qpos[:, 1])
        qpos[:, 3:7] = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
        qpos[:, 7:] = STANCE + rng.uniform(-noise, noise, (n, 12))
        qvel[:, 6:] = rng.uniform(-noise, noise, (n, 12))
        drawn = {**self._commands.draw(rng, n), **self._pushes.draw(rng, n)}
        return self.start(qpos, qvel, last_action=np.zeros((n, 12)), air_time=np.zeros((n, 4)), **drawn)

    def command(self, state: State) -> Array:
        """(N, 3): what the robot is told now."""
        told = self._commands.now(state)
        if self.keep_heading:
            told[:, 2] = np.clip(-_heading(state.qpos[:, 3:7]), -STEER, STEER)
        return told

    def push(self, before: State) -> Array:
        return self._pushes.now(before)

    def control(self, before: State, action: Array) -> Array:
        low, high = self.model.actuator_ctrlrange.T
        return np.clip(self.scale * np.clip(action, -3.0, 3.0) + (0.0 if self.torque else STANCE), low, high)

    def contacts(self, state: State) -> Array:
        """(N, 4) bool: which feet stand on something, in the order of `model.LEGS`."""
        return state.derived["sensordata"][:, FEET] > TOUCH

    def remember(self, before: State, action: Array, after: State) -> dict[str, Array]:
        flying = np.where(self.contacts(after), 0.0, before.memory["air_time"] + self.dt)
        return {**before.memory, "last_action": np.clip(action, -3.0, 3.0).astype(np.float64), "air_time": flying}

    def observe(self, state: State) -> Array:
        q, v = state.qpos, state.qvel
        turn = q[:, 3:7]
        parts = [
            gravity(turn),
            to_body(turn, v[:, :3]),
            v[:, 3:6],  # MuJoCo holds a free body's rotation in its own frame
            self.command(state),
            q[:, 7:] - STANCE,
            v[:, 6:],
            state.memory["last_action"],
            self.contacts(state),
        ]
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        body = ["positions"] * 3 + ["velocities"] * 6 + ["command"] * 3
        return body + ["positions"] * 12 + ["velocities"] * 12 + ["actions"] * 12 + ["contacts"] * 4

    def height(self, state: State) -> Array:
        """(N,): m of the base over the ground."""
        return state.qpos[:, 2] - self.terrain.under(state.qpos[:, 0], state.qpos[:, 1])

    def velocity(self, before: State, after: State) -> Array:
        """(N, 2): mean velocity over the step, forward and to the left of the heading, m/s."""
        x, y = ((after.qpos[:, :2] - before.qpos[:, :2]) / self.dt).T
        heading = _heading(after.qpos[:, 3:7])
        cos, sin = np.cos(heading), np.sin(heading)
        return np.stack([cos * x + sin * y, cos * y - sin * x], axis=1)

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        v, down, command = after.qvel, gravity(after.qpos[:, 3:7]), self.command(before)
        missed = np.linalg.norm(self.velocity(before, after) - command[:, :2], axis=1)
        torques = after.derived["sensordata"][:, TORQUES]
        flown, told = before.memory["air_time"], np.abs(command).sum(axis=1) > 0.1
        landed = (flown > 0) & self.contacts(after)
        step = np.clip(action, -3.0, 3.0) - before.memory["last_action"]
        rates = {
            "velocity": 1.0 - np.minimum(missed, WORST),
            "yaw_rate": 1.0 - np.minimum(np.abs(v[:, 5] - command[:, 2]), WORST),
            "vertical": np.square(v[:, 2]),
            "tilt_rate": np.square(v[:, 3:5]).sum(axis=1),
            "orientation": np.square(down[:, :2]).sum(axis=1),
            "posture": np.square(after.qpos[:, 7:] - STANCE).sum(axis=1),
            "torque": np.square(torques).sum(axis=1),
            "energy": np.abs(torques * v[:, 6:]).sum(axis=1),
            "smoothness": np.square(step).sum(axis=1),
            "scrape": (after.derived["sensordata"][:, SCRAPES] > TOUCH).sum(axis=1),
        }
        paid = (np.clip(flown - SHORT, 0.0, LONG - SHORT) * landed).sum(axis=1) * told
        events = {"air_time": paid, "fall": self.terminated(after)}
        terms = {name: self.dt * self.weights[name] * value for name, value in rates.items()}
        return terms | {name: self.weights[name] * value for name, value in events.items()}

    def terminated(self, after: State) -> Array:
        return (self.height(after) < FALLEN_HEIGHT) | (gravity(after.qpos[:, 3:7])[:, 2] > FALLEN_GRAVITY)


def _weights(changed: dict[str, float] | None) -> dict[str, float]:
    """`WEIGHTS` with those in `changed` replaced."""
    if not isinstance(changed, (dict, type(None))):
        raise ArgumentError(f"weights={changed!r} is not accepted; it must be a dict, e.g. {{'energy': 0.0}}")
    for name in changed or {}:
        if name not in WEIGHTS:
            known = f"accepted: {', '.join(WEIGHTS)}{nearest(name, WEIGHTS)}"
            raise ArgumentError(f"weights has {name!r}, which is not a term of the reward; {known}")
    return WEIGHTS | {name: check_number(f"weights[{name!r}]", value) for name, value in (changed or {}).items()}


def _heading(quaternion: Array) -> Array:
    """Direction of the head in the level plane: rad from +x, counter-clockwise; (N, 4) -> (N,)."""
    w, x, y, z = quaternion.T
    return np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
