"""Figures and panel of notebook 10: what they show is what the runs say."""

import numpy as np
import pytest

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import Summary, iqm
from course_lib.lessons import nb10_figures as figures
from course_lib.lessons import nb10_panel as panel

SHIFTS = ("noise 2", "noise 4")


def row(policy, seed, task="halfcheetah", cell=None, scale=1.0):
    kept = {"noise 2": 80.0, "noise 4": 50.0, "rate 2": 60.0, "rate 2, told": 90.0, "lost 1": 70.0, "lost 2": 40.0}
    found = {name: scale * (value + seed) for name, value in kept.items()}
    own = {"task": task, "training": "one rate", "policy": policy, "seed": seed, "return": 100.0, "disturbed": found}
    return own | ({"cell": cell} if cell else {})


ROWS = [row(policy, seed) for policy in ("ltc", "gru") for seed in range(6)]


def lines(figure) -> dict:
    return {t.get_label(): t.get_xydata() for axes in figure.axes for t in axes.get_lines() if t.get_label()[0] != "_"}


def test_curves_are_interquartile_means_of_shares_and_begin_where_nothing_is_changed():
    curve = lines(figures.share_curves(ROWS, "noise", ("ltc", "gru")))["LTC"]
    shares = [iqm(np.array([80.0, 81, 82, 83, 84, 85]) / 100), iqm(np.array([50.0, 51, 52, 53, 54, 55]) / 100)]
    assert np.allclose(curve, [[1, 1], [2, shares[0]], [4, shares[1]]])  # one unit of noise is that of training
    told = lines(figures.share_curves(ROWS, "rate", ("ltc",)))["LTC"]
    assert told[-1, 0] == 2 and told[-1, 1] > 0.9  # not the .6 of a cell that was not told
    with pytest.raises(ArgumentError, match="kind='mass'"):
        figures.doses(ROWS, "mass")


def test_notes_say_how_many_seeds_and_whether_it_is_an_interval():
    text = figures.share_curves(ROWS, "noise", ("ltc",))._supxlabel.get_text()
    assert "6 seeds" in text and "95 %" in text
    few = figures.return_figure([r for r in ROWS if r["seed"] < 3], ("ltc", "gru"))._supxlabel.get_text()
    assert "3 seeds" in few and "range" in few and "95 %" not in few


def test_profile_falls_from_one_to_nothing():
    curve = lines(figures.profile_figure(ROWS, ("ltc",), SHIFTS))["LTC"]
    assert curve[0, 1] == 1 and curve[-1, 1] == 0 and (np.diff(curve[:, 1]) <= 0).all()
    assert curve[np.isclose(curve[:, 0], 0.7), 1] == 0.5  # all keep .8 with the weaker noise, none .7 with the stronger


def test_grid_and_lost_neurons():
    names = [f"rank {r}, density {d}" for r in ("1", "1/4", "full") for d in ("0.25", "0.5", "1")]
    names = [n for n in names if n not in ("rank full, density 1", "rank 1/4, density 0.5")] + ["full", "chosen"]
    rows = [
        row(n, s, "pendulum", "ltc", 1.0 if n == "chosen" else 0.5)
        for n in names for s in range(2 if n == "rank 1, density 1" else 5)
    ]  # fmt: skip
    figure = figures.grid_figure(rows, "ltc", SHIFTS, chosen="chosen")
    texts = [t.get_text() for t in figure.axes[1].texts]
    assert len(texts) == 9 and texts[4] == "0.67\nn=5" and texts[2] == "0.33\nn=2" and texts.count("0.33\nn=5") == 7
    curve = lines(figures.lost_figure(rows, "ltc", ("full", "chosen")))
    assert curve["chosen"][0].tolist() == [0, 1] and curve["chosen"][-1, 1] > curve["full"][-1, 1]


def test_verdicts_as_picture_and_as_text():
    found = [
        dict(
            key="H1", verdict="held", difference=Summary(0.1, 0.06, 0.2, 10, "interval"), runs=10,
            learned_only=Summary(0.12, 0.05, 0.3, 8, "interval"), run_by_run=None,
            failed={"ltc": (0, 20), "gru": (3, 20)},
            sides={("halfcheetah", None): [["ltc", "cfc"], ["gru"]], ("pendulum", None): [["cfc"], ["gru"]]},
        ),
        dict(
            key="H3", verdict="cannot be told", difference=Summary(-0.1, -0.2, 0.2, 3, "range"), runs=3,
            learned_only=None, run_by_run=Summary(-0.05, -0.1, 0.2, 3, "range"), failed={},
            sides={("pendulum", "ltc"): [["ncp"], ["random"]], (None, "ctrnn"): [["rk4 1", "fused 1"]]},
        ),
    ]  # fmt: skip
    figure = figures.verdict_figure(found)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["H1 (n=10)", "H3 (n=3)"]
    assert [t.get_text() for t in figure.axes[0].texts] == ["held", "cannot be told"]
    earlier = [found[1] | {"difference": Summary(0.3, 0.1, 0.4, 10, "interval")}]
    axes = figures.verdict_figure(found, earlier).axes[0]
    (thin,) = [line for line in axes.lines if np.allclose(line.get_xdata(), [0.1, 0.4])]
    assert 0 < thin.get_ydata()[0] < 1 and "thin: first study" in axes.get_xlabel()
    picked = [one | {"key": key} for one, key in zip(found, ("H9", "H3"), strict=True)]
    figure = figures.verdict_figure(picked, [earlier[0] | {"key": key} for key in ("H9", "H5")])
    (axes,) = figure.axes  # H9 was found there: no interval; H5 has no row
    assert figure.alt.endswith("In the first study: H9: 0.30")
    assert not [line for line in axes.lines if np.allclose(line.get_xdata(), [0.1, 0.4])]
    assert [line for line in axes.lines if np.allclose(line.get_xdata(), [0.3])]
    text = figures.verdict_table(found)
    assert "range of 3 runs" in text and "Told the length of a step" in text
    assert "    HalfCheetah: LTC, CfC against GRU; pole on a cart: CfC against GRU\n" in text
    assert (
        "    counting only runs that learned: 0.12 [0.05, 0.30]\n    runs that did not learn: GRU 3 of 20\nH3" in text
    )
    assert "    LTC, pole on a cart: ncp against random; CT-RNN: rk4 1, fused 1\n    run by run: -0.05" in text


def test_the_panel_plays_both_worlds_and_tells_the_cell(monkeypatch):
    policy = cl.load("robust_ltc")
    film, words = panel.pair(policy, "LTC", seconds=0.4, rate=0.5)
    assert film.shape[1:] == (200, 600, 3) and words.startswith("LTC: rate 0.5. Return in 0.4 s: ")
    assert policy.dt == 1.0 and film.fps == 20 and len(film) == 8
    drawn, draw = [], panel.render
    monkeypatch.setattr(panel, "render", lambda episode, **size: drawn.append(episode) or draw(episode, **size))
    plain, before = panel.played(policy, seconds=0.4)
    same, after = panel.played(policy, seconds=0.4, noise=0.1)  # what it was trained with
    differ = float(np.mean(plain != same))  # 0; not always, where pictures are drawn in software
    assert before == after and differ < 0.01, f"{differ:.3%} of the numbers differ"
    first, second = drawn
    assert np.array_equal(first.physics, second.physics)  # what is drawn is the same to the last bit


def test_the_panel_refuses():
    with pytest.raises(ArgumentError, match="policies is empty"):
        panel.panel({})
    with pytest.raises(ArgumentError, match="value=3"):
        panel.panel({"a": None}, "delay (steps)", 3.5)
    with pytest.raises(ArgumentError, match="disturbance='delays'"):
        panel.panel({"a": None}, "delays")


def test_menus_where_someone_can_click():
    widgets = pytest.importorskip("ipywidgets")
    box = panel.panel({"LTC": cl.load("robust_ltc")}, "delay (steps)", 1, seconds=0.3, front_end=True)
    screen = box.children[-1]
    assert isinstance(screen, widgets.HTML) and "delay 1" in screen.value and "<video" in screen.value
    who, what = box.children[0].children
    what.value = "mass (times)"
    assert "mass 2" in screen.value
