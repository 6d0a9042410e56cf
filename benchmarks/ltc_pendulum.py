"""Liquid networks on InvertedPendulum-v5: environment steps and seconds until the pole is balanced, by neurons and by
cell.

    python benchmarks/ltc_pendulum.py [--seeds 0 1 … 9] [--settings ltc_8 mlp_8 …] [--json FILE] [--keep] [--quick]

After every 256 environment steps the policy plays 100 deterministic episodes from fixed start states. The run has
solved the task once their mean return is at least 950 of 1,000 (the check ends as soon as that is out of reach).
Its steps count as training, those of the check do not; likewise the seconds. Training goes on to 8,192 steps for
the curves, and up to 50,000 where the task is not solved. All settings share one configuration; the critic is the
same memoryless network everywhere, so that only the actor differs. Every finished run is added to the result file
at once.

`--keep` ships the trained policy of each cell (seed 0).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import Table, median_interval, read_result, write_result

import course_lib as cl
from course_lib.evaluation.returns import bootstrap_interval

NAME, ENV = "ltc_pendulum", "InvertedPendulum-v5"
CURVE_STEPS, MOST, SOLVED, EPISODES = 8_192, 50_000, 950.0, 100
BEFORE = {"ltc_8": 48_000, "ltc_16": 42_000, "ltc_32": 32_000, "smallest": 5}  # one seed each, read off its figures

SETTINGS: dict[str, dict] = {f"ltc_{n}": dict(cell="ltc", neurons=n) for n in (1, 2, 3, 5, 8, 16, 32)}
SETTINGS["mlp_8"] = dict(cell="mlp", neurons=8)  # equal neurons
SETTINGS["mlp_params"] = dict(cell="mlp", neurons=21)  # equal parameters
SETTINGS |= {f"{c}_8": dict(cell=c, neurons=8) for c in ("neural_ode", "ctrnn", "synaptic_ltc", "cfc", "gru")}
SETTINGS |= {f"ltc_8_bptt{n}": dict(cell="ltc", neurons=8, sequence_length=n) for n in (1, 8)}
SHIP = {"ltc_8": "ltc", "mlp_8": "mlp"} | {f"{c}_8": c for c in ("neural_ode", "ctrnn", "synaptic_ltc", "cfc", "gru")}


def settings_of(name: str, seed: int = 0) -> cl.PPOConfig:
    return cl.PPOConfig.recommended(ENV, seed=seed, critic="mlp", **SETTINGS[name])


def solves(policy) -> bool:
    """Whether the mean return of `EPISODES` deterministic episodes reaches `SOLVED`; stops once it cannot."""
    envs = cl.make(ENV, EPISODES, seed=10_000)
    (observation, _), state, alive = envs.reset(), None, np.ones(EPISODES, bool)
    missing, allowed = 0, (1000.0 - SOLVED) * EPISODES
    for t in range(1000):
        action, state = policy.act(observation, state)
        observation, _, terminated, _, _ = envs.step(action)
        # A pole that falls at step t has earned t: the reward of the step in which it falls is 0.
        missing += int((alive & terminated).sum()) * (1000 - t)
        alive &= ~terminated
        if missing > allowed:
            return False
    return True


def mean_return(policy, episodes: int = 20) -> float:
    from course_lib.evaluation.returns import run_episodes

    return run_episodes(policy, cl.make(ENV, episodes, seed=20_000), seed=20_000).mean


def one_run(name: str, seed: int, most: int) -> tuple[dict, object]:
    agent = cl.PPO(cl.make(ENV, 8, seed=1000 * seed), settings_of(name, seed))
    curve: dict[str, list] = {"env_steps": [0], "return_deterministic": [mean_return(agent.policy)]}
    seconds, solved = 0.0, None
    while agent.env_steps < (CURVE_STEPS if solved else most):
        began = time.perf_counter()
        agent.iterate(progress=0.0)
        seconds += time.perf_counter() - began
        if not solved and solves(agent.policy):
            solved = (agent.env_steps, seconds)
        if agent.env_steps % 512 == 0 and agent.env_steps <= max(CURVE_STEPS, most // 3):
            curve["env_steps"].append(agent.env_steps)
            curve["return_deterministic"].append(round(mean_return(agent.policy), 1))
    policy = agent.policy
    actor = [p.numel() for p in (*policy.cell.parameters(), *policy.readout.parameters())]
    row = {
        "setting": name,
        "cell": SETTINGS[name]["cell"],
        "neurons": SETTINGS[name]["neurons"],
        "parameters": int(sum(actor)),
        "seed": seed,
        "solved": solved is not None,
        "steps_to_solve": solved[0] if solved else most,  # never counts as the whole budget
        "train_seconds": round(solved[1] if solved else seconds, 2),
        "curve": curve,
    }
    return row, policy


def ratio_interval(a: np.ndarray, b: np.ndarray) -> list[float]:
    """95 % bootstrap interval of median(a) / median(b), both resampled."""
    rng = np.random.default_rng(0)
    draws = [np.median(rng.choice(a, len(a))) / np.median(rng.choice(b, len(b))) for _ in range(5000)]
    return [float(v) for v in np.quantile(draws, (0.025, 0.975))]


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """Claims and their intervals, of the settings that were run."""
    steps = {s: np.array([r["steps_to_solve"] for r in rows if r["setting"] == s], float) for s in SETTINGS}
    claims, intervals = {}, {}
    for n in (32, 16, 8):
        if len(values := steps[f"ltc_{n}"]):
            claims[f"ltc{n}_steps"], intervals[f"ltc{n}_steps"] = float(np.median(values)), median_interval(values)
    if len(steps["ltc_8"]) and len(steps["mlp_8"]):
        claims["ltc8_vs_mlp_steps"] = float(np.median(steps["ltc_8"]) / np.median(steps["mlp_8"]))
        intervals["ltc8_vs_mlp_steps"] = ratio_interval(steps["ltc_8"], steps["mlp_8"])
    if seconds := [r["train_seconds"] for r in rows if r["setting"] == "ltc_8"]:
        claims["ltc8_seconds"], intervals["ltc8_seconds"] = float(np.median(seconds)), median_interval(seconds)
    # The smallest network that every seed solves with; the interval begins at the smallest that any seed solves with.
    count = {n: [r["solved"] for r in rows if r["setting"] == f"ltc_{n}"] for n in (1, 2, 3, 5, 8, 16, 32)}
    always = [n for n, solved in count.items() if solved and all(solved)]
    if always:
        ever = [n for n, solved in count.items() if any(solved)]
        claims["smallest_ltc"], intervals["smallest_ltc"] = float(always[0]), [float(ever[0]), float(always[0])]
    return claims, intervals


def seeds_behind(rows: list[dict], claims: dict) -> dict[str, int]:
    """How many seeds each claim rests on: not all settings were run with all seeds."""
    count = {n: sum(r["setting"] == f"ltc_{n}" for r in rows) for n in (1, 2, 3, 5, 8, 16, 32)}
    own = {"ltc32_steps": count[32], "ltc16_steps": count[16]}
    if "smallest_ltc" in claims:
        own["smallest_ltc"] = count[int(claims["smallest_ltc"])]
    return {claim: own.get(claim, count[8]) for claim in claims}


def report(rows: list[dict]) -> Table:
    table = Table("actor", "neurons", "parameters", "seeds", "solved", "steps, median", "interval", "seconds", "before")
    for name in SETTINGS:
        mine = [r for r in rows if r["setting"] == name]
        if mine:
            values = np.array([r["steps_to_solve"] for r in mine], float)
            low, high = bootstrap_interval(values, np.median) if len(values) > 1 else (values[0],) * 2
            table.add(
                name, mine[0]["neurons"], mine[0]["parameters"], len(mine), sum(r["solved"] for r in mine),
                np.median(values), f"{low:,.0f} to {high:,.0f}", np.median([r["train_seconds"] for r in mine]),
                BEFORE.get(name, ""),
            )  # fmt: skip
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--keep", action="store_true", help="ship the policy of each cell, seed 0")
    parser.add_argument("--quick", action="store_true", help="two short runs of two settings; claims nothing")
    args = parser.parse_args()
    most = MOST
    if args.quick:
        args.seeds, args.settings, most = args.seeds[:2], ["ltc_8", "mlp_8"], 4_096
        args.json = Path("build") / f"{NAME}_quick.json" if args.json == parser.get_default("json") else args.json
    config = asdict(settings_of("ltc_8")) | {"num_envs": 8, "most": most, "settings": SETTINGS, "episodes": EPISODES}
    config.pop("seed")
    rows = read_result(args.json, config)
    for seed in args.seeds:
        for name in args.settings:
            if any(r["setting"] == name and r["seed"] == seed for r in rows):
                continue
            row, policy = one_run(name, seed, most)
            rows.append(row)
            print(f"{name}, seed {seed}: {row['steps_to_solve']:,} steps, {row['train_seconds']} s", flush=True)
            if args.keep and seed == 0 and name in SHIP:
                cl.save_policy(
                    policy, f"assets/policies/pendulum_{SHIP[name]}", algorithm="ppo", seed=seed,
                    config=asdict(settings_of(name, seed)), env_steps=max(CURVE_STEPS, row["steps_to_solve"]),
                    return_deterministic=row["curve"]["return_deterministic"][-1],
                    command=f"python benchmarks/{NAME}.py --seeds 0 --settings {name} --keep",
                )  # fmt: skip
            claims, intervals = claims_of(rows)
            write_result(
                args.json, claims=claims, intervals=intervals, seeds=sorted({r["seed"] for r in rows}), per_seed=rows,
                config=config, wall_seconds=sum(r["train_seconds"] for r in rows),
                command=f"python benchmarks/{NAME}.py", before=BEFORE, claim_seeds=seeds_behind(rows, claims),
            )  # fmt: skip
    print(report(rows))
    for claim, value in claims_of(rows)[0].items():
        print(f"{claim}={value:.6g}")


if __name__ == "__main__":
    main()
