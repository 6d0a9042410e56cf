"""Notebook 05: short trainings on a pendulum, and SAC with little data under settings that a learner chooses."""

from __future__ import annotations

import contextlib
import io
from functools import lru_cache

import numpy as np

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

SETTINGS = dict(hidden=(64, 64), learning_rate=1e-3, learning_starts=1_000, updates_per_step=0.5)
STEPS = 6_000  # of a training with little data
FIRST = dict(temperature=0.1)  # what SAC begins with beside SETTINGS


def pendulum(copies, seed):
    return cl.make("MemoryPendulum-v0", copies, seed=seed, observation="full")


def trained(kind, steps, seed, **changes):
    """An agent on four pendulums, trained with `SETTINGS` and `changes`, silently."""
    agent = kind(pendulum(4, seed), kind.Config(**{**SETTINGS, **changes}, seed=seed))
    with contextlib.redirect_stdout(io.StringIO()):
        return cl.train(agent, steps, progress=False).agent


def key_of(settings):
    """Settings as something that `lru_cache` can keep."""
    return tuple(sorted((name, tuple(v) if isinstance(v, list) else v) for name, v in settings.items()))


def config_of(settings):
    """The whole config of SAC under `settings`, changes to SETTINGS."""
    return cl.SACConfig(**{**SETTINGS, **FIRST, **dict(key_of(settings))})


@lru_cache
def little_data(settings):
    """SAC after 6,000 steps with each seed -> returns of 32 episodes, agents.

    settings: changes to SETTINGS, a tuple of (name, value), see `key_of`.
    """
    seeds = range(cl.budget(smoke=1, lite=3, full=5))
    agents = [trained(cl.SAC, STEPS, seed, **{**FIRST, **dict(settings)}) for seed in seeds]
    return np.array([run_episodes(agent.policy, pendulum(32, seed=50)).mean for agent in agents]), agents
