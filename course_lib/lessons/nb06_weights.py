"""Notebook 06: sliders on two weights of a reward, and which of some recorded behaviours the sum prefers.

A reward that is a weighted sum of terms is linear in its weights. So an episode is recorded once, the sums of its terms
are kept, and its return under any other weights is a dot product.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.envs.anymal.walk import COMMAND, WEIGHTS
from course_lib.errors import ArgumentError, check_choice
from course_lib.lessons.nb06_gait import Gait
from course_lib.viz.sliders import Curve, Panel, SliderPlot

VELOCITY = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0)
ENERGY = (-1e-4, -3e-4, -1e-3, -2e-3, -4e-3, -8e-3, -2e-2)
POINTS = 25  # of a curve over a logarithmic axis


def eased(policy, share: float):
    """A copy of a walker that is told only `share` of each command, while the reward still asks for all of it."""
    other = copy.deepcopy(policy)

    def act(observation, *args, **options):
        observation = np.array(observation)
        observation[:, COMMAND] *= share
        return policy.act(observation, *args, **options)

    other.act = act
    return other


def term_sums(gait: Gait, weights: Mapping[str, float] = WEIGHTS) -> dict[str, float]:
    """Term -> sum of φ over the recorded episode: what was paid for it, divided by its weight.

    Raises:
        ArgumentError: a gait without terms, or a weight of 0, under which nothing can be told.
    """
    if not gait.terms or any(weights.get(name, 0.0) == 0.0 for name in gait.terms):
        raise ArgumentError("gait has terms without a weight; accepted: an episode of AnymalC-v0 with all terms paid")
    return {name: float(values.sum() / weights[name]) for name, values in gait.terms.items()}


def total(sums: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Σ w φ, over all terms."""
    return float(sum(weights[name] * value for name, value in sums.items()))


def preferred(behaviours: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> str:
    """The behaviour with the largest sum."""
    return max(behaviours, key=lambda name: total(behaviours[name], weights))


def weights_plot(
    behaviours: Mapping[str, Mapping[str, float]],
    first: str = "velocity",
    second: str = "energy",
    values: tuple[Sequence[float], Sequence[float]] = (VELOCITY, ENERGY),
    weights: Mapping[str, float] = WEIGHTS,
) -> SliderPlot:
    """Sum of the reward of each behaviour against the weights of two terms; sliders set both.

    Args:
        behaviours: name -> term -> sum of φ, see `term_sums`.
        values: of the two weights. The second must be penalties, all below 0: their axis is logarithmic.
    """
    if not behaviours:
        raise ArgumentError("behaviours={} is not accepted; it must hold at least one recorded episode")
    for term in (first, second):
        check_choice("term", term, weights)
    if not all(value < 0 for value in values[1]):
        raise ArgumentError(f"values={values!r} is not accepted; the weights of {second} must be below 0")
    prices = np.geomspace(-max(values[1]), -min(values[1]), POINTS)

    def draw(one, two):
        now = {**weights, first: one, second: two}
        found = {name: total(sums, now) for name, sums in behaviours.items()}
        order = sorted(found, key=found.get, reverse=True)
        ends = np.array([min(values[0]), max(values[0])])
        for name, sums in behaviours.items():
            rest = found[name] - one * sums[first] - two * sums[second]
            yield Curve(name, ends, rest + ends * sums[first] + two * sums[second])
            yield Curve(name, prices, rest + one * sums[first] - prices * sums[second], panel=1)
        yield Curve("at these weights", [one] * len(found), list(found.values()), kind="dots", colour="#22303f")
        yield Curve("at these weights", [-two] * len(found), list(found.values()), panel=1, kind="dots")
        best = behaviours[order[0]]
        left = found[order[0]] - one * best[first] - two * best[second]
        yield f"The sum prefers: {order[0]}. Then: " + ", ".join(order[1:])
        yield (
            f"{one:g} × {best[first]:.2f} ({first}) {two:+g} × {best[second]:,.0f} ({second}) "
            f"{left:+.2f} (all other terms) = {found[order[0]]:.2f}"
        )

    plain = {name: total(sums, weights) for name, sums in behaviours.items()}
    reach = max(plain.values()) + 0.4 * abs(max(plain.values()))
    limits = (-0.5 * reach, reach)
    return SliderPlot(
        {f"weight of {first}": values[0], f"weight of {second}": values[1]},
        [
            Panel(f"weight of {first}", "sum of the reward", y_limits=limits),
            Panel(f"price on {second} (weight without its sign)", "sum of the reward", y_limits=limits, x_log=True),
        ],
        draw,
        start={f"weight of {first}": weights[first], f"weight of {second}": weights[second]},
        alt=f"Sum of the reward of {len(behaviours)} recorded behaviours as lines over the weight of {first} and over "
        f"the price on {second}; the highest line is the behaviour that the reward prefers.",
    )
