"""Gaits and armies: what is recorded is what happened; measures against hand-made gaits; pictures."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.evaluation.rollout import rollout_states
from course_lib.lessons import nb06_crowd as crowd
from course_lib.lessons import nb06_gait_figures as gait_figures
from course_lib.lessons import nb06_robot as robot_figures
from course_lib.lessons.nb06_gait import Gait, record_gait, smooth
from course_lib.render import gl

SPRINT, WALK = "AnymalSprint-v0", "AnymalC-v0"


class Trot(cl.Policy):
    """Swings the legs in diagonal pairs, needs no training; the memory is the step."""

    state_dim = 1

    def __init__(self, env_id=SPRINT, size=0.3, **options):
        super().__init__(*{WALK: (52, 12), "HalfCheetah-v5": (17, 6), "Ant-v5": (105, 8)}.get(env_id, (46, 12)))
        self.env_id, self.env_options, self.size = env_id, options, size

    def choose(self, x, state, rng):
        step = state[:, 0].double()
        action = torch.zeros(len(x), 12)
        for leg, lag in enumerate((0, np.pi, np.pi, 0)):
            action[:, 3 * leg + 1] = self.size * torch.sin(0.15 * step + lag)
            action[:, 3 * leg + 2] = self.size * torch.cos(0.15 * step + lag)
        return action, state + 1


@pytest.fixture(scope="module")
def gait():
    return record_gait(Trot(), steps=120, seed=1)


@pytest.fixture(scope="module")
def walk():
    return record_gait(Trot(WALK), steps=100, seed=1, push_at=0.4, push_force=100.0, command=(0.5, 0.1, -0.2))


def made(**changes) -> Gait:
    """A gait of 200 steps of 0.02 s at 0.8 m/s along a heading of 90 degrees, two feet in turn, 20 strides."""
    steps, dt = 200, 0.02
    qpos, qvel = np.zeros((steps, 19)), np.zeros((steps, 18))
    qpos[:, 1], qvel[:, 1] = 0.8 * dt * np.arange(steps), 0.8
    qpos[:, 3], qpos[:, 6] = np.cos(np.pi / 4), np.sin(np.pi / 4)
    phase = np.arange(steps) % 10
    contacts = np.stack([phase < 6, (phase >= 5) | (phase < 1)], axis=1)
    power = np.tile([30.0, -10.0], (steps, 1))
    fields = dict(
        env_id="made", dt=dt, mass=50.0, feet=("L", "R"), joints=("L_K", "R_K"), limits=np.full(2, np.inf), qpos=qpos,
        qvel=qvel, forces=contacts * 250.0, contacts=contacts,
        heights=np.where(contacts, 0.03, [0.15, 0.43]), torques=power / 2, peaks=np.abs(power), power=power,
        work=np.maximum(power, 0.0), actions=np.zeros((steps, 2)), pushes=np.zeros((steps, 3)), commands=None,
        terms={"a": np.ones(steps), "b": -np.ones(steps), "none": np.zeros(steps)}, fell=False,
    )  # fmt: skip
    return Gait(**{**fields, **changes})


# --- recording ------------------------------------------------------------------------------------


def test_the_replay_goes_where_the_engine_went(gait):
    """Each step is repeated from the engine's own state, so only a wrong control or push would lead elsewhere."""
    envs, policy, state = cl.make(SPRINT, 1, seed=1), Trot(), None
    obs, _ = envs.reset(seed=1)
    for t in range(len(gait)):
        assert np.array_equal(envs.physics[0, 1:20], gait.qpos[t])
        action, state = policy.act(obs, state)
        obs, *_ = envs.step(action)
    model = envs.task.variant(0)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = gait.qpos[50], gait.qvel[50]
    data.ctrl[:] = envs.task.stance + 0.5 * gait.actions[50]
    done = []
    for _ in range(5):
        mujoco.mj_forward(model, data)
        done.append(data.actuator_force * data.qvel[6:])
        mujoco.mj_step(model, data)
    assert np.allclose(data.qpos, gait.qpos[51], atol=1e-5)
    assert np.allclose(np.mean(done, axis=0), gait.power[50], rtol=1e-2, atol=0.5)
    assert np.allclose(np.maximum(done, 0).mean(axis=0), gait.work[50], rtol=1e-2, atol=0.5)


def test_standing_still_carries_the_weight():
    still = record_gait(Trot(size=0.0), steps=150)
    assert still.feet == ("LF", "RF", "LH", "RH") and still.duty_factor[0] > 0.9 and np.isnan(still.stride_frequency)
    assert still.forces[-20:].sum(axis=1).mean() == pytest.approx(still.mass * 9.81, rel=0.01)
    assert (still.limits == 80).all() and still.commands is None and not still.fell


def test_contacts_agree_with_the_tasks_own_sensors(walk):
    """The task reads touch sensors at the end of a step; the gait looks at contacts during it."""
    envs = cl.make(WALK, 1, seed=1, push_at=0.4, push_force=100.0, command=(0.5, 0.1, -0.2))
    policy, state = Trot(WALK), None
    obs, _ = envs.reset(seed=1)
    same = []
    for t in range(len(walk)):
        action, state = policy.act(obs, state)
        obs, *_ = envs.step(action)
        same.append(envs.task.contacts(envs.state)[0] == walk.contacts[t])
    assert np.mean(same) > 0.9


def test_pushes_commands_and_terms_are_kept(walk):
    pushed = np.flatnonzero(walk.pushes.any(axis=1))
    assert list(pushed) == list(range(20, 30))  # 0.2 s at 50 Hz
    assert np.allclose(np.linalg.norm(walk.pushes[pushed], axis=1), 100.0)
    assert np.allclose(walk.commands, (0.5, 0.1, -0.2))
    assert {"velocity", "energy", "smoothness"} <= set(walk.terms) and all(len(v) == 100 for v in walk.terms.values())


def test_torque_control_has_its_limits_too():
    assert (record_gait(Trot(size=0.01), steps=3, actuation="torque").limits == 80).all()


@pytest.mark.parametrize("env_id, words", [("HalfCheetah-v5", "free body"), ("Ant-v5", "no foot")])
def test_other_robots_get_a_sentence(env_id, words):
    with pytest.raises(ArgumentError, match=words):
        record_gait(Trot(env_id), steps=3)


# --- measures -------------------------------------------------------------------------------------


def test_measures_of_a_gait_made_by_hand():
    g = made()
    assert g.speed == pytest.approx(0.8) and np.allclose(g.velocity[:, 0], 0.8) and np.allclose(g.velocity[:, 1], 0)
    assert np.allclose(g.duty_factor, 0.6) and g.stride_frequency == pytest.approx(5.0)
    weight = 50.0 * 9.81
    assert g.cost_of_transport() == pytest.approx(30.0 / (weight * 0.8))
    assert g.cost_of_transport("net") == pytest.approx(20.0 / (weight * 0.8))
    assert g.cost_of_transport("absolute") == pytest.approx(40.0 / (weight * 0.8))
    assert g.measures()["torque_rms_N_m"] == pytest.approx(np.sqrt((15**2 + 5**2) / 2))
    with pytest.raises(ArgumentError, match="positive"):
        g.cost_of_transport("brutto")


def test_lift_of_each_foot():
    found = made().measures()
    assert made().lift == pytest.approx([0.12, 0.40])
    assert found["highest_lift_m"] == pytest.approx(0.40) and found["lowest_lift_m"] == pytest.approx(0.12)


def test_heights_are_where_forward_kinematics_puts_the_feet(walk):
    model = cl.make_task(WALK).variant(0)
    data = mujoco.MjData(model)
    feet = [g for g in range(model.ngeom) if "foot" in model.geom(g).name.lower()]
    for t in (0, 40, 99):
        data.qpos[:] = walk.qpos[t]
        mujoco.mj_kinematics(model, data)
        assert np.allclose(data.geom_xpos[feet, 2], walk.heights[t], atol=1e-6)


def test_swaying_is_not_travelling():
    g = made()
    sway = g.qpos.copy()
    sway[:, 1] = 0.05 * np.sin(2 * np.pi * np.arange(len(g)) / 12.5)  # back and forth, four times a second
    assert replace(g, qpos=sway).speed < 0.05
    assert replace(g, qpos=np.zeros_like(g.qpos)).cost_of_transport() == np.inf


def test_tracking_error_forgives_swaying_and_the_start():
    commands = np.tile([0.7, 0.0, 0.0], (200, 1))
    g = made(commands=commands)
    assert g.tracking_error() == pytest.approx(0.1)
    qvel = g.qvel.copy()
    qvel[:50, 1] = 0.0
    qvel[:, 1] += 0.3 * np.sin(2 * np.pi * np.arange(200) * 0.02 / 0.25)
    assert replace(g, qvel=qvel).tracking_error(skip=1.5) == pytest.approx(0.1, abs=0.02)
    qvel[:, 5] = np.where(np.arange(200) < 60, 9.0, -0.2)
    assert replace(g, qvel=qvel).turning_error(skip=1.5) == pytest.approx(0.2)
    with pytest.raises(ArgumentError, match="no commands"):
        made().tracking_error()


def test_smooth_is_a_moving_average():
    x = np.random.default_rng(0).normal(size=(40, 2))
    found = smooth(x, 0.1, 0.5)
    assert np.allclose(found[10], x[8:13].mean(axis=0)) and np.allclose(found[0], x[:3].mean(axis=0))


# --- pictures -------------------------------------------------------------------------------------


def test_gait_figure_has_a_bar_for_each_stance():
    figure = gait_figures.gait_figure(made(), seconds=1.0)
    first, second = figure.axes[0].collections
    assert len(first.get_paths()) == 5 and len(second.get_paths()) == 6
    assert first.get_paths()[1].get_extents().width == pytest.approx(0.12)  # 6 steps of 0.02 s
    assert "60%" in figure.axes[0].get_yticklabels()[0].get_text() and "5.0 strides" in figure.axes[0].get_title()
    with pytest.raises(ArgumentError, match="start"):
        gait_figures.gait_figure(made(), start=9.0)


def test_terms_figure_sorts_and_leaves_out_what_is_zero(walk):
    figure = gait_figures.terms_figure(walk, most=4)
    shown = [axes.texts[0].get_text().split("\n")[0] for axes in figure.axes]
    sums = [float(axes.texts[0].get_text().split("\n")[1].replace(",", "")) for axes in figure.axes]
    kept = [abs(walk.terms[name].sum()) for name in shown[1:-1]]
    assert shown[0] == "all" and len(kept) == 4 and kept == sorted(kept, reverse=True) and 0 not in kept
    others = sum(1 for values in walk.terms.values() if values.any()) - 4
    assert shown[-1] == f"{others} others" and "fall" in figure.axes[-1].get_xlabel()
    assert sums[0] == pytest.approx(sum(v.sum() for v in walk.terms.values()), rel=1e-3)
    assert sum(sums[1:]) == pytest.approx(sums[0], rel=2e-3) and "velocity" in figure.alt


def test_every_figure_draws_and_is_labelled(gait, walk):
    figures = [
        gait_figures.torque_figure(gait), gait_figures.joint_figure({"a": gait, "b": walk}),
        gait_figures.tracking_figure({"trot": walk}), gait_figures.push_figure(walk),
        gait_figures.dose_figure({"a": {0: [1, 1], 50: [0, 1]}}, "push (N)", "survived", mark=50),
        robot_figures.noise_figure(np.tanh, guess=lambda m, s: m),
    ]  # fmt: skip
    for figure in figures:
        assert any(axes.get_xlabel() for axes in figure.axes)
        assert all(axes.get_lines() or axes.patches for axes in figure.axes)
    for call in (
        lambda: gait_figures.tracking_figure(gait),
        lambda: gait_figures.push_figure({"a": gait}),
        lambda: gait_figures.joint_figure({}),
        lambda: gait_figures.dose_figure({}, "", ""),
    ):
        with pytest.raises(ArgumentError):
            call()


def test_dropped_figure_marks_medians_and_the_baseline():
    values = (("no a", 5), ("all", 1), ("all", 3), ("no a", None))
    rows = [{"setting": setting, "measures": {"power_W": value}} for setting, value in values]
    figure = gait_figures.dropped_figure(rows, ["power_W"], "all")
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["all", "no a"]
    assert list(axes.get_lines()[1].get_xdata()) == [2.0, 2.0]
    with pytest.raises(ArgumentError, match="baseline"):
        gait_figures.dropped_figure(rows, ["power_W"], "al")


# --- armies ---------------------------------------------------------------------------------------


def test_an_army_is_the_batch_and_the_fallen_stay():
    found = crowd.march(Trot(size=0.9), n=6, steps=60, reset_noise=0.1, fall_height=0.58)
    assert found.physics.shape == (60, 6, 38) or not found.running[-1].any()
    alone = cl.make(SPRINT, 6, seed=0, reset_noise=0.1, fall_height=0.58)
    alone.reset(seed=0)
    assert np.array_equal(found.physics[0], alone.physics)
    over = np.flatnonzero(~found.running[-1])
    assert len(over)
    for i in over:
        last = found.running[:, i].argmin()
        assert (found.physics[last:, i] == found.physics[last - 1, i]).all()


def test_policies_have_lanes_of_their_own():
    found = crowd.march([Trot(), Trot(size=0.1)], n=10, steps=4)
    lanes = [set(found.places[found.policy == k, 1].round(3)) for k in (0, 1)]
    assert not lanes[0] & lanes[1] and list(found.policy) == [0] * 5 + [1] * 5
    apart = np.abs(found.places[:, None] - found.places[None]) + 9 * np.eye(10)[:, :, None]
    assert (apart.max(axis=2) > 1.2).all()  # no two in one place
    assert crowd.march(Trot(), n=5, steps=2, terrain="step").ranks == 1


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: crowd.march([], n=3), "policies"),
        (lambda: crowd.march([Trot(), Trot()], n=1), "n=1"),
        (lambda: crowd.march(Trot("HalfCheetah-v5")), "free body"),
        (lambda: crowd.army(Trot(), 2, 2, terrain="rough"), "rough"),
        (lambda: crowd.army(Trot(), 2, 3, slow=0), "slow"),
        (lambda: crowd.army(Trot(), 2, 3, names=("a", "b")), "names"),
    ],
)
def test_bad_armies_get_a_sentence(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


@pytest.mark.skipif(gl.choose_gl_backend() == "none", reason="no OpenGL here")
def test_all_robots_are_in_the_picture():
    found = crowd.march(Trot(), n=9, steps=9)
    frames = crowd.army(found, width=320, height=180)
    assert frames.shape == (3, 180, 320, 3) and frames.fps == pytest.approx(25)
    assert crowd.army(found, slow=4, width=64, height=48).shape[0] == 9

    def red(picture):
        r, g, b = np.moveaxis(picture.astype(int), -1, 0)
        return int(((r - g > 60) & (r - b > 60)).sum())

    fallen = found.running.copy()
    fallen[8, 1:] = False
    faded = red(crowd.army(replace(found, running=fallen), width=320, height=180)[2])
    assert red(frames[2]) > 2 * faded > 0
    two = crowd.army(crowd.march([Trot(), Trot()], n=2, steps=1), width=160, height=120, names=("a", "b"))
    blue = two[0, 30:, :, 2].astype(int) - two[0, 30:, :, 0] > 60
    assert blue.sum() > 50 and two.shape == (1, 120, 160, 3)  # the first policy's shells


def test_an_army_is_drawn_without_opengl(monkeypatch):
    monkeypatch.setattr(gl, "_chosen", "none")
    frames = crowd.army(Trot(), 2, 2, width=160, height=120)
    assert frames.shape == (1, 120, 160, 3) and frames[0].std() > 5


@pytest.mark.skipif(gl.choose_gl_backend() == "none", reason="no OpenGL here")
def test_joint_tour_moves_one_kind_at_a_time():
    clips = robot_figures.joint_tour(seconds=0.16, width=64, height=48)
    assert clips.shape == (4, 48, 192, 3)
    with pytest.raises(ArgumentError, match="kinds"):
        robot_figures.joint_tour(kinds=("HIP",))
    with pytest.raises(ArgumentError, match="shape"):
        robot_figures.film(cl.make_task(SPRINT).model, np.zeros((3, 5)))


class Greedy(cl.Policy):
    """A policy that sees the last reward, and notes what it sees."""

    state_dim = 1

    def __init__(self):
        super().__init__(52, 12)
        self.env_id, self.env_options = WALK, {"push_force": 0.0}
        self.seen = []

    def choose(self, x, state, rng):
        self.seen.append(state.numpy().copy())
        return torch.zeros(len(x), 12), torch.zeros_like(state)

    def rewarded(self, state, reward):
        return torch.as_tensor(reward)[:, None]


@pytest.mark.parametrize("play", [record_gait, lambda p, **o: crowd.march(p, 1, **o), rollout_states])
def test_policies_that_see_rewards_get_them_wherever_they_play(play):
    policy = Greedy()
    play(policy, seed=3, steps=6)
    envs = cl.make("AnymalC-v0", 1, seed=3, push_force=0.0)
    envs.reset(seed=3)
    rewards = [envs.step(np.zeros((1, 12)))[1][0] for _ in range(4)]
    np.testing.assert_allclose(np.ravel(policy.seen[1:5]), rewards, rtol=1e-6)
