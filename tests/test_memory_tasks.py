"""Tasks that need memory: their motion and pay against independent sources, and what they hide."""

import warnings

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.utils.env_checker import check_env

from course_lib.envs import MEMORY, TASKS, make, make_task
from course_lib.errors import ArgumentError

FORMS = [  # id, options, width of the observation
    ("MemoryPendulum-v0", {}, 2),
    ("MemoryPendulum-v0", {"observation": "v"}, 1),
    ("MemoryPendulum-v0", {"observation": "va"}, 2),
    ("MemoryPendulum-v0", {"observation": "full"}, 3),
    ("MemoryPendulum-v0", {"observation": "pa", "length": "varied"}, 3),
    ("MemoryPendulum-v0", {"observation": "full", "length": "varied"}, 4),
    ("MemoryCartPole-v0", {}, 2),
    ("MemoryCartPole-v0", {"observation": "full"}, 4),
    ("MemoryCartPole-v0", {"observation": "pa", "length": "varied"}, 3),
    ("MemoryCartPole-v0", {"observation": "full", "length": "varied"}, 5),
    ("MemoryCartPole-v0", {"observation": "pa", "length": "varied", "reward": "cost"}, 4),
    ("MemoryCartPole-v0", {"observation": "p", "reward": "swing-up"}, 3),
    ("MemoryCartPole-v0", {"observation": "p", "wind": 0.4}, 2),
    ("MemoryCartPole-v0", {"observation": "full", "reward": "swing-up"}, 5),
    ("CarHeavenHell-v0", {}, 3),
    ("CarHeavenHell-v0", {"hide": "velocities"}, 2),
    ("CarHeavenHell-v0", {"observation": "full"}, 3),
    ("WaterMaze-v0", {}, 3),
    ("WaterMaze-v0", {"observation": "full"}, 5),
    ("Bumps-v0", {}, 2),
    ("Bumps-v0", {"observation": "full"}, 4),
    ("ReacherOnce-v0", {}, 8),
    ("ReacherOnce-v0", {"observation": "full"}, 10),
]
EQUATIONS = [form for form in FORMS if "Reacher" not in form[0]]


def actions_for(env, steps, seed=0):
    """(steps, N, action_dim)"""
    low, high = env.single_action_space.low, env.single_action_space.high
    return np.random.default_rng(seed).uniform(low, high, (steps, *env.action_space.shape))


def put(env, qpos, qvel, time=0.0, **memory):
    """Write one state into the single copy of `env`."""
    env.reset()
    state = env.task.start(np.array([qpos], dtype=float), np.array([qvel], dtype=float), **memory)
    state.memory = {**env.state.memory, **memory}
    state.time[:] = time
    env.state = env._engine.write(np.array([0]), state)
    return env.task.observe(env.state)[0]


# --- all of them ------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "options", "width"), FORMS)
def test_env_checker(id, options, width):
    env = gym.make(f"course/{id}", render_mode="rgb_array", width=64, height=48, **options)
    assert env.observation_space.shape == (width,)
    assert env.spec.max_episode_steps == make_task(id).horizon == TASKS[id][1]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, skip_render_check=True)
    env.close()
    said = {str(w.message) for w in caught}
    assert all("infinity" in words or "normalized" in words for words in said), said


@pytest.mark.parametrize("id", MEMORY)
def test_pictures_change_with_the_state(id):
    env = gym.make(f"course/{id}", render_mode="rgb_array", width=80, height=60)
    env.reset(seed=0)
    before = env.render()
    for _ in range(6):
        env.step(env.action_space.high)
    after = env.render()
    assert before.shape == (60, 80, 3) and before.std() > 5
    assert (np.abs(after.astype(int) - before).max(axis=2) > 40).sum() >= 4
    env.close()


@pytest.mark.parametrize(
    ("id", "short", "long"), [("Pendulum", [0.6, 0.2], [0.6, 1]), ("CartPole", [0, 0, 0.1], [0, 0, 0.6])]
)
def test_pictures_show_the_length(id, short, long):
    """A short rod covers less of the picture."""
    env = gym.make(f"course/Memory{id}-v0", render_mode="rgb_array", width=160, height=120, length="varied").unwrapped
    env.reset(seed=0)
    red = []
    for qpos in (short, long):
        env._engine.write(np.array([0]), env.task.start(np.array([qpos], dtype=float), np.zeros((1, len(qpos)))))
        picture = env.render().astype(int)
        red.append((picture[..., 0] - picture[..., 2] > 60).sum())
    env.close()
    assert red[1] > 1.5 * red[0] > 0


@pytest.mark.parametrize(("id", "options", "width"), EQUATIONS)
def test_engines_agree(id, options, width):
    left, right = (make(id, 5, seed=2, engine=engine, **options) for engine in ("rollout", "data"))
    np.testing.assert_array_equal(left.reset()[0], right.reset()[0])
    for actions in actions_for(left, 60):
        for a, b in zip(left.step(actions)[:4], right.step(actions)[:4], strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("id", "options", "width"), FORMS)
def test_snapshots_restore(id, options, width):
    env = make(id, 4, seed=1, **options)
    env.reset(options={"stagger": True})
    actions = actions_for(env, 60)
    for a in actions[:25]:
        env.step(a)
    kept, seen = env.snapshot(), env.task.observe(env.state)
    first = [env.step(a)[:4] for a in actions[25:]]
    np.testing.assert_array_equal(env.restore(kept), seen)
    for a, expected in zip(actions[25:], first, strict=True):
        for got, want in zip(env.step(a)[:4], expected, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("id", "options", "width"), EQUATIONS)
def test_hidden_joints_stay_where_they_are(id, options, width):
    """What an episode drew must hold to its end, in both engines and whatever moves beside it."""
    env = make(id, 4, seed=1, **options)
    env.reset()
    driven = env.task.model.nu
    drawn = env.state.qpos[:, driven:].copy()
    alive = np.ones(4, dtype=bool)
    for actions in actions_for(env, 49):
        _, _, terminated, *_ = env.step(actions)
        alive &= ~terminated
        np.testing.assert_array_equal(env.state.qpos[alive, driven:], drawn[alive])


@pytest.mark.parametrize(
    ("id", "options", "words"),
    [
        ("MemoryPendulum-v0", {"observation": "vp"}, ["observation='vp'", "'va'"]),
        ("MemoryPendulum-v0", {"length": "variable"}, ["length='variable'", "did you mean 'varied'?"]),
        ("MemoryPendulum-v0", {"g": "ten"}, ["g='ten'", "a number"]),
        ("MemoryCartPole-v0", {"reward": "swingup"}, ["reward='swingup'", "did you mean 'swing-up'?"]),
        ("MemoryCartPole-v0", {"wind": -1}, ["wind=-1", "at least 0"]),
        ("CarHeavenHell-v0", {"observation": "ful"}, ["observation='ful'", "did you mean 'full'?"]),
        ("WaterMaze-v0", {"observation": 3}, ["observation=3", "'partial', 'full'"]),
        ("Bumps-v0", {"observation": None}, ["observation=None", "'partial', 'full'"]),
        ("ReacherOnce-v0", {"observation": "none"}, ["observation='none'", "'partial', 'full'"]),
    ],
)
def test_bad_options_get_a_sentence(id, options, words):
    with pytest.raises(ArgumentError) as error:
        make(id, 2, **options)
    for word in words:
        assert word in str(error.value)


# --- two states that look the same and want different actions -----------------------------------

# In each line: the task, its options, two states (qpos, qvel), a plan for the first, one for the second, steps.
# A plan is an action to be held, or a list of actions.
SOFT_THEN_STIFF = [[1, -1]] * 5 + [[1, 1]] * 5
ALIASES = [
    ("MemoryPendulum-v0", {}, ([0, 1], [1, 0]), ([0, 1], [-1, 0]), [-2], [2], 8),
    ("MemoryPendulum-v0", {"observation": "v"}, ([0.3, 1], [0, 0]), ([-0.3, 1], [0, 0]), [-2], [2], 8),
    ("MemoryPendulum-v0", {"observation": "va"}, ([0.3, 1], [0, 0]), ([-0.3, 1], [0, 0]), [-2], [2], 8),
    # The length alone: what brakes the long rod throws the short one over.
    (
        *("MemoryPendulum-v0", {"observation": "pa", "length": "varied"}),
        *(([0.1, 0.2], [0.5, 0]), ([0.1, 1], [0.5, 0]), [-0.15], [-2], 5),
    ),
    ("MemoryCartPole-v0", {}, ([0, 0, 0.5], [0, 0.6, 0]), ([0, 0, 0.5], [0, -0.6, 0]), [0.5], [-0.5], 30),
    (
        *("MemoryCartPole-v0", {"observation": "pa", "length": "varied", "reward": "cost"}),
        *(([0, 0, 0.6], [0, 0.6, 0]), ([0, 0, 0.1], [0, -0.6, 0]), [0.5], [-0.5], 6),
    ),
    (
        *("MemoryCartPole-v0", {"reward": "swing-up"}),
        *(([0, 0, 0.5], [0, 0.6, 0]), ([0, 0, 0.5], [0, -0.6, 0]), [0.5], [-0.5], 15),
    ),
    ("CarHeavenHell-v0", {}, ([0, 1, 1, 0.1], [0] * 4), ([0, -1, -1, -0.1], [0] * 4), [1], [-1], 60),
    (
        "CarHeavenHell-v0",
        {"hide": "velocities"},
        ([0, 1, 1, 0.1], [1, 0, 0, 0]),
        ([0, -1, -1, -0.1], [0] * 4),
        [1],
        [-1],
        60,
    ),
    ("WaterMaze-v0", {}, ([0, 0, 0.5, 0], [0] * 4), ([0, 0, -0.5, 0], [0] * 4), [1, 0], [-1, 0], 6),
    (
        *("Bumps-v0", {}, ([0.15, 0, -0.2, 0.3, -0.2, 0.3], [0] * 6), ([0.15, 0, 0.3, 0.8, 0.3, 0.8], [0] * 6)),
        *([1, 1], SOFT_THEN_STIFF, 10),
    ),
    ("ReacherOnce-v0", {}, ([0, 0, 0, 0.15], [0] * 4), ([0, 0, 0, -0.15], [0] * 4), [0.5, 0], [-0.5, 0], 12),
]


@pytest.mark.parametrize(("id", "options", "one", "other", "plan_one", "plan_other", "steps"), ALIASES)
def test_two_states_look_the_same_and_want_different_actions(id, options, one, other, plan_one, plan_other, steps):
    """The twin tells them apart; the partial task does not, and each plan is the better one in its own state."""
    full = {k: v for k, v in options.items() if k != "hide"} | {"observation": "full"}
    env, twin = make(id, 1, **options), make(id, 1, **full)
    later = env.task.dt  # not the first step, in which a goal may be seen
    np.testing.assert_array_equal(put(env, *one, later), put(env, *other, later))
    assert np.abs(put(twin, *one, later) - put(twin, *other, later)).max() > 0.1
    paid = {}
    for state, (qpos, qvel) in {"one": one, "other": other}.items():
        for name, plan in {"one": plan_one, "other": plan_other}.items():
            put(env, qpos, qvel, later)
            paid[state, name] = total(env, plan if isinstance(plan[0], list) else [plan] * steps)
    assert paid["one", "one"] > paid["one", "other"] + 1e-3
    assert paid["other", "other"] > paid["other", "one"] + 1e-3


def total(env, plan):
    """Return of the actions of `plan`, up to the end of the episode."""
    paid = 0.0
    for action in plan:
        _, reward, terminated, *_ = env.step(np.array([action], dtype=float))
        paid += reward[0]
        if terminated[0]:
            break
    return paid


# --- pendulum ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["rollout", "data"])
def test_pendulum_equals_gymnasium(engine):
    """The same seeds, free running for 199 steps; float32 actions beyond the limits too."""
    env = make("MemoryPendulum-v0", 8, seed=0, engine=engine, observation="full")
    peers = [gym.make("Pendulum-v1") for _ in range(8)]
    first = np.stack([peer.reset(seed=i)[0] for i, peer in enumerate(peers)])
    np.testing.assert_allclose(env.reset()[0], first, atol=1e-7)  # Gymnasium shows float32
    assert env.single_action_space == peers[0].action_space
    fast = 0
    for actions in (1.3 * actions_for(env, 199)).astype(np.float32):
        _, reward, terminated, truncated, _ = env.step(actions)
        for i, peer in enumerate(peers):
            _, paid, dead, late, _ = peer.step(actions[i])
            assert (dead, late) == (terminated[i], truncated[i]) == (False, False)
            state = [env.state.qpos[i, 0], env.state.qvel[i, 0]]
            np.testing.assert_allclose(state, peer.unwrapped.state, rtol=0, atol=1e-8)
            assert abs(paid - reward[i]) < 1e-7
            fast += abs(state[1]) == pytest.approx(8.0)
    assert env.step(actions)[3].all() and peers[0].step(actions[0])[3]


def test_pendulum_one_step_to_rounding_at_every_state():
    env, peer = make("MemoryPendulum-v0", 300, seed=0, observation="full"), gym.make("Pendulum-v1").unwrapped
    env.reset()
    rng = np.random.default_rng(1)
    qpos, qvel = rng.uniform(-20, 20, (300, 2)), rng.uniform(-8, 8, (300, 2))
    qpos[:, 1], qvel[:, 1] = 1.0, 0.0
    env.state = env._engine.write(np.arange(300), env.task.start(qpos, qvel, last_action=np.zeros((300, 1))))
    actions = rng.uniform(-3, 3, (300, 1))
    observation, reward, *_ = env.step(actions)
    assert (np.abs(observation[:, 2]) > 8 - 1e-12).any()  # the limit of the speed too
    peer.reset(seed=0)
    for i in range(300):
        peer.state = np.array([qpos[i, 0], qvel[i, 0]])
        assert peer.step(actions[i])[1] == pytest.approx(reward[i], abs=1e-12)
        np.testing.assert_allclose([env.state.qpos[i, 0], observation[i, 2]], peer.state, rtol=0, atol=1e-13)


def test_pendulum_of_another_length_and_gravity():
    """Gymnasium's with its attributes `l` and `g` changed."""
    env, peer = make("MemoryPendulum-v0", 1, seed=0, length="varied", g=3.0), gym.make("Pendulum-v1", g=3.0).unwrapped
    put(env, [2.0, 0.2], [0.5, 0.0])
    peer.reset()
    peer.l, peer.state = 0.2, np.array([2.0, 0.5])
    for action in actions_for(env, 40):
        _, reward, *_ = env.step(action)
        assert peer.step(action[0])[1] == pytest.approx(reward[0], abs=1e-7)
    lengths = make("MemoryPendulum-v0", 200, length="varied")
    lengths.reset()
    values, counts = np.unique(lengths.state.qpos[:, 1], return_counts=True)
    assert list(values) == [0.2, 1.0] and counts.min() > 60


def test_pendulum_shows_what_it_says():
    seen = {form: make("MemoryPendulum-v0", 3, seed=5, observation=form) for form in ("full", "p", "v", "va", "pa")}
    for env in seen.values():
        env.reset()
    for actions in 2 * actions_for(seen["full"], 5):
        rows = {form: env.step(actions)[0] for form, env in seen.items()}
        np.testing.assert_array_equal(rows["p"], rows["full"][:, :2])
        np.testing.assert_array_equal(rows["v"], rows["full"][:, 2:])
        np.testing.assert_array_equal(rows["va"], np.hstack([rows["v"], np.clip(actions, -2, 2)]))
        np.testing.assert_array_equal(rows["pa"], np.hstack([rows["p"], np.clip(actions, -2, 2)]))
    masked = make("MemoryPendulum-v0", 3, seed=5, observation="full", hide="velocities")
    np.testing.assert_array_equal(masked.reset()[0], seen["p"].reset(seed=5)[0])


# --- cart-pole --------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [0.1, 0.5, 0.6])
def test_cartpole_equals_gymnasium(half):
    """Full pushes only, which is all that Gymnasium knows; free running for 100 steps.

    A short pole falls as exp(8.6 t): in 2 s rounding grows by 3e7, so 1e-7 and not 1e-12.
    """
    varied = "fixed" if half == 0.5 else "varied"
    env, peer = make("MemoryCartPole-v0", 1, seed=3, observation="full", length=varied), CartPoleEnv()
    peer.kinematics_integrator, peer.length, peer.polemass_length = "semi-implicit", half, 0.1 * half
    peer.reset(seed=3)
    x, speed, angle, rate = peer.state = np.array([0.1, -0.2, 0.03, 0.1])
    put(env, [x, angle, half], [speed, rate, 0])
    for _ in range(100):
        side = int(angle + 0.3 * rate > 0)  # keeps it up for a while
        _, paid, fallen, _, _ = peer.step(side)
        observation, reward, terminated, _, infos = env.step(np.array([[2.0 * side - 1.0]]))
        x, speed, angle, rate = peer.state
        last = infos["final_obs"][0] if fallen else observation[0]
        np.testing.assert_allclose(last[:4], [x, angle, speed, rate], rtol=0, atol=1e-7)
        assert (paid, fallen) == (reward[0], terminated[0])
        if fallen:
            break


def test_cartpole_cost_and_swing_up():
    env = make("MemoryCartPole-v0", 3, seed=0, reward="cost", observation="full")
    env.reset()
    for actions in actions_for(env, 120):
        seen, reward, terminated, *_ = env.step(np.sign(actions))
        angle = np.arctan2(seen[:, 2], seen[:, 1])
        np.testing.assert_allclose(reward, -0.1 * (angle**2 + 0.01 * seen[:, 4] ** 2 + seen[:, 0] ** 2), atol=1e-9)
        assert not terminated.any()
    for _ in range(200):
        seen, *_ = env.step(np.ones((3, 1)))
    assert (np.abs(seen[:, 0] - 2.4) < 1e-9).all()  # at the right end, at rest
    assert (np.abs(seen[:, 3]) < 1e-9).all()
    env = make("MemoryCartPole-v0", 3, seed=0, reward="swing-up", observation="full")
    assert (env.reset()[0][:, 1] < -0.99).all()
    put_up = make("MemoryCartPole-v0", 1, reward="swing-up")
    put(put_up, [0, 0, 0.5], [0, 0, 0])
    assert put_up.step(np.zeros((1, 1)))[1][0] == pytest.approx(1.0)
    put(put_up, [1.2, np.pi / 2, 0.5], [0, 0, 0])
    seen, reward, *_ = put_up.step(np.zeros((1, 1)))
    assert reward[0] == pytest.approx((1 + seen[0, 1]) / 2 * (1 - (seen[0, 0] / 2.4) ** 2))
    assert reward[0] == pytest.approx(0.375, abs=0.01)


CART_POLE = """<mujoco><option timestep="1e-5" gravity="0 0 -9.8"/><worldbody><body>
  <joint type="slide" axis="1 0 0"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
  <body name="pole"><joint axis="0 1 0"/>
    <inertial pos="0 0 {half}" mass="0.1" diaginertia="{own} {own} {own}"/></body>
</body></worldbody></mujoco>"""


@pytest.mark.parametrize("half", [0.1, 0.5, 0.6])
def test_wind_and_accelerations_equal_those_of_a_real_mechanism(half):
    """MuJoCo with the true masses, the gust as a force on the middle of a rod (own inertia m (2 l)² / 12)."""
    model = mujoco.MjModel.from_xml_string(CART_POLE.format(half=half, own=0.1 * half**2 / 3))
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    env = make("MemoryCartPole-v0", 1, length="fixed" if half == 0.5 else "varied", wind=1.0)
    for _ in range(20):
        data.qpos[:], data.qvel[:] = rng.uniform(-2, 2, 2), rng.uniform(-4, 4, 2)
        action, gust = rng.uniform(-1, 1), rng.normal()
        data.qfrc_applied[0] = 10 * action
        data.xfrc_applied[2, 0] = gust
        mujoco.mj_forward(model, data)
        put(env, [*data.qpos, half], [*data.qvel, 0.0], gusts=np.full((1, 500), gust))
        speeds = env.task.next_velocity(env.state, np.array([[action]]))[0]
        np.testing.assert_allclose((speeds - data.qvel) / 0.02, data.qacc, rtol=1e-8, atol=1e-8)


def survived(gains, **options):
    """Mean length of 60 episodes under the push gains @ [position, angle, velocity, rate]."""
    env = make("MemoryCartPole-v0", 60, seed=4, observation="full", **options)
    seen, _ = env.reset()
    steps, alive = np.zeros(60), np.ones(60, dtype=bool)
    for _ in range(500):
        seen, _, terminated, *_ = env.step(np.clip(seen[:, :4] @ gains, -1, 1)[:, None])
        steps += alive
        alive &= ~terminated
    return steps.mean()


def test_cartpole_needs_its_memory_in_the_wind():
    """In still air, positions alone keep it up; in wind they do not, and rates still do."""
    positions, rates = np.array([0.4, 9.0, 0.0, 0.0]), np.array([0.3, 5.0, 0.5, 1.0])
    assert survived(positions) == 500 and survived(rates) == 500
    assert survived(positions, wind=0.4) < 250
    assert survived(rates, wind=0.4) > 430


def test_gusts_differ_from_step_to_step_and_copy_to_copy():
    env = make("MemoryCartPole-v0", 50, seed=0, wind=0.4)
    env.reset()
    felt = []
    for _ in range(20):
        felt.append(env.task.gust(env.state))
        _, _, terminated, *_ = env.step(np.zeros((50, 1)))
    felt = np.array(felt)
    assert np.std(felt) == pytest.approx(0.4, rel=0.1) and len(np.unique(felt)) == felt.size


# --- car --------------------------------------------------------------------------------------


def drive(env, rule):
    """Mean return of the first episode of each copy; rule: observation (N, k) -> action (N,)."""
    observation, _ = env.reset()
    won, over = np.zeros(env.num_envs), np.zeros(env.num_envs, dtype=bool)
    for _ in range(160):
        observation, reward, terminated, _, _ = env.step(rule(observation)[:, None])
        won += reward * ~over
        over |= terminated
    return won.mean()


def test_car_moves_by_its_equations_and_is_paid_in_heaven():
    env = make("CarHeavenHell-v0", 1)
    for side in (1.0, -1.0):
        seen = put(env, [0.1, side, side, 0.12 * side], [0, 0, 0, 0])
        x, v = 0.1, 0.0
        for _ in range(160):
            v = min(v + 0.05 * 0.6, 1.4)
            x += 0.05 * v
            seen, reward, terminated, _, infos = env.step(np.ones((1, 1)))
            if terminated[0]:
                seen = infos["final_obs"]
            np.testing.assert_allclose(seen[0, :2], [x, v], atol=1e-12)
            assert seen[0, 2] == (side if abs(x - 0.5) <= 0.2 else 0)
            assert terminated[0] == (x >= 1) and reward[0] == (x >= 1 and side == 1)
            if terminated[0]:
                break
        assert terminated[0]


def test_car_needs_its_memory():
    """Knowing the side: always right. One side always: half. Velocity as memory: most, unless it is hidden."""
    full = make("CarHeavenHell-v0", 200, seed=0, observation="full")
    assert drive(full, lambda o: o[:, 2]) == 1.0
    partial = make("CarHeavenHell-v0", 200, seed=0)
    assert 0.4 < drive(partial, lambda o: np.ones(200)) < 0.6
    # without memory: a gentle approach, a turn in sight of the sign, then on in the direction of travel
    ahead = lambda o: np.where(o[:, 2] != 0, o[:, 2], np.where(o[:, 1] < 0, -1.0, 0.8))  # noqa: E731
    assert drive(partial, ahead) > 0.9
    hidden = make("CarHeavenHell-v0", 200, seed=0, hide="velocities")
    assert drive(hidden, lambda o: np.where(o[:, 1] != 0, o[:, 1], 0.8)) < 0.6
    side = np.zeros(200)

    def remembering(o):
        side[:] = np.where(o[:, 1] != 0, o[:, 1], side)
        return np.where(side != 0, side, 0.6)

    assert drive(hidden, remembering) > 0.95  # with memory it can be done in time, without seeing the velocity


# --- water maze -------------------------------------------------------------------------------


def test_water_maze_pays_throws_and_keeps_within():
    env = make("WaterMaze-v0", 40, seed=0, observation="full")
    seen, _ = env.reset()
    stayed, throws = (np.linalg.norm(seen[:, :2] - seen[:, 3:], axis=1) <= 0.3).astype(int), 0
    places = []
    for _ in range(199):
        to = (seen[:, 3:] - seen[:, :2]) / 0.1
        before, held = seen, stayed.copy()
        seen, reward, terminated, *_ = env.step(to)
        on = np.linalg.norm(seen[:, :2] - seen[:, 3:], axis=1) <= 0.3
        np.testing.assert_array_equal(reward, on)
        np.testing.assert_array_equal(seen[:, 2], on)
        np.testing.assert_array_equal(seen[:, 3:], before[:, 3:])
        moved = np.linalg.norm(seen[:, :2] - before[:, :2], axis=1)
        thrown = held >= 5
        assert (moved[~thrown] <= 0.1 + 1e-9).all() and (np.linalg.norm(seen[:, :2], axis=1) <= 1 + 1e-9).all()
        places.extend(seen[thrown, :2])
        throws += thrown.sum()
        stayed = np.where(on, np.where(thrown, 1, held + 1), 0)
        assert not terminated.any()
    assert throws > 400
    places = np.array(places)
    assert np.abs(places.mean(axis=0)).max() < 0.1
    assert (np.linalg.norm(places, axis=1) ** 2).mean() == pytest.approx(0.5, abs=0.05)  # uniform in the disc
    wall = make("WaterMaze-v0", 4)
    wall.reset()
    for _ in range(30):
        seen, *_ = wall.step(np.tile([1.0, 1.0], (4, 1)))
    free = wall.state.memory["thrown"] == 0
    np.testing.assert_allclose(np.linalg.norm(seen[free, :2], axis=1), 1.0, atol=1e-9)


# --- bumps ------------------------------------------------------------------------------------


def test_bumps_soft_finger_feels_and_moves_nothing():
    env = make("Bumps-v0", 20, seed=0, observation="full")
    seen, _ = env.reset()
    bumps, leaned = seen[:, 2:].copy(), 0
    for _ in range(40):
        seen, reward, terminated, *_ = env.step(np.tile([0.5, -1.0], (20, 1)))
        np.testing.assert_array_equal(seen[:, 2:], bumps)
        off = seen[:, :1] - bumps
        slope = np.where(np.abs(off) < 0.1, -np.pi / 4 * np.sin(np.pi * off / 0.1), 0).sum(axis=1)
        np.testing.assert_allclose(seen[:, 1], slope, atol=1e-9)
        leaned += (slope != 0).sum()
        assert not terminated.any() and not reward.any()
    assert leaned > 60  # each bump is felt for about four of these steps
    assert (np.abs(seen[:, 0] - 1.0) < 1e-9).sum() > 10  # the end of the line


def test_bumps_stiff_finger_pushes():
    """The second to the right pays 1; the first, or the second to the left, ends the episode with 0."""
    env = make("Bumps-v0", 1, observation="full")
    stiff, left = np.array([[0.5, 1.0]]), np.array([[-0.5, 1.0]])
    put(env, [0.1, 0, -0.3, 0.25, -0.3, 0.25], [0] * 6)
    places = [env.step(stiff) for _ in range(5)]
    np.testing.assert_allclose([p[0][0, 3] for p in places[:4]], [0.25, 0.3, 0.35, 0.4], atol=1e-9)
    assert [p[1][0] for p in places] == [0, 0, 0, 0, 1] and [bool(p[2][0]) for p in places] == [False] * 4 + [True]
    put(env, [0.15, 0, -0.3, 0.2, -0.3, 0.2], [0] * 6)  # on the slope: taken along from there
    assert env.step(stiff)[0][0, 3] == pytest.approx(0.25)
    for start, action, hit in (([-0.45, 0, -0.3, 0.3], stiff, 0), ([0.45, 0, -0.3, 0.3], left, 1)):
        put(env, [*start, -0.3, 0.3], [0] * 6)
        for _ in range(4):
            _, reward, terminated, _, infos = env.step(action)
            assert reward[0] == 0
            if terminated[0]:
                break
        assert terminated[0]
        assert abs(infos["final_obs"][0, 2 + hit] - start[2 + hit]) > 0.05


# --- reacher ----------------------------------------------------------------------------------


def test_reacher_shows_its_goal_once():
    env, whole = make("ReacherOnce-v0", 3, seed=0), make("Reacher-v5", 3, seed=0)
    twin = make("ReacherOnce-v0", 3, seed=0, observation="full")
    np.testing.assert_array_equal(env.reset()[0], whole.reset()[0][:, :8])
    np.testing.assert_array_equal(twin.reset()[0], whole.reset(seed=0)[0])
    for step, actions in enumerate(actions_for(env, 51), start=1):
        part, truth, same = env.step(actions), whole.step(actions), twin.step(actions)
        np.testing.assert_array_equal(part[1], truth[1])
        np.testing.assert_array_equal(same[0], truth[0])
        np.testing.assert_array_equal(part[0][:, :4], truth[0][:, :4])
        if step == 50:  # the first observation of the next episode
            np.testing.assert_array_equal(part[0][:, 4:6], truth[0][:, 4:6])
            assert (part[4]["final_obs"][:, 4:6] == 0).all()
        else:
            assert (part[0][:, 4:6] == 0).all() and (truth[0][:, 4:6] != 0).all()


def test_wind_pushes_as_hard_in_a_second_at_every_control_rate():
    """Oracle: impulses of independent gusts add up like their variances."""
    for rate in (0.5, 1, 2):
        env = make("MemoryCartPole-v0", 2000, seed=0, wind=0.4, disturb=dict(rate=rate))
        env.reset(seed=0)
        impulse = env.state.memory["gusts"][:, : round(50 * rate)].sum(1) * env.task.dt
        assert impulse.std() == pytest.approx(0.4 * 0.02 * 50**0.5, rel=0.05)
