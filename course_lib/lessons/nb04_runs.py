"""Notebook 04: short trainings of the pole, each with its own settings, and gradients cut after L steps; all kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import lru_cache

import torch
from torch import Tensor

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.policies.actor_critics import gaussian_log_prob

CELL = dict(name="ltc", neurons=8, critic="mlp")
BASE = dict(
    rollout_steps=32, minibatch_size=64, sequence_length=32, learning_rate=5e-3, lr_schedule="constant", cell=CELL
)
POLE_STEPS = 4096
LENGTHS = (1, 2, 4, 8, 16, 32, 64)


@lru_cache
def pole_run(settings: str, seed: int) -> tuple[dict, float]:
    """Train the pole with `settings`, a dict as JSON -> curve, mean return of 16 episodes without noise."""
    config = cl.PPOConfig.from_dict({**json.loads(settings), "seed": seed})
    run = cl.train(cl.PPO(cl.make("InvertedPendulum-v5", num_envs=8, seed=seed), config), POLE_STEPS, progress=False)
    return run.curve, run_episodes(run.policy, cl.make("InvertedPendulum-v5", num_envs=16, seed=50)).mean


def settings_with(change: Mapping) -> str:
    """BASE with a change -> all settings as JSON."""
    return json.dumps(asdict(cl.PPOConfig(**{**BASE, **change})))


def measured(changes: Mapping[str, Mapping], seeds: Iterable[int]) -> dict[str, list[float]]:
    """name -> returns of a training with this change alone, one a seed."""
    return {name: [pole_run(settings_with(change), seed)[1] for seed in seeds] for name, change in changes.items()}


@lru_cache
def truncated_gradients(seed: int) -> dict[int, Tensor]:
    """Length L of the pieces -> gradient of the surrogate (2.2) for the cell's weights, one vector."""
    config = cl.PPOConfig(
        cell="ltc", rollout_steps=64, minibatch_size=512, sequence_length=32, learning_rate=1e-2, lr_schedule="constant"
    )
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=64, seed=seed), config)
    cl.train(agent, 12_288, progress=False)
    rollout, _ = agent.collect()
    policy, a = agent.policy, (rollout.advantage - rollout.advantage.mean()) / rollout.advantage.std()
    gradients = {}
    for length in LENGTHS:
        p = replace(rollout, advantage=a).segments(length)
        mean, _ = policy.sequence(p.x, p.state, p.starts)
        ratio = (gaussian_log_prob(p.action, mean, policy.log_std) - p.log_prob).exp()
        found = torch.autograd.grad((ratio * p.advantage).mean(), list(policy.cell.parameters()))
        gradients[length] = torch.cat([g.flatten() for g in found])
    return gradients


def gradient_errors(seed: int = 0) -> dict[int, float]:
    """L -> ‖g_L - g‖ / ‖g‖, where g is the gradient of one piece of 64 steps."""
    g = truncated_gradients(seed)
    return {length: ((g[length] - g[64]).norm() / g[64].norm()).item() for length in g}
