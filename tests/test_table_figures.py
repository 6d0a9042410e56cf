"""Figures of notebook 09, second half: what they draw, and what they refuse."""

import numpy as np
import pytest
from test_chunks import lively
from test_imitation import policy_of

from course_lib.envs.tabletop import Tabletop
from course_lib.envs.tabletop_experts import demonstrations
from course_lib.errors import ArgumentError
from course_lib.viz import table_figures


def test_an_expert_can_be_watched():
    clip = table_figures.expert_clip("Push-v0", steps=10, width=64, height=48)
    assert clip.shape[1:] == (48, 64, 3) and len(clip) == 10
    moved = np.abs(clip[-1].astype(int) - clip[0]).mean()
    assert moved > 0.1


def test_plans_start_at_the_hand_and_are_followed():
    policy = lively(policy_of("dmp"))
    policy.env_options = {}
    episode = table_figures.watch_plans(policy, seed=3, steps=21)
    assert episode["hand"].shape == episode["thing"].shape == (21, 2)
    assert [at for at, _ in episode["plans"]] == [0, 5, 10, 15]
    start = demonstrations("Push-v0", 1, seed=3)["hands"][0, 0, :2]
    assert np.allclose(episode["hand"][0], start)
    (low, high), inside = (np.array(end)[:2] for end in (Tabletop.low, Tabletop.high)), 0
    for at, path in episode["plans"]:
        assert np.allclose(path[0], episode["hand"][at])
        if (path > low).all() and (path < high).all():
            assert np.abs(episode["hand"][at : at + 6] - path).max() < 1e-3  # m
            inside += 1
    assert inside >= 1
    figure = table_figures.plans_figure({"here": episode})
    assert figure.axes[0].get_title() == "here" and len(figure.axes[0].lines) == 2 * 4 + 4


def test_bars_are_means_of_seeds():
    rows = [
        {"task": task, "method": method, "seed": seed, "demos": demos, "success": value}
        for task in ("Push-v0", "Pick-v0")
        for method, values in {"a": (0.2, 0.6), "b": (1.0, 1.0)}.items()
        for seed, value in enumerate(values)
        for demos in (50, 200)
    ]
    figure = table_figures.success_figure(rows, {"a": "A", "b": "B"}, panels="demos", units="{} episodes")
    assert [axes.get_title() for axes in figure.axes] == ["50 episodes", "200 episodes"]
    heights = sorted(round(bar.get_height(), 6) for bar in figure.axes[0].patches)
    assert heights == [0.4, 0.4, 1.0, 1.0]
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["Push", "Pick"]
    one = table_figures.success_figure([r for r in rows if r["demos"] == 50], {"a": "A"})
    assert len(one.axes) == 1 and len(one.axes[0].patches) == 2


def test_what_the_figures_refuse():
    with pytest.raises(ArgumentError, match="rows is empty"):
        table_figures.success_figure([], {"a": "A"})
    with pytest.raises(ArgumentError, match="episodes is empty"):
        table_figures.plans_figure({})
