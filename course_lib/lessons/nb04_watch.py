"""Notebook 04: a training watched by evaluations without noise, and what single changes of its settings cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError, check_count
from course_lib.evaluation.returns import run_episodes
from course_lib.viz.style import COLOURS, new_figure, readable_x, style

GREY, DARK = "#7a828c", "#22303f"


class Watch:
    """A training callback that plays episodes without noise, apart from the training.

    Args:
        envs: one copy for each episode. every: environment steps between two evaluations.

    Attributes:
        curve: "env_steps" and "return_deterministic", the mean return of the evaluations.
    """

    def __init__(self, envs, every: int):
        self.envs, self.every = envs, check_count("every", every)
        self.curve: dict[str, list[float]] = {"env_steps": [], "return_deterministic": []}

    def on_start(self, run) -> None:
        self._evaluate(run)

    def on_update(self, run) -> None:
        if run.agent.env_steps >= self.curve["env_steps"][-1] + self.every:
            self._evaluate(run)

    def on_end(self, run) -> None:
        if run.agent.env_steps > self.curve["env_steps"][-1]:
            self._evaluate(run)

    def _evaluate(self, run) -> None:
        self.curve["env_steps"].append(run.agent.env_steps)
        self.curve["return_deterministic"].append(run_episodes(run.policy, self.envs).mean)


def watched_figure(watched: Mapping, finished: Mapping, most: float = 1000.0):
    """Two curves of one training: evaluations without noise, and the returns of the episodes that have finished.

    Args:
        watched: the curve of a `Watch`. finished: the curve of the run.
        most: the return of an episode that runs to its end, a dotted line.
    """
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.2))
        axes.plot(watched["env_steps"], watched["return_deterministic"], "o-", color=COLOURS[0],
                  label="evaluations, noise off")  # fmt: skip
        axes.plot(finished["env_steps"], finished["return_mean"], "--", color=COLOURS[1],
                  label="last 100 finished training episodes, noise on")  # fmt: skip
        axes.axhline(most, color=GREY, linestyle=":", linewidth=1.2, label="the pole never falls")
        axes.set(xlabel="environment steps", ylabel="mean return", ylim=(0, 1.08 * most))
        readable_x(axes, "env_steps")
        figure.legend(loc="outside upper center", ncols=2, fontsize=8.5)
    return figure


def cost_figure(returns: Mapping[str, Sequence[float]], steps: int, guess: Sequence[str] = ()):
    """Return after `steps` environment steps with one setting changed: dots are seeds, a stroke is their median.

    Args:
        returns: what was changed -> returns, one a seed. guess: rows to mark.
    """
    if not returns or not all(len(v) for v in returns.values()):
        raise ArgumentError("returns must be a dict name -> returns, one a seed, with at least one entry each")
    with style():
        figure, axes = new_figure(figsize=(6.4, 0.9 + 0.34 * len(returns)))
        for k, (name, values) in enumerate(returns.items()):
            colour = COLOURS[5] if name in guess else COLOURS[0]
            at = k + np.linspace(-0.18, 0.18, len(values)) * (len(values) > 1)
            axes.plot(values, at, "o", color=colour, markersize=4.5, alpha=0.8)
            axes.plot([np.median(values)] * 2, [k - 0.3, k + 0.3], color=DARK, linewidth=2)
        axes.set_yticks(range(len(returns)), [f"{n} (your answer)" if n in guess else n for n in returns])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlabel=f"return after {steps:,} steps, noise off. Dots: seeds, stroke: median", xlim=(0, 1040))
    return figure


@dataclass
class Trend:
    """Spearman's rank correlation of neurons and falls, its 95 % bootstrap interval over seeds, and what that says."""

    correlation: float
    interval: tuple[float, float]

    @property
    def words(self) -> str:
        low, high = self.interval
        if low > 0:
            return "more neurons, more falls"
        return "more neurons, fewer falls" if high < 0 else "these seeds cannot tell"


def trend(failures: Mapping[int, Sequence[int]], draws: int = 2000) -> Trend:
    """Whether falls go with the number of neurons. failures: neurons -> falls, one a seed.

    The interval is that of seeds drawn anew within each size.
    """
    neurons = np.repeat([*failures], [len(v) for v in failures.values()])
    rng = np.random.default_rng(0)
    drawn = [
        _rank_correlation(neurons, np.concatenate([rng.choice(v, len(v)) for v in failures.values()]))
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Trend(_rank_correlation(neurons, np.concatenate([*failures.values()])), (float(low), float(high)))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's; 0 where one of them does not vary."""
    ranks = [_ranks(each) for each in (x, y)]
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
