"""Figures of success on the tabletop tasks: what they draw, and what they refuse."""

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.lessons.nb09_success import learning_figure, means, most_different, steps_until, success_figure

METHODS = {"a": "A", "b": "B"}


def test_bars_are_means_of_seeds():
    rows = [
        {"task": task, "method": method, "seed": seed, "demos": demos, "success": value}
        for task in ("Push-v0", "Pick-v0")
        for method, values in {"a": (0.2, 0.6), "b": (1.0, 1.0)}.items()
        for seed, value in enumerate(values)
        for demos in (50, 200)
    ]
    figure = success_figure(rows, {"a": "A", "b": "B"}, panels="demos", units="{} episodes")
    assert [axes.get_title() for axes in figure.axes] == ["50 episodes", "200 episodes"]
    heights = sorted(round(bar.get_height(), 6) for bar in figure.axes[0].patches)
    assert heights == [0.4, 0.4, 1.0, 1.0]
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["Push", "Pick"]
    one = success_figure([r for r in rows if r["demos"] == 50], {"a": "A"})
    assert len(one.axes) == 1 and len(one.axes[0].patches) == 2


def test_learning_shows_median_and_range_of_the_seeds():
    curves = [{"env_steps": [0, 1_000_000], "success": [0.0, top]} for top in (0.2, 0.6, 1.0)]
    rows = [
        {"task": t, "method": "a", "seed": k, "curve": c} for t in ("Push-v0", "Pick-v0") for k, c in enumerate(curves)
    ]
    figure = learning_figure(rows, METHODS)
    assert [axes.get_title() for axes in figure.axes] == ["Push", "Pick"]
    (line,) = figure.axes[0].lines
    x, y = line.get_data()
    assert x[-1] == pytest.approx(1.0) and np.allclose(y, 0.6 * x)
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(1.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A"]


def test_means_differences_and_steps():
    rows = [
        {"task": task, "method": method, "success": value, "curve": {"env_steps": [0, 100, 200], "success": curve}}
        for task, method, value, curve in (
            ("Push-v0", "a", 0.2, [0.0, 0.9, 0.9]),
            ("Push-v0", "a", 0.4, [0.0, 0.1, 0.8]),
            ("Push-v0", "b", 0.5, [0.0, 0.1, 0.2]),
            ("Pick-v0", "a", 1.0, [0.0, 0.0, 1.0]),
            ("Pick-v0", "b", 0.1, [0.0, 0.0, 0.1]),
        )
    ]
    assert means(rows, METHODS)["Push-v0"] == pytest.approx({"a": 0.3, "b": 0.5})
    assert "c" not in means(rows, ["a", "c"])["Pick-v0"]
    assert most_different(rows, METHODS) == "Pick"
    assert steps_until(rows, "Push-v0", "a") == 150
    assert steps_until(rows, "Push-v0", "b") == steps_until(rows, "Push-v0", "c") == np.inf


@pytest.mark.parametrize("figure", [success_figure, learning_figure])
def test_what_the_figures_refuse(figure):
    with pytest.raises(ArgumentError, match="rows is empty"):
        figure([], METHODS)
