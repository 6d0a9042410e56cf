"""The checks of the exercises of notebook 06: rewards, noise, footfalls, what a weight does, spaces, slow motors."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

import course_lib as cl
from course_lib.course.exercises import Compare, Demands, attempt, exercise
from course_lib.lessons import nb06_footfalls as feet
from course_lib.lessons import nb06_oracles as oracles
from course_lib.lessons import nb06_real as real

# --- 6.1: one step's reward -----------------------------------------------------------------------------


def _slip(dx=lambda x: (x[-1] - x[0]) / 0.002, high=lambda z: (z[1:] - 0.5).sum(), fine=100.0):
    """A mistake: the reward with one thing changed."""
    return lambda x, z, fell: dx(x) + high(z) - fine * fell


@exercise("6.1")
def sprint_reward(rng):
    return Compare(
        oracle=oracles.substep_by_substep,
        cases=[oracles.moving(np.random.default_rng(seed), fell=seed == 1) for seed in range(3)],
        draw=lambda rng: oracles.moving(rng, fell=bool(rng.integers(2))),
        matters="compare speed, height and fine with (6.2) one by one",
        mistakes={
            "that is the mean speed of the step, once; the student project paid it in each of the five physics "
            "steps": _slip(dx=lambda x: (x[-1] - x[0]) / 0.01),
            "that pays metres; (6.2) pays speeds: divide by the 0.002 s of a physics step": _slip(
                dx=lambda x: x[-1] - x[0]
            ),
            "the height is paid after each physics step, five times": _slip(high=lambda z: z[-1] - 0.5),
            "the first entry is from before the step: five heights are paid, not six": _slip(
                high=lambda z: (z - 0.5).sum()
            ),
            "the heights after the physics steps are paid, not those before them": _slip(
                high=lambda z: (z[:-1] - 0.5).sum()
            ),
            "height counts above half a metre": _slip(high=lambda z: z[1:].sum()),
            "half a metre is taken off each of the five heights, not once": _slip(high=lambda z: z[1:].sum() - 0.5),
            "a fall is fined once, not in each physics step": _slip(fine=500.0),
            "a fall costs 100, it does not earn 100": _slip(fine=-100.0),
            "the fine for a fall is missing": _slip(fine=0.0),
        },
    )


# --- 6.2: through the dead zone -------------------------------------------------------------------------


@exercise("6.2")
def noisy_output(rng):
    from scipy.stats import norm

    def L(z):
        return norm.pdf(z) - z * norm.sf(z)

    return Compare(
        oracle=oracles.by_integral,
        cases=[(0.5, 0.6), (-0.3, 1.0), (1.4, 0.2), (0.0, 0.5)],
        draw=lambda rng: (rng.uniform(-1.5, 1.5), rng.uniform(0.3, 1.5)),
        matters="the check integrates (6.4) to six digits; a mean over samples is not exact enough",
        mistakes={
            "that is g(μ): the noise was averaged before g, not after": lambda m, s: float(oracles.dead_zone(m)),
            "only the upper edge: noise also falls below -1, and there g is negative": lambda m, s: s * L((1 - m) / s),
            "both edges pull the same way: below -1 g is negative, so that part is subtracted": (
                lambda m, s: s * (L((1 - m) / s) + L((1 + m) / s))
            ),
            "the factor σ is missing: μ + σ ε - 1 = σ (ε - (1 - μ) / σ)": lambda m, s: L((1 - m) / s) - L((1 + m) / s),
            "upside down: the edge at +1 is reached at ε = (1 - μ) / σ": (
                lambda m, s: s * (L((1 + m) / s) - L((1 - m) / s))
            ),
            "the second side is max(-ε - z, 0) with z = (1 + μ) / σ": (
                lambda m, s: s * (L((1 - m) / s) - L((-1 - m) / s))
            ),
            "1 - Φ(z) is the part above z, not Φ(z)": lambda m, s: (
                s
                * (
                    (norm.pdf((1 - m) / s) - (1 - m) / s * norm.cdf((1 - m) / s))
                    - (norm.pdf((1 + m) / s) - (1 + m) / s * norm.cdf((1 + m) / s))
                )
            ),
            "the edges are z = (1 ∓ μ) / σ; the division by σ is missing": lambda m, s: s * (L(1 - m) - L(1 + m)),
            "that is how often the edges are crossed; the mean also counts how far": (
                lambda m, s: norm.sf((1 - m) / s) - norm.sf((1 + m) / s)
            ),
        },
    )


# --- 6.3: lags and their concentration ------------------------------------------------------------------


def on_circle(parts):
    """Lags, concentrations -> the same; a lag of 1, to rounding, is the lag 0."""
    lags, sure = parts
    return [np.where(np.abs(lags - 1.0) < 1e-9, 0.0, lags), sure]


@exercise("6.3")
def phases(rng):
    known = {}  # contacts, as bytes -> what was drawn

    def case_of(contacts, lags, sure):
        known[contacts.tobytes()] = (lags, sure)
        return (contacts,)

    return Compare(
        oracle=lambda contacts: known[np.asarray(contacts).tobytes()],
        cases=[case_of(*made) for made in oracles.made_ups()],
        draw=lambda rng: case_of(*oracles.drawn_gait(rng)),
        parts=("lags", "concentrations"),
        form=on_circle,
        right="the lags of untidy gaits are found, each with its concentration",
        mistakes={hint: partial(feet.footfalls, slip=slip) for slip, hint in feet.HINTS.items()},
    )


# --- 6.4: what grows? -----------------------------------------------------------------------------------

MEASURES = ("tracking_error_m_s", "turning_error_rad_s", "power_W", "action_change")
CHANGED = ("no velocity", "no yaw_rate", "10 x effort")


@lru_cache
def growth(change):
    """measure -> its median after `change` divided by its median with all weights as they were, in the shipped runs."""
    runs = cl.result("anymal_rewards")["per_seed"]

    def middle(setting, measure):
        return np.median([row["measures"][measure] for row in runs if row["setting"] == setting])

    return {m: middle(change, m) / middle("all as it was", m) for m in MEASURES}


def missed(f):
    """Changes whose measure was not named."""
    return [change for change in CHANGED if f()[change] != max(growth(change), key=growth(change).get)]


def shrank(f):
    """Changes for which a measure was named that became smaller."""
    return [change for change in CHANGED if growth(change)[f()[change]] < 1]


@exercise("6.4")
def what_grows(rng):
    return Demands(
        (
            "give a dict with the three changes as keys and one measure each",
            lambda f: isinstance(f(), dict) and set(f()) == set(CHANGED),
        ),
        (
            f"a measure is not among {', '.join(MEASURES)}",
            lambda f: all(isinstance(m, str) and m in MEASURES for m in f().values()),
        ),
        (
            "the row of ten times the effort: this measure fell. What did the robot save on?",
            lambda f: "10 x effort" not in shrank(f),
        ),
        ("the row without velocity: this measure did not grow there", lambda f: "no velocity" not in shrank(f)),
        ("the row without yaw_rate: this measure did not grow there", lambda f: "no yaw_rate" not in shrank(f)),
        ("the row without velocity: another measure grew more, as a ratio", lambda f: "no velocity" not in missed(f)),
        ("the row without yaw_rate: another measure grew more, as a ratio", lambda f: "no yaw_rate" not in missed(f)),
        (
            "the row of ten times the effort: another measure grew more, as a ratio",
            lambda f: "10 x effort" not in missed(f),
        ),
        right="that is what the shipped runs show. Which of them surprised you?",
    )


# --- 6.5: the next space --------------------------------------------------------------------------------

NOT_LEARNING = {"seed", "torch_threads"}


def without_cell(space):
    """Factors that do nothing in a policy without a cell, if the space has none."""
    idle = {name for name in space if name in ("sequence_length", "refresh_states") or name.startswith("cell.")}
    return set() if {"cell", "cell.name"} & set(space) else idle


def without_plan(space):
    """Factors of a plan, if the space has no plan."""
    idle = {name for name in space if name.startswith("plan.")}
    return set() if {"plan.chunk", "plan.trajectory"} & set(space) else idle


def ends(found):
    """Smallest and largest value of a dimension."""
    values = [v for v in (found.choices or (found.low, found.high)) if isinstance(v, (int, float))] or [np.nan]
    return min(values), max(values)


def even(found):
    """Whether the values of a choice lie about evenly in their logarithm: no gap 2.5 times as wide as another."""
    gaps = np.diff(np.log(sorted(set(found.choices)))) if found.kind == "choice" else np.ones(1)
    return bool(len(gaps)) and bool(gaps.max() <= 2.5 * gaps.min())


def searched(dimension):
    """Whether it has more than one value."""
    several = len(dimension.choices) > 1 if dimension.kind == "choice" else dimension.low < dimension.high
    return bool(several)


@exercise("6.5")
def next_space(rng):
    from course_lib.sweeps import Dimension
    from course_lib.sweeps.space import check_space

    rows = cl.result("anymal_sweep")["per_seed"]
    old = next(cl.Sweep.from_dict(row["sweep"]) for row in rows if row["space"] == "predecessor").space
    varied = {*old, "init_log_std"}  # there as std_init
    works = cl.PPOConfig.recommended("AnymalSprint-v0").learning_rate

    def rate(f):
        return f()["learning_rate"]

    def wide(f):
        low, high = ends(rate(f))
        return high >= 9.99 * low and rate(f).kind != "uniform" and even(rate(f))

    return Demands(
        (
            "give a dict of field: cl.uniform(…), cl.log_uniform(…), cl.integer(…) or cl.choice(…)",
            lambda f: isinstance(f(), dict) and len(f()) > 0 and all(isinstance(d, Dimension) for d in f().values()),
        ),
        (
            "seed and torch_threads are no settings of learning: a seed that does well is luck",
            lambda f: not NOT_LEARNING & set(f()),
        ),
        (
            "a factor does nothing in a policy without a cell (sequence_length, refresh_states, cell.…): add cell.name",
            lambda f: not without_cell(f()),
        ),
        (
            "a factor does nothing in a policy that does not plan: add plan.trajectory or plan.chunk",
            lambda f: not without_plan(f()),
        ),
        (
            "more than three factors: fifty trials are spread thin, leave out what mattered least",
            lambda f: len(f()) <= 3,
        ),
        ("the learning rate is missing", lambda f: "learning_rate" in f()),
        (
            "the learning rate of section 3, which works, lies outside of your range",
            lambda f: ends(rate(f))[0] <= works <= ends(rate(f))[1],
        ),
        (
            "the range of the learning rate should span a factor of ten at least, evenly in its logarithm: "
            "cl.log_uniform or a cl.choice",
            wide,
        ),
        (
            "your choices enclose the learning rate of section 3 and leave it out, so that rate can never be tried",
            lambda f: rate(f).kind != "choice" or any(np.isclose(value, works) for value in rate(f).choices),
        ),
        (
            "that goes too far up: a rate above 0.1 is far beyond what worked, and already one trial at 0.0088 broke "
            "the simulation, see below",
            lambda f: ends(rate(f))[1] <= 0.1,
        ),
        (
            "only factors that were in the old sweep (its std_init is the noise at the start, init_log_std): what was"
            " held fixed there?",
            lambda f: set(f()) - varied,
        ),
        ("a factor has one value only: nothing is searched", lambda f: all(searched(d) for d in f().values())),
        (
            "cl.PPOConfig does not take one of these fields, or an end of its range",
            lambda f: attempt(check_space, f(), cl.PPOConfig()) is not None,
        ),
        right="a space that can be compared with what works. Are 50 trials enough for it?",
    )


# --- 6.6: a slow motor ----------------------------------------------------------------------------------


@exercise("6.6")
def slow_motor(rng):
    steps = np.repeat([1.0, -0.5, 0.3], 4)
    return Compare(
        oracle=oracles.by_solver,
        cases=[(steps, 0.02, 0.04, 2), (steps[::-1].copy(), 0.02, 0.01, 0), (steps, 0.01, 0.05, 5)],
        draw=oracles.drawn_motor,
        mistakes={hint: partial(real.motor, slip=slip) for slip, hint in real.HINTS.items()},
    )
