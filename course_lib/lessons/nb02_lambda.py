"""Notebook 02: bias and variance of GAE where everything is known, and a slider on λ.

A robot wanders in a corridor of ten cells: left or right with probability one half, and a wall sends it back. In the
last cell, the charger, a step is paid 1. It stands in cell 5 and asks how much better a step right is than a step left.
The true answer follows from the Bellman equation, and so do mean and variance of its estimate by GAE.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

CELLS, HERE, NOISE = 10, 5, 0.3  # cells; where the robot decides; sd of the noise in a reward
PAIRS = 100  # estimates that are averaged: a bias stays, noise shrinks
FEW = 25  # n-step returns that are drawn, the last for this many steps and more
LAMBDAS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.92, 0.95, 0.98, 1.0)
GAMMAS = (0.9, 0.95, 0.98)
KNOWS = (0.0, 0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Corridor:
    """The corridor with a critic that knows a part of the truth.

    Attributes:
        gamma: discount.
        knows: share of the differences between the true values that the critic has: 0 for their mean everywhere, 1 for
            the true values.
    """

    gamma: float
    knows: float

    def __post_init__(self):
        if not 0 <= self.gamma < 1:
            raise ArgumentError(f"gamma={self.gamma!r} is not accepted; accepted: 0 to below 1")

    @property
    def step(self) -> np.ndarray:
        """(cells, cells): probability to come from one cell to another."""
        cells, P = np.arange(CELLS), np.zeros((CELLS, CELLS))
        np.add.at(P, (cells, np.maximum(cells - 1, 0)), 0.5)
        np.add.at(P, (cells, np.minimum(cells + 1, CELLS - 1)), 0.5)
        return P

    @property
    def rewards(self) -> np.ndarray:
        """(cells,): mean reward of a step that begins in the cell."""
        return np.eye(CELLS)[-1]

    @property
    def values(self) -> np.ndarray:
        """(cells,): the true values, by the Bellman equation (1.3)."""
        return np.linalg.solve(np.eye(CELLS) - self.gamma * self.step, self.rewards)

    @property
    def critic(self) -> np.ndarray:
        """(cells,): what the critic says."""
        return self.values.mean() + self.knows * (self.values - self.values.mean())

    @property
    def truth(self) -> float:
        """By how much a step right is better than a step left, in the cell `HERE`."""
        return float(self.gamma * (self.values[HERE + 1] - self.values[HERE - 1]))

    def estimate(self, lam: float) -> tuple[float, float]:
        """Mean and sd of Â(right) - Â(left), one episode each, by GAE with this critic; exact."""
        P, V, g, keep = self.step, self.critic, self.gamma, self.gamma * lam
        delta = self.rewards[:, None] + g * V[None, :] - V[:, None]  # from, to; without the noise of the reward
        mean = np.linalg.solve(np.eye(CELLS) - keep * P, (P * delta).sum(1))  # of Â, from each cell
        known = (P * (delta**2 + 2 * keep * delta * mean[None, :])).sum(1) + NOISE**2
        square = np.linalg.solve(np.eye(CELLS) - keep**2 * P, known)  # mean of Â²
        first = np.array([delta[HERE, HERE + 1] + keep * mean[HERE + 1], delta[HERE, HERE - 1] + keep * mean[HERE - 1]])
        spread = [NOISE**2 + keep**2 * (square[cell] - mean[cell] ** 2) for cell in (HERE + 1, HERE - 1)]
        return float(first[0] - first[1]), float(np.sqrt(sum(spread)))

    def errors(self, lam: float, pairs: int = PAIRS) -> tuple[float, float, float]:
        """|bias|, sd and root of the mean square error of the mean of `pairs` estimates."""
        mean, sd = self.estimate(lam)
        bias, sd = abs(mean - self.truth), sd / np.sqrt(pairs)
        return bias, float(sd), float(np.hypot(bias, sd))

    def best(self, pairs: int = PAIRS) -> float:
        """λ of the smallest error, to a hundredth."""
        lams = np.linspace(0, 1, 101)
        return float(lams[np.argmin([self.errors(lam, pairs)[2] for lam in lams])])


def weights(lam: float, few: int = FEW) -> np.ndarray:
    """(few,): weights of the n-step advantages, n = 1, 2, …, the last for all of `few` steps and more; sum 1."""
    n = np.arange(few)
    return np.append((1 - lam) * lam ** n[:-1], lam ** (few - 1.0))


def lambda_slider() -> SliderPlot:
    """Sliders on λ, γ and the critic: weights of the n-step advantages, and bias, noise and error over λ."""
    lams = np.unique([*np.linspace(0, 0.8, 9), *np.linspace(0.84, 1.0, 9)])

    corridors = {(gamma, knows): Corridor(gamma, knows) for gamma in GAMMAS for knows in KNOWS}
    lines = {key: np.array([corridor.errors(each) for each in lams]).T for key, corridor in corridors.items()}
    best = {key: corridor.best() for key, corridor in corridors.items()}

    def draw(lam: float, gamma: float, knows: float):
        now = corridors[gamma, knows].errors(lam)
        yield Curve(
            "weight of the n-step advantage", np.arange(1, FEW + 1), weights(lam), kind="bars", colour="#7a828c"
        )
        for k, name in enumerate(("bias", "noise", "error")):
            kind, colour = "line" if name == "error" else "dashes", COLOURS[(1, 0, 2)[k]]
            yield Curve(name, lams, lines[gamma, knows][k], 1, kind, colour)
        yield Curve("at this λ", [lam] * 3, now, 1, "dots", "#22303f")
        truth = corridors[gamma, knows].truth
        yield f"True difference {truth:.2f}. Estimated: bias {now[0]:.2f}, noise {now[1]:.2f}, error {now[2]:.2f}."
        yield f"Smallest error at λ = {best[gamma, knows]:.2f}. 1/(1 - γλ) = {1 / (1 - gamma * lam):.1f} steps."

    panels = [
        Panel(f"n, steps before the critic takes over ({FEW}: and more)", "weight", (0.2, FEW + 0.8), (0, 1.02)),
        Panel("λ", f"error, mean of {PAIRS} pairs", (-0.02, 1.02), (0, 1.6), title="bias² + noise² = error²"),
    ]
    return SliderPlot(
        {"λ": LAMBDAS, "γ": GAMMAS, "critic knows": KNOWS}, panels, draw,
        start={"λ": 0.9, "γ": 0.98, "critic knows": 0.5},
        alt="Left: bars, the weights of the n-step advantages, falling by the factor λ from n to n + 1. Right: bias, "
        "noise and total error of the estimated advantage over λ. Bias falls to 0 at λ = 1, noise rises. The error is "
        "smallest in between. The better the critic is, the smaller is the best λ.",
    )  # fmt: skip
