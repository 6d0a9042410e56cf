"""Open hypotheses of notebook 10 asked again, and new ones that the first study suggested, with twenty new seeds.

    python benchmarks/second_study.py [--parts policies wiring] [--seeds 100 101 … 119] [--processes 2] [--quick]

The first study, `robustness.py` with `topology.py` and `convergence.py`, could not decide four of its eight hypotheses.
Three of them are asked again here. Three others were found in its figures, and what is found in figures must be tested
with other runs. All six stand in `course_lib/lessons/nb10_hypotheses.py` (`SECOND_STUDY`); they and the number of seeds
were written before the first run here. The rule is that of the first study, with twenty seeds instead of ten, and no
run of the first study counts. Training, tasks and conditions are those of the first study: its scripts make the runs.
What differs is the processor (of most), and that sequences of GRU and CfC are computed in C since then, with results
equal up to rounding. The episodes of the tests are the same eight in both studies: only trainings are new.

  policies  seven on HalfCheetah, and the three that learned the pole and are compared under noise there
  wiring    the LTC on the pole: the wiring of a neural circuit policy, random wirings of equal density, all synapses.
            It is the only place where the first study could compare the wirings. "full" is the LTC of the first
            part once more, with equal results, so these are 240 different trainings

    second_study_decided  how many of the six are held or not held; 0 as long as a run is missing
    difference_H3, …      the difference behind each verdict, when no run is missing

Trained policies stay in build/robustness and build/topology. Time: about 20 min for a seed on one core.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import robustness
import topology
from _disturbed import EPISODES, TASKS, conditions_of
from _report import Table, cli, column, run_all, select

from course_lib.evaluation.statistics import summarize
from course_lib.lessons.nb10_evidence import complete, decide_all, robust_share
from course_lib.lessons.nb10_figures import verdict_table
from course_lib.lessons.nb10_hypotheses import PLANNED, SECOND_SEEDS, SECOND_STUDY

NAME = "second_study"
POLICIES = {
    task: tuple(policy for on, policy in PLANNED["policies"] if on == task) for task in ("halfcheetah", "pendulum")
}
WIRED = ("pendulum", "ltc")  # task and cell


def one_run(args, part: str, task: str, policy: str, seed: int) -> dict:
    if part == "wiring":
        return dict(part=part) | topology.one_run(args, task, WIRED[1], policy, seed)
    return dict(part=part) | robustness.one_run(args, task, "one rate", policy, seed)


def decided(rows: list[dict]) -> list[dict]:
    return decide_all({NAME: rows}, SECOND_STUDY)


def claims_of(rows: list[dict]) -> tuple[dict, dict]:
    found = decided(rows)
    count = float(sum(one["verdict"] != "cannot be told" for one in found))
    differences = {f"difference_{one['key']}": one["difference"] for one in found if complete(rows)}
    claims = {name: difference.value for name, difference in differences.items()}
    intervals = {name: [difference.low, difference.high] for name, difference in differences.items()}
    return {"second_study_decided": count} | claims, {"second_study_decided": [count, count]} | intervals


def report(rows: list[dict]) -> list:
    tables = []
    for part, task in dict.fromkeys((row["part"], row["task"]) for row in rows):
        mine = select(rows, part=part, task=task)
        names = [name for name in mine[0]["disturbed"] if ", told" not in name]
        table = Table(f"{part}, {task}", "parameters", "seeds", "return", *names)
        for policy in dict.fromkeys(row["policy"] for row in mine):
            runs = select(mine, policy=policy)
            shares = [np.median([robust_share(row, [name]) for row in runs]) for name in names]
            table.add(
                policy, runs[0]["parameters"], len(runs), str(summarize(column(runs, "return"))),
                *[f"{s:.2f}" for s in shares],
            )  # fmt: skip
        tables += [table, ""]
    return [*tables, verdict_table(decided(rows))]


if __name__ == "__main__":
    args = cli(
        NAME,
        __doc__,
        seeds=SECOND_SEEDS,
        parts=tuple(PLANNED),
        fixed=dict(steps=0, keep=False),
        quick=dict(seeds=1, steps=4_608),
    )
    facts = {task: TASKS[task] | dict(conditions=conditions_of(task), episodes=EPISODES) for task in POLICIES}
    config = {
        "policies": {
            task: facts[task] | {p: asdict(robustness.config_of(task, p)) for p in policies}
            for task, policies in POLICIES.items()
        },
        "wiring": facts[WIRED[0]] | {p: asdict(topology.config_with(*WIRED, p)) for _, p in PLANNED["wiring"]},
    }
    run_all(
        args, one_run,
        [(part, task, policy, seed) for seed in args.seeds for part in args.parts for task, policy in PLANNED[part]],
        key=("part", "task", "policy", "seed"), config=config, part="part", claims_of=claims_of, report=report,
        says="{return:,.0f}",
    )  # fmt: skip
