"""Recurrent actor-critics in PPO: memory over borders, starts, BPTT, stored and refreshed states, files."""

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.nets import wiring
from course_lib.nets.cells import CELLS
from course_lib.policies.actor_critics import RecurrentActorCritic, gaussian_log_prob
from course_lib.rl.ppo import PPO, PPOConfig


def agent(name="ltc", sequence_length=8, refresh_states=False, **cell):
    config = PPOConfig(
        rollout_steps=32, minibatch_size=64, epochs=2, learning_rate=3e-3, sequence_length=sequence_length,
        refresh_states=refresh_states, cell=dict(name=name, **{"neurons": 5, **cell}),
    )  # fmt: skip
    return PPO(cl.make("InvertedPendulum-v5", num_envs=8, seed=0), config)


def played(cell, **changes):
    """An agent some updates old, and the rollout it has just collected."""
    it = agent(cell, **changes)
    for _ in range(3):
        it.iterate(progress=0.0)
    return it, it.collect()[0]


@pytest.mark.parametrize("critic", ["cell", "mlp"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_ratio_is_one_before_the_first_update(cell, critic):
    it, rollout = played(cell, critic=critic)
    assert rollout.starts[1:].any() and not rollout.starts[0].all()  # episodes begin inside, and run over the border
    if cell != "mlp":
        assert rollout.state[0].abs().sum() > 0
    for length in (1, 8, 32):
        piece = rollout.segments(length)
        mean, value = it.policy.sequence(piece.x, piece.state, piece.starts)
        log_ratio = gaussian_log_prob(piece.action, mean, it.policy.log_std) - piece.log_prob
        assert log_ratio.abs().max() < 2e-5, length


@pytest.mark.parametrize("options", [{}, {"encoder": 5, "feedthrough": True}], ids=["plain", "encoder, feedthrough"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_is_its_steps(cell, options):
    """`sequence` in one call against `step` and `value` one at a time, with the state zeroed by hand at starts."""
    torch.manual_seed(0)
    policy = RecurrentActorCritic(3, 2, dict(name=cell, neurons=4, critic_neurons=6, **options))
    x, starts = torch.randn(7, 5, 3), torch.rand(7, 5) < 0.3
    state = torch.randn(5, policy.state_dim)
    mean, value = policy.sequence(x, state, starts)
    memory = policy.memory(x, state, starts)
    for t in range(7):
        state = state * ~starts[t, :, None]
        torch.testing.assert_close(memory[t], state, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(policy.value(x[t], state), value[t], atol=1e-5, rtol=1e-4)
        one, state = policy.step(x[t], state)
        torch.testing.assert_close(one, mean[t], atol=1e-6, rtol=1e-5)


def test_feedthrough_lets_an_action_follow_its_observation_at_once():
    """With a cell that hardly moves (dt near 0), only what goes around it can tell two observations apart."""
    x, state = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.zeros(2, 8)
    apart = {}
    for feedthrough in (False, True):
        torch.manual_seed(0)
        policy = RecurrentActorCritic(2, 1, cl.CellConfig("ltc", neurons=4, encoder=3, feedthrough=feedthrough))
        policy.dt = 1e-6
        mean, _ = policy.step(x, state)
        apart[feedthrough] = (mean[0] - mean[1]).abs().item()
        assert policy.readout.in_features == 4 + 3 * feedthrough
    assert apart[False] < 1e-6 and apart[True] > 1e-4


def test_actor_and_critic_have_states_of_their_own():
    policy = RecurrentActorCritic(3, 2, cl.CellConfig("ltc", neurons=4))
    x, state = torch.randn(6, 5, 3), torch.randn(5, policy.state_dim)
    mean, value = policy.sequence(x, state, torch.zeros(6, 5, dtype=torch.bool))
    actor = [*policy.cell.parameters(), *policy.readout.parameters()]
    critic = [*policy.critic_cell.parameters(), *policy.critic.parameters()]
    assert all(g is None for g in torch.autograd.grad(value.sum(), actor, allow_unused=True, retain_graph=True))
    assert all(g is None for g in torch.autograd.grad(mean.sum(), critic, allow_unused=True))
    other = state.clone()
    other[:, 4:] += 1.0  # the critic's part
    torch.testing.assert_close(policy.sequence(x, other, torch.zeros(6, 5, dtype=torch.bool))[0], mean)


def test_the_gradient_reaches_back_as_far_as_the_sequence():
    """With length 1 the recurrent weights see the stored state as a constant; longer pieces see its history."""
    it, rollout = played("ltc")

    def gradient(length):
        piece = rollout.segments(length)
        mean, _ = it.policy.sequence(piece.x, piece.state, piece.starts)
        return torch.autograd.grad(mean.sum(), it.policy.cell.recurrent)[0]

    # Length 1 by hand: the cell alone, state by state.
    flat = lambda a: a.reshape(-1, a.shape[-1])  # noqa: E731
    keep = (~rollout.starts).float().reshape(-1, 1)
    mean = it.policy.readout(it.policy.cell(flat(rollout.x), it.policy.actor_state(flat(rollout.state)) * keep))
    torch.testing.assert_close(gradient(1), torch.autograd.grad(mean.sum(), it.policy.cell.recurrent)[0])
    far, farther = gradient(8), gradient(32)
    assert (gradient(1) - farther).norm() > 0.05 * farther.norm()
    assert (far - farther).norm() < (gradient(1) - farther).norm()


def test_stored_states_go_stale_and_refreshed_ones_do_not():
    it, rollout = played("gru")
    fresh = it.policy.memory(rollout.x, rollout.state[0], rollout.starts)
    torch.testing.assert_close(fresh, rollout.state * ~rollout.starts[..., None], atol=1e-5, rtol=1e-4)
    it.improve(rollout)
    moved = it.policy.memory(rollout.x, rollout.state[0], rollout.starts)
    assert (moved - fresh).abs().max() > 1e-4
    stale, refreshed = (played("gru", refresh_states=r)[0].policy.state_dict() for r in (False, True))
    assert any(not torch.equal(stale[k], refreshed[k]) for k in stale)


@pytest.mark.parametrize("cell", ["ltc", "gru"])
def test_resuming_a_recurrent_run_equals_never_having_stopped(cell, tmp_path):
    whole = cl.train(agent(cell), 1024, progress=False)
    cl.train(agent(cell), 1024, progress=False, folder=tmp_path / cell, max_seconds=1e-6)
    again = cl.train(agent(cell), 1024, progress=False, folder=tmp_path / cell, resume=True)
    assert again.agent.env_steps == whole.agent.env_steps
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, again.policy.state_dict()[name]), name


@pytest.mark.parametrize("cell", CELLS)
def test_policies_with_cells_survive_a_file(cell, tmp_path):
    net = wiring.ncp(4, 4, 3, 1, sensory_fanout=2, inter_fanout=2, recurrent_command=2, motor_fanin=2)
    options = {} if cell in ("frames", "attention") else {"wiring": net}  # which have no synapses
    policy = RecurrentActorCritic(4, 1, dict(name=cell, options=options, critic_neurons=3))
    policy.enter(cl.make("InvertedPendulum-v5", num_envs=1))
    back = cl.load(cl.save_policy(policy, tmp_path / "it"))
    obs, one, two = np.random.default_rng(0).normal(size=(6, 4)), None, None
    for _ in range(3):
        (a, one), (b, two) = policy.act(obs, one), back.act(obs, two)
        np.testing.assert_array_equal(a, b)


def test_a_clamped_neuron_keeps_its_value_and_a_disconnected_one_does_not_matter():
    torch.manual_seed(1)
    policy = RecurrentActorCritic(3, 1, cl.CellConfig("ltc", neurons=4))
    x, state = torch.randn(5, 3), policy.initial_state(5)
    policy.clamped = {2: 0.7}
    _, after = policy.step(x, state)
    assert (policy.actor_state(after)[:, 2] == 0.7).all()
    with torch.no_grad():
        policy.readout.weight[:, 2] = 0.0
        policy.cell.recurrent[:, 2] = 0.0
    held, h = policy.step(x, after)
    policy.clamped = {}
    free, _ = policy.step(x, after)
    torch.testing.assert_close(held, free)


def test_a_liquid_network_learns_the_pole():
    """Eight neurons, a few seconds: far above what falls over (about 5 to 30)."""
    envs = cl.make("InvertedPendulum-v5", num_envs=8, seed=3)
    config = PPOConfig.recommended("InvertedPendulum-v5", cell=dict(name="ltc", critic="mlp"), seed=3)
    run = cl.train(PPO(envs, config), 6144, progress=False)
    assert cl.evaluate(run, episodes=20).deterministic.mean > 300


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(name="lct"), "did you mean 'ltc'"),
        (dict(critic="none"), "accepted: 'cell', 'mlp'"),
        (dict(neurons=0), "cell.neurons=0"),
        (dict(sequence_length=5), "does not divide rollout_steps=32"),
        (dict(options={"solver": "rk5"}), "did you mean 'rk4'"),
        (dict(options={"unfolds": 3}), "unfolds"),
    ],
)
def test_bad_settings_get_a_sentence(changes, words):
    with pytest.raises(ArgumentError, match=None) as caught:
        agent(**changes)
    assert words in str(caught.value)


@pytest.mark.parametrize("critic", ["cell", "mlp"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_broken_state_ends_with_its_episode(cell, critic):
    """0 · NaN is NaN: a state must be replaced at a start, not multiplied."""
    policy = RecurrentActorCritic(3, 2, dict(name=cell, neurons=4, critic=critic))
    x, starts, state = torch.randn(4, 2, 3), torch.zeros(4, 2, dtype=torch.bool), torch.randn(2, policy.state_dim)
    starts[0], starts[2, 1] = True, True
    good = policy.sequence(x, torch.zeros_like(state), starts)
    state[:, :] = torch.tensor([[float("nan")], [float("inf")]])
    assert torch.equal(policy.memory(x, state, starts)[0], torch.zeros_like(state))
    for one, other in zip(policy.sequence(x, state, starts), good, strict=True):
        assert torch.equal(one, other)


def test_a_minibatch_holds_at_least_one_sequence():
    config = cl.PPOConfig(cell="ltc", minibatch_size=8, sequence_length=32)
    with pytest.raises(ArgumentError, match="minibatch_size=8 is less than one sequence; it must be at least sequence"):
        cl.PPO(cl.make("InvertedPendulum-v5", 2), config)
