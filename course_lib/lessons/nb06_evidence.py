"""Notebook 06: how much a sweep says. Its trials at one report, ranks, and importances of shuffled outcomes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from course_lib.errors import ArgumentError, check_count
from course_lib.sweeps import Sweep, importances


def at_report(sweep: Sweep, at: int) -> Sweep:
    """The trials that came as far as report `at`, with what they reported there as their value.

    Its figures say so, instead of naming the measure at the end of a whole trial.
    """
    kept = [t for t in sweep.trials if math.isfinite(t.reports.get(at, math.nan))]
    if not kept:
        raise ArgumentError(f"at={at!r} is not accepted: no trial of sweep {sweep.name!r} has that report")
    records = [dataclasses.replace(t, state="complete", value=t.reports[at], reports={at: t.reports[at]}) for t in kept]
    told = dict(value=f"training return at report {at}", label=f"came to report {at}")
    return Sweep(sweep.name, sweep.space, sweep.recipe | told, records=records)


def shuffled(sweep: Sweep, seed: int) -> Sweep:
    """The same trials with their values dealt out anew: no hyperparameter matters any more."""
    records = [t for t in sweep.trials if t.state == "complete"]
    values = np.random.default_rng(seed).permutation([t.value for t in records])
    mixed = [
        dataclasses.replace(t, value=float(v), reports=dict.fromkeys(t.reports, float(v)))
        for t, v in zip(records, values, strict=True)
    ]
    return Sweep(sweep.name, sweep.space, sweep.recipe, records=mixed)


def chance_shares(sweep: Sweep, draws: int = 20, trees: int = 16, seed: int = 0) -> np.ndarray:
    """(draws,): the largest importance in each of `draws` shuffles of the values of `sweep`."""
    check_count("draws", draws)
    found = [importances(shuffled(sweep, seed + k), trees=trees) for k in range(draws)]
    return np.array([max(share.value for share in shares.values()) for shares in found])


def rank_correlations(sweep: Sweep) -> dict[str, float]:
    """Hyperparameter -> Spearman's rank correlation with the value, over the complete trials."""
    done = [t for t in sweep.trials if t.state == "complete"]
    values = [t.value for t in done]
    places = {n: [d.position(t.params[n]) for t in done] for n, d in sweep.space.items()}
    return {n: float(stats.spearmanr(at, values)[0]) if np.ptp(at) > 0 else 0.0 for n, at in places.items()}


def limit_of_chance(trials: int, share: float = 0.95) -> float:
    """|ρ| that a rank correlation of `trials` unrelated pairs stays below with probability `share`."""
    check_count("trials", trials, least=4)
    t = stats.t.ppf(0.5 + share / 2, trials - 2)
    return float(t / math.sqrt(trials - 2 + t * t))
