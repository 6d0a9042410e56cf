"""Throughput of PPO on HalfCheetah-v5 against SBX and Stable-Baselines3, and the share of the raw physics rate.

    python benchmarks/ppo_throughput.py [--rounds 8] [--quick]

Contestants take turns, `--rounds` times, so that a change in the machine's mood meets all of them. All may use all
cores, in float32:
  ours, recommended      64 copies, PPOConfig.recommended; the rounds together are one whole training of `--steps`,
                         because its epochs stop on KL and so take longer at the start than later
  SB3, SBX               8 copies (DummyVecEnv), 256 steps, minibatch 64, 10 epochs: rl-zoo's shape for MuJoCo tasks;
                         SBX is Stable-Baselines3 in JAX, compiled before the first round
  ours, SB3's setting    the same numbers: 8 copies, 256 steps, minibatch 64, 10 epochs, 64-64 tanh
  raw physics            mujoco.rollout alone, 64 copies, long random rollouts, as many threads as cores
Training rates count everything between two environment steps: acting, learning, logging. SB3 runs with one torch
thread and with as many as there are cores; the faster one counts.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from importlib import import_module

import mujoco
import numpy as np
import torch
from _report import cli, speed_table, take_turns, write_rounds
from mujoco.rollout import Rollout

import course_lib as cl
from course_lib.envs.engine.task import quiet
from course_lib.machine import cores

NAME, ENV = "ppo_throughput", "HalfCheetah-v5"
# What was tried for a larger share of the raw physics rate, and what came of it (single runs on an idle machine).
TRIED = (
    "Adam with clipping on one flat vector instead of thirteen tensors: kept; the reference path in torch",
    "stopping the epochs of an iteration on KL: kept; the share rises during a training",
    "actor and critic as one batched product in torch: 1.14 to 1.10 ms at minibatch 1,024; left out",
    "two torch threads in the update: quicker on idle cores, but one update took 2.8 s instead of 0.08 s when another "
    "process competed for them; left out",
    "an epoch in one call of C, products in register tiles: kept; ten times less than torch at minibatch 64",
    "actor and critic on a thread each with a barrier: 18 times slower when other work competes; a helper that takes "
    "its part only if nobody else has: kept, at most 1.8 times",
    "acting and values in C too: kept",
)
SB3_SETTING = dict(rollout_steps=256, minibatch_size=64, epochs=10, learning_rate=3e-4, gamma=0.99, gae_lambda=0.95)


class Ours:
    """PPO of this course. With `steps`, the calls to `rate` are equal parts of one training of that length."""

    def __init__(self, config: cl.PPOConfig, num_envs: int, steps: int | None = None, rounds: int = 1):
        self.agent = cl.PPO(cl.make(ENV, num_envs=num_envs), config)
        self.threads, self.steps, self.part = config.torch_threads, steps, (steps or 0) / rounds
        if steps is None:
            self.agent.iterate(0.0)

    def rate(self, seconds: float) -> float:
        torch.set_num_threads(self.threads)
        agent, first, began = self.agent, self.agent.env_steps, time.perf_counter()

        def more() -> bool:
            if self.steps is None:
                return time.perf_counter() - began < seconds
            return agent.env_steps < min(first + self.part, self.steps)

        while more():
            agent.iterate(0.0 if self.steps is None else agent.env_steps / self.steps)
        return (agent.env_steps - first) / (time.perf_counter() - began)


class SB3:
    def __init__(self, threads: int, package: str = "stable_baselines3"):
        import gymnasium as gym
        from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

        self.threads = threads
        torch.set_num_threads(threads)
        with quiet():
            envs = VecNormalize(DummyVecEnv([lambda: gym.make(ENV) for _ in range(8)]))
        ppo, setting = import_module(package).PPO, dict(n_steps=256, batch_size=64, n_epochs=10, seed=0)
        self.model = ppo("MlpPolicy", envs, **setting, **({} if package == "sbx" else {"device": "cpu"}))
        self.model.learn(4096)

    def rate(self, seconds: float) -> float:
        """Whole iterations: 2,048 steps are one rollout and its updates."""
        torch.set_num_threads(self.threads)
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.model.learn(2048, reset_num_timesteps=False)
            steps += 2048
        return steps / (time.perf_counter() - began)


class Raw:
    def __init__(self):
        task = cl.make_task(ENV)
        model, self.n, self.steps, self.skip = task.model, 64, 250, task.frame_skip
        size = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        rng = np.random.default_rng(0)
        start = task.reset(rng, self.n)
        self.start = np.concatenate([start.time[:, None], start.qpos, start.qvel], axis=1)
        assert self.start.shape[1] == size
        self.pool = Rollout(nthread=cores())
        self.models, self.datas = [model] * self.n, [mujoco.MjData(model) for _ in range(cores())]
        actions = rng.uniform(-1, 1, (self.n, self.steps, model.nu))
        self.control = np.repeat(actions, self.skip, axis=1)
        self.out = np.empty((self.n, self.steps * self.skip, size))
        self.sensors = np.empty((self.n, self.steps * self.skip, model.nsensordata))

    def rate(self, seconds: float) -> float:
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.pool.rollout(self.models, self.datas, self.start, self.control, skip_checks=True,
                              nstep=self.control.shape[1], state=self.out, sensordata=self.sensors)  # fmt: skip
            steps += self.n * self.steps
        return steps / (time.perf_counter() - began)


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, rounds=8,
        steps=dict(default=8_000_000, help="length of the training that the rounds make up"),
        seconds=dict(default=4.0, help="of each other contestant in each round"),
        quick=dict(rounds=2, seconds=1.0, steps=200_000),
    )  # fmt: skip
    recommended, same = cl.PPOConfig.recommended(ENV), cl.PPOConfig(**SB3_SETTING)
    contestants = {
        "ours, recommended": Ours(recommended, 64, args.steps, args.rounds),
        "ours, SB3's setting": Ours(same, 8),
        "SB3, 1 torch thread": SB3(1),
        f"SB3, {cores()} torch threads": SB3(cores()),
        "SBX": SB3(cores(), "sbx"),
        "raw physics": Raw(),
    }
    rate = take_turns({name: partial(c.rate, args.seconds) for name, c in contestants.items()}, args.rounds)
    print(speed_table("contestant", {"env steps/s (median)": rate}, ",.0f"))
    ours, ours_same, sb3_one, sb3_all, sbx, raw = rate.values()
    sb3 = sb3_one if np.median(sb3_one) >= np.median(sb3_all) else sb3_all
    ratios = {"ppo_vs_sb3_recommended": ours / sb3, "ppo_vs_sb3_same": ours_same / sb3}
    ratios |= {"ppo_vs_sbx_same": ours_same / sbx, "physics_share": ours / raw}
    config = {"env": ENV, "recommended": asdict(recommended), "same": asdict(same), "seconds": args.seconds}
    write_rounds(args, {"env steps/s": rate}, ratios, config, digits=1, tried=TRIED)
