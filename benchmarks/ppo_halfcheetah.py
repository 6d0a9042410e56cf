"""PPO on HalfCheetah-v5: deterministic return after 10 and after 15 minutes of wall clock on two cores.

    python benchmarks/ppo_halfcheetah.py [--seeds 0 1 2 …] [--steps 8000000] [--keep] [--quick]

Each seed trains once, with the schedule ending at `--steps`; a run that is not done after 15 minutes is cut there.
The 10-minute figure is the policy as it stood at 600 s (the finished one, where training ended sooner).

`--keep` ships the policies of the first seed at four moments.
"""

from __future__ import annotations

import copy
from dataclasses import asdict

import numpy as np
from _report import Table, claims_from, cli, column, run_all, seedless, train

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

NAME, ENV = "ppo_halfcheetah", "HalfCheetah-v5"
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
    envs = cl.make(ENV, num_envs=episodes, seed=10_000)
    returns = run_episodes(policy, envs).returns
    return float(returns.mean()), float(returns.std(ddof=1)), int((returns < returns.mean() / 2).sum())


def one_run(args, seed: int) -> dict:
    envs = cl.make(ENV, num_envs=64, seed=1000 * seed)
    agent = cl.PPO(envs, cl.PPOConfig.recommended(ENV, seed=seed))
    limits, episodes, keep = args.limits, args.episodes, args.keep and seed == args.seeds[0]
    moments = Moments(limits[:1], (1e-9, 0.02, 0.1, 1.0) if keep else ())
    run = train(agent, args.steps, callbacks=[moments], max_seconds=limits[1], progress=True)
    early = moments.at.get(limits[0], run.policy)
    first, last = deterministic_return(early, episodes), deterministic_return(run.policy, episodes)
    noisy = run_episodes(run.policy, cl.make(ENV, num_envs=episodes, seed=10_000), deterministic=False)
    if keep:
        for i, (count, policy) in enumerate(moments.snapshots):
            cl.save_policy(
                policy, f"assets/policies/halfcheetah_ppo_{i}", algorithm="ppo", seed=seed, config=asdict(agent.config),
                env_steps=count, command=f"python benchmarks/{NAME}.py --seeds {seed} --keep",
            )  # fmt: skip
    thin = slice(None, None, max(len(run.curve["env_steps"]) // 150, 1))
    names = ("env_steps", "wall_seconds", "return_mean", "approx_kl", "explained_variance", "entropy", "clip_fraction")
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


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    return claims_from({f"halfcheetah_{name}": column(rows, name) for name in ("return_10min", "return_15min")})


def report(rows: list[dict]) -> Table:
    table = Table("seed", "10 min", "15 min", "sd", "stochastic", "env steps", "trained s")
    for r in sorted(rows, key=lambda row: row["seed"]):
        table.add(r["seed"], r["return_10min"], r["return_15min"], r["sd_15min"], r["stochastic_15min"], r["env_steps"],
                  r["train_seconds"])  # fmt: skip
    ten, fifteen = (np.median(column(rows, name)) for name in ("return_10min", "return_15min"))
    table.add("median", ten, fifteen, "", "", "", "")
    table.add("before", BEFORE, BEFORE, "", "", "46,000,000", "72,000")
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(10), steps=8_000_000, keep="the policies of the first seed at four moments",
        fixed=dict(limits=(600.0, 900.0), episodes=50), quick=dict(seeds=2, limits=(8.0, 12.0), episodes=10),
    )  # fmt: skip
    facts = {"num_envs": 64, "steps": args.steps, "limits": args.limits}
    run_all(
        args, one_run, [(seed,) for seed in args.seeds], key=("seed",), claims_of=claims_of,
        config=seedless(cl.PPOConfig.recommended(ENV)) | facts, says="{return_10min:,.0f}, {return_15min:,.0f}",
        report=lambda rows: [report(rows), f"deterministic mean of {args.episodes} episodes; {len(rows)} seeds"],
        before={"best_episode": BEFORE, "environment_steps": 46_000_000, "training_hours": 20},
    )  # fmt: skip
