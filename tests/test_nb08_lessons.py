"""Lesson modules of notebook 08: altered memories, how far a gradient goes, and the checks' own oracles."""

import ast
import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.evaluation.returns import run_episodes
from course_lib.lessons import nb08_causes as causes
from course_lib.lessons import nb08_gradient as gradients
from course_lib.lessons import nb08_history as history
from course_lib.lessons import nb08_maze as maze
from course_lib.lessons import nb08_oracles as oracles
from course_lib.nets.summarizers import Summarizer
from course_lib.viz.described import described

MOMENT, EPISODES, SEED = 45, 8, 3


@pytest.fixture(scope="module")
def policy():
    return cl.load("memory_car_rsac_gru")


def by_hand(policy, seed, change):
    """One episode of one car: change(state before the step as an array, step) -> state; places, return, states."""
    env = cl.make(policy.env_id, 1, **policy.env_options)
    seen, _ = env.reset(seed=seed)
    state, places, states, heaven = np.zeros((1, policy.state_dim), np.float32), [], [], 0.0
    for t in range(160):
        state = np.asarray(change(state, t), np.float32)
        places.append(env.state.qpos[0, 0])
        states.append(state)
        action, state = policy.act(seen, torch.from_numpy(state))
        state = state.numpy()
        seen, reward, terminated, _, _ = env.step(action)
        heaven += reward[0]
        if terminated[0]:
            break
    return np.array(places), heaven, states


def test_left_alone_is_a_plain_rollout(policy):
    (played,) = causes.play_altered(policy, [("left alone", 20)], EPISODES, SEED)
    plain = run_episodes(policy, cl.make(policy.env_id, EPISODES, **policy.env_options), seed=SEED)
    assert np.array_equal(played.steps, plain.lengths) and np.array_equal(played.heaven, plain.returns == 1)
    assert np.isfinite(played.place).sum(0).tolist() == plain.lengths.tolist()


def test_altered_episodes_are_those_of_a_replay_by_hand(policy):
    plain = [by_hand(policy, SEED + n, lambda state, t: state) for n in range(EPISODES)]
    envs = cl.make(policy.env_id, EPISODES, **policy.env_options)
    envs.reset(seed=SEED)
    side = envs.state.qpos[:, 1]
    assert min((side > 0).sum(), (side < 0).sum()) >= 3
    before = np.concatenate([states[MOMENT] for _, _, states in plain])
    between = before[side > 0].mean(0) - before[side < 0].mean(0)
    changes = {
        "left alone": lambda n: lambda h, t: h,
        "zeroed once": lambda n: lambda h, t: 0 * h if t == MOMENT else h,
        "kept at zero": lambda n: lambda h, t: 0 * h if t >= MOMENT else h,
        "held still": lambda n: lambda h, t: before[n : n + 1] if t >= MOMENT else h,
        "negated once": lambda n: lambda h, t: -h if t == MOMENT else h,
        "sides exchanged once": lambda n: lambda h, t: h - side[n] * between if t == MOMENT else h,
    }
    settings = [(way, MOMENT) for way in changes]
    played = causes.play_altered(policy, settings, EPISODES, SEED)
    outcomes = set()
    for (way, _), found in zip(settings, played, strict=True):
        for n in range(EPISODES):
            places, heaven, _ = by_hand(policy, SEED + n, changes[way](n))
            assert len(places) == found.steps[n] and heaven == found.heaven[n], (way, n)
            assert found.place[: len(places), n] == pytest.approx(places, abs=1e-3), (way, n)
        outcomes.add(found.heaven.tobytes() + found.steps.tobytes())
    assert len(outcomes) == len(changes)  # each does something else


def test_a_random_move_is_as_long_as_the_exchange(policy):
    side = np.array([1.0, -1.0] * 3)
    apart = causes.Apart(policy, side)
    state = torch.randn(6, policy.state_dim)
    apart.look(state, np.ones(6, bool))
    moves = [apart.altered(way, state, state, True) - state for way in causes.WAYS[-2:]]
    assert moves[1].norm(dim=1) == pytest.approx(moves[0].norm(dim=1).numpy(), rel=1e-5)
    assert len({tuple(row.tolist()) for row in moves[1]}) == 6  # each in its own direction
    assert torch.equal(apart.altered(causes.WAYS[-1], state, state, False), state)  # once
    exchanged = (state + moves[0]).numpy()
    assert exchanged == pytest.approx(oracles.one_at_a_time(state.numpy(), side), abs=1e-5)
    apart.look(state + 1, np.array([1, 1, 1, 1, 0, 0], bool))  # too few of a side: as it was
    assert torch.equal(apart.altered(causes.WAYS[-2], state, state, True), state + moves[0])


def test_alterations_that_do_not_exist(policy):
    with pytest.raises(ArgumentError, match="erased"):
        causes.play_altered(policy, [("erased", 3)], 2)
    with pytest.raises(ArgumentError, match="moment=-1"):
        causes.play_altered(policy, [("zeroed once", -1)], 2)


def test_the_sign_read_again():
    place = np.array([[0.5, 0.5, 0.5], [0.2, 0.2, 0.4], [0.4, 0.1, 0.5], [0.5, np.nan, 0.5]])
    played = SimpleNamespace(place=place, side=np.array([-1, -1, -1]))
    assert causes.read_again(played, 0) == pytest.approx(
        1 / 3
    )  # the second stays away, the third was never out of sight
    assert causes.read_again(played, 2) == 0.0


def test_episodes_are_split_by_what_the_car_saw():
    place, side = np.array([[0.1] * 5, [0.5, 0.2, np.nan, 0.2, 0.5]]), np.array([-1, -1, -1, -1, 1])
    first, second = ([True, False, True, True, True], [False, False, True, True, True])
    played = [SimpleNamespace(place=place, side=side, heaven=np.array(heaven)) for heaven in (first, second)]
    assert causes.by_sight(played, ("a", "b"), 1) == (
        "sign in sight (1 episodes): a 100%, b 0%; out of sight (2 episodes): a 50%, b 50%"
    )


def test_the_plot_shows_what_was_played(policy):
    plot = causes.altered_plot(moments=(30, 65), episodes=6, seed=1)
    assert len(plot.settings) == len(causes.NETWORKS) * len(causes.WAYS) * 2
    (played,) = causes.play_altered(policy, [("kept at zero", 65)], 6, seed=1)
    at = (1, causes.WAYS.index("kept at zero"), 1)
    curves, (sentence,) = plot.settings[plot._index(at)]
    for side, name, _ in causes.SIDES:
        (dot,) = [c for c in curves if c.name == f"{name}, this setting"]
        assert (dot.x, dot.y) == ([65], [causes.share(played, side)])
        many = int(played.heaven[played.side == side].sum())
        assert f"at {name}: {many} of {(played.side == side).sum()}" in sentence
    assert "GRU, kept at zero from step 65 on" in sentence
    path = next(c for c in curves if c.name == "heaven at -1 m" and c.panel == 0)
    first = np.flatnonzero(played.side < 0)[0]
    shown = np.flatnonzero(np.isnan(path.x))[0]
    assert path.y[:shown] == pytest.approx(played.place[::6, first][:shown])
    alone = [plot.settings[plot._index((1, 0, k))][0][0].y for k in (0, 1)]
    assert np.array_equal(*alone, equal_nan=True)  # left alone: the step does not matter


def test_the_plot_is_light():
    assert len(causes.altered_plot().page) < 300_000


# --- how far a gradient goes ----------------------------------------------------------------------------


def test_reach_of_state_and_gradient():
    torch.manual_seed(1)
    network, x = Summarizer(1, dict(name="lstm", neurons=6, remember=20)), torch.randn(12, 4, 1)
    whole, burnt = gradients.reach(network, x, 12), gradients.reach(network, x, 5, burn_in=7)
    cut = gradients.reach(network, x, 5)
    assert whole[0] == pytest.approx(whole[1], rel=0.02)  # changed inputs and autograd agree
    assert burnt[0] == pytest.approx(whole[0], rel=1e-5)  # the state is the same,
    assert (burnt[1][:7] == 0).all() and burnt[1][7:] == pytest.approx(whole[1][7:], rel=1e-5)  # the gradient ends
    assert (cut[0][:7] == 0).all() and (cut[1][:7] == 0).all() and (cut[1][7:] > 0).all()
    figure = gradients.reach_figure({"a": whole, "b": burnt})
    blue, orange = figure.axes[1].get_lines()
    assert np.isfinite(blue.get_ydata()).all() and np.isfinite(orange.get_ydata()).sum() == 5
    assert list(blue.get_xdata()[[0, -1]]) == [-11, 0] and "burn-in" in described(figure)
    for learned, burn_in in ((0, 3), (13, 0), (6, 7), (5, -1)):
        with pytest.raises(ArgumentError, match="do not fit"):
            gradients.reach(network, x, learned, burn_in)


# --- the checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "held", [list, tuple, lambda rows: [r.tolist() for r in rows], lambda rows: torch.tensor(rows)]
)
def test_segments_are_accepted_in_whatever_holds_them(held, capsys):
    def answer(*case):
        rows, mask = oracles.from_a_list(*case)
        return held(rows), list(mask)

    cl.check("8.2", answer)
    assert capsys.readouterr().out.startswith("✓")


def test_the_notebook_shows_what_the_checks_use():
    """A learner reads these functions in the notebook; the checks have their own."""
    (source,) = (Path(__file__).resolve().parent.parent / "notebooks" / "py").glob("08_*.py")
    for shown in (maze.swim, oracles.end_to_end):
        (read,) = [node for node in ast.parse(source.read_text()).body if getattr(node, "name", "") == shown.__name__]
        (ours,) = ast.parse(inspect.getsource(shown)).body
        for one in (read, ours):
            one.body = one.body[isinstance(one.body[0], ast.Expr) :]  # docstrings may differ
        assert ast.unparse(read.args) == ast.unparse(ours.args)
        assert list(map(ast.unparse, read.body)) == list(map(ast.unparse, ours.body))


def test_a_history_tells_no_less_when_it_is_longer():
    for name, share in history.TOLD.items():
        told = [share(k) for k in history.LOOKBACKS]
        unknown = 2 if name == "rods" else 0  # one or two angles hold no change of rate
        assert np.isnan(told).tolist() == [k < unknown for k in range(len(told))], name
        assert told[-1] > 0.8 and min(np.diff(told[unknown:])) > -0.05, name


def test_throws_are_those_of_the_task():
    envs, rng = cl.make("WaterMaze-v0", 60, seed=1), np.random.default_rng(1)
    seen, _ = envs.reset(seed=1)
    true, place, on = [], [], []
    for _ in range(150):
        before = envs.state.memory["thrown"].copy()
        action = np.where(seen[:, 2:] > 0, 0.0, rng.uniform(-1, 1, (60, 2)))
        seen = envs.step(action)[0]
        true.append(envs.state.memory["thrown"] > before)
        place.append(seen[:, :2])
        on.append(seen[:, 2] > 0)
    found = maze.thrown(np.array(on), np.array(place))
    wrong = found != np.array(true)
    assert (
        np.array(true).sum() > 20 and wrong.sum() <= 1
    )  # a throw of less than a step cannot be told in the first steps


def swum(path, platform=(0.0, 0.0)):
    place = np.array(path, float)[:, None]
    on = np.linalg.norm(place - platform, axis=-1) <= maze.RADIUS
    return SimpleNamespace(place=place, on=on, platform=np.array([platform]), score=float(on.sum()))


def straight(start, end, step=0.1):
    start, end = np.array(start, float), np.array(end, float)
    many = int(np.ceil(np.linalg.norm(end - start) / step))
    return [start + (end - start) * k / many for k in range(many + 1)]


def test_a_diagnosis_says_what_was_measured():
    far, stay = straight((0.9, 0), (0.9, 0.3)), [(0.25, 0.0)] * 5
    assert "In 100% of the steps before it first finds the platform" in maze.diagnosis(swum([(0.9, 0.0)] * 30))
    elsewhere = maze.diagnosis(swum(straight((0.9, 0), (0.25, 0)) + stay + [(0.5, 0.0)] * 30))
    assert "in 100% of the steps off it, 0.5 m from its middle" in elsewhere
    assert "never gets there" in maze.diagnosis(swum(far * 10))
    assert "while the flag is 1" in maze.diagnosis(swum(straight((0.9, 0), (-0.9, 0)) * 4))
    slow = straight((0.9, 0), (0.25, 0), step=0.03) + stay
    assert "0.03 m a step" in maze.diagnosis(swum(slow * 4))
    detour = straight((0.9, 0), (0.9, 0.4)) + straight((0.9, 0.4), (0.0, 0.9)) + straight((0.0, 0.9), (0.0, 0.3))
    assert "to come back" in maze.diagnosis(swum((detour + [(0.0, 0.25)] * 5) * 5))
    home = straight((0.9, 0), (0.25, 0)) + stay
    to, fro = straight((0, 0.9), (0.9, 0.9)), straight((0.9, 0.9), (0, 0.9))
    search = (to + fro) * 4 + to + straight((0.9, 0.9), (0.9, 0))
    assert "the first search" in maze.diagnosis(swum(search + home * 5))
