"""PPO on HalfCheetah-v5: deterministic return after 10 and after 15 minutes of wall clock on two cores.

    python benchmarks/ppo_halfcheetah.py [--seeds 0 1 2 3 4] [--steps 8000000] [--json FILE] [--quick]

Each seed trains once, with the schedule ending at `--steps`; a run that is not done after 15 minutes is cut there.
The 10-minute figure is the policy as it stood at 600 s (the finished one, where training ended sooner). Every
finished seed is added to the result file at once, so that a stop loses one run at most; seeds already there, with the
same configuration, are not trained again.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import Table, median_interval, read_result, write_result

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

NAME = "ppo_halfcheetah"
BEFORE = 5734  # the predecessor's best single episode, after about 20 h


class Moments:
    """Keeps the policy as it was at given wall-clock seconds, and at given shares of the training."""

    def __init__(self, seconds: tuple[float, ...], shares: tuple[float, ...] = ()):
        self.seconds, self.shares = list(seconds), list(shares)
        self.at: dict[float, object] = {}
        self.snapshots: list[tuple[int, object]] = []

    def on_update(self, run):
        while self.seconds and run.wall_seconds >= self.seconds[0]:
            self.at[self.seconds.pop(0)] = copy.deepcopy(run.policy)
        while self.shares and run.agent.env_steps >= self.shares[0] * run.target:
            self.shares.pop(0)
            self.snapshots.append((run.agent.env_steps, copy.deepcopy(run.policy)))


def deterministic_return(policy, episodes: int) -> tuple[float, float, int]:
    """(mean, sd, episodes below half the mean) over `episodes` deterministic episodes from fixed start states."""
    envs = cl.make("HalfCheetah-v5", num_envs=episodes, seed=10_000)
    returns = run_episodes(policy, envs).returns
    return float(returns.mean()), float(returns.std(ddof=1)), int((returns < returns.mean() / 2).sum())


def one_seed(
    seed: int, steps: int, limits: tuple[float, float], episodes: int, keep: Path | None, progress: bool
) -> dict:
    envs = cl.make("HalfCheetah-v5", num_envs=64, seed=1000 * seed)
    agent = cl.PPO(envs, cl.PPOConfig.recommended("HalfCheetah-v5", seed=seed))
    moments = Moments(limits[:1], (1e-9, 0.02, 0.1, 1.0) if keep else ())
    run = cl.train(agent, steps, callbacks=[moments], max_seconds=limits[1], progress=progress)
    early = moments.at.get(limits[0], run.policy)
    first, last = deterministic_return(early, episodes), deterministic_return(run.policy, episodes)
    noisy = run_episodes(run.policy, cl.make("HalfCheetah-v5", num_envs=episodes, seed=10_000), deterministic=False)
    if keep:
        for i, (count, policy) in enumerate(moments.snapshots):
            cl.save_policy(
                policy, keep / f"halfcheetah_ppo_{i}", algorithm="ppo", seed=seed, config=asdict(agent.config),
                env_steps=count, command=f"python benchmarks/{NAME}.py --seeds {seed} --keep",
            )  # fmt: skip
    thin = slice(None, None, max(len(run.curve["env_steps"]) // 150, 1))
    names = (
        "env_steps",
        "wall_seconds",
        "return_mean",
        "approx_kl",
        "explained_variance",
        "entropy",
        "clip_fraction",
    )
    return {
        "seed": seed,
        "return_10min": first[0],
        "return_15min": last[0],
        "sd_15min": last[1],
        "falls_15min": last[2],
        "stochastic_15min": noisy.mean,
        "env_steps": int(agent.env_steps),
        "train_seconds": round(run.wall_seconds, 1),
        "curve": {name: [round(float(v), 4) for v in run.curve[name][thin]] for name in names},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=8_000_000)
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--keep", action="store_true", help="ship the policies of the first seed at four moments")
    parser.add_argument("--quick", action="store_true", help="two seeds, 12 s each: checks the script, claims nothing")
    args = parser.parse_args()
    limits, episodes = (600.0, 900.0), 50
    if args.quick:
        args.seeds, limits, episodes = args.seeds[:2], (8.0, 12.0), 10
        if args.json == parser.get_default("json"):
            args.json = Path("build") / f"{NAME}_quick.json"
    config = asdict(cl.PPOConfig.recommended("HalfCheetah-v5")) | {
        "num_envs": 64,
        "steps": args.steps,
        "limits": limits,
    }
    config.pop("seed")
    known = read_result(args.json, config)
    began = time.perf_counter()
    for seed in args.seeds:
        if not any(row["seed"] == seed for row in known):
            keep = Path("assets/policies") if args.keep and seed == args.seeds[0] and not args.quick else None
            known.append(one_seed(seed, args.steps, limits, episodes, keep, progress=True))
        rows = sorted(known, key=lambda row: row["seed"])
        ten, fifteen = ([row[k] for row in rows] for k in ("return_10min", "return_15min"))
        write_result(
            args.json,
            claims={
                "halfcheetah_return_10min": float(np.median(ten)),
                "halfcheetah_return_15min": float(np.median(fifteen)),
            },
            intervals={
                "halfcheetah_return_10min": median_interval(ten),
                "halfcheetah_return_15min": median_interval(fifteen),
            },
            seeds=[row["seed"] for row in rows],
            per_seed=rows,
            config=config,
            wall_seconds=sum(row["train_seconds"] for row in rows),
            command=f"python benchmarks/{NAME}.py",
            before={"best_episode": BEFORE, "environment_steps": 46_000_000, "training_hours": 20},
        )
    table = Table("seed", "10 min", "15 min", "sd", "stochastic", "env steps", "trained s")
    for r in rows:
        table.add(r["seed"], r["return_10min"], r["return_15min"], r["sd_15min"], r["stochastic_15min"], r["env_steps"],
                  r["train_seconds"])  # fmt: skip
    table.add("median", np.median(ten), np.median(fifteen), "", "", "", "")
    table.add("before", BEFORE, BEFORE, "", "", "46,000,000", "72,000")
    print(table)
    print(
        f"deterministic mean of {episodes} episodes; {len(rows)} seeds; "
        f"{time.perf_counter() - began:.0f} s for this call"
    )
    print(f"halfcheetah_return_10min={np.median(ten):.0f}")
    print(f"halfcheetah_return_15min={np.median(fifteen):.0f}")


if __name__ == "__main__":
    main()
