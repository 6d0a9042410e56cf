"""Every task against Gymnasium's own environment, step by step."""

import gymnasium as gym
import numpy as np
import pytest

from course_lib.envs import TWINS, make, make_task
from course_lib.envs.engine.task import quiet
from course_lib.envs.twins.hopper import Hopper
from course_lib.errors import ArgumentError

SEEDS, STEPS, SAME = 5, 1000, 1e-9
STATE_ONLY = [id for id in TWINS if not make_task(id).derived]


def originals(id, **options):
    """One environment of Gymnasium for each seed, and their first observations (SEEDS, obs_dim)."""
    with quiet():
        envs = [gym.make(id, **options) for _ in range(SEEDS)]
    return envs, np.stack([env.reset(seed=seed)[0] for seed, env in enumerate(envs)])


def random_actions(env, seed=0):
    """STEPS batches of actions (SEEDS, action_dim), float32 as `action_space.sample()` gives them."""
    space, rng = env.single_action_space, np.random.default_rng(seed)
    return rng.uniform(space.low, space.high, (STEPS, *env.action_space.shape)).astype(np.float32)


@pytest.mark.parametrize("id", TWINS)
def test_data_engine_equals_gymnasium(id):
    """Free running through resets: nothing is ever synchronised."""
    peers, first = originals(id)
    env = make(id, SEEDS, seed=0, engine="data")
    assert env.single_observation_space == peers[0].observation_space
    assert env.single_action_space == peers[0].action_space
    assert env.task.dt == pytest.approx(peers[0].unwrapped.dt)
    worst, episodes = np.abs(env.reset()[0] - first).max(), 0
    for actions in random_actions(env):
        observation, reward, terminated, truncated, infos = env.step(actions)
        for i, peer in enumerate(peers):
            seen, paid, dead, late, _ = peer.step(actions[i])
            assert (dead, late) == (terminated[i], truncated[i])
            over = dead or late
            last = infos["final_obs"][i] if over else observation[i]
            worst = max(worst, np.abs(last - seen).max(), abs(paid - reward[i]))
            if over:
                episodes += 1
                worst = max(worst, np.abs(observation[i] - peer.reset()[0]).max())
    assert worst <= SAME
    assert episodes >= SEEDS  # every copy went through a reset


def synchronise(env, peers):
    """Put the states of `peers` into `env`."""
    for i, peer in enumerate(peers):
        data = peer.unwrapped.data
        start = env.task.start(data.qpos[None].copy(), data.qvel[None].copy())
        start.time[:] = data.time
        for name in ("time", "qpos", "qvel"):
            getattr(env.state, name)[i] = getattr(start, name)[0]
        env._engine.write(np.array([i]), start)


@pytest.mark.parametrize("id", STATE_ONLY)
def test_rollout_engine_makes_the_same_step(id):
    """From Gymnasium's state, one step of the rollout engine, at every one of 5 x 1,000 steps.

    The rollout engine starts each constraint solve cold. Where the solver's stopping rule (tolerance 1e-8)
    then falls one iteration earlier or later, a step differs by up to about 1e-6; this must stay rare.
    """
    peers, _ = originals(id)
    env = make(id, SEEDS, seed=0, engine="rollout")
    env.reset()
    errors = []
    for actions in random_actions(env):
        synchronise(env, peers)
        observation, reward, terminated, truncated, infos = env.step(actions)
        for i, peer in enumerate(peers):
            seen, paid, dead, late, _ = peer.step(actions[i])
            assert (dead, late) == (terminated[i], truncated[i])
            last = infos["final_obs"][i] if dead or late else observation[i]
            errors.append(max(np.abs(last - seen).max(), abs(paid - reward[i])))
            if dead or late:
                peer.reset()
    errors = np.array(errors)
    assert (errors > SAME).mean() <= 1e-3
    assert errors.max() <= 1e-5


@pytest.mark.parametrize("id", STATE_ONLY)
def test_rollout_engine_follows_gymnasium_from_the_start(id):
    """Free running, as long as chaos has not magnified the last bits: 25 steps."""
    peers, first = originals(id)
    env = make(id, SEEDS, seed=0, engine="rollout")
    assert np.abs(env.reset()[0] - first).max() == 0
    alive = np.ones(SEEDS, dtype=bool)
    for actions in random_actions(env)[:25]:
        observation, reward, terminated, _, _ = env.step(actions)
        for i in np.flatnonzero(alive):
            seen, paid, dead, _, _ = peers[i].step(actions[i])
            assert dead == terminated[i]
            assert abs(paid - reward[i]) <= SAME
            alive[i] = not dead
            if alive[i]:
                assert np.abs(observation[i] - seen).max() <= SAME


@pytest.mark.parametrize(
    ("id", "options"),
    [
        ("HalfCheetah-v5", {"forward_reward_weight": 2.0, "ctrl_cost_weight": 0.5, "reset_noise_scale": 0.2}),
        ("InvertedPendulum-v5", {"reset_noise_scale": 0.1}),
        ("InvertedDoublePendulum-v5", {"healthy_reward": 3.0}),
        (
            "Hopper-v5",
            {"terminate_when_unhealthy": False, "healthy_z_range": (0.5, 1.0), "healthy_reward": 2.0},
        ),
        ("Walker2d-v5", {"terminate_when_unhealthy": False, "healthy_angle_range": (-0.5, 0.5)}),
        ("Ant-v5", {"include_cfrc_ext_in_observation": False, "contact_force_range": (-2.0, 0.5)}),
        ("Swimmer-v5", {"ctrl_cost_weight": 0.1}),
        ("Reacher-v5", {"reward_dist_weight": 2.0, "reward_control_weight": 0.5}),
    ],
)
def test_options_mean_what_they_mean_in_gymnasium(id, options):
    peers, first = originals(id, **options)
    env = make(id, SEEDS, seed=0, engine="data", **options)
    assert np.abs(env.reset()[0] - first).max() == 0
    for actions in random_actions(env)[:40]:
        _, reward, terminated, _, infos = env.step(actions)
        for i, peer in enumerate(peers):
            _, paid, dead, _, _ = peer.step(actions[i])
            assert dead == terminated[i]
            assert abs(paid - reward[i]) <= SAME
            if dead:
                peer.reset()


def test_float64_actions_too():
    peers, _ = originals("HalfCheetah-v5")
    env = make("HalfCheetah-v5", SEEDS, seed=0, engine="data")
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, env.action_space.shape)
    _, reward, *_ = env.step(actions)
    assert [peer.step(a)[1] for peer, a in zip(peers, actions, strict=True)] == list(reward)


@pytest.mark.parametrize(
    "id, options, said",
    [
        ("Hopper-v5", {"terminate_when_unhealthy": 2}, "terminate_when_unhealthy=2 .* True or False"),
        ("Hopper-v5", {"terminate_when_unhealthy": 1.0}, "terminate_when_unhealthy=1.0 .* True or False"),
        ("Ant-v5", {"include_cfrc_ext_in_observation": "no"}, "include_cfrc_ext_in_observation='no' .* True or False"),
        ("Hopper-v5", {"healthy_z_range": (2, 0.7)}, r"healthy_z_range=\(2, 0.7\) .* must be the smaller one"),
        ("Hopper-v5", {"healthy_z_range": (0.7, np.nan)}, r"healthy_z_range=\(0.7, nan\) .* two numbers"),
        ("Walker2d-v5", {"healthy_z_range": 0.7}, "healthy_z_range=0.7 .* two numbers"),
        ("Humanoid-v5", {"contact_cost_range": (1, 2, 3)}, r"contact_cost_range=\(1, 2, 3\) .* two numbers"),
        ("HalfCheetah-v5", {"ctrl_cost_weight": "1"}, "ctrl_cost_weight='1' .* a finite number"),
        ("Swimmer-v5", {"ctrl_cost_weight": np.nan}, "ctrl_cost_weight=nan .* a finite number"),
        ("Reacher-v5", {"reward_dist_weight": np.inf}, "reward_dist_weight=inf .* a finite number"),
        ("Pusher-v5", {"reward_near_weight": True}, "reward_near_weight=True .* a finite number"),
        ("InvertedPendulum-v5", {"reset_noise_scale": -1}, "reset_noise_scale=-1 .* finite number of at least 0"),
        ("ReacherOnce-v0", {"reward_dist_weight": None}, "reward_dist_weight=None .* a finite number"),
        ("AnymalC-v0", {"randomize": 2}, "randomize=2 .* True or False"),
    ],
)
def test_bad_options_get_a_sentence(id, options, said):
    with pytest.raises(ArgumentError, match=said):
        make_task(id, **options)


def test_options_that_are_given_in_order_are_checked_too():
    with pytest.raises(ArgumentError, match="ctrl_cost_weight='x'"):
        Hopper(1.0, "x")


@pytest.mark.parametrize("options", [{"healthy_z_range": (0.7, np.inf)}, {"healthy_z_range": np.array([0.7, np.inf])}])
def test_a_range_may_have_no_end(options):
    plain, open_ended = (make("Hopper-v5", 2, seed=0, **more) for more in ({}, options))
    assert (plain.reset()[0] == open_ended.reset()[0]).all()
    for actions in random_actions(plain)[:60, :2]:
        assert (plain.step(actions)[2] == open_ended.step(actions)[2]).all()


@pytest.mark.parametrize("value", [True, 1, np.True_])
@pytest.mark.parametrize("engine", ["data", "rollout"])
def test_a_termination_is_a_bool(value, engine):
    env = make("Hopper-v5", 2, seed=0, engine=engine, terminate_when_unhealthy=value, healthy_z_range=(1.2, np.inf))
    env.reset()
    found = [env.step(actions)[2] for actions in random_actions(env)[:60, :2]]
    assert all(terminated.dtype == bool for terminated in found) and np.any(found)
