"""REINFORCE on the pole, with big batches and with small ones under three baselines: the code of notebook 01.

    python benchmarks/reinforce_pole.py [--seeds 0 1 2 …] [--keep] [--quick]

The functions are read from the notebook itself (its cells tagged "prelude"), so that what ships was made by what the
learner reads. A run ends when three batches in a row reach a mean return of 990, or with its budget of environment
steps.

`--keep` ships the policy of the first seed with big batches, which the notebook shows at its top.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from _report import Table, claims_from, cli, column, run_all

import course_lib as cl
from course_lib.evaluation.returns import run_episodes

NAME, ENV = "reinforce_pole", "InvertedPendulum-v5"
NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "py" / "01_rl_from_scratch.py"
SHIPPED = "32 episodes a batch, critic"
SETTINGS = {
    SHIPPED: ("32_critic", {"copies": 32, "baseline": "critic", "env_steps": 1_500_000}),
    "4 episodes, critic": ("4_critic", {"copies": 4, "baseline": "critic", "env_steps": 200_000}),
    "4 episodes, batch mean": ("4_mean", {"copies": 4, "baseline": "mean", "env_steps": 200_000}),
    "4 episodes, no baseline": ("4_none", {"copies": 4, "baseline": "none", "env_steps": 200_000}),
}


@cache
def prelude() -> dict:
    """The functions and classes that notebook 01 defines."""
    import jupytext

    names: dict = {}
    for cell in jupytext.read(NOTEBOOK).cells:
        if cell.cell_type == "code" and "prelude" in cell.metadata.get("tags", []):
            exec(compile(cell.source, NOTEBOOK.name, "exec"), names)
    return names


def one_run(args, setting: str, seed: int) -> dict:
    options = dict(SETTINGS[setting][1])
    steps = min(args.most, options.pop("env_steps"))
    policy, critic, curve = prelude()["reinforce"](seed, steps, report=0, **options)
    mean = run_episodes(policy, cl.make(ENV, args.episodes, seed=10_000), seed=10_000).mean
    if args.keep and setting == SHIPPED and seed == args.seeds[0]:
        ship(policy, critic, mean, seed)
    # Three batches together, since the mean of one small batch may be high by luck.
    smooth = np.convolve(curve["mean return"], np.ones(3) / 3, "valid")
    good = np.array(curve["env_steps"][2:])[smooth >= 950]
    return {
        "setting": setting,
        "seed": seed,
        "return_deterministic": mean,
        "steps_to_950": int(good[0]) if len(good) else steps,  # never reached counts as the whole budget
        "reached_950": len(good) > 0,
        "updates": len(curve["env_steps"]),
        "curve": {name: [float(f"{v:.5g}") for v in curve[name]] for name in ("env_steps", "mean return")},
    }


def ship(policy, critic, mean: float, seed: int) -> None:
    """Save the notebook's two networks as a policy of the library."""
    whole = cl.MLPActorCritic(4, 1, hidden=(32,), normalize=False)
    whole.actor.load_state_dict(policy.mean.state_dict())
    whole.critic.load_state_dict(critic.state_dict())
    whole.log_std.data.copy_(policy.log_std.data)
    space = cl.make(ENV, 1).single_action_space
    whole.env_id, whole.action_low, whole.action_high = ENV, space.low, space.high
    facts = {"algorithm": "REINFORCE", "seed": seed, "return_deterministic": mean}
    cl.save_policy(whole, f"assets/policies/{NAME}", **facts)


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    return claims_from({
        f"reinforce_{claim}_{short}": column(rows, key, setting=setting)
        for setting, (short, _) in SETTINGS.items()
        for claim, key in (("return", "return_deterministic"), ("steps_to_950", "steps_to_950"))
    })  # fmt: skip


def report(rows: list[dict]) -> Table:
    table = Table("setting", "seed", "return, deterministic", "steps to 950", "updates")
    for r in sorted(rows, key=lambda row: ([*SETTINGS].index(row["setting"]), row["seed"])):
        table.add(*(r[k] for k in ("setting", "seed", "return_deterministic", "steps_to_950", "updates")))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(10), keep="the policy of the first seed with big batches",
        fixed=dict(most=10**9, episodes=50), quick=dict(seeds=1, most=20_000, episodes=10),
    )  # fmt: skip
    config = {"env_id": ENV, "episodes": args.episodes, "settings": {s: o for s, (_, o) in SETTINGS.items()}}
    run_all(
        args, one_run, [(setting, seed) for setting in SETTINGS for seed in args.seeds], key=("setting", "seed"),
        config=config, claims_of=claims_of, report=report, says="{return_deterministic:.0f}", seconds=None,
    )  # fmt: skip
