"""The checks of the exercises of notebook 09: springs, imitation, heads of a critic, a lesson, the noise of plans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons import nb09_lesson as lesson
from course_lib.lessons import nb09_oracles as oracles

# --- 9.1: a spring by Euler's method --------------------------------------------------------------------


@exercise("9.1")
def spring(rng):
    return Compare(
        oracle=oracles.by_powers,
        cases=[(0.0, 1.0, 10.0, 20, 0.02), (2.0, -1.0, 25.0, 30, 0.01), (0.5, 0.2, 5.0, 12, 0.05)],
        draw=oracles.drawn_spring,
        mistakes={
            "the position has moved before the rate is taken: compute both rates first": lambda *a: oracles.stepped(
                *a, late=True
            ),
            "the velocity has changed before the position moves: compute both rates first": lambda *a: oracles.stepped(
                *a, faster=True
            ),
            "β is α/4": oracles.with_rate(lambda y, v, g, a: a * (a * (g - y) - v)),
            "the factor β = α/4 in front of g - y is missing": oracles.with_rate(lambda y, v, g, a: a * (g - y - v)),
            "α multiplies the whole bracket, the velocity too": oracles.with_rate(
                lambda y, v, g, a: a * a / 4 * (g - y) - v
            ),
            "the friction is missing: subtract the velocity inside the bracket": oracles.with_rate(
                lambda y, v, g, a: a * a / 4 * (g - y)
            ),
            "the friction has the wrong sign: it must slow the point down": oracles.with_rate(
                lambda y, v, g, a: a * (a / 4 * (g - y) + v)
            ),
            "the spring pulls away from the goal: g - y": oracles.with_rate(
                lambda y, v, g, a: a * (a / 4 * (y - g) - v)
            ),
            "the list begins with the start; it should begin after the first step": lambda *a: oracles.stepped(
                *a, first=True
            ),
            "these are the velocities; return the positions": lambda *a: oracles.stepped(*a, speeds=True),
        },
    )


# --- 9.2: how much is left ------------------------------------------------------------------------------


def _left(c: Callable, power: float = 0.5) -> Callable:
    """A mistake in 9.2: another c(α), or another exponent."""
    return lambda a, t: (1 + c(a) * t) * np.exp(-power * a * t)


@exercise("9.2")
def share_left(rng):
    return Compare(
        oracle=oracles.by_solver,
        cases=[(5.0, 1.0), (10.0, 0.5), (25.0, 0.1), (25.0, 1.0)],
        draw=lambda rng: (rng.uniform(2, 25), rng.uniform(0.05, 0.8)),
        tolerance=1e-5,
        matters="at t = 0 all of the way is left, and the point must start at rest",
        right="after 1 s 29 % are left with α = 5, 4 % with 10 and nothing to speak of with 25",
        mistakes={
            "that one starts with a speed of -α/2, not at rest": _left(lambda a: 0.0),
            "that is the share that is done": lambda a, t: 1 - _left(lambda a: a / 2)(a, t),
            "the eigenvalue is -α/2 (twice), not -α": _left(lambda a: a, 1.0),
            "in the exponent stands -α/2, the eigenvalue, not -α": _left(lambda a: a / 2, 1.0),
            "c is α/2, not α: with c = α it would start with a speed of α/2": _left(lambda a: a),
            "c depends on α: at t = 0 the slope must vanish, c - α/2 = 0": _left(lambda a: 1.0),
            "the sign of c: at t = 0 the slope must vanish, c - α/2 = 0": _left(lambda a: -a / 2),
            "the sign of the exponent: what is left must shrink": _left(lambda a: a / 2, -0.5),
            "the exponential is missing: the second factor is e to the power of -α t / 2": lambda a, t: 1 + a * t / 2,
        },
    )


# --- 9.3: imitation by least squares --------------------------------------------------------------------


@exercise("9.3")
def imitate(rng):
    made_with = {}  # start of a case, which tells it from the others -> the weights that its path was made with

    def case(rng, *size):
        arguments, weights = oracles.demonstrated(rng, *size)
        made_with[arguments[2]] = weights
        return arguments

    return Compare(
        oracle=lambda dmp, path, start, goal: made_with[start],
        cases=[case(np.random.default_rng(seed)) for seed in range(3)],
        draw=lambda rng: case(rng, int(rng.integers(3, 8)), int(rng.integers(80, 160))),
        tolerance=1e-4,
        right="the weights that made each path are found again",
        mistakes={
            "the spring moves too: subtract what it does with all weights 0": lambda *a: oracles.imitated(
                *a, spring=False
            ),
            "the columns still hold the spring's own path: subtract it from them too": lambda *a: oracles.imitated(
                *a, whole=True
            ),
            "both columns and path still hold the spring's own path: subtract it": lambda *a: oracles.imitated(
                *a, whole=True, spring=False
            ),
            "start and goal are swapped": lambda d, p, s, g: oracles.imitated(d, p, g, s),
            "with all weights 0 the spring does not rest at the start: it moves to the goal": oracles.at_rest,
            "these are weights in units of αβ; return the weights themselves": lambda d, p, s, g: oracles.imitated(
                d, p, s, g, factor=1 / d.stiffness
            ),
            "the sign: subtract the spring's path from the demonstration, not the other way round": lambda *a: (
                oracles.imitated(*a, factor=-1.0)
            ),
        },
    )


# --- 9.4: targets of the critic's heads -----------------------------------------------------------------


def _heads(r, v, g, paid: Callable = lambda g, i, j: g ** (i - j), later: Callable = lambda g, k, j: g ** (k - j)):
    """9.4 with another factor in front of the rewards or of the value."""
    k = len(r)
    return np.array([sum(paid(g, i, j) * r[i] for i in range(j, k)) + later(g, k, j) * v for j in range(k)])


@exercise("9.4")
def head_targets(rng):
    seen = np.random.default_rng(0)
    return Compare(
        oracle=oracles.by_sums,
        cases=[(seen.normal(size=5), 2.0, 0.9), (seen.normal(size=3), -1.0, 0.5), (seen.normal(size=7), 10.0, 0.99)],
        draw=lambda rng: (rng.normal(size=rng.integers(2, 9)), 5 * rng.normal(), rng.uniform(0.5, 0.99)),
        mistakes={
            "this repeats the first head's value; from step j on, the rewards before j are gone": lambda r, v, g: (
                np.full(len(r), oracles.by_sums(r, v, g)[0])
            ),
            "the value of the next decision is missing": lambda r, v, g: oracles.by_sums(r, 0.0, g),
            "the value of the next decision is not discounted: it is k - j steps away": lambda *a: _heads(
                *a, later=lambda g, k, j: 1.0
            ),
            "the next decision is k - j steps away for head j, not one": lambda *a: _heads(*a, later=lambda g, k, j: g),
            "the next decision is k - j steps away for head j, not k": lambda *a: _heads(
                *a, later=lambda g, k, j: g**k
            ),
            "the value has one factor of γ too few: the next decision comes after the last step": lambda *a: _heads(
                *a, later=lambda g, k, j: g ** (k - j - 1)
            ),
            "these look back in time: head j counts from step j on": lambda r, v, g: oracles.by_sums(r[::-1], v, g)[
                ::-1
            ],
            "the heads are in reverse order: head 0 comes first": lambda r, v, g: oracles.by_sums(r, v, g)[::-1],
            "the rewards inside of the plan are not discounted": lambda *a: _heads(*a, paid=lambda g, i, j: 1.0),
            "head j counts time from step j on: its first reward is not discounted": lambda *a: _heads(
                *a, paid=lambda g, i, j: g**i
            ),
            "the first reward of each head has a factor of γ too many": lambda *a: _heads(
                *a, paid=lambda g, i, j: g ** (i - j + 1)
            ),
            "that is one reward and the value at once; add up all rewards of the plan from step j on": lambda r, v, g: (
                np.asarray(r) + g * v
            ),
            "that is one reward only; add up all rewards of the plan from step j on": lambda r, v, g: (
                np.asarray(r) + g ** np.arange(len(r), 0, -1) * v
            ),
        },
    )


# --- 9.5: what a demonstration must show ----------------------------------------------------------------


@exercise("9.5")
def my_lesson(rng):
    def noise_of(f):
        return lesson.read_lesson(f())[0]

    def enough(f):
        return lesson.taught(f()) >= lesson.WANTED

    return Demands(
        (
            "return two things: the noise, and a dict of settings that cl.PPOConfig accepts",
            lambda f: lesson.readable(f()),
        ),
        ("the noise must lie between 0 and 2: an action is clipped to ±1 anyway", lambda f: 0 <= noise_of(f) <= 2),
        (
            "the expert strays too little, so the data hardly shows how to repair a mistake: the first small errors "
            "lead to places that were never demonstrated. Disturb the expert more",
            lambda f: noise_of(f) >= 0.4 or enough(f),
        ),
        (
            "plans of more than 20 steps: a fifth of a second without looking",
            lambda f: lesson.chunk(f()) <= 20 or enough(f),
        ),
        (
            "the expert is disturbed so much that its calm movements, which the learner needs, are rare in the data: "
            "less noise",
            lambda f: noise_of(f) <= 0.6 or enough(f),
        ),
        (
            "too few episodes end well. At this noise the demonstrations can do; look at the settings of the network",
            enough,
        ),
        right="it has learned the push, and the way back to it",
    )


# --- 9.6: noise that is held ----------------------------------------------------------------------------


HELD_MISTAKES = {
    "each piece is k times as long, but there are k times fewer, and they add up like a random walk": lambda k: k,
    "fewer pieces alone would be a loss; but each of them is k long": lambda k: 1 / np.sqrt(k),
    "the same distance? The pieces no longer cancel out within k steps": lambda k: 1.0,
    "that is the square of the factor; the exercise asks for the distance, not its square": lambda k: k * np.sqrt(k),
    "k² is the mean square of one piece; then count the pieces, and take the root": lambda k: k * k,
    "that is the distance after 300 steps; the exercise asks for how many times as far": lambda k: np.sqrt(300 * k),
    "that is the number of pieces under the root; each piece is k long as well": lambda k: np.sqrt(300 / k),
}


@exercise("9.6")
def held_factor(rng):
    return Compare(
        oracle=oracles.by_pieces,
        cases=[(2,), (5,), (20,)],
        draw=lambda rng: (int(rng.choice([3, 4, 6, 10, 12, 15, 25, 30, 50, 60, 75])),),  # 300 steps in whole pieces
        tolerance=1e-3,
        matters="compare it with the measurement above",
        right="n/k independent pieces, each k long: k √(n/k) = √k √n",
        mistakes=HELD_MISTAKES,
    )


# --- 9.7: the noise of a plan ---------------------------------------------------------------------------


def _spread(dmp, sigma, **wrong) -> torch.Tensor:
    paths = oracles.paths_of(dmp, sigma, **wrong)
    return paths.T @ paths


NOISE_MISTAKES = {
    "a weight has the standard deviation σαβ: multiply by `dmp.stiffness`": lambda d, s: _spread(d, s, size=1.0),
    "variances add up, so σ counts squared": lambda d, s: _spread(d, 1.0) * s,
    "σ is missing: that is the covariance for σ = 1": lambda d, s: _spread(d, 1.0),
    "the noise on the goal is missing": lambda d, s: _spread(d, s, goal=0.0),
    "the noise on the weights is missing": lambda d, s: _spread(d, s, size=0.0),
    "these are the variances alone; points of one path move together, so fill the rest of the matrix": lambda d, s: (
        torch.diag(torch.diagonal(_spread(d, s)))
    ),
    "these are the variances alone; the covariance is a matrix, (points, points)": lambda d, s: torch.diagonal(
        _spread(d, s)
    ),
    "these are correlations; the covariance is not divided by standard deviations": lambda d, s: torch.corrcoef(
        torch.cat([oracles.paths_of(d, s), -oracles.paths_of(d, s)]).T
    ),
    "these are standard deviations; the covariance is a matrix, (points, points)": lambda d, s: torch.diagonal(
        _spread(d, s)
    ).sqrt(),
    "here all numbers are the same random number; they are independent, so add products, not paths": lambda d, s: (
        torch.outer(oracles.paths_of(d, s).sum(0), oracles.paths_of(d, s).sum(0))
    ),
    "that is the sum over points, one entry for each pair of numbers; sum over the numbers instead": lambda d, s: (
        oracles.paths_of(d, s) @ oracles.paths_of(d, s).T
    ),
}


@exercise("9.7")
def plan_covariance(rng):
    return Compare(
        oracle=oracles.covariance,
        cases=oracles.noise_cases(),
        draw=lambda rng: oracles.noise_case(
            int(rng.integers(2, 8)), int(rng.choice([4, 5, 8, 10])), rng.uniform(5, 25), rng.uniform(0.1, 2)
        ),
        right="each number adds the product of its path with itself",
        mistakes=NOISE_MISTAKES,
    )
