"""Cells with a window of the past: the equations in numpy, torch's attention, single steps, and PPO with them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import course_lib as cl
from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.nets import wiring
from course_lib.nets.cells import make_cell
from course_lib.nets.summarizers import Summarizer
from course_lib.policies.actor_critics import RecurrentActorCritic
from course_lib.viz.states.fixed_points import fixed_points
from course_lib.viz.topology.layout import network_of

POLE = ("InvertedPendulum-v5", 8)
CASES = [("frames", {}), ("frames", {"frames": 1}), ("attention", {}), ("attention", {"window": 1}),
         ("attention", {"window": 3}), ("attention", {"window": 40})]  # fmt: skip


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def lively(cell):
    """Biases that are not 0, as after training."""
    with torch.no_grad():
        for name, p in cell.named_parameters():
            if "bias" in name:
                p.uniform_(-1, 1)
    return cell


def in_numpy(cell, seen):
    """Outputs (n,) at the end of an episode in which `seen` (t, inputs) was observed, the equations written out."""
    p, W = {name: value.detach().numpy() for name, value in cell.named_parameters()}, cell.frames
    if "first" in p:
        padded = np.concatenate([np.zeros((W, cell.inputs)), seen])[-W:]
        hidden = np.tanh(p["first"] @ padded.ravel() + p["first_bias"])
        return np.tanh(p["second"] @ hidden + p["second_bias"])
    e = [np.tanh(p["embedding"] @ x + p["embedding_bias"]) for x in seen[-W:]]
    q = p["query"] @ e[-1] + p["query_bias"]
    lags = range(len(e))  # 0 is the newest
    scores = np.array([q @ (p["key"] @ e[-1 - j] + p["position"][W - 1 - j]) for j in lags]) / np.sqrt(cell.neurons)
    weights = np.exp(scores) / np.exp(scores).sum()
    attended = sum(w * (p["value"] @ e[-1 - j]) for w, j in zip(weights, lags, strict=True))
    return np.tanh(p["output"] @ (e[-1] + attended) + p["output_bias"])


@pytest.mark.parametrize(("name", "options"), CASES)
def test_the_equations(name, options):
    cell = lively(make_cell(name, 3, 4, **options))
    x, starts = torch.randn(37, 2, 3), torch.zeros(37, 2, dtype=torch.bool)
    starts[0], starts[17, 0], starts[19, 0], starts[30, 1] = True, True, True, True
    states = cell.sequence(x, torch.randn(2, cell.state_width), starts).detach().numpy()
    for b in range(2):
        for t in range(37):
            begun = int(starts[: t + 1, b].nonzero()[-1])
            seen = x[begun : t + 1, b].numpy()
            np.testing.assert_allclose(states[t, b, :4], in_numpy(cell, seen), rtol=0, atol=1e-12)


@pytest.mark.parametrize("window", [1, 5, 16])
def test_attention_is_that_of_torch(window):
    """Its keys with the positions added, one window after another; before the episode a mask."""
    cell = lively(make_cell("attention", 3, 8, window=window))
    x = torch.randn(23, 2, 3)
    e = torch.tanh(F.linear(x, cell.embedding, cell.embedding_bias))
    for t, out in enumerate(cell.sequence(x, cell.initial_state(2))[..., :8]):
        lags = min(t + 1, window)
        near = F.pad(e[t + 1 - lags : t + 1], (0, 0, 0, 0, window - lags, 0)).transpose(0, 1)  # (B, W, n)
        q = F.linear(e[t], cell.query, cell.query_bias)[:, None]
        keys, values = F.linear(near, cell.key) + cell.position, F.linear(near, cell.value)
        mask = torch.arange(window) >= window - lags
        attended = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask[None])[:, 0]
        torch.testing.assert_close(out, torch.tanh(F.linear(e[t] + attended, cell.output, cell.output_bias)))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_sequence_is_its_steps(name, options):
    """Longer than several windows; episodes begin in the middle, and again within a window."""
    cell = lively(make_cell(name, 3, 4, **options))
    x, starts = torch.randn(50, 3, 3), torch.rand(50, 3) < 0.1
    starts[20:22, 1] = True
    h = before = torch.randn(3, cell.state_width)
    steps = []
    for t in range(50):
        h = cell(x[t], h.masked_fill(starts[t][:, None], 0.0))
        steps.append(h)
    torch.testing.assert_close(cell.sequence(x, before, starts), torch.stack(steps))
    half = cell.sequence(x[:23], before, starts[:23])
    rest = cell.sequence(x[23:], half[-1], starts[23:])
    torch.testing.assert_close(torch.cat([half, rest]), torch.stack(steps))
    assert cell.sequence(x[:0], before).shape == (0, 3, cell.state_width)
    assert cell.sequence(x[:, :0], before[:0]).shape == (50, 0, cell.state_width)


@pytest.mark.parametrize(("name", "options"), [("frames", {"frames": 3}), ("attention", {"window": 3})])
def test_gradients_are_those_of_finite_differences(name, options):
    """Over more than one block of attention."""
    cell = lively(make_cell(name, 2, 3, **options))
    names = [f"cell.{key}" for key, _ in cell.named_parameters()]
    x, h = torch.randn(19, 2, 2, requires_grad=True), torch.randn(2, cell.state_width, requires_grad=True)
    starts = torch.rand(19, 2) < 0.15

    class Sequence(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self, x, h):
            return self.cell.sequence(x, h, starts)

    def call(x, h, *parameters):
        return torch.func.functional_call(Sequence(), dict(zip(names, parameters, strict=True)), (x, h))

    assert torch.autograd.gradcheck(call, (x, h, *cell.parameters()), fast_mode=True)


@pytest.mark.parametrize(("name", "option"), [("frames", "frames"), ("attention", "window")])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_how_far_it_sees(name, option, size):
    """The last output follows from the last `size` observations, and from no other."""
    cell = lively(make_cell(name, 3, 4, **{option: size}))
    x = torch.randn(20, 1, 3, requires_grad=True)
    out = cell.sequence(x, torch.randn(1, cell.state_width))[-1, 0, :4].sum()
    reach = torch.autograd.grad(out, x)[0][:, 0].abs().sum(-1) > 0
    assert reach.tolist() == [False] * (20 - size) + [True] * size


def test_the_state_holds_outputs_then_the_window():
    x = torch.randn(5, 2, 3)
    frames, attention = make_cell("frames", 3, 4), make_cell("attention", 3, 4, window=4)
    assert (frames.state_width, attention.state_width) == (4 + 3 * 3, 4 + 3 * (3 + 1))
    state = frames.sequence(x, frames.initial_state(2))
    torch.testing.assert_close(state[4, :, 4:], x[2:5].transpose(0, 1).flatten(1))
    assert (state[1, :, 4:7] == 0).all()
    seen = attention.sequence(x, attention.initial_state(2))[1, :, 4:].unflatten(1, (3, 4))
    assert (seen[:, 0] == 0).all() and (seen[:, 1:, 3] == 1).all()
    torch.testing.assert_close(seen[:, 1:, :3], x[:2].transpose(0, 1))


def test_before_an_episode_frames_are_zeros_to_one_and_nothing_to_the_other():
    x = torch.cat([torch.zeros(6, 2, 3), torch.randn(1, 2, 3)])
    for name, same in (("frames", True), ("attention", False)):
        cell = lively(make_cell(name, 3, 4))
        after, fresh = cell.sequence(x, cell.initial_state(2))[-1], cell.sequence(x[-1:], cell.initial_state(2))[0]
        assert torch.allclose(after[:, :4], fresh[:, :4]) == same


@pytest.mark.parametrize("name", ["frames", "attention"])
def test_a_broken_window_ends_with_its_episode(name):
    cell = make_cell(name, 3, 4)
    x, starts = torch.randn(9, 2, 3), torch.zeros(9, 2, dtype=torch.bool)
    starts[0] = True
    good = cell.sequence(x, cell.initial_state(2), starts)
    for broken in (torch.nan, torch.inf):
        assert torch.equal(cell.sequence(x, torch.full((2, cell.state_width), broken), starts), good)
    with pytest.raises(NonFiniteError, match="is not finite"):
        cell.sequence(x, torch.full((2, cell.state_width), torch.nan), None)


@pytest.mark.parametrize("name", ["frames", "attention"])
def test_blind_to_durations_but_not_to_wrong_ones(name):
    cell, x = make_cell(name, 3, 4), torch.randn(6, 2, 3)
    h = cell.initial_state(2)
    assert torch.equal(cell.sequence(x, h, None, torch.rand(6, 2) + 0.1), cell.sequence(x, h))
    for call in (lambda: cell(x[0], h, 0.0), lambda: cell.sequence(x, h, None, -1.0)):
        with pytest.raises(ArgumentError, match="is not accepted; a duration must be a finite number above 0"):
            call()


def test_counts_of_parameters():
    count = lambda cell: sum(p.numel() for p in cell.parameters())  # noqa: E731
    for inputs, n in ((3, 4), (17, 32)):
        for W in (1, 4, 9):
            assert count(make_cell("frames", inputs, n, frames=W)) == n * (W * inputs + 1) + n * (n + 1)
            assert count(make_cell("attention", inputs, n, window=W)) == n * (inputs + 1) + 4 * n * n + 2 * n + W * n


@pytest.mark.parametrize("name", ["frames", "attention"])
def test_what_does_not_fit_gets_a_sentence(name):
    option = "frames" if name == "frames" else "window"
    cell, kind = make_cell(name, 3, 4, **{option: 3}), {"frames": "Frames", "attention": "Attention"}[name]
    wide = cell.state_width
    with pytest.raises(ArgumentError, match=rf"h of shape \(2, 4\) .*must be \(2, {wide}\): {wide} numbers of each of"):
        cell(torch.zeros(2, 3), torch.zeros(2, 4))
    for options, sentence in (
        ({"wiring": wiring.full(3, 4)}, f"wiring is not accepted by {kind}, which has no recurrent weights"),
        ({"rank": 2}, f"rank=2 is not accepted by {kind}, which has no recurrent weights; accepted: None"),
        ({option: 0}, f"{option}=0 is not accepted; it must be a whole number of at least 1"),
        ({option: 2.5}, f"{option}=2.5 is not accepted"),
        ({"solver": "rk4"}, f"cell='{name}' does not take these options: .*solver"),
        ({option: 10**12}, f"{option}=1000000000000"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            make_cell(name, 3, 4, **options)
    with pytest.raises(ArgumentError, match=f"cell is a {kind} without weights to draw"):
        network_of(cell)
    assert f"3 inputs, 4 neurons, {cell.frames} frames" in repr(cell)


@pytest.mark.parametrize("name", ["frames", "attention"])
def test_under_a_held_input_it_comes_to_rest(name):
    cell, x = make_cell(name, 3, 4, **{"frames" if name == "frames" else "window": 3}), torch.randn(3)
    found = fixed_points(cell, x, tries=4)
    rest = cell.sequence(x.expand(3, 1, -1), cell.initial_state(1))[-1]
    rest = cell(x[None], rest).detach()
    assert len(found) == 1 and found.stable.all()
    np.testing.assert_allclose(found.states, rest.numpy(), atol=1e-9)


# --- in policies --------------------------------------------------------------------------------


@pytest.fixture
def single():
    torch.set_default_dtype(torch.float32)


def test_only_the_outputs_are_read_and_the_whole_state_is_kept(single):
    policy = RecurrentActorCritic(3, 2, dict(name="frames", neurons=4, critic_neurons=5, options={"frames": 3}))
    assert policy.state_dim == (4 + 2 * 3) + (5 + 2 * 3)
    assert policy.readout.in_features == 4 and policy.critic.in_features == 5
    x, state = torch.randn(6, 3), policy.initial_state(6)
    policy.clamped = {1: 0.7}
    mean, after = policy.step(x, state)
    actor, critic = policy.parts(after)
    h = policy.cell(x, policy.cell.initial_state(6))
    h[:, 1] = 0.7
    assert torch.equal(actor, h) and torch.equal(policy.actor_state(after), h[:, :4])
    assert torch.equal(critic, policy.critic_cell(x, policy.critic_cell.initial_state(6)))
    z = (h[:, :4] - policy.readout.center) / policy.readout.scale
    torch.testing.assert_close(mean, F.linear(z, policy.readout.weight, policy.readout.bias))


@pytest.mark.parametrize("name", ["frames", "attention"])
def test_the_fresh_readout_is_calibrated(name, single):
    policy = RecurrentActorCritic(3, 2, dict(name=name, neurons=6))
    h = policy.cell.sequence(torch.randn(4000, 3).expand(10, -1, -1), policy.cell.initial_state(4000))[-1, :, :6]
    z = (h - policy.readout.center) / policy.readout.scale
    assert z.mean(0).abs().max() < 0.3 and (z.std(0) - 1).abs().max() < 0.3


@pytest.mark.parametrize("cell", [dict(name="frames"), dict(name="attention", feedthrough=True, encoder=4)])
def test_ppo_trains_saves_and_loads(cell, single, tmp_path):
    envs = cl.make(*POLE, hide="velocities", seed=0)
    agent = cl.PPO(envs, cl.PPOConfig.recommended(POLE[0], cell=cell, refresh_states=True))
    before = [p.detach().clone() for p in agent.policy.parameters()]
    for _ in range(3):
        assert all(np.isfinite(value) for value in agent.iterate(progress=0.0).values())
    moved = [not torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True)]
    assert all(moved)
    back, one, two = cl.load(cl.save_policy(agent.policy, tmp_path / "it")), None, None
    assert all(torch.equal(p, q) for p, q in zip(agent.policy.parameters(), back.parameters(), strict=True))
    obs = np.random.default_rng(0).normal(size=(20, 5, 2))
    for row in obs:
        (a, one), (b, two) = agent.policy.act(row, one), back.act(row, two)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)  # trained weights stand elsewhere in memory, sums round
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["frames", "attention"])
def test_a_summary_is_of_the_outputs(name, single):
    s = Summarizer(3, dict(name=name, neurons=4))
    assert s.width == 4 and s.state_dim == s.net.state_width > 4
    x = torch.randn(7, 5, 3)
    summary, state = s.sequence(x, s.initial_state(5))
    h = s.net.sequence(x, s.net.initial_state(5))
    assert torch.equal(state, h[-1]) and torch.equal(summary, (h[..., :4] - s.center) / s.scale)
