"""Which hyperparameters mattered: what each explains alone, as shares that sum to 1, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna

from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.sweeps.choose import quiet
from course_lib.sweeps.results import Sweep
from course_lib.sweeps.space import Dimension


@dataclass
class Importance:
    """What one hyperparameter explains alone, as a share of what all of them explain alone.

    Attributes:
        value: mean over the sweeps.
        low, high: ends of the 95 % interval; NaN without draws.
        each: one value per sweep.
    """

    value: float
    low: float
    high: float
    each: list[float]


class Importances(dict):
    """Hyperparameter -> `Importance`, the largest first.

    Attributes:
        seeds: those of the sweeps over which the shares are averaged. method, at, draws: arguments of `importances`.
    """

    def __init__(self, shares: dict[str, Importance], seeds: list, method: str, at: int | None, draws: int):
        super().__init__(shares)
        self.seeds, self.method, self.at, self.draws = seeds, method, at, draws


def importances(
    sweeps: Sweep | Sequence[Sweep],
    *,
    at: int | None = None,
    method: str = "fanova",
    draws: int = 0,
    trees: int = 64,
    seed: int = 0,
) -> Importances:
    """How much the value varies with each hyperparameter, as shares that sum to 1; the largest first.

    What hyperparameters explain only together is left out.

    Args:
        sweeps: one or more sweeps over the same space, e.g. with several seeds.
        at: None for the final values, which only complete trials have. With pruning these are the good trials, so the
            shares describe the good region. Or a step: every trial that reported at this step counts with that report.
        method: "fanova" (Hutter et al. 2014: variance decomposition of a random forest) or "ped-anova" (Watanabe et
            al. 2023: which values the best tenth of the trials share).
        draws: for the interval, how often the shares are computed anew without a random fifth of each sweep's trials; 0
            for none. Their spread gives a standard error (delete-d jackknife, Shao and Wu 1989; a bootstrap would put
            trials in twice, which the forest takes for certainty). With several sweeps, their differences give another
            standard error, and the larger one counts. The interval is ± 1.96 standard errors.

    Raises:
        ArgumentError: fewer than 4 trials with a value, or sweeps over different spaces.
    """
    sweeps = [sweeps] if isinstance(sweeps, Sweep) else list(sweeps)
    check_choice("method", method, ("fanova", "ped-anova"))
    check_count("draws", draws, 0)
    if not sweeps or any(s.space != sweeps[0].space for s in sweeps):
        raise ArgumentError("sweeps have different spaces; importances are compared over one space")
    names = list(sweeps[0].space)
    data = [_points(sweep, names, at) for sweep in sweeps]
    each = np.array([_shares(x, y, names, method, trees, seed) for x, y in data])
    mean, error = each.mean(0), np.full(len(names), np.nan)
    if draws:
        rng = np.random.default_rng(seed)
        within = [
            _jackknife(x, y, lambda *part: _shares(*part, names, method, trees, seed), draws, rng) for x, y in data
        ]
        between = each.var(0, ddof=1) if len(data) > 1 else 0.0
        error = np.sqrt(np.maximum(np.mean(within, axis=0), between) / len(data))
    low, high = np.clip(mean - 1.96 * error, 0, 1), np.clip(mean + 1.96 * error, 0, 1)
    order = np.argsort(-mean)
    shares = {names[i]: Importance(float(mean[i]), float(low[i]), float(high[i]), each[:, i].tolist()) for i in order}
    return Importances(shares, [sweep.recipe.get("seed") for sweep in sweeps], method, at, draws)


def _jackknife(x: np.ndarray, y: np.ndarray, shares, draws: int, rng) -> np.ndarray:
    """Squared standard errors (names,) of `shares(x, y)`: spread without a random fifth of the rows, times 4 / 1."""
    n = len(y)
    left = max(n - n // 5, 2) if n >= 5 else n - 1
    kept = [rng.permutation(n)[:left] for _ in range(draws)]
    return np.var([shares(x[i], y[i]) for i in kept], axis=0) * left / (n - left)


def _points(sweep: Sweep, names: list[str], at: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the hyperparameters (trials, names) in [0, 1], values (trials,)."""
    rows = []
    for t in sweep.trials:
        value = t.value if at is None else t.reports.get(at, math.nan)
        if math.isfinite(value) and len(t.params) == len(names):
            rows.append(([_place(sweep.space[n], t.params[n]) for n in names], value))
    if len(rows) < 4:
        what = "complete trials" if at is None else f"trials with a report at step {at}"
        raise ArgumentError(f"sweep {sweep.name!r} has {len(rows)} {what}; importances need at least 4")
    x, y = zip(*rows, strict=True)
    return np.array(x, float), np.array(y, float)


def _place(found: Dimension, value) -> float:
    """Where `value` lies in [0, 1]. A choice or a whole number has a part of its own, about as wide as it is likely.

    A forest weighs values by the width of their parts. With the first and the last one at the ends, as `position` has
    them for figures, the middle one of three would count twice.
    """
    if found.kind == "choice":
        count = len(found.choices)
        return (found.position(value) * (count - 1) + 0.5) / count
    if found.kind == "integer":
        low, high, x = (math.log(v) if found.log else v for v in (found.low - 0.5, found.high + 0.5, value))
        return (x - low) / (high - low)
    return found.position(value)


def _shares(x: np.ndarray, y: np.ndarray, names: list[str], method: str, trees: int, seed: int) -> np.ndarray:
    """Optuna's evaluator on positions: a logarithmic range then counts as it was sampled, not by its raw numbers."""
    if np.ptp(y) == 0:
        return np.full(len(names), 1 / len(names))
    importance = optuna.importance
    try:
        if method == "fanova":
            evaluator = importance.FanovaImportanceEvaluator(n_trees=trees, seed=seed)
        else:
            evaluator = importance.PedAnovaImportanceEvaluator()
    except ImportError:
        raise ArgumentError(
            "method='fanova' needs the package scikit-learn: pip install scikit-learn; or method='ped-anova'"
        ) from None
    ranges = {name: optuna.distributions.FloatDistribution(0, 1) for name in names}
    with quiet():
        study = optuna.create_study(direction="maximize")
        for row, value in zip(x, y, strict=True):
            params = dict(zip(names, row.tolist(), strict=True))
            study.add_trial(optuna.trial.create_trial(params=params, distributions=ranges, value=float(value)))
        found = importance.get_param_importances(study, evaluator=evaluator)
    return np.array([found[name] for name in names])
