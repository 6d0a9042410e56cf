"""What the parts of the walking reward do: drop one, or pay ten times as much for it, and train the walker on.

    python benchmarks/anymal_rewards.py [--settings "no velocity" …] [--seeds 0 1 2] [--quick]

The shipped policy `anymal_walk_mlp` is trained on for 400,000 steps with the weights of some terms times 0 or 10, the
rest as they were; and with all as they were, for as long. "effort" is three terms that speak of the same thing and can
stand in for each other: torque, energy and smoothness. Weights start as shipped, the optimiser afresh. Then eight
episodes without noise and without pushes, with fixed seeds and the task's own commands, are measured
(`lessons.nb06_gait.Gait.measures`); a row holds their medians.
"""

from __future__ import annotations

import time

import numpy as np
from _report import Table, cli, column, run_all, seedless, train

import course_lib as cl
from course_lib.envs.anymal.walk import WEIGHTS
from course_lib.lessons.nb06_gait import record_gait

NAME, START = "anymal_rewards", "anymal_walk_mlp"
LEARNING_RATE, COPIES = 1e-3, 64
ALL = "all as it was"
EFFORT = ("torque", "energy", "smoothness")
SETTINGS: dict[str, dict[str, float]] = {  # term -> factor on its weight
    ALL: {},
    "no velocity": {"velocity": 0.0},
    "no yaw_rate": {"yaw_rate": 0.0},
    "no effort": dict.fromkeys(EFFORT, 0.0),
    "10 x effort": dict.fromkeys(EFFORT, 10.0),
}
SHOWN = ("tracking_error_m_s", "turning_error_rad_s", "power_W", "action_change", "highest_lift_m", "tilt_degrees",
         "seconds")  # fmt: skip
TRIED = (
    "300,000 steps at learning rate 3e-4, 2 seeds: without velocity the tracking error is .075 and .095 m/s, with all "
    "terms .064 and .079; without energy, smoothness or orientation alone no measure moves beyond the spread",
    "from nothing, 400,000 steps at a learning rate that falls to 0, 2 seeds: with all terms the tracking error "
    "without noise is .35 and .56 m/s, that is, it creeps or stands; so nothing can be told from what is dropped",
    "from nothing, 900,000 steps on 'fast' contacts, 1 seed: without noise it falls after 3 to 6 s",
)


def settings_of(policy, seed: int = 0) -> cl.PPOConfig:
    return cl.PPOConfig.from_dict({**policy.header["config"], "learning_rate": LEARNING_RATE, "seed": seed})


def measures_of(policy, episodes: int, steps: int) -> dict[str, float]:
    """Medians over episodes of `steps` control steps of the task with all its terms."""
    gaits = [record_gait(policy, seed=500 + k, steps=steps, push_force=0.0).measures() for k in range(episodes)]
    return {name: float(np.median([g[name] for g in gaits])) for name in gaits[0]}


def one_run(args, setting: str, seed: int) -> dict:
    start = cl.load(START)
    weights = WEIGHTS | (start.env_options.get("weights") or {})
    changed = weights | {term: factor * weights[term] for term, factor in SETTINGS[setting].items()}
    envs = cl.make(start.env_id, COPIES, seed=1000 * seed, **{**start.env_options, "weights": changed})
    agent = cl.PPO(envs, settings_of(start, seed), policy=start)
    began = time.perf_counter()
    train(agent, args.steps, progress=False)
    seconds = time.perf_counter() - began
    measures = measures_of(agent.policy, args.episodes, args.play)
    return {"setting": setting, "seed": seed, "measures": measures, "train_seconds": round(seconds, 1)}


def report(rows: list[dict]) -> Table:
    table = Table("reward", "seeds", *SHOWN)
    for setting in dict.fromkeys(row["setting"] for row in rows):
        mine = column(rows, "measures", setting=setting)
        values = [[np.nan if m[name] is None else m[name] for m in mine] for name in SHOWN]
        table.add(setting, len(mine), *(float(np.median(v)) for v in values))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), settings=[*SETTINGS], fixed=dict(steps=400_000, episodes=8, play=1000),
        quick=dict(seeds=1, settings=2, steps=8_192, episodes=1, play=100),
    )  # fmt: skip
    start = cl.load(START)
    config = seedless(settings_of(start)) | {"num_envs": COPIES, "steps": args.steps, "episodes": args.episodes}
    config |= {"start": START, "env_options": start.env_options, "start_command": start.header.get("command")}
    config |= {"factors": SETTINGS}
    wanted = [(setting, seed) for seed in args.seeds for setting in args.settings]
    run_all(args, one_run, wanted, key=("setting", "seed"), config=config, report=report, tried=TRIED)
