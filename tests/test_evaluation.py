"""Evaluation: statistics against scipy, episodes against Gymnasium's own loop."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from scipy import stats
from test_adopt import Told

import course_lib as cl
from course_lib.envs.tabletop.experts import expert
from course_lib.errors import ArgumentError
from course_lib.evaluation.returns import Evaluation, run_episodes
from course_lib.evaluation.statistics import bootstrap_interval, iqm
from course_lib.policies.base import Policy

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n", [4, 8, 20, 100])
def test_iqm_equals_scipys_trimmed_mean(n):
    values = RNG.normal(size=n)
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_iqm_with_fractional_edges():
    """Three values: the middle half is all of the second and a quarter of each neighbour's weight."""
    assert iqm([0.0, 3.0, 12.0]) == pytest.approx((0.25 / 3 * 0 + 1 / 3 * 3 + 0.25 / 3 * 12) / 0.5)


def test_bootstrap_interval_agrees_with_scipy():
    values = RNG.exponential(size=60)
    oracle = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000).confidence_interval
    assert np.allclose(bootstrap_interval(values, draws=20_000), oracle, atol=0.02)
    low, high = bootstrap_interval(values, iqm)
    assert low < iqm(values) < high
    assert np.isnan(bootstrap_interval([1.0])).all()


def test_episodes_equal_gymnasiums_loop():
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=4), cl.PPOConfig(rollout_steps=32, minibatch_size=64))
    got = run_episodes(agent.policy, cl.make("InvertedPendulum-v5", num_envs=3, engine="data"), seed=5)
    for i in range(3):
        env = gym.make("InvertedPendulum-v5")
        obs, _ = env.reset(seed=5 + i)
        total, over = 0.0, False
        while not over:
            obs, reward, terminated, truncated, _ = env.step(agent.policy.act(obs[None])[0][0])
            total, over = total + reward, terminated or truncated
        assert got.returns[i] == total


class Expert(Policy):
    """Acts on the physics, which it is shown."""

    def __init__(self, envs):
        super().__init__(1, 1)
        self.envs = envs

    def act(self, obs, state=None, **options):
        return expert(self.envs.task, self.envs.state), None


def test_success_is_that_of_the_last_state():
    """Oracle: a loop over single environments that keeps the last word of each."""
    envs = cl.make("Push-v0", 12, seed=7, horizon=40)
    episodes = run_episodes(Expert(envs), envs, seed=7)
    again = cl.make("Push-v0", 12, seed=7, horizon=40)
    again.reset(seed=7)
    for _ in range(40):
        *_, infos = again.step(expert(again.task, again.state))
    assert (episodes.success == infos["success"]).all() and 0 < episodes.success_rate < 1
    assert "success" in repr(Evaluation("Push-v0", episodes, episodes))


def test_tasks_without_a_success_have_none():
    envs = cl.make("InvertedPendulum-v5", 2)
    agent = cl.PPO(envs, cl.PPOConfig(rollout_steps=32, minibatch_size=64))
    episodes = run_episodes(agent.policy, envs)
    assert episodes.success is None and np.isnan(episodes.success_rate)
    assert "success" not in repr(Evaluation("InvertedPendulum-v5", episodes, episodes))


def test_evaluation_prints_and_refuses():
    agent = cl.PPO(cl.make("InvertedPendulum-v5", num_envs=4), cl.PPOConfig(rollout_steps=32, minibatch_size=64))
    text = repr(cl.evaluate(agent, episodes=5))
    assert "deterministic" in text and "IQM" in text and "95 % interval" in text
    few = cl.evaluate(agent, episodes=3)  # three values have no interval worth the name
    assert "range" in repr(few) and "95 %" not in repr(few)
    assert few.stochastic.interval == (few.stochastic.returns.min(), few.stochastic.returns.max())
    with pytest.raises(ArgumentError, match="episodes=0"):
        cl.evaluate(agent, episodes=0)
    with pytest.raises(ArgumentError, match="cannot act"):
        cl.evaluate("ppo")


@pytest.mark.parametrize("env_id", ["InvertedPendulum-v5", "Pendulum-v1"])
def test_copies_that_an_agent_trains_in_are_refused(env_id):
    """Evaluation would step them to another place than the agent believes."""
    envs = cl.make(env_id, num_envs=4)
    agent = cl.PPO(envs, cl.PPOConfig(rollout_steps=32, minibatch_size=64))
    cl.evaluate(agent, envs=envs)  # nothing is under way yet
    run = cl.train(agent, 128, progress=False)
    for learner in (agent, run):
        with pytest.raises(ArgumentError, match="envs=those that the agent trains in is not accepted"):
            cl.evaluate(learner, envs=envs)
    assert len(cl.evaluate(run.policy, envs=cl.make(env_id, num_envs=3)).deterministic.returns) == 3


class Telling(Told):
    """Episodes of two steps, which tell `value` of their success."""

    def __init__(self, value):
        super().__init__(length=2)
        self.value = value

    def step(self, action):
        *rest, _ = super().step(action)
        return *rest, {"success": self.value}


def success_of(values):
    envs = SyncVectorEnv([lambda v=v: Telling(v) for v in values], autoreset_mode=AutoresetMode.SAME_STEP)
    return cl.evaluate(SMALL.policy, envs=envs).deterministic.success.tolist()


SMALL = cl.PPO(
    SyncVectorEnv([lambda: Telling(True)], autoreset_mode=AutoresetMode.SAME_STEP),
    cl.PPOConfig(rollout_steps=8, minibatch_size=8, hidden=(8,)),
)
YES_NO = [
    (True, False),
    (1, 0),
    (1.0, 0.0),
    (np.True_, np.False_),
    (np.float32(1), np.float32(0)),
    (np.array([True]), np.array([False])),
    (np.array([1.0]), np.array([0.0])),
]


@pytest.mark.parametrize("yes, no", YES_NO, ids=repr)
def test_a_success_is_true_or_false_or_one_or_zero(yes, no):
    assert success_of([yes, no, no, yes]) == [True, False, False, True]


@pytest.mark.parametrize(
    "values, said",
    [
        ((1.0, np.nan), "nan of copy 1"),
        (("True", "False"), "'True' of copy 0"),
        ((1, -1), "-1 of copy 1"),
        ((0.0, 0.5), "0.5 of copy 1"),
        (([True], [False]), r"\[True\] of copy 0"),
        ((np.array([1, 0]), np.array([1, 0])), r"shape \(2, 2\)"),
    ],
)
def test_any_other_success_gets_a_sentence(values, said):
    with pytest.raises(ArgumentError, match=rf"infos\['success'\].*{said}.* is not accepted"):
        success_of(values)


@pytest.mark.parametrize(
    "more, said",
    [
        (dict(disturb={"noise": 0.1}), "disturb=.*beside envs"),
        (dict(env_id="Hopper-v5"), "env_id='Hopper-v5' is not accepted beside envs"),
        (dict(bogus=3), "bogus=3 is not accepted beside envs"),
        (dict(episodes=100), "episodes=100 is not accepted beside envs=…, whose 3 copies"),
        (dict(episodes=True), "episodes=True"),
        (dict(seed=-1), "seed=-1"),
    ],
)
def test_what_environments_that_are_there_cannot_follow_is_refused(more, said):
    envs = cl.make("InvertedPendulum-v5", 3)
    policy = cl.PPO(cl.make("InvertedPendulum-v5", 3), cl.PPOConfig(rollout_steps=8, minibatch_size=8)).policy
    with pytest.raises(ArgumentError, match=said) as refused:
        cl.evaluate(policy, envs=envs, **more)
    assert "\n" not in str(refused.value)
    assert len(cl.evaluate(policy, envs=envs, episodes=3).deterministic.returns) == 3


def test_without_a_count_twenty_episodes_are_played():
    policy = cl.PPO(cl.make("InvertedPendulum-v5", 3), cl.PPOConfig(rollout_steps=8, minibatch_size=8)).policy
    assert len(cl.evaluate(policy).stochastic.returns) == 20


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Blackjack-v1"])
def test_spaces_that_no_policy_here_acts_in_get_a_sentence(env_id):
    with pytest.raises(
        ArgumentError, match="the action space Discrete.* is not accepted; a policy here needs a flat Box"
    ):
        cl.evaluate(SMALL.policy, env_id=env_id)
