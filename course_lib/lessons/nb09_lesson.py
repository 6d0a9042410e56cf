"""Notebook 09, section 6: disturbed demonstrations, and what a policy learns from a few of them (exercise 9.5)."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache

import numpy as np

import course_lib as cl
from course_lib.envs.tabletop.experts import demonstrations
from course_lib.evaluation.returns import run_episodes
from course_lib.rl.imitation import clone

DEMONSTRATIONS, UPDATES, PER_UPDATE, WANTED = 40, 800, 6, 0.4  # of a plain policy with noise 0.5, 0.7 or more push


def read_lesson(answer: object) -> tuple[float, cl.PPOConfig]:
    """Noise and settings from what `my_lesson` returned: a pair in any container, or a dict with "noise".

    Raises:
        KeyError, TypeError, ValueError: it does not hold these two.
    """
    if isinstance(answer, Mapping):
        rest = dict(answer)
        noise, settings = rest.pop("noise"), next(iter(rest.values()), {})
        if len(rest) > 1:
            raise ValueError("more than two things")
    else:
        noise, settings = answer
    noise = float(np.asarray(noise.detach() if hasattr(noise, "detach") else noise, dtype=float).item())
    if isinstance(settings, cl.PPOConfig):
        return noise, settings
    return noise, cl.PPOConfig(**{"hidden": (128, 128), **dict(settings)})


def readable(answer: object) -> bool:
    """Whether `read_lesson` can read it."""
    try:
        return bool(read_lesson(answer))
    except (KeyError, TypeError, ValueError):
        return False


def chunk(answer: object) -> int:
    """Steps that a plan of an answer has."""
    return read_lesson(answer)[1].plan.chunk


def pushes(policy, episodes: int = 100, seed: int = 99) -> float:
    """Share of episodes that end with the puck on the mark."""
    return run_episodes(policy, cl.make("Push-v0", episodes, seed=seed, rate=100)).success_rate


def taught(answer: object) -> float:
    """Success after learning from a few demonstrations of pushing, with the noise and the network of an answer."""
    noise, config = read_lesson(answer)
    return _taught(noise, json.dumps(asdict(config), sort_keys=True))


def disturbed(count: int):
    """The demonstrations of pushing that the notebook learns from before the exercise."""
    return demonstrations("Push-v0", count, seed=7, noise=0.5, rate=100)


@lru_cache
def _taught(noise: float, settings: str) -> float:
    with contextlib.redirect_stdout(io.StringIO()):  # a check prints one line
        policy = cl.PPO(cl.make("Push-v0", 64, rate=100), cl.PPOConfig(**json.loads(settings))).policy
        shown = demonstrations("Push-v0", DEMONSTRATIONS, seed=8, noise=noise, rate=100)
        clone(policy, shown, updates=UPDATES, episodes=PER_UPDATE)
        return pushes(policy)
