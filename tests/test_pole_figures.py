"""Figures of notebook 04: what they draw, what they compute, and what they refuse."""

import numpy as np
import pytest

from course_lib.errors import ArgumentError
from course_lib.lessons import nb04_pole as pole_figures


def row(setting, seed, steps, solved=True, last=16_000):
    x = np.linspace(1000, last, 16)
    return {
        "setting": setting, "cell": "ltc", "neurons": 2, "parameters": 20, "seed": seed, "steps_to_solve": steps,
        "solved": solved, "train_seconds": 3.0,
        "curve": {"env_steps": x.tolist(), "return_deterministic": np.where(x < steps, 30.0, 1000.0).tolist()},
    }  # fmt: skip


ROWS = [row(f"ltc_{n}", s, 4000 + 500 * s) for n in (2, 8, 16) for s in range(5)]
ROWS += [row("ltc_1", s, 16_000, solved=s > 2) for s in range(5)] + [row("ltc_8_bptt1", s, 5000) for s in range(5)]
BEFORE = {"ltc_8": 48_000, "ltc_16": 42_000, "smallest": 5}


def test_median_interval_counts_never_as_infinite():
    values = np.array([5.0, 1.0, np.inf, 3.0, 2.0])
    middle, low, high = pole_figures.median_interval(values)
    assert (middle, low, high) == (3.0, 1.0, np.inf)
    assert pole_figures.median_interval([np.inf] * 4) == (np.inf, np.inf, np.inf)
    # Against numpy's own bootstrap of the same kind, where all is finite.
    finite = np.random.default_rng(1).normal(size=6)
    draws = np.random.default_rng(2).choice(finite, (20_000, 6))
    expected = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    found = pole_figures.median_interval(finite)
    assert found[0] == pytest.approx(np.median(finite))
    assert found[1:] == pytest.approx(expected, abs=0.15)


def test_settings_and_seeds():
    assert pole_figures.neuron_counts(ROWS) == [1, 2, 8, 16]  # and not "8_bptt1"
    assert np.isinf(pole_figures.steps_to_solve(pole_figures.seeds_of(ROWS, "ltc_1"))).sum() == 3
    with pytest.raises(ArgumentError, match="ltc_9.*ltc_16"):
        pole_figures.seeds_of(ROWS, "ltc_9")


def test_solve_figure_shows_medians_and_the_former_project():
    axes = pole_figures.solve_figure(ROWS, BEFORE).axes[0]
    medians = axes.containers[0].lines[0].get_ydata()
    assert medians[1:] == pytest.approx(5000) and medians[0] > 48_000  # ltc_1: most seeds never
    former = next(line for line in axes.get_lines() if "one seed" in str(line.get_label()))
    assert list(former.get_xdata()) == [8, 16] and list(former.get_ydata()) == [48_000, 42_000]


def test_neuron_curves_mark_when_the_former_project_got_there():
    figure = pole_figures.neuron_curves(ROWS, BEFORE, counts=(2, 8))
    two, eight = figure.axes
    assert any("never" in text.get_text() for text in two.texts)
    assert any(list(line.get_xdata()) == [48_000, 48_000] for line in eight.get_lines())


def test_setting_figure_has_a_bar_for_each():
    axes = pole_figures.setting_figure(ROWS, ["ltc_8", "ltc_8_bptt1", "ltc_1"]).axes[0]
    assert [patch.get_width() for patch in axes.patches] == pytest.approx([5000, 5000, 16_000])
    assert "1 step" in axes.get_yticklabels()[1].get_text()


def test_ratio_maps_want_one_shape():
    starts = np.zeros((8, 2), bool)
    figure = pole_figures.ratio_maps({"A": np.full((8, 2), 0.1), "B": np.zeros((8, 2))}, starts, length=4)
    assert "0.1" in figure.axes[0].get_title() and "= 0" in figure.axes[1].get_title()
    with pytest.raises(ArgumentError, match="maps"):
        pole_figures.ratio_maps({"A": np.zeros((4, 2))}, starts, length=4)


def test_length_and_failure_figures():
    figure = pole_figures.length_figure({"x": {1: 0.5, 2: 0.2}}, guess=2)
    assert any(list(line.get_xdata()) == [2, 2] for line in figure.axes[0].get_lines())
    figure = pole_figures.failure_figure({8: [3, 5], 2: [4]}, episodes=20, reference=1)
    lines = figure.axes[0].get_lines()
    assert any(list(line.get_ydata()) == [4, 4] for line in lines)
    assert "LTC, median of 1 to 2 seeds" in [line.get_label() for line in lines]  # not every size has as many
    for call in (lambda: pole_figures.length_figure({}), lambda: pole_figures.failure_figure({8: []}, 20)):
        with pytest.raises(ArgumentError):
            call()


def test_masked_figure_shows_every_seed():
    curve = {"env_steps": [0.0, 1000.0, 2000.0], "return_mean": [10.0, 20.0, 30.0]}
    rows = [{"cell": c, "return_deterministic": r, "curve": curve} for c in ("ltc", "mlp") for r in (60.0, 990.0)]
    right = pole_figures.masked_figure(rows).axes[1]
    dots = [line.get_ydata() for line in right.get_lines() if line.get_marker() == "o"]
    assert [list(values) for values in dots] == [[60.0, 990.0]] * 2
    with pytest.raises(ArgumentError, match="empty"):
        pole_figures.masked_figure([])
