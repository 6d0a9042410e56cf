"""What breaks when a term of the walking reward is dropped: each term in turn, from the shipped walker on.

    python benchmarks/anymal_rewards.py [--terms energy smoothness …] [--seeds 0 1 2] [--json FILE] [--quick]

The shipped policy `anymal_walk_mlp` is trained on for 300,000 steps with the weight of one term at zero, the rest as
it was; and with all terms, for as long. Weights start as shipped, the optimiser afresh. Then eight episodes without
noise and without pushes, with fixed seeds and the task's own commands, are measured (`viz.gait.Gait.measures`); a row
holds their medians. Every finished run is added to the result file at once.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import Table, read_result, write_result

import course_lib as cl
from course_lib.viz.gait import record_gait

NAME, START = "anymal_rewards", "anymal_walk_mlp"
STEPS, EPISODES, LEARNING_RATE, COPIES = 300_000, 8, 3e-4, 64
ALL = "all terms"
TERMS = ("velocity", "yaw_rate", "vertical", "tilt_rate", "orientation", "posture", "torque", "energy", "smoothness",
         "scrape", "air_time")  # fmt: skip
SHOWN = ("tracking_error_m_s", "cost_of_transport", "torque_rms_N_m", "action_change", "tilt_degrees", "seconds")


def settings_of(policy, seed: int = 0) -> cl.PPOConfig:
    changes = {"learning_rate": LEARNING_RATE, "lr_schedule": "constant", "seed": seed}
    return cl.PPOConfig(**{**policy.header["config"], **changes})


def measures_of(policy, episodes: int, steps: int = 1000) -> dict[str, float]:
    """Medians over episodes of the task with all its terms."""
    gaits = [record_gait(policy, seed=500 + k, steps=steps, push_force=0.0).measures() for k in range(episodes)]
    return {name: float(np.median([g[name] for g in gaits])) for name in gaits[0]}


def one_run(setting: str, seed: int, steps: int, episodes: int) -> dict:
    start = cl.load(START)
    weights = dict(start.env_options.get("weights") or {})
    if setting != ALL:
        weights[setting.removeprefix("no ")] = 0.0
    envs = cl.make(start.env_id, COPIES, seed=1000 * seed, **{**start.env_options, "weights": weights})
    agent = cl.PPO(envs, settings_of(start, seed), policy=start)
    began = time.perf_counter()
    cl.train(agent, steps, progress=False)
    seconds = time.perf_counter() - began
    measures = measures_of(agent.policy, episodes, 1000 if steps == STEPS else 100)
    return {"setting": setting, "seed": seed, "measures": measures, "train_seconds": round(seconds, 1)}


def report(rows: list[dict]) -> Table:
    table = Table("reward", "seeds", *SHOWN)
    for setting in dict.fromkeys(row["setting"] for row in rows):
        mine = [row["measures"] for row in rows if row["setting"] == setting]
        values = [[np.nan if m[name] is None else m[name] for m in mine] for name in SHOWN]
        table.add(setting, len(mine), *(float(np.median(v)) for v in values))
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", nargs="+", default=list(TERMS), choices=list(TERMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--quick", action="store_true", help="two short runs; claims nothing")
    args = parser.parse_args()
    steps, episodes = STEPS, EPISODES
    if args.quick:
        args.seeds, args.terms, steps, episodes = args.seeds[:1], args.terms[:1], 8_192, 1
        args.json = Path("build") / f"{NAME}_quick.json" if args.json == parser.get_default("json") else args.json
    start = cl.load(START)
    config = asdict(settings_of(start)) | {"num_envs": COPIES, "steps": steps, "episodes": episodes, "start": START}
    config |= {"env_options": start.env_options, "start_command": start.header.get("command")}
    config.pop("seed")
    rows = read_result(args.json, config)
    for seed in args.seeds:
        for setting in (ALL, *(f"no {term}" for term in args.terms)):
            if any((r["setting"], r["seed"]) == (setting, seed) for r in rows):
                continue
            rows.append(one_run(setting, seed, steps, episodes))
            write_result(
                args.json, claims={}, intervals={}, seeds=sorted({r["seed"] for r in rows}), per_seed=rows,
                config=config, wall_seconds=sum(r["train_seconds"] for r in rows),
                command=f"python benchmarks/{NAME}.py",
            )  # fmt: skip
            print(f"{setting}, seed {seed}: {rows[-1]['train_seconds']} s", flush=True)
    print(report(rows))


if __name__ == "__main__":
    main()
