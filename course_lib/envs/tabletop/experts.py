"""Scripted experts of the five tabletop tasks, and demonstrations by them for imitation.

An expert keeps nothing in mind: what to do next follows from the state alone, so it can take over from any policy at
any time. Each says where the hand is to be next, and `Tabletop.action_towards` turns that into an action.
"""

from __future__ import annotations

import numpy as np

from course_lib.envs import TABLETOP, make
from course_lib.envs.engine.checks import check_number
from course_lib.envs.engine.task import Array, State
from course_lib.envs.tabletop.base import GRAVITY, HAND, Tabletop, scene
from course_lib.errors import ArgumentError, check_choice, check_count

CLIMB = 0.8  # of the throw: upward for each m/s forward
ABOVE = 0.05  # m over the box before the fingers go down


def expert(task: Tabletop, state: State) -> Array:
    """What the scripted expert of `task` does in `state` -> action (N, action_dim)."""
    task = task.unmasked
    if not isinstance(task, Tabletop):
        raise ArgumentError(f"task={task.id} has no expert; accepted: {', '.join(TABLETOP)}")
    return EXPERTS[task.kind](task, state)


def throw(task: Tabletop, state: State) -> Array:
    """Swing forward and up as fast as a throw from here needs; let go as soon as the hand is that fast."""
    hand, ball, velocity = task.hand(state), task.object(state), task.hand_velocity(state)
    away = task.goal_place(state) - ball
    far = np.linalg.norm(away[:, :2], axis=1)
    forward = away[:, :2] / far[:, None]
    needed = throw_speed(far, -away[:, 2], CLIMB)
    flown = ~held(task, state, scene.BALL)
    now = (velocity[:, :2] * forward).sum(axis=1)
    speed = np.minimum(needed, now + 0.5)
    target = task.place_after(state, speed[:, None] * np.column_stack([forward, np.full(len(hand), CLIMB)]))
    grip = np.where(flown | (now > 0.97 * needed), -1.0, 1.0)
    return task.action_towards(state, np.where(flown[:, None], hand, target), grip)


def throw_speed(far: Array, drop: Array, climb: float) -> Array:
    """(N,), m/s: forward speed of a throw that falls `drop` m over `far` m and starts `climb` times as fast upward."""
    # With t = far / v: drop = g t² / 2 - climb far.
    return far * np.sqrt(GRAVITY / (2.0 * np.maximum(drop + climb * far, 1e-6)))


def held(task: Tabletop, state: State, wide: float) -> Array:
    """(N,) bool: a thing of half the width `wide` (m) is where the fingers are, and they are as far apart."""
    near = np.linalg.norm(task.hand(state) - task.object(state), axis=1) < 0.02
    return near & (task.grip(state) < wide + 0.003)


def pick(task: Tabletop, state: State) -> Array:
    """Go over the box with open fingers, down, shut them, and up to the goal."""
    hand, box = task.hand(state), task.object(state)
    aside = np.linalg.norm((hand - box)[:, :2], axis=1)
    over, around = aside < 0.012, np.linalg.norm(hand - box, axis=1) < 0.015
    holds = held(task, state, scene.BOX)
    target = box.copy()
    target[:, 2] += np.where(over, 0.0, np.clip(3.0 * aside, 0.0, 1.0) * ABOVE + 0.03)
    target = np.where(around[:, None], hand, target)
    lifted = hand + task.dt * np.clip(12.5 * (task.goal_place(state) - box), -0.5, 0.5)  # m/s
    return task.action_towards(state, np.where(holds[:, None], lifted, target), np.where(around | holds, 1.0, -1.0))


def push(task: Tabletop, state: State) -> Array:
    """Go behind the puck, then along its line to the mark; stay where the puck is on the mark."""
    puck, way = task.object(state)[:, :2], (task.goal_place(state) - task.object(state))[:, :2]
    left = np.linalg.norm(way, axis=1)
    forward = way / np.maximum(left, 1e-6)[:, None]
    target = _from_behind(task, state, puck, forward, scene.PUCK + scene.TIP, np.minimum(left, 0.03), 0.03)
    return task.action_towards(state, np.where((left < 0.01)[:, None], task.hand(state), target))


def soccer(task: Tabletop, state: State) -> Array:
    """Go behind the ball, then run through it towards the goal; stay once it rolls."""
    ball, way = task.object(state)[:, :2], (task.goal_place(state) - task.object(state))[:, :2]
    forward = way / np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None]
    ahead = np.full(len(ball), task.dt * 1.0)  # m/s
    target = _from_behind(task, state, ball, forward, scene.BALL + scene.TIP, ahead, scene.BALL, 0.2)
    speed = (task.object_velocity(state)[:, :2] * forward).sum(axis=1)
    leave = (speed > 0.65) | (ball[:, 0] > task.high[0])  # fast enough, or out of reach
    return task.action_towards(state, np.where(leave[:, None], task.hand(state), target))


def faucet(task: Tabletop, state: State) -> Array:
    """Go to the side of the handle that is to be pushed, then along its circle; let go when it has turned enough."""
    pivot, angle, left = state.qpos[:, 3:5], state.qpos[:, 5], state.qpos[:, 6] - state.qpos[:, 5]
    way = np.where(left < -0.25, -1.0, 1.0)  # back only if it has gone much too far
    forward = way[:, None] * np.column_stack([-np.sin(angle), np.cos(angle)])
    touch = pivot + 0.11 * np.column_stack([np.cos(angle), np.sin(angle)])
    ahead = np.where(way * left < 0.03, -0.015, task.dt * np.clip(2.75 * way * left, 0.0, 0.5))  # m/s
    target = _from_behind(task, state, touch, forward, 0.012 + scene.TIP, ahead, 0.08)
    return task.action_towards(state, target)


def _from_behind(
    task: Tabletop,
    state: State,
    thing: Array,
    forward: Array,
    touch: float,
    ahead: Array,
    low: float,
    straight: float = 0.4,
) -> Array:
    """Where the hand is to be next (N, 3) to push `thing` (N, 2) along `forward` (N, 2).

    touch: m between the middles of thing and hand where they meet; ahead: (N,) m to go on from there; low: m above
    the table, where it pushes; straight: how far off the line, in units of `touch`, the hand may be to push. On its
    way to the place behind the thing it stays 0.1 m higher.
    """
    hand = task.hand(state)
    off = hand[:, :2] - thing
    along = (off * forward).sum(axis=1)
    aside = np.abs(off[:, 0] * forward[:, 1] - off[:, 1] * forward[:, 0])
    behind = (along < -0.7 * touch) & (aside < straight * touch) & (hand[:, 2] < low + 0.03)
    place = thing - (touch + 0.015) * forward
    far = np.linalg.norm(hand[:, :2] - place, axis=1)
    blocked = (hand[:, 2] < low + 0.08) & (far > 0.015) & (np.linalg.norm(off, axis=1) < touch + 0.06)
    there = np.where(blocked[:, None], hand[:, :2], place)
    height = np.where(far > 0.015, low + 0.1, low)
    pushing = np.column_stack([thing + (ahead - touch)[:, None] * forward, np.full(len(hand), low)])
    return np.where(behind[:, None], pushing, np.column_stack([there, height]))


EXPERTS = {"throw": throw, "pick": pick, "push": push, "soccer": soccer, "faucet": faucet}


def demonstrations(id: str, episodes: int = 100, seed: int = 0, noise: float = 0.0, rate: int = 25) -> dict[str, Array]:
    """Whole episodes of the expert of `id`, good and bad.

    Args:
        id: one of `TABLETOP`.
        noise: standard deviation of a normal disturbance of every action, so that the data show how to recover. What
            is recorded as the action is the expert's own, without it.
        rate: control steps a second, as in `Tabletop`.

    Returns:
        "observations" (E, T + 1, obs_dim), "actions" (E, T, action_dim), "hands" (E, T + 1, 3), where the hand was (m),
        "rewards" (E, T), "physics" (E, T, nstate), the states before each action, from which a `Rollout` makes
        pictures, and "success" (E,) bool, at the end.

    Raises:
        ArgumentError: an unknown id, a count below one, a negative noise.
    """
    check_choice("id", id, TABLETOP)
    episodes, seed = check_count("episodes", episodes), check_count("seed", seed, least=0)
    noise, rng = check_number("noise", noise, 0.0), np.random.default_rng([seed, 1])
    envs = make(id, episodes, seed, rate=rate)
    task, (observation, _) = envs.task, envs.reset()
    rows = {"observations": [observation], "actions": [], "hands": [task.hand(envs.state)]}
    rows |= {"rewards": [], "physics": []}
    for _ in range(task.horizon):
        action = expert(task, envs.state)
        disturbed = np.clip(action + noise * rng.normal(size=action.shape), -1.0, 1.0)
        physics = envs.physics.copy()
        observation, reward, _, _, infos = envs.step(disturbed)
        last = infos.get("final_obs", observation)
        for name, value in zip(rows, (last, action, last[:, HAND], reward, physics), strict=True):
            rows[name].append(value)
    envs.close()
    return {name: np.stack(values, axis=1) for name, values in rows.items()} | {"success": infos["success"]}
