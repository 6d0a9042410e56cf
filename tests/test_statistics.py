"""Statistics of runs: against scipy, closed forms, and simulations whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import (
    LEAST_RUNS,
    bootstrap_interval,
    iqm,
    paired,
    performance_profile,
    probability_of_improvement,
    runs_needed,
    spread,
    spread_name,
    summarize,
)

RNG = np.random.default_rng(0)


def test_below_five_runs_it_is_a_range_and_called_so():
    found = summarize([3.0, 1.0, 2.0])
    assert (found.value, found.low, found.high, found.runs, found.kind) == (2.0, 1.0, 3.0, 3, "range")
    assert str(found) == "2.00 (range of 3 runs: 1.00 to 3.00)"
    assert summarize(np.arange(LEAST_RUNS)).kind == "interval"
    assert str(summarize([8694.4, 8236.0, 9355.1, 8800.0, 8700.0])).startswith("8,728 [8,")


def test_iqm_along_an_axis():
    x = RNG.normal(size=(3, 4, 9))
    for axis in range(3):
        oracle = np.apply_along_axis(iqm, axis, x)
        np.testing.assert_allclose(iqm(x, axis=axis), oracle)
    assert iqm(x) == pytest.approx(stats.trim_mean(x.ravel(), 0.25))


def test_an_interval_agrees_with_scipys_bootstrap():
    values = RNG.exponential(size=40)
    oracle = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000).confidence_interval
    found = summarize(values, np.mean, draws=20_000)
    assert (found.low, found.high) == pytest.approx(tuple(oracle), abs=0.03) and found.value == values.mean()


@pytest.mark.parametrize("runs", [5, 10, 20])
@pytest.mark.parametrize("draw", ["normal", "skewed", "two tasks"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(draw, runs):
    """Percentile intervals of few runs are narrow: of five runs, 95 % ones hold the truth in 80 % to 90 %."""
    rng, held, trials = np.random.default_rng(runs), 0, 300
    truth = {"normal": 0.0, "skewed": iqm(stats.expon.ppf((np.arange(100_000) + 0.5) / 100_000)), "two tasks": 5.0}[
        draw
    ]
    for _ in range(trials):
        if draw == "two tasks":  # symmetric about 5, so the statistic of all is the mean
            found = summarize(rng.normal([[0.0], [10.0]], [[1.0], [3.0]], (2, runs)), np.mean, draws=200)
        else:
            values = rng.normal(size=runs) if draw == "normal" else rng.exponential(size=runs)
            found = summarize(values, draws=200)
        held += found.low <= truth <= found.high
    assert {5: 0.75, 10: 0.84, 20: 0.88}[runs] < held / trials < 0.985


def test_strata_keep_every_task_in_every_draw():
    """Two tasks that differ a lot and hardly vary: an interval over pooled runs would be as wide as their distance."""
    scores = np.array([[0.0] * 6, [100.0] * 6]) + RNG.normal(size=(2, 6))
    assert summarize(scores, np.mean).high - summarize(scores, np.mean).low < 3.0


def test_probability_of_improvement_is_mann_and_whitneys():
    x, y = np.round(RNG.normal(0.5, 1, 12), 1), np.round(RNG.normal(0, 1, 9), 1)  # with ties
    found = probability_of_improvement(x, y)
    assert found.value == pytest.approx(stats.mannwhitneyu(x, y).statistic / (12 * 9))
    assert found.low < found.value < found.high and found.runs == 9
    assert probability_of_improvement(y, x).value == pytest.approx(1 - found.value)
    both = probability_of_improvement([x, x + 9], [x, x])
    assert both.value == pytest.approx(0.75)  # neither on the first task, always on the second
    assert np.isnan(probability_of_improvement([1, 2], [0, 1]).low)


def test_pairs_cancel_what_they_share():
    day = 10 * RNG.normal(size=10)
    x, y = day + 1 + 0.1 * RNG.normal(size=10), day + 0.1 * RNG.normal(size=10)
    found = paired(x, y)
    assert found.value == pytest.approx((x - y).mean()) and 0.8 < found.low < found.high < 1.2
    t = stats.ttest_rel(x, y).confidence_interval()
    assert (found.low, found.high) == pytest.approx((t.low, t.high), abs=0.1)


def test_a_profile_counts_runs():
    scores = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 2.0, 2.0, 2.0]])
    share, low, high = performance_profile(scores, [0.0, 2.0, 4.5, 9.0])
    assert share.tolist() == [1.0, 0.3, 0.1, 0.0]
    assert (low <= share).all() and (share <= high).all() and low[0] == high[0] == 1.0
    assert np.isnan(performance_profile([1.0, 2.0], [1.5])[1]).all()


def test_rows_of_the_same_runs_are_one_sample():
    """Twenty conditions under which a run scores alike tell no more than one."""
    one = RNG.normal(size=10)
    limits = [-0.5, 0.0, 0.5]
    alone, both = performance_profile(one, limits), performance_profile(np.tile(one, (20, 1)), limits, same_runs=True)
    for a, b in zip(alone, both, strict=True):
        assert a == pytest.approx(b)
    narrow = performance_profile(np.tile(one, (20, 1)), limits)
    assert (narrow[2] - narrow[1] < 0.5 * (both[2] - both[1])).all()


def test_runs_that_never_get_there_take_infinitely_long():
    low, high = spread([3.0, 4.0, 5.0, np.inf, np.inf, 6.0])
    assert 3.0 <= low <= 5.0 and high == np.inf
    assert bootstrap_interval([1.0, 2.0, 3.0, np.inf], np.median)[1] == np.inf


@pytest.mark.parametrize("difference, pairs", [(1.0, False), (0.8, True), (2.5, False)])
def test_so_many_runs_are_needed(difference, pairs):
    """Simulated t-tests see the difference about as often as was asked for, and one run fewer sees it less often."""
    rng, runs = np.random.default_rng(1), runs_needed(difference, 1.0, power=0.8, paired=pairs)
    x, y = rng.normal(difference, 1, (4000, runs)), rng.normal(0, 1, (4000, runs))
    p = stats.ttest_1samp(x, 0, axis=1).pvalue if pairs else stats.ttest_ind(x, y, axis=1).pvalue
    assert 0.78 < (p < 0.05).mean() < 0.95
    assert runs_needed(difference, 2.0, paired=pairs) > runs


def power_of(difference, runs, pairs, level=0.95, samples=120):
    """Power of a t-test by direct integration: T = (Z + shift)/S lies beyond an edge of either side, with S² a mean of
    squares."""
    freedom, shift = (runs - 1, runs**0.5) if pairs else (2 * runs - 2, (runs / 2) ** 0.5)
    at, weight = np.polynomial.legendre.leggauss(samples)
    low, high = (stats.chi2.ppf([1e-13, 1 - 1e-13], freedom) / freedom) ** 0.5
    s = low + (high - low) * (at + 1) / 2
    density = stats.chi2.pdf(freedom * s * s, freedom) * 2 * freedom * s
    edge = stats.t.ppf((1 + level) / 2, freedom) * s
    tails = stats.norm.sf(edge - shift * difference) + stats.norm.cdf(-edge - shift * difference)
    return (high - low) / 2 * weight @ (density * tails)


@pytest.mark.parametrize("pairs", [False, True])
def test_a_large_difference_needs_few_runs(pairs):
    """From .3 sd, where a hundred are needed, to 40 sd: enough by direct integration, and with one run fewer not."""
    for difference in np.geomspace(0.3, 40, 25):
        runs = runs_needed(100 * difference, 100, paired=pairs)
        assert power_of(difference, runs, pairs) >= 0.8
        assert runs == 2 or power_of(difference, runs - 1, pairs) < 0.8


def test_three_pairs_show_a_difference_of_nine_sd():
    x = np.random.default_rng(2).normal(9, 1, (20_000, 3))
    assert (stats.ttest_1samp(x, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(power_of(9, 3, True), abs=0.002)
    two = (stats.ttest_1samp(x[:, :2], 0, axis=1).pvalue < 0.05).mean()
    assert two == pytest.approx(power_of(9, 2, True), abs=0.02) and two < 0.8
    assert runs_needed(900, 100, paired=True) == 3 and runs_needed(600, 50) == 2
    assert runs_needed(1e200, 1e-200) == 2  # whose ratio is infinite


def test_an_infinity_outside_the_middle_half_has_no_weight():
    assert iqm([1.0, 2.0, 3.0, np.inf]) == iqm([1.0, 2.0, 3.0, 99.0]) == 2.5
    assert iqm([-np.inf, 2.0, 3.0, np.inf]) == 2.5 and iqm([1.0, 2.0, np.inf, np.inf]) == np.inf
    assert iqm([[0.0, 1.0, 2.0, np.inf], [1.0, 1.0, np.inf, np.inf]], axis=1).tolist() == [1.5, np.inf]
    assert np.isnan(iqm([1.0, 2.0, 3.0, np.nan]))  # of which nobody knows where it belongs


def test_a_level_is_a_share_and_draws_are_counted():
    x = np.arange(10.0)
    calls = {
        "runs_needed": lambda level: runs_needed(1, 1, level=level),
        "summarize": lambda level: summarize(x, level=level),
        "a range": lambda level: summarize(x[:3], level=level),
        "spread": lambda level: spread(x, level=level),
        "bootstrap": lambda level: bootstrap_interval(x, level=level),
        "paired": lambda level: paired(x, x[::-1], level=level),
        "improvement": lambda level: probability_of_improvement(x, x, level),
        "profile": lambda level: performance_profile(x, [1.0], level),
    }
    for call in calls.values():
        for level in (95, -0.9, 0, 1, np.nan, "0.95"):
            with pytest.raises(ArgumentError, match=f"level={level!r} is not accepted"):
                call(level)
        call(0.9)
    with pytest.raises(ArgumentError, match="draws=0"):
        bootstrap_interval(x, draws=0)


def test_episodes_of_a_run_are_no_runs():
    episodes = np.arange(600.0).reshape(6, 100)
    for call in (spread, bootstrap_interval):
        for values in (episodes, 3.0):
            with pytest.raises(ArgumentError, match=r"values of shape .* are not accepted; they must be \(runs,\)"):
                call(values, np.mean)
    assert spread(episodes.mean(1), np.mean) == bootstrap_interval(episodes.mean(1), np.mean)


@pytest.mark.parametrize(
    "call",
    [
        lambda: summarize([]),
        lambda: iqm([]),
        lambda: iqm(np.zeros((3, 0)), axis=1),
        lambda: performance_profile([1.0, 2.0], [[1.0], [2.0]]),
        lambda: performance_profile([1.0, 2.0], [np.nan]),
        lambda: summarize([1.0, np.nan]),
        lambda: summarize(np.zeros((2, 2, 2))),
        lambda: paired([1.0, 2.0], [1.0]),
        lambda: probability_of_improvement(np.zeros((2, 5)), np.zeros((3, 5))),
        lambda: runs_needed(0.0, 1.0),
        lambda: runs_needed(1e-9, 1.0),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(ArgumentError, match="accepted|needed"):
        call()


def test_spread_is_a_range_below_five_runs_and_says_so():
    few, many = np.array([3.0, 1.0, 7.0]), np.arange(5.0)
    assert spread(few) == (1.0, 7.0) and np.isnan(spread(few[:1])).all()
    assert spread(many, np.mean) == bootstrap_interval(many, np.mean)
    assert spread_name(3, 4) == "range" and spread_name(5, 10) == "95 % bootstrap interval"
    assert spread_name(3, 10) == "95 % bootstrap interval, or range below 5 seeds"
