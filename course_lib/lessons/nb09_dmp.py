"""Figures of notebook 09, first half: springs, forcing terms, attractors, chunks, handwriting."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.nets.dmp import DMP
from course_lib.viz.style import COLOURS, DASHES, new_figure, style

SOFT, DARK = "#aab3be", "#22303f"
HALF = 14.0  # px: handwriting is drawn on a sheet from -14 to 14


def spring_figure(clock, paths: Mapping[str, np.ndarray], goal: float = 1.0):
    """Positions (T,) on their way to a goal, over the times `clock` (s)."""
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.9))
        axes.axhline(goal, color=DARK, linestyle=":", linewidth=1.4, label="goal g")
        for k, (name, path) in enumerate(paths.items()):
            axes.plot(clock, path, DASHES[k % len(DASHES)], color=COLOURS[k % len(COLOURS)], label=name)
        axes.set(xlabel="time t (s)", ylabel="position y (m)")
        axes.legend(loc="lower right")
    return figure


def forcing_figure(dmp: DMP, weights: np.ndarray):
    """Phase, basis functions and the push f they add up to, over the horizon of a DMP; weights (N,), one DoF."""
    weights = np.asarray(weights, float)
    if weights.shape != (dmp.basis,):
        raise ArgumentError(f"weights has shape {weights.shape}; it must be ({dmp.basis},)")
    clock, phase, bumps = np.arange(dmp.steps) * dmp.dt, dmp.phase(), dmp.activations()
    with style():
        figure, rows = new_figure(3, 1, figsize=(6.4, 4.8), sharex=True, height_ratios=(0.7, 1, 1.2))
        rows[0].plot(clock, phase, color=COLOURS[0])
        rows[0].set(ylabel="phase x", ylim=(0, 1.05))
        for k in range(dmp.basis):
            rows[1].plot(clock, bumps[:, k], color=COLOURS[k % len(COLOURS)], linewidth=1.2)
            rows[2].plot(clock, weights[k] * bumps[:, k] * phase, color=COLOURS[k % len(COLOURS)], linewidth=1.0)
        rows[1].set_ylabel("share $ψ_i / \\sum ψ$")
        rows[2].plot(clock, bumps @ weights * phase, color=DARK, linewidth=2.2, label="their sum: f / (g − y0)")
        rows[2].set(xlabel="time t (s)", ylabel="push (1/s²)")
        rows[2].legend(loc="best")
    return figure


def attractor_figure(dmp: DMP, panels: Sequence[Mapping], limit: tuple[float, float] = (1.6, 6.0)):
    """The plane of position and velocity: the spring's arrows, and paths that start anywhere in it.

    Each panel has `title`, `goal`, and `position`, `velocity` (K, B): B paths of one degree of freedom.
    """
    y, v = np.meshgrid(np.linspace(-limit[0], limit[0], 15), np.linspace(-limit[1], limit[1], 13))
    with style():
        figure, row = new_figure(1, len(panels), figsize=(3.6 * len(panels), 3.3), squeeze=False, sharey=True)
        for axes, panel in zip(row[0], panels, strict=True):
            goal = float(panel["goal"])
            change = np.stack([v / limit[0], dmp.alpha * (dmp.beta * (goal - y) - v) / limit[1]])
            axes.quiver(
                y, v, *(change / np.maximum(np.hypot(*change), 1e-9)), color=SOFT, scale=24, width=0.004, pivot="mid"
            )
            for k, (ys, vs) in enumerate(
                zip(np.asarray(panel["position"]).T, np.asarray(panel["velocity"]).T, strict=True)
            ):
                axes.plot(ys, vs, color=COLOURS[k % len(COLOURS)], linewidth=1.4)
                axes.plot(ys[0], vs[0], "o", color=COLOURS[k % len(COLOURS)], markersize=4)
            axes.plot(goal, 0, "*", color=DARK, markersize=11, zorder=5)
            axes.set(xlim=(-limit[0], limit[0]), ylim=(-limit[1], limit[1]), xlabel="position y (m)")
            axes.set_title(panel["title"], fontsize=9.5)
            axes.grid(visible=False)
        row[0, 0].set_ylabel("velocity ẏ (m/s)")
        figure.alt = (
            f"{len(panels)} planes of velocity over position: {', '.join(panel['title'] for panel in panels)}. Paths "
            "from states all over the plane bend towards one star, the goal at rest, and end there."
        )
    return figure


def processor_times(rolls: Mapping[str, Callable], goal, weights, start, rounds: int = 7) -> dict[str, float]:
    """Processor time (ms) of a rollout and its gradient on one thread: the shortest, least disturbed of `rounds`."""
    threads, found = torch.get_num_threads(), {name: [] for name in rolls}
    torch.set_num_threads(1)
    try:
        for _ in range(rounds):
            for name, roll in rolls.items():
                began = time.process_time()
                roll(goal, weights, start).position.square().mean().backward()
                found[name].append(1e3 * (time.process_time() - began))
    finally:
        torch.set_num_threads(threads)
    return {name: min(values) for name, values in found.items()}


def chunk_figure(clock, chains: Mapping[str, tuple], chunk: float):
    """Several DMPs one after the other: position and velocity (T,) of each over time, a decision each `chunk` s."""
    with style():
        figure, rows = new_figure(2, 1, figsize=(6.4, 3.8), sharex=True)
        for k, (name, pair) in enumerate(chains.items()):
            for axes, values in zip(rows, pair, strict=True):
                axes.plot(clock, values, DASHES[k % len(DASHES)], color=COLOURS[k % len(COLOURS)], label=name)
        for axes in rows:
            axes.grid(axis="x", visible=False)  # the only vertical lines are decisions
            for k, border in enumerate(np.arange(chunk, float(clock[-1]) - chunk / 2, chunk)):
                axes.axvline(border, color=DARK, linestyle=":", linewidth=1.2, label="" if k else "next decision")
        rows[0].set_ylabel("position y (m)")
        rows[1].set(xlabel="time t (s)", ylabel="velocity ẏ (m/s)")
        figure.legend(*rows[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(chains) + 1)
    return figure


# ------------------------------------------------------------------------------------------------- handwriting
def _sheet(axes, image) -> None:
    axes.imshow(np.asarray(image), cmap="gray_r", extent=(-HALF, HALF, -HALF, HALF), vmin=0, vmax=1.4)
    axes.set(xlim=(-HALF, HALF), ylim=(-HALF, HALF), xticks=[], yticks=[])
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


def strokes_figure(data, rows: int = 4):
    """The data set: a column for each digit, a row for each of the first `rows` styles; dots where pens start."""
    digit, who = np.asarray(data.digit), np.asarray(data.style)
    chosen = sorted(set(who.tolist()))[:rows]
    with style():
        figure, grid = new_figure(len(chosen), 10, figsize=(8.4, 0.86 * len(chosen)), squeeze=False)
        for line, name in zip(grid, chosen, strict=True):
            for k, axes in enumerate(line):
                found = np.flatnonzero((digit == k) & (who == name))
                _sheet(axes, data.image[found[0]] if len(found) else np.zeros((28, 28)))
                if len(found):
                    path, seen = np.asarray(data.path[found[0]]), np.asarray(data.seen[found[0]])
                    axes.plot(*path.T, color=COLOURS[0], linewidth=1.2)
                    axes.plot(*path[0], "o", color=COLOURS[2], markersize=4)
                    if not seen.all():
                        axes.plot(*path[seen].T, "x", color=COLOURS[1], markersize=5.5, markeredgewidth=1.8)
            line[0].set_ylabel(f"style {name}", fontsize=8)
        figure.alt = (
            f"The digits 0 to 9 as written by {len(chosen)} writers, a row for each: grey images with the path of the "
            "pen in blue and a green dot where the pen starts."
        )
    return figure


def overlay_figure(data, paths: Mapping[str, np.ndarray], count: int = 10):
    """Paths over the images they were read from: a row for each network, name -> (n, 301, 2) px; grey: the truth.

    Shown are the first writings of each digit, `count` in all.
    """
    digit = np.asarray(data.digit)
    order = [np.flatnonzero(digit == d)[k] for k in range(len(digit)) for d in range(10) if (digit == d).sum() > k]
    chosen = order[:count]
    with style():
        figure, grid = new_figure(
            len(paths), len(chosen), figsize=(0.86 * len(chosen), 0.9 * len(paths)), squeeze=False
        )
        for k, (line, (name, path)) in enumerate(zip(grid, paths.items(), strict=True)):
            for axes, i in zip(line, chosen, strict=True):
                _sheet(axes, data.image[i])
                axes.plot(*np.asarray(path[i]).T, color=COLOURS[k % len(COLOURS)], linewidth=1.3)
                axes.plot(*np.asarray(path[i][0]), "o", color=COLOURS[k % len(COLOURS)], markersize=3.5)
            line[0].set_ylabel(name.replace(" to ", "\nto "), fontsize=8)
        figure.alt = (
            f"{len(chosen)} images of digits, once for each of {', '.join(paths)}: the path that the network draws, in "
            "colour over the grey image. It follows the ink closely in most of them."
        )
    return figure


def pen_figure(paths: Mapping[str, np.ndarray], duration: float = 1.0):
    """How fast the pen moves: the speed (px/s) of one writing, name -> path (301, 2) px, over time."""
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.8))
        for k, (name, path) in enumerate(paths.items()):
            broad = dict(linewidth=5, alpha=0.45, zorder=1) if name == "as written" else {}
            steps = np.linalg.norm(np.diff(np.asarray(path, float), axis=0), axis=1)
            clock = (np.arange(len(steps)) + 0.5) * duration / len(steps)
            thin = dict(linewidth=0.8, alpha=0.8) if name.startswith("CNN") else broad
            axes.plot(clock, steps * len(steps) / duration, color=COLOURS[k % len(COLOURS)], label=name, **thin)
        axes.set(xlabel="time t (s)", ylabel="speed of the pen (px/s)")
        axes.legend(fontsize=8)
    return figure


def gains(rows: Sequence[Mapping], measure: str, condition: str) -> dict[str, float]:
    """How many times smaller than the better CNN's an error is, by medians of seeds: network -> times.

    rows: of the result file "handwriting"; the CNNs are "CNN" and, where it ran, "CNN, gaps filled".
    """
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["condition"] == condition:
            found.setdefault(row["model"], []).append(row[measure])
    middle = {model: float(np.median(values)) for model, values in found.items()}
    plain = min(value for model, value in middle.items() if model.partition(",")[0] == "CNN")
    return {model: plain / value for model, value in middle.items() if model.partition(",")[0] != "CNN"}


def error_figure(rows: Sequence[Mapping]):
    """Rows of the result file "handwriting": the test errors of each network, a dot a seed, a line their median."""
    if not rows:
        raise ArgumentError("rows is empty; it must hold one entry for each network, condition and seed")
    conditions, models = (list(dict.fromkeys(row[key] for row in rows)) for key in ("condition", "model"))
    labels = {"loss": "positions: error (px²)", "velocity": "velocities: error (share)"}
    with style():
        figure, grid = new_figure(2, len(conditions), figsize=(8.0, 4.6), sharey="row", squeeze=False)
        for (measure, label), line in zip(labels.items(), grid, strict=True):
            for axes, condition in zip(line, conditions, strict=True):
                here = [m for m in models if any((r["model"], r["condition"]) == (m, condition) for r in rows)]
                for k, model in enumerate(here):
                    values = [r[measure] for r in rows if (r["model"], r["condition"]) == (model, condition)]
                    colour = COLOURS[models.index(model) % len(COLOURS)]
                    axes.plot([k - 0.3, k + 0.3], [np.median(values)] * 2, color=colour, linewidth=3)
                    axes.plot([k] * len(values), values, "o", color=DARK, markersize=3.5)
                axes.set(yscale="log", xlim=(-0.6, len(here) - 0.4))
                axes.set_xticks(range(len(here)), [m.replace(" to ", "\nto ").replace(", ", ",\n") for m in here])
                axes.tick_params(axis="x", labelsize=7)
                axes.grid(axis="x", visible=False)
            line[0].set_ylabel(label, fontsize=8.5)
        for axes, condition in zip(grid[0], conditions, strict=True):
            axes.set_title(condition, fontsize=9.5)
        seeds = len({row["seed"] for row in rows})
        figure.suptitle(f"writers never seen in training; lines: median of {seeds} seeds, dots: seeds", fontsize=9)
    return figure
