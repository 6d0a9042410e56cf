"""Notebook 08, exercise 8.6: a swimmer in the water maze, and what costs it most."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

import course_lib as cl

STEP, STAY, RADIUS, ENOUGH = 0.1, 5, 0.3, 75  # m a step, steps until a throw, m, steps on the platform


def swim(rule, episodes=100, seed=6, **options):
    """rule(seen (n, 3 or 5), memory, rng) -> (action (n, 2), memory), as in the notebook.

    Returns place (T, n, 2), on (T, n) bool, platform (n, 2) and score, the mean of steps on it.
    """
    envs, rng = cl.make("WaterMaze-v0", episodes, seed=seed, **options), np.random.default_rng(seed)
    seen, _ = envs.reset(seed=seed)
    memory, platform, rows = None, envs.state.qpos[:, 2:].copy(), []
    for _ in range(199):  # the step after that begins the next episode
        action, memory = rule(seen, memory, rng)
        seen = envs.step(np.clip(action, -1, 1))[0]
        rows.append((seen[:, :2], seen[:, 2] > 0))
    place, on = (np.stack(part) for part in zip(*rows, strict=True))
    return SimpleNamespace(place=place, on=on, platform=platform, score=float(on.sum(0).mean()))


def diagnosis(swum) -> str:
    """Why a swimmer is on the platform for fewer steps than it could be: what costs it most, in numbers."""
    on, place, platform = swum.on, swum.place, swum.platform
    said = f"{swum.score:.1f} of 200 steps on the platform; the exercise asks for {ENOUGH}. "
    before, after, away = standing(on, place, platform)
    if before > 0.1:
        return said + (
            f"In {before:.0%} of the steps before it first finds the platform it does not move, at rest or against "
            "the wall: each swimmer must search until its own flag, in its own row, has been 1"
        )
    if after > 0.25:
        return said + (
            f"When it has been on the platform before, it does not move in {after:.0%} of the steps off it, "
            f"{away:.1f} m from its middle on average: swim to where its own flag was 1"
        )
    never = 1 - on.any(0).mean()
    if never > 0.15:
        return said + f"In {never:.0%} of the episodes it never gets there: its search must come round the whole pool"
    visits, left = visits_of(on, place)
    if left > 0.1 * visits:
        return said + (
            f"It swims off the platform while the flag is 1, in {left / visits:.0%} of its visits: stay until you are "
            "thrown"
        )
    speed = np.linalg.norm(np.diff(place, axis=0), axis=-1)[~on[1:] & ~thrown(on, place)[1:]].mean()
    if speed < 0.8 * STEP:
        return said + f"Off the platform it moves {speed:.2f} m a step, and {STEP} m is allowed"
    back, straight = ways_back(on, place, platform)
    if back > 2 * straight:
        return said + (
            f"After a throw it takes {back:.0f} steps to come back, and the straight way takes {straight:.0f}: go "
            "straight to where the flag was 1"
        )
    first = np.where(on.any(0), on.argmax(0), len(on)).mean()
    return said + (
        f"Its way back after a throw is short. What costs is the first search, {first:.0f} steps on average: a search "
        "that crosses the same water less often finds the platform sooner"
    )


def standing(on: np.ndarray, place: np.ndarray, platform: np.ndarray) -> tuple[float, float, float]:
    """Off the platform: share of steps at rest before it was first found, share after that, and m from it then."""
    moved = np.linalg.norm(np.diff(place, axis=0), axis=-1)
    off, found = ~on[1:] & ~on[:-1] & ~thrown(on, place)[1:], np.maximum.accumulate(on)[:-1]
    rest, early, late = moved < 0.03 * STEP, off & ~found, off & found
    away = np.linalg.norm(place[1:] - platform, axis=-1)[late & rest]
    return (
        float(rest[early].mean()) if early.any() else 0.0,
        float(rest[late].mean()) if late.any() else 0.0,
        float(away.mean()) if away.size else 0.0,
    )


def thrown(on: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(T, n): whether step t was a throw, after five steps in a row on the platform."""
    count, out = np.zeros(on.shape[1], int), np.zeros(on.shape, bool)
    for t in range(len(on)):
        jump = t > 0 and np.linalg.norm(place[t] - place[t - 1], axis=1) > 1.05 * STEP
        out[t] = (count >= STAY) | jump
        count = np.where(on[t], np.where(out[t], 1, count + 1), 0)
    return out


def visits_of(on: np.ndarray, place: np.ndarray) -> tuple[int, int]:
    """How often the platform was entered, and how often it was left by swimming."""
    entered = on & ~np.vstack([np.zeros((1, on.shape[1]), bool), on[:-1]])
    left = on[:-1] & ~on[1:] & ~thrown(on, place)[1:]
    return max(int(entered.sum()), 1), int(left.sum())


def ways_back(on: np.ndarray, place: np.ndarray, platform: np.ndarray, least: int = 30) -> tuple[float, float]:
    """Mean steps from a throw until it is back, and the least that it could take; throws with `least` steps to go."""
    took, could = [], []
    for t, n in np.argwhere(thrown(on, place)):
        if t < len(on) - least and not on[t, n]:
            back = np.flatnonzero(on[t:, n])
            took.append(back[0] if len(back) else len(on) - t)
            could.append((np.linalg.norm(place[t, n] - platform[n]) - RADIUS) / STEP)
    return (float(np.mean(took)), float(np.ceil(np.mean(could)))) if took else (0.0, 1.0)
