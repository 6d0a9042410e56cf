"""Imitation of the five tabletop experts: one action at a time, five at a time, and neural dynamic policies.

    python benchmarks/imitation.py [--tasks Push-v0 …] [--methods step plan ndp] [--demos 50 200] [--seeds 0 1 2]
                                   [--json FILE] [--include FILE …] [--quick]

    step   decides at every control step
    plan   decides every five steps; the network emits the five actions
    ndp    decides every five steps; the network emits goal and weights of a DMP, whose path the hand follows

All learn from the same demonstrations (the expert's own actions, in episodes whose actions are disturbed, so that the
data show how to recover), by the same loss, for the same number of updates, with networks of the same hidden layers, at
100 control steps a second; constants of the DMP as in `manipulation.py`. A success is one at the end of an episode;
each policy plays 100 without noise, from starts that were not demonstrated. Means over seeds with 95 % bootstrap
intervals. Every finished run is added to the result file at once.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from _report import INCLUDE, Table, known_runs, write_runs
from manipulation import DMP, RATE, success

import course_lib as cl
from course_lib.envs import TABLETOP
from course_lib.envs.tabletop.experts import demonstrations
from course_lib.evaluation.returns import bootstrap_interval
from course_lib.rl.imitation import clone

NAME, DEMOS = "imitation", (50, 200)
METHODS: dict[str, dict] = {"step": {}, "plan": dict(chunk=5), "ndp": dict(chunk=5, trajectory="dmp")}
NETWORK = dict(hidden=(128, 128))
LEARNING = dict(updates=1000, episodes=16, lr=3e-3)
# sd of the disturbance, in units of the action: what the expert still copes with in half of the episodes or more
NOISE = {"Throw-v0": 0.1, "Pick-v0": 0.2, "Push-v0": 0.5, "Soccer-v0": 0.3, "Faucet-v0": 0.5}


def run_name(task: str, method: str, demos: int) -> str:
    return f"{task} {method} {demos}"


def facts_of(task: str, method: str) -> dict:
    dmp = DMP[task] if "trajectory" in METHODS[method] else {}
    return {**NETWORK, **METHODS[method], **dmp, **LEARNING, "noise": NOISE[task], "rate": RATE}


def one_run(task: str, method: str, demos: int, seed: int, updates: int, episodes: int) -> dict:
    network = {k: v for k, v in facts_of(task, method).items() if k not in (*LEARNING, "noise", "rate")}
    data = demonstrations(task, demos, seed=100 + seed, noise=NOISE[task], rate=RATE)
    policy = cl.PPO(cl.make(task, 64, rate=RATE), cl.PPOConfig(**network, seed=seed)).policy
    began = time.perf_counter()
    losses = clone(policy, data, seed=seed, **LEARNING | dict(updates=updates))
    seconds = time.perf_counter() - began
    return {
        "run": run_name(task, method, demos), "task": task, "method": method, "demos": demos, "seed": seed,
        "expert": float(data["success"].mean()), "loss": float(losses[-50:].mean()),
        "success": success(policy, task, episodes, 10_000, rate=RATE), "train_seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in policy.parameters()),
    }  # fmt: skip


def successes(rows: list[dict], task: str, method: str, demos: int) -> list[float]:
    return [r["success"] for r in rows if r["run"] == run_name(task, method, demos)]


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    claims, intervals = {}, {}
    for task in TABLETOP:
        for demos in DEMOS:
            for method in METHODS:
                if len(values := np.array(successes(rows, task, method, demos))):
                    name = f"cloned_{method}_{task.split('-')[0].lower()}_{demos}"
                    claims[name] = float(values.mean())
                    intervals[name] = list(bootstrap_interval(values)) if len(values) > 1 else [claims[name]] * 2
    return claims, intervals


def report(rows: list[dict]) -> Table:
    table = Table("task", "demonstrations", *METHODS, "seeds", "s")
    for task in TABLETOP:
        for demos in DEMOS:
            found = {m: successes(rows, task, m, demos) for m in METHODS}
            if all(found.values()):
                seconds = [r["train_seconds"] for r in rows if (r["task"], r["demos"]) == (task, demos)]
                cells = [f"{np.mean(v):.0%} ({min(v):.0%} to {max(v):.0%})" for v in found.values()]
                table.add(task, demos, *cells, len(found["ndp"]), float(np.median(seconds)))
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TABLETOP), choices=list(TABLETOP))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--demos", type=int, nargs="+", default=list(DEMOS), choices=DEMOS)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--include", type=Path, nargs="*", default=[], help=INCLUDE)
    parser.add_argument("--quick", action="store_true", help="one short run of each; claims nothing")
    args = parser.parse_args()
    if args.quick:
        args.seeds, args.demos = args.seeds[:1], [DEMOS[0]]
        args.json = Path("build") / f"{NAME}_quick.json" if args.json == parser.get_default("json") else args.json
    config = {run_name(t, m, n): facts_of(t, m) for t in TABLETOP for m in METHODS for n in DEMOS}
    rows = known_runs([args.json, *args.include], config)

    def save() -> None:
        write_runs(args.json, NAME, rows, config, claims_of, args.include)

    if args.include:
        save()
    wanted = [(t, n, s, m) for t in args.tasks for n in args.demos for s in args.seeds for m in args.methods]
    for task, demos, seed, method in wanted:
        if any((r["run"], r["seed"]) == (run_name(task, method, demos), seed) for r in rows):
            continue
        updates, episodes = (5, 4) if args.quick else (LEARNING["updates"], 100)
        rows.append(one_run(task, method, demos, seed, updates, episodes))
        save()
        print(f"{rows[-1]['run']}, seed {seed}: success {rows[-1]['success']:.0%}", flush=True)
    print(report(rows))


if __name__ == "__main__":
    main()
