"""Recurrent weights of low rank: against a full cell with the product written into it, by value and gradient."""

import math

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError
from course_lib.nets import native, wiring
from course_lib.nets.cells import CELLS, ODECell, make_cell
from course_lib.nets.summarizers import Summarizer

RANKED = ["neural_ode", "ctrnn", "ltc", "cfc", "gru"]
VARIANTS = [(name, {}) for name in RANKED]
VARIANTS += [("ltc", {"form": "writeup"}), ("ltc", {"solver": "rk4", "input": "initial", "substeps": 2})]
VARIANTS += [("ctrnn", {"solver": "dopri5"}), ("ltc", {"solver": "rk4", "gradient": "adjoint"})]


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=["1", "0"], ids=["C", "torch"])
def either(request, monkeypatch):
    """With C code, where there is a compiler, and without."""
    monkeypatch.setenv("COURSE_NATIVE", request.param)
    if request.param == "1" and native.library() is None:
        pytest.skip(f"native code is {native.status()}")


def full_twin(cell, name, options):
    """A full cell that has all weights of `cell`, and the product of its factors."""
    twin, weights = make_cell(name, cell.inputs, cell.neurons, **options), cell.state_dict()
    weights["recurrent"] = weights.pop("recurrent_left") @ weights.pop("recurrent_right")
    twin.load_state_dict(weights)
    return twin


@pytest.mark.parametrize("wired", [False, True])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_it_is_the_full_cell_with_the_product(either, name, options, wired):
    options = options | {"wiring": wiring.random(3, 6, 0.5, seed=1, attempts=50) if wired else None}
    cell = make_cell(name, 3, 6, rank=2, **options)
    twin = full_twin(cell, name, options)
    x, h, starts = torch.randn(7, 4, 3), torch.randn(4, 6), torch.rand(7, 4) < 0.2
    dt = torch.rand(7, 4) + 0.3
    for call in (lambda c: c.sequence(x, h, starts, dt), lambda c: c(x[0], h, dt[0])):
        ours, theirs = call(cell), call(twin)
        torch.testing.assert_close(ours, theirs)
        for c, out in ((cell, ours), (twin, theirs)):
            c.zero_grad()
            out.square().sum().backward()
        G, (left, right) = twin.recurrent.grad, (cell.recurrent_left, cell.recurrent_right)
        torch.testing.assert_close(left.grad, G @ right.detach().t())
        torch.testing.assert_close(right.grad, left.detach().t() @ G)
        torch.testing.assert_close(cell.input.grad, twin.input.grad)
        torch.testing.assert_close(cell.bias.grad, twin.bias.grad)
    product = (cell.recurrent_left @ cell.recurrent_right).detach()[-6:]
    mask = torch.as_tensor(options["wiring"].recurrent) if wired else torch.ones(6, 6)
    torch.testing.assert_close(cell.recurrent_weight, product * mask)
    assert wired or torch.linalg.matrix_rank(cell.recurrent_weight) == 2
    if issubclass(CELLS[name], ODECell):
        torch.testing.assert_close(cell.derivative(h, x[0]), twin.derivative(h, x[0]))


@pytest.mark.parametrize("name", RANKED)
def test_gradients_are_those_of_finite_differences(either, name):
    cell, starts = make_cell(name, 2, 3, rank=2), torch.tensor([[False, True], [True, False], [False, False]])
    x, h = torch.randn(3, 2, 2), torch.randn(2, 3)
    loss = lambda: cell.sequence(x, h, starts).square().sum()  # noqa: E731
    for p in (cell.recurrent_left, cell.recurrent_right):
        found = torch.autograd.grad(loss(), p)[0]
        for k in range(p.numel()):
            sides = []
            for step in (1e-6, -2e-6):
                with torch.no_grad():
                    p.view(-1)[k] += step
                    sides.append(loss())
            with torch.no_grad():
                p.view(-1)[k] += 1e-6
            assert found.view(-1)[k].item() == pytest.approx(((sides[0] - sides[1]) / 2e-6).item(), abs=1e-6)


@pytest.mark.parametrize("name", RANKED)
def test_entries_start_as_large_as_those_of_the_full_cell(name):
    for rank in (1, 3, 40):
        drawn = [make_cell(name, 2, 40, rank=rank)._recurrent().detach() for _ in range(30)]
        entries = torch.stack([w[w != 0] for w in drawn])
        assert entries.var().item() == pytest.approx(1 / (3 * 40), rel=0.15) and abs(entries.mean()) < 0.01
    full = make_cell(name, 2, 40)._recurrent().detach()
    assert full[full != 0].var().item() == pytest.approx(1 / (3 * 40), rel=0.1)


def test_counts_of_parameters():
    vectors = {"neural_ode": 0, "ctrnn": 1, "ltc": 2, "cfc": 0, "gru": 1}  # each of `neurons` numbers
    for name in RANKED:
        for m, n, r in ((3, 5, 1), (17, 32, 8)):
            g = CELLS[name].gates
            beside = g * n * (m + 1) + vectors[name] * n
            count = [sum(p.numel() for p in make_cell(name, m, n, rank=k).parameters()) for k in (r, None)]
            assert count == [beside + r * (g * n + n), beside + g * n * n]


@pytest.mark.parametrize("name", RANKED)
def test_without_a_rank_nothing_is_different(name):
    """The names of the weights, and what is drawn first: U, then W."""
    torch.manual_seed(7)
    cell = make_cell(name, 3, 5, rank=None)
    torch.manual_seed(7)
    rows = 5 * cell.gates
    scale = 2.0 if name == "ltc" else 1.0
    assert torch.equal(cell.input, torch.empty(rows, 3).uniform_(-1, 1) * math.sqrt(3 / 3) * scale)
    assert torch.equal(cell.recurrent, torch.empty(rows, 5).uniform_(-1, 1) / math.sqrt(5))
    assert {"input", "recurrent", "bias"} < {*cell.state_dict(), "more"} and "rank" not in repr(cell)


def test_what_has_no_rank_gets_a_sentence():
    for name, has in (
        ("synaptic_ltc", "SynapticLTC, which has four numbers a synapse"),
        ("mlp", "MLP, which has no recurrent weights"),
        ("frames", "Frames, which has no recurrent weights"),
    ):
        with pytest.raises(ArgumentError, match=f"rank=2 is not accepted by {has}; accepted: None"):
            make_cell(name, 3, 5, rank=2)
        assert make_cell(name, 3, 5, rank=None).rank is None
    for rank, sentence in (
        (6, "rank=6 is not accepted with neurons=5; it must be at most as large"),
        (0, "rank=0 is not accepted; it must be a whole number of at least 1"),
        (True, "rank=True is not accepted"),
        (2.0, "rank=2.0 is not accepted"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            make_cell("ltc", 3, 5, rank=rank)
    assert "3 inputs, 5 neurons, rank 5" in repr(make_cell("gru", 3, 5, rank=np.int64(5)))


@pytest.mark.parametrize("name", ["ltc", "gru"])
def test_ppo_trains_saves_and_loads(name, tmp_path):
    torch.set_default_dtype(torch.float32)
    envs = cl.make("InvertedPendulum-v5", 8, hide="velocities", seed=0)
    cell = dict(name=name, options={"rank": 2})
    agent = cl.PPO(envs, cl.PPOConfig.recommended("InvertedPendulum-v5", cell=cell))
    before = [p.detach().clone() for p in agent.policy.parameters()]
    for _ in range(3):
        agent.iterate(progress=0.0)
    assert all(not torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))
    assert agent.policy.critic_cell.rank == 2
    back, x = cl.load(cl.save_policy(agent.policy, tmp_path / "it")), torch.randn(6, 3, 2)
    starts, state = torch.zeros(6, 3, dtype=torch.bool), back.initial_state(3)
    for a, b in zip(agent.policy.sequence(x, state, starts), back.sequence(x, state, starts), strict=True):
        torch.testing.assert_close(a, b)
    assert Summarizer(3, dict(name=name, neurons=4, options={"rank": 1})).net.rank == 1
