"""Figures of notebook 05: what they draw, and what they refuse."""

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.lessons import nb05_q as q_figures
from course_lib.lessons.nb05_overestimation import Estimates


def row(task, variant, seed, value, bias):
    steps = [100.0, 200.0, 300.0]
    curve = {"env_steps": steps, "wall_seconds": [60.0, 120.0, 180.0], "return_mean": [np.nan, value / 2, value]}
    curve |= {"temperature": [1.0, 0.1, 0.01], "entropy_mean": [0.5, -0.5, -1.0]}
    moments = {"env_steps": steps, "bias": [0.0, bias / 2, bias]}
    facts = {"task": task, "variant": variant, "seed": seed, "return_deterministic": value, "bias": bias}
    return {**facts, "curve": curve, "moments": moments}


VALUES = {"ddpg": (10.0, 30.0, 20.0), "twin": (40.0, 60.0, 50.0)}
ROWS = [row("toy", v, k, x, x / 10) for v, values in VALUES.items() for k, x in enumerate(values)]


def texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def line(axes, label):
    return next(found for found in axes.get_lines() if found.get_label() == label)


def test_landscape_marks_the_maximum_and_the_end_of_each_path():
    a = np.linspace(-1, 1, 201)
    axes = q_figures.landscape_figure(a, 1 - (a - 0.3) ** 2, {"slow": [-0.5, -0.2], "fast": [0.9, 0.3]}).axes[0]
    x, y = line(axes, "its maximum").get_data()
    assert (x[0], y[0]) == (pytest.approx(0.3), pytest.approx(1.0))
    assert line(axes, "slow, 2 steps").get_ydata() == pytest.approx([1 - 0.8**2, 1 - 0.5**2], abs=1e-3)
    with pytest.raises(ArgumentError, match="values has shape"):
        q_figures.landscape_figure(a, a[1:])


def test_smoothing_marks_maxima():
    a = np.linspace(-1, 1, 5)
    axes = q_figures.smoothing_figure(a, [0, 3, 0, 1, 0], {0.2: np.array([0, 1, 1, 2, 1.0])}).axes[0]
    dots = [tuple(float(v[0]) for v in d.get_data()) for d in axes.get_lines() if len(d.get_xdata()) == 1]
    assert dots == [(0.5, 2.0), (-0.5, 3.0)]


def test_boltzmann_density_integrates_to_one():
    a = np.linspace(-1, 1, 401)
    drawn = np.random.default_rng(0).uniform(-0.2, 0.2, 500)
    for alpha, axes in zip((0.1, 1.0), q_figures.boltzmann_figure(
        a, a**2, {"cold": (0.1, drawn), "warm": (1.0, drawn)}
    ).axes, strict=True):  # fmt: skip
        x, density = line(axes, "∝ exp(Q/α)").get_data()
        assert np.sum(density) * (x[1] - x[0]) == pytest.approx(1.0)
        assert np.log(density[0] / density[200]) == pytest.approx(1.0 / alpha)  # Q differs by 1
        assert sum(bar.get_height() * bar.get_width() for bar in axes.patches) == pytest.approx(1.0)


def test_estimates_say_how_far_they_are_above_the_line():
    found = Estimates(np.array([3.0, 5.0]), np.array([1.0, 2.0]))
    figure = q_figures.estimates_figure({"DDPG": found, "TD3": found})
    assert [axes.get_title() for axes in figure.axes] == ["DDPG: +2.5 on average", "TD3: +2.5 on average"]
    dots = next(d for d in figure.axes[0].get_lines() if d.get_marker() == "o")
    assert dots.get_xydata().tolist() == [[1.0, 2.0], [2.0, 3.0]]
    assert "+2.5" in figure.alt
    with pytest.raises(ArgumentError, match="estimates is empty"):
        q_figures.estimates_figure({})


def test_estimates_far_out_are_counted_and_drawn_at_the_edge():
    off = np.r_[np.linspace(-1, 1, 40), 500.0, -300.0]
    axes = q_figures.estimates_figure({"DDPG": Estimates(off, np.zeros(42))}).axes[0]
    assert axes.get_title().endswith("2 of 42 dots are further out") and axes.get_ylim()[1] < 2
    triangles = {d.get_marker(): d.get_ydata() for d in axes.get_lines() if d.get_marker() in ("^", "v")}
    assert triangles["^"] > 0 and triangles["v"] < 0


def test_axis_of_a_bias_is_logarithmic_only_where_few_are_far_larger():
    wide = [row("toy", "ddpg", k, 1.0, bias) for k, bias in enumerate((1.0, -2.0, 900.0))]
    assert q_figures.effects_figure(wide, "toy", ["ddpg"]).axes[1].get_xscale() == "symlog"
    assert q_figures.effects_figure(ROWS, "toy", ["ddpg"]).axes[1].get_xscale() == "linear"


def test_bias_figure_draws_the_median_over_seeds():
    axes = q_figures.bias_figure(ROWS, "toy", ["ddpg", "twin"]).axes[0]
    assert texts(axes) == ["DDPG (n=3)", "+ twin critics (n=3)"]
    assert line(axes, "DDPG (n=3)").get_ydata()[-1] == 2.0
    assert line(axes, "+ twin critics (n=3)").get_ydata()[-1] == 5.0


def test_effects_figure_has_every_seed_and_marks_the_reference():
    figure = q_figures.effects_figure(ROWS, "toy", ["ddpg", "twin"])
    left, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["DDPG  (n=3)", "+ twin critics  (n=3)"]
    dots = [d for d in left.get_lines() if d.get_marker() == "o"]
    assert [sorted(d.get_xdata()) for d in dots] == [sorted(v) for v in VALUES.values()]
    middles = [float(d.get_xdata()[0]) for d in left.get_lines() if d.get_marker() == "|"]
    assert middles == [20.0, 50.0]
    assert [d.get_xdata()[0] for d in left.get_lines() if d.get_linestyle() == ":"] == [20.0]
    assert right.get_xlabel() == "Q − return earned"
    with pytest.raises(ArgumentError, match="toy td3 is in none of the rows; they have: toy ddpg, toy twin"):
        q_figures.effects_figure(ROWS, "toy", ["ddpg", "td3"])


def test_one_seed_has_no_interval():
    one = [r for r in ROWS if r["seed"] == 0]
    for figure in (
        q_figures.effects_figure(one, "toy", ["ddpg"]),
        q_figures.bias_figure(one, "toy", ["ddpg"]),
        q_figures.temperature_figure({"yours": one[:1]}),
        q_figures.race_figure({"yours": one[:1]}),
    ):
        assert not any(axes.collections for axes in figure.axes)


def test_temperature_figure():
    temperature, entropy, reward = q_figures.temperature_figure({"SAC": ROWS[:3]}, target_entropy=-1).axes
    assert temperature.get_yscale() == "log"
    assert line(temperature, "SAC (n=3)").get_ydata()[[0, -1]] == pytest.approx([1.0, 0.01])
    assert any(d.get_linestyle() == ":" and d.get_ydata()[0] == -1 for d in entropy.get_lines())
    assert texts(reward) == ["SAC (n=3)"]


def test_race_has_steps_on_the_left_and_minutes_on_the_right():
    figure = q_figures.race_figure({"PPO": ROWS[:3], "SAC": ROWS[3:]}, marks={"published": 55.0})
    (left, right), (legend,) = figure.axes, figure.legends
    assert left.get_xscale() == "log"
    assert [text.get_text() for text in legend.get_texts()] == ["PPO (n=3)", "SAC (n=3)", "published"]
    assert line(right, "SAC (n=3)").get_data()[0][[0, -1]] == pytest.approx([2.0, 3.0])  # min
    assert line(left, "SAC (n=3)").get_data()[1][-1] == 50.0
    with pytest.raises(ArgumentError, match="at least one run"):
        q_figures.race_figure({"PPO": []})
