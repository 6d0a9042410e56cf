"""Figures of notebook 09, second half: what they draw, and what they refuse."""

import numpy as np
import pytest
from test_chunks import lively
from test_imitation import policy_of

import course_lib as cl
from course_lib.envs.tabletop.base import Tabletop
from course_lib.envs.tabletop.experts import demonstrations
from course_lib.errors import ArgumentError
from course_lib.lessons import nb09_table as table_figures


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


def test_noise_alone_wanders_farther_along_a_path():
    """A plan's noise keeps its direction for five steps: farther by up to √5 than as strong a noise on each action."""
    far = {}
    for way, plan in {"step": 1, "path": dict(chunk=5, trajectory="dmp", explore="plan")}.items():
        envs = cl.make("Push-v0", 16, seed=0, rate=100)
        config = cl.PPOConfig(rollout_steps=40, minibatch_size=64, init_log_std=-1.5, plan=plan)
        places = table_figures.wander(cl.PPO(envs, config).policy, seconds=0.4, copies=60)
        assert places.shape == (41, 60, 3)
        far[way] = np.sqrt(np.square(places[-1, :, 0] - places[0, :, 0]).mean())
    expected = np.exp(-1.5) * 0.01 * np.sqrt(40)  # m: σ strides of a centimetre, 40 times, in any direction
    assert far["step"] == pytest.approx(expected, rel=0.25)
    assert 1.5 < far["path"] / far["step"] < 3.0
    figure = table_figures.wander_figure({"a": places, "b": places}, shown=3)
    assert len(figure.axes) == 2 and len(figure.axes[0].lines) == 3 and "cm at the end" in figure.axes[1].get_title()


def test_strayed_and_farther():
    rng = np.random.default_rng(0)
    places = np.zeros((2, 4000, 3))
    places[1] = 0.01 * rng.normal(size=(4000, 3)) + [0, 0, 5.0]  # m; the height does not count
    assert table_figures.strayed(places) == pytest.approx(np.sqrt(2), rel=0.05)  # cm
    moves = rng.normal(size=(20_000, 5)) @ rng.normal(size=(5, 5))  # moves of one plan, correlated
    points = moves.cumsum(1)
    walk = points[:, -1].reshape(-1, 4).sum(1)  # four plans after each other
    single = np.sqrt(20 * np.mean(moves**2))
    expected = np.sqrt(np.mean(walk**2)) / single
    assert table_figures.farther(np.cov(points.T)) == pytest.approx(expected, rel=0.05)


def test_the_valley_is_drawn_as_measured():
    figure = table_figures.valley_figure(np.array([-1.0, 0.0, 1.0]), {"a motor": [0.0, 0.8, 0.1], "a valve": [0, 0, 0]})
    motor, valve = figure.axes[0].lines
    assert motor.get_ydata().tolist() == [0.0, 0.8, 0.1] and motor.get_label() == "a motor"
    assert valve.get_xdata().tolist() == [-1.0, 0.0, 1.0]


def test_what_the_figures_refuse():
    with pytest.raises(ArgumentError, match="lost is empty"):
        table_figures.valley_figure(np.zeros(1), {})
    with pytest.raises(ArgumentError, match="episodes is empty"):
        table_figures.plans_figure({})
    with pytest.raises(ArgumentError, match="paths is empty"):
        table_figures.wander_figure({})
