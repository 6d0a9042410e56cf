"""Throw, Pick, Push, Soccer, Faucet: five things to do on a table with a hand that moves in x, y and z."""

from __future__ import annotations

import numpy as np

from course_lib.envs.engine.task import Array, State
from course_lib.envs.tabletop.base import Tabletop, scene


class Throw(Tabletop):
    """Throw a ball, held at the start, into a bin out of the hand's reach. 50 steps (2 s).

    The ball has come down when its middle falls below the rim of the bin (0.09 m); the hand, which stays above
    0.14 m, cannot set it down there. Success: it came down within 0.19 m of the bin's middle. Until then, the distance
    to the goal is measured over the table; from then on it is the miss, and stays what it is. There is no reach term,
    which would pay for keeping the ball, and precision is paid only once the ball has come down.
    goal: x, y (m) of the bin. observation 15: the grip.
    """

    id, kind = "Throw-v0", "throw"
    horizon = 50
    stride = 0.08
    low, high = (-0.4, -0.2, 0.14), (-0.05, 0.2, 0.4)
    goals = {"x": (0.3, 0.48, "m"), "y": (-0.18, 0.18, "m")}
    threshold = 0.19
    first_grip = scene.BALL - 0.001

    def place(self, rng, n, goal):
        hand = rng.uniform((-0.36, -0.15, 0.18), (-0.24, 0.15, 0.26), (n, 3))
        return hand, np.hstack([hand, np.tile((1.0, 0.0, 0.0, 0.0), (n, 1)), goal])

    def reset(self, rng, n):
        state = super().reset(rng, n)
        state.memory = {"down": np.zeros(n, dtype=bool), "miss": np.full(n, np.inf)}
        return state

    def goal_place(self, state):
        return np.column_stack([state.qpos[:, -2:], np.full(len(state), scene.BIN_HEIGHT)])

    def remember(self, before, action, after):
        down, miss = before.memory["down"], before.memory["miss"]
        start, end = self.object(before), self.object(after)
        fell = ~down & (start[:, 2] > scene.BIN_HEIGHT) & (end[:, 2] <= scene.BIN_HEIGHT)
        share = (start[:, 2] - scene.BIN_HEIGHT) / np.where(fell, start[:, 2] - end[:, 2], 1.0)
        there = start[:, :2] + share[:, None] * (end - start)[:, :2]
        missed = np.linalg.norm(there - after.qpos[:, -2:], axis=1)
        return {"down": down | fell, "miss": np.where(fell, missed, miss)}

    def distance(self, state):
        flying = np.linalg.norm(self.object(state)[:, :2] - state.qpos[:, -2:], axis=1)
        return np.where(state.memory["down"], state.memory["miss"], flying)

    def success(self, state):
        return state.memory["down"] & super().success(state)

    def reach(self, state):
        return np.zeros(len(state))

    def precision(self, state):
        return state.memory["down"] * super().precision(state)


class Pick(Tabletop):
    """Take a box (44 mm wide, turned at random) and hold it in the air above where it stood. 75 steps (3 s).

    Success: lifted by more than 0.08 m. goal: z (m), the height of the box's middle. observation 15: the grip.

    The fingers are driven by a valve: above 0.5 shuts them, below -0.5 opens them, and in between they keep doing what
    they did. With a motor that follows every number, fingers that an exploring policy half shuts rattle against the
    box and lose it, so shutting a little is punished where shutting would be rewarded.

    Between reaching the box and having it in the air nothing would be paid for, so two terms are wider here. Reach is
    -3 x distance (m) as far as it is beyond 0.015 m, so that a hand at the box may try things, plus 0.3 for fingers
    that are shut within 0.03 m of it. Precision is larger by three times the share of the way up that is done.
    """

    id, kind = "Pick-v0", "pick"
    goals = {"z": (0.13, 0.2, "m")}
    valve = 0.5  # of the action, at which the fingers change over

    def place(self, rng, n, goal):
        box = np.column_stack([rng.uniform((-0.2, -0.15), (0.2, 0.15), (n, 2)), np.full(n, scene.BOX)])
        hand = box + rng.uniform((-0.1, -0.1, 0.08), (0.1, 0.1, 0.15), (n, 3))
        half = rng.uniform(-0.3, 0.3, n) / 2
        turn = np.column_stack([np.cos(half), 0 * half, 0 * half, np.sin(half)])
        return np.clip(hand, self._low, self._high), np.hstack([box, turn, box[:, :2], goal])

    def reset(self, rng, n):
        state = super().reset(rng, n)
        state.memory = {"shut": np.zeros(n, dtype=bool)}
        return state

    def shut(self, before: State, action: Array) -> Array:
        """(N,) bool: what the valve does from `before` on, asked by `action`."""
        return np.where(np.abs(action[:, 3]) > self.valve, action[:, 3] > 0.0, before.memory["shut"])

    def control(self, before, action):
        fingers = np.where(self.shut(before, action), 1.0, -1.0)
        return super().control(before, np.column_stack([action[:, :3], fingers]))

    def remember(self, before, action, after):
        return {"shut": self.shut(before, action)}

    def goal_place(self, state):
        return state.qpos[:, -3:]

    def lift(self, state: State) -> Array:
        """(N,), m: how high the box is above where it stood."""
        return self.object(state)[:, 2] - scene.BOX

    def success(self, state):
        return self.lift(state) > 0.08

    def reach(self, state):
        away = super().reach(state)
        at_it = np.exp(-((away / 0.03) ** 4))
        return 3.0 * np.maximum(away - 0.015, 0.0) - 0.3 * at_it * state.memory["shut"]

    def precision(self, state):
        way = self.goal_place(state)[:, 2] - scene.BOX
        return super().precision(state) + 3.0 * np.maximum(1.0 - self.distance(state) / way, 0.0)


class Push(Tabletop):
    """Push a puck to a mark, and leave it there. 75 steps (3 s).

    Success: within 0.07 m of the mark's middle. goal: x, y (m) of the mark. The puck does not tip, and it moves only
    while it is pushed: the table holds it back with about 200 N for each m/s, so the hand pushes it at 0.5 m/s at most,
    and a puck that has left the hand stops within millimetres.
    """

    id, kind = "Push-v0", "push"
    goals = {"x": (0.1, 0.3, "m"), "y": (-0.18, 0.15, "m")}

    def place(self, rng, n, goal):
        hand = rng.uniform((-0.38, -0.15, 0.06), (-0.3, 0.1, 0.14), (n, 3))
        return hand, np.hstack([rng.uniform((-0.2, -0.15), (-0.05, 0.1), (n, 2)), goal])

    def object(self, state):
        return np.column_stack([state.qpos[:, 3:5], np.full(len(state), scene.PUCK / 2)])

    def object_velocity(self, state):
        return np.column_stack([state.qvel[:, 3:5], np.zeros(len(state))])

    def goal_place(self, state):
        return np.column_stack([state.qpos[:, -2:], np.full(len(state), scene.PUCK / 2)])


class Soccer(Tabletop):
    """Kick a ball into a goal that the hand cannot reach. 75 steps (3 s).

    Success: the ball within 0.07 m of the middle of the goal's floor. goal: x, y (m) of that middle.
    """

    id, kind = "Soccer-v0", "soccer"
    high = (0.2, *scene.HIGHEST[1:])
    goals = {"x": (0.4, 0.5, "m"), "y": (-0.15, 0.12, "m")}

    def place(self, rng, n, goal):
        hand = rng.uniform((-0.38, -0.12, 0.04), (-0.3, 0.1, 0.1), (n, 3))
        ball = np.column_stack([rng.uniform((-0.15, -0.12), (0.0, 0.1), (n, 2)), np.full(n, scene.BALL)])
        return hand, np.hstack([ball, np.tile((1.0, 0.0, 0.0, 0.0), (n, 1)), goal])

    def goal_place(self, state):
        return np.column_stack([state.qpos[:, -2:], np.full(len(state), scene.BALL)])


class Faucet(Tabletop):
    """Turn a faucet's handle, counter-clockwise seen from above, to a given angle. 75 steps (3 s).

    The object is the tip of the handle, 0.14 m from its axis. Success: the tip within 0.05 m of where it is to be.
    goal: turn (rad) from where the handle starts. observation 15:17: x, y of the axis.
    """

    id, kind = "Faucet-v0", "faucet"
    goals = {"turn": (0.9, 1.6, "rad")}
    threshold = 0.05

    def place(self, rng, n, goal):
        hand = rng.uniform((-0.35, -0.2, 0.1), (-0.25, 0.0, 0.18), (n, 3))
        pivot, angle = rng.uniform((-0.06, 0.0), (0.06, 0.1), (n, 2)), rng.uniform(-2.5, -2.2, n)
        return hand, np.column_stack([pivot, angle, angle + goal[:, 0]])

    def _tip(self, state: State, angle: Array) -> Array:
        pivot, lever = state.qpos[:, 3:5], scene.LEVER
        x, y = pivot[:, 0] + lever * np.cos(angle), pivot[:, 1] + lever * np.sin(angle)
        return np.column_stack([x, y, np.full(len(state), scene.LEVER_HEIGHT)])

    def object(self, state):
        return self._tip(state, state.qpos[:, 5])

    def object_velocity(self, state):
        angle, speed = state.qpos[:, 5], scene.LEVER * state.qvel[:, 5]
        return np.column_stack([-speed * np.sin(angle), speed * np.cos(angle), 0 * speed])

    def goal_place(self, state):
        return self._tip(state, state.qpos[:, 6])

    def rest(self, state):
        return state.qpos[:, 3:5]

    def observation_kinds(self):
        return [*super().observation_kinds(), "positions", "positions"]
