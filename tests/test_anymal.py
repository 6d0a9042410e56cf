"""ANYmal C: the robot against MuJoCo Menagerie's, the two tasks against their definitions, the ground, the meshes."""

import math
import os
import shutil
import sys
from pathlib import Path

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from course_lib.envs import BatchedEnv, make, make_task
from course_lib.envs.anymal import model as anymal_model
from course_lib.envs.anymal import sprint as anymal_sprint
from course_lib.envs.anymal import walk as anymal
from course_lib.envs.anymal.model import FEET, JOINTS, LEGS, SCRAPES, TORQUES, build, gravity, randomised, to_body
from course_lib.envs.anymal.terrain import Terrain
from course_lib.errors import ArgumentError

SPRINT, WALK = "AnymalSprint-v0", "AnymalC-v0"
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "menagerie"
MENAGERIE = Path(os.environ.get("MENAGERIE_ROOT", BESIDE)) / "anybotics_anymal_c"
needs_menagerie = pytest.mark.skipif(
    not (MENAGERIE / "scene.xml").is_file(), reason="MENAGERIE_ROOT names no copy of MuJoCo Menagerie"
)


def actions_for(env, steps, seed=0, std=0.5):
    return np.random.default_rng(seed).normal(scale=std, size=(steps, *env.action_space.shape)).clip(-3, 3)


def same(left, right):
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


# --- the robot ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def original():
    return mujoco.MjModel.from_xml_path(str(MENAGERIE / "scene.xml"))


def forward(model, qpos, qvel, ctrl, contacts=True):
    """(mass matrix (18, 18), acceleration (18,), data)."""
    flags = int(model.opt.disableflags)
    if not contacts:
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:], data.ctrl[:] = qpos, qvel, ctrl
    mujoco.mj_forward(model, data)
    model.opt.disableflags = flags
    # Column j of the mass matrix is the force that gives joint j unit acceleration: no helper of either model.
    mass = np.zeros((model.nv, model.nv))
    for row, unit in zip(mass, np.eye(model.nv), strict=True):
        mujoco.mj_mulM(model, data, row, unit)
    return mass, data.qacc.copy(), data


@needs_menagerie
def test_dynamics_are_menageries(original):
    model, rng = build(), np.random.default_rng(0)
    for _ in range(20):
        qpos, qvel, ctrl = rng.normal(size=19), rng.normal(size=18), rng.uniform(-7, 7, 12)
        qpos[3:7] /= np.linalg.norm(qpos[3:7])
        ours, theirs = (forward(m, qpos, qvel, ctrl, contacts=False) for m in (model, original))
        np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-6)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6, atol=1e-6)
        assert ours[2].ncon == 0


@needs_menagerie
def test_contacts_are_menageries(original):
    """Standing, lying on the side and tangled: the same contacts, and after a step the same state."""
    rng, touching = np.random.default_rng(1), 0
    for look in (True, False):
        model = build(look=look)
        for height, spread in ((0.6, 0.1), (0.3, 0.5), (0.25, 2.0)):
            qpos, qvel = np.zeros(19), rng.normal(size=18)
            qpos[2], qpos[3:7] = height, rng.normal(size=4) * 0.2 + (1, 0, 0, 0)
            qpos[3:7] /= np.linalg.norm(qpos[3:7])
            qpos[7:] = rng.normal(scale=spread, size=12)
            ours, theirs = (forward(m, qpos, qvel, qpos[7:])[2] for m in (model, original))
            assert ours.ncon == theirs.ncon
            touching += ours.ncon
            for m, data in ((model, ours), (original, theirs)):
                mujoco.mj_step(m, data)
            np.testing.assert_allclose(ours.qpos, theirs.qpos, rtol=0, atol=1e-6)
            np.testing.assert_allclose(ours.qvel, theirs.qvel, rtol=0, atol=1e-6)
    assert touching > 20


def test_facts_of_the_robot():
    """What the data sheet says, so that something fails where Menagerie is not at hand."""
    model = build()
    assert (model.nq, model.nv, model.nu) == (19, 18, 12)
    assert model.body_mass.sum() == pytest.approx(44.97, abs=0.02)
    assert model.opt.timestep == 0.002 and model.opt.impratio == 100
    assert tuple(model.actuator(i).name for i in range(12)) == JOINTS
    assert (model.dof_damping[6:] == 1).all() and (model.dof_frictionloss[6:] == 0.1).all()
    assert (model.actuator_forcerange == (-80, 80)).all() and (model.actuator_gainprm[:, 0] == 100).all()
    drawn = model.geom_group == 2
    assert drawn.sum() > 30 and not model.geom_contype[drawn].any()


def test_what_is_drawn_does_not_change_the_physics():
    ends = []
    for model in (build(), build(look=False)):
        data = mujoco.MjData(model)
        data.ctrl[:] = 0.2
        mujoco.mj_step(model, data, 100)
        ends.append(data.qpos.copy())
    assert same(ends[:1], ends[1:])


def test_body_frame_against_mujoco():
    rng = np.random.default_rng(0)
    quaternions = rng.normal(size=(20, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    vectors = rng.normal(size=(20, 3))
    for q, v, seen, down in zip(quaternions, vectors, to_body(quaternions, vectors), gravity(quaternions), strict=True):
        matrix = np.zeros(9)
        mujoco.mju_quat2Mat(matrix, q)
        np.testing.assert_allclose(seen, matrix.reshape(3, 3).T @ v, atol=1e-12)
        np.testing.assert_allclose(down, matrix.reshape(3, 3).T @ (0, 0, -1), atol=1e-12)


# --- the sprint -----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["rollout", "data"])
def test_standing_still_earns_about_443(engine):
    env = make(SPRINT, 2, seed=0, engine=engine, action="predecessor")
    env.reset()
    total = sum(env.step(np.zeros((2, 12)))[1] for _ in range(800))
    _, last, terminated, truncated, infos = env.step(np.zeros((2, 12)))
    np.testing.assert_allclose(total + last, 443, atol=1)
    np.testing.assert_allclose(infos["episode"]["r"], total + last)
    assert truncated.all() and not terminated.any()


def test_sprint_reward_against_plain_mujoco():
    """The reward as the predecessor summed it: after each physics step qvel[0] + z - 0.5; -100 at the fall."""
    env = make(SPRINT, 1, seed=0, engine="data")
    env.reset()
    data, falls = mujoco.MjData(env.task.model), 0
    for action in actions_for(env, 8, std=2.0).repeat(20, axis=0):  # held, so that it falls
        _, reward, terminated, _, infos = env.step(action)
        data.ctrl[:] = 0.5 * action[0]
        paid = 0.0
        for _ in range(5):
            mujoco.mj_step(env.task.model, data)
            paid += data.qvel[0] + data.qpos[2] - 0.5
        fallen = data.qpos[2] < 0.45
        assert terminated[0] == fallen
        assert reward[0] == pytest.approx(paid - 100 * fallen, abs=1e-6)
        terms = [infos[f"reward_{name}"][0] for name in ("forward", "height", "fall")]
        assert sum(terms) == pytest.approx(reward[0], abs=1e-9) and terms[2] == -100 * fallen
        if fallen:
            falls += 1
            mujoco.mj_resetData(env.task.model, data)
    assert falls > 0


def test_sprint_observation_blocks():
    env = make(SPRINT, 2, seed=3)
    env.reset()
    for action in actions_for(env, 30, std=0.2):
        observation = env.step(action)[0]
    state, names = env.state, anymal_sprint
    assert len(env.task.observation_kinds()) == observation.shape[1] == 46
    np.testing.assert_array_equal(observation[:, names.HEIGHT][:, 0], state.qpos[:, 2])
    np.testing.assert_array_equal(observation[:, names.JOINT_OFFSETS], state.qpos[:, 7:])
    np.testing.assert_array_equal(observation[:, names.JOINT_RATES], state.qvel[:, 6:])
    np.testing.assert_array_equal(observation[:, names.LAST_ACTION], action)
    # Turned by 180 degrees: forward along +x in the world is backward for the robot.
    speeds = observation[:, names.LINEAR]
    np.testing.assert_allclose(speeds[:, 0], -state.qvel[:, 0], atol=0.2)
    np.testing.assert_allclose(np.linalg.norm(speeds, axis=1), np.linalg.norm(state.qvel[:, :3], axis=1))
    blind = make(SPRINT, 2, hide="velocities")
    np.testing.assert_array_equal(
        blind.reset()[0], make(SPRINT, 2).reset()[0][:, [*range(4), *range(10, 22), *range(34, 46)]]
    )
    assert make(SPRINT, 2, observation="raw").reset()[0].shape == (2, 37)


def test_sprint_options():
    env = make(SPRINT, 3, seed=0, reset_noise=0.1)
    joints = env.reset()[0][:, anymal_sprint.JOINT_OFFSETS]
    assert 0.05 < np.abs(joints).max() < 0.1 and not np.array_equal(joints[0], joints[1])
    task = make_task(SPRINT, actuation="torque", scale=10.0)
    wide = np.full((1, 12), 5.0)
    assert (task.control(None, wide) == 30).all()
    assert (make_task(SPRINT).control(None, wide) == 1.5).all()
    targets = make_task(SPRINT, action="predecessor").control(None, np.full((1, 12), 50.0))
    np.testing.assert_allclose(targets.reshape(4, 3), [[s * -0.1 + 0.6, 1, 1] for s in (1, -1, 1, -1)])
    assert make_task(SPRINT, physics="fast").model.opt.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL


# --- commanded walking ----------------------------------------------------------------------


def test_the_head_is_in_front():
    """Thrown forward, the robot moves along +x with its face first, and the reward calls that forward."""
    env = make(WALK, 1, seed=0, command=(1.0, 0.0, 0.0), push_force=0.0, reset_noise=0.0)
    env.reset()
    state = env.state.take(np.array([0]))
    state.qvel[:, 0] = 1.0
    env.state.qvel[:] = state.qvel
    env._engine.write(np.array([0]), state)
    observation, _, _, _, infos = env.step(np.zeros((1, 12)))
    assert env.state.qpos[0, 0] > 0.01
    assert observation[0, anymal.LINEAR][0] > 0.5
    assert infos["reward_velocity"][0] > 0.7 * 3 * env.task.dt
    data = mujoco.MjData(env.task.model)
    data.qpos[:] = env.state.qpos[0]
    mujoco.mj_forward(env.task.model, data)
    assert data.geom("LF_FOOT").xpos[0] > data.geom("LH_FOOT").xpos[0] + 0.5
    assert data.geom("LF_FOOT").xpos[1] > data.geom("RF_FOOT").xpos[1] + 0.3


def test_walk_observation_blocks_and_sensors():
    env = make(WALK, 3, seed=0, push_force=0.0, engine="data", randomize=False, reset_noise=0.0)
    first = env.reset()[0]
    assert first.shape == (3, 52) == (3, len(env.task.observation_kinds()))
    assert not first[:, anymal.CONTACTS].any() and not first[:, anymal.LAST_ACTION].any()
    for _ in range(50):
        observation = env.step(np.zeros((3, 12)))[0]
    assert observation[:, anymal.CONTACTS].all()
    sensors = env.state.derived["sensordata"]
    np.testing.assert_allclose(sensors[:, FEET].sum(axis=1), 44.97 * 9.81, rtol=0.05)
    assert not sensors[:, SCRAPES].any()
    np.testing.assert_allclose(sensors[:, TORQUES], [d.actuator_force for d in env._engine.datas])
    np.testing.assert_array_equal(observation[:, anymal.COMMAND], env.task.command(env.state))
    np.testing.assert_allclose(observation[:, anymal.JOINT_OFFSETS], env.state.qpos[:, 7:] - anymal.STANCE)


def test_a_robot_on_its_back_has_fallen_and_scrapes():
    env = make(WALK, 1, seed=0)
    env.reset()
    state = env.state.take(np.array([0]))
    state.qpos[:, 2], state.qpos[:, 3:7] = 0.19, (0, 1, 0, 0)
    placed = env._engine.write(np.array([0]), state)
    assert env.task.terminated(placed)[0]
    env.state = placed
    _, _, terminated, _, infos = env.step(np.zeros((1, 12)))
    assert terminated[0] and infos["reward_fall"][0] == -5
    assert infos["reward_scrape"][0] < 0 and infos["reward_orientation"][0] <= 0


def test_walk_reward_against_its_definition():
    env = make(WALK, 4, seed=0, engine="data")
    env.reset()
    last = np.zeros((4, 12))
    for action in actions_for(env, 40, std=0.4):
        before = env.state.take(np.arange(4))
        _, reward, over, _, infos = env.step(action)
        after, command = env.state, env.task.command(before)
        np.testing.assert_array_equal(env.task.observe(after)[~over, anymal.LAST_ACTION], action[~over])
        for i in np.flatnonzero(~over):
            data = env._engine.datas[i]
            turn = np.zeros(9)
            mujoco.mju_quat2Mat(turn, after.qpos[i, 3:7])
            turn = turn.reshape(3, 3)
            ahead = turn[:2, 0] / np.linalg.norm(turn[:2, 0])
            moved = (after.qpos[i, :2] - before.qpos[i, :2]) / 0.02
            velocity = np.array([ahead @ moved, ahead[0] * moved[1] - ahead[1] * moved[0]])
            power = np.abs(data.actuator_force * data.qvel[6:]).sum()
            expected = {
                "velocity": 0.02 * 3 * max(-0.5, 1 - math.dist(velocity, command[i, :2])),
                "yaw_rate": 0.02 * 1.5 * max(-0.5, 1 - abs(data.qvel[5] - command[i, 2])),
                "vertical": 0.02 * -0.5 * data.qvel[2] ** 2,
                "orientation": 0.02 * -1 * (1 - turn[2, 2] ** 2),
                "posture": 0.02 * -0.15 * math.dist(data.qpos[7:], [0, 0.4, -0.8] * 2 + [0, -0.4, 0.8] * 2) ** 2,
                "energy": 0.02 * -1e-4 * power,
                "smoothness": 0.02 * -0.01 * ((action[i] - last[i]) ** 2).sum(),
            }
            for name, value in expected.items():
                assert infos[f"reward_{name}"][i] == pytest.approx(value, abs=1e-9), name
        np.testing.assert_allclose(sum(v for k, v in infos.items() if k.startswith("reward_")), reward)
        last = np.where(over[:, None], 0.0, action)


def test_air_time_is_paid_at_the_landing():
    """Dropped from 15 cm: every foot is in the air for about 0.2 s, and each lands."""
    env = make(WALK, 1, seed=0, command=(1.0, 0, 0), push_force=0.0, reset_noise=0.0)
    env.reset()
    state = env.state.take(np.array([0]))
    state.qpos[:, 2] += 0.15
    env.state = env._engine.write(np.array([0]), state)
    paid, landings, flown = 0.0, 0, 0.0
    for _ in range(20):
        air = env.state.memory["air_time"][0]
        infos = env.step(np.zeros((1, 12)))[4]
        landed = (air > 0) & (env.state.memory["air_time"][0] == 0)
        landings, flown = landings + landed.sum(), flown + np.clip(air[landed] - 0.1, 0.0, 0.3).sum()
        paid += infos["reward_air_time"][0]
    assert landings >= 4 and 0.2 < flown < 0.6
    assert paid == pytest.approx(0.5 * flown)


def test_commands_change_and_stay_in_range():
    task = make_task(WALK, forward=(0.5, 1.0), left=(0.0, 0.0), turn=(-0.2, 0.2))
    state = task.reset(np.random.default_rng(0), 200)
    seen = []
    for second in range(21):
        state.time[:] = second
        seen.append(task.command(state))
    seen = np.array(seen)
    changes = (np.diff(seen, axis=0) != 0).any(axis=2).sum(axis=0)
    assert 2 < changes.mean() < 3 and changes.max() <= 4
    still = (seen == 0).all(axis=2)
    assert 0.05 < still.mean() < 0.15
    assert seen[~still][:, 0].min() >= 0.5 and seen[..., 0].max() <= 1.0
    assert (seen[..., 1] == 0).all() and np.abs(seen[..., 2]).max() <= 0.2
    fixed = make_task(WALK, command=(0.7, 0.0, 0.1))
    np.testing.assert_array_equal(fixed.command(fixed.reset(np.random.default_rng(0), 2)), [[0.7, 0, 0.1]] * 2)


def test_the_heading_is_kept():
    """Turned by 20 degrees to either side, the robot is told to turn back; by 90 degrees, no faster than 0.5 rad/s."""
    env = make(WALK, 4, seed=0, command=(0.8, 0, 0), keep_heading=True, reset_noise=0.0)
    env.reset()
    state = env.state.take(np.arange(4))
    angles = np.deg2rad([20, -20, 90, 0])
    state.qpos[:, 3:7] = np.stack([np.cos(angles / 2), 0 * angles, 0 * angles, np.sin(angles / 2)], axis=1)
    told = env.task.command(state)
    assert told[:, 2] == pytest.approx([-np.deg2rad(20), np.deg2rad(20), -0.5, 0])
    assert told[:, :2] == pytest.approx(np.tile([0.8, 0], (4, 1)))


@pytest.mark.parametrize("engine", ["rollout", "data"])
def test_pushes_push(engine):
    """A push at 0.4 s for 0.2 s: nothing before, and the momentum it brings is force times time."""
    runs = {}
    for force in (0.0, 50.0):
        env = make(WALK, 2, seed=0, engine=engine, push_force=force, push_at=0.4, randomize=False, reset_noise=0.0)
        env.reset()
        runs[force] = [env.state] + [(env.step(np.zeros((2, 12))), env.state)[1] for _ in range(40)]
        direction = env.state.memory["pushes"][:, 0]
    same_until = [np.array_equal(a.qpos, b.qpos) for a, b in zip(runs[0.0], runs[50.0], strict=True)]
    assert all(same_until[:21]) and not any(same_until[21:])
    np.testing.assert_allclose(np.linalg.norm(direction, axis=1), 50)
    assert not np.allclose(direction[0], direction[1])
    for i in range(2):
        gained = (runs[50.0][21].qvel[i, :2] - runs[0.0][21].qvel[i, :2]) @ direction[i] / 50
        assert 0.2 * 50 * 0.02 / 45 < gained < 2.5 * 50 * 0.02 / 19.2  # between the whole robot and the base alone
    active = [env.task.push(s)[0].any() for s in runs[50.0]]
    assert np.flatnonzero(active).tolist() == list(range(20, 30))


def test_pushes_fall_anywhere_in_the_episode():
    task = make_task(WALK)
    begins = task.reset(np.random.default_rng(0), 300).memory["push_from"]
    assert begins[:, 0].min() > 3 and (np.diff(begins, axis=1) > 3).all()
    assert np.histogram(begins, bins=5, range=(5, 20))[0].min() > 100


def test_randomised_models():
    model, plain = build(look=False), build(look=False)
    drawn = [randomised(model, np.random.default_rng(i)) for i in range(30)]
    mass = np.array([m.body_mass[1] for m in drawn]) - plain.body_mass[1]
    grip = np.array([m.geom("LF_FOOT").friction[0] for m in drawn]) / 0.8
    gain = np.array([m.actuator_gainprm[0, 0] for m in drawn]) / 100
    for values, (low, high) in (
        (mass, anymal_model.MASS_RANGE),
        (grip, anymal_model.FRICTION_RANGE),
        (gain, anymal_model.GAIN_RANGE),
    ):
        assert low <= values.min() < low + 0.2 * (high - low) and high - 0.2 * (high - low) < values.max() <= high
    assert all((m.actuator_biasprm[:, 1] == -m.actuator_gainprm[:, 0]).all() for m in drawn)
    np.testing.assert_array_equal(model.body_mass, plain.body_mass)  # the original was left alone
    assert drawn[0].body_subtreemass[1] == pytest.approx(drawn[0].body_mass.sum())


def test_copies_differ_and_the_first_is_nominal():
    ends = {}
    for randomize in (True, False):
        env = make(WALK, 3, seed=0, randomize=randomize, reset_noise=0.0, push_force=0.0)
        env.reset()
        for _ in range(20):
            env.step(np.zeros((3, 12)))
        ends[randomize] = env.state.qpos
    assert same([ends[False][0]] * 3, [*ends[False][1:], ends[True][0]])
    assert not np.allclose(ends[True][0], ends[True][1], atol=1e-6)
    assert not np.allclose(ends[True][1], ends[True][2], atol=1e-6)


def test_weights_drop_terms():
    env = make(WALK, 2, seed=0, weights={"torque": 0.0, "velocity": 9.0})
    other = make(WALK, 2, seed=0)
    env.reset(), other.reset()
    action = actions_for(env, 1)[0]
    left, right = env.step(action)[4], other.step(action)[4]
    assert not left["reward_torque"].any() and right["reward_torque"].all()
    np.testing.assert_allclose(left["reward_velocity"], 3 * right["reward_velocity"])


# --- both tasks -----------------------------------------------------------------------------


@pytest.mark.parametrize("id", [SPRINT, WALK])
def test_both_engines_make_the_same_step(id):
    """From the same state; a cold start of the solver and its tolerance make the difference (see `physics`)."""
    fast, exact = (make(id, 4, seed=0, engine=engine) for engine in ("rollout", "data"))
    np.testing.assert_allclose(fast.reset()[0], exact.reset()[0], atol=1e-12)
    for action in actions_for(fast, 40, std=0.3):
        exact.state = exact._engine.write(np.arange(4), fast.state.take(np.arange(4)))
        exact.state.memory = fast.state.memory
        left, right = fast.step(action), exact.step(action)
        np.testing.assert_allclose(left[0], right[0], atol=2e-4)
        np.testing.assert_allclose(left[1], right[1], atol=2e-3)
        np.testing.assert_array_equal(left[2], right[2])
        for name, value in fast.state.derived.items():
            assert value.shape == exact.state.derived[name].shape


def test_substeps_are_those_of_the_physics():
    """The last one is the state itself, and x moves by 0.002 s times the speed after each."""
    env = make(SPRINT, 3, seed=0, reset_noise=0.05)
    env.reset()
    np.testing.assert_array_equal(env.state.derived["substep_qpos"][:, 2], env.state.qpos)
    for action in actions_for(env, 10):
        env.step(action)
        between = env.state.derived["substep_qpos"]
        np.testing.assert_array_equal(between[:, -1], env.state.qpos)
        np.testing.assert_allclose((between[:, -1, 0] - between[:, -2, 0]) / 0.002, env.state.qvel[:, 0], atol=1e-9)


@pytest.mark.parametrize("id", [SPRINT, WALK])
@pytest.mark.parametrize("engine", ["rollout", "data"])
def test_snapshot_and_restore_are_bit_identical(id, engine):
    options = {"terrain": "rough"} if id == WALK else {"hide": "velocities"}
    env = make(id, 3, seed=0, engine=engine, **options)
    env.reset(options={"stagger": True})
    actions = actions_for(env, 6, std=2.0).repeat(15, axis=0)  # held, so that robots fall

    def run(env, actions):
        return [np.stack(parts) for parts in zip(*(env.step(a)[:4] for a in actions), strict=True)]

    run(env, actions[:30])
    snapshot, observation = env.snapshot(), env.task.observe(env.state)
    future = run(env, actions[30:])
    assert future[2].any()
    other = make(id, 3, seed=9, engine=engine, threads=1, **options)
    np.testing.assert_array_equal(other.restore(snapshot), observation)
    assert same(run(other, actions[30:]), future)
    np.testing.assert_array_equal(env.restore(snapshot), observation)
    assert same(run(env, actions[30:]), future)


@pytest.mark.parametrize("id", [SPRINT, WALK])
def test_single_and_batch_are_the_same_environment(id):
    single, batch = gym.make(f"course/{id}"), make(id, 1, seed=4, engine="data")
    assert single.spec.max_episode_steps == batch.task.horizon
    np.testing.assert_array_equal(single.reset(seed=4)[0], batch.reset()[0][0])
    for action in actions_for(batch, 20, std=0.2):
        left, right = single.step(action[0].astype(np.float32)), batch.step(action.astype(np.float32))
        np.testing.assert_array_equal(left[0], right[0][0])
        assert left[1] == right[1][0]
        assert {k for k in right[4] if k.startswith("reward_")} == set(left[4])


@pytest.mark.parametrize("id", [SPRINT, WALK])
def test_gymnasiums_checker(id, recwarn):
    env = gym.make(f"course/{id}", render_mode="rgb_array", width=64, height=48)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()
    remarks = [str(w.message) for w in recwarn]
    assert all("infinity" in remark or "normalized" in remark for remark in remarks), remarks


# --- the ground -----------------------------------------------------------------------------


def height_at(model, x, y):
    """Where a ray from above meets the ground."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    geom = np.zeros(1, dtype=np.int32)
    solid = np.array([0, 0, 0, 0, 0, 0], dtype=np.uint8)
    solid[0] = 1  # steps and floor are in group 0, what is only drawn in 2, the robot in 2 and 3
    distance = mujoco.mj_ray(model, data, np.array([x, y, 9.0]), np.array([0.0, 0, -1]), solid, 1, -1, geom)
    return 9.0 - distance


@pytest.mark.parametrize(
    "terrain",
    [
        Terrain("step"),
        Terrain("step", height=0.3, distance=1.0, length=1.0),
        Terrain("stairs", steps=3, height=0.12, depth=0.5),
        Terrain("hurdles", steps=3, height=0.15, length=0.7),
        Terrain("rough", seed=3),
        Terrain("rough", height=0.3, distance=3.0),
    ],
)
def test_the_mean_under_the_base_is_the_grounds(terrain):
    model = build(terrain=terrain, look=False)
    for x in (0.0, 1.0, 1.7, 2.3, 3.1, 4.0, 6.0, 8.4):
        mean = np.mean([height_at(model, x + d, 0.013) for d in np.linspace(-0.4, 0.4, 41)])
        tolerance = 0.015 if terrain.kind != "rough" else 0.1 * terrain.height
        assert terrain.under(np.array([x]), np.array([0.013]))[0] == pytest.approx(mean, abs=tolerance)


@pytest.mark.parametrize("kind", ["step", "stairs", "hurdles", "rough"])
def test_the_top_is_the_highest_ground_near(kind):
    terrain = Terrain(kind, distance=1.0, length=0.7)
    model = build(terrain=terrain, look=False)
    x = np.linspace(0.5, 9.0, 35) + 0.003
    top = terrain.top(x, np.full(35, 0.013))
    found = [max(height_at(model, a + d, 0.013) for d in np.linspace(-0.4, 0.4, 81)) for a in x]
    assert top == pytest.approx(found, abs=1e-6 if kind != "rough" else 0.02)


def test_grounds_are_as_ordered():
    step = build(terrain=Terrain("step"))
    assert [height_at(step, x, 20.0) for x in (1.99, 2.01, 5.99, 6.01)] == pytest.approx([0, 0.15, 0.15, 0])
    stairs = build(terrain=Terrain("stairs", steps=3, height=0.1, depth=0.4, length=2.0))
    assert [height_at(stairs, x, 0) for x in (1.9, 2.2, 2.6, 3.0, 5.1, 5.3)] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.3, 0]
    )
    hurdles = build(terrain=Terrain("hurdles", steps=2, height=0.2, length=0.5))
    places = (1.9, 2.1, 2.6, 2.9, 3.1, 3.4, 3.6)
    assert [height_at(hurdles, x, 0) for x in places] == pytest.approx([0, 0.1, 0, 0, 0.2, 0.2, 0])
    left, right = Terrain("rough", seed=1), Terrain("rough", seed=2)
    assert not np.array_equal(left.relief, right.relief)
    assert np.array_equal(left.relief, Terrain("rough", seed=1).relief)
    assert 0.06 < np.ptp(left.relief) <= 0.12
    rough = build(terrain=left)
    assert abs(height_at(rough, 0.0, 0.0)) < 1e-6
    assert rough.geom("floor").pos[2] < left.relief.min()
    x, y = np.array([5.0, 9.6, 20.2]), np.array([0.0, 1.4, -3.6])  # corners of the height field's cells
    heights = left.relief[np.rint((y + 6) / 0.2).astype(int), np.rint((x + 4) / 0.2).astype(int)]
    assert [height_at(rough, *place) for place in zip(x, y, strict=True)] == pytest.approx(heights, abs=1e-3)


@pytest.mark.parametrize("id", [SPRINT, WALK])
@pytest.mark.parametrize("terrain", ["step", "stairs", "hurdles", "rough"])
def test_standing_on_any_ground_is_no_fall(id, terrain):
    """Placed with the base over an edge or over bumps, the robot stands; heights are over the ground."""
    options = {"push_force": 0.0} if id == WALK else {}
    env = make(id, 4, seed=0, terrain={"kind": terrain, "height": 0.1, "distance": 1.0}, **options)
    env.reset()
    state = env.state.take(np.arange(4))
    state.qpos[:, 0] = [0.0, 1.0, 2.0, 3.0]
    top = max([0.0] + [h for _, _, h in env.task.terrain.boxes()])
    state.qpos[:, 2] += np.minimum(env.task.terrain.under(state.qpos[:, 0] + 0.5, state.qpos[:, 1]) + 0.03, top + 0.1)
    env.state = env._engine.write(np.arange(4), state)
    fallen = sum(env.step(np.zeros((4, 12)))[2] for _ in range(50))
    assert not fallen.any()
    heights = env.task.height(env.state.qpos if id == SPRINT else env.state)
    assert (0.4 < heights).all() and (heights < 0.75).all()


def test_starts_are_spread_along_the_track():
    """Every robot starts on its feet wherever it starts, and not inside the ground."""
    env = make(WALK, 64, seed=0, terrain={"kind": "hurdles", "height": 0.2}, along=40.0, push_force=0.0)
    env.reset()
    x = env.state.qpos[:, 0]
    assert 0 <= x.min() < 3 and 37 < x.max() <= 40
    assert env.state.qpos[:, 2] == pytest.approx(0.55 + env.task.terrain.top(x, 0 * x))
    fallen = sum(env.step(np.zeros((64, 12)))[2] for _ in range(50))
    assert not fallen.any()


# --- meshes ---------------------------------------------------------------------------------


@needs_menagerie
def test_meshes_change_the_look_only(monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(MENAGERIE.parent))
    dressed, plain = make_task(SPRINT, meshes=True), make_task(SPRINT)
    assert dressed.model.nmesh > 20 and plain.model.nmesh == 0
    drawn = dressed.model.geom_type == mujoco.mjtGeom.mjGEOM_MESH
    assert drawn.sum() > 40 and not dressed.model.geom_contype[drawn].any()
    ends = []
    for task in (dressed, plain):
        env = BatchedEnv(task, 2, engine="rollout")
        env.reset()
        ends += [[env.step(a)[0] for a in actions_for(env, 10)]]
    assert same(*ends)
    data = mujoco.MjData(dressed.model)
    mujoco.mj_step(dressed.model, data, 50)
    other = mujoco.MjData(plain.model)
    mujoco.mj_step(plain.model, other, 50)
    np.testing.assert_allclose(data.qpos, other.qpos, atol=1e-9)


@needs_menagerie
def test_incomplete_folders_get_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    with pytest.raises(ArgumentError, match=r"meshes=True finds no anybotics_anymal_c/anymal_c.xml in MENAGERIE_ROOT="):
        make_task(SPRINT, meshes=True)
    copied = tmp_path / "anybotics_anymal_c"
    (copied / "assets").mkdir(parents=True)
    shutil.copy(MENAGERIE / "anymal_c.xml", copied)
    for path in (MENAGERIE / "assets").iterdir():
        (copied / "assets" / path.name).symlink_to(path)
    (copied / "assets" / "thigh.obj").unlink()
    (copied / "assets" / "face.png").unlink()
    with pytest.raises(
        ArgumentError, match=r"without 2 of its files, thigh.obj among them; set MENAGERIE_ROOT"
    ) as error:
        make_task(SPRINT, meshes=True)
    assert "\n" not in str(error.value)
    (copied / "assets" / "thigh.obj").write_text("not a mesh")
    (copied / "assets" / "face.png").symlink_to(MENAGERIE / "assets" / "face.png")
    with pytest.raises(ArgumentError, match="cannot read") as error:
        make_task(SPRINT, meshes=True)
    assert "\n" not in str(error.value)
    (copied / "anymal_c.xml").write_text("<mujoco")
    with pytest.raises(ArgumentError, match="cannot read"):
        make_task(SPRINT, meshes=True)


def test_without_a_folder_or_the_package(monkeypatch):
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    with pytest.raises(ArgumentError, match=r"pip install 'liquid-control\[meshes\]', or set MENAGERIE_ROOT"):
        make_task(WALK, meshes=True)


def test_the_packages_copy_is_used(monkeypatch):
    class Robot:
        def path(self, progress):
            raise RuntimeError("Could not download it:\nno network")

    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    package = type(sys)("mujoco_menagerie")
    package.get = lambda name: Robot()
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", package)
    with pytest.raises(ArgumentError, match=r"could not download the meshes \(Could not download it:\); set") as error:
        make_task(WALK, meshes=True)
    assert "\n" not in str(error.value)
    if MENAGERIE.is_dir():
        Robot.path = lambda self, progress: MENAGERIE
        assert make_task(WALK, meshes=True).model.nmesh > 20


# --- rendering, bad input, silence -----------------------------------------------------------


@pytest.mark.parametrize(("id", "options"), [(SPRINT, {}), (WALK, {"terrain": "stairs"})])
def test_rendering(id, options):
    env = gym.make(f"course/{id}", render_mode="rgb_array", width=96, height=64, **options)
    env.reset(seed=0)
    picture = env.render().astype(int)
    red = (picture[..., 0] > 90) & (picture[..., 1] < 60) & (picture[..., 2] < 60)
    assert picture.shape == (64, 96, 3) and red.sum() > 20  # the robot wears its own colours
    env.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"physics": "exakt"}, ["physics='exakt'", "did you mean 'exact'?"]),
        ({"actuation": "servo"}, ["actuation='servo'", "'pd', 'torque'"]),
        ({"terrain": "steps"}, ["terrain='steps'", "did you mean 'step'?"]),
        ({"terrain": {"kind": "step", "heigth": 1}}, ["'heigth'", "did you mean 'height'?"]),
        ({"terrain": {"kind": "step", "height": -0.1}}, ["terrain height=-0.1", "at least 0"]),
        ({"terrain": {"kind": "step", "distance": 1e9}}, ["terrain distance=", "at most 40 m"]),
        ({"terrain": {"kind": "stairs", "steps": 0}}, ["terrain steps=0", "at least 1"]),
        ({"terrain": 3}, ["terrain=3", "flat, step, stairs, hurdles, rough"]),
        ({"along": -1}, ["along=-1", "at least 0 (m)"]),
        ({"scale": "much"}, ["scale='much'", "number of at least 0"]),
        ({"reset_noise": -1}, ["reset_noise=-1", "at least 0"]),
        ({"weights": {"enrgy": 0}}, ["'enrgy'", "did you mean 'energy'?"]),
        ({"weights": {"energy": None}}, ["weights['energy']=None", "number"]),
        ({"weights": "none"}, ["weights='none'", "dict"]),
        ({"command": (1, 0)}, ["command=(1, 0)", "three numbers"]),
        ({"command": 1.0}, ["command=1.0", "three numbers"]),
        ({"forward": (1.0, 0.5)}, ["forward=(1.0, 0.5)", "smaller"]),
        ({"turn": (0, np.nan)}, ["turn=nan", "number"]),
        ({"push_force": -5}, ["push_force=-5", "at least 0 (N)"]),
        ({"push_at": "soon"}, ["push_at='soon'", "(s)"]),
        ({"randomize_seed": -1}, ["randomize_seed=-1", "at least 0"]),
        ({"pushes": True}, ["pushes=True", "push_at"]),
    ],
)
def test_bad_options_of_the_walk(options, words):
    with pytest.raises(ArgumentError) as error:
        make_task(WALK, **options)
    sentence = str(error.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"action": "old"}, ["action='old'", "'stance', 'predecessor'"]),
        ({"action": "predecessor", "actuation": "torque"}, ["action='predecessor'", "'pd'"]),
        ({"observation": "row"}, ["observation='row'", "did you mean 'raw'?"]),
        ({"fall_height": None}, ["fall_height=None", "number"]),
        ({"hide": "velocity"}, ["hide='velocity'", "did you mean 'velocities'?"]),
    ],
)
def test_bad_options_of_the_sprint(options, words):
    with pytest.raises(ArgumentError) as error:
        make_task(SPRINT, **options)
    for word in words:
        assert word in str(error.value)


def test_the_licence_lies_beside_the_model():
    text = Path(anymal_model.__file__).with_name("ANYMAL_LICENSE.txt").read_text()
    assert "Copyright 2020, ANYbotics AG." in text and "AS IS" in text
    assert set(LEGS) == {"LF", "RF", "LH", "RH"}


def test_gymnasium_can_vectorise_the_task():
    """`make_vec` builds every copy itself, as the engine's benchmark has it do."""
    envs = gym.make_vec(f"course/{SPRINT}", 2, vectorization_mode="sync", reset_noise=0.1)
    ours = make(SPRINT, 2, seed=0, engine="data", reset_noise=0.1)
    np.testing.assert_array_equal(envs.reset(seed=0)[0], ours.reset()[0])
    action = actions_for(ours, 1)[0].astype(np.float32)
    np.testing.assert_array_equal(envs.step(action)[1], ours.step(action)[1])
    envs.close()


def test_who_keeps_the_heading_is_told_no_turning_rate():
    with pytest.raises(ArgumentError, match="is not accepted with keep_heading=True"):
        make_task("AnymalC-v0", command=(0.5, 0.0, 0.7), keep_heading=True)
    assert make_task("AnymalC-v0", command=(0.5, 0.0, 0.0), keep_heading=True).keep_heading
