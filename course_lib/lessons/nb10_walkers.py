"""The third task of notebook 10: a walking quadruped under disturbances, with few seeds, so ranges and no verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from math import comb

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import spread_name
from course_lib.lessons.nb10_evidence import robust_share
from course_lib.lessons.nb10_figures import LOOK, NAMES
from course_lib.viz.style import new_figure, style

TASK = "anymal"
POLICIES = ("mlp", "gru", "ltc", "cfc")
# What is shown -> conditions that are averaged. A unit of noise is 0.1; pushes are in N, for 0.2 s.
GROUPS = {
    "half the rate": ("rate 0.5",),
    "twice the rate": ("rate 2",),
    "noise": ("noise 2", "noise 4", "noise 8"),
    "lost observations": ("drop 0.1", "drop 0.25", "drop 0.5"),
    "lost in a row": ("burst 5", "burst 20"),
    "a dead sensor": ("dead",),
    "delay, 1 or 2 steps": ("delay 1", "delay 2"),
    "heavier": ("mass 1.5", "mass 2"),
    "slippery": ("friction 0.25", "friction 0.5"),
    "weak motors": ("strength 0.5", "strength 0.75"),
    "pushes": ("push 100", "push 200"),
}


def runs_of(rows: Sequence[Mapping], policy: str) -> list[Mapping]:
    mine = [r for r in rows if (r["task"], r["policy"]) == (TASK, policy)]
    if not mine:
        raise ArgumentError(f"rows have no run of {policy!r} on {TASK!r}")
    return mine


def shares(rows: Sequence[Mapping], policy: str) -> dict[str, np.ndarray]:
    """What is shown -> share of its undisturbed return that each run keeps (runs,), averaged over its conditions."""
    mine = runs_of(rows, policy)
    return {name: np.array([robust_share(r, which) for r in mine]) for name, which in GROUPS.items()}


def apart(rows: Sequence[Mapping]) -> list[tuple[str, str, str]]:
    """(disturbance, better policy, worse policy) of every comparison of two policies whose ranges do not overlap."""
    table = {policy: shares(rows, policy) for policy in POLICIES}
    return [
        (name, one, other)
        for name in GROUPS
        for one, other in permutations(POLICIES, 2)
        if table[one][name].min() > table[other][name].max()
    ]


def apart_by_chance(runs: int) -> float:
    """Chance that the ranges of two groups of `runs` numbers each, all from one distribution, do not overlap."""
    return 2 / comb(2 * runs, runs)


def walker_figure(rows: Sequence[Mapping]):
    """Every run a dot, the median a stroke: return at the left, share kept under each disturbance at the right."""
    table = {policy: shares(rows, policy) for policy in POLICIES}
    counts = [len(runs_of(rows, policy)) for policy in POLICIES]
    names, step = [*GROUPS], 0.8 / len(POLICIES)
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.8, 5.0), width_ratios=(1, 3))
        for k, policy in enumerate(POLICIES):
            colour, shift = LOOK[policy]["color"], (k - (len(POLICIES) - 1) / 2) * step
            returns = np.array([r["return"] for r in runs_of(rows, policy)])
            _dots(left, returns, float(k), colour)
            for i, name in enumerate(names):
                _dots(right, table[policy][name], i + shift, colour, NAMES[policy] if i == 0 else "")
        left.set_yticks(range(len(POLICIES)), [NAMES[policy] for policy in POLICIES])
        most = max(r["return"] for policy in POLICIES for r in runs_of(rows, policy))
        left.set(xlabel="return, undisturbed", xlim=(0, 1.15 * most), ylim=(len(POLICIES) - 0.5, -0.5))
        right.set_yticks(range(len(names)), names)
        right.set(xlabel="share of the undisturbed return", xlim=(-0.05, 1.3), ylim=(len(names) - 0.5, -0.5))
        right.axvline(1.0, color="#7a828c", linewidth=0.8, linestyle=":")
        for axes in (left, right):
            axes.grid(axis="y", visible=False)
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=len(POLICIES), fontsize=8)
        for i in range(1, len(names), 2):  # every other row is shaded, so that the eye stays in it
            right.axhspan(i - 0.5, i + 0.5, color="#f3f5f7", zorder=0)
        seeds = f"{counts[0]} seeds each" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)} seeds"
        note = f"Dots: {seeds}, stroke: their median, line: {spread_name(*counts)}"
        figure.supxlabel(note, fontsize=8, color="#666e78")
    figure.alt = "Share of the return that walkers keep, medians. " + "; ".join(
        f"{name}: " + ", ".join(f"{NAMES[p]} {np.median(table[p][name]):.2f}" for p in POLICIES) for name in names
    )
    return figure


def _dots(axes, values: np.ndarray, at: float, colour: str, label: str = "") -> None:
    axes.plot([values.min(), values.max()], [at, at], color=colour, linewidth=1.0, alpha=0.6)
    axes.plot(values, np.full(len(values), at), "o", color=colour, markersize=4, alpha=0.8, label=label or None)
    axes.plot(np.median(values), at, "|", color=colour, markersize=9, markeredgewidth=2)
