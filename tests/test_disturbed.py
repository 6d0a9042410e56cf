"""Disturbed environments: other rates, sensors and bodies, held against MuJoCo by hand and the undisturbed twin."""

import copy
import json
import pickle
import warnings

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import course_lib as cl
from course_lib.envs import BatchedEnv, Disturbance, Disturbed, make, make_task
from course_lib.envs.adopt import adopt
from course_lib.envs.anymal.model import mjcf
from course_lib.envs.anymal.terrain import Terrain
from course_lib.envs.engine.draws import normals, uniforms
from course_lib.envs.engine.task import gymnasium_asset
from course_lib.errors import ArgumentError
from course_lib.evaluation.rollout import rollout_states
from course_lib.policies.actor_critics import MLPActorCritic
from course_lib.viz.video import render

CHEETAH, FRAMES = "HalfCheetah-v5", 5
EVERYTHING = dict(noise=0.1, drop=0.3, burst=2, delay=2, dead=[1], dead_from=7, mass=1.2, friction=0.8, strength=0.9)
EVERYTHING |= dict(push=20.0, clock=True, rate=2)


def actions_for(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(env.action_space.low, env.action_space.high, (steps, *env.action_space.shape))


def follow(env, actions):
    """(observations, rewards, terminated, truncated), each (T, N, …)."""
    return [np.stack(parts) for parts in zip(*(env.step(a)[:4] for a in actions), strict=True)]


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def cheetah_by_hand(model, start, actions, skip, force=lambda t: 0.0):
    """Observations and places x of a HalfCheetah stepped by MuJoCo alone; start: (qpos, qvel)."""
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = start
    mujoco.mj_forward(model, data)
    seen, places = [], [data.qpos[0]]
    for action in actions:
        data.ctrl[:] = action
        data.xfrc_applied[1, 0] = force(data.time)
        for _ in range(skip):
            mujoco.mj_step(model, data)
        seen.append(np.concatenate([data.qpos[1:], data.qvel]))
        places.append(data.qpos[0])
    return np.array(seen), np.array(places)


def started(env):
    env.reset(seed=3)
    return env.state.qpos[0].copy(), env.state.qvel[0].copy()


# --- another clock --------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "skip", "finer"), [(2, 5, 2), (0.5, 10, 1), (5, 1, 1), (0.75, 20, 3), (1 / 3, 15, 1)])
def test_a_rate_is_mujoco_stepped_by_hand(rate, skip, finer):
    """The smallest number of physics steps that fills the new control step; the rewards by the formula."""
    env = make(CHEETAH, 1, engine="data", disturb=dict(rate=rate))
    start, actions = started(env), actions_for(env, 20)
    model = mujoco.MjModel.from_xml_path(str(gymnasium_asset("half_cheetah.xml")))
    model.opt.timestep /= finer
    dt = 0.05 / rate
    assert env.dt == pytest.approx(dt) and env.dt == pytest.approx(model.opt.timestep * skip)
    assert env.horizon == round(1000 * rate) and env.step_length == pytest.approx(1 / rate)
    wanted, places = cheetah_by_hand(model, start, actions[:, 0], skip)
    seen, rewards, *_ = follow(env, actions)
    np.testing.assert_allclose(seen[:, 0], wanted, rtol=0, atol=1e-9)
    paid = (np.diff(places) / dt - 0.1 * np.square(actions[:, 0]).sum(axis=1)) / rate
    np.testing.assert_allclose(rewards[:, 0], paid, rtol=0, atol=1e-9)
    assert rewards.sum() == pytest.approx(paid.sum(), abs=1e-9)


LASTING = {  # at most so much of the return: another physics step, or a control step of one physics step
    CHEETAH: 0.15, "HumanoidStandup-v5": 0.02, "Pusher-v5": 0.01, "AnymalSprint-v0": 0.02, "AnymalC-v0": 0.1,
    "MemoryPendulum-v0": 0.07, "Push-v0": 0.05,
}  # fmt: skip


@pytest.mark.parametrize("id", LASTING)
def test_the_same_time_and_about_the_same_return_at_every_rate(id):
    task, found = make_task(id), {}
    task.horizon = 24
    for rate in (0.25, 0.5, 1, 1.5, 4):
        env = BatchedEnv(Disturbed(task, dict(rate=rate)), 2, seed=0)
        env.reset()
        action = np.full(env.action_space.shape, 0.0 if "Anymal" in id else 0.5)
        total, seconds, over = np.zeros(2), 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(action)
            total, seconds, over = total + reward, seconds + env.dt, truncated.all()
            assert not terminated.any()
        found[rate] = total.mean()
        assert seconds == pytest.approx(task.horizon * task.dt)
        env.close()
    np.testing.assert_allclose(list(found.values()), found[1], rtol=LASTING[id])
    if id == CHEETAH:  # a constant action in the same physics steps
        np.testing.assert_allclose([found[0.25], found[0.5]], found[1], rtol=1e-9)


@pytest.mark.parametrize("rate", [0.5, 3])
def test_an_event_is_paid_once(rate):
    env, paid, right = make("CarHeavenHell-v0", 4, disturb=dict(rate=rate)), np.zeros(4), np.zeros(4)
    env.reset()
    running = np.ones(4, bool)
    while running.any():
        side = env.state.qpos[:, 1]
        _, reward, terminated, _, _ = env.step(np.ones((4, 1)))  # to the right, where heaven is at +1
        paid, right = paid + reward * running, np.where(running, side > 0, right)
        running &= ~terminated
    np.testing.assert_array_equal(paid, right)
    assert 0 < paid.sum() < 4


def test_a_table_has_an_option_for_it_already():
    """Twice the rate is the task's own option `rate`, which halves stride, reach and precision too."""
    ours, theirs = make("Push-v0", 3, disturb=dict(rate=2)), make("Push-v0", 3, rate=50)
    assert ours.reset()[0].tolist() == theirs.reset()[0].tolist() and ours.horizon == theirs.horizon
    actions = actions_for(ours, 150)
    assert same(follow(ours, actions), follow(theirs, actions))


def test_a_walker_is_the_task_with_twice_the_physics_steps():
    """What is paid by the second or for an event is not divided."""
    task = make_task("AnymalC-v0")
    task.frame_skip, task.horizon = 20, 500
    ours, theirs = make("AnymalC-v0", 2, disturb=dict(rate=0.5)), BatchedEnv(task, 2)
    ours.reset(), theirs.reset()
    actions = 0.1 * actions_for(ours, 30)
    assert ours.horizon == 500 and same(follow(ours, actions), follow(theirs, actions))


@pytest.mark.parametrize("rate", [0.5, 2])
def test_equations_take_steps_of_the_new_length(rate):
    env = make("MemoryPendulum-v0", 1, observation="full", disturb=dict(rate=rate))
    cos, sin, speed = env.reset()[0][0]
    angle, dt = np.arctan2(sin, cos), 0.05 / rate
    for action in actions_for(env, 20)[:, 0, 0]:
        speed = np.clip(speed + dt * (15.0 * np.sin(angle) + 3.0 * action), -8, 8)
        angle += dt * speed
        seen = env.step(np.array([[action]]))[0][0]
        np.testing.assert_allclose(seen, [np.cos(angle), np.sin(angle), speed], atol=1e-9)


def test_a_clock_says_how_long_a_step_is():
    env = make(CHEETAH, 3, hide="velocities", disturb=dict(rate=0.25, clock=True))
    first, second = env.reset()[0], env.step(np.zeros((3, 6)))[0]
    assert first.shape == (3, 9) and (first[:, 8] == 4.0).all() and (second[:, 8] == 4.0).all()
    assert env.task.observation_kinds() == ["positions"] * 8 + ["durations"]
    assert env.task.keep.tolist() == list(range(8))


# --- another body ---------------------------------------------------------------------------------


def cheetah_xml(**changed):
    """The model with parts of its text replaced."""
    text = gymnasium_asset("half_cheetah.xml").read_text()
    for old, new in changed.values():
        assert old in text
        text = text.replace(old, new)
    return mujoco.MjModel.from_xml_string(text)


def strong():
    model = cheetah_xml()
    model.actuator_gear[:, 0] *= 0.5
    return model


@pytest.mark.parametrize(
    ("disturb", "model"),
    [
        (dict(mass=2), lambda: cheetah_xml(mass=('settotalmass="14"', 'settotalmass="28"'))),
        (dict(friction=0.25), lambda: cheetah_xml(grip=('friction=".4 .1 .1"', 'friction=".1 .1 .1"'))),
        (dict(strength=0.5), strong),
    ],
)
def test_another_body_is_another_model(disturb, model):
    """MuJoCo's compiler is told of it instead: total mass, friction; the gear of the motors."""
    env, plain = make(CHEETAH, 1, engine="data", disturb=disturb), make(CHEETAH, 1, engine="data")
    start, actions = started(env), actions_for(env, 20)
    started(plain)
    seen = follow(env, actions)[0][:, 0]
    np.testing.assert_allclose(seen, cheetah_by_hand(model(), start, actions[:, 0], FRAMES)[0], atol=1e-7)
    assert np.abs(seen - follow(plain, actions)[0][:, 0]).max() > 0.1


def test_weaker_servos_pull_less_and_know_where_their_joint_is():
    text = mjcf(terrain=Terrain(), look=False, sensors=True)
    for old, new in (('kp="100.0"', 'kp="30"'), ('forcerange="-80.0 80.0"', 'forcerange="-24 24"')):
        assert old in text
        text = text.replace(old, new)
    theirs = mujoco.MjModel.from_xml_string(text)
    env = make("AnymalC-v0", 2, disturb=dict(strength=0.3), push_force=0.0)
    ours = env.task.variant(0)
    for name in ("actuator_gainprm", "actuator_biasprm", "actuator_forcerange", "actuator_gear"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-12)
    other = env.task.variant(1)  # drawn, then weakened
    np.testing.assert_allclose(other.actuator_gainprm, 0.3 * make_task("AnymalC-v0").variant(1).actuator_gainprm)
    env.reset()
    env.step(np.full((2, 12), 3.0))
    torque = np.abs(env.state.derived["sensordata"][:, 9:])
    assert torque.max() == pytest.approx(24.0)


def test_the_task_given_is_left_alone():
    task = make_task(CHEETAH, hide="velocities")
    names = [n for n in dir(task.model) if isinstance(getattr(task.model, n), np.ndarray)]
    before = {n: getattr(task.model, n).copy() for n in names}
    disturbed = Disturbed(task, dict(rate=2, mass=2, friction=3, strength=0.5, push=10))
    assert disturbed.frame_skip == 5 and disturbed.horizon == 2000 and disturbed.pushed == 1
    assert task.horizon == task.unmasked.horizon == 1000 and task.pushed is None
    assert task.model.opt.timestep == 0.01 and all(np.array_equal(getattr(task.model, n), before[n]) for n in names)
    assert disturbed.model.body_mass.sum() == pytest.approx(28) and disturbed.variant(5) is disturbed.model


@pytest.mark.parametrize("rate", [0.25, 0.3, 1, 2.5])
def test_pushes_give_the_same_impulse_at_every_rate(rate):
    """10 N for 0.1 s from 0.5 s of every second on, forward and backward in turn."""
    task = Disturbed(make_task("Hopper-v5"), dict(push=10.0, rate=rate))
    time = np.arange(0, 4, task.dt)
    state = task.start(np.zeros((len(time), 6)), np.zeros((len(time), 6)))
    state.time = time
    force = task.push(state)
    assert (force[:, 1:] == 0).all() and np.abs(force).max() <= 10 + 1e-6
    for second, sign in enumerate((1, -1, 1, -1)):
        inside = (time >= second) & (time < second + 1)
        assert task.dt * force[inside, 0].sum() == pytest.approx(sign * 1.0, abs=1e-9)
        calm = inside & ((time + task.dt < second + 0.5) | (time > second + 0.6 + 1e-9))
        assert (force[calm] == 0).all()


def test_a_push_acts_on_the_torso():
    env = make(CHEETAH, 1, engine="data", disturb=dict(push=50.0))
    start, actions = started(env), actions_for(env, 40)

    def force(t):
        return 50.0 * (0.499 < t < 0.599) - 50.0 * (1.499 < t < 1.599)

    wanted, _ = cheetah_by_hand(cheetah_xml(), start, actions[:, 0], FRAMES, force)
    np.testing.assert_allclose(follow(env, actions)[0][:, 0], wanted, atol=1e-7)
    calm, _ = cheetah_by_hand(cheetah_xml(), start, actions[:, 0], FRAMES)
    np.testing.assert_array_equal(calm[:10], wanted[:10])
    assert np.abs(calm[12] - wanted[12]).max() > 0.1


# --- other sensors --------------------------------------------------------------------------------


def test_draws_are_normal_uniform_and_independent():
    copies, steps, entries = 40, 50, 5
    seed = np.repeat(np.random.default_rng(0).integers(2**63, size=copies), steps)
    step = np.tile(np.arange(steps), copies)
    z, u = normals(seed, step, entries), uniforms(seed, step, entries)
    n = z.size
    assert abs(z.mean()) < 4 / n**0.5 and abs(z.std() - 1) < 4 / (2 * n) ** 0.5
    assert abs((z**3).mean()) < 4 * (15 / n) ** 0.5 and abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
    assert u.min() >= 0 and u.max() < 1 and abs(np.histogram(u, 10, (0, 1))[0] / n - 0.1).max() < 4 * (0.09 / n) ** 0.5
    cube = z.reshape(copies, steps, entries)
    for axis in range(3):  # neighbours along copies, steps and entries
        near, far = np.delete(cube, -1, axis), np.delete(cube, 0, axis)
        assert abs((near * far).mean()) < 4 / near.size**0.5
    assert abs(np.corrcoef(z.T) - np.eye(entries)).max() < 4 / len(z) ** 0.5
    assert len(np.unique(z)) == n and normals(seed, step, entries).tolist() == z.tolist()
    np.testing.assert_array_equal(uniforms(seed, step, 3), u[:, :3])


def test_noise_is_added_to_what_is_seen_and_to_nothing_else():
    sd = np.array([0.5, 0.0, *[0.1] * 6])
    noisy, plain = (make(CHEETAH, 50, hide="velocities", disturb=d) for d in (dict(noise=sd), None))
    actions = actions_for(noisy, 20)
    first = noisy.reset()[0] - plain.reset()[0]
    left, right = follow(noisy, actions), follow(plain, actions)
    assert same(left[1:], right[1:])
    noise = np.concatenate([first[None], left[0] - right[0]])
    np.testing.assert_allclose(noise.std((0, 1)), sd, rtol=4 / (2 * 21 * 50) ** 0.5)
    assert abs(noise.mean((0, 1)) / np.maximum(sd, 1e-9)).max() < 4 / (21 * 50) ** 0.5
    for _ in range(3):  # however often one looks
        np.testing.assert_array_equal(noisy.task.observe(noisy.state), left[0][-1])


def test_a_dead_sensor_reads_zero():
    disturb = dict(dead=(0, 7), dead_from=4, noise=0.1)
    dying, noisy = make(CHEETAH, 3, disturb=disturb), make(CHEETAH, 3, disturb=dict(noise=0.1))
    seen = [np.stack([env.reset()[0], *follow(env, actions_for(env, 6))[0]]) for env in (dying, noisy)]
    seen[1][4:, :, [0, 7]] = 0.0
    np.testing.assert_array_equal(*seen)
    always = make(CHEETAH, 3, disturb=dict(dead=3))
    assert (always.reset()[0][:, 3] == 0).all() and (always.reset()[0] == 0).sum() == 3


@pytest.mark.parametrize("delay", [1, 4])
def test_a_delay_shows_the_observation_of_so_many_steps_before(delay):
    """Within an episode; the first is repeated at its start, and `final_obs` is late too."""
    late, plain = make("InvertedPendulum-v5", 3, disturb=dict(delay=delay)), make("InvertedPendulum-v5", 3)
    np.testing.assert_array_equal(late.reset()[0], first := plain.reset()[0])
    history, ends = [[row] for row in first], 0
    for action in actions_for(late, 60):
        seen, *_, infos = late.step(action)
        now, _, terminated, _, truth = plain.step(action)
        for i in range(3):
            history[i].append(truth["final_obs"][i] if terminated[i] else now[i])
            known = history[i][max(0, len(history[i]) - 1 - delay)]
            np.testing.assert_array_equal(infos["final_obs"][i] if terminated[i] else seen[i], known)
            if terminated[i]:
                ends += 1
                np.testing.assert_array_equal(seen[i], now[i])
                history[i] = [now[i]]
    assert ends > 3


@pytest.mark.parametrize(("drop", "burst"), [(0.3, 1), (0.4, 5)])
def test_so_many_observations_are_lost_and_so_many_in_a_row(drop, burst):
    env, plain = (make("MemoryPendulum-v0", 200, disturb=d) for d in (dict(drop=drop, burst=burst), None))
    held, lost = env.reset()[0], []
    plain.reset()
    for action in actions_for(env, 150):
        seen, now = env.step(action)[0], plain.step(action)[0]
        gone = (seen == held).all(axis=1)
        np.testing.assert_array_equal(seen[~gone], now[~gone])  # what is not lost is new
        lost.append(gone)
        held = seen
    lost = np.array(lost)
    assert not lost[0].all()
    share, n = lost[30:].mean(), lost[30:].size / burst  # what happens in a burst happens once
    assert abs(share - drop) < 4 * (drop * (1 - drop) / n) ** 0.5
    lengths = []
    for copy_ in lost.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], copy_, [False]]).astype(int))).reshape(-1, 2)
        lengths += [b - a for a, b in edges if b < len(copy_)]
    lengths = np.array(lengths) / burst
    assert (lengths == np.rint(lengths)).all()  # whole bursts
    begins = drop / (drop + burst * (1 - drop))  # so that the share of lost steps comes out
    assert abs((lengths > 1).mean() - begins) < 4 * (begins * (1 - begins) / len(lengths)) ** 0.5


def test_what_is_lost_does_not_depend_on_the_noise():
    env, plain = (make("MemoryPendulum-v0", 100, disturb=d) for d in (dict(drop=0.5, noise=1.0), None))
    held, noise = env.reset()[0], []
    plain.reset()
    for action in actions_for(env, 60):
        seen, now = env.step(action)[0], plain.step(action)[0]
        noise.append((seen - now)[(seen != held).all(axis=1)])
        held = seen
    noise = np.concatenate(noise)
    assert abs(noise.mean(0)).max() < 4 / len(noise) ** 0.5
    assert abs(noise.std(0) - 1).max() < 4 / (2 * len(noise)) ** 0.5


def test_what_was_returned_belongs_to_the_caller():
    env = make(CHEETAH, 2, disturb=dict(delay=1, drop=0.1))
    for seen in (env.reset()[0], env.step(np.zeros((2, 6)))[0]):
        kept = seen.copy()
        seen[:] = 99.0
        np.testing.assert_array_equal(env.task.observe(env.state), kept)


# --- state, engines, files ------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["rollout", "data"])
@pytest.mark.parametrize("id", [CHEETAH, "InvertedPendulum-v5"])
def test_resumed_in_the_middle_bit_for_bit(id, engine):
    disturb = {name: value for name, value in EVERYTHING.items() if name not in make_task(id).refuses}
    env, other = (make(id, 4, seed=1, hide="velocities", disturb=disturb, engine=engine) for _ in range(2))
    env.reset(options={"stagger": True})
    actions = actions_for(env, 40)
    follow(env, actions[:13])
    snapshot, seen = env.snapshot(), env.task.observe(env.state)
    future = follow(env, actions[13:])
    np.testing.assert_array_equal(env.restore(snapshot), seen)
    assert same(follow(env, actions[13:]), future)
    other.reset(seed=99)
    np.testing.assert_array_equal(other.restore(snapshot), seen)
    assert same(follow(other, actions[13:]), future)


def test_one_seed_makes_one_episode():
    def episode(seed):
        env = make(CHEETAH, 2, seed=seed, disturb=EVERYTHING)
        return [env.reset()[0], *follow(env, actions_for(env, 10))]

    assert same(episode(5), episode(5))
    first, second = episode(5), episode(6)
    np.testing.assert_array_equal(first[0][1], second[0][0])  # copy i has seed + i
    assert not np.array_equal(first[0][0], second[0][0])


def test_single_and_batch_are_the_same_environment():
    disturb = EVERYTHING | {"rate": 0.5}
    single, batch = gym.make(f"course/{CHEETAH}", disturb=disturb), make(CHEETAH, 1, disturb=disturb, engine="data")
    np.testing.assert_array_equal(single.reset(seed=4)[0], batch.reset(seed=4)[0][0])
    for t, action in enumerate(actions_for(batch, 20)):
        if t == 9:
            single = pickle.loads(pickle.dumps(single.unwrapped))
        left, right = single.step(action[0]), batch.step(action)
        np.testing.assert_array_equal(left[0], right[0][0])
        assert left[1] == right[1][0]


def test_gymnasiums_checker_is_content():
    env = gym.make(f"course/{CHEETAH}", disturb=EVERYTHING, render_mode="rgb_array", width=64, height=48)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped, skip_render_check=True)
    assert all("infinity" in str(w.message) for w in caught)
    env.close()


@pytest.mark.parametrize("disturb", [None, {}, dict(rate=1, noise=0, burst=3), Disturbance(), dict(noise=[0.0] * 17)])
def test_nothing_disturbed_is_nothing_wrapped(disturb):
    env = make(CHEETAH, 2, disturb=disturb)
    assert type(env.task).__name__ == "HalfCheetah" and env.options == {} and env.step_length == 1.0


def test_a_policy_remembers_its_conditions_and_is_evaluated_in_others(tmp_path):
    envs = make(CHEETAH, 2, disturb=dict(rate=np.float64(0.25), noise=np.full(17, 2.0), dead=2))
    assert json.dumps(envs.options) and envs.options["disturb"] == dict(rate=0.25, noise=[2.0] * 17, dead=[2])
    policy = MLPActorCritic(17, 6)
    policy.enter(envs)
    loaded = cl.load(cl.save_policy(policy, tmp_path / "policy"))
    assert loaded.env_options == envs.options
    by_hand = adopt(BatchedEnv(Disturbed(make_task(CHEETAH), envs.options["disturb"]), 2))
    assert by_hand.options == envs.options and by_hand.note == ""

    def returns(**options):
        return cl.evaluate(loaded, 2, most_steps=10, **options).deterministic.returns

    own, plain, noisy = returns(), returns(disturb={}), returns(disturb=dict(noise=0.1))
    np.testing.assert_array_equal(own, returns(envs=make(CHEETAH, 2, disturb=Disturbance(**envs.options["disturb"]))))
    np.testing.assert_array_equal(plain, returns(envs=make(CHEETAH, 2)))
    assert not np.array_equal(own, plain) and not np.array_equal(noisy, plain)
    np.testing.assert_array_equal(plain, returns(disturb=None))


def test_a_mask_outside_cannot_be_made_again():
    from course_lib.envs import Masked

    envs = adopt(BatchedEnv(Masked(Disturbed(make_task(CHEETAH), dict(noise=1)), "velocities"), 2))
    assert envs.note == "in Masked, Disturbed"
    assert envs.reset()[0].shape == (2, 8)


@pytest.mark.parametrize(("rate", "fps"), [(2, 20.0), (0.25, 5.0)])
def test_films_keep_time(rate, fps):
    policy = MLPActorCritic(8, 6)
    policy.enter(make(CHEETAH, 1, hide="velocities", disturb=dict(rate=rate, noise=0.1)))
    found = rollout_states(policy, steps=8)
    assert found.dt == pytest.approx(0.05 / rate) and found.fps == pytest.approx(fps)
    np.testing.assert_allclose(found.physics[:, 0], np.arange(8) * found.dt)
    if rate == 2:
        film = render(found, width=32, height=32)
        assert film.fps == pytest.approx(fps) and len(film) == 4


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disturb", "words"),
    [
        (dict(nois=1), ["no field 'nois'", "did you mean 'noise'?"]),
        (3, ["disturb=3", "a dict of some of: rate, noise"]),
        (dict(rate=0), ["disturb.rate=0", "0.015625", "at most 64"]),
        (dict(rate=65), ["disturb.rate=65", "at most 64"]),
        (dict(rate=1.2857), ["disturb.rate=1.2857", "the nearest is 9/7"]),
        (dict(rate=[]), ["disturb.rate=[]", "1 to 64 numbers"]),
        (dict(rate="fast"), ["disturb.rate='fast'", "finite number"]),
        (dict(noise=-0.1), ["disturb.noise=-0.1", "at least 0"]),
        (dict(noise=float("nan")), ["disturb.noise=nan", "finite"]),
        (dict(noise=[0.1, 0.2]), ["disturb.noise has 2 entries", "17"]),
        (dict(drop=1), ["disturb.drop=1 ", "below 1"]),
        (dict(drop=-0.1), ["disturb.drop=-0.1", "probability"]),
        (dict(burst=0), ["disturb.burst=0", "at least 1"]),
        (dict(dead=17), ["disturb.dead=[17]", "0 to 16"]),
        (dict(dead=[-1]), ["disturb.dead=[-1]", "0 to 16"]),
        (dict(dead=[1.5]), ["disturb.dead=[1.5]", "indices"]),
        (dict(dead_from=-1), ["disturb.dead_from=-1", "at least 0"]),
        (dict(delay=1001), ["disturb.delay=1001", "1,000"]),
        (dict(delay=0.5), ["disturb.delay=0.5", "whole number"]),
        (dict(mass=0), ["disturb.mass=0", "above 0"]),
        (dict(mass=float("inf")), ["disturb.mass=inf", "finite"]),
        (dict(friction=-1), ["disturb.friction=-1", "at least 0"]),
        (dict(strength=-1), ["disturb.strength=-1", "at least 0"]),
        (dict(push=-1), ["disturb.push=-1", "at least 0"]),
        (dict(clock=1), ["disturb.clock=1", "True or False"]),
    ],
)
def test_bad_values_get_a_sentence(disturb, words):
    with pytest.raises(ArgumentError) as error:
        make(CHEETAH, 2, disturb=disturb)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("id", "disturb", "words"),
    [
        ("AnymalC-v0", dict(push=1), "which has pushes of its own"),
        (
            "MemoryPendulum-v0",
            dict(mass=2),
            "disturb.mass=2.0 has no meaning in MemoryPendulum-v0.*accepted: rate, noi",
        ),
        ("WaterMaze-v0", dict(rate=2), "disturb.rate=2.0 has no meaning in WaterMaze-v0.*accepted: noise"),
        ("Pendulum-v1", dict(noise=1), "disturb=.*needs a task of this course"),
    ],
)
def test_what_a_task_cannot_have(id, disturb, words):
    with pytest.raises(ArgumentError, match=words):
        make(id, 2, disturb=disturb)
    make(id, 2, disturb={}).close()


def test_twice_disturbed_is_refused():
    task = make_task(CHEETAH, disturb=dict(noise=1))
    with pytest.raises(ArgumentError, match="disturbed already"):
        Disturbed(task, dict(mass=2))
    with pytest.raises(ArgumentError, match="cl.make takes several"):
        Disturbed(make_task(CHEETAH), dict(rate=(1, 2)))
    assert make_task(CHEETAH, disturb=dict(rate=(4, 2))).horizon == 4000  # that of copy 0
    assert copy.copy(task).disturbance is task.disturbance


@pytest.mark.parametrize("id", ["InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Swimmer-v5", "Reacher-v5"])
def test_another_friction_where_nothing_touches_is_refused(id):
    """It would change nothing, and look like a robust policy."""
    with pytest.raises(ArgumentError, match="friction"):
        make(id, 1, disturb=dict(friction=0.5))
