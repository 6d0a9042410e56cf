"""Q against Monte-Carlo returns: Gymnasium's own pendulum, geometric series and quadrature as oracles."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.lessons.nb05_overestimation import Estimates, discounted, overestimation

PENDULUM = "MemoryPendulum-v0"


def agent_of(kind=cl.DDPG, constant=0.0, **changes):
    """An agent whose critics say `constant` everywhere."""
    config = kind.Config(hidden=(8, 8), batch_size=16, learning_starts=16, buffer_size=1_000, **changes)
    agent = kind(cl.make(PENDULUM, 2, observation="full"), config)
    with torch.no_grad():
        agent.learner.critics.flat.zero_()
        agent.learner.critics.layers()[-1][1].fill_(constant)
    return agent


def test_discounted_equals_explicit_sums():
    rng = np.random.default_rng(0)
    reward, bonus, over = rng.normal(size=(9, 3)), rng.normal(size=(9, 3)), rng.random((9, 3)) < 0.2
    found = discounted(reward, over, 0.9, bonus)
    for t in range(9):
        for n in range(3):
            total, k = reward[t, n], t
            while not over[k, n] and k < 8:
                k += 1
                total += 0.9 ** (k - t) * (bonus[k, n] + reward[k, n])
            assert found[t, n] == pytest.approx(total)


def test_returns_are_those_of_gymnasiums_pendulum():
    agent, copies = agent_of(constant=5.0, gamma=0.95), 3
    with torch.no_grad():
        agent.policy.network.flat.mul_(4)  # torques that matter
    found = overestimation(agent, copies=copies, steps=2, stride=2, seed=7)
    assert np.allclose(found.q, 5.0)
    observation, _ = cl.make(PENDULUM, copies, observation="full").reset(seed=7)
    env = gym.make("Pendulum-v1").unwrapped  # without its time limit
    for n in range(copies):
        env.reset(seed=0)
        env.state, env.last_u = np.array([np.arctan2(*observation[n, [1, 0]]), observation[n, 2]]), None
        seen, total = observation[n], 0.0
        for k in range(400):
            seen, reward, *_ = env.step(agent.policy.act(seen[None])[0][0])
            total += 0.95**k * reward
        assert found.returns[n] == pytest.approx(total, rel=0.02)  # what was cut off is below 1 %
    assert found.bias == pytest.approx(5.0 - found.returns.mean())


def test_entropy_is_paid_for_later_actions_only():
    """The same actions with and without a temperature; the entropy of tanh N(0, 1) by quadrature."""
    returns = []
    for temperature in (1e-9, 0.5):
        agent = agent_of(cl.SAC, temperature=temperature, gamma=0.9)
        with torch.no_grad():
            agent.policy.network.flat.zero_()
        returns.append(overestimation(agent, copies=64, steps=1, stride=1).returns)
    u = np.linspace(-8, 8, 4001)
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    entropy = np.sum(density * (u**2 / 2 + np.log(np.sqrt(2 * np.pi)) + np.log(np.cosh(u) ** -2))) * (u[1] - u[0])
    assert (returns[1] - returns[0]).mean() == pytest.approx(0.5 * entropy * 0.9 / 0.1, rel=0.1)


def test_twins_report_the_least():
    agent = agent_of(cl.TD3)
    with torch.no_grad():
        agent.learner.critics.layers()[-1][1].copy_(torch.tensor([3.0, 2.0]).view(2, 1, 1))
    assert np.allclose(overestimation(agent, copies=2, steps=1, stride=1).q, 2.0)


def test_estimates_and_refusals():
    estimates = Estimates(np.array([12.0, 8.0]), np.array([5.0, 5.0]))
    assert estimates.bias == 5.0 and estimates.relative_bias == 1.0 and "+100%" in repr(estimates)
    for agent, words in (
        (cl.PPO(cl.make(PENDULUM, 16)), "DDPG, TD3 or SAC"),
        (agent_of(gamma=1.0), "below 1"),
        (cl.DDPG(cl.make("Pendulum-v1", 2), cl.DDPGConfig(buffer_size=5_000)), "a task of this course"),
    ):
        with pytest.raises(ArgumentError, match=words):
            overestimation(agent)
