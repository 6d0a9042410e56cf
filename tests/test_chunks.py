"""Policies that plan several steps at once: plans against the DMP layer, PPO's numbers against sums by hand."""

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.nets.dmp import DMP
from course_lib.policies.actor_critics import MLPActorCritic
from course_lib.policies.chunks import ChunkActorCritic
from course_lib.policies.plans import PathPlan
from course_lib.rl.ppo import PPO, PPOConfig

DMP_OF_4 = dict(trajectory="dmp", basis=4)
KINDS = {  # plan, cell
    "direct": ({}, {}),
    "dmp": (DMP_OF_4, {}),
    "direct-plan": (dict(explore="plan"), {}),
    "dmp-plan": (dict(DMP_OF_4, explore="plan"), {}),
    "present": (dict(DMP_OF_4, heads="present"), {}),
    "ltc": (DMP_OF_4, dict(name="ltc", neurons=4, encoder=6)),
    "gru": (dict(heads="present"), dict(name="gru", neurons=4, critic="mlp")),
    "ltc-plan": (dict(DMP_OF_4, explore="plan"), dict(name="ltc", neurons=4, feedthrough=True)),
    "attention": (DMP_OF_4, dict(name="attention", neurons=4, options={"window": 3})),
}


def config_of(kind, plan=None, **changes):
    """`plan`: changes of the plan of `kind`, which is five steps long."""
    of_kind, cell = KINDS[kind]
    common = dict(minibatch_size=48, epochs=2, hidden=(16,), sequence_length=8, normalize_reward=False)
    return PPOConfig(**{**common, "plan": {"chunk": 5, **of_kind, **(plan or {})}, "cell": cell, **changes})


def agent_of(kind="dmp", env="Push-v0", copies=6, horizon=12, rollout_steps=24, **changes):
    options = dict(horizon=horizon) if horizon else {}
    envs = cl.make(env, copies, seed=0, threads=1, **options)
    return PPO(envs, config_of(kind, rollout_steps=rollout_steps, **changes))


def lively(policy, seed=0):
    """Random last layers: a fresh policy's plans are all but still."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in policy.named_parameters():
            if name.startswith(("actor.2", "core.actor.2", "core.readout", "core.critic")):
                p.add_(0.3 * torch.randn_like(p))
    return policy


# --- plans --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk, alpha, basis", [(5, 10.0, 6), (3, 25.0, 2), (8, 5.0, 1), (1, 200.0, 3)])
def test_a_plan_is_the_path_of_the_dmp(chunk, alpha, basis):
    """Oracle: the layer's Euler loop from a hand anywhere, in m, with the goal and weights in the units of the text."""
    plan, stride = PathPlan(chunk, 4, 3, basis, alpha), 0.04
    numbers, velocity = torch.randn(7, plan.outputs), torch.randn(7, 3)
    hand = torch.randn(7, 3)
    actions, end = plan(numbers, velocity)
    path = numbers[:, : 3 * (basis + 1)].view(7, 3, basis + 1) * plan.unit * stride
    dmp = DMP(3, basis, steps=plan.dmp.steps, points=chunk, alpha=alpha, scaled=False)
    oracle = dmp.loop(hand + path[..., 0], path[..., 1:] * alpha**2 / 4, hand, velocity * stride)
    assert torch.allclose(hand[:, None] + stride * actions[..., :3].cumsum(1), oracle.position, atol=1e-4)
    assert torch.allclose(end * stride, oracle.end[1], atol=1e-3)
    assert torch.equal(actions[..., 3], numbers[:, 3 * (basis + 1) :])  # the grip, which has no path


@pytest.mark.parametrize("alpha", [5.0, 15.0])
def test_noise_on_a_plan_is_as_strong_as_noise_on_its_actions(alpha):
    plan = PathPlan(5, 3, 3, 6, alpha)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        actions, _ = plan(torch.randn(20_000, plan.outputs), torch.zeros(20_000, 3))
    assert actions.square().mean().sqrt().item() == pytest.approx(1.0, abs=0.01)
    one, next_one = actions[:, 0], actions[:, 1]  # what noise on the actions does not do: it keeps its direction
    assert (one * next_one).mean() / (one.square().mean() * next_one.square().mean()).sqrt() > 0.8


@pytest.mark.parametrize("env", ["Push-v0", "Throw-v0"])
def test_the_hand_follows_the_path(env):
    """Without noise, hand positions in the simulator are those of the DMP, through three chunks without a jerk."""
    agent = agent_of(env=env, horizon=None, rollout_steps=50)
    policy, task = lively(agent.policy), agent.envs.task
    with torch.no_grad():
        policy.core.actor[2].weight *= 0.1
        policy.core.actor[2].bias *= 0.1
    obs, _ = agent.envs.reset(seed=3)
    state, velocity, inside = None, torch.zeros(6, 3), np.ones(6, bool)
    dmp = DMP(3, 4, steps=40, points=5, alpha=10.0, scaled=False)
    for _ in range(3):
        hand, first = torch.tensor(task.hand(agent.envs.state)).float(), policy.normalizer(torch.tensor(obs).float())
        numbers = policy.core.actor(first)[:, :15].view(6, 3, 5).detach() * policy.plan.unit * task.stride
        path = dmp.loop(hand + numbers[..., 0], numbers[..., 1:] * 25.0, hand, velocity)
        meant, velocity = policy.plans(obs, state), path.end[1]
        assert np.abs(meant[..., :3]).max() < 1 and np.abs(np.diff(meant[..., :3], axis=1)).max() > 0.01
        for k in range(5):
            action, state = policy.act(obs, state)
            assert np.allclose(action, meant[:, k].clip(-1, 1), atol=1e-6)
            obs, *_ = agent.envs.step(action)
            there = path.position[:, k].numpy()
            inside &= ((there > task.low) & (there < task.high)).all(1)
            assert np.abs(task.hand(agent.envs.state) - there)[inside].max() < 1e-3  # m
    assert inside.sum() >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_is_its_steps(kind):
    """From the middle of plans, across ends of episodes and decisions at different times in every copy."""
    agent = agent_of(kind)
    policy, x = lively(agent.policy), torch.randn(17, 6, 15)
    state = policy.initial_state(6)
    for t in range(6):
        state[t:] = policy.step(torch.randn(6, 15), state)[1][t:]
    begin, starts = state, torch.rand(17, 6) < 0.1
    starts[0, 1] = starts[9, 2] = starts[10, 2] = True
    means, values = [], []
    for t in range(17):
        state = state * ~starts[t][:, None]
        values.append(policy.value(x[t], state))
        mean, state = policy.step(x[t], state)
        means.append(mean)
    mean, value = policy.sequence(x, begin, starts)
    assert len(set(begin[:, 0].tolist())) == 5
    assert torch.allclose(mean, torch.stack(means), atol=1e-5) and torch.allclose(value, torch.stack(values), atol=1e-5)
    on = begin[:, 0] == 1  # three steps of these decide nothing
    mean, value = policy.sequence(x[:3, on], begin[on], torch.zeros(3, int(on.sum()), dtype=torch.bool))
    kept = on & ~starts[:3].any(0)
    assert kept.any() and torch.allclose(mean[:, kept[on]], torch.stack(means)[:3, kept], atol=1e-5)
    assert torch.allclose(value[:, kept[on]], torch.stack(values)[:3, kept], atol=1e-5)
    before = policy.memory(x, begin, starts)
    assert torch.equal(before[:, :, 0].long(), policy.phases(begin, starts))


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_state_ends_with_its_episode(kind):
    """0 · NaN is NaN: a state must be replaced at a start, not multiplied."""
    policy, x = agent_of(kind).policy, torch.randn(9, 6, 15)
    starts, state = torch.zeros(9, 6, dtype=torch.bool), policy.initial_state(6)
    starts[0], starts[3, 1], starts[7, 2] = True, True, True
    good = policy.sequence(x, state, starts)
    broken = torch.full_like(state, float("nan"))
    for one, other in zip(policy.sequence(x, broken, starts), good, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(policy.memory(x, broken, starts), policy.memory(x, state, starts))


# --- PPO ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_ratio_of_a_chunk_is_one_before_the_first_update(kind):
    agent = agent_of(kind)
    lively(agent.policy)
    agent.begin()
    for _ in range(3):
        rollout, _ = agent.collect()
    policy, batch = agent.policy, rollout.segments(agent.unrolled)
    mean, _ = policy.sequence(batch.x, batch.state, batch.starts)
    log_prob = policy.log_prob(batch.action, mean, batch.state, batch.starts)
    assert torch.allclose(log_prob, batch.log_prob, atol=2e-5)
    assert agent.loss(batch)[1][2].abs().max() < 2e-5
    phase = rollout.state[..., 0]
    assert (rollout.starts[1:] & (rollout.state[:-1, :, 0] != 4)[:, :]).any()  # episodes end in the middle of a plan
    if policy.explore == "plan":  # one draw a decision
        assert (rollout.log_prob[phase != 0] == 0).all() and (rollout.log_prob[phase == 0] != 0).all()
        assert rollout.action.shape[-1] == policy.plan.outputs
    else:  # a chunk's density is that of its executed actions, each around its place in the plan
        assert (rollout.log_prob != 0).all() and rollout.action.shape[-1] == 3


def test_falls_in_the_middle_of_a_plan():
    """The pole terminates episodes early, and its one action is a force; nothing in the maths minds."""
    agent = agent_of("dmp", env="InvertedPendulum-v5", plan=dict(dofs=1), horizon=None, init_log_std=1.0)
    for k in range(4):
        metrics = agent.iterate(k / 4)
    rollout, _ = agent.collect()
    assert (rollout.starts[1:] & (rollout.state[:-1, :, 0] != 4)).any() and np.isfinite(metrics["value_loss"])
    assert agent.loss(rollout.segments(1))[1][2].abs().max() < 2e-5


def test_a_chunk_is_drawn_around_the_plan_of_its_first_observation():
    """Oracle: network, DMP and normal density put together by hand, for a whole chunk of each copy."""
    agent = agent_of("dmp", horizon=10, rollout_steps=20, copies=1, minibatch_size=20)
    policy = lively(agent.policy)
    agent.begin()
    rollout, _ = agent.collect()
    dmp = DMP(3, 4, steps=40, points=5, scaled=False, alpha=10.0)
    first = rollout.x[10]  # of the third chunk, with which an episode begins
    numbers = policy.plan.unit * policy.core.actor(first)[:, :15].view(1, 3, 5)
    position = dmp(numbers[..., 0], 25 * numbers[..., 1:], torch.zeros(1, 3)).position
    actions = position.diff(dim=1, prepend=torch.zeros(1, 1, 3))[0]
    oracle = torch.distributions.Normal(actions, policy.log_std.exp()).log_prob(rollout.action[10:15, 0]).sum()
    assert rollout.log_prob[10:15, 0].sum().item() == pytest.approx(oracle.item(), abs=1e-3)


@pytest.mark.parametrize("explore", ["actions", "plan"])
def test_a_chunk_of_one_is_plain_ppo_bit_for_bit(explore, monkeypatch):
    monkeypatch.setenv("COURSE_NATIVE", "0")  # plain PPO has C code of its own, equal to rounding

    def train(policy):
        agent = agent_of("direct", plan=dict(chunk=1))
        assert type(agent.policy) is MLPActorCritic
        agent = PPO(agent.envs, agent.config, policy)
        for k in range(3):
            metrics = agent.iterate(k / 3)
        return metrics, [p for p in agent.policy.parameters()]

    def of_one(obs_dim, act_dim, **more):
        return ChunkActorCritic(obs_dim, act_dim, dict(chunk=1, explore=explore), **more)

    (plain, ours), (chunked, theirs) = train(None), train(of_one)
    assert plain == chunked
    for p in ours:
        assert any(torch.equal(p, q) for q in theirs)


@pytest.mark.parametrize("horizon, heads", [(7, "first"), (6, "first"), (7, "present")])
def test_targets_are_gae_over_single_steps_by_hand(horizon, heads, chunk=3, T=20, gamma=0.9, lam=0.8):
    """Truncation after 7 steps cuts the third plan after one: what is left is worth what the plan's head says."""
    changes = dict(plan=dict(chunk=chunk, heads=heads), gamma=gamma, gae_lambda=lam, minibatch_size=20)
    agent = agent_of("direct", horizon=horizon, rollout_steps=T, copies=3, **changes)
    policy, rewards, finals = lively(agent.policy), [], {}
    step = agent.envs.step

    def recorded(action):
        out = step(action)
        if out[3].any():
            finals[len(rewards)] = out[4]["final_obs"]
        rewards.append(out[1])
        return out

    agent.envs.step = recorded
    agent.begin()
    rollout, _ = agent.collect()
    heads_of = lambda obs: policy.core.critic(policy.normalizer(torch.tensor(obs).float())).detach().numpy()  # noqa: E731
    x, starts = rollout.x, rollout.starts.numpy()
    for i in range(3):
        first = np.zeros(T + 1, int)  # where the plan in force at step t was made
        for t in range(1, T + 1):
            new = (t < T and starts[t, i]) or t - first[t - 1] == chunk
            first[t] = t if new else first[t - 1]
        seen = first if heads == "first" else np.arange(T + 1)
        value = [policy.core.critic(x[seen[t], i])[t - first[t]].item() for t in range(T)]
        following = []
        for t in range(T):
            place = t + 1 - first[t]
            ended = starts[t + 1, i] if t + 1 < T else agent.starts[i]
            if ended and place == chunk:
                following.append(heads_of(finals[t][i])[0])
            elif place == chunk and t + 1 == T:
                following.append(heads_of(agent.observation[i])[0])
            elif place == chunk:
                following.append(value[t + 1])
            elif heads == "present":
                after = finals[t][i] if ended else agent.observation[i]
                following.append(heads_of(after)[place] if ended or t + 1 == T else value[t + 1])
            else:
                following.append(policy.core.critic(x[first[t], i])[place].item())
        for t in range(T):
            total, weight = 0.0, 1.0
            for k in range(t, T):
                total += weight * (rewards[k][i] + gamma * following[k] - value[k])
                weight *= gamma * lam
                if k + 1 < T and starts[k + 1, i] or k + 1 == T:
                    break
            assert rollout.advantage[t, i].item() == pytest.approx(total, abs=1e-4)
            assert rollout.target[t, i].item() == pytest.approx(total + value[t], abs=1e-4)
    assert finals and starts[1:].any()


def test_steps_that_were_not_made_count_nowhere():
    """Episodes of two steps: of a plan for five, the other three rows of the networks get no gradient at all."""
    agent = agent_of("direct")
    lively(agent.policy)
    agent.envs.task.horizon = 2
    agent.begin()
    rollout, _ = agent.collect()
    loss, _ = agent.loss(rollout.segments(1))
    core = agent.policy.core
    actor, critic = torch.autograd.grad(loss, [core.actor[2].weight, core.critic[2].weight])
    assert (actor[:6].abs().sum(1) > 0).all() and (actor[6:] == 0).all()
    assert (critic[:2].abs().sum(1) > 0).all() and (critic[2:] == 0).all()


def test_a_drawn_plan_is_carried_out_to_its_end():
    agent = agent_of("dmp-plan", copies=3)
    policy, done = lively(agent.policy), []
    step = agent.envs.step
    agent.envs.step = lambda action: done.append(action) or step(action)
    agent.begin()
    rollout, _ = agent.collect()
    phase = rollout.state[..., 0]
    for t, i in (phase[:20] == 0).nonzero().tolist():
        velocity = rollout.state[t, i, 16:19]
        actions = policy.plan(rollout.action[t, i], velocity)[0].detach().clamp(-1, 1).numpy()
        for k in range(5):
            if t + k >= 24 or (k and phase[t + k, i] != k):
                break
            assert np.allclose(done[t + k][i], actions[k], atol=1e-5)


@pytest.mark.parametrize("kind", ["dmp", "ltc-plan"])
def test_resuming_equals_never_having_stopped(kind, tmp_path):
    whole = cl.train(agent_of(kind, rollout_steps=16), 16 * 6 * 4, progress=False)
    cl.train(agent_of(kind, rollout_steps=16), 16 * 6 * 4, progress=False, folder=tmp_path, callbacks=[StopAfter(2)])
    run = cl.train(agent_of(kind, rollout_steps=16), 16 * 6 * 4, progress=False, folder=tmp_path, resume=True)
    for p, q in zip(whole.policy.parameters(), run.policy.parameters(), strict=True):
        assert torch.equal(p, q)


class StopAfter:
    def __init__(self, updates):
        self.left = updates

    def on_update(self, run):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", KINDS)
def test_policies_survive_a_file_and_are_evaluated_like_any_other(kind, tmp_path):
    agent = agent_of(kind, env="Pick-v0")
    agent.iterate(0.0)
    lively(agent.policy)
    loaded = cl.load(cl.save_policy(agent.policy, tmp_path / "policy"))
    ours, theirs = cl.evaluate(agent, 3), cl.evaluate(loaded, 3)
    assert np.array_equal(ours.deterministic.returns, theirs.deterministic.returns)
    assert np.array_equal(ours.stochastic.returns, theirs.stochastic.returns)
    assert not np.array_equal(ours.stochastic.returns, ours.deterministic.returns)
    assert PPO(agent.envs, agent.config, loaded).policy.settings == agent.policy.settings


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (dict(chunk=0), "chunk=0 is not accepted; it must be a whole number of at least 1"),
        (dict(basis=0), "basis=0 is not accepted; it must be a whole number of at least 1"),
        (dict(dofs=0), "dofs=0 is not accepted"),
        (dict(alpha=0.0), "alpha=0.0 is not accepted; it must be a finite number above 0"),
        (dict(alpha=-5), "alpha=-5 is not accepted"),
        (dict(trajectory="dpm"), "trajectory='dpm' is not known; accepted: 'none', 'dmp'; did you mean 'dmp'?"),
        (dict(heads="last"), "heads='last' is not known; accepted: 'first', 'present'"),
        (dict(explore="plans"), "explore='plans' is not known; accepted: 'actions', 'plan'"),
    ],
)
def test_refused_options(changes, sentence):
    for refuse in (PPOConfig, lambda plan: ChunkActorCritic(3, 2, plan)):
        with pytest.raises(ArgumentError) as error:
            refuse(plan=changes)
        assert str(error.value).startswith(f"plan.{sentence}")


def test_plans_that_do_not_fit_the_environment():
    with pytest.raises(ArgumentError, match="chunk=13 is longer than the horizon: an episode of Push-v0 has 12 steps"):
        agent_of(plan=dict(chunk=13))
    agent_of(plan=dict(chunk=12))
    with pytest.raises(ArgumentError, match="dofs=4 is more than the actions of this environment; accepted: 1 to 3"):
        agent_of(plan=dict(dofs=4))
    with pytest.raises(ArgumentError, match="heads='present' needs a critic without memory; accepted .* critic='mlp'"):
        agent_of("ltc", plan=dict(heads="present"))
    with pytest.raises(ArgumentError, match="goal=.* is outside the workspace of Push-v0"):
        cl.make("Push-v0", 1, goal=(2.0, 0.0))


@pytest.mark.parametrize("kind", ["ltc", "gru", "ltc-plan"])
def test_neurons_that_are_held_change_the_plan(kind, tmp_path):
    """Oracle: the readout by hand from the states after a decision, with the held neurons replaced in them."""
    policy = lively(agent_of(kind).policy)
    obs = np.random.default_rng(0).normal(size=(3, policy.obs_dim)).astype(np.float32)
    free = policy.plans(obs)
    policy.core.clamped = {0: 0.7, 2: -0.2}
    held = policy.plans(obs)
    core, first = policy.core, policy.normalizer(torch.as_tensor(obs))
    state = core.cell(core.encoder(first), core.parts(torch.zeros(3, core.state_dim))[0], core.dt)
    state[:, 0], state[:, 2] = 0.7, -0.2
    numbers = core.readout(state, core.encoder(first) if core.feedthrough else None)
    wanted = policy.plan(numbers, torch.zeros(3, policy.dofs))[0].detach().numpy()
    np.testing.assert_allclose(held, wanted, atol=1e-6)
    assert np.abs(held - free).max() > 1e-3
    cl.save_policy(policy, tmp_path / "held")
    np.testing.assert_array_equal(cl.load(tmp_path / "held").plans(obs), held)
