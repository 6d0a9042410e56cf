"""The algorithms by name: one table for `cl.`, the command line and sweeps."""

from __future__ import annotations

import importlib

from course_lib.errors import check_choice

ALGORITHMS = {
    "ppo": ("course_lib.rl.ppo", "PPO", "PPOConfig"),
    "ddpg": ("course_lib.rl.offpolicy", "DDPG", "DDPGConfig"),
    "td3": ("course_lib.rl.offpolicy", "TD3", "TD3Config"),
    "sac": ("course_lib.rl.offpolicy", "SAC", "SACConfig"),
    "rdpg": ("course_lib.rl.recurrent", "RDPG", "RDPGConfig"),
    "rtd3": ("course_lib.rl.recurrent", "RTD3", "RTD3Config"),
    "rsac": ("course_lib.rl.recurrent", "RSAC", "RSACConfig"),
}


def algorithm(name: str):
    """(agent class, config class) of an algorithm by name."""
    check_choice("algorithm", name, ALGORITHMS)
    module, agent, config = ALGORITHMS[name]
    module = importlib.import_module(module)
    return getattr(module, agent), getattr(module, config)
