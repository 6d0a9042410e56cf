"""Notebook 05: when the runs of a race get where, and in which settings the runs that are compared differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.rl.offpolicy_config import SACConfig
from course_lib.viz.curves import curve_of

# Stable-Baselines3's SAC as it comes (version 2), beside what the benchmark sets itself.
SB3_DEFAULTS = dict(
    learning_rate=3e-4, gamma=0.99, tau=0.005, buffer_size=1_000_000, learning_starts=100, temperature=1.0,
    learn_temperature=True, critics=2, num_envs=1, products="float32",
)  # fmt: skip
LABELS = {
    "hidden": "hidden layers",
    "critics": "critics",
    "batch_size": "batch",
    "gamma": "γ",
    "tau": "τ",
    "buffer_size": "replay buffer",
    "learn_temperature": "α is learned",
    "temperature": "first α",
    "learning_rate": "learning rate",
    "updates_per_step": "updates a step",
    "learning_starts": "random steps first",
    "num_envs": "copies of the task",
    "products": "numbers in products",
}
REASONS = {  # field of SACConfig -> why the cheetah's settings differ from the defaults
    "learning_rate": "larger steps, because there are half as many of them",
    "updates_per_step": "an update costs far more time than a simulated step",
    "products": "the factors of matrix products are rounded to 8 bits of precision; much faster on some processors",
    "temperature": "the first α is nearer to the values that it learns here, so less time goes into lowering it",
}


def _curve(run, x: str, key: str) -> tuple[np.ndarray, np.ndarray]:
    curve = curve_of(run)
    at, value = np.asarray(curve[x], float), np.asarray(curve[key], float)
    good = np.isfinite(at) & np.isfinite(value)
    return at[good], value[good]


def tested(runs: Sequence[Mapping]) -> list[dict]:
    """The same runs with their tests without noise in place of their curves: `key` is then "return_deterministic"."""
    return [{"curve": {**r["tests"], "wall_seconds": 60 * np.array(r["tests"]["minutes"])}} for r in runs]


def median_at(runs: Sequence, x: str, at: float, key: str = "return_mean") -> float:
    """Median over runs of `key` where `x` is `at`; NaN where a run has no value there."""
    found = [np.interp(at, *_curve(run, x, key), left=np.nan, right=np.nan) for run in runs]
    return float(np.median(found))


def leader(runs: Mapping[str, Sequence], x: str, at: float) -> str:
    """The name whose runs have the highest median return at that `x`; ArgumentError where a run has no value there."""
    medians = {name: median_at(group, x, at) for name, group in runs.items()}
    for name, value in medians.items():
        if not np.isfinite(value):
            where = f"a {x} at which every run of {name!r} has a value"
            raise ArgumentError(f"at={at:,} is not accepted; it must be {where}")
    return max(medians, key=medians.get)


def reached(runs: Sequence, height: float, x: str = "env_steps", key: str = "return_mean") -> float:
    """Median over runs of the first `x` at which `key` is `height` or more; infinite for a run that never is."""
    first = []
    for run in runs:
        at, value = _curve(run, x, key)
        there = np.flatnonzero(value >= height)
        first.append(at[there[0]] if len(there) else np.inf)
    return float(np.median(first))


def against_sb3(config: Mapping[str, Mapping]) -> list[tuple[str, object, object]]:
    """(setting, here, Stable-Baselines3) of the runs "sac" and "sb3_sac", those that are alike first."""
    ours, peer = config["sac"], config["sb3_sac"]
    theirs = SB3_DEFAULTS | dict(
        hidden=peer["policy_kwargs"]["net_arch"],
        batch_size=peer["batch_size"],
        updates_per_step=float(peer["gradient_steps"] / peer["train_freq"]),
    )
    rows = [(label, ours[name], theirs[name]) for name, label in LABELS.items()]
    return sorted(rows, key=lambda row: row[1] != row[2])


def recipe(env_id: str = "HalfCheetah-v5") -> list[tuple[str, object, object, str]]:
    """(field, default, recommended, reason) of every setting of SAC that is not the default on this task."""
    default, used = SACConfig(), SACConfig.recommended(env_id)
    changed = [name for name in vars(default) if getattr(default, name) != getattr(used, name)]
    return [(name, getattr(default, name), getattr(used, name), REASONS[name]) for name in changed]
