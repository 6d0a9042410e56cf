"""Five tasks on a table: PPO, PPO that plans five actions at once, neural dynamic policies, and those of a liquid cell.

    python benchmarks/manipulation.py [--tasks Push-v0 …] [--methods ppo ppo_multi ndp ndp_ltc] [--seeds 0 1 2]
                                      [--steps N] [--json FILE] [--keep] [--quick]

    ppo        decides at every control step
    ppo_multi  decides every five steps; the network emits the five actions
    ndp        decides every five steps; the network emits goal and weights of a DMP, whose path the hand follows
    ndp_ltc    the same, goal and weights read out from a liquid cell of 32 neurons
    ndp_plan   ndp with the noise on goal and weights in place of the actions; only on demand

All see the same environments, goals, rewards at the same steps, numbers of steps, and settings of PPO; their critics
are tanh networks of one size, with one output for each step of a plan. Bahl et al. (NeurIPS 2020) give spring
constant and number of weights for each task but Pick, which has those of Push. A success is one at the end of an
episode without noise, over 100 episodes of the last policy; nothing is selected. NDP wins a task if its mean over the
seeds is at least that of ppo and of ppo_multi. Every finished run is added to the result file at once.

`--keep` ships the policies of seed 0.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import Table, read_result, thin_curve, write_result

import course_lib as cl
from course_lib.envs import TABLETOP
from course_lib.evaluation import bootstrap_interval, run_episodes

NAME, COPIES, STEPS, SHOWN = "manipulation", 64, 1_500_000, 25
COMMON = dict(rollout_steps=80, minibatch_size=1024, learning_rate=5e-4, init_log_std=-0.5, hidden=(64, 64))
METHODS: dict[str, dict] = {
    "ppo": {},
    "ppo_multi": dict(chunk=5),
    "ndp": dict(chunk=5, trajectory="dmp"),
    "ndp_ltc": dict(
        chunk=5, trajectory="dmp", cell="ltc", neurons=32, encoder=64, feedthrough=True, critic="mlp",
        sequence_length=40,
    ),
    "ndp_plan": dict(chunk=5, trajectory="dmp", explore="plan"),
}  # fmt: skip
DMP = {  # of the paper
    "Throw-v0": dict(alpha=5.0, basis=5),
    "Pick-v0": dict(alpha=10.0, basis=6),
    "Push-v0": dict(alpha=10.0, basis=6),
    "Soccer-v0": dict(alpha=15.0, basis=6),
    "Faucet-v0": dict(alpha=5.0, basis=6),
}


def settings_of(method: str, task: str, seed: int = 0) -> cl.PPOConfig:
    options = COMMON | METHODS[method] | (DMP[task] if "trajectory" in METHODS[method] else {})
    return cl.PPOConfig(seed=seed, **options)


def success(policy, task: str, episodes: int, seed: int, deterministic: bool = True) -> float:
    """Share of episodes whose last state is a success."""
    return run_episodes(policy, cl.make(task, episodes, seed=seed), deterministic, seed).success_rate


def one_run(method: str, task: str, seed: int, steps: int, keep: bool, episodes: int = 100) -> dict:
    agent = cl.PPO(cl.make(task, COPIES, seed=1000 * seed), settings_of(method, task, seed))
    curve: dict[str, list] = {k: [] for k in ("env_steps", "minutes", "return_mean", "success")}
    seconds, finished, shown = 0.0, False, 0
    while not finished:
        began = time.perf_counter()
        metrics = agent.iterate(progress=agent.env_steps / steps)
        seconds += time.perf_counter() - began
        finished = agent.env_steps >= steps
        if finished or agent.env_steps >= shown * steps / SHOWN:
            shown += 1
            share = success(agent.policy, task, min(20, episodes), 20_000)
            new = (agent.env_steps, seconds / 60, metrics["return_mean"], share)
            for values, value in zip(curve.values(), new, strict=True):
                values.append(value)
            print(f"{method} {task} {seed}: {agent.env_steps:,} steps, success {share:.0%}", flush=True)
    final = success(agent.policy, task, episodes, 10_000)
    if keep:
        cl.save_policy(
            agent.policy, f"assets/policies/{task.split('-')[0].lower()}_{method}", algorithm="ppo", seed=seed,
            config=asdict(agent.config), env_steps=agent.env_steps, wall_seconds=round(seconds, 1), success=final,
            command=f"python benchmarks/{NAME}.py --tasks {task} --methods {method} --seeds {seed} --keep",
        )  # fmt: skip
    actor = agent.policy.core if hasattr(agent.policy, "core") else agent.policy
    return {
        "method": method,
        "task": task,
        "seed": seed,
        "parameters": sum(p.numel() for p in agent.policy.parameters()),
        "critic_parameters": sum(p.numel() for p in actor.critic.parameters()),
        "minutes": round(seconds / 60, 2),
        "env_steps": agent.env_steps,
        "success": final,
        "success_noisy": success(agent.policy, task, episodes, 10_000, deterministic=False),
        "return_mean": metrics["return_mean"],
        "curve": thin_curve({k: np.array(v, float) for k, v in curve.items()}, tuple(curve), 50),
    }


def successes(rows: list[dict], method: str, task: str) -> np.ndarray:
    return np.array([r["success"] for r in rows if (r["method"], r["task"]) == (method, task)])


def wins(rows: list[dict], rng: np.random.Generator | None = None) -> float | None:
    """Tasks in which NDP's mean success is at least that of both others; with `rng`, of seeds drawn anew."""
    count = 0
    for task in TABLETOP:
        means = []
        for method in ("ndp", "ppo", "ppo_multi"):
            values = successes(rows, method, task)
            if not len(values):
                return None
            means.append(np.mean(values if rng is None else rng.choice(values, len(values))))
        count += means[0] >= max(means[1:])
    return float(count)


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """Claims and their 95 % intervals over the seeds."""
    claims, intervals = {}, {}
    for task in TABLETOP:
        for method in METHODS:
            if len(values := successes(rows, method, task)):
                name = f"success_{method}_{task.split('-')[0].lower()}"
                claims[name] = float(values.mean())
                intervals[name] = list(bootstrap_interval(values)) if len(values) > 1 else [claims[name]] * 2
    if (count := wins(rows)) is not None:
        rng = np.random.default_rng(0)
        again = [wins(rows, rng) for _ in range(1000)]
        claims["ndp_wins"], intervals["ndp_wins"] = count, np.quantile(again, [0.025, 0.975]).tolist()
    return claims, intervals


def losses(rows: list[dict]) -> list[str]:
    """The tasks that NDP does not win, in words."""
    out = []
    for task in TABLETOP:
        ndp = successes(rows, "ndp", task)
        for method in ("ppo", "ppo_multi"):
            other = successes(rows, method, task)
            if len(ndp) and len(other) and ndp.mean() < other.mean():
                out.append(f"{task}: ndp {ndp.mean():.2f}, {method} {other.mean():.2f}")
    return out


def report(rows: list[dict]) -> Table:
    table = Table("task", "method", "parameters", "seeds", "success", "range", "with noise", "minutes")
    for task in TABLETOP:
        for method in METHODS:
            if mine := [r for r in rows if (r["method"], r["task"]) == (method, task)]:
                values = successes(rows, method, task)
                table.add(
                    task, method, mine[0]["parameters"], len(mine), f"{values.mean():.0%}",
                    f"{values.min():.0%} to {values.max():.0%}",
                    f"{np.mean([r['success_noisy'] for r in mine]):.0%}", float(np.mean([r["minutes"] for r in mine])),
                )  # fmt: skip
    return table


def config_of(steps: int) -> dict:
    """What each method's runs are made with, the tasks' own DMP constants beside it."""
    return {
        method: asdict(settings_of(method, "Push-v0")) | {"steps": steps, "num_envs": COPIES, "dmp": DMP}
        for method in METHODS
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TABLETOP), choices=list(TABLETOP))
    parser.add_argument("--methods", nargs="+", default=list(METHODS)[:4], choices=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS, help="environment steps of each run")
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--keep", action="store_true", help="ship the policies of seed 0")
    parser.add_argument("--quick", action="store_true", help="one short run of each; claims nothing")
    args = parser.parse_args()
    if args.quick:
        args.seeds, args.steps = args.seeds[:1], 10_240
        args.json = Path("build") / f"{NAME}_quick.json" if args.json == parser.get_default("json") else args.json
    config = config_of(args.steps)
    rows = read_result(args.json, config, "method")
    for seed in args.seeds:
        for task in args.tasks:
            for method in args.methods:
                if any((r["method"], r["task"], r["seed"]) == (method, task, seed) for r in rows):
                    continue
                keep = args.keep and seed == 0 and not args.quick
                rows.append(one_run(method, task, seed, args.steps, keep, 4 if args.quick else 100))
                claims, intervals = claims_of(rows)
                write_result(
                    args.json, claims=claims, intervals=intervals, seeds=sorted({r["seed"] for r in rows}),
                    per_seed=rows, config=config, wall_seconds=60 * sum(r["minutes"] for r in rows),
                    command=f"python benchmarks/{NAME}.py", losses=losses(rows),
                )  # fmt: skip
    print(report(rows))
    for line in losses(rows):
        print("lost:", line)
    for claim, value in claims_of(rows)[0].items():
        print(f"{claim}={value:.6g}")


if __name__ == "__main__":
    main()
