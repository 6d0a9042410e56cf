"""Figures of notebook 02: what they draw, and what they refuse."""

import numpy as np
import pytest

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.lessons import nb02_ppo as ppo_figures


def test_clip_figure_is_flat_only_where_the_advantage_got_what_it_asked_for():
    better, worse = ppo_figures.clip_figure(0.2).axes
    for axes, flat, sloped in ((better, 1.5, 0.5), (worse, 0.5, 1.5)):
        ratio, value = axes.get_lines()[1].get_data()
        slope = np.gradient(value, ratio)
        assert slope[np.argmin(abs(ratio - flat))] == pytest.approx(0, abs=1e-9)
        assert abs(slope[np.argmin(abs(ratio - sloped))]) == pytest.approx(1)


def test_horizon_and_kl_figures():
    assert len(ppo_figures.horizon_figure(0.98, (0.0, 0.9)).axes[0].get_lines()) == 2
    steps = np.geomspace(1e-3, 1, 4)
    measured, predicted = ppo_figures.kl_figure(steps, 3 * steps**2, exponent=2).axes[0].get_lines()[:2]
    assert np.allclose(measured.get_ydata(), predicted.get_ydata())
    assert len(ppo_figures.kl_figure(steps, steps).axes[0].get_lines()) == 2  # no prediction yet
    with pytest.raises(ArgumentError, match="kl has shape"):
        ppo_figures.kl_figure(steps, steps[:2])


def test_museum_shows_every_room_and_names_what_is_missing():
    museum = cl.result("bug_museum")
    legend = ppo_figures.museum_figure(museum["per_seed"]).axes[-1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["healthy", *(f"room {r}" for r in "ABCD")]
    healthy = [row for row in museum["per_seed"] if row["exhibit"] == "healthy"]
    with pytest.raises(ArgumentError, match="no done mask"):
        ppo_figures.museum_figure(healthy)


def test_museum_answers_tell_each_story():
    museum = cl.result("bug_museum")
    right = {letter: ppo_figures.SUSPECTS.index(name) + 1 for letter, name in ppo_figures.ROOMS.items()}
    page = ppo_figures.museum_answers(museum, right).data
    for letter, name in ppo_figures.ROOMS.items():
        assert f"{letter}: {name}" in page and len(museum["exhibits"][name]) > 40


@pytest.mark.parametrize("said", [None, 3, {}, {"A": 1, "B": 2, "C": 3, "D": 4}])
def test_museum_doors_stay_closed_until_the_diagnosis_is_right(said):
    page = ppo_figures.museum_answers(cl.result("bug_museum"), said).data
    assert page.count("closed") == 4 and not any(name in page for name in ppo_figures.ROOMS.values())
    one = ppo_figures.museum_answers(cl.result("bug_museum"), {"A": 4, "B": 1}).data
    assert one.count("closed") == 3 and "A: value loss broadcast" in one


def test_the_shipped_museum_can_be_told_apart_by_its_metrics():
    """What the exercise's hints say must be true of every seed."""

    def late(exhibit, metric):
        rows = [r["curve"] for r in cl.result("bug_museum")["per_seed"] if r["exhibit"] == exhibit]
        return np.array([np.mean(curve[metric][-20:-5]) for curve in rows])

    reshaped, masked = "old log-probabilities reshaped", "no done mask"
    clamped, broadcast = "log-probability of the clamped action", "value loss broadcast"
    assert late(reshaped, "approx_kl").min() > 1
    assert abs(late(broadcast, "explained_variance")).max() < 0.05
    assert late(clamped, "entropy").max() < late("healthy", "entropy").min() - 1
    assert late(masked, "return_mean").max() < late("healthy", "return_mean").min()
    assert late(masked, "explained_variance").max() < late("healthy", "explained_variance").min()
