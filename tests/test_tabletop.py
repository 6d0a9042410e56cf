"""The five tabletop tasks: conventions, the hand's control, rewards and successes by hand, experts, bad input."""

import warnings

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from course_lib.envs import TABLETOP, TASKS, make, make_task
from course_lib.envs.tabletop import scene
from course_lib.envs.tabletop.base import GOAL, HAND, HAND_VELOCITY, OBJECT, OBJECT_VELOCITY, REST
from course_lib.envs.tabletop.experts import demonstrations, expert, throw_speed
from course_lib.errors import ArgumentError
from course_lib.evaluation.rollout import Rollout
from course_lib.viz.video import render

WIDTHS = {"Throw-v0": (16, 4), "Pick-v0": (16, 4), "Push-v0": (15, 3), "Soccer-v0": (15, 3), "Faucet-v0": (17, 3)}
ENGINES = ("rollout", "data")


def put(env, qpos, qvel=None, **memory):
    """Write one state into the single copy of `env`; qpos: {column: values}."""
    env.reset()
    row = env.state.qpos[0].copy()
    for column, values in qpos.items():
        row[column : column + len(values)] = values
    speed = np.zeros(env.task.model.nv)
    for column, values in (qvel or {}).items():
        speed[column : column + len(values)] = values
    state = env.task.start(row[None], speed[None])
    state.memory = {**env.state.memory, **{k: np.array([v]) for k, v in memory.items()}}
    env.state = env._engine.write(np.array([0]), state)
    return env.state


def run(env, actions):
    """Stacked observations, rewards, flags of successes and ends."""
    rows = [env.step(a) for a in actions]
    return [np.stack(column) for column in zip(*[(o, r, t, i["success"]) for o, r, _, t, i in rows], strict=True)]


def random_actions(env, steps, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (steps, *env.action_space.shape))


# --- conventions --------------------------------------------------------------------------------


@pytest.mark.parametrize("id", TABLETOP)
def test_env_checker(id):
    env = gym.make(f"course/{id}", render_mode="rgb_array", width=64, height=48)
    assert (env.observation_space.shape[0], env.action_space.shape[0]) == WIDTHS[id]
    assert len(make_task(id).observation_kinds()) == WIDTHS[id][0]
    assert env.spec.max_episode_steps == make_task(id).horizon == TASKS[id][1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, skip_render_check=True)
    assert all("infinity" in str(w.message) for w in caught), [str(w.message) for w in caught]
    env.reset(seed=0)
    first = env.render()
    *_, info = env.step(env.action_space.high)
    assert info["success"] is False
    for _ in range(5):
        env.step(env.action_space.high)
    assert first.std() > 5 and (np.abs(env.render().astype(int) - first).max(axis=2) > 40).sum() > 10
    env.close()


@pytest.mark.parametrize("id", TABLETOP)
def test_engines_make_the_same_step(id):
    """From the states of an expert's episode, so that contacts are among them."""
    left, right = (make(id, 6, seed=2, engine=engine, threads=1) for engine in ENGINES)
    np.testing.assert_array_equal(left.reset()[0], right.reset()[0])
    for k in range(45):
        action = expert(left.task, left.state)
        a, b = left.step(action), right.step(action)
        for x, y in zip(a[:2], b[:2], strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=2e-4, err_msg=f"step {k}")
        np.testing.assert_array_equal(a[4]["success"], b[4]["success"])
        # The data engine starts its solver warm. From the same state again, so that no difference grows.
        right.state = right._engine.write(np.arange(6), left.state.take(np.arange(6)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("id", ["Throw-v0", "Pick-v0", "Faucet-v0"])
def test_snapshot_and_restore_are_bit_identical(id, engine):
    env = make(id, 4, seed=0, engine=engine, horizon=40)
    env.reset()
    actions = random_actions(env, 60)
    run(env, actions[:25])
    snapshot = env.snapshot()
    future = run(env, actions[25:])
    assert future[2].any()  # resets are part of it
    other = make(id, 4, seed=9, engine=engine, threads=1, horizon=40)
    other.reset()
    other.restore(snapshot)
    for one, two in zip(run(other, actions[25:]), future, strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_is_drawn_does_not_change_the_physics():
    for kind in scene.THINGS:
        ends = []
        for model in (scene.build(kind), scene.build(kind, look=False)):
            data = mujoco.MjData(model)
            data.ctrl[:] = 0.1
            mujoco.mj_step(model, data, 60)
            ends.append(data.qpos.copy())
        np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("id", TABLETOP)
def test_the_observation_is_what_mujoco_says(id):
    """Places of the model's own geoms and their finite differences, against the slices."""
    env = make(id, 1, seed=4, engine="data", threads=1)
    env.reset()
    task, places = env.task, []
    data = mujoco.MjData(task.model)
    body = {name: task.model.body(name).id for name in ("hand", "object", "goal")}
    tip = np.array([scene.LEVER, 0, 0]) if task.kind == "faucet" else np.zeros(3)
    for _ in range(14):
        observation = env.step(expert(task, env.state))[0][0]
        mujoco.mj_setState(task.model, data, env.physics[0].copy(), mujoco.mjtState.mjSTATE_FULLPHYSICS)
        mujoco.mj_forward(task.model, data)
        turn = {name: data.xmat[i].reshape(3, 3) for name, i in body.items()}
        thing, goal = (data.xpos[body[n]] + turn[n] @ tip for n in ("object", "goal"))
        np.testing.assert_allclose(observation[HAND], data.xpos[body["hand"]], atol=1e-12)
        np.testing.assert_allclose(observation[OBJECT], thing, atol=1e-12)
        upright = slice(0, 2 if task.kind in ("throw", "push", "soccer") else 3)  # marks lie on the table
        np.testing.assert_allclose(observation[GOAL][upright], goal[upright], atol=1e-12)
        speed = np.zeros((3, 6))
        for row, name in zip(speed, body, strict=True):
            mujoco.mj_objectVelocity(task.model, data, mujoco.mjtObj.mjOBJ_XBODY, body[name], row, 0)
        np.testing.assert_allclose(observation[HAND_VELOCITY], speed[0, 3:], atol=1e-9)
        moving = speed[1, 3:] + np.cross(speed[1, :3], turn["object"] @ tip)
        np.testing.assert_allclose(observation[OBJECT_VELOCITY], moving, atol=1e-6)  # the heavy pivot yields by 1e-7
        places.append(observation[HAND])
    assert np.ptp(places, axis=0).max() > 0.05
    rest = {"throw": 1, "pick": 1, "faucet": 2}.get(task.kind, 0)
    assert observation[REST].shape == (rest,)


# --- the hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize("id", TABLETOP)
def test_a_trajectory_of_the_hand_is_carried_out(id):
    env = make(id, 3, seed=0)
    env.reset()
    task = env.task
    middle = (np.array(task.low) + task.high) / 2 + (0, 0, 0.1)
    time = np.arange(1, 41)[:, None] * task.dt
    start = task.hand(env.state)
    blend = np.minimum(time / 0.6, 1.0)
    circle = middle + 0.04 * np.hstack([np.cos(6 * time), np.sin(6 * time), np.sin(3 * time)])
    for b, place in zip(blend, circle, strict=True):
        target = np.clip((1 - b) * start + b * place, task.low, task.high)
        observation = env.step(task.action_towards(env.state, target))[0]
        np.testing.assert_allclose(observation[:, HAND], target, atol=1e-3)


def test_actions_stop_at_the_workspace():
    for id in TABLETOP:
        for sign, bound in ((1, "high"), (-1, "low")):
            env = make(id, 2, seed=0)
            env.reset()
            for _ in range(40):
                observation = env.step(np.full(env.action_space.shape, 50.0 * sign))[0]  # clipped to 1
            np.testing.assert_allclose(observation[:, HAND], [getattr(env.task, bound)] * 2, atol=0.02)


def test_the_grip_opens_and_shuts():
    env = make("Pick-v0", 1, seed=0)
    env.reset()
    widths = []
    for grip in (1.0, -1.0):
        for _ in range(10):
            action = env.task.action_towards(env.state, [[0.3, 0.1, 0.3]], grip)
            assert action[0, 3] == grip
            env.step(action)
        widths.append(float(env.task.grip(env.state)[0]))
    assert widths[0] == pytest.approx(0.0, abs=2e-3) and widths[1] == pytest.approx(scene.OPEN, abs=2e-3)


# --- reward and success ---------------------------------------------------------------------------


def test_reward_by_hand():
    """Push, one still step: hand, puck and mark at known places; then with other weights."""
    for weights, reach, precision in ((None, -1.0, 1.0), ({"reach": 0.0, "precision": 3.0}, 0.0, 3.0)):
        env = make("Push-v0", 1, seed=0, weights=weights, goal=(0.2, 0.1))
        put(env, {0: [-0.3, 0.1, 0.0], 3: [0.1, 0.1]})  # x, z, y of the hand; x, y of the puck
        _, reward, _, _, infos = env.step(np.zeros((1, 3)))
        away = np.sqrt(0.4**2 + 0.1**2 + 0.08**2)  # to the puck's middle, 0.02 m above the table
        assert infos["reward_reach"][0] == pytest.approx(reach * away, abs=1e-4)
        assert infos["reward_precision"][0] == pytest.approx(precision * np.exp(-1.0), abs=1e-6)
        assert infos["reward_progress"][0] == pytest.approx(0.0, abs=1e-6)
        terms = sum(infos[f"reward_{name}"][0] for name in ("reach", "progress", "precision"))
        assert reward[0] == pytest.approx(terms, abs=1e-12)


@pytest.mark.parametrize("id", TABLETOP)
def test_progress_adds_up_to_what_was_gained(id):
    demo = demonstrations(id, 3, seed=1)
    env = make(id, 3, seed=1)
    first, _ = env.reset()
    assert np.array_equal(first, demo["observations"][:, 0])
    task, total, start = env.task, 0.0, env.task.distance(env.state)
    for action in demo["actions"].swapaxes(0, 1)[:-1]:
        total = total + env.step(action)[4]["reward_progress"]
    np.testing.assert_allclose(total, 10.0 * (start - task.distance(env.state)), atol=1e-9)
    assert (total > 0).all()


@pytest.mark.parametrize(
    ("id", "near", "far"),
    [
        ("Push-v0", {3: [0.2 - 0.068, 0.1]}, {3: [0.2 - 0.072, 0.1]}),
        ("Soccer-v0", {3: [0.45, -0.068, scene.BALL]}, {3: [0.45, -0.072, scene.BALL]}),
        ("Pick-v0", {5: [0.0, 0.0, scene.BOX + 0.082]}, {5: [0.0, 0.0, scene.BOX + 0.078]}),
        ("Faucet-v0", {5: [-2.0], 6: [-2.0 + 0.349]}, {5: [-2.0], 6: [-2.0 + 0.365]}),  # chords of 0.0486 m, 0.0508 m
    ],
)
def test_success_thresholds(id, near, far):
    goal = {"Push-v0": (0.2, 0.1), "Soccer-v0": (0.45, 0.0)}.get(id)
    env = make(id, 1, seed=0, goal=goal)
    for places, expected in ((near, True), (far, False)):
        assert env.task.success(put(env, places))[0] == expected


@pytest.mark.parametrize(("off", "hit"), [(0.1, True), (0.22, False)])
def test_a_ball_counts_where_it_falls_through_the_rims_height(off, hit):
    """Thrown by hand: a ball in free fall beside the bin's middle; later motion changes nothing."""
    env = make("Throw-v0", 1, seed=0, goal=(0.4, 0.0))
    put(env, {5: [0.4, off, 0.3]}, down=False, miss=np.inf)
    seen = []
    for _ in range(30):
        _, _, _, _, infos = env.step(np.array([[0.0, 0.0, 0.0, -1.0]]))
        seen.append((bool(infos["success"][0]), float(infos["reward_precision"][0])))
    fall = int(np.sqrt(2 * (0.3 - scene.BIN_HEIGHT) / 9.81) / env.task.dt)  # whole steps before it
    assert not any(success or paid for success, paid in seen[:fall])
    assert all(success == hit for success, _ in seen[fall + 1 :])
    miss = env.state.memory["miss"][0]
    assert miss == pytest.approx(off, abs=0.005)
    assert seen[-1][1] == seen[fall + 1][1] == pytest.approx(np.exp(-((miss / 0.1) ** 2)))
    for miss, expected in ((0.189, True), (0.191, False)):
        assert env.task.success(put(env, {}, down=True, miss=miss))[0] == expected
    assert not env.task.success(put(env, {5: [0.4, 0.0, 0.2]}, down=False))[0]  # over the bin, still in the air


def test_a_held_ball_is_not_thrown_by_lowering_it():
    env = make("Throw-v0", 4, seed=0)
    env.reset()
    for _ in range(30):
        *_, infos = env.step(np.tile((1.0, 0.0, -1.0, 1.0), (4, 1)))
    assert not env.state.memory["down"].any() and not infos["success"].any()
    assert (np.linalg.norm(env.task.hand(env.state) - env.task.object(env.state), axis=1) < 0.02).all()  # held


# --- experts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", TABLETOP)
def test_experts_succeed_and_random_actions_do_not(id):
    demo = demonstrations(id, 60, seed=100)
    assert demo["success"].mean() >= 0.9
    env = make(id, 60, seed=100)
    env.reset()
    *_, success = run(env, random_actions(env, env.task.horizon))
    assert success[-1].mean() <= 0.2
    steps, (obs_dim, action_dim) = env.task.horizon, WIDTHS[id]
    assert demo["observations"].shape == (60, steps + 1, obs_dim) and demo["actions"].shape == (60, steps, action_dim)
    assert np.array_equal(demo["hands"], demo["observations"][..., HAND]) and demo["rewards"].shape == (60, steps)
    assert np.abs(demo["actions"]).max() <= 1.0
    # Starts and goals differ.
    assert np.ptp(demo["observations"][:, 0], axis=0)[[0, 1, 2, 6, 7]].min() > 0.04
    assert np.ptp(demo["observations"][:, 0, GOAL], axis=0).max() > 0.06


@pytest.mark.parametrize("id", TABLETOP)
def test_a_finer_control_rate_changes_neither_motion_nor_pay(id):
    """The same demands, on the physics' own grid: half a stride, twice as often."""
    rows = {}
    for rate in (25, 50, 100):
        env, total = make(id, 3, seed=5, rate=rate), 0.0
        env.reset()
        assert env.task.dt == pytest.approx(1 / rate) and env.task.horizon == make_task(id).horizon * rate // 25
        hand = env.task.hand(env.state)
        ahead = np.where(hand[:, :1] > np.mean((env.task.low[0], env.task.high[0])), -1.0, 1.0)
        for _ in range(rate // 5):
            action = np.zeros(env.action_space.shape)
            action[:, :1] = 0.5 * ahead
            total += env.step(action)[1]
        rows[rate] = env.task.hand(env.state) - hand, total
        np.testing.assert_allclose(rows[rate][0][:, 0], 5 * 0.5 * ahead[:, 0] * type(env.task).stride, atol=3e-3)
        np.testing.assert_allclose(rows[rate][1], rows[25][1], rtol=0.05, atol=0.02)
        env = make(id, 30, seed=100, rate=rate)
        env.reset()
        for _ in range(env.task.horizon):
            *_, infos = env.step(expert(env.task, env.state))
        assert infos["success"].mean() >= 0.9


def test_demonstrations_are_reproducible_and_noise_is_not_recorded():
    one, two = (demonstrations("Push-v0", 4, seed=3, noise=0.3) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    task, still = make_task("Push-v0"), demonstrations("Push-v0", 4, seed=3)
    assert not np.array_equal(one["hands"], still["hands"])
    state = make("Push-v0", 4, seed=3)
    state.reset()
    np.testing.assert_array_equal(one["actions"][:, 0], expert(task, state.state))


def test_demonstrations_can_be_filmed():
    """By the course's own helper, from what a demonstration holds."""
    demo, task = demonstrations("Soccer-v0", 2, seed=0), make_task("Soccer-v0")
    row = {name: demo[name][1] for name in ("physics", "observations", "actions", "rewards")}
    row["observations"] = row["observations"][:-1]
    frames = render(Rollout(task.id, task.model, task.dt, **row), width=64, height=48, fps=5)
    assert frames.shape == (15, 48, 64, 3) and frames.fps == 5
    env = make("Soccer-v0", 2, seed=0)
    env.reset()
    np.testing.assert_array_equal(demo["physics"][:, 0], env.physics)


def test_throw_speed_against_a_simulated_flight():
    far, drop, climb = 0.6, 0.25, 0.8
    x, z, v = 0.0, drop, float(throw_speed(np.array(far), np.array(drop), climb))
    up, dt = climb * v, 1e-5
    while z > 0:
        x, z, up = x + v * dt, z + up * dt, up - 9.81 * dt
    assert x == pytest.approx(far, abs=1e-3)


def test_an_expert_serves_a_masked_task():
    env = make("Push-v0", 2, seed=0, hide="velocities")
    assert env.reset()[0].shape == (2, 9)
    *_, infos = env.step(expert(env.task, env.state))
    assert infos["success"].shape == (2,)


# --- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "options", "words"),
    [
        ("Push-v0", {"goal": (3.0, 0.0)}, ["goal=(3.0, 0.0)", "outside the workspace", "x from 0.1 to 0.3 m"]),
        ("Push-v0", {"goal": (0.2,)}, ["goal=(0.2,)", "y from -0.18 to 0.15 m"]),
        ("Faucet-v0", {"goal": "left"}, ["goal='left'", "turn from 0.9 to 1.6 rad"]),
        ("Pick-v0", {"goal": np.nan}, ["goal=nan", "z from 0.13 to 0.2 m"]),
        ("Throw-v0", {"horizon": -5}, ["horizon=-5", "at least 1"]),
        ("Push-v0", {"rate": 60}, ["rate=60", "25, 50, 100"]),
        ("Soccer-v0", {"weights": {"reech": 1.0}}, ["'reech'", "did you mean 'reach'?"]),
        ("Soccer-v0", {"weights": {"reach": np.inf}}, ["weights['reach']=inf", "a number"]),
        ("Soccer-v0", {"weights": 3}, ["weights=3", "a dict"]),
        ("Soccer-v0", {"gaol": (0.4, 0.0)}, ["gaol", "did you mean 'goal'?"]),
    ],
)
def test_bad_options_get_a_sentence(id, options, words):
    with pytest.raises(ArgumentError) as error:
        make(id, 2, **options)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_other_bad_input_gets_a_sentence():
    env = make("Push-v0", 2, seed=0)
    env.reset()
    with pytest.raises(ArgumentError, match=r"hand has shape \(3,\).*accepts \(2, 3\)"):
        env.task.action_towards(env.state, np.zeros(3))
    with pytest.raises(ArgumentError, match="did you mean 'Push-v0'"):
        demonstrations("Pusch-v0")
    with pytest.raises(ArgumentError, match="episodes=0"):
        demonstrations("Push-v0", 0)
    with pytest.raises(ArgumentError, match="noise=-1"):
        demonstrations("Push-v0", 2, noise=-1)
    with pytest.raises(ArgumentError, match="has no expert; accepted: Throw-v0"):
        expert(make_task("Bumps-v0"), None)


def test_pick_pays_for_shut_fingers_at_the_box_and_for_the_way_up():
    task = make_task("Pick-v0")
    away = np.array([0.0, 0.01, 0.1])

    def paid(shut, lift=0.0):
        state = task.reset(np.random.default_rng(0), len(away))
        state.memory = {"shut": np.full(len(away), shut)}
        state.qpos[:, task.model.nu + 2] += lift
        state.qpos[:, [0, 2, 1]] = task.object(state) + away[:, None] * np.array([0.0, 0.0, 1.0])
        return task.reward_terms(state, np.zeros((len(away), 4)), state), state

    opened, shut = paid(False)[0]["reach"], paid(True)[0]["reach"]
    assert opened == pytest.approx([0.0, 0.0, -3 * 0.085])
    assert shut - opened == pytest.approx([0.3, 0.3, 0.0], abs=5e-3)
    for share in (0.0, 0.5, 1.0):
        terms, state = paid(True, share * 0.1)
        left = task.goal_place(state)[:, 2] - scene.BOX - share * 0.1
        wanted = np.exp(-np.square(left / 0.1)) + 3 * (1 - left / (left + share * 0.1))
        assert terms["precision"] == pytest.approx(wanted)


@pytest.mark.parametrize("rate", [25, 100])
def test_the_fingers_of_pick_keep_doing_what_they_were_asked_last(rate):
    env = make("Pick-v0", 3, seed=0, rate=rate)
    env.reset()
    asked = ([-0.4, 0.4, -1.0], [0.6, 0.51, 0.4], [-0.4, 0.0, 0.49], [-0.51, 0.49, -0.3])
    shut = ([False] * 3, [True, True, False], [True, True, False], [False, True, False])
    for grip, expected in zip(asked, shut, strict=True):
        for _ in range(rate // 3):
            action = env.task.action_towards(env.state, [[0.3, 0.1, 0.3]] * 3, np.array(grip))
            env.step(action)
        np.testing.assert_allclose(env.task.grip(env.state), np.where(expected, 0.0, scene.OPEN), atol=2e-3)
    snapshot, rest = env.snapshot(), np.zeros((3, 4))
    one = [env.step(rest)[0] for _ in range(4)][-1]
    env.restore(snapshot)
    np.testing.assert_array_equal(one, [env.step(rest)[0] for _ in range(4)][-1])
