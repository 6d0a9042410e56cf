"""What the runs of notebook 10 say: shares of the return under a disturbance, and the verdicts on the hypotheses.

A run is a row of a result file: "task", "policy", "seed", its undisturbed "return", and "disturbed": condition ->
return. Some also have "training" or "cell". Runs of one task (and cell) are a stratum. Seeds are resampled within each
stratum and policy, and all strata have the same weight.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import LEAST_RUNS, Summary, iqm
from course_lib.lessons.nb10_hypotheses import (
    ASIDE,
    HYPOTHESES,
    PLANNED,
    SECOND,
    SECOND_SEEDS,
    Hypothesis,
    verdict,
    verdict_of_equality,
)

LEARNED = 0.5  # a policy is compared on tasks where its median is at least this share of the best one's
DRAWS = 2000
STRATA = ("task", "cell")


class NotCompared(ArgumentError):
    """Two groups of policies have no task that both have learned."""


def share(row: dict, condition: str) -> float:
    """Return under `condition` over the undisturbed one.

    "dead" stands for all sensors in turn. A cell that was told the length of a step in a condition counts as told.
    """
    found = row["disturbed"]
    if condition == "dead":
        values = [value for name, value in found.items() if name.startswith("dead ")]
    else:
        values = [found.get(f"{condition}, told", found.get(condition))]
    if not values or None in values:
        raise ArgumentError(f"condition={condition!r} is not known for this run; accepted: {', '.join(found)} or dead")
    return float(np.mean(values)) / row["return"]


def robust_share(row: dict, conditions: Iterable[str]) -> float:
    """Mean share over the conditions: for disturbances of growing size the area under their curve."""
    return float(np.mean([share(row, condition) for condition in conditions]))


def conditions_in(rows: Sequence[dict], conditions: Iterable[str]) -> list[str]:
    """Those of the conditions that the rows have. (On the pole nothing slides, so its friction was not changed.)"""
    known = {name for row in rows for name in row["disturbed"]}
    return [c for c in conditions if c in known or (c == "dead" and any(name.startswith("dead ") for name in known))]


def stratum_of(row: dict) -> tuple:
    return tuple(row.get(name) for name in STRATA)


def strata_of(rows: Sequence[dict]) -> list[tuple]:
    return sorted({stratum_of(row) for row in rows}, key=str)


def learned(rows: Sequence[dict]) -> dict[tuple, list[str]]:
    """Stratum -> policies whose median undisturbed return is at least `LEARNED` of the best policy's."""
    out = {}
    for stratum in strata_of(rows):
        medians = {name: float(np.median(values)) for name, values in by_policy(rows, stratum, None).items()}
        out[stratum] = [name for name, value in medians.items() if value >= LEARNED * max(medians.values())]
    return out


def sides_of(rows: Sequence[dict], better: Sequence[str], worse: Sequence[str]) -> dict[tuple, list[list[str]]]:
    """Stratum -> the policies of either side that have `learned` it, of strata where both sides have one."""
    fit = learned(rows)
    found = {stratum: [[n for n in side if n in fit[stratum]] for side in (better, worse)] for stratum in fit}
    return {stratum: sides for stratum, sides in found.items() if all(sides)}


def by_policy(rows: Sequence[dict], stratum: tuple, conditions: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Policy -> its runs' mean shares over the conditions (None: undisturbed returns), in the order of the seeds."""
    mine = [row for row in rows if stratum_of(row) == stratum]
    mine.sort(key=lambda row: row["seed"])
    out: dict[str, list[float]] = {}
    for row in mine:
        value = row["return"] if conditions is None else robust_share(row, conditions)
        out.setdefault(row["policy"], []).append(value)
    return {name: np.array(values) for name, values in out.items()}


def lead(rows: Sequence[dict], better: Sequence[str], worse: Sequence[str], conditions: Sequence[str]) -> Summary:
    """By how much larger a share the policies `better` keep than `worse`: IQM over seeds, mean over policies, strata.

    "return" among the conditions stands for the undisturbed return itself, as a share of both groups' mean. Conditions
    that a task does not have are left out there. Only policies that have `learned` a task are compared on it. `runs` of
    the summary is the least number behind a policy.
    """
    rng, values, draws, each, runs = np.random.default_rng(0), [], [], [], []
    compared = sides_of(rows, better, worse)
    for stratum, sides in compared.items():
        shares = conditions_in([row for row in rows if stratum_of(row) == stratum], conditions)
        measured = []
        if shares:
            measured += [(by_policy(rows, stratum, shares), len(shares))]
        if "return" in conditions:
            plain = by_policy(rows, stratum, None)
            mean = np.mean([iqm(plain[name]) for name in (*better, *worse) if name in plain])
            measured += [({name: runs / mean for name, runs in plain.items()}, 1)]
        if not measured:  # the task has none of the conditions
            continue
        total = sum(weight for _, weight in measured)
        value, drawn, single = 0.0, np.zeros(DRAWS), np.zeros(LEAST_RUNS)
        for table, weight in measured:
            for side, sign in zip(sides, (1.0, -1.0), strict=True):
                for name in side:
                    x, part = table[name], sign * weight / total / len(side)
                    runs.append(len(x))
                    value += part * iqm(x)
                    drawn += part * iqm(x[rng.integers(0, len(x), (DRAWS, len(x)))], axis=1)
                    single[: len(x)] += part * x[:LEAST_RUNS]
        values.append(value)
        draws.append(drawn)
        each.append(single)
    if not values:
        raise NotCompared(
            f"better={tuple(better)} and worse={tuple(worse)} cannot be compared: on no task did both learn"
        )
    if min(runs) < LEAST_RUNS:  # of the lead, seed by seed, with the seeds that all have
        seeds = [
            {row["seed"] for row in rows if (stratum_of(row), row["policy"]) == (stratum, name)}
            for stratum, sides in compared.items() for side in sides for name in side
        ]  # fmt: skip
        if any(one != (shared := set.intersection(*seeds)) for one in seeds):
            return lead([row for row in rows if row["seed"] in shared], better, worse, conditions)
        single = np.mean(each, axis=0)[: min(runs)]
        return Summary(iqm(single), float(single.min()), float(single.max()), min(runs), "range")
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return Summary(float(np.mean(values)), float(low), float(high), min(runs), "interval")


# --- accuracy of the solver -------------------------------------------------------------------------


def apart(values: Sequence[float]) -> float:
    """Largest less least, over the mean."""
    return float((max(values) - min(values)) / np.mean(values))


def solver_effects(rows: Sequence[dict]) -> dict[str, Summary]:
    """What the solver does to the return, as shares of the matched return.

    Rows have "policy", the solver of training, and "disturbed": solver of the test -> return. "matched": the largest
    difference between two solvers that each were trained and tested with. "mismatched": what is lost, over all pairs,
    by a test with another one; only policies that have `learned` the task can lose something. "chance": what "matched"
    is if the returns are dealt out among the solvers at random.
    """
    strata, rng = strata_of(rows), np.random.default_rng(0)
    found: dict[str, list[tuple[float, np.ndarray]]] = {"matched": [], "mismatched": []}
    runs, dealt = [], []
    for stratum in strata:
        mine = [row for row in rows if stratum_of(row) == stratum]
        solvers = sorted({row["policy"] for row in mine})
        able = learned(mine)[stratum]
        fit = [s for s in solvers if s in able]
        mine.sort(key=lambda row: row["seed"])
        table = {s: [row["disturbed"] for row in mine if row["policy"] == s] for s in solvers}
        runs += [len(found_rows) for found_rows in table.values()]

        def effects(index: dict[str, np.ndarray], solvers=solvers, fit=fit, table=table) -> tuple[float, float]:
            mean = {s: {t: iqm([table[s][i][t] for i in index[s]]) for t in {s, *fit}} for s in solvers}
            same = [mean[s][s] for s in solvers]
            lost = [1 - mean[s][t] / mean[s][s] for s in fit for t in fit if s != t]
            return apart(same), float(np.mean(lost))

        returns = [[row[s] for row in table[s]] for s in solvers]
        edges = np.cumsum([len(mine) for mine in returns])[:-1]
        shuffles = [np.split(rng.permutation(np.concatenate(returns)), edges) for _ in range(DRAWS // 4)]
        dealt.append([apart([iqm(part) for part in parts]) for parts in shuffles])
        value = effects({s: np.arange(len(table[s])) for s in solvers})
        if min(runs) < LEAST_RUNS:  # each seed by itself, with those that all have
            drawn = [effects({s: np.array([k]) for s in solvers}) for k in range(min(map(len, table.values())))]
        else:
            drawn = [
                effects({s: rng.integers(0, len(table[s]), len(table[s])) for s in solvers}) for _ in range(DRAWS // 4)
            ]
        for k, name in enumerate(found):
            found[name].append((value[k], np.array(drawn)[:, k]))
    few = min(runs) < LEAST_RUNS
    edges, kind = ((0, 1), "range") if few else ((0.025, 0.975), "interval")

    def summary(value: float, draws: list, edges: tuple) -> Summary:
        least = min(map(len, draws))
        mean = np.mean([each[:least] for each in draws], axis=0)
        low, high = np.quantile(mean, edges)
        return Summary(iqm(mean) if few else value, float(low), float(high), min(runs), kind)

    out = {
        n: summary(float(np.mean([v for v, _ in parts])), [d for _, d in parts], edges) for n, parts in found.items()
    }
    return out | {"chance": summary(float(np.mean(dealt)), dealt, (0, 0.95))}


# --- the verdicts -----------------------------------------------------------------------------------


def runs_that_learned(rows: Sequence[dict]) -> list[dict]:
    """Rows of policies that have `learned` the task, whose own return is at least `LEARNED` of the best median, too."""
    out = []
    for stratum, fit in learned(rows).items():
        best = max(float(np.median(values)) for values in by_policy(rows, stratum, None).values())
        mine = [row for row in rows if stratum_of(row) == stratum and row["policy"] in fit]
        out += [row for row in mine if row["return"] >= LEARNED * best]
    return out


def run_by_run(rows: Sequence[dict], h: Hypothesis) -> Summary:
    """`lead` for a hypothesis that counts the return, with it and the shares of a run averaged before anything else."""
    single = []
    for stratum in strata_of(rows):
        mine = [row for row in rows if stratum_of(row) == stratum]
        shares, plain = conditions_in(mine, h.conditions), by_policy(mine, stratum, None)
        means = [iqm(plain[name]) for name in (*h.better, *h.worse) if name in plain]
        for row in mine if means else ():
            parts = [row["return"] / np.mean(means), *(share(row, condition) for condition in shares)]
            single.append(row | {"disturbed": {"all": float(np.mean(parts)) * row["return"]}})
    return lead(single, h.better, h.worse, ["all"])


def failures(rows: Sequence[dict]) -> dict[str, tuple[int, int]]:
    """Policy that has `learned` a task -> how many of its runs there did not, and how many there are."""
    able, out = runs_that_learned(rows), {}
    for stratum, fit in learned(rows).items():
        for name in fit:
            count = [sum((stratum_of(r), r["policy"]) == (stratum, name) for r in some) for some in (able, rows)]
            failed, of = out.get(name, (0, 0))
            out[name] = failed + count[1] - count[0], of + count[1]
    return out


def complete(rows: Sequence[dict]) -> bool:
    """Whether all `PLANNED` runs of the second study are there."""
    known = {(row.get("part"), row["task"], row["policy"], row["seed"]) for row in rows}
    wanted = [(part, *run) for part, runs in PLANNED.items() for run in runs]
    return all((*run, seed) in known for run in wanted for seed in SECOND_SEEDS)


def decide(h: Hypothesis, rows: Sequence[dict]) -> dict:
    """-> "key", "verdict", "difference" (a `Summary`), "runs", "sides"; of H8 the difference of the half that decides.

    "sides": (task, cell) -> the policies compared there, a list for each side; of H8 one list, the solvers. Runs of the
    tasks `ASIDE` and of seeds that are not the hypothesis's are left out. Three more decide nothing. "learned_only":
    the difference if only `runs_that_learned` count. (A run that failed has little to lose, and can keep all of it.)
    "run_by_run": see there. "failed": see `failures`, of the policies compared.
    """
    whole = h.benchmark != SECOND["benchmark"] or complete(rows)
    rows = [row for row in rows if row.get("task") not in ASIDE and row["seed"] in h.seeds]
    if h.benchmark == "convergence":
        effects = solver_effects(rows)
        same, other = verdict_of_equality(effects["matched"]), verdict(effects["mismatched"])
        if same == "did not hold" and effects["matched"].value <= effects["chance"].high:
            same = "cannot be told"  # the largest of several is above 0 on average anyway
        both = same if same == other else "did not hold" if "did not hold" in (same, other) else "cannot be told"
        shown = effects["matched" if same == "did not hold" else "mismatched"]
        sides = {stratum: [list(by_policy(rows, stratum, None))] for stratum in strata_of(rows)}
        beside = dict(learned_only=None, run_by_run=None, failed={})
        return dict(key=h.key, verdict=both, difference=shown, runs=shown.runs, sides=sides) | beside
    mine = [row for row in rows if row.get("training", h.training) == h.training]
    mine = [row for row in mine if not h.tasks or row["task"] in h.tasks]
    difference, sides = lead(mine, h.better, h.worse, h.conditions), sides_of(mine, h.better, h.worse)
    judged = (verdict_of_equality if h.key == "H7" else verdict)(difference, seeds=len(h.seeds))
    counts = failures([row for row in mine if stratum_of(row) in sides])
    beside = dict(
        learned_only=lead(runs_that_learned(mine), h.better, h.worse, h.conditions),
        run_by_run=run_by_run(mine, h) if "return" in h.conditions else None,
        failed={name: count for name, count in counts.items() if name in (*h.better, *h.worse)},
    )
    return dict(
        key=h.key, verdict=judged if whole else "cannot be told", difference=difference, runs=difference.runs,
        sides=sides, **beside,
    )  # fmt: skip


def decide_all(results: dict[str, Sequence[dict]], hypotheses: Sequence[Hypothesis] = HYPOTHESES) -> list[dict]:
    """The verdicts on those `hypotheses` whose runs are in `results`: benchmark -> rows.

    A hypothesis is left out as long as one of its sides has no run, or none that learned a task.
    """
    out = []
    for h in hypotheses:
        with contextlib.suppress(NotCompared):
            out += [decide(h, results[h.benchmark])] if results.get(h.benchmark) else []
    return out
