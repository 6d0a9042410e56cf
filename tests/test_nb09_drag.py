"""The goal that is dragged: every path of the widget against the library's Euler loop, begun anew for each setting."""

import numpy as np
import pytest
import torch

from course_lib.lessons import nb09_dmp_lab as lab
from course_lib.lessons import nb09_drag as drag
from course_lib.nets.dmp import DMP
from course_lib.viz.described import overlaps


@pytest.fixture(scope="module")
def plot():
    return drag.goal_slider(2)


def by_loop(digit, scaled, goal, shift):
    """The path and its points (301, 2), step by step."""
    start, _, weights = lab.demonstration(digit)[1][scaled]
    dmp = DMP(2, lab.BASIS, steps=300, alpha=25.0, scaled=scaled)
    start = start + torch.tensor([[shift, 0.0]])
    path = dmp.loop(torch.tensor([goal]).double(), dmp.stiffness * weights, start).position[0]
    return torch.cat([start, path]).numpy()


def test_every_path_is_that_of_the_loop(plot):
    across, up = drag.goals(2)
    values = [(x, y, shift) for x in across for y in up for shift in drag.SHIFTS]
    assert len(plot.settings) == len(values) and len(plot.page) < 300_000
    for k in range(0, len(values), 11):  # 11 and the lengths of the sliders have no common divisor
        x, y, shift = values[k]
        curves, (said,) = plot.settings[k]
        for scaled in (False, True):
            true = by_loop(2, scaled, (x, y), shift)
            path, away = (c for c in curves if c.name == drag.NAMES[scaled])
            assert np.c_[path.x, path.y] == pytest.approx(true[drag.drawn_at(2)], abs=1e-6)
            distance = np.hypot(*(true - [x, y]).T)
            assert away.y == pytest.approx(distance[drag.LATE], abs=1e-6)
            assert f"{distance[-1]:.1f} px" in said
        ends = {c.name: (c.x[0], c.y[0]) for c in curves if c.kind == "dots"}
        assert ends["goal"] == (x, y) and ends["start"] == pytest.approx(tuple(by_loop(2, False, (x, y), shift)[0]))


@pytest.mark.parametrize("digit", range(10))
def test_the_grid_holds_start_and_goal(digit):
    start, own = drag.ends_of(digit)
    for values, a, b in zip(drag.goals(digit), start, own, strict=True):
        assert a in values and b in values and values == sorted(values) and len(values) == len(drag.GRID)
    at = drag.drawn_at(digit)
    assert at[0] == 0 and at[-1] == 300 and len(at) <= drag.DRAWN


def test_at_the_start_the_factor_leaves_nothing(plot):
    (x, y), (across, up) = drag.ends_of(2)[0], drag.goals(2)
    curves, _ = plot.settings[plot._index((across.index(x), up.index(y), 0))]
    sizes = {c.name: np.ptp(c.x) + np.ptp(c.y) for c in curves if c.panel == 0 and c.kind != "dots"}
    assert sizes[drag.NAMES[True]] < 1e-9 and sizes[drag.NAMES[False]] > 10


def test_it_is_dragged_and_described(plot):
    assert plot.drag == [0, 1] and "dragged" in plot.alt and "Euler" not in plot.alt
    first, _ = plot.settings[plot._index(plot.first)]
    goal = next(c for c in first if c.name == "goal")
    assert (goal.x[0], goal.y[0]) == tuple(drag.ends_of(2)[1])
    assert overlaps(plot.figure()) == []
    x, y = plot.panels[0].x_limits, plot.panels[0].y_limits
    left, top, wide, tall = plot._box()
    assert (x[1] - x[0]) / wide == pytest.approx((y[1] - y[0]) / tall, rel=0.01)  # a pixel is as long as it is high
