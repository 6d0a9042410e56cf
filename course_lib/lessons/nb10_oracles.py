"""Oracles for the exercises of notebook 10, and the mistakes that the check of 10.3 knows."""

from __future__ import annotations

import inspect
from functools import lru_cache

import numpy as np
import torch

import course_lib as cl
from course_lib.evaluation.returns import run_episodes
from course_lib.evaluation.statistics import iqm

# --- 10.1: late observations ----------------------------------------------------------------------------


def queue(observations, delay):
    """A queue that is filled with the first observation at the start."""
    waiting, out = [observations[0]] * delay, []
    for o in observations:
        waiting.append(o)
        out.append(waiting.pop(0))
    return np.array(out)


# --- 10.2: the value at another rate --------------------------------------------------------------------


def step_by_step(rate: float, r: float, gamma: float) -> tuple[float, float]:
    """The discounted sum until nothing is left; then the integral of r γ^t, by the trapezoidal rule."""
    g, total, factor = gamma ** (1 / rate), 0.0, 1.0
    while factor > 1e-12:
        total, factor = total + factor * r / rate, factor * g
    t = np.linspace(0.0, np.log(1e-12) / np.log(gamma), 400_001)
    return total, float(np.trapezoid(r * gamma**t, t))


# --- 10.3: the interval of a difference -----------------------------------------------------------------

PAIRS = (
    ((0.9, 0.7, 0.8, 0.95, 0.6, 0.85), (0.5, 0.7, 0.4, 0.65, 0.6, 0.55)),
    ((0.2, 0.9, 0.5, 0.4, 0.7), tuple(np.linspace(0.3, 0.9, 12))),
)


class Intervals:
    """What ways to make intervals give for two pairs of sets, each computed once.

    Args:
        more: is added to the first set of each pair: it moves the interval, and leaves its width.
    """

    def __init__(self, more: float):
        self.pairs = [(np.array(a) + more, np.array(b)) for a, b in PAIRS]
        self._made = lru_cache(self._make)

    def _make(self, f, pair: int, draws: int) -> np.ndarray:
        a, b = self.pairs[pair]
        return np.array(f(a.copy(), b.copy(), draws, np.random.default_rng(1)), dtype=float)

    def of(self, f, pair: int = 0) -> np.ndarray:
        """Low and high, of so many draws that chance moves them by 0.004."""
        return self._made(inspect.unwrap(f), pair, 10_000)  # each demand gets the answer in a new wrapper

    def far(self, f, way, turned: bool = False) -> float:
        """The largest distance of low or high from those of `way`, one of ours; `turned`: of b minus a there."""
        both = [(self.of(f, k), self._made(way, k, 40_000)) for k in range(len(self.pairs))]
        return max(np.abs(found - (-true[::-1] if turned else true)).max() for found, true in both)


def by_counts(a, b, draws, rng):
    """The right interval: how often each value is drawn is a multinomial count, and counts are enough for an iqm."""

    def iqms(x):
        ends = np.cumsum(rng.multinomial(len(x), np.full(len(x), 1 / len(x)), draws), axis=1) / len(x)
        weight = np.diff(np.clip(ends, 0.25, 0.75), prepend=0.25, axis=1)  # of each value in the middle half
        return 2 * weight @ np.sort(x)

    return np.quantile(iqms(a) - iqms(b), [0.025, 0.975])


def from_one_pot(a, b, draws, rng):
    """A mistake: both are drawn from all numbers together."""
    again = rng.choice(np.concatenate([a, b]), (2, draws, len(a)))
    return tuple(np.quantile(iqm(again[0], axis=1) - iqm(again[1], axis=1), [0.025, 0.975]))


def in_pairs(a, b, draws, rng):
    """A mistake: the same random indices for both."""
    k = rng.integers(0, min(len(a), len(b)), (draws, min(len(a), len(b))))
    return tuple(np.quantile(iqm(a[k], axis=1) - iqm(b[k], axis=1), [0.025, 0.975]))


def of_means(a, b, draws, rng):
    """A mistake: means instead of interquartile means."""
    again = [x[rng.integers(0, len(x), (draws, len(x)))].mean(1) for x in (a, b)]
    return tuple(np.quantile(again[0] - again[1], [0.025, 0.975]))


# --- 10.4: plan a comparison ----------------------------------------------------------------------------


def by_counting(a, b, delta, n):
    """n = 2, 3, 4 … until the difference of the formula is small enough."""
    sigma = float(np.sqrt(0.5 * (np.std(a, ddof=1) ** 2 + np.std(b, ddof=1) ** 2)))
    k = 1
    while 2.8 * sigma * (2 / k) ** 0.5 > delta:
        k += 1
    return sigma, k, 2.8 * sigma * (2 / n) ** 0.5


# --- 10.5: what a matrix costs --------------------------------------------------------------------------


def by_gradient(n: int, r: int | None, d: float) -> tuple[int, int]:
    """How many numbers act: those with a gradient; and the largest rank that saves some, by trying."""
    torch.manual_seed(0)
    count = round(d * n * n)
    mask = torch.zeros(n * n).index_fill(0, torch.randperm(n * n)[:count], 1.0).view(n, n)
    if r is None:
        parts = [torch.randn(n, n, requires_grad=True)]
        weight = mask * parts[0]
    else:
        mask.fill_diagonal_(1.0)  # a synapse in each row and column, as the exercise assumes
        parts = [torch.randn(n, r, requires_grad=True), torch.randn(r, n, requires_grad=True)]
        weight = mask * (parts[0] @ parts[1])
    grads = torch.autograd.grad((weight * torch.randn(n, n)).sum(), parts)
    return sum(int((g != 0).sum()) for g in grads), max(k for k in range(n) if 2 * n * k < count)


# --- 10.7: make it last ---------------------------------------------------------------------------------


def balanced(policy, seed: int, episodes: int = 40) -> float:
    """Mean steps that the pole stays up where half of the observations are lost and the others are late."""
    envs = cl.make("InvertedPendulum-v5", episodes, seed=seed, hide="velocities", disturb={"drop": 0.5, "delay": 1})
    return run_episodes(policy, envs, seed=seed).mean
