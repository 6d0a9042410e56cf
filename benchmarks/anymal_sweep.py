"""Which hyperparameters matter for ANYmal's sprint? Fifty trials in an hour on two cores, over two spaces.

    python benchmarks/anymal_sweep.py [--spaces predecessor ours] [--seeds 0 1] [--trials 50] [--quick]

"predecessor" has the factors and ranges of the sweep that this course's predecessor ran (50 trials of 2 to 3 hours):
learning rate, epochs, entropy weight, buffer and the two ends of the schedule of σ, with its task (raw observation, its
position targets) and its other settings. One robot's buffer of 6,000 to 10,000 steps is here one of 64 robots; the
schedule of σ, there over 15,000 episodes, ends with the budget. "ours" varies what is expected to matter, in ranges
wide enough to show it, from the recommended settings.

A trial trains for a fixed number of environment steps, reports its training return after each tenth, may be stopped by
the median rule, and counts by 20 episodes without noise in the actions. Their starts differ by `reset_noise`. Every
trial is kept in the storage at once: a stopped sweep goes on where it was. Minutes are those in which at least one
trial ran. Importances come with intervals over the two sweeps and their trials, for the final values and for an early
report, which the pruned trials have too.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from _report import Table, cli, column, run_all, select

import course_lib as cl
from course_lib.errors import ArgumentError

NAME, ENV, NOISE = "anymal_sweep", "AnymalSprint-v0", 0.05
EARLY = 2  # the report that every trial reaches: the median rule begins with it
BEFORE = {"trials": 50, "hours_per_trial": [2, 3]}


@dataclass
class ScheduledConfig(cl.PPOConfig):
    """PPO whose σ is not learned but falls on a straight line."""

    std_init: float = 1.0
    """σ at the start"""
    std_min: float = 0.75
    """σ at the end of training"""


class ScheduledPPO(cl.PPO):
    """PPO with the predecessor's schedule of σ."""

    name = "ppo with scheduled σ"

    def iterate(self, progress: float) -> dict[str, float]:
        c = self.config
        self.policy.log_std.data.fill_(math.log(c.std_init + (c.std_min - c.std_init) * progress))
        return super().iterate(progress)


@dataclass
class Setting:
    agent: type
    config: cl.PPOConfig
    space: dict
    env_options: dict
    env_steps: int


SETTINGS = {
    "predecessor": Setting(
        ScheduledPPO,
        ScheduledConfig(
            minibatch_size=128, clip=0.1, value_coef=1.0, lr_schedule="constant", hidden=(128, 128),
            normalize_observation=False, normalize_reward=False,
        ),
        {
            "learning_rate": cl.log_uniform(1e-5, 1e-4),
            "epochs": cl.integer(40, 60),
            "entropy_coef": cl.uniform(0.001, 0.01),
            "rollout_steps": cl.integer(94, 156),  # × 64 robots = 6,016 to 9,984 transitions
            "std_init": cl.uniform(1.0, 1.1),
            "std_min": cl.uniform(0.7, 0.8),
        },
        dict(action="predecessor", observation="raw"),
        120_000,
    ),
    "ours": Setting(
        cl.PPO,
        cl.PPOConfig.recommended(ENV, entropy_schedule="constant"),  # as it was recommended then
        {
            "learning_rate": cl.log_uniform(1e-4, 1e-2),
            "epochs": cl.integer(2, 12),
            "gamma": cl.uniform(0.95, 0.999),
            "gae_lambda": cl.uniform(0.8, 0.99),
            "entropy_coef": cl.uniform(0.0, 0.01),
            "rollout_steps": cl.integer(16, 128, log=True),
            "minibatch_size": cl.choice(256, 512, 1024),
            "init_log_std": cl.uniform(-2.0, 0.0),
        },
        {},
        200_000,
    ),
}  # fmt: skip


def steps_of(args, name: str) -> int:
    return 10_000 if args.quick else SETTINGS[name].env_steps


def one_sweep(args, name: str, seed: int) -> cl.Sweep:
    s = SETTINGS[name]
    return cl.sweep(
        ENV, s.agent, s.space, config=s.config, env_steps=steps_of(args, name),
        env_options={"reset_noise": NOISE, **s.env_options}, trials=args.trials, episodes=args.episodes, seed=seed,
        storage=args.storage, name=f"{name}-{seed}", workers=args.workers,
    )  # fmt: skip


def minutes(sweep: cl.Sweep) -> float:
    """Wall-clock time in which at least one trial ran; what lies between two calls does not count."""
    spans = sorted((t.datetime_start, t.datetime_complete) for t in sweep.study.trials if t.datetime_complete)
    total, until = 0.0, spans[0][0]
    for start, end in spans:
        total += max((end - max(start, until)).total_seconds(), 0.0)
        until = max(until, end)
    return total / 60


def one_run(args, name: str, seed: int) -> dict:
    sweep = one_sweep(args, name, seed)
    print(sweep, sweep.table(5), sep="\n", flush=True)
    if sweep.interrupted:
        raise SystemExit("stopped; the same command goes on")
    done = {state: len(sweep.of_state(state)) for state in ("complete", "pruned", "failed")}
    trained = sum(t.seconds for t in sweep.trials if math.isfinite(t.seconds)) / 60
    return {
        "space": name, "seed": seed, "trials": sum(done.values()), **done, "minutes": round(minutes(sweep), 2),
        "trial_minutes": round(trained, 2), "best": sweep.best.value, "best_params": dict(sweep.best.params),
        "sweep": sweep.to_dict(),
    }  # fmt: skip


def shares(sweeps: list[cl.Sweep], draws: int) -> dict:
    """Importances for the final values and for the early report, where there are enough of them."""
    out = {}
    for label, at in (("final", None), (f"report_{EARLY}", EARLY)):
        try:
            found = cl.importances(sweeps, at=at, draws=draws, trees=32)
        except ArgumentError as error:
            print(f"no importances ({label}): {error}")
            continue
        out[label] = {field: asdict(share) for field, share in found.items()}
    return out


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """Of the sweeps over the first space."""
    mine = select(rows, space=next((name for name in SETTINGS if select(rows, space=name)), None))
    taken, trials = column(mine, "minutes"), float(min(column(mine, "trials")))
    claims = {"sweep_minutes": float(np.median(taken)), "sweep_trials": trials}
    return claims, {"sweep_minutes": [min(taken), max(taken)], "sweep_trials": [trials] * 2}


def report(rows: list[dict], importances: dict) -> list[Table]:
    columns = ("space", "seed", "trials", "complete", "pruned", "failed", "minutes", "best")
    tables = [Table(*columns)]
    for r in rows:
        tables[0].add(*(r[k] for k in columns))
    for name, kinds in importances.items():
        for kind, found in kinds.items():
            tables.append(Table(f"{name}, {kind}", "share", "95 % interval", "each sweep"))
            for field, share in found.items():
                each = ", ".join(f"{v:.2f}" for v in share["each"])
                tables[-1].add(field, share["value"], f"{share['low']:.2f} to {share['high']:.2f}", each)
    return tables


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, seeds=range(2), spaces=[*SETTINGS], trials=50, workers=2, storage=f"sqlite:///build/{NAME}.db",
        fixed=dict(episodes=20, draws=100),
        quick=dict(trials=6, storage=f"journal:///build/{NAME}_quick.log", episodes=4, draws=5),
    )  # fmt: skip
    if args.quick:
        Path(f"build/{NAME}_quick.log").unlink(missing_ok=True)
    config = {n: {"env_steps": steps_of(args, n), "config": asdict(s.config)} for n, s in SETTINGS.items()}
    known: dict[tuple, dict] = {}  # importances take half a minute a space

    def importances(rows: list[dict]) -> dict:
        found = {name: select(rows, space=name) for name in SETTINGS}
        for name, mine in found.items():
            if mine and (name, len(mine)) not in known:
                known[name, len(mine)] = shares([cl.Sweep.from_dict(r["sweep"]) for r in mine], args.draws)
        return {name: known[name, len(mine)] for name, mine in found.items() if mine}

    run_all(
        args, one_run, [(name, seed) for name in args.spaces for seed in args.seeds], key=("space", "seed"),
        config={"env": ENV, "trials": args.trials, "workers": args.workers, **config}, claims_of=claims_of,
        report=lambda rows: report(rows, json.loads(args.json.read_text())["importances"]),
        says="{trials} trials in {minutes} min", seconds=lambda row: 60 * row["minutes"], before=BEFORE,
        importances=importances,
    )  # fmt: skip
