"""What the runs of notebook 10 say so far, in one line a question; every line names how many seeds are behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import iqm, paired, summarize
from course_lib.lessons.nb10_evidence import LEARNED, lead, robust_share
from course_lib.lessons.nb10_figures import NAMES, TASKS, grid_table

CLOSE = 0.05  # two shares that differ by less count as the same


def values(rows: Sequence[dict], task: str, policy: str, condition: str = "", training: str = "one rate") -> np.ndarray:
    """One number for each run: its share under `condition`, or its return where that is empty."""
    mine = [r for r in rows if (r["task"], r["policy"], r["training"]) == (task, policy, training)]
    return np.array([robust_share(r, [condition]) if condition else r["return"] for r in mine])


def ordered(
    rows: Sequence[dict],
    task: str,
    condition: str = "",
    policies: Sequence[str] = tuple(NAMES),
    training: str = "one rate",
) -> dict[str, tuple[float, int]]:
    """Policy -> interquartile mean and number of seeds, the largest first; policies without a run are left out."""
    found = {name: values(rows, task, name, condition, training) for name in policies}
    table = {name: (float(iqm(runs)), len(runs)) for name, runs in found.items() if len(runs)}
    if not table:
        raise ArgumentError(f"task={task!r} has no run of {', '.join(policies)}")
    return dict(sorted(table.items(), key=lambda item: -item[1][0]))


def line(
    rows: Sequence[dict],
    task: str,
    condition: str = "",
    policies: Sequence[str] = tuple(NAMES),
    training: str = "one rate",
) -> str:
    """ "pole on a cart: LTC 1,000 (7 seeds), GRU 940 (7), …": returns, or shares under a condition."""
    parts = []
    for name, (value, seeds) in ordered(rows, task, condition, policies, training).items():
        shown = f"{round(value, 2) + 0.0:.0%}" if condition else f"{value:,.0f}"
        parts.append(f"{NAMES[name]} {shown} ({seeds}{' seeds' if not parts else ''})")
    words = (TASKS[task], condition, "trained at " + training if training != "one rate" else "")
    return ", ".join(filter(None, words)) + ": " + ", ".join(parts)


def balancing(rows: Sequence[dict], task: str = "pendulum") -> list[str]:
    """Policies that have learned the task: at least `LEARNED` of the best one's interquartile mean."""
    table = ordered(rows, task)
    best = next(iter(table.values()))[0]
    return [name for name, (value, _) in table.items() if value >= LEARNED * best]


def ahead(rows: Sequence[dict], task: str, condition: str, one: str, other: str) -> str:
    """Which of two policies keeps the larger share: the name of one of them, or "about the same"."""
    table = ordered(rows, task, condition, (one, other))
    if {one, other} - set(table):
        raise ArgumentError(f"{one!r} or {other!r} has no run on {task!r}")
    gap = table[one][0] - table[other][0]
    return "about the same" if abs(gap) < CLOSE else NAMES[one] if gap > 0 else NAMES[other]


def first_two(rows: Sequence[dict], task: str, condition: str, policies: Sequence[str]) -> str:
    """ "LTC - GRU: 0.03 [-0.02, 0.09]": the two that keep the largest share, of those that have learned the task."""
    able = [name for name in balancing(rows, task) if name in policies]
    one, other = [*ordered(rows, task, condition, able)][:2]
    mine = [r for r in rows if (r["task"], r["training"]) == (task, "one rate")]
    return f"{NAMES[one]} - {NAMES[other]}: {lead(mine, (one,), (other,), (condition,))}"


def told(rows: Sequence[dict], task: str, condition: str, policy: str) -> str:
    """ "LTC on HalfCheetah, rate 2: told …, not told …, difference …": shares of a cell that can be told its step."""
    mine = [r for r in rows if (r["task"], r["policy"], r["training"]) == (task, policy, "one rate")]
    names = (f"{condition}, told", condition)
    heard, deaf = (np.array([r["disturbed"][name] / r["return"] for r in mine]) for name in names)
    both = f"told {summarize(heard)}, not told {summarize(deaf)}, difference {paired(heard, deaf, iqm)}"
    return f"{NAMES[policy]} on {TASKS[task]}, {condition}: {both}"


def noise_on_the_pole(grus: Sequence[dict], others: Sequence[dict]) -> str:
    """H3 on the pole with these runs of the GRU, and the LTCs and CfCs among `others` that have the same seeds."""
    usual = [r for r in grus if (r["task"], r["training"], r["policy"]) == ("pendulum", "one rate", "gru")]
    seeds = {r["seed"] for r in usual}
    against = [r for r in others if (r["task"], r["training"]) == ("pendulum", "one rate") and r["seed"] in seeds]
    against = [r for r in against if r["policy"] in ("ltc", "cfc")]
    ahead = lead([*usual, *against], ("ltc", "cfc"), ("gru",), [f"noise {size}" for size in (2, 4, 8)])
    few = sum(robust_share(r, ["noise 2"]) < 0.5 for r in usual)
    return f"LTC and CfC less GRU {ahead}; under twice the noise {few} of {len(usual)} GRUs keep less than half"


def lowest_rank(rows: Sequence[dict], cell: str = "ltc", task: str = "pendulum") -> str:
    """Rank with the smallest return, averaged over the densities: "1", "1/4" or "full"."""
    mine = [r for r in rows if (r["task"], r["cell"]) == (task, cell)]
    table, ranks, _ = grid_table(mine, lambda r: r["return"], "sparse and of low rank")
    return ranks[int(np.nanargmin(np.nanmean(table, axis=1)))]


def why_not(rows: Sequence[dict], policies: Sequence[str]) -> str:
    """Why `lead` does not compare the policies: "ncp 100, random 1,220; learned from 1,262 on", medians of returns."""
    if not rows:
        return "not trained"
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["policy"], []).append(row["return"])
    medians = {name: float(np.median(runs)) for name, runs in found.items()}
    shown = [f"{name} {medians[name]:,.0f}" if name in medians else f"{name} not trained" for name in policies]
    return f"{', '.join(shown)}; learned from {LEARNED * max(medians.values()):,.0f} on"


# --- solvers --------------------------------------------------------------------------------------------


def solver_table(rows: Sequence[dict]) -> dict[tuple[str, str], dict[str, float]]:
    """(cell, solver of training) -> solver of the test -> interquartile mean of the return."""
    out: dict[tuple[str, str], dict[str, float]] = {}
    for cell in dict.fromkeys(r["cell"] for r in rows):
        for trained in dict.fromkeys(r["policy"] for r in rows if r["cell"] == cell):
            mine = [r["disturbed"] for r in rows if (r["cell"], r["policy"]) == (cell, trained)]
            out[cell, trained] = {solver: float(iqm([r[solver] for r in mine])) for solver in mine[0]}
    return out


def unharmed(rows: Sequence[dict], trained: str, tested: str, least: float = 0.95) -> str:
    """ "LTC 9 of 10, …": how many of the runs of each cell that learned keep `least` of it with another solver."""
    parts = []
    for cell in dict.fromkeys(r["cell"] for r in rows):
        most = max(r["return"] for r in rows if r["cell"] == cell)
        own = [r for r in rows if (r["cell"], r["policy"]) == (cell, trained)]
        mine = [r["disturbed"] for r in own if r["return"] >= LEARNED * most]
        good = sum(r[tested] >= least * r[trained] for r in mine)
        parts.append(f"{NAMES[cell]} {good} of {len(mine)}")
    return ", ".join(parts)


def apart(rows: Sequence[dict], one: str, other: str) -> float:
    """Largest difference between tests with two solvers, over all trainings, as a share of the largest return."""
    table = solver_table(rows).values()
    return max(abs(t[one] - t[other]) for t in table) / max(max(t.values()) for t in table)


def ran_away(rows: Sequence[dict]) -> list[str]:
    """ "ctrnn, trained with rk4 1: 1 of 2 runs" for the trainings that ended because the state ran away."""
    out = []
    for cell, trained in solver_table(rows):
        mine = [r for r in rows if (r["cell"], r["policy"]) == (cell, trained)]
        ended = sum(bool(r.get("ran_away")) for r in mine)
        out += [f"{cell}, trained with {trained}: {ended} of {len(mine)} runs"] if ended else []
    return out
