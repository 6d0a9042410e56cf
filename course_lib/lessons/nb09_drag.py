"""Notebook 09: the goal of a digit's DMP dragged in the plot itself, for both forms of the push.

For fixed weights and start a path is linear in the goal, with the factor (g - y0) as well as without it:

    y(t; g) = y(t; 0) + g · (y(t; 1) - y(t; 0)),   for x and y apart.

So two rollouts for each form and start give the paths of all goals on the grid.
"""

from __future__ import annotations

import numpy as np
import torch

from course_lib.lessons.nb09_dmp_lab import BASIS, FORMS, demonstration
from course_lib.nets.dmp import DMP
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

GRID, SHIFTS = tuple(np.linspace(-12.0, 12.0, 9).tolist()), (0.0, 4.0, 8.0)  # px
STEPS, ALPHA = 300, 25.0
DRAWN = 29  # points of a path that are drawn
LATE = np.linspace(0, STEPS, 15).astype(int)  # points of the distance that are drawn
NAMES = {False: "without (g − y0)", True: "with (g − y0)"}


def ends_of(digit: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the pen starts and its goal in the demonstration, px: (2,) and (2,)."""
    start, goal, _ = demonstration(digit)[1][False]
    return start[0].numpy(), goal[0].numpy()


def goals(digit: int) -> tuple[list[float], list[float]]:
    """The grid of goals in x and in y, px; the digit's own goal and the start of its pen are on it, exactly."""
    start, own = ends_of(digit)
    out = []
    for k in (0, 1):
        grid = np.array(GRID)
        nearest = np.abs(grid - own[k]).argmin()
        grid[nearest] = own[k]
        others = np.where(np.arange(len(grid)) == nearest, np.inf, np.abs(grid - start[k]))
        grid[others.argmin()] = start[k]
        out.append(np.sort(grid).tolist())
    return out[0], out[1]


def drawn_at(digit: int) -> np.ndarray:
    """Which points of a path are drawn: fewer where the pen is slow, at its ends."""
    length = np.r_[0.0, np.linalg.norm(np.diff(demonstration(digit)[0], axis=0), axis=1).cumsum()]
    way = 0.7 * length / length[-1] + 0.3 * np.linspace(0, 1, len(length))
    return np.unique(np.searchsorted(way, np.linspace(0, 1, DRAWN)).clip(max=STEPS))


def two_paths(digit: int, scaled: bool, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """y(t; 0) and what a goal of 1 adds to it, both (STEPS + 1, 2), px; the start is moved to the right by `shift`."""
    start, _, weights = demonstration(digit)[1][scaled]
    dmp = DMP(2, BASIS, steps=STEPS, alpha=ALPHA, scaled=scaled)
    start = (start + torch.tensor([shift, 0.0])).expand(2, 2)
    at = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).double()
    path = dmp(at, (dmp.stiffness * weights).expand(2, -1, -1), start).position
    path = torch.cat([start[:, None], path], 1).numpy()
    return path[0], path[1] - path[0]


def goal_slider(digit: int = 2) -> SliderPlot:
    """Sliders on goal and start, the goal also by dragging: the paths of both forms, and how far the goal still is."""
    across, up = goals(digit)
    tables = {(scaled, shift): two_paths(digit, scaled, shift) for scaled in FORMS for shift in SHIFTS}
    first, _ = ends_of(digit)
    time, at = LATE / STEPS, drawn_at(digit)

    def draw(x: float, y: float, shift: float):
        goal, ends = np.array([x, y]), {}
        for scaled, kind in ((False, "line"), (True, "dashes")):
            rest, each = tables[scaled, shift]
            path = rest + goal * each
            yield Curve(NAMES[scaled], path[at, 0], path[at, 1], 0, kind, COLOURS[scaled])
            away = np.linalg.norm(path - goal, axis=1)
            yield Curve(NAMES[scaled], time, away[LATE], 1, kind, COLOURS[scaled])
            ends[scaled] = away[-1]
        yield Curve("start", [first[0] + shift], [first[1]], 0, "dots", COLOURS[2])
        yield Curve("goal", [x], [y], 0, "dots", "#22303f")
        yield f"After 1 s the goal is {ends[False]:.1f} px away without the factor, {ends[True]:.1f} px with it."

    panels = [
        Panel("x (px)", "y (px)", (-37.0, 37.0), (-30.0, 30.0), title="drag the goal here"),  # as long in x as in y
        Panel("time t (s)", "distance to the goal (px)", (0.0, 1.0), (0.0, 40.0), title="how far the goal still is"),
    ]
    own = ends_of(digit)[1]
    return SliderPlot(
        {"goal x (px)": across, "goal y (px)": up, "start moved by (px)": SHIFTS}, panels, draw,
        start={"goal x (px)": own[0], "goal y (px)": own[1]}, drag=("goal x (px)", "goal y (px)"),
        alt=f"Left: the digit {digit} as two paths in the plane, from the start of the pen to a goal that can be "
        "dragged. With the goal where it was in the demonstration the two coincide. Without the factor the digit keeps "
        "its shape and leans towards a new goal. With the factor it is stretched or mirrored with the distance from "
        "start to goal, in x and in y, and is a point when the goal is at the start. Right: the distance to the goal "
        "over one second, which ends near 0, not at 0.",
    )  # fmt: skip
