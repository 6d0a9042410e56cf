"""Notebook 05: the best policy of one state at a temperature, among all densities and among squashed Gaussians.

Actions lie in [-1, 1]. Integrals are sums over a fine grid, of actions or of noise. A Q is a function of a tensor of
actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

ACTIONS = np.linspace(-1, 1, 8001)
NOISE = np.linspace(-6, 6, 401)
WEIGHTS = np.exp(-(NOISE**2) / 2) / np.exp(-(NOISE**2) / 2).sum()  # of N(0, 1) on that grid
ALPHAS = tuple(0.02 * 2.0**k for k in range(9))
DRAWN = 161  # points of a curve in the plot
Q = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Best:
    """A policy of one state: density at some actions, entropy in nats, mean of Q, temperature."""

    density: np.ndarray
    entropy: float
    q: float
    alpha: float

    @property
    def worth(self) -> float:
        """E[Q] + α H, what SAC's actor maximises."""
        return self.q + self.alpha * self.entropy


@dataclass(frozen=True)
class Squashed(Best):
    """a = tanh(mean + sd ε)."""

    mean: float
    sd: float


def values(q: Q, actions) -> np.ndarray:
    """q at an array of actions."""
    return q(torch.as_tensor(actions, dtype=torch.float64)).numpy()


def _checked(alpha: float) -> float:
    if not alpha > 0:
        raise ArgumentError(f"alpha={alpha!r} is not accepted; it must be above 0")
    return float(alpha)


def boltzmann(q: Q, alpha: float, actions=ACTIONS) -> Best:
    """The best of all densities, proportional to exp(q/α); `density` at `actions`."""
    alpha, step = _checked(alpha), ACTIONS[1] - ACTIONS[0]
    high = values(q, ACTIONS)
    top = high.max()
    weight = np.exp((high - top) / alpha)
    weight[[0, -1]] /= 2  # trapezium rule
    total = weight.sum() * step
    share = weight / weight.sum()
    expected = float(share @ high)
    entropy = float(np.log(total) - share @ (high - top) / alpha)
    return Best(np.exp((values(q, actions) - top) / alpha) / total, entropy, expected, alpha)


def log_slope(u):
    """log of da/du = 1 - tanh²u, without rounding to log 0."""
    return 2 * (np.log(2) - u - np.logaddexp(0, -2 * u))


def _scores(q: Q, mean, sd) -> tuple[np.ndarray, np.ndarray]:
    """E[Q] and entropy of tanh(mean + sd ε), for arrays of means and sds."""
    u = np.asarray(mean, float)[..., None] + np.asarray(sd, float)[..., None] * NOISE
    entropy = 0.5 * np.log(2 * np.pi * np.e) + np.log(sd) + log_slope(u) @ WEIGHTS
    return values(q, np.tanh(u)) @ WEIGHTS, entropy


def best_gaussian(q: Q, alpha: float, actions=ACTIONS) -> Squashed:
    """The squashed Gaussian of largest E[Q] + α H: the best that SAC's actor can do in one state."""
    from scipy.optimize import minimize

    alpha = _checked(alpha)
    means, log_sds = np.meshgrid(np.linspace(-1.6, 1.6, 33), np.linspace(np.log(1e-3), np.log(2), 33))
    expected, entropy = _scores(q, means.ravel(), np.exp(log_sds.ravel()))
    start = int(np.argmax(expected + alpha * entropy))

    def loss(at):
        expected, entropy = _scores(q, at[0], np.exp(at[1]))
        return -float(expected + alpha * entropy)

    first = np.array([means.ravel()[start], log_sds.ravel()[start]])
    simplex = first + np.array([[0, 0], [0.05, 0], [0, 0.1]])
    found = minimize(loss, first, method="Nelder-Mead", options=dict(initial_simplex=simplex, xatol=1e-6, fatol=1e-10))
    mean, sd = float(found.x[0]), float(np.exp(found.x[1]))
    expected, entropy = _scores(q, mean, sd)
    inside = np.clip(actions, -1 + 1e-9, 1 - 1e-9)
    u = np.arctanh(inside)
    density = np.exp(-(((u - mean) / sd) ** 2) / 2 - log_slope(u)) / (sd * np.sqrt(2 * np.pi))
    return Squashed(density, float(entropy), float(expected), alpha, mean, sd)


def alpha_slider(hills: Mapping[str, Q], alphas=ALPHAS, start: dict | None = None) -> SliderPlot:
    """Q, both policies, their entropy and their mean Q, under a slider for α and one for the hill."""
    grid = np.linspace(-1, 1, DRAWN)
    found = {name: [(boltzmann(q, a, grid), best_gaussian(q, a, grid)) for a in alphas] for name, q in hills.items()}
    names = ("best of all, exp(Q/α)", "best squashed Gaussian")

    def draw(alpha, hill):
        k = list(alphas).index(alpha)
        pair = found[hill][k]
        yield Curve("Q", grid, values(hills[hill], grid), colour="#7a828c")
        top = max(each.density.max() for each in pair)
        for name, each, colour, kind in zip(names, pair, COLOURS, ("line", "dashes"), strict=False):
            yield Curve(name, grid, each.density / top, 1, kind, colour)
        for panel, key in ((2, "entropy"), (3, "q")):
            for i, (name, kind) in enumerate(zip(names, ("line", "dashes"), strict=True)):
                line = [getattr(each[i], key) for each in found[hill]]
                yield Curve(name, alphas, line, panel, kind, COLOURS[i])
            yield Curve("at this α", [alpha] * 2, [getattr(each, key) for each in pair], panel, "dots", "#22303f")
        free, gaussian = pair
        yield f"exp(Q/α): entropy {free.entropy:+.2f} nats, mean Q {free.q:+.3f}."
        yield f"Gaussian: entropy {gaussian.entropy:+.2f} nats, mean Q {gaussian.q:+.3f}."
        grown = free.entropy - found[hill][k - 1][0].entropy if k else None
        since = "" if grown is None else f" exp(Q/α) gained {grown:.2f} nats since half this α."
        yield f"KL from the Gaussian to exp(Q/α): {(free.worth - gaussian.worth) / alpha:.2f} nats.{since}"

    panels = [
        Panel("action", "Q(s, a)", (-1, 1), (-1.1, 1.1), title="the critic (cut off below -1)"),
        Panel("action", "density, highest = 1", (-1, 1), (0, 1.04), title="the policies"),
        Panel("α", "entropy (nats)", x_log=True, title="entropy"),
        Panel("α", "mean of Q", y_limits=(-1.1, 1.1), x_log=True, title="expected return (cut off below -1)"),
    ]
    return SliderPlot(
        {"α": alphas, "hill": list(hills)}, panels, draw, start=start,
        alt="Four panels. Q of one state over the action; the best policy exp(Q/α) and the best squashed Gaussian; the "
        "entropy of both over α, which rises to log 2; their expected Q, which falls. On one smooth hill both policies "
        "agree. On two hills the best policy stands on both and the Gaussian on one, or broadly across.",
    )  # fmt: skip
