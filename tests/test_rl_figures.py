"""The figures of notebook 01: what is drawn is what was given."""

from types import SimpleNamespace

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.lessons import nb01_diagrams as diagrams


def test_the_pole_over_seconds():
    observed = np.arange(20.0).reshape(5, 4) / 100
    figure = diagrams.pole_figure(SimpleNamespace(observations=observed, dt=0.04))
    for axes, column in zip(figure.axes, (0, 1), strict=True):
        x, y = axes.lines[0].get_data()
        assert np.allclose(x, 0.04 * np.arange(5)) and np.array_equal(y, observed[:, column])
    assert "(m)" in figure.axes[0].get_ylabel() and "(rad)" in figure.axes[1].get_ylabel()
    with pytest.raises(ArgumentError, match=r"\(5, 3\)"):
        diagrams.pole_figure(SimpleNamespace(observations=observed[:, :3], dt=0.04))


def test_episodes_end_where_they_ended_and_share_the_colour_of_their_score():
    alive = np.arange(6)[:, None] < np.array([2, 6, 4])
    angle, score = np.where(alive, 0.1, 9.0), np.array([-1.0, 2.0, 0.5])
    figure = diagrams.trajectory_figure(angle, alive, score)
    left, right = figure.axes
    lines = [line for line in left.lines if line.get_marker() == "None"]
    assert [len(line.get_xdata()) for line in lines] == [2, 4, 6]  # the long ones on top
    assert all(np.all(line.get_ydata() == 0.1) for line in left.lines)
    points = right.collections[0]
    assert np.allclose(points.get_offsets(), np.column_stack([score, [2, 6, 4]]))
    assert np.allclose(lines[-1].get_color(), points.get_facecolors()[1])
    slope = np.polyfit(score, [2, 6, 4], 1)[0]
    x, y = next(line.get_data() for line in right.lines if line.get_label() == "least squares")
    assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(slope)
    with pytest.raises(ArgumentError, match="shapes"):
        diagrams.trajectory_figure(angle, alive, score[:2])


def test_no_score_at_all_is_no_line():
    figure = diagrams.trajectory_figure(np.zeros((3, 2)), np.ones((3, 2), bool), np.zeros(2))
    assert not any(line.get_label() == "least squares" for line in figure.axes[1].lines)
