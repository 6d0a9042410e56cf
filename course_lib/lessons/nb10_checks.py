"""Oracles for the exercises of notebook 10, and the mistakes that the check of 10.3 knows."""

from __future__ import annotations

import numpy as np
import torch

from course_lib.evaluation.statistics import iqm

PAIRS = (
    ((0.9, 0.7, 0.8, 0.95, 0.6, 0.85), (0.5, 0.7, 0.4, 0.65, 0.6, 0.55)),
    ((0.2, 0.9, 0.5, 0.4, 0.7), tuple(np.linspace(0.3, 0.9, 12))),
)


def many(f, a, b) -> np.ndarray:
    """What f(a, b, draws, rng) gives with many draws: low and high."""
    return np.array(f(np.array(a), np.array(b), 4000, np.random.default_rng(1)), dtype=float)


def close(f, g, tolerance: float = 0.03) -> bool:
    """Whether two ways agree on all pairs."""
    return all(np.abs(many(f, a, b) - many(g, a, b)).max() < tolerance for a, b in PAIRS)


def one_by_one(a, b, draws, rng):
    """The right interval, by a loop over the draws."""
    found = [iqm(rng.choice(a, len(a))) - iqm(rng.choice(b, len(b))) for _ in range(draws)]
    return np.percentile(found, 2.5), np.percentile(found, 97.5)


def turned_round(a, b, draws, rng):
    """A mistake: b minus a."""
    return one_by_one(b, a, draws, rng)


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


# --- 10.2 and 10.5 ------------------------------------------------------------------------------------


def step_by_step(rate: float, r: float, gamma: float) -> tuple[float, float]:
    """The discounted sum until nothing is left; then the integral of r γ^t, by the trapezoidal rule."""
    g, total, factor = gamma ** (1 / rate), 0.0, 1.0
    while factor > 1e-12:
        total, factor = total + factor * r / rate, factor * g
    t = np.linspace(0.0, np.log(1e-12) / np.log(gamma), 400_001)
    return total, float(np.trapezoid(r * gamma**t, t))


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
