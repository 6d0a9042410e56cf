"""REINFORCE on the pole, with big batches and with small ones under three baselines: the code of notebook 01.

    python benchmarks/reinforce_pole.py [--seeds 0 1 2 …] [--json FILE] [--quick]

The functions are read from the notebook itself (its cells tagged "prelude"), so that what ships was made by what the
learner reads. A run ends when three batches in a row reach a mean return of 990, or with its budget of environment
steps. The policy of the first seed with big batches is what the notebook shows at its top.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from _report import Table, median_interval, write_result

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

ROOT = Path(__file__).resolve().parent.parent
NAME, ENV = "reinforce_pole", "InvertedPendulum-v5"
NOTEBOOK = ROOT / "notebooks" / "py" / "01_rl_from_scratch.py"
SHIPPED = "32 episodes a batch, critic"
SETTINGS = {
    SHIPPED: ("32_critic", {"copies": 32, "baseline": "critic", "env_steps": 1_500_000}),
    "4 episodes, critic": ("4_critic", {"copies": 4, "baseline": "critic", "env_steps": 200_000}),
    "4 episodes, batch mean": ("4_mean", {"copies": 4, "baseline": "mean", "env_steps": 200_000}),
    "4 episodes, no baseline": ("4_none", {"copies": 4, "baseline": "none", "env_steps": 200_000}),
}


def prelude() -> dict:
    """The functions and classes that notebook 01 defines."""
    import jupytext

    names: dict = {}
    for cell in jupytext.read(NOTEBOOK).cells:
        if cell.cell_type == "code" and "prelude" in cell.metadata.get("tags", []):
            exec(compile(cell.source, NOTEBOOK.name, "exec"), names)
    return names


def one_run(reinforce, setting: str, seed: int, most: int, episodes: int) -> tuple[dict, object, object]:
    """Train once -> its row of the result file, policy, critic."""
    options = dict(SETTINGS[setting][1])
    steps = min(most, options.pop("env_steps"))
    policy, critic, curve = reinforce(seed, steps, report=0, **options)
    # Three batches together, since the mean of one small batch may be high by luck.
    smooth = np.convolve(curve["mean return"], np.ones(3) / 3, "valid")
    good = np.array(curve["env_steps"][2:])[smooth >= 950]
    row = {
        "setting": setting,
        "seed": seed,
        "return_deterministic": run_episodes(policy, cl.make(ENV, episodes, seed=10_000), seed=10_000).mean,
        "steps_to_950": int(good[0]) if len(good) else steps,  # never reached counts as the whole budget
        "reached_950": len(good) > 0,
        "updates": len(curve["env_steps"]),
        "curve": {name: [float(f"{v:.5g}") for v in curve[name]] for name in ("env_steps", "mean return")},
    }
    return row, policy, critic


def ship(policy, critic, row: dict, seed: int) -> Path:
    """Save the notebook's two networks as a policy of the library."""
    whole = cl.MLPActorCritic(4, 1, hidden=(32,), normalize=False)
    whole.actor.load_state_dict(policy.mean.state_dict())
    whole.critic.load_state_dict(critic.state_dict())
    whole.log_std.data.copy_(policy.log_std.data)
    space = cl.make(ENV, 1).single_action_space
    whole.env_id, whole.action_low, whole.action_high = ENV, space.low, space.high
    facts = {"algorithm": "REINFORCE", "seed": seed, "return_deterministic": row["return_deterministic"]}
    return cl.save_policy(whole, ROOT / "assets" / "policies" / NAME, **facts)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--json", type=Path, help="result file to write")
    parser.add_argument("--quick", action="store_true", help="one seed, a few updates, nothing shipped")
    args = parser.parse_args()
    seeds, most, episodes = (args.seeds[:1], 20_000, 10) if args.quick else (args.seeds, 10**9, 50)
    started, names, rows = time.perf_counter(), prelude(), []
    table = Table("setting", "seed", "return, deterministic", "steps to 950", "updates")
    for setting in SETTINGS:
        for seed in seeds:
            row, policy, critic = one_run(names["reinforce"], setting, seed, most, episodes)
            rows.append(row)
            table.add(*(row[k] for k in ("setting", "seed", "return_deterministic", "steps_to_950", "updates")))
            print(f"{setting}, seed {seed}: {row['return_deterministic']:.0f}", flush=True)
            if setting == SHIPPED and seed == seeds[0] and not args.quick:
                ship(policy, critic, row, seed)
    measured = {
        f"reinforce_{claim}_{short}": [r[key] for r in rows if r["setting"] == setting]
        for setting, (short, _) in SETTINGS.items()
        for claim, key in (("return", "return_deterministic"), ("steps_to_950", "steps_to_950"))
    }
    claims = {claim: float(np.median(values)) for claim, values in measured.items()}
    print(table)
    if args.json or not args.quick:
        write_result(
            args.json or ROOT / "assets" / "results" / f"{NAME}.json",
            claims=claims,
            intervals={claim: median_interval(values) for claim, values in measured.items()},
            seeds=seeds,
            per_seed=rows,
            config={"env_id": ENV, "episodes": episodes, "settings": {s: o for s, (_, o) in SETTINGS.items()}},
            wall_seconds=time.perf_counter() - started,
            command=f"python benchmarks/{NAME}.py",
        )
    for claim, value in claims.items():
        print(f"{claim}={value:.6g}")


if __name__ == "__main__":
    main()
