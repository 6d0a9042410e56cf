"""Notebook 01: sliders on batch size and baseline over the noise of a policy gradient.

An episode's gradient with reward-to-go is g = Σ_t score_t G_t. Subtract a constant b from every G_t, and it becomes
g - b s, with s = Σ_t score_t. Its variance is a parabola in b: Var(g) - 2 b Cov(g, s) + b² Var(s). The parabola of each
weight has its lowest point elsewhere, and a b far above that point makes the weight's estimate noisier than none does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

WEIGHTS = ("cart", "pole", "rate of the cart", "rate of the pole")
SHOWN = (0, 1)  # the weights whose estimates are drawn as distributions
BATCHES = (1, 4, 16, 64, 256)
BASELINES = (*range(0, 26, 2),)
STATE = "b(s)"  # a baseline that depends on the state
RESAMPLED = 2000  # batches drawn with replacement from the episodes
BINS = np.linspace(-4.0, 6.0, 51)  # of estimate / gradient


def variances(to_go: np.ndarray, alone: np.ndarray, b) -> np.ndarray:
    """Variance over episodes of g - b s for each weight (4,), from the parabola; b: one number or several (B, 1)."""
    to_go, alone = _checked(to_go, alone)
    with_b = np.mean((to_go - to_go.mean(0)) * (alone - alone.mean(0)), axis=0)
    return to_go.var(0) - 2 * b * with_b + np.square(b) * alone.var(0)


def best_constants(to_go: np.ndarray, alone: np.ndarray) -> np.ndarray:
    """(4,): the constant at the lowest point of each weight's parabola."""
    to_go, alone = _checked(to_go, alone)
    return np.mean((to_go - to_go.mean(0)) * (alone - alone.mean(0)), axis=0) / alone.var(0)


def returns_to_go(rewards: np.ndarray, gamma: float) -> np.ndarray:
    """rewards (T, N) -> G (T, N): what comes from each step on, discounted, for N episodes side by side."""
    returns, following = np.zeros_like(rewards), np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following
        returns[t] = following
    return returns


def _checked(*parts: np.ndarray) -> list[np.ndarray]:
    arrays = [np.asarray(part, float) for part in parts]
    shape = (len(arrays[0]), len(WEIGHTS))
    if any(array.shape != shape for array in arrays) or shape[0] < 2:
        raise ArgumentError(
            f"shapes {[a.shape for a in arrays]} are not accepted; (episodes, {len(WEIGHTS)}) is expected"
        )
    return arrays


def batch_means(parts: Sequence[np.ndarray], size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The same resampled batches of `size` episodes of each part (N, 4) -> means (RESAMPLED, 4)."""
    chosen = rng.integers(0, len(parts[0]), (RESAMPLED, size))
    return [part[chosen].mean(1) for part in parts]


def baseline_slider(to_go: np.ndarray, alone: np.ndarray, with_state: np.ndarray, average: float) -> SliderPlot:
    """Sliders on batch size and baseline: what a batch estimates, and ± over constant baselines.

    Args:
        to_go: (N, 4) an episode's gradient with reward-to-go, for each weight.
        alone: (N, 4) the episode's score: the same with a weight of 1 in place of the reward-to-go.
        with_state: (N, 4) the gradient with reward-to-go less a baseline b(s).
        average: mean reward-to-go, marked.
    """
    to_go, alone, with_state = _checked(to_go, alone, with_state)
    gradient, plain, rng = with_state.mean(0), to_go.std(0), np.random.default_rng(0)
    means = {size: batch_means((to_go, alone, with_state), size, rng) for size in BATCHES}
    over_b = np.sqrt(variances(to_go, alone, np.array(BASELINES, float)[:, None])) / plain
    middle = (BINS[1:] + BINS[:-1]) / 2

    def draw(size: int, b):
        of_g, of_s, of_state = means[size]
        batches = of_state if b == STATE else of_g - b * of_s
        single = with_state.std(0) if b == STATE else np.sqrt(variances(to_go, alone, b))
        for k in SHOWN:
            counts = np.histogram(batches[:, k] / gradient[k], BINS)[0]
            yield Curve(WEIGHTS[k], middle, counts / len(batches), 0, colour=COLOURS[k])
        for k, name in enumerate(WEIGHTS):
            yield Curve(name, BASELINES, over_b[:, k], 1, colour=COLOURS[k])
        yield Curve("mean reward-to-go", [average, average], [0, 3.2], 1, "dashes", "#7a828c")
        if b != STATE:
            yield Curve("this baseline", [b] * len(WEIGHTS), single / plain, 1, "dots", "#22303f")
        for k in SHOWN:
            wrong = np.mean(batches[:, k] * gradient[k] <= 0)
            error = single[k] / np.sqrt(size)
            yield f"{WEIGHTS[k]}: ± {error:.2f}, gradient {gradient[k]:.1f}, wrong sign in {wrong:.0%} of the batches"

    panels = [
        Panel("estimate / gradient", "share of the batches", (-4, 6), (0, 0.8), title="what a batch says (1: right)"),
        Panel("constant baseline b", "± with b / ± without", (0, 24), (0, 3.2), title="all four weights"),
    ]
    return SliderPlot(
        {"episodes in the batch": BATCHES, "baseline": (*BASELINES, STATE)}, panels, draw,
        start={"episodes in the batch": 64, "baseline": 0},
        alt="Left: how the estimates of two weights spread around the gradient. They narrow with the square root of "
        "the batch. Right: the standard error over a constant baseline, a valley for each weight. The valleys of the "
        "pole's weights lie near the mean reward-to-go. The cart's valley lies far below it, and at the mean "
        "reward-to-go the cart's estimate is noisier than without a baseline.",
    )  # fmt: skip
