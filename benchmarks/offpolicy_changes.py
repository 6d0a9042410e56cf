"""From DDPG to TD3 to SAC, each change switched on alone: what it does to the return and to over-estimation.

    python benchmarks/offpolicy_changes.py [--tasks pendulum cheetah] [--variants ddpg twin …] [--seeds 0 1 2] [--quick]

Two tasks: the pendulum that sees all (motion and reward of Pendulum-v1) and HalfCheetah-v5. Each variant is DDPG with
the switches named in VARIANTS; "td3" and "sac" are the library's presets, "no_target" and "no_noise" take something
away from DDPG. All of a task take as many environment steps and updates, from the same settings otherwise.

A run's figure is the mean of 20 deterministic episodes of the last policy. Over-estimation is measured at evenly
spread moments of training: Q(s, a) of the critics (the least, where there are two) less the discounted return that the
policy earns from the same state and action on, with the entropy it is paid for
(`course_lib.lessons.nb05_overestimation`). Bars and bands are 95 % bootstrap intervals over seeds, ranges where
there are fewer than five.

Two calls with different seeds may run side by side. On one core a pendulum run takes 5 to 15 s (11 variants, 10 seeds:
10 to 28 min), a cheetah run 2 to 5 min (9 variants, 3 seeds: 1 to 2.2 h, half on two cores).
"""

from __future__ import annotations

import contextlib
import io
import time

import numpy as np
from _report import Table, claims_from, cli, column, counts_of, run_all, seedless, thin_curve, train

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons.nb05_overestimation import overestimation
from course_lib.rl.offpolicy import DDPG, SAC, TD3

NAME = "offpolicy_changes"
ALPHA = 0.1  # the temperature, and its start where it is learned
STOCHASTIC = dict(stochastic=True, exploration_noise=0.0)
VARIANTS: dict[str, tuple] = {  # name: kind of agent, changes to its config
    "ddpg": (DDPG, {}),
    "twin": (DDPG, dict(critics=2)),
    "smoothing": (DDPG, dict(smoothing=0.2)),
    "delay": (DDPG, dict(policy_delay=2)),
    "td3": (TD3, {}),
    "stochastic": (DDPG, STOCHASTIC),
    "entropy": (DDPG, dict(STOCHASTIC, temperature=ALPHA)),
    "sac_fixed": (SAC, dict(temperature=ALPHA, learn_temperature=False)),
    "sac": (SAC, dict(temperature=ALPHA)),
    "no_target": (DDPG, dict(tau=1.0)),
    "no_noise": (DDPG, dict(exploration_noise=0.0)),
}
TASKS: dict[str, dict] = {
    "pendulum": dict(
        env="MemoryPendulum-v0", options={"observation": "full"}, copies=4, steps=12_000, seeds=10, moments=12,
        window=200, variants=list(VARIANTS),
        settings=dict(hidden=(64, 64), learning_rate=1e-3, learning_starts=1_000, updates_per_step=0.5),
    ),
    "cheetah": dict(
        env="HalfCheetah-v5", options={}, copies=16, steps=100_000, seeds=3, moments=8,
        window=500, variants=[v for v in VARIANTS if not v.startswith("no_")],
        settings=dict(learning_rate=1e-3, learning_starts=5_000, updates_per_step=0.25, products="bfloat16"),
    ),
}  # fmt: skip
CURVE = ("env_steps", "return_mean", "q_mean", "entropy_mean", "temperature")
SOURCES = {
    "twin": "Fujimoto et al. 2018, section 4.2",
    "smoothing": "Fujimoto et al. 2018, section 5.3",
    "delay": "Fujimoto et al. 2018, section 5.2",
    "entropy": "Haarnoja et al. 2018a, eq. (1)",
    "sac": "Haarnoja et al. 2018b, section 5: learned temperature",
}


def config_of(task: str, variant: str, seed: int = 0):
    kind, changes = VARIANTS[variant]
    return kind.Config(**{**TASKS[task]["settings"], **changes, "seed": seed})


def facts_of(task: str, variant: str) -> dict:
    """All that the run depends on but the seed and what is infinite, for which JSON has no word."""
    facts = {k: v for k, v in TASKS[task].items() if k in ("env", "options", "copies", "steps", "moments", "window")}
    return facts | {k: v for k, v in seedless(config_of(task, variant)).items() if v != float("inf")}


class Moments:
    """Measures over-estimation and the return without noise at evenly spread moments."""

    def __init__(self, task: str, steps: int, episodes: int, copies: int):
        self.task, self.episodes, self.copies = TASKS[task], episodes, copies
        self.due = list(np.linspace(0, steps, self.task["moments"] + 1)[1:])
        names = ("env_steps", "q", "earned", "bias", "relative_bias", "return_deterministic")
        self.rows: dict[str, list[float]] = {name: [] for name in names}
        self.seconds = self.trained = 0.0

    def on_update(self, run) -> None:
        self.trained = run.wall_seconds - self.seconds
        if not self.due or run.agent.env_steps < self.due[0] or not run.agent.learner.updates:
            return
        self.due = [at for at in self.due if at > run.agent.env_steps]
        began, window = time.perf_counter(), self.task["window"]
        found = overestimation(run.agent, copies=self.copies, steps=window, stride=window // 20, seed=5_000)
        test = run_episodes(run.policy, self.envs(self.episodes), seed=10_000)
        new = (run.agent.env_steps, found.q.mean(), found.returns.mean(), found.bias, found.relative_bias, test.mean)
        for values, value in zip(self.rows.values(), new, strict=True):
            values.append(float(f"{value:.5g}"))
        self.seconds += time.perf_counter() - began

    def envs(self, copies: int):
        return cl.make(self.task["env"], copies, seed=10_000, threads=1, **self.task["options"])


def one_run(args, task: str, variant: str, seed: int) -> dict:
    facts, kind = TASKS[task], VARIANTS[variant][0]
    # A quick run goes just beyond the first updates.
    steps = facts["settings"]["learning_starts"] + 160 if args.quick else facts["steps"]
    envs = cl.make(facts["env"], facts["copies"], seed=1000 * seed, threads=1, **facts["options"])
    agent, moments = kind(envs, config_of(task, variant, seed)), Moments(task, steps, args.episodes, args.copies)
    with contextlib.redirect_stdout(io.StringIO()):
        run = train(agent, steps, progress=False, callbacks=[moments])
    test = run_episodes(agent.policy, moments.envs(args.episodes), seed=10_000)
    return {
        "run": f"{task} {variant}",
        "task": task,
        "variant": variant,
        "seed": seed,
        "return_deterministic": test.mean,
        "bias": moments.rows["bias"][-1],
        "relative_bias": moments.rows["relative_bias"][-1],
        "env_steps": agent.env_steps,
        "updates": agent.learner.updates,
        "train_seconds": round(moments.trained, 1),
        "curve": thin_curve(run.curve, 60, [name for name in CURVE if name in run.curve]),
        "moments": moments.rows,
    }


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    """Median return and final over-estimation of each variant, with intervals over seeds."""
    return claims_from(groups_of(rows))


def groups_of(rows: list[dict]) -> dict[str, list[float]]:
    """Claim -> its figure for each seed."""
    figures = (("return", "return_deterministic"), ("bias", "bias"))
    return {
        f"{task}_{variant}_{name}": column(rows, key, task=task, variant=variant)
        for task in TASKS for variant in VARIANTS for name, key in figures
    }  # fmt: skip


def report(rows: list[dict]) -> Table:
    table = Table("task", "variant", "seeds", "return, median", "95 % interval", "Q - earned", "95 % interval", "s")
    claims, intervals = claims_of(rows)
    for task in TASKS:
        for variant in VARIANTS:
            if seconds := column(rows, "train_seconds", task=task, variant=variant):
                cells = []
                for name in ("return", "bias"):
                    low, high = intervals[f"{task}_{variant}_{name}"]
                    cells += [claims[f"{task}_{variant}_{name}"], f"[{low:,.4g}, {high:,.4g}]"]
                table.add(task, variant, len(seconds), *cells, float(np.median(seconds)))
    return table


if __name__ == "__main__":
    args = cli(
        NAME, __doc__, tasks=[*TASKS], variants=[*VARIANTS],
        seeds=dict(default=None, help="by default as many as the task has: 10 and 3; none: nothing but what is known"),
        fixed=dict(episodes=20, copies=16), quick=dict(seeds=2, episodes=2, copies=2),
    )  # fmt: skip
    seeds = {task: range(facts["seeds"]) if args.seeds is None else args.seeds for task, facts in TASKS.items()}
    wanted = [(t, v, seed) for t in args.tasks for seed in seeds[t] for v in args.variants if v in TASKS[t]["variants"]]
    run_all(
        args, one_run, wanted, key=("task", "variant", "seed"), part="run",
        config={f"{t} {v}": facts_of(t, v) for t in TASKS for v in TASKS[t]["variants"]},
        claims_of=claims_of, report=report, claim_seeds=lambda rows: counts_of(groups_of(rows)),
        says="return {return_deterministic:,.4g}, Q - earned {bias:,.3g}, {train_seconds:.0f} s",
        changes={name: changes for name, (_, changes) in VARIANTS.items()}, sources=SOURCES,
    )  # fmt: skip
