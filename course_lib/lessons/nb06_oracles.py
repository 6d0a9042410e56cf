"""Notebook 06: what its checks compare answers with, each by another road, and the cases that they draw."""

from __future__ import annotations

import numpy as np

from course_lib.lessons import nb06_footfalls as feet


def substep_by_substep(x, z, fell):
    """The speeds one after the other, as the student project added them up."""
    return sum((x[k] - x[k - 1]) / 0.002 + z[k] - 0.5 for k in range(1, 6)) - (100.0 if fell else 0.0)


def moving(rng, fell):
    return np.cumsum(rng.normal(0.004, 0.002, 6)), rng.uniform(0.44, 0.62, 6), fell


def dead_zone(a):
    return np.sign(a) * np.maximum(np.abs(a) - 1.0, 0.0)


def by_integral(mean, sigma):
    from scipy import integrate, stats

    corners = [(-1 - mean) / sigma, (1 - mean) / sigma]  # of g
    product = lambda e: dead_zone(mean + sigma * e) * stats.norm.pdf(e)  # noqa: E731
    return integrate.quad(product, -12, 12, points=corners, limit=200)[0]


def made_ups():
    """Untidy gaits, whose lags were drawn: jitter, unequal duty factors, missing touchdowns, strides that grow."""
    made = feet.made_up
    return [
        made((0, 0.5, 0.5, 0), (0.35, 0.5, 0.6, 0.4), jitter=0.04, missing=[(1, 3), (3, 5)], stands=47, seed=1),
        made((0, 0.5, 0.75, 0.25), (0.6, 0.5, 0.65, 0.55), 24, growth=0.06, jitter=0.03, missing=[(2, 2)], seed=2),
        made((0, 0.02, 0.97, 0), (0.3, 0.45, 0.4, 0.5), 25, jitter=0.05, missing=[(1, 4)], seed=3),
        made(
            (0, 0.15, 0.55, 0.7), (0.4, 0.3, 0.5, 0.35), 40, 9, 0.02, growth=-0.03, stands=30, missing=[(1, 2)], seed=4
        ),
    ]


def drawn_gait(rng):
    """One more; its mean lags stay clear of 0, where 0 and 1 are the same and rounding decides."""
    missing = [(int(rng.integers(1, 4)), int(rng.integers(1, 6)))]
    return feet.made_up(
        (0, *rng.uniform(0.08, 0.92, 3)),
        rng.uniform(0.3, 0.6, 4),
        stride=rng.uniform(24, 45),
        strides=int(rng.integers(7, 12)),
        jitter=rng.uniform(0.01, 0.05),
        growth=rng.uniform(-0.03, 0.06),
        stands=int(rng.integers(0, 50)),
        missing=missing,
        seed=int(rng.integers(2**31)),
    )


def by_solver(targets, dt, lag, dead):
    """The differential equation (6.9), one control step after the other."""
    from scipy import integrate

    at, out = 0.0, []
    for k in range(len(targets)):
        wanted = targets[k - dead] if k >= dead else 0.0
        solved = integrate.solve_ivp(
            lambda t, q, wanted=wanted: (wanted - q) / lag, (0, dt), [at], rtol=1e-10, atol=1e-12
        )
        at = float(solved.y[0, -1])
        out.append(at)
    return np.array(out)


def drawn_motor(rng):
    targets = np.repeat(rng.uniform(-1, 1, rng.integers(2, 5)), 3)
    return targets, rng.uniform(0.005, 0.03), rng.uniform(0.01, 0.1), int(rng.integers(0, 5))
