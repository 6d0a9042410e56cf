"""Imitation of the five tabletop experts: one action at a time, five at a time, and neural dynamic policies.

    python benchmarks/imitation.py [--tasks Push-v0 …] [--methods step plan ndp] [--demos 50 200] [--seeds 0 1 2]
                                   [--quick]

    step   decides at every control step
    plan   decides every five steps; the network emits the five actions
    ndp    decides every five steps; the network emits goal and weights of a DMP, whose path the hand follows

All learn from the same demonstrations (the expert's own actions, in episodes whose actions are disturbed, so that the
data show how to recover), by the same loss, for the same number of updates, with networks of the same hidden layers, at
100 control steps a second; constants of the DMP as in `manipulation.py`. A success is one at the end of an episode;
each policy plays 100 without noise, from starts that were not demonstrated. Means over seeds with 95 % bootstrap
intervals, or with ranges where there are fewer than five.
"""

from __future__ import annotations

import time

import numpy as np
from _report import Table, claims_from, cli, column, parameters, run_all
from manipulation import DMP, RATE, success

import course_lib as cl
from course_lib.envs import TABLETOP
from course_lib.envs.tabletop.experts import demonstrations
from course_lib.rl.imitation import clone

NAME, DEMOS = "imitation", (50, 200)
METHODS: dict[str, dict] = {"step": {}, "plan": dict(chunk=5), "ndp": dict(chunk=5, trajectory="dmp")}  # the plan
NETWORK = dict(hidden=(128, 128))
LEARNING = dict(updates=1000, episodes=16, lr=3e-3)
# sd of the disturbance, in units of the action: what the expert still copes with in half of the episodes or more
NOISE = {"Throw-v0": 0.1, "Pick-v0": 0.2, "Push-v0": 0.5, "Soccer-v0": 0.3, "Faucet-v0": 0.5}


def run_name(task: str, method: str, demos: int) -> str:
    return f"{task} {method} {demos}"


def plan_of(task: str, method: str) -> dict:
    return METHODS[method] | (DMP[task] if "trajectory" in METHODS[method] else {})


def facts_of(task: str, method: str) -> dict:
    return {**NETWORK, **plan_of(task, method), **LEARNING, "noise": NOISE[task], "rate": RATE}


def one_run(args, task: str, method: str, demos: int, seed: int) -> dict:
    data = demonstrations(task, demos, seed=100 + seed, noise=NOISE[task], rate=RATE)
    policy = cl.PPO(cl.make(task, 64, rate=RATE), cl.PPOConfig(**NETWORK, plan=plan_of(task, method), seed=seed)).policy
    began = time.perf_counter()
    losses = clone(policy, data, seed=seed, **LEARNING | dict(updates=args.updates))
    seconds = time.perf_counter() - began
    return {
        "run": run_name(task, method, demos), "task": task, "method": method, "demos": demos, "seed": seed,
        "expert": float(data["success"].mean()), "loss": float(losses[-50:].mean()),
        "success": success(policy, task, args.episodes, 10_000, rate=RATE), "train_seconds": round(seconds, 1),
        "parameters": parameters(policy),
    }  # fmt: skip


def successes(rows: list[dict], task: str, method: str, demos: int) -> list[float]:
    return column(rows, "success", run=run_name(task, method, demos))


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    runs = [(task, method, demos) for task in TABLETOP for demos in DEMOS for method in METHODS]
    names = [f"cloned_{method}_{task.split('-')[0].lower()}_{demos}" for task, method, demos in runs]
    return claims_from({name: successes(rows, *run) for name, run in zip(names, runs, strict=True)}, np.mean)


def report(rows: list[dict]) -> Table:
    table = Table("task", "demonstrations", *METHODS, "seeds", "s")
    for task in TABLETOP:
        for demos in DEMOS:
            found = {m: successes(rows, task, m, demos) for m in METHODS}
            if all(found.values()):
                seconds = column(rows, "train_seconds", task=task, demos=demos)
                cells = [f"{np.mean(v):.0%} ({min(v):.0%} to {max(v):.0%})" for v in found.values()]
                table.add(task, demos, *cells, len(found["ndp"]), float(np.median(seconds)))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), tasks=[*TABLETOP], methods=[*METHODS], demos=[*DEMOS],
        fixed=dict(updates=LEARNING["updates"], episodes=100), quick=dict(seeds=1, demos=1, updates=5, episodes=4),
    )  # fmt: skip
    config = {run_name(t, m, n): facts_of(t, m) for t in TABLETOP for m in METHODS for n in DEMOS}
    wanted = [(t, m, n, seed) for t in args.tasks for n in args.demos for seed in args.seeds for m in args.methods]
    run_all(
        args, one_run, wanted, key=("task", "method", "demos", "seed"), config=config, part="run",
        claims_of=claims_of, report=report, says="success {success:.0%}",
    )  # fmt: skip
