"""Gradient updates per second of SAC and TD3 against SBX and Stable-Baselines3, and the share of the bare products.

    python benchmarks/offpolicy_speed.py [--rounds 12] [--quick]

The setting: HalfCheetah-v5, networks of 256-256 ReLU units, batches of 256, an update for each transition, float32, all
cores allowed to all. Rates count all between two updates: acting, the physics, the buffer, the logs. Contestants take
turns, `--rounds` times, so that a change in the machine's mood meets all of them:
  ours              16 copies stepped together, then 16 updates, as the course trains
  ours, 1 copy      a copy, an update
  ours, bfloat16    16 copies with bfloat16 factors (`products="bfloat16"`): quicker where the processor has them
  SBX, SBX 16       Stable-Baselines3 in JAX, as it comes with one copy, and with 16 copies and then 16 updates
  SB3               one copy, one torch thread and as many as there are cores; the faster one counts
  products          the matrix products of an update of SAC and nothing else, by torch on all cores; passes in C,
                    with each layer's work in the cache, can be faster
"""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import asdict
from functools import partial
from importlib import import_module

import numpy as np
import torch
from _report import cli, speed_table, take_turns, write_rounds

from course_lib.envs import make
from course_lib.envs.engine.task import quiet
from course_lib.machine import cores
from course_lib.nets.ensemble import bfloat16_is_fast
from course_lib.rl.offpolicy import SAC, TD3

NAME, ENV, STARTS, BATCH = "offpolicy_speed", "HalfCheetah-v5", 1_000, 256
# What was tried for more speed, and what came of it (single runs on a busy machine).
TRIED = (
    "critics as one batched product a layer, autograd through every operation, 7.1 ms; one autograd node for a whole "
    "ensemble and Adam in one pass, 6.6 ms",
    "gradients by hand, hidden layers in memory that is used again: kept as the reference, 5.3 ms",
    "bfloat16 factors: kept as a switch; tensors kept in bfloat16 throughout were no faster",
    "torch.compile (Inductor) of the losses with their gradients: 9.1 ms against 6.6 ms without, and half a minute to "
    "compile; left out",
    "numbers below 1e-38, which the moments of dead units become, taken for zero: kept; a step of Adam takes 0.1 ms in "
    "place of 0.6",
    "passes through the networks in C, a network or half of the samples on each of two threads: kept",
)


class Ours:
    def __init__(self, kind, copies: int, factors: str = "float32"):
        self.config = kind.Config(learning_starts=STARTS, rollout_steps=max(16 // copies, 1), products=factors)
        with contextlib.redirect_stdout(io.StringIO()):
            self.agent = kind(make(ENV, num_envs=copies), self.config)
            while self.agent.learner.updates < 20:
                self.agent.iterate(0.0)

    def rate(self, seconds: float) -> float:
        torch.set_num_threads(1)
        learner, first, began = self.agent.learner, self.agent.learner.updates, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.agent.iterate(0.0)
        return (learner.updates - first) / (time.perf_counter() - began)


class Theirs:
    def __init__(self, package: str, name: str, copies: int = 1, threads: int = 1):
        import gymnasium as gym
        from stable_baselines3.common.vec_env import DummyVecEnv

        with quiet():
            env = DummyVecEnv([lambda: gym.make(ENV)] * copies)
        self.threads, self.copies = threads, copies
        self.model = getattr(import_module(package), name)(
            "MlpPolicy", env, learning_starts=STARTS, batch_size=BATCH, train_freq=1, gradient_steps=copies, seed=0,
            policy_kwargs={"net_arch": [256, 256]}, **({} if package == "sbx" else {"device": "cpu"}),
        )  # fmt: skip
        self.learn(STARTS + 20 * copies)

    def learn(self, steps: int) -> None:
        torch.set_num_threads(self.threads)
        self.model.learn(steps, reset_num_timesteps=False, log_interval=10**9)
        torch.set_num_threads(1)

    def rate(self, seconds: float) -> float:
        """Updates are as many as transitions."""
        updates, began, some = 0, time.perf_counter(), max(48, self.copies)
        while time.perf_counter() - began < seconds:
            self.learn(some)
            updates += some
        return updates / (time.perf_counter() - began)


class Products:
    """The products of an update of SAC: two passes of the actor and one back, three of the critics and two back."""

    def __init__(self):
        actor, critic = [17, 256, 256, 12], [23, 256, 256, 1]
        self.calls = []

        def add(members: int, m: int, k: int, n: int):
            a, b = torch.randn(members, m, k), torch.randn(members, k, n)
            self.calls.append((a, b, torch.empty(members, m, n)))

        def forward(members: int, sizes: list[int]):
            for a, b in zip(sizes[:-1], sizes[1:], strict=True):
                add(members, BATCH, a, b)

        def backward(members: int, sizes: list[int], weights: bool, first: int = 0):
            for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
                if weights:
                    add(members, a, BATCH, b)
                if i or first:
                    add(members, BATCH, b, a if i else first)

        forward(1, actor), forward(1, actor), backward(1, actor, True)
        forward(2, critic), forward(2, critic), backward(2, critic, True)
        forward(2, critic), backward(2, critic, False, 6)

    def rate(self, seconds: float) -> float:
        torch.set_num_threads(cores())
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for a, b, out in self.calls:
                torch.bmm(a, b, out=out)
            count += 1
        rate = count / (time.perf_counter() - began)
        torch.set_num_threads(1)
        return rate


def contestants() -> dict:
    out = {}
    for name, ours in (("SAC", SAC), ("TD3", TD3)):
        out[f"{name}, ours"] = Ours(ours, 16)
        out[f"{name}, ours, 1 copy"] = Ours(ours, 1)
        out[f"{name}, ours, bfloat16"] = Ours(ours, 16, "bfloat16")
        out[f"{name}, SBX"] = Theirs("sbx", name)
        out[f"{name}, SBX 16"] = Theirs("sbx", name, copies=16)
        out[f"{name}, SB3, 1 thread"] = Theirs("stable_baselines3", name)
        out[f"{name}, SB3, {cores()} threads"] = Theirs("stable_baselines3", name, threads=cores())
    return out | {"SAC's products": Products()}


def faster(*rates: np.ndarray) -> np.ndarray:
    """The rates of the contestant with the greater median."""
    return max(rates, key=np.median)


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, rounds=12, seconds=dict(default=2.0, help="of each contestant in each round"),
        quick=dict(rounds=2, seconds=0.3),
    )  # fmt: skip
    torch.set_num_threads(1)
    rate = take_turns({name: partial(c.rate, args.seconds) for name, c in contestants().items()}, args.rounds)
    print(speed_table("contestant", {"updates/s (median)": rate}, ",.0f"))
    ratios = {"sac_gemm_share": rate["SAC, ours"] / rate["SAC's products"]}
    for name in ("SAC", "TD3"):
        sb3 = faster(rate[f"{name}, SB3, 1 thread"], rate[f"{name}, SB3, {cores()} threads"])
        claim = f"{name.lower()}_updates_vs"
        ratios[f"{claim}_sbx"] = rate[f"{name}, ours"] / rate[f"{name}, SBX"]
        ratios[f"{claim}_sb3"] = rate[f"{name}, ours"] / sb3
        ratios[f"{claim}_sb3_1_copy"] = rate[f"{name}, ours, 1 copy"] / sb3
        ratios[f"{claim}_sbx_16_copies"] = rate[f"{name}, ours"] / rate[f"{name}, SBX 16"]
        ratios[f"{claim}_sbx_1_copy"] = rate[f"{name}, ours, 1 copy"] / rate[f"{name}, SBX"]
        ratios[f"{claim}_sb3_bfloat16"] = rate[f"{name}, ours, bfloat16"] / sb3
    config = {kind.__name__: asdict(kind.Config(learning_starts=STARTS)) for kind in (SAC, TD3)}
    config = {"env": ENV, "seconds": args.seconds, "bfloat16_is_fast": bfloat16_is_fast(), **config}
    write_rounds(args, {"updates/s": rate}, ratios, config, digits=1, tried=TRIED)
