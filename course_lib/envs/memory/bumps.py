"""Bumps: push the second of two bumps along a line, feeling them with one finger and never seeing them."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State
from course_lib.envs.memory.equations import WEIGHTLESS, Equations
from course_lib.errors import check_choice

OBSERVATIONS = ("partial", "full")
END, WIDTH, STEP = 1.0, 0.1, 0.1  # m: half the line; half a bump; the largest step
LEAN = np.pi / 4  # rad: the largest angle of the finger
PUSHED, TOUCHED = 0.2, 0.05  # m: how far the second bump is to go; how far the first may be moved
BODIES = f"""
<geom name="board" type="box" pos="0 .4 .25" size="1.3 .02 .9" rgba=".9 .92 .95 1"/>
<geom name="table" type="box" pos="0 0 -.1" size="1.2 .15 .1" rgba=".55 .6 .66 1"/>
<body name="hand" pos="0 0 .46"><joint name="finger" class="slide" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom name="palm" type="box" pos="0 0 .06" size=".09 .07 .06" rgba=".2 .42 .65 1"/>
  <body name="link"><joint name="angle" axis="0 1 0"/>
    <inertial pos="0 0 0" {WEIGHTLESS}/>
    <geom name="link" type="capsule" fromto="0 -.05 0 0 -.05 -.3" size=".03" rgba=".85 .35 .15 1"/>
  </body>
</body>
<body name="first" pos="0 0 0"><joint name="first" class="slide" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom type="ellipsoid" size="{WIDTH} .1 .16" rgba=".8 .6 .2 1"/>
</body>
<body name="second" pos="0 0 0"><joint name="second" class="slide" axis="1 0 0"/>
  <inertial pos="0 0 0" {WEIGHTLESS}/>
  <geom type="ellipsoid" size="{WIDTH} .1 .16" rgba=".1 .62 .4 1"/>
</body>
<body name="start" pos="0 0 0"><joint name="first_start" class="idle" axis="1 0 0"/>
  <joint name="second_start" class="idle" axis="1 0 0"/><inertial pos="0 0 0" {WEIGHTLESS}/></body>"""


class Bumps(Equations):
    """Reward = 1 when the second bump has been pushed 0.2 m to the right, which ends the episode; else 0.

    A finger moves along a line from -1 m to 1 m; two bumps, 0.2 m wide, stand on it, unseen. The finger starts left of
    both. A soft finger (stiffness <= 0) slides over a bump and leans on its slopes: its angle is what can be felt.
    A stiff one pushes the bump that it meets, or stands on, along with it. To move the first bump by more than 0.05 m,
    or the second by that much to the left, ends the episode without reward. 10 control steps a second, 50 steps (5 s).

    What to remember: how many bumps have gone by. The first and the second feel the same, and where the first
    stands in one episode the second stands in another.
    A way round: the first bump stands at 0 or left of it, and the second right of 0 in three of four episodes. Whoever
    stays soft up to 0 and is stiff from there on needs no memory and succeeds in 76 % of the episodes.

    observation:
        "partial" (2): [place of the finger (m) | its angle (rad)].
        "full" (4): these, and the places of the two bumps (m).
    action (2): [step, as a fraction of 0.1 m | stiffness: above 0 is stiff], each clipped to ±1.

    Angle: -π/4 sin(π (finger - bump) / 0.1 m) within 0.1 m of the middle of a bump, 0 elsewhere. This motion without
    masses is this course's own; the outline of the task is the source's.

    Args:
        observation: "partial" or "full".

    Source: Yang & Nguyen 2021, table of tasks.
    """

    id = "Bumps-v0"
    horizon = 50
    refuses = (*Equations.refuses, "rate")  # what is done in a control step is said in metres

    def __init__(self, observation: str = "partial"):
        check_choice("observation", observation, OBSERVATIONS)
        self.observation = observation
        super().__init__(BODIES, ("finger", "angle", "first", "second"), dt=0.1)

    @property
    def action_low(self) -> Array:
        return np.full(2, -1.0, dtype=np.float32)

    @property
    def action_high(self) -> Array:
        return np.full(2, 1.0, dtype=np.float32)

    def reset(self, rng: np.random.Generator, n: int) -> State:
        finger, first = rng.uniform(-1.0, -0.8, n), rng.uniform(-0.6, 0.0, n)
        second = first + rng.uniform(0.3, 0.6, n)
        return self.start(np.stack([finger, 0 * first, first, second, first, second], axis=1), np.zeros((n, 6)))

    def next_velocity(self, before: State, action: Array) -> Array:
        finger, bumps = before.qpos[:, 0], before.qpos[:, 2:4]
        step, stiffness = np.clip(action, -1.0, 1.0).T
        goal = np.clip(finger + STEP * step, -END, END)
        moved = np.where((stiffness > 0)[:, None], push(bumps, finger, goal), bumps)
        after = np.column_stack([goal, lean(goal, moved), moved])
        return (after - before.qpos[:, :4]) / self.dt

    def observe(self, state: State) -> Array:
        parts = [state.qpos[:, :2]]
        if self.observation == "full":
            parts.append(state.qpos[:, 2:4])
        return np.concatenate(parts, axis=1)

    def observation_kinds(self) -> list[str]:
        return ["positions"] * 2 + (["target"] * 2 if self.observation == "full" else [])

    def shifts(self, state: State) -> Array:
        """(N, 2): how far to the right the two bumps have been moved, in m."""
        return state.qpos[:, 2:4] - state.qpos[:, 4:6]

    def reward_terms(self, before: State, action: Array, after: State) -> dict[str, Array]:
        return {"pushed": (~self.spoilt(after) & (self.shifts(after)[:, 1] >= PUSHED - 1e-9)).astype(float)}

    def spoilt(self, state: State) -> Array:
        """(N,) bool: a bump has been moved that should not have been."""
        first, second = self.shifts(state).T
        return (np.abs(first) > TOUCHED) | (second < -TOUCHED)

    def terminated(self, after: State) -> Array:
        return self.spoilt(after) | (self.shifts(after)[:, 1] >= PUSHED - 1e-9)


def push(bumps: Array, finger: Array, goal: Array) -> Array:
    """Where a stiff finger going from `finger` to `goal` (N,) leaves the bumps (N, 2), in m.

    A bump that it stands on keeps its place under the finger; one on the way is taken along at its edge.
    """
    gap = bumps - finger[:, None]
    reach = np.minimum(np.abs(gap), WIDTH)  # from finger to middle while it pushes
    right = np.where(gap > 0, np.maximum(bumps, goal[:, None] + reach), bumps)
    left = np.where(gap < 0, np.minimum(bumps, goal[:, None] - reach), bumps)
    return np.where((goal > finger)[:, None], right, left)


def lean(finger: Array, bumps: Array) -> Array:
    """(N,) angle of the finger in rad, by the slope that it stands on; bumps: (N, 2) in m."""
    off = (finger[:, None] - bumps) / WIDTH
    return (-LEAN * np.sin(np.pi * off) * (np.abs(off) < 1)).sum(axis=1)
