"""Notebook 02: what importance sampling does not correct. A walk towards a ledge, small enough to be solved exactly."""

from __future__ import annotations

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.style import COLOURS, new_figure, style

PLACES = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -20.0, -20.0])  # reward for being there; beyond place 5 is a ditch


class Ledge:
    """A walker on places 0, 1, 2, …: each step goes right with probability p, else left; it begins at place 0.

    Attributes:
        rewards (n,): of the place where a step ends.
        gamma: discount.
        old: p of the policy that collected the data.
    """

    def __init__(self, rewards=PLACES, gamma: float = 0.9, old: float = 0.3):
        self.rewards, self.gamma, self.old = np.asarray(rewards, float), gamma, self._share(old)
        n = len(self.rewards)
        places = np.arange(n)
        self.moves = np.zeros((2, n, n))  # left, right: from, to
        self.moves[0, places, np.maximum(places - 1, 0)] = 1
        self.moves[1, places, np.minimum(places + 1, n - 1)] = 1

    @staticmethod
    def _share(p: float) -> float:
        if not 0 < p < 1:
            raise ArgumentError(f"p={p!r} is not accepted; it must be between 0 and 1")
        return float(p)

    def step(self, p: float) -> np.ndarray:
        """(n, n): probability to come from one place to another in one step."""
        return (1 - p) * self.moves[0] + p * self.moves[1]

    def values(self, p: float) -> np.ndarray:
        """(n,): exact value of each place, by the Bellman equation (1.3)."""
        P = self.step(self._share(p))
        return np.linalg.solve(np.eye(len(P)) - self.gamma * P, P @ self.rewards)

    def real(self, p: float) -> float:
        """The return that the walker really gets from place 0."""
        return float(self.values(p)[0])

    def visits(self, p: float) -> np.ndarray:
        """(n,): discounted share of the time spent at each place; sums to 1."""
        P = self.step(self._share(p))
        begin = np.eye(len(P))[0]
        return (1 - self.gamma) * np.linalg.solve((np.eye(len(P)) - self.gamma * P).T, begin)

    def advantages(self) -> np.ndarray:
        """(n, 2): exact advantage of left and right at each place, under the old policy."""
        value = self.values(self.old)
        return np.stack([move @ (self.rewards + self.gamma * value) - value for move in self.moves], axis=1)

    def promise(self, p: float, visits: np.ndarray | None = None) -> float:
        """The old return and the surrogate (2.2): actions of the policy p, advantages of the old policy.

        visits (n,): how often each place is met; None: as under the old policy, as in a batch of its data.
        """
        visits = self.visits(self.old) if visits is None else visits
        gain = visits @ (self.advantages() @ np.array([1 - p, p]))
        return self.real(self.old) + float(gain) / (1 - self.gamma)

    def kl(self, p: float) -> float:
        """KL(old‖p) of one decision, in nats; it is the same at every place."""
        q = self.old
        return float(q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p)))

    def best(self) -> float:
        """p of the highest real return."""
        shares = np.linspace(0.01, 0.99, 981)
        return float(shares[np.argmax([self.real(p) for p in shares])])


def promise_figure(ledge: Ledge, limit: float = 0.03, far: float = 0.6):
    """Left: where the old, a near and a far policy spend their time. Right: what the batch promises, and what comes.

    limit: KL of the region that is shaded, in nats; far: p of the far policy.
    """
    shares = np.linspace(0.15, far, 91)
    near = [p for p in shares if ledge.kl(p) <= limit]
    real = [ledge.real(p) for p in shares]
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.4, 3.1))
        places = np.arange(len(ledge.rewards))
        left.axvspan(
            np.flatnonzero(ledge.rewards < 0)[0] - 0.5, places[-1] + 0.5, color="#f6e3dc", linewidth=0, zorder=0
        )
        for k, p in enumerate((ledge.old, near[-1], far)):
            name = ("old", "near", "far")[k]
            look = dict(color=COLOURS[k], marker="os^"[k], linestyle=("-", "--", "-.")[k], markersize=4.5)
            left.plot(places, ledge.visits(p), label=f"{name}, p = {p:.2f}", **look)
        left.set(xlabel="place (6 and 7: the ditch)", ylabel="share of the time", title="where they spend their time")
        left.legend(fontsize=8)
        right.axvspan(near[0], near[-1], color="#e6f2ec", linewidth=0, zorder=0, label=f"KL below {limit:g} nats")
        right.plot(shares, [ledge.promise(p) for p in shares], "--", color=COLOURS[1], label="promise, old places")
        right.plot(shares, real, color=COLOURS[0], label="real return")
        some = shares[::6]
        corrected = [ledge.promise(p, ledge.visits(p)) for p in some]
        right.plot(some, corrected, "o", color=COLOURS[2], markersize=4, label="promise, new places")
        right.axvline(ledge.old, color="#7a828c", linewidth=0.9, linestyle=":")
        top = max(ledge.promise(p) for p in shares)
        right.set(xlabel="p, probability to step right", ylabel="return", ylim=(-top, 1.1 * top))
        right.set_title(f"promise and reality; data from p = {ledge.old:g}")
        right.legend(fontsize=8, loc="lower left")
    figure.alt = (
        "Two panels. Left: the share of the time at places 0 to 7 for three policies; the old one stays near place 0 "
        "and hardly ever meets the ditch, the far one is often in it. Right: return over the probability to step "
        "right. The promised return is a rising straight line. The real return touches it at the old policy, rises a "
        "little further and then falls steeply. The promise with the places of the new policy lies on the real return."
    )
    return figure
