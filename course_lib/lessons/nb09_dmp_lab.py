"""A written digit as a spring and a push, with sliders: move the goal and watch the path (notebook 09)."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from course_lib.errors import ArgumentError
from course_lib.nets.dmp import DMP
from course_lib.viz.style import COLOURS, new_figure, style

BASIS, LIMITS = 40, {"goal x": (-13.0, 13.0), "goal y": (-13.0, 13.0), "push": (0.0, 2.0), "alpha": (2.0, 60.0)}
FORMS = {False: "f without (g − y0)", True: "f with (g − y0)"}


@cache
def _demonstration(digit: int) -> tuple[np.ndarray, dict[bool, tuple]]:
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
    start, own, weights = _demonstration(digit)[1][scaled]
    dmp = DMP(2, BASIS, steps=300, alpha=alpha, scaled=scaled)
    goal = own if goal is None else torch.as_tensor(goal, dtype=torch.float64)[None]
    path = dmp(goal, push * dmp.stiffness * weights, start).position[0]
    return torch.cat([start, path]).numpy()


def lab_figure(digit: int, goal=None, push: float = 1.0, alpha: float = 25.0):
    """Both forms of the forcing term with the same goal, in the plane and over time; grey: as it was written."""
    shown, fits = _demonstration(digit)
    target = fits[False][1][0].numpy() if goal is None else np.asarray(goal, float)
    time = np.linspace(0, 1, len(shown))
    with style():
        figure, (left, right, late) = new_figure(1, 3, figsize=(8.6, 3.1), width_ratios=(1, 1, 1.1))
        paths = {scaled: bent(digit, target, push, alpha, scaled) for scaled in FORMS}
        half = max(24.0, *(1.0 + np.abs(path).max() for path in paths.values()))
        for axes, (scaled, path) in zip((left, right), paths.items(), strict=True):
            axes.plot(*shown.T, color="#c9d0d8", linewidth=5, solid_capstyle="round")
            axes.plot(*path.T, color=COLOURS[scaled])
            axes.plot(*path[0], "o", color=COLOURS[scaled], markersize=6)
            axes.plot(*target, "*", color="#22303f", markersize=12)
            axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xlabel="x (px)", ylabel="y (px)")
            axes.set_title(FORMS[scaled], fontsize=9.5)
            late.plot(time, path[:, 0], "-" if not scaled else "--", color=COLOURS[scaled], label=FORMS[scaled])
        late.plot(time, shown[:, 0], color="#c9d0d8", linewidth=4, zorder=0, label="as written")
        late.axhline(target[0], color="#22303f", linestyle=":", linewidth=1.2, label="goal")
        late.set(xlabel="time t (s)", ylabel="x (px)", ylim=(-24, 24))
        late.legend(fontsize=7.5)
    return figure


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
    import io

    import ipywidgets

    own = _demonstration(digit)[1][False][1][0].numpy() if goal is None else goal
    values = dict(zip(LIMITS, (*own, push, alpha), strict=True))
    controls = [
        ipywidgets.FloatSlider(
            value=float(np.clip(value, *LIMITS[name])), min=LIMITS[name][0], max=LIMITS[name][1], step=0.25,
            description=name.replace("alpha", "α"), continuous_update=True, readout_format=".2f",
        )
        for name, value in values.items()
    ]  # fmt: skip
    which = ipywidgets.Dropdown(options=list(range(10)), value=digit, description="digit")
    picture = ipywidgets.Image(format="png")

    def refresh(_=None):
        x, y, push, alpha = (control.value for control in controls)
        out = io.BytesIO()
        lab_figure(which.value, (x, y), push, alpha).savefig(out, format="png", dpi=90)
        picture.value = out.getvalue()

    for control in (which, *controls):
        control.observe(refresh, names="value")
    refresh()
    rows = [ipywidgets.HBox([which, *controls[:2]]), ipywidgets.HBox(controls[2:])]
    return ipywidgets.VBox([*rows, picture])
