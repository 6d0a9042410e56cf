"""Figures of notebook 08: what they draw, what they compute, and what they refuse."""

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.lessons import nb08_inside as inside
from course_lib.lessons import nb08_memory as memory_figures
from course_lib.policies.base import Policy


class Against(Policy):
    """The torque against the rate."""

    def choose(self, x, state, rng):
        return -x[:, 2:].sign(), state


def row(task, setting, seed, value):
    return {"task": task, "setting": setting, "seed": seed, "return_deterministic": value}


RETURNS = {"sac_full": (-100, -120, -140), "sac_memoryless": (-900, -1100, -1000), "rsac_lstm": (-150, -200, -340)}
RESULT = {
    "random": {"pendulum": -1220.0, "car": 0.5},
    "per_seed": [row("pendulum", s, k, v) for s, values in RETURNS.items() for k, v in enumerate(values)]
    + [row("car", "sac_full", k, 1.0) for k in range(3)],
}


def test_shares_are_distances_from_random_to_full():
    found = memory_figures.shares(RESULT)
    assert set(found) == {("pendulum", s) for s in RETURNS} | {("car", "sac_full")}
    middle, low, high, seeds = found["pendulum", "rsac_lstm"]
    # By hand: full is -120 in the middle, 1,100 above random.
    assert seeds == pytest.approx([1070 / 1100, 1020 / 1100, 880 / 1100]) and middle == pytest.approx(1020 / 1100)
    assert low == pytest.approx(880 / 1120, abs=0.02) and high == pytest.approx(1070 / 1080, abs=0.02)
    assert found["car", "sac_full"][:3] == (1.0, 1.0, 1.0)


def test_shares_agree_with_the_benchmark(monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import memory

    theirs = memory.shares(RESULT["per_seed"], RESULT["random"])
    mine = memory_figures.shares(RESULT)
    for key, samples in theirs.items():
        assert mine[key][0] == pytest.approx(samples[0])
        assert mine[key][1:3] == pytest.approx(np.quantile(samples[1:], [0.025, 0.975]), abs=0.03)
    assert len(theirs) == 2


def test_share_figure_has_a_bar_for_each():
    figure = memory_figures.share_figure(RESULT)
    first = figure.axes[0]
    assert [axes.get_title() for axes in figure.axes] == ["pendulum (n=3)", "car, heaven and hell (n=3)"]
    widths = [patch.get_width() for patch in first.patches]
    assert widths == pytest.approx([1.0, 220 / 1100, 1020 / 1100])
    assert first.get_yticklabels()[1].get_text() == "SAC, no memory"


def test_two_states_with_one_picture():
    figure = memory_figures.alias_figure(Against(3, 1), angle=2.0, rate=3.0)
    a, b, plane = figure.axes[:3]
    rods = [axes.get_lines()[0].get_xydata() for axes in (a, b)]
    assert np.array_equal(*rods) and rods[0][1] == pytest.approx([-np.sin(2.0), np.cos(2.0)])
    arrows = [axes.get_lines()[2].get_xydata() for axes in (a, b)]
    assert not np.allclose(arrows[0][-1], arrows[1][-1])
    picture = plane.images[0].get_array()
    assert (picture[-1] == -1).all() and (picture[0] == 1).all()  # rows are rates, the lowest first
    with pytest.raises(ArgumentError, match="rate=0"):
        memory_figures.alias_figure(Against(3, 1), angle=2.0, rate=0)


def test_every_step_of_a_sequence_is_drawn_once():
    labels, mask = np.arange(6).reshape(3, 2), np.array([[0, 0], [1, 1], [1, 0]])
    figure = memory_figures.sequence_figure({"a": (labels, mask, 1)})
    axes = figure.axes[0]
    assert sorted(int(text.get_text()) for text in axes.texts) == list(range(6))
    colours = {tuple(text.get_position()): p.get_facecolor() for text, p in zip(axes.texts, axes.patches, strict=True)}
    assert len(set(colours.values())) == 3  # learned from, burn-in, padding
    assert colours[1, 0] == colours[1, 1] == colours[2, 0] != colours[2, 1] and colours[0, 0] == colours[0, 1]
    with pytest.raises(ArgumentError, match=r"panels\['b'\]"):
        memory_figures.sequence_figure({"b": (labels, mask[:2], 0)})


def test_lines_show_what_they_are_given():
    errors = {"zero": np.array([1.0, 0.1, 0.0]), "stored": np.array([0.2, 0.1, 0.05])}
    axes = memory_figures.start_figure({"x": errors}).axes[0]
    assert list(axes.get_lines()[0].get_ydata()) == [1.0, 0.1, 1e-4] and axes.get_yscale() == "log"
    figure = memory_figures.history_figure({"a": {2: 1.0, 1: 0.0}, "b": {1: 0.5}}, {"a": 2})
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [1, 2]
    assert any(list(line.get_xdata()) == [2, 2] for line in figure.axes[0].get_lines())
    for guess in (None, {"a": 2}):
        labels = memory_figures.history_figure({"a": {1: 0.0}}, guess).axes[0].get_legend_handles_labels()[1]
        assert labels == ["a"] + ["your prediction"] * bool(guess)
    axes = inside.probe_figure({"rate": {"seen": 0.1, "states": 0.9}, "length": {"states": -7.0}}).axes[0]
    drawn = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() in "os^Dv"]
    assert drawn == [0.1, 0.9, -0.2]


def test_sides_and_paths():
    readout, running = np.tile([[0.5, -0.5]], (4, 1)), np.array([[1, 1], [1, 1], [1, 0], [0, 0]], bool)
    figure = inside.side_figure(readout, np.array([1, -1]), running & False, running, dt=0.5)
    lines = figure.axes[0].get_lines()
    assert np.isfinite(lines[0].get_ydata()).sum() == 3 and np.isfinite(lines[2].get_ydata()).sum() == 2
    path = np.array([[0.0, 0.0], [0.1, 0.0], [-0.5, 0.5], [-0.4, 0.5]])
    on = np.array([0, 1, 0, 0], bool)
    axes = inside.maze_figure({"a": (path, on, (0.3, 0.0))}).axes[0]
    assert "1 of 4" in axes.get_title()
    assert np.isnan(axes.get_lines()[0].get_xdata()).sum() == 1  # the throw


def test_pictures_of_tasks(monkeypatch):
    from course_lib.render.drawing import Drawing
    from course_lib.viz import video

    monkeypatch.setattr(video, "open_camera", lambda model, *size: Drawing(model, *size))
    figure = memory_figures.task_pictures({"maze": ("WaterMaze-v0", {}, {"observation": "full"})}, steps=1)
    assert figure.axes[0].get_title() == "maze\nshows 3 of 5 numbers" and len(figure.axes[0].images) == 1
