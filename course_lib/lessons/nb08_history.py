"""Notebook 08, exercise 8.4: how much of what is hidden the last k observations tell, for four tasks."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace

import numpy as np

import course_lib as cl


@lru_cache
def wanders(env_id, steps=60, copies=64, **options):
    """Random actions -> what happens: seen (T, N, obs), position, velocity (T, N, ·), torque (T, N)."""
    envs, rng, rows = cl.make(env_id, copies, seed=3, **options), np.random.default_rng(3), []
    seen, _ = envs.reset(seed=3)
    for _ in range(steps):
        torque = rng.uniform(-2, 2, (copies, 1))
        rows.append((seen, envs.state.qpos.copy(), envs.state.qvel.copy(), torque[:, 0]))
        seen = envs.step(torque)[0]
    return SimpleNamespace(
        **{
            k: np.stack(v)
            for k, v in zip(("seen", "position", "velocity", "torque"), zip(*rows, strict=True), strict=True)
        }
    )


def turned(seen):
    """Angles moved from step to step, from the cosine and sine that are shown (T, N, 2 or more) -> (T - 1, N)"""
    angle = np.arctan2(seen[..., 1], seen[..., 0])
    return (np.diff(angle, axis=0) + np.pi) % (2 * np.pi) - np.pi


def rate_told(k):
    """R² of the best guess of the rate from k angles: the last turn over 0.05 s, or nothing better than the mean."""
    w = wanders("MemoryPendulum-v0")
    true = w.velocity[1:, :, 0]
    return float(1 - np.square(true - turned(w.seen) / 0.05).mean() / true.var()) if k > 1 else 0.0


def length_told(k):
    """Of random rods: how much more often than by chance the length is right whose equation explains k angles.

    NaN for fewer than three: two angles give a rate, and the equation needs a change of the rate.
    """
    if k < 3:
        return np.nan
    k = min(k, 40)  # more angles add nothing
    w, off = wanders("MemoryPendulum-v0", observation="pa", length="varied"), {}
    rate, sine = turned(w.seen) / 0.05, w.seen[1:-1, :, 1]
    for rod in (0.2, 1.0):
        then = np.clip(rate[:-1] + 0.05 * (15 / rod * sine + 3 / rod**2 * w.torque[1:-1]), -8, 8)
        off[rod] = np.abs(rate[1:] - then)
    wrong = [sum(off[rod][i : len(rate) - 1 - (k - 3) + i] for i in range(k - 2)) for rod in (0.2, 1.0)]
    told = np.where(wrong[0] < wrong[1], 0.2, 1.0) == w.position[: len(wrong[0]), :, 1]
    return float(2 * told.mean() - 1)


@lru_cache
def ages_of_the_sign(copies=200):
    """Steps from the last sight of the sign to the arrival, both counted, of a driver at full speed: (copies,)"""
    envs = cl.make("CarHeavenHell-v0", copies, seed=4, hide="velocities")
    seen, said = envs.reset(seed=4)[0], np.zeros(copies)
    last, arrived = np.zeros(copies, int), np.zeros(copies, int)
    for t in range(160):
        last = np.where((seen[:, 1] != 0) & (arrived == 0), t, last)
        said = np.where(seen[:, 1] != 0, seen[:, 1], said)
        seen, _, over, _, _ = envs.step(np.where(said == 0, 1.0, said)[:, None])
        arrived = np.where(over & (arrived == 0), t, arrived)
    return arrived - last + 1


LOOKBACKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 50, 64)
TOLD = {
    "pendulum": rate_told, "rods": length_told,
    "car": lambda k: float((ages_of_the_sign() <= k).mean()), "reacher": lambda k: float(k >= 50),
}  # fmt: skip
