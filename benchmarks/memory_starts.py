"""How sequences begin, how long they are, and two tasks beyond `memory.py`: RSAC with LSTM.

    python benchmarks/memory_starts.py [--tasks pendulum car rods maze] [--settings zero …] [--seeds 0 1 2]
                                       [--json FILE] [--include FILE …] [--keep] [--quick]

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
the claims are 95 % bootstrap intervals of the median over seeds. Every finished run is added to the file at once.

`--keep` ships the policies of seed 0 of rods and maze.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
from _report import INCLUDE, Table, known_runs, median_interval, thin_curve, write_runs

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
    "pendulum": dict(cell="lstm", neurons=64),
    "car": dict(cell="lstm", neurons=32, remember=80),
    "rods": dict(cell="lstm", neurons=64),
    "maze": dict(cell="lstm", neurons=32, remember=50),
}
# Nothing was sought for the maze: the widths and rates of the other tasks, whole episodes.
MAZE = dict(hidden=(64, 64), learning_rate=1e-3, lr_schedule="linear", learning_starts=4_000, temperature=0.1)
MAZE_LSTM = dict(MAZE, updates_per_step=0.25, batch_size=8, summarizers="critics", feedthrough=True)


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
    memory = {} if setting.startswith("sac") else LSTM[task]
    changes = memory | SETTINGS[task][setting]
    return algorithm(setting).Config.recommended(TASKS[task]["env"], seed=seed, **changes)


def options_of(task: str, setting: str) -> dict:
    """For `cl.make`."""
    options = {k: v for k, v in TASKS[task].items() if k not in ("env", "copies", "steps")}
    if setting == "sac_full":
        options.pop("hide", None)
        return options | {"observation": "full"}
    return options | ({"observation": "pa"} if task == "rods" else {})


def one_run(task: str, setting: str, seed: int, steps: int, episodes: int, keep: bool) -> dict:
    facts, options = TASKS[task], options_of(task, setting)
    envs = cl.make(facts["env"], facts["copies"], seed=1000 * seed, **options)
    agent = algorithm(setting)(envs, config_of(task, setting, seed))
    run = cl.train(agent, steps, progress=False)
    test = run_episodes(agent.policy, cl.make(facts["env"], episodes, seed=10_000, **options), seed=10_000)
    if keep and task in ("rods", "maze"):
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
        "curve": thin_curve(run.curve, ("env_steps", "wall_seconds", "return_mean"), 60),
    }


def returns_of(rows: list[dict], task: str, setting: str) -> np.ndarray:
    return np.array([r["return_deterministic"] for r in rows if (r["task"], r["setting"]) == (task, setting)])


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    claims, intervals = {}, {}
    for task, group in SETTINGS.items():
        for setting in group:
            if len(values := returns_of(rows, task, setting)):
                claims[f"starts_{task}_{setting}"] = float(np.median(values))
                intervals[f"starts_{task}_{setting}"] = median_interval(values)
    return claims, intervals


def report(rows: list[dict]) -> Table:
    table = Table("task", "setting", "seeds", "return, median", "range", "minutes")
    for task, group in SETTINGS.items():
        for setting in group:
            if len(values := returns_of(rows, task, setting)):
                seconds = [r["train_seconds"] for r in rows if r["run"] == f"{task} {setting}"]
                table.add(
                    task, setting, len(values), float(np.median(values)), f"{values.min():,.3g} to {values.max():,.3g}",
                    float(np.median(seconds)) / 60,
                )  # fmt: skip
    return table


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--settings", nargs="+", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(3)), help="none: nothing but what is known")
    parser.add_argument("--json", type=Path, default=Path("assets/results") / f"{NAME}.json")
    parser.add_argument("--include", type=Path, nargs="*", default=[], help=INCLUDE)
    parser.add_argument("--keep", action="store_true", help="ship the policies of seed 0 of rods and maze")
    parser.add_argument("--quick", action="store_true", help="one short run of each; claims nothing")
    args = parser.parse_args()
    if args.quick:
        args.seeds = args.seeds[:1]
        args.json = Path("build") / f"{NAME}_quick.json" if args.json == parser.get_default("json") else args.json
    config = {
        f"{t} {s}": {**TASKS[t], **options_of(t, s), **asdict(config_of(t, s))} for t in TASKS for s in SETTINGS[t]
    }
    rows = known_runs([args.json, *args.include], config)

    def save() -> None:
        write_runs(args.json, NAME, rows, config, claims_of, args.include)

    if args.include:
        save()
    wanted = [(t, seed, s) for t in args.tasks for seed in args.seeds for s in SETTINGS[t] if s in args.settings]
    for task, seed, setting in wanted:
        if any((r["run"], r["seed"]) == (f"{task} {setting}", seed) for r in rows):
            continue
        # A quick run goes just beyond the first updates.
        steps = config_of(task, setting).learning_starts + 128 if args.quick else TASKS[task]["steps"]
        keep = args.keep and seed == 0 and not args.quick
        rows.append(one_run(task, setting, seed, steps, 4 if args.quick else 100, keep))
        save()
        print(f"{task}, {setting}, seed {seed}: {rows[-1]['return_deterministic']:.4g}", flush=True)
    print(report(rows))
    for claim, value in claims_of(rows)[0].items():
        print(f"{claim}={value:.6g}")


if __name__ == "__main__":
    main()
