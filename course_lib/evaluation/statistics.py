"""Statistics of a few runs: what to report about seeds, and how to compare two ways of training.

The measures are those of Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice"
(arXiv 2108.13264): interquartile means, intervals from a stratified bootstrap, probability of improvement, performance
profiles. Scores are (runs,) or, over several tasks, (tasks, runs). A run is one training with its own seed. Episodes of
one policy are not runs.

With fewer than five runs a bootstrap interval says little: for three values it is nearly always their range. In that
case `spread`, `summarize` and `paired` give the range, and call it a range. `probability_of_improvement` and
`performance_profile` have no range: their ends are NaN. With five runs the intervals are still too narrow. That of a
median is the range of the five and covers the true median in 94 of 100 cases; that of a mean covers the true one in
about 84, that of an IQM in about 89 (normal values). With ten these are 94, 90 and 93.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError, check_count, check_range

LEAST_RUNS = 5
Statistic = Callable[[np.ndarray], float]


def iqm(values: np.ndarray, axis: int | None = None) -> float | np.ndarray:
    """Interquartile mean: the mean of the middle half (Agarwal et al. 2021), with fractional weights at the edges.

    Over all `values`, or along `axis`. Outside the middle half a value may be infinite, as it has no weight.
    """
    x = np.asarray(values, dtype=float)
    x = np.sort(x.ravel() if axis is None else np.moveaxis(x, axis, -1), axis=-1)
    n = x.shape[-1]
    if not n:
        raise ArgumentError(f"values of shape {np.shape(values)} are not accepted; at least one is needed")
    # Value i covers the quantile range [i/n, (i+1)/n]; its weight is the part of it inside [1/4, 3/4].
    edges = np.arange(n + 1) / n
    weight = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    found = np.where(np.isinf(x) & (weight == 0), 0.0, x) @ weight / weight.sum()  # 0 times infinity is NaN
    return float(found) if axis is None else found


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of `statistic` over `values` (runs,); both ends are NaN below two runs."""
    values, draws = _runs("values", values), check_count("draws", draws)
    _check_level(level)
    if len(values) < 2:
        return float("nan"), float("nan")
    index = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    return _quantiles(_each(statistic, values[index]), level)


def spread(values: np.ndarray, statistic: Statistic = np.median, level: float = 0.95) -> tuple[float, float]:
    """What to draw around `statistic` of `values` (runs,): its bootstrap interval, or the range below five runs."""
    values = _runs("values", values)
    _check_level(level)
    if len(values) < LEAST_RUNS:
        return (float(values.min()), float(values.max())) if len(values) > 1 else (float("nan"),) * 2
    return bootstrap_interval(values, statistic, level)


def spread_name(*runs: int, level: float = 0.95) -> str:
    """What `spread` returns for these numbers of runs, in words for a figure."""
    interval, few = f"{100 * level:g} % bootstrap interval", [n < LEAST_RUNS for n in runs]
    if not any(few):
        return interval
    return "range" if all(few) else f"{interval}, or range below {LEAST_RUNS} seeds"


@dataclass(frozen=True)
class Summary:
    """A number from several runs. `kind` is "interval" (with confidence `level`), or "range" below five runs."""

    value: float
    low: float
    high: float
    runs: int
    kind: str
    level: float = 0.95

    def __str__(self) -> str:
        said = _digits(self.value, self.low, self.high)
        if self.runs == 1:
            return f"{said[0]} (one run)"
        if self.kind == "range":
            return f"{said[0]} (range of {self.runs} runs: {said[1]} to {said[2]})"
        return f"{said[0]} [{said[1]}, {said[2]}]"


def summarize(
    scores: np.ndarray, statistic: Statistic = iqm, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Summary:
    """`statistic` of all scores, with the interval of a stratified bootstrap, or the range below five runs.

    scores: (runs,) or (tasks, runs). Runs are drawn with replacement within each task, so every draw has the same
    number of runs from every task. The statistic is taken over all numbers together.
    """
    table = _table("scores", scores)
    _check_level(level)
    runs = table.shape[1]
    if runs < LEAST_RUNS:
        each = _each(statistic, table.T)  # of one run over the tasks
        return Summary(float(statistic(table.ravel())), float(min(each)), float(max(each)), runs, "range", level)
    drawn = _resampled(table, draws, np.random.default_rng(seed)).reshape(draws, -1)
    return Summary(
        float(statistic(table.ravel())), *_quantiles(_each(statistic, drawn), level), runs, "interval", level
    )


def probability_of_improvement(
    scores: np.ndarray, others: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Summary:
    """P(X > Y) + P(X = Y)/2 for a run X of `scores` and a run Y of `others`, averaged over tasks; ½: neither is better.

    Both are (runs,) or (tasks, runs), with the same number of tasks. The number of runs may differ. With fewer than
    five runs on either side, the ends of the interval are NaN.
    """
    x, y = _table("scores", scores), _table("others", others)
    _check_level(level)
    if len(x) != len(y):
        raise ArgumentError(
            f"scores of {len(x)} tasks and others of {len(y)} are not accepted; they must be equally many"
        )
    value, runs = float(_better(x[None], y[None])[0]), min(x.shape[1], y.shape[1])
    if runs < LEAST_RUNS:
        return Summary(value, float("nan"), float("nan"), runs, "range", level)
    rng = np.random.default_rng(seed)
    stats = _better(_resampled(x, draws, rng), _resampled(y, draws, rng))
    return Summary(value, *_quantiles(stats, level), runs, "interval", level)


def paired(
    scores: np.ndarray, others: np.ndarray, statistic: Statistic = np.mean, level: float = 0.95, **options
) -> Summary:
    """`statistic` of scores - others, run by run. Both are (runs,); entry i of both shares a seed, a start or a day.

    What both share cancels, so the interval is narrower than for two separate groups.
    """
    x, y = np.asarray(scores, dtype=float), np.asarray(others, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ArgumentError(
            f"scores {x.shape} and others {y.shape} are not accepted; both must be (runs,), pair by pair"
        )
    return summarize(x - y, statistic, level, **options)


def performance_profile(
    scores: np.ndarray,
    thresholds: np.ndarray,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    same_runs: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of runs, over all tasks, that score more than each of `thresholds` (k,) -> shares, lower, upper ends (k,).

    The ends are those of pointwise intervals. With fewer than five runs they are NaN. same_runs: column i is the same
    run in every row, such as one policy under several conditions. Then whole columns are drawn.
    """
    table, limits = _table("scores", scores), np.asarray(thresholds, dtype=float)
    _check_level(level)
    if limits.ndim > 1 or np.isnan(limits).any():
        raise ArgumentError(f"thresholds of shape {limits.shape} are not accepted; they must be (k,) numbers, none NaN")

    def shares(x):  # (…, tasks, runs) -> (…, k)
        return (x[..., None] > limits).mean((-3, -2))

    found = shares(table)
    if table.shape[1] < LEAST_RUNS:
        return found, np.full_like(found, np.nan), np.full_like(found, np.nan)
    drawn = shares(_resampled(table, draws, np.random.default_rng(seed), same_runs))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return found, low, high


def runs_needed(difference: float, sd: float, power: float = 0.8, level: float = 0.95, paired: bool = False) -> int:
    """How many runs each of two groups needs, so that a t-test finds a true `difference` with probability `power`.

    difference: that of the means. sd: that of the scores between seeds, the same in both groups; with `paired`, that of
    the differences. The result is exact, from the noncentral t-distribution.
    """
    from scipy import stats

    check_range("difference", difference, 0, np.inf, open_low=True)
    check_range("sd", sd, 0, np.inf, open_low=True)
    check_range("power", power, 0, 0.9999, open_low=True)
    _check_level(level)

    effect = min(difference / sd, 1e5)  # SciPy has no answer far beyond, where two runs are enough at any usual level

    def seen(runs: int) -> bool:  # with what probability, and whether that is enough
        freedom, shift = (runs - 1, runs**0.5) if paired else (2 * runs - 2, (runs / 2) ** 0.5)
        edge, shift = stats.t.ppf((1 + level) / 2, freedom), shift * effect
        # SciPy gives NaN for the lower tail, a difference found with the wrong sign, where it is below 1e-15.
        return stats.nct.sf(edge, freedom, shift) + np.nan_to_num(stats.nct.cdf(-edge, freedom, shift)) >= power

    low, high = 1, 2
    while not seen(high):  # it grows with the runs, so halving finds the first number that is enough
        low, high = high, 2 * high
        if high > 100_000:
            raise ArgumentError(
                f"difference={difference:g} is too small against sd={sd:g}: over 50,000 runs are needed"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


# --- inside ---------------------------------------------------------------------------------------


def _each(statistic: Statistic, rows: np.ndarray) -> np.ndarray:
    """The statistic of every row (n, k) -> (n,)."""
    try:
        return np.asarray(statistic(rows, axis=1))
    except TypeError:  # one of a single vector only
        return np.array([statistic(row) for row in rows])


def _check_level(level: float) -> None:
    if not 0 < check_range("level", level, -np.inf, np.inf) < 1:
        raise ArgumentError(f"level={level!r} is not accepted; it must be above 0 and below 1, such as 0.95")


def _runs(name: str, values) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1:  # the episodes of a run, say, are no runs
        raise ArgumentError(f"{name} of shape {x.shape} are not accepted; they must be (runs,), one number of each run")
    return x


def _table(name: str, scores) -> np.ndarray:
    table = np.atleast_2d(np.asarray(scores, dtype=float))
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ArgumentError(
            f"{name} of shape {np.shape(scores)} is not accepted; it must be (runs,) or (tasks, runs) finite numbers"
        )
    return table


def _resampled(table: np.ndarray, draws: int, rng: np.random.Generator, columns: bool = False) -> np.ndarray:
    """(tasks, runs) -> (draws, tasks, runs): runs drawn with replacement, in each task for itself or whole columns."""
    tasks, runs = table.shape
    index = rng.integers(0, runs, (check_count("draws", draws), 1 if columns else tasks, runs))
    index = np.broadcast_to(index, (draws, tasks, runs))
    return np.take_along_axis(np.broadcast_to(table, index.shape), index, axis=-1)


def _better(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(draws, tasks, n), (draws, tasks, m) -> (draws,)."""
    above = (x[..., :, None] > y[..., None, :]).mean((-2, -1)) + 0.5 * (x[..., :, None] == y[..., None, :]).mean(
        (-2, -1)
    )
    return above.mean(-1)


def _quantiles(stats, level: float) -> tuple[float, float]:
    # An infinite value, such as the time of a run that never got there, has no weighted mean with another.
    method = "linear" if np.isfinite(stats).all() else "inverted_cdf"
    low, high = np.quantile(stats, [(1 - level) / 2, (1 + level) / 2], method=method)
    return float(low), float(high)


def _digits(*values: float) -> list[str]:
    """Numbers with as many digits as tell them apart."""
    largest = max((abs(v) for v in values if np.isfinite(v)), default=0.0)
    places = 0 if largest >= 100 else 1 if largest >= 10 else 2 if largest >= 0.1 else 4
    return [f"{v:,.{places}f}" for v in values]
