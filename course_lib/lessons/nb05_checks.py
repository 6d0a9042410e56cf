"""The checks of the exercises of notebook 05: gradients and targets, a replay buffer, the lower of two estimates,
densities and entropies, and SAC with little data."""

from __future__ import annotations

import numpy as np

from course_lib.course.answers import Wrong
from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons import nb05_little_data as little
from course_lib.lessons import nb05_oracles as oracles
from course_lib.lessons.nb05_overestimation import overestimation
from course_lib.lessons.nb05_replay import all_rows, first_wrong_row

# --- 5.1: the actor's gradient --------------------------------------------------------------------------


@exercise("5.1")
def actor_gradient(rng):
    seen = np.random.default_rng
    return Compare(
        oracle=oracles.by_difference,
        cases=[oracles.actor_case(seen(0)), oracles.actor_case(seen(1), 4, 2), oracles.actor_case(seen(2), 9, 5)],
        draw=lambda rng: oracles.actor_case(rng, rng.integers(5, 12), rng.integers(1, 5)),
        tolerance=1e-5,
        mistakes={
            "the tanh is missing: its slope is 1 - a²": lambda x, a, s: s @ x / len(x),
            "this is the sum over the batch; the mean is asked for": lambda x, a, s: (s * (1 - a**2)) @ x,
            "`action` is tanh(x w) already, so the slope is 1 - action²; this takes tanh a second time": (
                lambda x, a, s: (s * (1 - np.tanh(a) ** 2)) @ x / len(x)
            ),
            "this goes downhill: the sign": lambda x, a, s: -(s * (1 - a**2)) @ x / len(x),
            "dQ/da is missing: the chain rule starts with the slope of Q": lambda x, a, s: (1 - a**2) @ x / len(x),
            "this is one gradient for each row of the batch; take their mean": (
                lambda x, a, s: (s * (1 - a**2))[:, None] * x
            ),
            "divide by the number of rows, not by the number of weights": (
                lambda x, a, s: (s * (1 - a**2)) @ x / x.shape[1]
            ),
            "the slope of tanh is 1 - a², with a square": lambda x, a, s: (s * (1 - a)) @ x / len(x),
        },
    )


# --- 5.2: the target ------------------------------------------------------------------------------------


@exercise("5.2")
def target(rng):
    return Compare(
        oracle=oracles.in_words,
        cases=[oracles.endings(np.random.default_rng(seed)) for seed in range(3)],
        draw=lambda rng: oracles.endings(rng, rng.integers(4, 13)),
        mistakes={
            "an episode that ran out of time would have gone on: only a termination ends the world": (
                lambda r, d, c, q, g: r + g * (1 - d) * (1 - c) * q
            ),
            "here the clock ends the world and a fall does not": lambda r, d, c, q, g: r + g * (1 - c) * q,
            "nothing comes after a fall: the factor 1 - d is missing": lambda r, d, c, q, g: r + g * q,
            "the reward of the last step counts too": lambda r, d, c, q, g: (1 - d) * (r + g * q),
            "γ is missing": lambda r, d, c, q, g: r + (1 - d) * q,
            "r_t is not discounted: γ belongs to what comes one step later": (
                lambda r, d, c, q, g: g * (r + (1 - d) * q)
            ),
            "this is turned round: the next value counts where the episode goes on, so the factor is 1 - d": (
                lambda r, d, c, q, g: r + g * d * q
            ),
            "the reward is missing": lambda r, d, c, q, g: g * (1 - d) * q,
        },
    )


# --- 5.3: transitions that never happened ---------------------------------------------------------------


class Masks(Compare):
    """Where no mistake explains a mask, the first wrong row is named with its reason."""

    def judge(self, answers, label="answer"):
        try:
            return super().judge(answers, label)
        except Wrong as wrong:
            row = "" if str(wrong) in self.mistakes else first_wrong_row(self.cases, answers, self.oracle)
            raise Wrong(row or str(wrong)) from None


def _row(number):
    """(capacity,) -> True for the row of this number alone."""
    return lambda r: np.arange(r.capacity) == number(r)


@exercise("5.3")
def drawable(rng):
    oldest = _row(lambda r: r.position % r.size)
    sizes = (1, 30, 20), (1, 12, 20), (2, 40, 20), (1, 47, 16)  # the last row of the first and last buffer is sound
    return Masks(
        oracle=oracles.true_steps,
        cases=[oracles.filled(np.random.default_rng(seed), *size) for seed, *size in sizes],
        draw=lambda rng: oracles.filled(rng, rng.integers(6, 50), rng.integers(8, 24)),
        right="every step that is left has happened",
        mistakes={
            "these are all rows, as before": all_rows,
            "episodes no longer run into each other; but what is the next observation of the row written last?": (
                lambda r: all_rows(r) & ~r.truncated
            ),
            "the row written last is gone; but an episode that was cut off is followed by the first observation "
            "of the next": (lambda r: all_rows(r) & ~r.newest()),
            "falls are thrown away too: without them the critic never learns that a fall ends everything": (
                lambda r: all_rows(r) & ~r.newest() & ~r.truncated & ~r.terminated
            ),
            "this leaves out the oldest row; that one is sound, the newest is not": (
                lambda r: all_rows(r) & ~oldest(r) & ~r.truncated
            ),
            "falls are left out and cut-offs kept: it should be the other way round": (
                lambda r: all_rows(r) & ~r.newest() & ~r.terminated
            ),
            "this is the opposite: True where a row must not be drawn": lambda r: ~oracles.true_steps(r),
            "rows that were never written are still in it: all_rows leaves them out": (
                lambda r: ~r.newest() & ~r.truncated
            ),
            "these are the numbers of the rows; a mask of True and False is asked for": (
                lambda r: np.flatnonzero(oracles.true_steps(r))
            ),
        },
    )


# --- 5.4: the lower of two ------------------------------------------------------------------------------


@exercise("5.4")
def lower_error(rng):
    return Compare(
        oracle=oracles.by_summing,
        cases=[(1.0, 0.0), (2.0, 0.5), (0.7, 0.9), (1.5, -0.4)],
        draw=lambda rng: (rng.uniform(0.3, 3.0), rng.uniform(-0.7, 0.95)),
        tolerance=1e-3,
        right="two critics with the same errors correct nothing; with independent errors the lower one is 0.56 σ "
        "too low on average",
        matters="then the correction by twin critics comes out wrong",
        mistakes={
            "the sign: the lower of the two is below 0 on average": lambda s, r: s * np.sqrt((1 - r) / np.pi),
            "that is right for independent errors only; the variance of u - v is 2 σ² (1 - ρ)": (
                lambda s, r: -s / np.sqrt(np.pi)
            ),
            "the factor ½ of the first hint is missing": lambda s, r: -2 * s * np.sqrt((1 - r) / np.pi),
            "1 - ρ belongs under the root: the standard deviation of u - v is σ √(2 (1 - ρ))": (
                lambda s, r: -s * (1 - r) / np.sqrt(np.pi)
            ),
            "√2 and 1 - ρ belong under the root together: the standard deviation of u - v is σ √(2 (1 - ρ))": (
                lambda s, r: -s * (1 - r) * np.sqrt(2) / np.sqrt(np.pi)
            ),
            "correlated errors differ less: 1 - ρ, not 1 + ρ": lambda s, r: -s * np.sqrt((1 + r) / np.pi),
            "the last hint takes the standard deviation of u - v, not its variance": (
                lambda s, r: -(s**2) * (1 - r) * np.sqrt(2 / np.pi)
            ),
            "σ does not belong under the root a second time": lambda s, r: -np.sqrt(s * (1 - r) / np.pi),
        },
    )


# --- 5.5: the density of a squashed Gaussian ------------------------------------------------------------


def _slip(g=1, log_sd=-1, flat=-1, slope=lambda u: 1 - np.tanh(u) ** 2, over=lambda v: v.sum(-1), half=0.5):
    """A mistake: the true log-density with one part put wrong."""
    constant = half * np.log(2 * np.pi)
    return lambda m, s, e: over(g * -0.5 * e**2 - constant + log_sd * np.log(s) + flat * np.log(slope(m + s * e)))


@exercise("5.5")
def squashed_log_prob(rng):
    seen = np.random.default_rng
    return Compare(
        oracle=oracles.by_counting,
        cases=[
            oracles.gaussian_case(seen(0)),
            oracles.gaussian_case(seen(1), 4, 1),
            oracles.gaussian_case(seen(2), 5, 6),
        ],
        draw=oracles.drawn_gaussian,
        tolerance=1e-4,
        mistakes={
            "that is the density of u; tanh presses many u into few a": _slip(flat=0),
            "the density is divided by |da/du|, so its logarithm is subtracted": _slip(flat=1),
            "- log σ: the wider the Gaussian, the lower its density": _slip(log_sd=1),
            "log σ is missing: the density of u is that of the noise divided by σ": _slip(log_sd=0),
            "that is the log density at the mean, without the draw: -ε²/2 is missing": _slip(g=0),
            "one number for each row: motors are independent, so their logarithms add up": _slip(over=lambda v: v),
            "sum over the motors, not the mean": _slip(over=lambda v: v.mean(-1)),
            "da/du = 1 - tanh², with a square": _slip(slope=lambda u: 1 - np.tanh(u)),
            "the constant ½ log 2π of the Gaussian is missing": _slip(half=0.0),
            "that is the density; its logarithm is asked for": _slip(over=lambda v: np.exp(v.sum(-1))),
        },
    )


# --- 5.6: entropy and the temperature -------------------------------------------------------------------


@exercise("5.6")
def nats_per_doubling(rng):
    return Compare(
        oracle=oracles.by_quadrature,
        cases=[(2.0,), (1.0,), (4.0,), (1.5,)],
        draw=lambda rng: (rng.uniform(1.0, 6.0),),
        tolerance=1e-3,
        right="log 2 / p: half of log 2 on a quadratic hill, log 2 on a pointed one. The steepness c does not matter",
        matters="then the width or its logarithm is off",
        mistakes={
            "that is right for the quadratic hill only; the power is an argument": lambda p: 0.5 * np.log(2),
            "that would be twice the width for each doubling; the width is multiplied by 2^(1/p)": lambda p: np.log(2),
            "that is in bits; a bit is log 2 nats": lambda p: 1 / p,
            "that is the factor of the width; the entropy grows by its logarithm": lambda p: 2 ** (1 / p),
            "the exponent is 1/p: the higher the power, the less the width grows": lambda p: p * np.log(2),
            "the sign: a higher α makes the policy broader": lambda p: -np.log(2) / p,
            "α is the price of a nat, not the number of nats": lambda p: 1.0,
            "a factor ½ too much: the entropy grows by the logarithm of the width, and 1/p is in the width already": (
                lambda p: 0.5 * np.log(2) / p
            ),
        },
    )


# --- 5.7: little data -----------------------------------------------------------------------------------


def updates(f):
    return little.config_of(f()).updates_per_step * (little.STEPS - little.config_of(f()).learning_starts)


def median_return(f):
    return np.median(little.little_data(little.key_of(f()))[0])


def median_bias(f):
    agents = little.little_data(little.key_of(f()))[1]
    return np.median([overestimation(agent, copies=4, seed=1).bias for agent in agents])


@exercise("5.7")
def my_settings(rng):
    """The seeds of the trainings stay as they are: a setting that is right with these can fail with others."""
    return Demands(
        ("the answer must be a dict of settings, such as dict(tau=0.01)", lambda f: isinstance(f(), dict)),
        ("the seeds are set by the check: leave `seed` out", lambda f: "seed" not in f()),
        (  # steps come in blocks: with few left, there would be more updates than the formula says
            "nearly all of the steps are random: learning_starts may be 5,000 at most",
            lambda f: little.config_of(f()).learning_starts <= 5_000,
        ),
        ("that is more than 6,000 updates: fewer updates_per_step", lambda f: updates(f) <= 6_000),
        (
            "that is fewer than 1,000 updates: begin learning earlier, or take more updates_per_step",
            lambda f: updates(f) >= 1_000,
        ),
        (
            "the median return is below -200, and Q promises far more than is earned: its targets follow too "
            "slowly (tau) or too seldom (updates_per_step)",
            lambda f: median_return(f) >= -200 or median_bias(f) < 20,
        ),
        (
            "the median return is below -200, though Q does not promise too much: the actor has not found the "
            "way up for most starts",
            lambda f: median_return(f) >= -200,
        ),
        right="the median return is -200 or better. Which of your changes did it?",
    )
