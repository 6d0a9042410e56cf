"""The checks of the exercises of notebook 10: late observations, other rates, intervals, a plan, what a matrix costs, a
hypothesis, and a policy that lasts."""

from __future__ import annotations

import inspect
from functools import lru_cache

import numpy as np

import course_lib as cl
from course_lib.course.exercises import Compare, Demands, attempt, exercise
from course_lib.lessons import nb10_oracles as oracles
from course_lib.lessons.nb10_evidence import lead
from course_lib.lessons.nb10_hypotheses import HYPOTHESES

# --- 10.1: late observations ----------------------------------------------------------------------------


@exercise("10.1")
def late(rng):
    seen = np.arange(14.0).reshape(7, 2) ** 2
    return Compare(
        oracle=oracles.queue,
        cases=[(seen, 2), (seen, 0), (seen[:3], 5), (seen, 1)],
        draw=lambda rng: (rng.normal(size=rng.integers(1, [10, 4])), int(rng.integers(1, 8))),
        mistakes={
            "nothing is late here: `delay` is not used": lambda o, d: o,
            "it is late by one step too few": lambda o, d: o[np.maximum(np.arange(len(o)) - max(d - 1, 0), 0)],
            "this runs backwards in time: the policy sees the latest observation first": lambda o, d: oracles.queue(
                o, d
            )[::-1],
            "this mixes old and new observations; the policy sees one observation, an old one": lambda o, d: (
                (oracles.queue(o, d) + o) / 2
            ),
            "the observations that still arrive are right, but the first one must fill the time before": lambda o, d: o[
                : max(len(o) - d, 0)
            ],
            "this shows the future: at step t the policy sees what was seen at t - delay": lambda o, d: o[
                np.minimum(np.arange(len(o)) + d, len(o) - 1)
            ],
            "these wrap around: the end of the episode appears at its start": lambda o, d: np.roll(o, d, axis=0),
            "at the start the policy sees zeros here; it must see the first observation": lambda o, d: np.concatenate(
                [0 * o[: min(d, len(o))], o[: max(len(o) - d, 0)]]
            ),
            "it is late by one step too many": lambda o, d: o[np.maximum(np.arange(len(o)) - d - 1, 0)],
        },
    )


# --- 10.2: the value at another rate --------------------------------------------------------------------


def _true(q, r, g):
    return (r / q) / (1 - g ** (1 / q))


def _both(at, end=lambda r, g: -r / np.log(g)):
    """A mistake in the value at rate q, or in its limit."""
    return lambda q, r, g: (at(q, r, g), end(r, g))


@exercise("10.2")
def values_at(rng):
    return Compare(
        oracle=oracles.step_by_step,
        tolerance=1e-5,
        parts=("value at rate ρ", "value for ρ → ∞"),
        cases=[(0.5, 2.0, 0.9), (1.0, 1.0, 0.99), (2.0, 1.0, 0.95), (4.0, 3.0, 0.9)],
        draw=lambda rng: (rng.uniform(0.3, 4), rng.uniform(0.5, 3), rng.uniform(0.8, 0.98)),
        mistakes={
            "γ is still that of a usual step: it must be rescaled too": _both(lambda q, r, g: (r / q) / (1 - g)),
            "the reward is still that of a usual step: at rate ρ each step pays r/ρ": _both(
                lambda q, r, g: r / (1 - g ** (1 / q))
            ),
            "the exponent is upside down: a short step discounts less, so γ to the power 1/ρ": _both(
                lambda q, r, g: (r / q) / (1 - g**q)
            ),
            "the first is the value at the usual rate; at rate ρ it differs a little": _both(
                lambda q, r, g: r / (1 - g)
            ),
            "the second is the value at the usual rate; the limit is the integral of r γ^t": _both(
                _true, lambda r, g: r / (1 - g)
            ),
            "the second has the wrong sign: log γ is negative": _both(_true, lambda r, g: r / np.log(g)),
        },
    )


# --- 10.3: the interval of a difference -----------------------------------------------------------------


@exercise("10.3")
def difference_interval(rng):
    found = oracles.Intervals(more=rng.uniform(0, 0.3))

    return Demands(
        ("give two numbers, low and high", lambda f: found.of(f).shape == (2,)),
        ("low is above high: the 2.5 % quantile comes first", lambda f: np.diff(found.of(f)) >= 0),
        ("the sign: the difference is a minus b", lambda f: found.far(f, oracles.by_counts, turned=True) > 0.03),
        (
            "both sets are drawn from all numbers together; draw each set from itself, or the difference is lost",
            lambda f: found.far(f, oracles.from_one_pot) > 0.03,
        ),
        (
            "these are the quantiles of single values; take the iqm of each draw first",
            lambda f: np.ptp(found.of(f)) < 0.42,
        ),
        (
            "this is an interval for means; use the mean of the middle half, `iqm`",
            lambda f: found.far(f, oracles.of_means) > 0.012,
        ),
        (
            "both sets use the same random indices; draw new ones for each set",
            lambda f: found.far(f, oracles.in_pairs) > 0.012,
        ),
        (
            "this is not the interval of a bootstrap over seeds: each draw has as many numbers as the set, with "
            "replacement; its `iqm`s are subtracted draw by draw; the quantiles are those of 2.5 % and 97.5 %",
            lambda f: found.far(f, oracles.by_counts) < 0.02,
        ),
        right="this is a bootstrap over seeds",
    )


# --- 10.4: plan a comparison ----------------------------------------------------------------------------


def _mean_of_both(a, b):
    return (np.var(a, ddof=1) + np.var(b, ddof=1)) / 2


def _planned(variance=_mean_of_both, two=2.0, z=2.8, up=np.ceil):
    """A mistake: the plan with one thing changed."""

    def wrong(a, b, delta, n):
        s2 = variance(np.array(a), np.array(b))
        return np.sqrt(s2), up(two * z**2 * s2 / delta**2), z * np.sqrt(two * s2 / n)

    return wrong


PLAN_MISTAKES = {
    "the variances are divided by n instead of n - 1; with three values they are a third too small": _planned(
        lambda a, b: (a.var() + b.var()) / 2
    ),
    "the factor 2 is missing: both means vary": _planned(two=1.0),
    "z for the power, 0.84, is missing: then only half of the studies find a true difference": _planned(z=1.96),
    "round up: a part of a seed cannot be trained": _planned(up=np.floor),
    "σ is the mean of the two standard deviations here; take the root of the mean variance": _planned(
        lambda a, b: ((np.std(a, ddof=1) + np.std(b, ddof=1)) / 2) ** 2
    ),
    "the two variances are added; take their mean, because (10.2) has the factor 2 already": _planned(
        lambda a, b: np.var(a, ddof=1) + np.var(b, ddof=1)
    ),
    "the variance of all six values also contains the difference of the policies; take each set's own variance": (
        _planned(lambda a, b: np.var(np.concatenate([a, b]), ddof=1))
    ),
}


@exercise("10.4")
def plan(rng):
    trials = [
        ((0.9, 0.7, 0.8), (0.5, 0.7, 0.4), 0.04, 10),
        ((0.2, 0.9, 0.5), (0.3, 0.35, 0.4), 0.1, 5),
        ((1.0, 0.9, 0.95), (0.8, 0.85, 0.9), 0.05, 20),
    ]
    return Compare(
        oracle=oracles.by_counting,
        parts=("σ", "seeds for delta", "difference that n find"),
        cases=[(np.array(a), np.array(b), delta, n) for a, b, delta, n in trials],
        draw=lambda rng: (*rng.uniform(0.3, 1.0, size=(2, 3)), rng.uniform(0.03, 0.12), int(rng.integers(4, 31))),
        tolerance=1e-3,  # of 1.96 + 0.84
        mistakes=PLAN_MISTAKES,
    )


# --- 10.5: what does it cost ----------------------------------------------------------------------------


def _largest(n, most):
    """The largest rank at which P and Q hold fewer than `most` numbers."""
    return max(k for k in range(n) if 2 * n * k < most)


def _costs(
    low=lambda n, r, d: 2 * n * r,
    full=lambda n, d: round(d * n * n),
    rank=lambda n, d: _largest(n, round(d * n * n)),
):
    """A mistake: low rank, full rank or the largest rank counted in another way."""
    return lambda n, r, d: (full(n, d) if r is None else low(n, r, d), rank(n, d))


def _any_matrix(rng):
    """A case whose density is a whole number of synapses."""
    n = 2 * int(rng.integers(3, 11))
    rank = int(rng.integers(1, 4)) if rng.random() < 0.6 else None
    return n, rank, float(rng.choice([0.25, 0.5, 0.75, 1.0]))


COST_MISTAKES = {
    "a masked weight does not act": _costs(full=lambda n, d: n * n),
    "P and Q have n · r numbers each": _costs(low=lambda n, r, d: n * r),
    "the mask lies on the product: all numbers in P and Q still act": _costs(low=lambda n, r, d: round(d * 2 * n * r)),
    "a rank-r matrix has r (2n - r) degrees of freedom, but P and Q hold 2 n r numbers that are learned": _costs(
        low=lambda n, r, d: r * (2 * n - r)
    ),
    "the rank: fewer numbers are asked for; at r = d n / 2 both hold equally many": _costs(
        rank=lambda n, d: int(d * n / 2)
    ),
    "the rank: the density of the matrix it is compared with is missing": _costs(rank=lambda n, d: _largest(n, n * n)),
}


@exercise("10.5")
def cost(rng):
    return Compare(
        oracle=oracles.by_gradient,
        parts=("numbers that act", "largest rank"),
        cases=[(8, None, 1.0), (8, None, 0.25), (8, 2, 1.0), (10, 3, 0.5), (17, 4, 1.0), (6, 2, 0.75), (4, 3, 1.0)],
        draw=_any_matrix,
        mistakes=COST_MISTAKES,
    )


# --- 10.6: your own hypothesis --------------------------------------------------------------------------


@exercise("10.6")
def my_hypothesis(rng):
    rows = cl.result("robustness")["per_seed"]
    policies = {row["policy"] for row in rows}
    conditions = {name for row in rows for name in row["disturbed"]} | {"dead"}

    def old(f):
        parts = tuple(map(set, f()))
        return any(parts == (set(h.better), set(h.worse), set(h.conditions)) for h in HYPOTHESES)

    def three(f):
        parts = f()
        kinds = (tuple, list)
        return isinstance(parts, kinds) and len(parts) == 3 and all(isinstance(p, kinds) and len(p) for p in parts)

    return Demands(
        ("give three tuples, none of them empty: better, worse, conditions", three),
        (
            "a policy is not among those that were trained; `names` lists them",
            lambda f: set(f()[0]) | set(f()[1]) <= policies,
        ),
        ("a condition was not tested; `rows[0]['disturbed']` lists them", lambda f: set(f()[2]) <= conditions),
        (
            'leave out ", told": the rule takes cells that were told the length of a step at that rate anyway',
            lambda f: not any(name.endswith(", told") for name in f()[2]),
        ),
        (
            "a policy is among the better and among the worse ones; put it on one side only",
            lambda f: not set(f()[0]) & set(f()[1]),
        ),
        ("that is one of the eight hypotheses; find another one", lambda f: not old(f)),
        (
            "no task can decide that: there must be a task that policies of both sides have learned, with these "
            "conditions tested",
            lambda f: attempt(lead, [row for row in rows if row["training"] == "one rate"], *f()) is not None,
        ),
        right="a hypothesis that the rule can decide; the next cell does",
    )


# --- 10.7: make it last ---------------------------------------------------------------------------------


@exercise("10.7")
def tough_policy(rng):
    seed, wanted = int(rng.integers(2**31)), cl.budget(smoke=1, lite=100, full=100)
    trained = lru_cache(lambda answer: answer())

    def made(f):
        """Every demand gets the answer in a new wrapper; it trains once."""
        return trained(inspect.unwrap(f))

    return Demands(
        ("that is a training run; return its policy, `run.policy`", lambda f: not hasattr(made(f), "policy")),
        ("that is a function; return the policy that it trains", lambda f: not inspect.isfunction(made(f))),
        ("return a policy; this is something else", lambda f: hasattr(made(f), "obs_dim")),
        (
            "this policy was made for another task: here it must observe 2 numbers, position and angle",
            lambda f: made(f).obs_dim == 2,
        ),
        ("this policy was made for another task: here it must give 1 action", lambda f: made(f).act_dim == 1),
        (
            f"the pole falls too early: it must stand for {wanted} steps. Lose observations in training too, and "
            "make them late",
            lambda f: oracles.balanced(made(f), seed) >= wanted,
        ),
        right="it lasts long enough",
    )
