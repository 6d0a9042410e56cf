"""A written digit as a spring and a push, with sliders: move the goal and watch the path (notebook 09)."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.nets.dmp import DMP
from course_lib.viz.style import COLOURS, new_figure, style

BASIS, LIMITS = 40, {"goal x": (-13.0, 13.0), "goal y": (-13.0, 13.0), "push": (0.0, 2.0), "alpha": (2.0, 60.0)}
HALF = 30.0  # px: what the figure shows, from -30 to 30
WRITTEN = dict(color="#8a93a0", alpha=0.45, solid_capstyle="round")
FORMS = {False: "f without (g − y0)", True: "f with (g − y0)"}


@cache
def demonstration(digit: int) -> tuple[np.ndarray, dict[bool, tuple]]:
    """One writing of `digit`: its path (301, 2), px, and for both forms its start, goal and weights / αβ."""
    from course_lib.lessons.nb09_handwriting import POINTS, strokes

    data = strokes(60, styles=[2], seed=5)
    path = data.path[int((data.digit == digit).nonzero()[0, 0])].double()
    fits = {}
    for scaled in FORMS:
        dmp = DMP(2, BASIS, steps=POINTS - 1, scaled=scaled)
        start, goal, weights = dmp.fit(path[None, 1:], goal=path[-1:], ridge=1e-6)
        fits[scaled] = (start, goal, weights / dmp.stiffness)
    return path.numpy(), fits


def bent(digit: int, goal, push: float = 1.0, alpha: float = 25.0, scaled: bool = False) -> np.ndarray:
    """The path (301, 2), px, of a digit's weights towards another goal (2,), px, None for its own.

    Args:
        push: factor on all weights; 0 leaves the spring alone. alpha: 2 to 60, the weights following αβ.
    """
    for name, value in (("push", push), ("alpha", alpha)):
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise ArgumentError(f"{name}={value!r} is not accepted; it must be a number from {low:g} to {high:g}")
    start, own, weights = demonstration(digit)[1][scaled]
    dmp = DMP(2, BASIS, steps=300, alpha=alpha, scaled=scaled)
    goal = own if goal is None else torch.as_tensor(goal, dtype=torch.float64)[None]
    path = dmp(goal, push * dmp.stiffness * weights, start).position[0]
    return torch.cat([start, path]).numpy()


class Lab:
    """The figure of the lab, drawn once; `move` sets its lines anew, which is much faster than another figure.

    Both forms of the push with the same goal, in the plane and over time; a broad grey line: as it was written.
    """

    def __init__(self):
        with style():
            self.figure, (*planes, late) = new_figure(1, 3, figsize=(8.6, 3.1), width_ratios=(1, 1, 1.1))
            self.planes, self.late, self.lines = dict(zip(FORMS, planes, strict=True)), late, {}
            for scaled, axes in self.planes.items():
                colour = COLOURS[scaled]
                (written,) = axes.plot([], [], linewidth=6, **WRITTEN)
                (path,), (begin,) = axes.plot([], [], color=colour), axes.plot([], [], "o", color=colour, markersize=6)
                (goal,) = axes.plot([], [], "*", color="#22303f", markersize=12)
                axes.set(xlim=(-HALF, HALF), ylim=(-HALF, HALF), aspect="equal", xlabel="x (px)", ylabel="y (px)")
                axes.set_title(FORMS[scaled], fontsize=9.5)
                axes.grid(visible=False)
                (over_time,) = late.plot([], [], "--" if scaled else "-", color=colour, label=FORMS[scaled])
                self.lines[scaled] = written, path, begin, goal, over_time
            (self.written,) = late.plot([], [], linewidth=5, zorder=0, label="as written", **WRITTEN)
            self.goal = late.axhline(0.0, color="#22303f", linestyle=":", linewidth=1.4, label="goal")
            late.set(xlabel="time t (s)", ylabel="x (px)", xlim=(0, 1), ylim=(-HALF, HALF))
            self.figure.legend(loc="outside upper center", fontsize=8, ncols=4)

    def move(self, digit: int, goal=None, push: float = 1.0, alpha: float = 25.0) -> Lab:
        """Draw a digit with this goal (2,), px, None for its own, this push and this α."""
        shown = demonstration(digit)[0]
        target = own_goal(digit) if goal is None else np.asarray(goal, float)
        time, beyond = np.linspace(0, 1, len(shown)), ""
        for scaled, (written, path, begin, star, over_time) in self.lines.items():
            points = bent(digit, target, push, alpha, scaled)
            written.set_data(*shown.T)
            path.set_data(*points.T)
            begin.set_data(points[:1, 0], points[:1, 1])
            star.set_data(target[:1], target[1:])
            over_time.set_data(time, points[:, 0])
            far = np.abs(points).max()
            beyond = f", leaves the picture: {far:,.0f} px" if far > HALF else ""
            self.planes[scaled].set_title(FORMS[scaled] + beyond, fontsize=9.5 if not beyond else 8)
        self.written.set_data(time, shown[:, 0])
        self.goal.set_ydata([target[0]] * 2)
        self.figure.alt = (
            f"The digit {digit} three times. Left: its path, {FORMS[False]}; middle: {FORMS[True]}{beyond}; right: x "
            f"over one second. The goal is at ({target[0]:.1f}, {target[1]:.1f}) px, push {push:g}, α {alpha:g}."
        )
        return self

    def png(self) -> bytes:
        """The picture; its layout is computed once."""
        out = io.BytesIO()
        self.figure.savefig(out, format="png", dpi=90)
        self.figure.set_layout_engine("none")
        return out.getvalue()


def own_goal(digit: int) -> np.ndarray:
    """The goal of the demonstration, px: (2,)."""
    return demonstration(digit)[1][False][1][0].numpy()


def lab_figure(digit: int, goal=None, push: float = 1.0, alpha: float = 25.0):
    """Both forms of the push with the same goal, in the plane and over time; broad and grey: as it was written."""
    return Lab().move(digit, goal, push, alpha).figure


def show(digit: int = 2, goal=None, push: float = 1.0, alpha: float = 25.0, *, front_end: bool | None = None):
    """The figure under a cell: with sliders for goal, push and α where someone can drag them, else as a picture.

    Args:
        digit: 0 to 9; goal: (x, y) in px, None for the digit's own; push, alpha: where the sliders start.
        front_end: whether someone can click; None to find out.
    """
    from course_lib.viz.live import has_front_end

    if digit not in range(10):
        raise ArgumentError(f"digit={digit!r} is not accepted; it must be a whole number from 0 to 9")
    if not (has_front_end() if front_end is None else front_end):
        return lab_figure(digit, goal, push, alpha)
    try:
        return _sliders(digit, goal, push, alpha)
    except ImportError:  # no ipywidgets: the picture remains
        return lab_figure(digit, goal, push, alpha)


def _sliders(digit: int, goal, push: float, alpha: float):
    import ipywidgets

    first = own_goal(digit) if goal is None else goal
    values = dict(zip(LIMITS, (*first, push, alpha), strict=True))
    wide = ipywidgets.Layout(flex="1 1 280px", min_width="280px", max_width="340px")
    controls = [
        ipywidgets.FloatSlider(
            value=float(np.clip(value, *LIMITS[name])), min=LIMITS[name][0], max=LIMITS[name][1],
            step=0.01 if name.startswith("goal") else 0.25, description=name.replace("alpha", "α"),
            continuous_update=True, readout_format=".2f", layout=wide,
        )
        for name, value in values.items()
    ]  # fmt: skip
    which = ipywidgets.Dropdown(options=list(range(10)), value=digit, description="digit", layout={"width": "160px"})
    picture = ipywidgets.Image(format="png", layout={"max_width": "100%"})
    lab, moving = Lab(), []

    def refresh(_=None):
        if not moving:
            x, y, push, alpha = (control.value for control in controls)
            picture.value = lab.move(which.value, (x, y), push, alpha).png()

    def another(change):
        """A new digit brings its own goal along: both sliders move, and the picture is drawn once."""
        moving.append(change)
        for control, value in zip(controls, own_goal(which.value), strict=False):
            control.value = float(np.clip(value, control.min, control.max))
        moving.clear()
        refresh()

    which.observe(another, names="value")
    for control in controls:
        control.observe(refresh, names="value")
    refresh()
    row = ipywidgets.HBox([which, *controls], layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox([row, picture])
