"""The batched engine offers what Gymnasium's vector environments do, held against `SyncVectorEnv` of single copies."""

import copy
import inspect
import pickle
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import course_lib as cl
from course_lib.errors import ArgumentError

ID = "HalfCheetah-v5"


def peer(n=4):
    return SyncVectorEnv([lambda: gym.make(ID)] * n, autoreset_mode=AutoresetMode.SAME_STEP)


def actions(n=4, steps=5):
    return np.random.default_rng(0).uniform(-1, 1, (steps, n, 6)).astype(np.float32)


@pytest.mark.parametrize("seed", [7, [3, 1, 4, 1], [3, None, 4, 1], np.arange(4)])
def test_seeds_as_in_gymnasium(seed):
    ours, theirs = cl.make(ID, 4), peer()
    as_theirs = seed.tolist() if isinstance(seed, np.ndarray) else seed
    a, b = ours.reset(seed=seed)[0], theirs.reset(seed=as_theirs)[0]
    known = [True] * 4 if isinstance(seed, int) else [s is not None for s in seed]
    np.testing.assert_allclose(a[known], b[known], atol=1e-9)
    assert [s for s, k in zip(ours.np_random_seed, known, strict=True) if k] == [
        s for s, k in zip(theirs.np_random_seed, known, strict=True) if k
    ]


@pytest.mark.parametrize("seed", [[1, 2], [0, 1, 2, -1], "abcd"])
def test_seeds_that_do_not_fit(seed):
    with pytest.raises(ArgumentError, match="seed"):
        cl.make(ID, 4).reset(seed=seed)


def test_reset_of_some_copies_as_in_gymnasium():
    ours, theirs = cl.make(ID, 4), peer()
    ours.reset(seed=0), theirs.reset(seed=0)
    mask = np.array([False, True, False, True])
    for t, action in enumerate(actions()):
        a, b = ours.step(action), theirs.step(action)
        np.testing.assert_allclose(a[0], b[0], atol=1e-9)
        if t == 2:
            a, b = ours.reset(options={"reset_mask": mask})[0], theirs.reset(options={"reset_mask": mask.copy()})[0]
            np.testing.assert_allclose(a, b, atol=1e-9)


def test_clocks_and_returns_of_the_others_go_on():
    envs = cl.make("Reacher-v5", 3)
    envs.reset(seed=0)
    for t in range(50):
        if t == 20:
            envs.reset(options={"reset_mask": np.array([True, False, False])})
        *_, truncated, infos = envs.step(np.zeros((3, 2)))
    assert truncated.tolist() == [False, True, True] and infos["episode"]["l"][1:].tolist() == [50, 50]


def test_statistics_of_episodes_are_gymnasiums_own():
    """Its wrapper refuses a key that is there already, and takes another one: then both say the same."""
    wrapper = gym.wrappers.vector.RecordEpisodeStatistics
    push, ends = np.array([[1.0], [2.0], [3.0]]), 0
    for stats in ({}, {"stats_key": "theirs"}):
        wrapped = wrapper(cl.make("InvertedPendulum-v5", 3), **stats)
        wrapped.reset(seed=0)
        if "SAME_STEP" not in inspect.getsource(wrapper.step):
            pytest.skip("this release of Gymnasium does not know that episodes begin in the step in which others end")
        if not stats:
            with pytest.raises(ValueError, match="key 'episode'"):
                for _ in range(100):
                    wrapped.step(push)
    for _ in range(60):
        infos = wrapped.step(push)[-1]
        if (over := infos.get("_theirs")) is not None:
            ends += over.sum()
            np.testing.assert_array_equal(over, infos["_episode"])
            for key in ("r", "l"):
                np.testing.assert_allclose(infos["theirs"][key][over], infos["episode"][key][over])
    assert ends > 10


@pytest.mark.parametrize("mask", [np.ones(3, bool), np.ones(4), np.zeros(4, bool), "all", [1, 0, 0, 1]])
def test_masks_that_do_not_fit(mask):
    envs = cl.make(ID, 4)
    envs.reset()
    with pytest.raises(ArgumentError, match="reset_mask"):
        envs.reset(options={"reset_mask": mask})


def test_unknown_options_of_reset_are_refused():
    with pytest.raises(ArgumentError, match="option of reset='stager' is not known.*did you mean 'stagger'"):
        cl.make(ID, 4).reset(options={"stager": True})
    with pytest.raises(gym.error.ResetNeeded):
        cl.make(ID, 2).reset(options={"reset_mask": np.array([True, False])})


def test_attributes_methods_and_pictures():
    envs = cl.make(ID, 3)
    assert envs.get_attr("frame_skip") == (5, 5, 5) and envs.call("observation_kinds")[2][0] == "positions"
    with pytest.raises(gym.error.ResetNeeded):
        envs.render()
    envs.reset(seed=0)
    pictures = envs.render()
    assert len(pictures) == 3 and pictures[0].shape == (240, 320, 3) and pictures[0].dtype == np.uint8
    envs.close()


@pytest.mark.parametrize("wrap", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("steps", [0, 3])
def test_a_single_environment_is_pickled_in_the_middle_of_an_episode(wrap, steps):
    env = gym.make("course/Ant-v5").unwrapped
    if steps:
        env.reset(seed=1)
    for action in np.zeros((steps, 8)):
        env.step(action)
    again = wrap(env)
    if not steps:
        env.reset(seed=2), again.reset(seed=2)
    for action in np.random.default_rng(0).uniform(-1, 1, (10, 8)):
        a, b = env.step(action), again.step(action)
        np.testing.assert_array_equal(a[0], b[0])
        assert a[1] == b[1]


def test_step_before_reset_is_a_sentence():
    for env in (gym.make("course/Hopper-v5").unwrapped, cl.make("Hopper-v5", 1)):
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step(np.zeros(env.action_space.shape))


@pytest.mark.parametrize("id", ["pendulum_mlp", "pendulum_ltc", "halfcheetah_sac", "throw_ndp", "memory_car_rsac_lstm"])
def test_policies_are_pickled(id):
    policy = cl.load(id)
    again = pickle.loads(pickle.dumps(policy))
    obs = np.random.default_rng(0).standard_normal((2, policy.obs_dim))
    np.testing.assert_array_equal(policy.act(obs)[0], again.act(obs)[0])
    again.load_state_dict(policy.state_dict())  # the normaliser's own copies follow
    np.testing.assert_array_equal(policy.act(obs)[0], again.act(obs)[0])


MODULE = """
import gymnasium as gym
from gymnasium.envs.classic_control.pendulum import PendulumEnv

gym.register("Mine-v0", PendulumEnv, max_episode_steps=20)
"""


def test_an_id_may_name_its_module(tmp_path, monkeypatch):
    (tmp_path / "mine_of_a_user.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    envs = cl.make("mine_of_a_user:Mine-v0", 4, g=3.0)
    agent = cl.PPO(envs, cl.PPOConfig(rollout_steps=8, minibatch_size=16))
    assert agent.policy.env_id == "Mine-v0" and (cl.evaluate(agent, 2).deterministic.lengths == 20).all()
    gym.registry.pop("Mine-v0")
    del sys.modules["mine_of_a_user"]
    with pytest.raises(ArgumentError, match="'Mine-v0' is not known"):
        cl.evaluate(agent, 2)
    assert (cl.evaluate(agent, 2, env_id="mine_of_a_user:Mine-v0").deterministic.lengths == 20).all()
    gym.registry.pop("Mine-v0")
    with pytest.raises(ArgumentError, match="'no_such_module_here', which cannot be imported"):
        cl.make("no_such_module_here:Mine-v0", 2)


class Narrow(gym.Env):
    """Bounds that single precision rounds outwards; a step checks them in double precision."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float64)
    action_space = gym.spaces.Box(-0.1, 0.1, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 2), {}

    def step(self, action):
        assert (np.abs(np.asarray(action, np.float64)) <= 0.1).all(), action
        return self.np_random.uniform(-1, 1, 2), float(action[0]), False, False, {}


@pytest.mark.parametrize("kind", ["PPO", "TD3", "SAC", "RSAC"])
def test_bounds_of_double_precision_are_kept(kind, tmp_path):
    gym.register("Narrow-v0", Narrow, max_episode_steps=10)
    try:
        options = dict(rollout_steps=8, minibatch_size=16, init_log_std=2.0) if kind == "PPO" else dict(
            learning_starts=32, buffer_size=500, batch_size=4, hidden=(8,), learning_rate=0.1)  # fmt: skip
        agent = getattr(cl, kind)(cl.make("Narrow-v0", 4), getattr(cl, f"{kind}Config")(**options))
        cl.train(agent, 256, progress=False)
        cl.evaluate(cl.load(cl.save_policy(agent.policy, tmp_path / "p")), 4)
    finally:
        gym.registry.pop("Narrow-v0")


def test_copies_beyond_memory():
    with pytest.raises(ArgumentError, match=r"num_envs=1000000000000 needs [\d,]+ MiB and this machine has"):
        cl.make(ID, 10**12)
