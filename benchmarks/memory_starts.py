"""How sequences begin, how long they are, and two tasks beyond `memory.py`: RSAC with LSTM.

    python benchmarks/memory_starts.py [--tasks pendulum car rods maze] [--settings zero …] [--seeds 0 1 2]
                                       [--keep] [--quick]

pendulum, car: tasks and settings of `memory.py`'s "rsac_lstm" (a third fewer steps on the pendulum), but sequences
    zero, zero_burn      begin inside episodes with a memory of zero; after a burn-in, or without
    stored, stored_burn  with the memory that the agent had when it acted there; after a burn-in, or without
    whole                whole episodes (on the car that is `memory.py`'s own setting)
    length_4             as zero, 4 steps long
  of 16 learned steps on the pendulum, 40 on the car, burn-ins as long. An update learns from 2,048 steps on the
  pendulum and 1,280 on the car, however they are cut; whole episodes on the pendulum come nearest to it with 10.
rods: MemoryPendulum-v0 with a rod of 0.2 m or 1 m, which is hidden like the rate; the last torque is shown.
maze: WaterMaze-v0. Both with `memory.py`'s kinds of agents: sac_full, sac_memoryless (maze), rsac_lstm.

Each run's figure is the mean of 100 deterministic episodes of the last policy. Nothing is selected. The intervals of
the claims are 95 % bootstrap intervals of the median over seeds, or ranges where there are fewer than five.

`--keep` ships the policies of seed 0 of rods and maze.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from _report import Table, claims_from, cli, column, run_all, thin_curve, train

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.rl.offpolicy import SAC
from course_lib.rl.recurrent import RSAC

NAME = "memory_starts"
TASKS: dict[str, dict] = {
    "pendulum": dict(env="MemoryPendulum-v0", copies=4, steps=16_000),
    "car": dict(env="CarHeavenHell-v0", copies=8, steps=48_000, hide="velocities"),
    "rods": dict(env="MemoryPendulum-v0", copies=4, steps=24_000, length="varied"),
    "maze": dict(env="WaterMaze-v0", copies=8, steps=48_000),
}
LSTM: dict[str, dict] = {
    "pendulum": dict(name="lstm", neurons=64),
    "car": dict(name="lstm", neurons=32, remember=80),
    "rods": dict(name="lstm", neurons=64),
    "maze": dict(name="lstm", neurons=32, remember=50, feedthrough=True),
}
# Nothing was sought for the maze: the widths and rates of the other tasks, whole episodes.
MAZE = dict(hidden=(64, 64), learning_rate=1e-3, lr_schedule="linear", learning_starts=4_000, temperature=0.1)
MAZE_LSTM = dict(MAZE, updates_per_step=0.25, batch_size=8, summarizers="critics")


def cuts(learned: int, steps: int) -> dict[str, dict]:
    """The ways to begin: `learned` steps a sequence, `steps` an update."""
    batch, burnt = dict(batch_size=steps // learned), dict(sequence_length=2 * learned, burn_in=learned)
    stored = dict(memory_start="stored")
    return {
        "zero": dict(batch, sequence_length=learned),
        "zero_burn": dict(batch, **burnt),
        "stored": dict(batch, sequence_length=learned, **stored),
        "stored_burn": dict(batch, **burnt, **stored),
    }


SETTINGS: dict[str, dict[str, dict]] = {
    "pendulum": {
        **cuts(16, 2048),
        "whole": dict(sequence_length=None, batch_size=10),
        "length_4": dict(sequence_length=4, batch_size=512),
    },
    "car": cuts(40, 1280),
    "rods": {"sac_full": {}, "rsac_lstm": {}},
    "maze": {"sac_full": MAZE | dict(updates_per_step=0.5), "sac_memoryless": MAZE | dict(updates_per_step=0.5)}
    | {"rsac_lstm": MAZE_LSTM},
}
NAMES = tuple(dict.fromkeys(name for group in SETTINGS.values() for name in group))


def algorithm(setting: str):
    return SAC if setting.startswith("sac") else RSAC


def config_of(task: str, setting: str, seed: int = 0):
    memory = {} if setting.startswith("sac") else {"cell": LSTM[task]}
    return algorithm(setting).Config.recommended(TASKS[task]["env"], seed=seed, **memory, **SETTINGS[task][setting])


def options_of(task: str, setting: str) -> dict:
    """For `cl.make`."""
    options = {k: v for k, v in TASKS[task].items() if k not in ("env", "copies", "steps")}
    if setting == "sac_full":
        options.pop("hide", None)
        return options | {"observation": "full"}
    return options | ({"observation": "pa"} if task == "rods" else {})


def one_run(args, task: str, setting: str, seed: int) -> dict:
    facts, options, config = TASKS[task], options_of(task, setting), config_of(task, setting, seed)
    steps = config.learning_starts + 128 if args.quick else facts["steps"]  # just beyond the first updates
    envs = cl.make(facts["env"], facts["copies"], seed=1000 * seed, **options)
    agent = algorithm(setting)(envs, config)
    run = train(agent, steps, progress=False)
    test = run_episodes(agent.policy, cl.make(facts["env"], args.episodes, seed=10_000, **options), seed=10_000)
    if args.keep and seed == 0 and task in ("rods", "maze"):
        run.save_policy(
            f"assets/policies/memory_{task}_{setting}", return_deterministic=test.mean,
            command=f"python benchmarks/{NAME}.py --tasks {task} --settings {setting} --seeds {seed} --keep",
        )  # fmt: skip
    return {
        "run": f"{task} {setting}",
        "task": task,
        "setting": setting,
        "seed": seed,
        "return_deterministic": test.mean,
        "env_steps": agent.env_steps,
        "updates": agent.learner.updates,
        "train_seconds": round(run.wall_seconds, 1),
        "curve": thin_curve(run.curve, 60, ("env_steps", "wall_seconds", "return_mean")),
    }


def returns_of(rows: list[dict], task: str, setting: str) -> np.ndarray:
    return np.array(column(rows, "return_deterministic", task=task, setting=setting))


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    return claims_from({f"starts_{t}_{s}": returns_of(rows, t, s) for t, group in SETTINGS.items() for s in group})


def report(rows: list[dict]) -> Table:
    table = Table("task", "setting", "seeds", "return, median", "range", "minutes")
    for task, group in SETTINGS.items():
        for setting in group:
            if len(values := returns_of(rows, task, setting)):
                seconds = column(rows, "train_seconds", task=task, setting=setting)
                table.add(
                    task, setting, len(values), float(np.median(values)), f"{values.min():,.3g} to {values.max():,.3g}",
                    float(np.median(seconds)) / 60,
                )  # fmt: skip
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(3), keep="the policies of seed 0 of rods and maze", tasks=[*TASKS],
        settings=[*NAMES], fixed=dict(episodes=100), quick=dict(seeds=1, episodes=4),
    )  # fmt: skip
    config = {
        f"{t} {s}": {**TASKS[t], **options_of(t, s), **asdict(config_of(t, s))} for t in TASKS for s in SETTINGS[t]
    }
    asked = {task: [s for s in SETTINGS[task] if s in args.settings] for task in TASKS}
    run_all(
        args, one_run, [(task, s, seed) for task in args.tasks for seed in args.seeds for s in asked[task]],
        key=("task", "setting", "seed"), config=config, part="run", claims_of=claims_of, report=report,
        says="{return_deterministic:.4g}",
    )  # fmt: skip
