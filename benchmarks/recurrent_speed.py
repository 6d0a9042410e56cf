"""Training throughput of PPO with memory on HalfCheetah-v5 without velocities, against sb3-contrib's RecurrentPPO.

    python benchmarks/recurrent_speed.py [--rounds 6] [--quick]

Environment steps a second, everything counted, all cores allowed to all; contestants take turns:
  ours, LTC 32 and GRU 32    64 copies, PPOConfig.recommended with that cell in actor and critic
  sb3-contrib, LSTM 32       8 copies, 128 steps, batches of 128, 10 epochs: its defaults, with 32 units
The claim is the slower one of ours over theirs.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch
from _report import cli, speed_table, take_turns, write_rounds

import course_lib as cl
from course_lib.envs.engine.task import quiet
from course_lib.machine import cores

NAME, ENV = "recurrent_speed", "HalfCheetah-v5"


class Ours:
    def __init__(self, cell: str):
        config = cl.PPOConfig.recommended(ENV)
        config = cl.PPOConfig(**{**vars(config), "cell": dict(name=cell, neurons=32)})
        self.agent = cl.PPO(cl.make(ENV, num_envs=64, hide="velocities"), config)
        self.agent.iterate(0.0)

    def rate(self, seconds: float) -> float:
        torch.set_num_threads(1)
        agent, first, began = self.agent, self.agent.env_steps, time.perf_counter()
        while time.perf_counter() - began < seconds:
            agent.iterate(0.0)
        return (agent.env_steps - first) / (time.perf_counter() - began)


class Theirs:
    def __init__(self, threads: int):
        import gymnasium as gym
        from sb3_contrib import RecurrentPPO
        from stable_baselines3.common.vec_env import DummyVecEnv

        self.threads = threads
        torch.set_num_threads(threads)

        def masked():
            env = gym.make(ENV)
            space = gym.spaces.Box(-np.inf, np.inf, (8,))  # positions alone
            return gym.wrappers.TransformObservation(env, lambda x: x[:8], space)

        with quiet():
            envs = DummyVecEnv([masked] * 8)
        self.model = RecurrentPPO(
            "MlpLstmPolicy", envs, device="cpu", seed=0, policy_kwargs=dict(lstm_hidden_size=32, net_arch=[])
        )
        self.model.learn(1024)

    def rate(self, seconds: float) -> float:
        torch.set_num_threads(self.threads)
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.model.learn(1024, reset_num_timesteps=False)
            steps += 1024
        return steps / (time.perf_counter() - began)


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, rounds=6, seconds=dict(default=4.0, help="of each contestant in each round"),
        quick=dict(rounds=2, seconds=1.0),
    )  # fmt: skip
    contestants = {
        "ours, LTC 32": Ours("ltc"),
        "ours, GRU 32": Ours("gru"),
        "sb3-contrib, LSTM 32, 1 torch thread": Theirs(1),
        f"sb3-contrib, LSTM 32, {cores()} torch threads": Theirs(cores()),
    }
    rate = take_turns({name: partial(c.rate, args.seconds) for name, c in contestants.items()}, args.rounds)
    print(speed_table("contestant", {"env steps/s (median)": rate}, ",.0f"))
    ltc, gru, one, every = rate.values()
    theirs = one if np.median(one) >= np.median(every) else every
    ratios = {"recurrent_vs_sb3_contrib": np.minimum(ltc, gru) / theirs}
    ratios |= {"recurrent_ltc_vs_sb3_contrib": ltc / theirs, "recurrent_gru_vs_sb3_contrib": gru / theirs}
    config = {"env": ENV, "hide": "velocities", "neurons": 32, "seconds": args.seconds}
    write_rounds(args, {"env steps/s": rate}, ratios, config, digits=1)
