"""Figures of notebook 08, sections 8 and 9: what a summary holds, and paths in the water maze."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from course_lib.viz.style import COLOURS, new_figure, style

GREY, DARK = "#7a828c", "#22303f"

# --- what a summary holds -------------------------------------------------------------------------


def probe_figure(scores: Mapping[str, Mapping[str, float]]):
    """R² of linear readouts on episodes they were not fitted to: quantity -> what it is read from -> R²."""
    sources = list(dict.fromkeys(source for row in scores.values() for source in row))
    with style():
        figure, axes = new_figure(figsize=(7.4, 0.9 + 0.68 * len(scores)))
        for j, row in enumerate(scores.values()):
            axes.axhspan(j - 0.42, j + 0.42, color="#f5f6f7", zorder=0)
            for source, value in row.items():
                k = sources.index(source)
                place = j + 0.3 * (k - (len(sources) - 1) / 2) / max(len(sources) / 2, 1)
                label = source if j == 0 else None
                axes.plot(max(value, -0.2), place, "os^DvP"[k % 6], color=COLOURS[k % 7], markersize=7, label=label)
        axes.set_yticks(range(len(scores)), list(scores))
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(-0.25, 1.05), xlabel="R² on episodes that were held out (below -0.2 drawn there)")
        figure.legend(loc="outside upper center", ncols=3, fontsize=8.5)
    figure.alt = "R² of linear probes on held-out episodes. " + (
        " ".join(
            f"{quantity.replace(chr(10), ' ')}: {', '.join(f'{source} {value:.2f}' for source, value in row.items())}."
            for quantity, row in scores.items()
        )
    )
    return figure


def side_figure(readout: np.ndarray, side: np.ndarray, sight: np.ndarray, running: np.ndarray, dt: float):
    """What a linear readout makes of the side of heaven during episodes of the car: all (T, N) but side (N,), ±1.

    Thick where the sign is in `sight`.
    """
    with style():
        figure, axes = new_figure(figsize=(7.4, 3.0))
        time = np.arange(len(readout)) * dt
        for n, here in enumerate(np.asarray(side)):
            colour = COLOURS[0] if here > 0 else COLOURS[1]
            line = np.where(running[:, n], readout[:, n], np.nan)
            axes.plot(time, line, color=colour, linewidth=0.9, alpha=0.7)
            axes.plot(time, np.where(sight[:, n], line, np.nan), color=colour, linewidth=3.2, alpha=0.7)
        for value, colour, label in ((1, COLOURS[0], "heaven at +1 m"), (-1, COLOURS[1], "heaven at -1 m")):
            axes.axhline(value, color=colour, linestyle=":", linewidth=1.2)
            axes.plot([], [], color=colour, label=label)
        axes.plot([], [], color=GREY, linewidth=3.2, label="the sign is in sight")
        axes.set(xlabel="time (s)", ylabel="side of heaven,\nread from the states", ylim=(-2.2, 2.2))
        figure.legend(loc="outside upper center", ncols=3, fontsize=8.5)
    figure.alt = (
        "The side of heaven, read from the states of the car by a linear probe, over time in s. Blue lines, with "
        "heaven at +1 m, and orange lines, with heaven at -1 m, lie together until the sign comes into sight. Then "
        "they part."
    )
    return figure


# --- the water maze -------------------------------------------------------------------------------


def maze_figure(paths: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], jump: float = 0.15):
    """One episode each in the pool: title -> (places (T, 2) in m, on the platform (T,), its middle (2,)).

    A step longer than `jump` m was a throw: it is not drawn.
    """
    from matplotlib.patches import Circle

    with style():
        figure, grid = new_figure(1, len(paths), figsize=(2.0 * len(paths), 2.6), sharey=True, squeeze=False)
        for axes, (title, (path, on, middle)) in zip(grid[0], paths.items(), strict=True):
            path, on = np.asarray(path, float), np.asarray(on, bool)
            axes.add_patch(Circle((0, 0), 1.0, facecolor="#e4f0f8", edgecolor=GREY))
            axes.add_patch(Circle(middle, 0.3, facecolor="#bfd3e2", edgecolor="none"))
            thrown = np.linalg.norm(np.diff(path, axis=0), axis=1) > jump
            line = np.insert(path, np.flatnonzero(thrown) + 1, np.nan, axis=0)
            axes.plot(*line.T, color=DARK, linewidth=0.8)
            axes.plot(*path[on].T, ".", color=COLOURS[1], markersize=4)
            axes.plot(*path[0], "s", color=COLOURS[2], markersize=5)
            axes.set(aspect="equal", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel="x (m)")
            axes.set_title(f"{title}\n{int(on.sum())} of {len(on)} steps on it", fontsize=9)
            axes.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        grid[0, 0].set_ylabel("y (m)")
    figure.alt = "Paths of a swimmer in a round pool with its platform, one episode each: " + (
        "; ".join(
            f"{title}, {int(np.sum(on))} of {len(on)} steps on the platform" for title, (_, on, _) in paths.items()
        )
    )
    return figure
