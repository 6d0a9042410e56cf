"""PPO's parts against independent oracles, and the whole of it on the pendulum."""

import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import course_lib as cl
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.evaluation.rollout import rollout_states
from course_lib.files import load_tensors
from course_lib.policies.actor_critics import ActorCritic, MLPActorCritic, gaussian_entropy, gaussian_log_prob
from course_lib.policies.base import RunningMoments
from course_lib.rl.gae import gae
from course_lib.rl.optim import FlatAdam
from course_lib.rl.ppo import PPO, PPOConfig, policy_loss, ratio_statistics, value_loss

RNG = np.random.default_rng(0)
SAME = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}


def small(seed=0, env="InvertedPendulum-v5", policy=MLPActorCritic, **changes):
    config = PPOConfig(**{**dict(rollout_steps=32, minibatch_size=64, epochs=3, hidden=(16,), seed=seed), **changes})
    return PPO(cl.make(env, num_envs=8, seed=seed), config, policy)


# --- advantages ---------------------------------------------------------------------------------


def random_rollout(T=50, n=6):
    rewards, values, following = RNG.normal(size=(3, T, n))
    terminated = RNG.random((T, n)) < 0.05
    over = terminated | (RNG.random((T, n)) < 0.05)
    next_values = np.where(over, following, np.vstack([values[1:], following[-1:]]))
    return rewards, values, next_values, terminated, over


def test_gae_is_the_weighted_sum_of_td_errors():
    """Oracle: the definition as a double sum, eq. (16), written out for every start."""
    rewards, values, next_values, terminated, over = random_rollout()
    got, target = gae(rewards, values, next_values, terminated, over, 0.97, 0.9)
    for i in range(rewards.shape[1]):
        for t in range(len(rewards)):
            total, weight = 0.0, 1.0
            for k in range(t, len(rewards)):
                bootstrap = 0.0 if terminated[k, i] else 0.97 * next_values[k, i]
                total += weight * (rewards[k, i] + bootstrap - values[k, i])
                weight *= 0.97 * 0.9
                if over[k, i]:
                    break
            assert got[t, i] == pytest.approx(total, abs=1e-12)
    assert np.allclose(target, got + values)


def test_gae_equals_stable_baselines3():
    buffers = pytest.importorskip("stable_baselines3.common.buffers")
    rewards, values, next_values, terminated, over = random_rollout()
    over = terminated  # SB3's buffer knows terminations only
    next_values = np.vstack([values[1:], next_values[-1:]])
    box = gym.spaces.Box(-1, 1, (1,))
    buffer = buffers.RolloutBuffer(50, box, box, gamma=0.97, gae_lambda=0.9, n_envs=6, device="cpu")
    starts = np.vstack([np.ones((1, 6)), over[:-1]])
    for t in range(50):
        zero = np.zeros((6, 1))
        buffer.add(zero, zero, rewards[t], starts[t], torch.tensor(values[t]), torch.zeros(6))
    buffer.compute_returns_and_advantage(torch.tensor(next_values[-1]), dones=over[-1])
    got, _ = gae(rewards, values, next_values, terminated, over, 0.97, 0.9)
    assert np.allclose(got, buffer.advantages, atol=1e-5)


def test_truncation_bootstraps_and_termination_does_not():
    """With reward 1 for ever and the exact value 1/(1-γ), nothing is surprising, except a termination."""
    exact = np.full((10, 1), 1 / (1 - 0.9))
    over = np.zeros((10, 1), bool)
    over[4] = True
    truncated, _ = gae(np.ones((10, 1)), exact, exact, np.zeros_like(over), over, 0.9, 0.95)
    assert np.allclose(truncated, 0)
    ended, _ = gae(np.ones((10, 1)), exact, exact, over, over, 0.9, 0.95)
    assert ended[4, 0] == pytest.approx(-0.9 * exact[0, 0]) and np.allclose(ended[5:], 0)


# --- losses and distributions -------------------------------------------------------------------


def test_gaussian_agrees_with_torch_distributions():
    mean, action, log_std = torch.randn(7, 3), torch.randn(7, 3), torch.randn(3)
    oracle = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    assert torch.allclose(gaussian_log_prob(action, mean, log_std), oracle.log_prob(action), atol=1e-5)
    assert torch.allclose(gaussian_entropy(log_std), oracle.entropy()[0], atol=1e-5)


def test_policy_loss_by_hand():
    """One ratio inside the clip range, one above with A > 0, one below with A < 0, one above with A < 0."""
    ratio, advantage = np.array([1.1, 1.5, 0.5, 1.5]), np.array([1.0, 2.0, -1.0, -1.0])
    loss, log_ratio = policy_loss(
        torch.tensor(ratio).log(), torch.zeros(4, dtype=torch.float64), torch.tensor(advantage), 0.2
    )
    assert loss.item() == pytest.approx(-np.mean([1.1, 1.2 * 2, -0.8, -1.5]))
    info = ratio_statistics(log_ratio, 0.2)
    assert info["clip_fraction"] == pytest.approx(0.75)
    assert info["approx_kl"] == pytest.approx(np.mean(ratio - 1 - np.log(ratio)))


def test_policy_loss_gradient_by_finite_differences():
    new = torch.tensor([0.05, 0.4, -0.4, 0.1], dtype=torch.float64, requires_grad=True)
    advantage = torch.tensor([1.0, 2.0, -1.0, -1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: policy_loss(x, torch.zeros_like(x), advantage, 0.2)[0], new)
    policy_loss(new, torch.zeros_like(new), advantage, 0.2)[0].backward()
    assert new.grad[1] == 0 and new.grad[2] == 0  # clipped away
    assert value_loss(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])).item() == pytest.approx(2.5)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_running_moments_equal_those_of_all_the_data(sizes):
    data = np.random.default_rng(sum(sizes)).normal(3, 5, (sum(sizes), 2))
    moments = RunningMoments((2,))
    for part in np.split(data, np.cumsum(sizes)[:-1]):
        moments.update(part)
    assert np.allclose(moments.mean, data.mean(0)) and np.allclose(moments.var, data.var(0))


def test_flat_adam_equals_torch_adam_with_clipping():
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    theirs = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    theirs.load_state_dict(ours.state_dict())
    flat, adam = (
        FlatAdam(ours, 1e-2, 1e-5, max_grad_norm=0.5),
        torch.optim.Adam(theirs.parameters(), 1e-2, eps=1e-5),
    )
    for _ in range(50):
        x, y = torch.randn(16, 4), 3 * torch.randn(16, 1)
        flat.step((ours(x) - y).square().mean())
        adam.zero_grad()
        (theirs(x) - y).square().mean().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        adam.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5)


# --- experience ---------------------------------------------------------------------------------


class TinyGRU(ActorCritic):
    """A small recurrent actor-critic: proves that PPO's interface carries memory."""

    state_dim, forgets = 5, False

    def __init__(self, obs_dim, act_dim, hidden, **more):
        super().__init__(obs_dim, act_dim, **more)
        self.cell, self.head = nn.GRUCell(obs_dim, 5), nn.Linear(5, act_dim + 1)

    def step(self, x, state):
        state = self.cell(x, state)
        return self.head(state)[:, :-1], state

    def sequence(self, x, state, starts):
        out = []
        for t in range(len(x)):
            state = self.cell(x[t], state * ~starts[t, :, None])
            out.append(self.head(state))
        out = torch.stack(out)
        return out[..., :-1], out[..., -1]

    def value(self, x, state):
        return self.head(self.cell(x, state))[:, -1]


@pytest.mark.parametrize("policy", [MLPActorCritic, TinyGRU])
def test_ratio_is_one_before_the_first_update(policy):
    """Also across episode borders and for pieces that begin in the middle of an episode."""
    agent = small(policy=policy, sequence_length=8)
    agent.begin()
    for _ in range(3):
        rollout, _ = agent.collect()
    assert rollout.starts[1:].any()
    assert agent.unrolled == (8 if policy is TinyGRU else 1)
    batch = rollout.segments(agent.unrolled)
    mean, _ = agent.policy.sequence(batch.x, batch.state, batch.starts)
    log_prob = gaussian_log_prob(batch.action, mean, agent.policy.log_std)
    assert torch.allclose(log_prob, batch.log_prob, atol=1e-5)


def test_segments_hold_every_transition_once():
    agent = small()
    agent.begin()
    rollout, _ = agent.collect()
    pieces = rollout.segments(4)
    assert pieces.x.shape == (4, 64, 4) and pieces.state.shape == (64, 0)
    assert torch.equal(pieces.x[:, 9], rollout.x[4:8, 1])  # second block of four steps, copy 1
    seen = torch.cat([b.advantage.flatten() for b in pieces.minibatches(10, torch.randperm(64))])
    assert torch.equal(seen.sort().values, rollout.advantage.flatten().sort().values)


def test_stored_log_prob_belongs_to_the_action_before_clipping():
    agent = small(init_log_std=2.0)
    agent.begin()
    rollout, _ = agent.collect()
    assert rollout.action.abs().max() > 3.0  # beyond the bounds of the pendulum
    oracle = torch.distributions.Normal(agent.policy.actor(rollout.x), agent.policy.log_std.exp())
    assert torch.allclose(rollout.log_prob, oracle.log_prob(rollout.action).sum(-1), atol=1e-4)


def test_learning_rate_falls_to_zero_on_the_linear_schedule():
    run = cl.train(small(learning_rate=1e-3), 8 * 32 * 10, progress=False)
    assert np.allclose(run.curve["learning_rate"], 1e-3 * (1 - np.arange(10) / 10))


@pytest.mark.parametrize("policy", [None, TinyGRU], ids=["in C, where it can be", "in torch"])
def test_entropy_bonus_falls_to_zero_on_the_linear_schedule(policy):
    def weights(progress, entropy_coef, **changes):
        agent = small(policy=policy, lr_schedule="constant", entropy_coef=entropy_coef, **changes)
        agent.iterate(progress)
        return agent.optimizer.flat.clone()

    for progress, coef in ((0.0, 0.1), (0.5, 0.05), (1.0, 0.0)):  # then a bonus that stays is as large
        assert torch.equal(weights(progress, 0.1, entropy_schedule="linear"), weights(0.0, coef))
    assert torch.equal(weights(1.0, 0.1), weights(0.0, 0.1)) and not torch.equal(weights(0.0, 0.1), weights(0.0, 0.05))


def test_kl_stop_shortens_the_epochs():
    free, held = small(epochs=10, learning_rate=1e-2), small(epochs=10, learning_rate=1e-2, target_kl=1e-4)
    assert held.iterate(0.0)["approx_kl"] < free.iterate(0.0)["approx_kl"]


def test_explained_variance_is_the_textbook_one():
    agent = small()
    agent.begin()
    rollout, _ = agent.collect()
    value, target = (rollout.target - rollout.advantage).numpy(), rollout.target.numpy()
    oracle = 1 - np.var(target - value) / np.var(target)
    assert 1 - (rollout.advantage.var() / rollout.target.var()).item() == pytest.approx(oracle, rel=1e-4)


def test_ppo_balances_the_pole():
    config = PPOConfig(rollout_steps=32, minibatch_size=128, epochs=10, learning_rate=3e-3, seed=1)
    agent = PPO(cl.make("InvertedPendulum-v5", num_envs=16, seed=1), config)
    cl.train(agent, 20_000, progress=False)
    assert cl.evaluate(agent, episodes=20, seed=100).deterministic.mean >= 950


def test_ids_without_a_twin_train_too():
    agent = PPO(cl.make("Pendulum-v1", num_envs=4), PPOConfig(rollout_steps=256, minibatch_size=256, epochs=1))
    run = cl.train(agent, 2048, progress=False)
    assert agent.policy.env_id == "Pendulum-v1" and -2000 < run.latest["return_mean"] < 0


def test_a_masked_task_is_evaluated_and_filmed_masked(tmp_path):
    agent = PPO(cl.make("InvertedPendulum-v5", 8, hide="velocities"), PPOConfig(rollout_steps=32, minibatch_size=64))
    run = cl.train(agent, 512, progress=False)
    cl.evaluate(cl.load(run.save_policy(tmp_path / "masked")), episodes=2)
    assert rollout_states(run, steps=3).observations.shape[1] == 2  # cart and pole, no rates


def test_gymnasiums_own_vector_environments():
    config = PPOConfig(rollout_steps=256, minibatch_size=256, epochs=1)
    run = cl.train(PPO(gym.make_vec("Pendulum-v1", 2, vector_kwargs=SAME), config), 1024, progress=False)
    assert run.policy.env_id == "Pendulum-v1" and run.latest["return_mean"] < 0
    with pytest.raises(ArgumentError, match="autoreset_mode=.*accepted: SAME_STEP"):
        PPO(gym.make_vec("Pendulum-v1", 2), config)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, word",
    [
        (dict(rollout_steps=0), "rollout_steps=0"),
        (dict(epochs=-1), "epochs=-1"),
        (dict(minibatch_size=1.5), "minibatch_size=1.5"),
        (dict(learning_rate=0.0), "learning_rate=0.0"),
        (dict(gamma=1.2), "gamma=1.2"),
        (dict(gae_lambda=float("nan")), "gae_lambda=nan"),
        (dict(clip="a"), "clip='a'"),
        (dict(lr_schedule="liner"), "did you mean 'linear'"),
        (dict(hidden=(64, 0)), "hidden=0"),
        (dict(target_kl=-1.0), "target_kl=-1.0"),
        (dict(seed=-1), "seed=-1"),
    ],
)
def test_refused_options_say_what_is_accepted(changes, word):
    with pytest.raises(ArgumentError, match=word.replace("(", r"\(").replace(".", r"\.")):
        PPOConfig(**changes)


NUMBERS = st.one_of(st.integers(-3, 5000), st.floats(), st.none(), st.text(max_size=3), st.booleans())


@given(
    st.fixed_dictionaries({}, optional={name: NUMBERS for name in PPOConfig.__dataclass_fields__ if name != "hidden"})
)
@settings(max_examples=150, deadline=None)
def test_config_accepts_or_refuses_with_a_sentence(options):
    try:
        config = PPOConfig(**options)
    except ArgumentError as error:
        assert any(re.match(rf"{name}(\.\w+)?=", str(error)) for name in options)
    else:
        assert 0 <= config.gamma <= 1 and config.epochs >= 1 and config.learning_rate > 0


def test_minibatch_larger_than_the_batch():
    with pytest.raises(
        ArgumentError, match="minibatch_size=1024 is larger than a rollout: .* = 256; accepted: 1 to 256"
    ):
        PPO(cl.make("InvertedPendulum-v5", num_envs=4), PPOConfig(rollout_steps=64))


def test_discrete_actions_and_images_are_refused():
    with pytest.raises(ArgumentError, match="action space Discrete"):
        PPO(gym.vector.SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 2, **SAME), PPOConfig(minibatch_size=64))

    class Pixels(gym.Env):
        observation_space, action_space = (
            gym.spaces.Box(0, 255, (8, 8, 3), np.uint8),
            gym.spaces.Box(-1, 1, (1,)),
        )

    with pytest.raises(ArgumentError, match="images"):
        PPO(gym.vector.SyncVectorEnv([Pixels] * 2, **SAME), PPOConfig(minibatch_size=64))


class Broken(gym.Env):
    """Pays NaN at step 100."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.zeros(2, np.float32), float("nan") if self.t == 100 else 1.0, False, False, {}


def test_nan_reward_stops_training_and_keeps_the_checkpoint(tmp_path):
    gym.register("Broken-v0", Broken)
    try:
        agent = PPO(cl.make("Broken-v0", num_envs=2), PPOConfig(rollout_steps=16, minibatch_size=32))
        with pytest.raises(NonFiniteError, match="reward of Broken-v0 is nan in copy 0 at step 100"):
            cl.train(agent, 1000, folder=tmp_path, checkpoint_every=0.0, progress=False)
    finally:
        del gym.registry["Broken-v0"]
    _, header = load_tensors(tmp_path / "checkpoint.safetensors", "liquid-control checkpoint 1")
    assert header["agent"]["env_steps"] == 6 * 32  # the last whole rollout before the NaN


def test_nan_loss_stops_training():
    agent = small()
    with torch.no_grad():
        agent.policy.critic[0].weight[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match="_loss is nan"):
        cl.train(agent, 1000, progress=False)


# --- going on elsewhere -------------------------------------------------------------------------


def test_an_agent_moves_to_other_ground_with_its_optimiser():
    """Fine-tuning: moments of Adam and of the observations go on, and the weights really move."""
    agent = PPO(cl.make("Hopper-v5", 8, seed=0), PPOConfig(rollout_steps=16, minibatch_size=64, epochs=2))
    agent.iterate(0.0)
    weights, first, steps = agent.optimizer.flat.clone(), agent.optimizer.first.clone(), agent.optimizer.steps
    seen = agent.policy.normalizer.count.item()
    agent.move_to(cl.make("Hopper-v5", 8, seed=1, forward_reward_weight=2.0))
    assert first.abs().sum() > 0 and torch.equal(agent.optimizer.first, first) and agent.optimizer.steps == steps
    assert torch.equal(agent.optimizer.flat, weights)
    assert agent.policy.env_options["forward_reward_weight"] == 2.0
    agent.iterate(0.0)
    assert agent.optimizer.steps == 2 * steps and agent.policy.normalizer.count.item() == 2 * seen
    assert (agent.optimizer.flat - weights).abs().max() > 1e-4
    for envs in (cl.make("Hopper-v5", 4), cl.make("Walker2d-v5", 8)):
        with pytest.raises(ArgumentError, match="accepted is what this agent has learnt with: \\(11, 3, 8\\)"):
            agent.move_to(envs)


def test_training_goes_on_from_a_policy():
    old = PPO(cl.make("InvertedPendulum-v5", 4), PPOConfig(rollout_steps=16, minibatch_size=32))
    old.iterate(0.0)
    start = {k: v.clone() for k, v in old.policy.state_dict().items()}
    agent = PPO(cl.make("InvertedPendulum-v5", 8), PPOConfig(rollout_steps=16, minibatch_size=64), policy=old.policy)
    assert all(torch.equal(v, start[k]) for k, v in agent.policy.state_dict().items())
    agent.iterate(0.0)
    now = agent.policy.state_dict()
    assert not torch.equal(now["actor.0.weight"], start["actor.0.weight"])
    assert all(torch.equal(v, start[k]) for k, v in old.policy.state_dict().items())  # a copy was trained
    with pytest.raises(ArgumentError, match="policy takes 4 observations to 1 actions; these envs need 11 to 3"):
        PPO(cl.make("Hopper-v5", 16), policy=old.policy)
