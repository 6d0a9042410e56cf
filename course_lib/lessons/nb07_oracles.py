"""Notebook 07: what its checks compare answers with, each by another road, and the cases that they draw."""

from __future__ import annotations

import numpy as np

from course_lib.course.answers import array_of


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gate_of(h, x, W, U, b):
    return sigmoid(W @ h + U @ x + b)


def cell_at(rng, n=4, m=3, slowest=4.0):
    """State, input, weights and time constants of a cell of n neurons with m inputs."""
    return *(rng.normal(size=shape) for shape in (n, m, (n, n), (n, m), n)), rng.uniform(0.5, slowest, n)


def by_decay(h, x, W, U, b, tau):
    """f frozen: (7.2) is a straight line in h, and its slope is the rate."""
    f = gate_of(h, x, W, U, b)
    line = [-(1 / tau + f) * each + f for each in (h, h + 1)]
    step = [(each + f) / (1 + 1 / tau + f) for each in (h, h + 1)]  # (7.4)
    return 1 / (line[0] - line[1]), step[1] - step[0]


def flow(h, x, W, U, b, tau, A):
    gate = gate_of(h, x, W, U, b)
    return -(1 / tau + gate) * h + gate * A


def by_differences(h, x, *rest, e=1e-5):
    return np.stack([(flow(h + e * u, x, *rest) - flow(h - e * u, x, *rest)) / (2 * e) for u in np.eye(len(h))], axis=1)


def ltc_at(rng, n=3, m=2):
    return *cell_at(rng, n, m, slowest=3.0), rng.normal(size=n)


def by_stepping(M, steps=2000):
    """Disturb, let the start be forgotten, watch the rest shrink."""
    left, D = 0.0, np.eye(len(M))
    for k in range(2 * steps):
        left, D = left + np.log(np.linalg.norm(M @ D)) * (k >= steps), M @ D / np.linalg.norm(M @ D)
    return -steps / left


def stable_map(seed, largest, n=5):
    M = np.random.default_rng(seed).normal(size=(n, n))
    return M * largest / np.abs(np.linalg.eigvals(M)).max()


def drawn_map(rng):
    """A step map whose slowest disturbance turns as it shrinks, evenly, so that the oracle is exact."""
    n, largest, angle = int(rng.integers(3, 8)), rng.uniform(0.5, 0.97), rng.uniform(0, np.pi)
    basis, _ = np.linalg.qr(rng.normal(size=(n, n)))
    M = np.diag(largest * rng.uniform(-0.8, 0.8, n))
    M[:2, :2] = largest * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (basis @ M @ basis.T,)


def bit_rate(h, w, b, tau, A):
    """Eq. (7.10)."""
    f = sigmoid(w * h + b)
    return -(1 / tau + f) * h + f * A


def four(answer):
    """w, b, τ, A in any container as an array (4,), or None."""
    try:
        found = np.squeeze(array_of(answer()))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.shape == (4,) else None


def rests(answer):
    """Stable states: where dh/dt changes from + to -. The grid is fine where f changes, too."""
    w, b, tau, A = four(answer)
    ends = min(0.0, A) - 0.05, max(0.0, A) + 0.05
    at_the_edge = np.clip((np.linspace(-40, 40, 8001) - b) / w, *ends)
    h = np.unique(np.concatenate([np.linspace(*ends, 20_001), at_the_edge]))
    rate = bit_rate(h, w, b, tau, A)
    return h[:-1][(rate[:-1] > 0) & (rate[1:] <= 0)]
