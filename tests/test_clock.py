"""Observations that say how long the coming step lasts: what the cells make of it, and what must not see it."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.nets.cells import CELLS
from course_lib.policies.actor_critics import RecurrentActorCritic
from course_lib.policies.base import Normalizer, RunningMoments

OPTIONS = [{}, dict(critic="mlp"), dict(encoder=5, feedthrough=True, critic_neurons=3)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def clocked(name="ltc", **cell):
    return RecurrentActorCritic(4, 2, dict(name=name, neurons=4, clock=True, **cell))


def observations(T, n):
    """(T, n, 4): three numbers, and a duration from 0.25 to 2."""
    return torch.cat([torch.randn(T, n, 3), torch.rand(T, n, 1) * 1.75 + 0.25], dim=-1)


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "mlp critic", "encoder"])
@pytest.mark.parametrize("name", CELLS)
def test_the_cell_runs_for_as_long_as_the_clock_says(name, options):
    """Oracle: cells and readouts by hand, one sample and one step at a time, the duration a number."""
    policy = clocked(name, **options)
    policy.dt = 0.5
    x, starts = observations(6, 3), torch.rand(6, 3) < 0.2
    state = policy.initial_state(3) + 0.1
    mean, value = policy.sequence(x, state, starts)
    memory = policy.memory(x, state, starts)
    wide = policy.cell.state_width
    for b in range(3):
        h = state[b : b + 1]
        for t in range(6):
            h = h.masked_fill(starts[t, b], 0.0)
            torch.testing.assert_close(memory[t, b], h[0], rtol=1e-4, atol=1e-6)
            row, dt = x[t, b : b + 1, :3], 0.5 * float(x[t, b, 3])
            torch.testing.assert_close(policy.value(x[t, b : b + 1], h)[0], value[t, b], rtol=1e-4, atol=1e-5)
            one, after = policy.step(x[t, b : b + 1], h)
            torch.testing.assert_close(one[0], mean[t, b], rtol=1e-4, atol=1e-5)
            e = policy.encoder(row)
            actor = policy.cell(e, h[:, :wide], dt)
            by_hand = policy.readout(actor, e if policy.feedthrough else None)
            torch.testing.assert_close(one, by_hand, rtol=1e-4, atol=1e-6)
            if policy.critic_cell is None:
                wanted = policy.critic(x[t, b : b + 1])
            else:
                e = policy.critic_encoder(row)
                critic = policy.critic_cell(e, h[:, wide:], dt)
                wanted = policy.critic(critic, e if policy.feedthrough else None)
                actor = torch.cat([actor, critic], dim=-1)
            torch.testing.assert_close(value[t, b], wanted[0, 0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(after, actor, rtol=1e-4, atol=1e-6)
            h = after


@pytest.mark.parametrize("name", CELLS)
def test_at_the_pace_of_training_it_is_a_policy_that_sees_one_entry_less(name):
    policy, plain = clocked(name), RecurrentActorCritic(3, 2, dict(name=name, neurons=4))
    weights = {name: value for name, value in policy.state_dict().items() if "normalizer" not in name}
    assert not plain.load_state_dict(weights, strict=False).unexpected_keys
    x = torch.randn(6, 5, 3)
    starts, state = torch.rand(6, 5) < 0.2, policy.initial_state(5)
    timed = torch.cat([x, torch.ones(6, 5, 1)], dim=-1)
    for ours, theirs in zip(policy.sequence(timed, state, starts), plain.sequence(x, state, starts), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_one_long_step_is_two_short_ones_to_an_equation_and_any_step_the_same_to_a_gru():
    x = torch.randn(5, 3)
    long, short = (torch.cat([x, torch.full((5, 1), d)], dim=-1) for d in (1.0, 0.5))
    policy = clocked("ltc", options={"solver": "dopri5", "rtol": 1e-6, "atol": 1e-7})
    state = policy.initial_state(5)
    twice = policy.step(short, policy.step(short, state)[1])
    for one, two in zip(policy.step(long, state), twice, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    for name in ("gru", "mlp", "frames", "attention"):
        policy = clocked(name)
        state = policy.initial_state(5)
        for one, two in zip(policy.step(long, state), policy.step(short, state), strict=True):
            assert torch.equal(one, two)


def test_the_normaliser_leaves_the_clock_alone():
    rows = np.random.default_rng(0).normal(5.0, 3.0, (200, 4))
    normal, moments = Normalizer(4, plain=1), RunningMoments((4,))
    usual = Normalizer(4)
    for it in (normal, moments, usual):
        it.update(rows)
    x = torch.tensor([[1.0, 2.0, 1e6, 1e6], [0.0, -1e6, 3.0, 0.25]])
    z = normal(x)
    assert torch.equal(z[:, 3], x[:, 3]) and torch.equal(z[:, :3], usual(x)[:, :3])
    assert z[0, 2] == 10 and usual(x)[0, 3] == 10
    np.testing.assert_allclose(z[0, :2], (x[0, :2].numpy() - rows[:, :2].mean(0)) / rows[:, :2].std(0), rtol=1e-5)
    again = Normalizer(4, plain=1)
    again.load_state_dict(normal.state_dict())
    assert torch.equal(again(x), z) and torch.equal(normal.mean, moments.mean)
    assert clocked().normalizer.plain == 1 and RecurrentActorCritic(4, 2, "ltc").normalizer.plain == 0


def test_policies_with_a_clock_survive_a_file(tmp_path):
    policy = clocked("cfc", encoder=6)
    policy.normalizer.update(observations(50, 4).reshape(-1, 4))
    back = cl.load(cl.save_policy(policy, tmp_path / "it"))
    assert back.clock and back.settings["cell"]["clock"] is True and back.normalizer.plain == 1
    one = two = None
    for row in observations(5, 3).numpy():
        (a, one), (b, two) = policy.act(row, one), back.act(row, two)
        assert np.array_equal(a, b) and torch.equal(one, two)


def test_files_from_before_there_was_a_clock(tmp_path):
    policy = RecurrentActorCritic(4, 2, dict(name="ltc", neurons=4))
    settings = {**policy.settings, "cell": {k: v for k, v in policy.settings["cell"].items() if k != "clock"}}
    back = cl.load(cl.save_policy(policy, tmp_path / "it", settings=settings))
    assert not back.clock and "clock" not in back.header["settings"]["cell"]


def test_what_does_not_fit_gets_a_sentence():
    x = observations(1, 3)[0]
    for wrong in (0.0, -1.0, float("nan")):
        x[1, 3] = wrong
        with pytest.raises(ArgumentError, match=rf"dt.*={wrong}.* is not accepted; durations must be finite and above"):
            clocked().step(x, torch.zeros(3, 8))
    with pytest.raises(ArgumentError, match="cell.clock=True leaves nothing to see of an observation of 1 entry"):
        RecurrentActorCritic(1, 1, dict(name="ltc", clock=True))
    for plan in (5, dict(chunk=2, trajectory="dmp")):
        with pytest.raises(ArgumentError, match="cell.clock=True does not go with a plan: .*; accepted: False"):
            envs = cl.make("Push-v0", 2, disturb=dict(clock=True))
            cl.PPO(envs, cl.PPOConfig(cell=dict(name="ltc", clock=True), plan=plan, minibatch_size=64))
    with pytest.raises(ArgumentError, match="cell.clock='yes' is not accepted; it must be True or False"):
        cl.CellConfig("ltc", clock="yes")


class Uneven(gym.ObservationWrapper):
    """Pendulum whose observation ends in how long the step is said to last."""

    def __init__(self):
        super().__init__(gym.make("Pendulum-v1", max_episode_steps=20))
        self.observation_space = gym.spaces.Box(np.float32([-9, -9, -9, 0]), np.float32([9, 9, 9, 3]))

    def observation(self, observation):
        return np.append(observation, self.np_random.uniform(0.5, 1.5)).astype(np.float32)


@pytest.mark.parametrize("cell", [dict(name="cfc"), dict(name="ltc", critic="mlp"), dict(name="attention")])
def test_ppo_trains_with_a_clock(cell):
    envs = SyncVectorEnv([Uneven] * 4, autoreset_mode=AutoresetMode.SAME_STEP)
    sizes = dict(rollout_steps=32, minibatch_size=64, sequence_length=8, epochs=2)
    agent = cl.PPO(envs, cl.PPOConfig(cell=dict(clock=True, **cell), **sizes))
    before = [p.detach().clone() for p in agent.policy.parameters()]
    for _ in range(3):
        assert all(np.isfinite(value) for value in agent.iterate(progress=0.0).values())
    assert all(not torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))
    rollout, raw = agent.collect()
    assert torch.equal(rollout.x[..., 3], torch.from_numpy(raw[..., 3]).float()) and rollout.x[..., 3].std() > 0.2
    pieces = rollout.segments(8)
    with torch.no_grad():
        mean, _ = agent.policy.sequence(pieces.x, pieces.state, pieces.starts)
        ratio = agent.policy.log_prob(pieces.action, mean, pieces.state, pieces.starts) - pieces.log_prob
    assert ratio.abs().max() < 2e-5


def test_a_clock_needs_observations_that_end_in_one():
    config = cl.PPOConfig(cell=dict(name="ltc", neurons=4, clock=True), minibatch_size=64)
    with pytest.raises(ArgumentError, match="cell.clock=True is not accepted with MemoryPendulum-v0 as it is"):
        cl.PPO(cl.make("MemoryPendulum-v0", 2, observation="full", length="varied"), config)  # which ends in a length
    assert cl.PPO(cl.make("MemoryPendulum-v0", 2, disturb=dict(clock=True)), config).policy.clock
