"""Gradient updates per second of SAC and TD3 against Stable-Baselines3, at its setting, in the same run.

    python benchmarks/offpolicy_speed.py [--rounds 12] [--quick]

The setting: HalfCheetah-v5, networks of 256-256 ReLU units, batches of 256, an update for each transition, one thread.
Rates count all between two updates: acting, the physics, the buffer, the logs. Contestants take turns, `--rounds`
times, so that a change in the machine's mood meets all of them:
  ours              16 copies stepped together, bfloat16 factors (`products="bfloat16"`): the claim, against SB3
  ours, 1 copy      the same with a single copy, as SB3 has
  ours, float32     16 copies, float32 products: what to expect where the processor knows no bfloat16
  SB3               as it comes: one copy, float32
  SB3, bfloat16     the same with torch's own switch for such products turned on from outside
  SB3, all cores    as it comes, torch on as many threads as there are cores
"""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import asdict
from functools import partial

import torch
from _report import cli, speed_table, take_turns, write_rounds

from course_lib.envs import make
from course_lib.envs.engine.task import quiet
from course_lib.machine import cores
from course_lib.nets.ensemble import bfloat16_is_fast
from course_lib.rl.offpolicy import SAC, TD3

NAME, ENV, STARTS = "offpolicy_speed", "HalfCheetah-v5", 1_000
# What was tried for more speed, and what came of it (processor time of a SAC update, single runs on a busy machine).
TRIED = (
    "critics as one batched product a layer, autograd through every operation, 7.1 ms; one autograd node for a whole "
    "ensemble and Adam in one pass: kept, 6.6 ms",
    "gradients by hand, hidden layers in memory that is used again: kept, 5.3 ms; the bare matrix products are 4.0 ms, "
    "which is the peak of the processor in float32",
    "bfloat16 factors: kept as a switch, 3.2 ms; tensors kept in bfloat16 throughout were no faster",
    "torch.compile (Inductor) of the losses with their gradients: 9.1 ms against 6.6 ms without, and half a minute to "
    "compile; left out",
    "numbers below 1e-38, which the moments of dead units become, taken for zero: kept; a step of Adam takes 0.1 ms in "
    "place of 0.6, which is a sixth of an update",
    "the input of an ensemble laid out once for all its products: kept, 2 % of an update; float32 factors for the "
    "narrow products among bfloat16 ones: no faster",
)


class Ours:
    def __init__(self, kind, copies: int, factors: str):
        self.config = kind.Config(learning_starts=STARTS, rollout_steps=max(16 // copies, 1), products=factors)
        with contextlib.redirect_stdout(io.StringIO()):
            self.agent = kind(make(ENV, num_envs=copies, threads=1), self.config)
            while self.agent.learner.updates < 20:
                self.agent.iterate(0.0)

    def rate(self, seconds: float) -> float:
        learner, first, began = self.agent.learner, self.agent.learner.updates, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.agent.iterate(0.0)
        return (learner.updates - first) / (time.perf_counter() - began)


class SB3:
    def __init__(self, kind, factors: str, threads: int = 1):
        import gymnasium as gym

        self.factors, self.threads = factors, threads
        with quiet():
            env = gym.make(ENV)
        self.model = kind(
            "MlpPolicy", env, learning_starts=STARTS, batch_size=256, train_freq=1, gradient_steps=1, device="cpu",
            seed=0, policy_kwargs={"net_arch": [256, 256]},
        )  # fmt: skip
        self.learn(STARTS + 20)

    def learn(self, steps: int) -> None:
        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision("medium" if self.factors == "bfloat16" else "highest")
        self.model.learn(steps, reset_num_timesteps=False, log_interval=10**9)
        torch.set_float32_matmul_precision("highest")
        torch.set_num_threads(1)

    def rate(self, seconds: float) -> float:
        updates, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.learn(10)
            updates += 10
        return updates / (time.perf_counter() - began)


def contestants() -> dict:
    import stable_baselines3

    out = {}
    for name, ours in (("SAC", SAC), ("TD3", TD3)):
        theirs = getattr(stable_baselines3, name)
        out[f"{name}, ours"] = Ours(ours, 16, "bfloat16")
        out[f"{name}, SB3"] = SB3(theirs, "float32")
        out[f"{name}, ours, 1 copy"] = Ours(ours, 1, "bfloat16")
        out[f"{name}, ours, float32"] = Ours(ours, 16, "float32")
        out[f"{name}, SB3, bfloat16"] = SB3(theirs, "bfloat16")
        out[f"{name}, SB3, all cores"] = SB3(theirs, "float32", cores())
    return out


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, rounds=12, seconds=dict(default=1.5, help="of each contestant in each round"),
        quick=dict(rounds=2, seconds=0.3),
    )  # fmt: skip
    torch.set_num_threads(1)
    rate = take_turns({name: partial(c.rate, args.seconds) for name, c in contestants().items()}, args.rounds)
    print(speed_table("contestant", {"updates/s (median)": rate}, ",.0f"))
    ratios = {}
    for name in ("SAC", "TD3"):
        claim, theirs = f"{name.lower()}_updates_vs_sb3", rate[f"{name}, SB3"]
        ratios[claim] = rate[f"{name}, ours"] / theirs
        ratios[f"{claim}_1_copy"] = rate[f"{name}, ours, 1 copy"] / theirs
        ratios[f"{claim}_float32"] = rate[f"{name}, ours, float32"] / theirs
        ratios[f"{claim}_all_cores"] = rate[f"{name}, ours"] / rate[f"{name}, SB3, all cores"]
        ratios[f"{claim}_both_bfloat16"] = rate[f"{name}, ours"] / rate[f"{name}, SB3, bfloat16"]
    config = {kind.__name__: asdict(kind.Config(learning_starts=STARTS)) for kind in (SAC, TD3)}
    config = {"env": ENV, "seconds": args.seconds, "bfloat16_is_fast": bfloat16_is_fast(), **config}
    write_rounds(args, {"updates/s": rate}, ratios, config, digits=1, tried=TRIED)
