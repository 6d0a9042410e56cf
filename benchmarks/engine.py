"""Environment steps per second: this course's engine against Gymnasium's, EnvPool's and MuJoCo alone.

    python benchmarks/engine.py [--rounds 15] [--seconds 0.5] [--quick]

Random actions, drawn beforehand, on HalfCheetah-v5, Ant-v5, Humanoid-v5 and AnymalC-v0. Contestants take turns in every
round, so that a change in the machine's mood meets all of them; ratios are taken within a round. Every one uses all
cores it can:
  Sync, Async     gymnasium.vector, 64 copies in one process; 16 copies in 16 processes
  EnvPool         64 copies, as many threads as cores; same reward, termination and observation sizes, with the contact
                  forces where Gymnasium has them; it brings its own build of MuJoCo
  ours            1, 16, 64 and 256 copies, as many threads as cores
  raw             mujoco.rollout, 64 copies, 50 control steps a call: no observations, rewards or resets
On AnymalC-v0, a task of this course, Gymnasium's side runs the same task one copy a process; only Async and ours.
"""

from __future__ import annotations

import time
from functools import partial

import gymnasium as gym
import mujoco
import numpy as np
from _report import cli, speed_table, take_turns, write_rounds
from mujoco.rollout import Rollout

from course_lib.envs import make, make_task
from course_lib.envs.engine.task import quiet
from course_lib.machine import cores

NAME, IDS, OWN = "engine", ("HalfCheetah-v5", "Ant-v5", "Humanoid-v5"), "AnymalC-v0"
COPIES, ASYNC_COPIES, BATCHES = 64, 16, 50


def random_actions(id: str, copies: int) -> np.ndarray:
    """(BATCHES, copies, action_dim) float32, within the bounds."""
    task = make_task(id)
    shape = (BATCHES, copies, task.model.nu)
    return np.random.default_rng(0).uniform(task.action_low, task.action_high, shape).astype(np.float32)


class Vector:
    """Anything with `reset` and `step` on `copies` copies."""

    def __init__(self, envs, id: str, copies: int, dtype=np.float32):
        self.envs, self.copies, self.at = envs, copies, 0
        self.actions = random_actions(id, copies).astype(dtype)
        envs.reset()

    def rate(self, seconds: float) -> float:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self.envs.step(self.actions[self.at % BATCHES])
            self.at += 1
            count += self.copies
        return count / (time.perf_counter() - began)

    def close(self) -> None:
        self.envs.close()


class Raw:
    """`mujoco.rollout` and nothing else."""

    def __init__(self, id: str, copies: int):
        task = make_task(id)
        model, self.copies = task.model, copies
        start = task.reset(np.random.default_rng(0), copies)
        self.first = np.concatenate([start.time[:, None], start.qpos, start.qvel], axis=1)
        self.state, self.limit = self.first, task.horizon * task.dt
        self.pool, self.models = Rollout(nthread=cores()), [model] * copies
        self.datas = [mujoco.MjData(model) for _ in range(cores())]
        actions = random_actions(id, copies).swapaxes(0, 1).astype(float)
        self.control = np.repeat(actions, task.frame_skip, axis=1)
        self.steps = self.control.shape[1]
        self.out = np.empty((copies, self.steps, self.first.shape[1]))
        self.sensors = np.empty((copies, self.steps, model.nsensordata))

    def rate(self, seconds: float) -> float:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            if self.state[0, 0] >= self.limit:
                self.state = self.first
            self.pool.rollout(self.models, self.datas, self.state, self.control, skip_checks=True,
                              nstep=self.steps, state=self.out, sensordata=self.sensors)  # fmt: skip
            self.state = self.out[:, -1].copy()
            count += self.copies * BATCHES
        return count / (time.perf_counter() - began)

    def close(self) -> None:
        self.pool.close()


def envpool(id: str):
    """EnvPool's environment, or None where it is not installed."""
    try:
        import envpool
    except ImportError:
        return None
    options = dict(env_type="gymnasium", num_envs=COPIES, num_threads=cores(), seed=0)
    return Vector(envpool.make(id, **options), id, COPIES, np.float64)


def contestants(id: str) -> dict:
    """Name -> something with `rate(seconds)`, ready to run."""
    if id == OWN:
        sync = gym.make_vec(f"course/{id}", COPIES, vectorization_mode="sync")
        processes = gym.make_vec(f"course/{id}", ASYNC_COPIES, vectorization_mode="async")
        return {
            f"Gymnasium SyncVectorEnv, {COPIES}": Vector(sync, id, COPIES),
            f"Gymnasium AsyncVectorEnv, {ASYNC_COPIES}": Vector(processes, id, ASYNC_COPIES),
            f"ours, {COPIES}": Vector(make(id, COPIES), id, COPIES),
        }
    with quiet():
        sync = gym.make_vec(id, COPIES, vectorization_mode="sync")
        processes = gym.make_vec(id, ASYNC_COPIES, vectorization_mode="async")
    out = {
        f"Gymnasium SyncVectorEnv, {COPIES}": Vector(sync, id, COPIES),
        f"Gymnasium AsyncVectorEnv, {ASYNC_COPIES}": Vector(processes, id, ASYNC_COPIES),
        **{f"ours, {n}": Vector(make(id, n), id, n) for n in (1, 16, 256)},
        # The three that the claims compare run one right after another.
        f"EnvPool, {COPIES}": envpool(id),
        f"ours, {COPIES}": Vector(make(id, COPIES), id, COPIES),
        f"raw mujoco.rollout, {COPIES}": Raw(id, COPIES),
    }
    return {name: contestant for name, contestant in out.items() if contestant is not None}


def ratios_of(rates: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Claim -> its value in each round."""
    out = {}
    for id, short in zip(IDS, ("halfcheetah", "ant", "humanoid"), strict=True):
        if f"EnvPool, {COPIES}" in rates[id]:
            out[f"engine_vs_envpool_{short}"] = rates[id][f"ours, {COPIES}"] / rates[id][f"EnvPool, {COPIES}"]
    cheetah = rates["HalfCheetah-v5"]
    out["engine_share_of_raw"] = cheetah[f"ours, {COPIES}"] / cheetah[f"raw mujoco.rollout, {COPIES}"]
    peers = [rate for name, rate in rates[OWN].items() if name.startswith("Gymnasium")]
    out["engine_vs_gymnasium_anymal"] = rates[OWN][f"ours, {COPIES}"] / max(peers, key=np.median)
    return out


def measure(rounds: int, seconds: float) -> dict[str, dict[str, np.ndarray]]:
    """id -> contestant -> env steps/s in each round (rounds,)."""
    rates = {}
    for id in (*IDS, OWN):
        fields = contestants(id)
        for contestant in fields.values():
            contestant.rate(0.05)  # first calls allocate
        rates[id] = take_turns({name: partial(c.rate, seconds) for name, c in fields.items()}, rounds)
        for contestant in fields.values():
            contestant.close()
    return rates


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, rounds=15, seconds=dict(default=0.5, help="of each contestant in each round"),
        quick=dict(rounds=5, seconds=0.2),
    )  # fmt: skip
    rates = measure(args.rounds, args.seconds)
    print(speed_table("env steps/s, median of rounds", rates, ",.0f"))
    if f"EnvPool, {COPIES}" not in rates[IDS[0]]:
        print("EnvPool is not installed (pip install envpool): no comparison with it")
    facts = {"ids": [*rates], "copies": COPIES, "threads": cores(), "rounds": args.rounds, "seconds": args.seconds}
    write_rounds(args, rates, ratios_of(rates), facts, digits=1)
