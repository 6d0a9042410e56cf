"""What the tabletop tasks (module `tasks`) share: robot, action, layout of the observation, shape of the reward.

An action asks for a place of the hand, and within the motors' force it is reached at the end of the control step: a
trajectory of the hand is carried out by `Tabletop.action_towards`, point by point. The scene is in `scene`,
experts and demonstrations in `experts`.
"""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State, Task
from course_lib.envs.tabletop import scene
from course_lib.errors import ArgumentError, check_choice, check_count, nearest

HAND, HAND_VELOCITY = slice(0, 3), slice(3, 6)  # where each block of the observation stands: m, m/s
OBJECT, OBJECT_VELOCITY = slice(6, 9), slice(9, 12)
GOAL, REST = slice(12, 15), slice(15, None)  # REST: the grip (m) in Throw and Pick, the faucet's axis (m) in Faucet
WEIGHTS = {"reach": 1.0, "progress": 10.0, "precision": 1.0}
RATES = (25, 50, 100)  # control steps a second
NEAR = 0.1  # m: the precision term falls to 1/e there
GRAVITY = 9.81  # m/s²
AXES = [0, 2, 1]  # the robot's joints are x, z, y


class Tabletop(Task):
    """What the five tasks share. Nothing ends an episode but the clock.

    observation: [0:3 hand | 3:6 its velocity | 6:9 object | 9:12 its velocity | 12:15 goal | 15: see each task],
    places in m and velocities in m/s along x (right), y (away from the viewer) and z (up, from the table's surface).
    "Hand" is the middle between the fingertips.
    action: [0:3 where the hand is to be after this step, from where it is, in units of `stride` m along x, y, z |
    3 in Throw and Pick: -1 opens the fingers, 1 shuts them; Throw takes values in between, Pick does not], each clipped
    to ±1. Places outside the workspace `low` to `high` are replaced by the nearest inside. What is asked for is reached
    to a millimetre, unless something is in the way or it takes more than 150 N (1 kg is moved): a full reversal falls
    short.

    Reward = sum of weight x term:
      reach      - distance from the hand to the object (m)
      progress   distance from object to goal (m) before the step, less that after it: over an episode, what was gained
      precision  exp(- (distance / 0.1 m)²)
    `infos["success"]` (bool) tells whether the state after the step is a success; an episode is one if its last is.

    Args:
        goal: the same in every episode; by default drawn. Its coordinates and their limits are in `goals`.
        horizon: control steps of an episode; `gymnasium.make` wants it as `max_episode_steps` too.
        weights: replaces some of `WEIGHTS`, e.g. {"reach": 0.0}.
        rate: control steps a second, 25, 50 or 100. Motion and return stay what they are: at 100, `stride`, reach and
            precision are a quarter for each step, and the episode has four times as many steps.

    Raises:
        ArgumentError: a goal outside the workspace, a horizon below 1, a weight that is no number or of no term, any
            other rate.

    Source: the five tasks of Bahl et al., NeurIPS 2020, section 5; scene, numbers and reward are this course's own.
    """

    frame_skip = scene.FRAME_SKIP
    integrals = ("progress",)
    horizon = 75  # at 25 steps a second, as all of the class is
    kind = ""
    stride = 0.04  # m
    low, high = scene.LOWEST, scene.HIGHEST  # m: the workspace of the hand
    goals: dict[str, tuple[float, float, str]] = {}  # coordinate: (least, most, unit)
    threshold = 0.07  # m: nearer to the goal is a success
    first_grip = scene.OPEN  # m, at the start

    def __init__(
        self,
        goal: tuple[float, ...] | None = None,
        horizon: int | None = None,
        weights: dict[str, float] | None = None,
        rate: int = RATES[0],
    ):
        self.goal = None if goal is None else _checked_goal(self, goal)
        check_choice("rate", rate, RATES)
        finer = int(rate) // RATES[0]
        self.frame_skip, self.stride = type(self).frame_skip // finer, type(self).stride / finer
        self.horizon = finer * type(self).horizon if horizon is None else check_count("horizon", horizon)
        self.weights = _checked_weights(weights)
        self._paid = self.weights | {name: self.weights[name] / finer for name in ("reach", "precision")}
        super().__init__(scene.build(self.kind))
        self._bare = scene.build(self.kind, look=False)
        self.grips = self.model.nu > 3
        self._low, self._high = np.array(self.low), np.array(self.high)
        self._reply = _reply(self.frame_skip)
        carried = scene.LIFTED + (2 * scene.FINGER if self.grips else 0.0)
        self._sag = carried * GRAVITY / scene.RATE**2  # m that its own weight pulls the hand down by

    @property
    def action_low(self) -> Array:
        return np.full(4 if self.grips else 3, -1.0, dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return -self.action_low

    def variant(self, i: int):
        return self._bare

    def retime(self, rate):
        self.stride = self.stride / float(rate)
        self._reply = _reply(self.frame_skip, self.model.opt.timestep)

    # --- an episode's start -----------------------------------------------------------------

    def place(self, rng: np.random.Generator, n: int, goal: Array) -> tuple[Array, Array]:
        """Where the hand (n, 3) and the joints of the things (n, k) start; goal: (n, len(goals))."""
        raise NotImplementedError

    def reset(self, rng: np.random.Generator, n: int) -> State:
        low, high = np.array([limits[:2] for limits in self.goals.values()]).T
        goal = rng.uniform(low, high, (n, len(low)))
        if self.goal is not None:
            goal[:] = self.goal
        hand, things = self.place(rng, n, goal)
        grip = np.full((n, 2 if self.grips else 0), self.first_grip)
        return self.start(np.hstack([hand[:, AXES], grip, things]), np.zeros((n, self.model.nv)))

    # --- what is where ----------------------------------------------------------------------

    def hand(self, state: State) -> Array:
        """(N, 3), m."""
        return state.qpos[:, AXES]

    def hand_velocity(self, state: State) -> Array:
        """(N, 3), m/s."""
        return state.qvel[:, AXES]

    def grip(self, state: State) -> Array:
        """(N,): m from the middle of the hand to a finger, the mean of both; only in Throw and Pick."""
        return state.qpos[:, 3:5].mean(axis=1)

    def object(self, state: State) -> Array:
        """(N, 3), m: the middle of ball, box or puck; the tip of the faucet's handle."""
        return state.qpos[:, self.model.nu : self.model.nu + 3]

    def object_velocity(self, state: State) -> Array:
        """(N, 3), m/s."""
        return state.qvel[:, self.model.nu : self.model.nu + 3]

    def goal_place(self, state: State) -> Array:
        """(N, 3), m: where the object is to be."""
        raise NotImplementedError

    def distance(self, state: State) -> Array:
        """(N,), m: from the object to its goal."""
        return np.linalg.norm(self.object(state) - self.goal_place(state), axis=1)

    def success(self, state: State) -> Array:
        """(N,) bool"""
        return self.distance(state) <= self.threshold

    def outcome(self, after: State) -> dict[str, Array]:
        return {"success": self.success(after)}

    def rest(self, state: State) -> Array:
        """(N, k), m: the end of the observation."""
        return self.grip(state)[:, None] if self.grips else np.empty((len(state), 0))

    def observe(self, state: State) -> Array:
        parts = [self.hand(state), self.hand_velocity(state), self.object(state), self.object_velocity(state)]
        return np.hstack([*parts, self.goal_place(state), self.rest(state)])

    def observation_kinds(self) -> list[str]:
        rest = ["positions"] if self.grips else []
        return (["positions"] * 3 + ["velocities"] * 3) * 2 + ["target"] * 3 + rest

    # --- what is done -----------------------------------------------------------------------

    def control(self, before: State, action: Array) -> Array:
        action = np.clip(action, -1.0, 1.0)
        hand = self.hand(before)
        target = np.clip(hand + self.stride * action[:, :3], self._low, self._high)
        out = np.empty((len(hand), self.model.nu))
        # A motor pulls like a spring. Its far end is put where it brings the hand to `target` in just one control step.
        gain, drift = self._reply[0]
        out[:, AXES] = hand + (target - hand - drift * self.hand_velocity(before)) / gain
        out[:, 1] += self._sag
        if self.grips:
            out[:, 3:] = scene.OPEN + 0.5 * (scene.CLOSED - scene.OPEN) * (1.0 + action[:, 3:])
        return out

    def action_towards(self, state: State, hand: Array, grip: float | Array = 1.0) -> Array:
        """The action that brings the hand to `hand` (N, 3), m, or as far on the way as a step goes -> (N, action_dim).

        grip: (N,) or a number, from -1 (open) to 1 (shut); without meaning where the hand does not grip.
        """
        hand = np.asarray(hand, dtype=np.float64)
        if hand.shape != (len(state), 3):
            raise ArgumentError(f"hand has shape {hand.shape}; {self.id} accepts ({len(state)}, 3): x, y, z in m")
        away = (np.clip(hand, self._low, self._high) - self.hand(state)) / self.stride
        away /= np.maximum(np.abs(away).max(axis=1, keepdims=True), 1.0)  # shorter, but in the same direction
        if not self.grips:
            return away
        return np.column_stack([away, np.broadcast_to(np.clip(grip, -1.0, 1.0), len(state))])

    def place_after(self, state: State, velocity: Array) -> Array:
        """Where to ask the hand to be, so that the next step leaves it with `velocity` (N, 3), m/s -> (N, 3), m."""
        (gain, drift), (speed_gain, speed_drift) = self._reply
        now = self.hand_velocity(state)
        return self.hand(state) + gain * (velocity - speed_drift * now) / speed_gain + drift * now

    # --- what is paid -----------------------------------------------------------------------

    def reach(self, state: State) -> Array:
        """(N,), m: from the hand to the object."""
        return np.linalg.norm(self.hand(state) - self.object(state), axis=1)

    def precision(self, state: State) -> Array:
        """(N,), from 0 to 1 at the goal."""
        return np.exp(-np.square(self.distance(state) / NEAR))

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        values = {
            "reach": -self.reach(after),
            "progress": self.distance(before) - self.distance(after),
            "precision": self.precision(after),
        }
        return {name: self._paid[name] * value for name, value in values.items()}


def _reply(steps: int, h: float = scene.TIMESTEP) -> Array:
    """(2, 2): what `steps` steps of h s make of [target, velocity] of an axis at its place 0: [place, velocity]."""
    rate, ends = scene.RATE, []
    for target, velocity in ((1.0, 0.0), (0.0, 1.0)):
        place = 0.0
        for _ in range(steps):  # MuJoCo's "implicitfast" for a spring with a damper
            velocity = (velocity + h * rate**2 * (target - place)) / (1.0 + 2.0 * h * rate)
            place += h * velocity
        ends.append((place, velocity))
    return np.array(ends).T


def _checked_goal(task: Tabletop, goal) -> Array:
    """`goal` as numbers within the limits of `task`."""
    limits = ", ".join(f"{name} from {low:g} to {high:g} {unit}" for name, (low, high, unit) in task.goals.items())
    try:
        values = np.array(goal, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        values = np.empty(0)
    low, high = np.array([bounds[:2] for bounds in task.goals.values()]).T
    if values.shape != low.shape or not np.isfinite(values).all():
        raise ArgumentError(f"goal={goal!r} is not accepted by {task.id}; it must be {limits}")
    if (values < low).any() or (values > high).any():
        raise ArgumentError(f"goal={goal!r} is outside the workspace of {task.id}; accepted: {limits}")
    return values


def _checked_weights(changed: dict[str, float] | None) -> dict[str, float]:
    """`WEIGHTS` with those in `changed` replaced."""
    if not isinstance(changed, (dict, type(None))):
        raise ArgumentError(f"weights={changed!r} is not accepted; it must be a dict, e.g. {{'reach': 0.0}}")
    for name in changed or {}:
        if name not in WEIGHTS:
            known = f"accepted: {', '.join(WEIGHTS)}{nearest(name, WEIGHTS)}"
            raise ArgumentError(f"weights has {name!r}, which is not a term of the reward; {known}")
    return WEIGHTS | {name: check_number(f"weights[{name!r}]", value) for name, value in (changed or {}).items()}
