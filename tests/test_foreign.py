"""Gymnasium's own environments: how long their episodes are, and whose arrays they hand out."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import TimeLimit

import course_lib as cl
from course_lib.envs.adopt import adopt
from course_lib.errors import ArgumentError
from course_lib.evaluation import returns

SAME = {"autoreset_mode": AutoresetMode.SAME_STEP}
SMALL = cl.PPOConfig(rollout_steps=8, minibatch_size=16, epochs=1, hidden=(8,))


def vector(copies=2, mode="sync", **options):
    """Pendulums, for which 200 steps are registered."""
    return gym.make_vec("Pendulum-v1", copies, vectorization_mode=mode, vector_kwargs=SAME, **options)


def counted(envs):
    """Steps until the first copy is truncated."""
    envs.reset(seed=0)
    for step in range(1, 1000):
        if envs.step(np.zeros(envs.action_space.shape, np.float32))[3].any():
            return step


@pytest.mark.parametrize("limit", [7, 260])
@pytest.mark.parametrize("made", [lambda **o: cl.make("Pendulum-v1", 2, **o), vector])
def test_a_time_limit_of_its_own_is_the_horizon(made, limit):
    envs = adopt(made(max_episode_steps=limit))
    assert envs.horizon == limit == counted(envs)
    agent = cl.PPO(made(max_episode_steps=limit), SMALL)
    assert (cl.evaluate(agent, 2).deterministic.lengths == limit).all()  # in copies made again
    assert (cl.evaluate(agent, envs=made(max_episode_steps=limit)).stochastic.lengths == limit).all()


@pytest.mark.parametrize("made", [lambda **o: cl.make("Pendulum-v1", 2, **o), vector])
def test_a_time_limit_that_was_lifted_is_none(made, monkeypatch, capsys):
    monkeypatch.setattr(returns, "MOST_STEPS", 210)
    agent = cl.PPO(made(max_episode_steps=-1), SMALL)
    assert agent.envs.horizon is None and agent.policy.env_options == {"max_episode_steps": -1}
    assert (cl.evaluate(agent, 2).deterministic.lengths == 210).all()
    assert "Pendulum-v1 has no time limit: 2 of 2 episodes were cut off after 210 steps" in capsys.readouterr().out


def test_copies_in_other_processes_tell_their_time_limit_and_not_their_wrappers():
    for limit, horizon in ((260, 260), (-1, None)):
        envs = adopt(vector(1, "async", max_episode_steps=limit))
        assert envs.horizon == horizon and (envs.options, envs.note) == ({"max_episode_steps": limit}, "")
        envs.close()
    envs = adopt(vector(1, "async", wrappers=[lambda env: gym.wrappers.RescaleAction(env, -1, 1)]))
    assert envs.note == "in wrappers"
    envs.close()


@pytest.mark.parametrize(
    "limits, horizon", [((3, 9), 9), ((9, 3), 9), ((3, None), None), ((None, None), None), ((4, 4), 4)]
)
def test_the_longest_of_copies_that_differ(limits, horizon):
    def copy(limit):
        env = gym.make("Pendulum-v1", max_episode_steps=-1)
        return env if limit is None else gym.wrappers.RecordEpisodeStatistics(TimeLimit(TimeLimit(env, 50), limit))

    envs = adopt(gym.vector.SyncVectorEnv([lambda limit=limit: copy(limit) for limit in limits], **SAME))
    assert envs.horizon == horizon
    if horizon is not None:
        assert counted(envs) == min(limits)


def test_what_an_environment_writes_over_is_copied():
    """Oracle: the same environment with arrays of its own for every step."""
    shared = adopt(gym.make_vec("Pendulum-v1", 4, vector_kwargs={**SAME, "copy": False}))
    own = adopt(vector(4))
    seen = [[envs.reset(seed=3)[0]] for envs in (shared, own)]
    for actions in np.random.default_rng(0).uniform(-2, 2, (5, 4, 1)).astype(np.float32):
        for envs, rows in zip((shared, own), seen, strict=True):
            rows.append(envs.step(actions)[0])
    np.testing.assert_array_equal(np.stack(seen[0]), np.stack(seen[1]))
    assert len(np.unique(np.stack(seen[0]), axis=0)) == 6


def test_replay_holds_transitions_of_an_environment_that_writes_over_its_observations():
    def stored(**more):
        envs = gym.make_vec("Pendulum-v1", 2, vector_kwargs={**SAME, **more})
        envs.reset(seed=0)
        agent = cl.SAC(envs, cl.SACConfig(learning_starts=100, buffer_size=100, batch_size=4, hidden=(8,)))
        agent.begin()
        for _ in range(6):
            agent.collect()
        return agent.replay.rows[:12].copy()

    np.testing.assert_array_equal(stored(copy=False), stored())


def test_a_reset_of_some_leaves_the_counts_of_the_others():
    envs = cl.make("Pendulum-v1", 3, max_episode_steps=8)
    envs.reset(seed=0)
    paid = [envs.step(np.zeros((3, 1), np.float32))[1] for _ in range(5)]
    mask = np.array([False, True, False])
    envs.reset(options={"reset_mask": mask})
    paid = [np.where(mask, 0.0, sum(paid))]
    for _ in range(3):
        _, reward, _, truncated, infos = envs.step(np.zeros((3, 1), np.float32))
        paid.append(reward)
    assert truncated.tolist() == [True, False, True] and infos["episode"]["l"].tolist() == [8, 3, 8]
    np.testing.assert_allclose(infos["episode"]["r"], sum(paid))
    with pytest.raises(ArgumentError, match=r"reset_mask of shape \(2,\)"):
        envs.reset(options={"reset_mask": [True, False]})


@pytest.mark.parametrize("seed", [-1, 1.5, "one", [1, 2]])
def test_what_is_no_seed_gets_a_sentence(seed):
    with pytest.raises(ArgumentError, match="seed"):
        cl.make("Pendulum-v1", 3).reset(seed=seed)


def test_seeds_of_numpy_are_seeds():
    envs = cl.make("Pendulum-v1", 3)
    first = envs.reset(seed=4)[0]
    for seed in (np.int64(4), np.arange(4, 7), [4, 5, 6]):
        np.testing.assert_array_equal(envs.reset(seed=seed)[0], first)
