"""Cells: the fused call against the loop, closed forms, torch, ncps and scipy as oracles, bounds of states."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch.nn import functional as F

from course_lib.errors import ArgumentError
from course_lib.nets import cells, synaptic, wiring
from course_lib.nets.cells import CELLS, ODECell, make_cell

ODE = [name for name, kind in CELLS.items() if issubclass(kind, ODECell)]
DECAYING = [name for name in ODE if name != "neural_ode"]
WIRED = [name for name in CELLS if name not in ("frames", "attention")]  # the others have no synapses to leave out


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def variants():
    for name in CELLS:
        if name not in ODE:
            yield name, {}
            continue
        for solver in ("fused", "euler", "midpoint", "rk4", "dopri5", "heun3"):
            for mode in ("held", "initial"):
                if (name, solver) != ("neural_ode", "fused"):
                    yield name, dict(solver=solver, input=mode, substeps=2)
    for solver in ("fused", "rk4"):
        yield "ltc", dict(form="writeup", solver=solver)
    yield "ctrnn", dict(solver="rk4", gradient="adjoint")


def loop(cell, x, h, starts, dt):
    """The sequence, step by step."""
    states = []
    for t in range(len(x)):
        h = cell(x[t], h * (~starts[t])[:, None], dt if isinstance(dt, float) else dt[t])
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("durations", ["number", "per step", "per sample"])
@pytest.mark.parametrize(("name", "options"), list(variants()))
def test_the_fused_call_is_the_loop(name, options, durations):
    cell = make_cell(name, 3, 4, **options)
    x, h, starts = torch.randn(6, 5, 3), torch.randn(5, cell.state_width), torch.rand(6, 5) < 0.3
    dt = {"number": 0.4, "per step": torch.rand(6) + 0.1, "per sample": torch.rand(6, 5) + 0.1}[durations]
    torch.testing.assert_close(cell.sequence(x, h, starts, dt), loop(cell, x, h, starts, dt), rtol=1e-9, atol=1e-9)
    starts &= False
    torch.testing.assert_close(cell.sequence(x, h, None, dt), loop(cell, x, h, starts, dt), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CELLS)
def test_what_happened_before_an_episode_changes_nothing_in_it(name):
    cell, x = make_cell(name, 3, 4), torch.randn(8, 5, 3)
    h = torch.randn(5, cell.state_width)
    starts = torch.zeros(8, 5, dtype=torch.bool)
    starts[3, 2] = True
    first = cell.sequence(x, h, starts)
    x = x.clone()
    x[:3], h = x[:3] + 1.0, h - 2.0
    second = cell.sequence(x, h, starts)
    assert torch.equal(first[3:, 2], second[3:, 2])
    if name != "mlp":
        assert not torch.allclose(first[3:, 1], second[3:, 1])


# --- oracles ------------------------------------------------------------------------------------


def test_gru_is_that_of_torch():
    ours, theirs = make_cell("gru", 3, 5), torch.nn.GRUCell(3, 5)
    with torch.no_grad():
        ours.recurrent_bias.uniform_(-1, 1)
        ours.bias.uniform_(-1, 1)
        theirs.weight_ih.copy_(ours.input)
        theirs.weight_hh.copy_(ours.recurrent)
        theirs.bias_ih.copy_(ours.bias)
        theirs.bias_hh.copy_(torch.cat([torch.zeros(10), ours.recurrent_bias]))
    x, h = torch.randn(7, 3), torch.randn(7, 5, requires_grad=True)
    a, b = ours.sequence(x[None], h)[0], theirs(x, h)
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), h)[0] for out in (a, b)))


def scipy_states(cell, x, h, dt):
    """(T, n) of one sample from scipy: the equation written out again in numpy, the input held in each interval."""
    p = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    sigmoid, softplus = lambda z: 1 / (1 + np.exp(-z)), lambda z: np.log1p(np.exp(z))

    def rate(h, x):
        if isinstance(cell, synaptic.SynapticLTC):
            inward = softplus(p["raw_g"]) * (p["v"] - h)
            for kind, source in (("recurrent", h), ("sensory", x)):
                for i in range(len(h)):
                    s = sigmoid(p[f"{kind}_sigma"][i] * (source - p[f"{kind}_mu"][i]))
                    inward[i] += np.sum(softplus(p[f"{kind}_raw_w"][i]) * s * (p[f"{kind}_E"][i] - h[i]))
            return inward / softplus(p["raw_C"])
        a = p["recurrent"] @ h + p["input"] @ x + p["bias"]
        if isinstance(cell, cells.NeuralODE):
            return np.tanh(a)
        tau = softplus(p["raw_tau"])
        if isinstance(cell, cells.CTRNN):
            return -h / tau + np.tanh(a)
        f, A = sigmoid(a), p["A"]
        return -(1 / tau + A * f) * h + f if cell.form == "writeup" else -(1 / tau + f) * h + f * A

    out = []
    for x_t, d in zip(x.numpy(), dt, strict=True):
        h = solve_ivp(lambda t, y, x_t=x_t: rate(y, x_t), (0, d), h, "DOP853", rtol=1e-11, atol=1e-11).y[:, -1]
        out.append(h)
    return torch.tensor(np.array(out))


@pytest.mark.parametrize(("name", "options"), [*((n, {}) for n in ODE), ("ltc", {"form": "writeup"})])
def test_ode_cells_against_scipy(name, options):
    x, h, dt = torch.randn(3, 1, 2), torch.randn(1, 3) * 0.5, [0.3, 1.0, 0.6]
    cell = make_cell(name, 2, 3, solver="dopri5", rtol=1e-9, atol=1e-9, **options)
    truth = scipy_states(cell, x[:, 0], h[0].numpy(), dt)
    torch.testing.assert_close(cell.sequence(x, h, None, torch.tensor(dt))[:, 0], truth, rtol=0, atol=1e-7)
    a_step = (cell(x[0], h, 1e-6) - h) / 1e-6
    torch.testing.assert_close(cell.derivative(h, x[0]), a_step, rtol=1e-4, atol=1e-4)
    if name == "neural_ode":
        return
    errors = []
    for substeps in (20, 40, 80):  # the semi-implicit step is of order 1
        fused = make_cell(name, 2, 3, substeps=substeps, **options)
        fused.load_state_dict(cell.state_dict())
        errors.append((fused.sequence(x, h, None, torch.tensor(dt))[:, 0] - truth).abs().max().item())
    assert np.polyfit(np.log([20, 40, 80]), np.log(errors), 1)[0] == pytest.approx(-1, abs=0.15)


@pytest.mark.parametrize("form", ["full", "sparse"])
@pytest.mark.parametrize("dt", [1.0, 0.3])
def test_synaptic_ltc_is_that_of_ncps(form, dt):
    torch_ltc = pytest.importorskip("ncps.torch").LTCCell
    from ncps.wirings import FullyConnected, Wiring

    wires = None if form == "full" else wiring.random(3, 5, 0.5, seed=3, attempts=50)
    ours = make_cell("synaptic_ltc", 3, 5, wiring=wires)
    theirs_wiring = FullyConnected(5) if wires is None else Wiring(5)
    theirs_wiring.build(3)
    if wires is not None:
        theirs_wiring.set_output_dim(1)
        for j, i in np.argwhere(wires.recurrent.T):
            theirs_wiring.add_synapse(j, i, int(wires.recurrent_sign[i, j]))
        for k, i in np.argwhere(wires.sensory.T):
            theirs_wiring.add_sensory_synapse(k, i, int(wires.sensory_sign[i, k]))
    theirs = torch_ltc(theirs_wiring, 3, None, None, ode_unfolds=6, implicit_param_constraints=True).double()
    with torch.no_grad():
        for name, value in (("gleak", ours.raw_g), ("vleak", ours.v), ("cm", ours.raw_C)):
            getattr(theirs, name).copy_(value)
        for prefix, kind in (("", "recurrent"), ("sensory_", "sensory")):
            for name, own in (("w", "raw_w"), ("mu", "mu"), ("sigma", "sigma"), ("erev", "E")):
                getattr(theirs, prefix + name).copy_(getattr(ours, f"{kind}_{own}").t())
    x, h = torch.randn(4, 6, 3), torch.randn(6, 5)
    expected, state = [], h
    for x_t in x:
        _, state = theirs(x_t, state, dt)
        expected.append(state)
    torch.testing.assert_close(ours.sequence(x, h, None, dt), torch.stack(expected), rtol=0, atol=1e-6)


# --- what the equations promise -----------------------------------------------------------------


def test_without_synapses_a_ctrnn_relaxes_exponentially():
    for solver, tolerance in (("rk4", 1e-6), ("dopri5", 1e-8)):
        cell = make_cell("ctrnn", 2, 3, solver=solver, substeps=20, rtol=1e-9, atol=1e-10)
        with torch.no_grad():
            cell.recurrent.zero_()
        x, h = torch.randn(1, 2), torch.randn(1, 3)
        rest = cell.tau * torch.tanh(cell.drive(x))
        exact = rest + (h - rest) * torch.exp(-0.7 / cell.tau)
        torch.testing.assert_close(cell(x, h, 0.7), exact, rtol=0, atol=tolerance)
    cell.solver = "fused"
    h = cell(x, h, 1e9)
    torch.testing.assert_close(h, rest, rtol=1e-6, atol=1e-6)  # one implicit step, however long, ends at rest


def test_the_writeup_is_another_equation():
    paper, writeup = make_cell("ltc", 2, 3, solver="rk4"), make_cell("ltc", 2, 3, solver="rk4", form="writeup")
    assert (writeup.A > 0).all()
    writeup.load_state_dict(paper.state_dict())
    x, h = torch.randn(4, 2), torch.randn(4, 3)
    f, A = torch.sigmoid(h @ paper.recurrent.t() + x @ paper.input.t() + paper.bias), paper.A
    torch.testing.assert_close(paper.derivative(h, x), -(1 / paper.tau + f) * h + f * A)
    torch.testing.assert_close(writeup.derivative(h, x), -(1 / paper.tau + A * f) * h + f)
    torch.testing.assert_close(paper.time_constants(h, x), 1 / (1 / paper.tau + f))
    torch.testing.assert_close(writeup.time_constants(h, x), 1 / (1 / paper.tau + A * f))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.01, 20),
    dt=st.floats(1e-3, 1e3),
    form=st.sampled_from(["ltc", "synaptic_ltc"]),
)
def test_states_of_ltcs_stay_in_bounds(seed, scale, dt, form):
    """Under any input, for any step: the implicit step is an average of the old state and of what it is drawn to."""
    torch.manual_seed(seed)
    cell = make_cell(form, 2, 4)
    with torch.no_grad():
        for p in cell.parameters():
            p.mul_(scale)
    if form == "ltc":
        attractors = torch.stack([cell.A, torch.zeros(4)])
        low, high = attractors.amin(0), attractors.amax(0)
    else:
        attractors = torch.cat([cell.v, cell.recurrent_E.flatten(), cell.sensory_E.flatten()])
        low, high = attractors.min(), attractors.max()
    h = low + (high - low) * torch.rand(3, 4)
    states = cell.sequence(scale * torch.randn(5, 3, 2), h, None, dt)
    assert (states >= low - 1e-9 * scale).all() and (states <= high + 1e-9 * scale).all()


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(DECAYING), raw=st.floats(-30, 30))
def test_time_constants_are_positive_whatever_training_does(name, raw):
    cell = make_cell(name, 2, 3)
    with torch.no_grad():
        for key, p in cell.named_parameters():
            if "raw" in key:
                p.fill_(raw)
    x, h = torch.randn(5, 2), torch.randn(5, 3)
    constants = cell.time_constants(h, x)
    assert cell.tau.shape == (3,) and (cell.tau > 0).all()
    assert constants.shape == (5, 3) and (constants > 0).all() and (constants <= cell.tau * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", DECAYING)
def test_time_constants_say_how_fast_a_state_forgets(name):
    """With the recurrent synapses held fixed, a small deviation decays by exp(-δ/τ_eff)."""
    cell = make_cell(name, 2, 3)
    x, h = torch.randn(1, 2), torch.randn(1, 3) * 0.3
    received = cell._received(cell._split(cell.drive(x))[0], h, cell._recurrent())
    h.requires_grad_()
    slope = torch.autograd.grad(cell.rate(received.detach(), h, *cell.params()).sum(), h)[0]
    torch.testing.assert_close(cell.time_constants(h, x), -1 / slope)


def test_initial_mode_adds_the_input_once_and_then_runs_freely():
    for name in ODE:
        options = dict(solver="rk4", substeps=2)
        held, initial = (make_cell(name, 2, 3, input=mode, **options) for mode in ("held", "initial"))
        initial.load_state_dict(held.state_dict())
        x, h = torch.randn(4, 2), torch.randn(4, 3)
        if name == "synaptic_ltc":
            s = torch.sigmoid(held.sensory_sigma * (x[:, None] - held.sensory_mu))
            kick = (F.softplus(held.sensory_raw_w) * s * held.sensory_E).sum(-1)
            with torch.no_grad():
                held.sensory_raw_w.fill_(-1e9)  # no conductance
        else:
            kick = x @ held.input.t()
        torch.testing.assert_close(initial(x, h), held(torch.zeros(4, 2), h + kick))


# --- wiring, registry, sentences ----------------------------------------------------------------


@pytest.mark.parametrize("name", WIRED)
def test_a_synapse_that_is_not_wired_does_nothing_and_learns_nothing(name):
    wires = wiring.random(3, 6, 0.4, seed=1, attempts=50)
    cell = make_cell(name, 3, 6, wiring=wires)
    recurrent, sensory = torch.as_tensor(wires.recurrent) == 0, torch.as_tensor(wires.sensory) == 0
    assert (cell.input_weight[sensory] == 0).all() and cell.input_weight.shape == (6, 3)
    if name != "mlp":
        assert (cell.recurrent_weight[recurrent] == 0).all() and (cell.recurrent_weight[~recurrent] != 0).all()
    cell.sequence(torch.randn(4, 5, 3), torch.zeros(5, 6)).square().sum().backward()
    for key, p in cell.named_parameters():
        gate = p.shape[0] // 6
        if p.shape[-1:] == (3,) and p.ndim == 2:
            assert (p.grad[sensory.repeat(gate, 1)] == 0).all(), key
        elif p.ndim == 2:
            assert (p.grad[recurrent.repeat(gate, 1)] == 0).all(), key
    jacobian = torch.autograd.functional.jacobian(lambda h: cell(torch.zeros(1, 3), h[None], 1e-3)[0], torch.zeros(6))
    if name in ("ctrnn", "ltc", "gru", "cfc", "mlp"):  # the others reach further within a step
        assert jacobian[recurrent & ~torch.eye(6, dtype=torch.bool)].abs().max() == 0


def test_signs_of_a_wiring_are_reversal_potentials():
    wires = wiring.full(3, 6, seed=2)
    cell = make_cell("synaptic_ltc", 3, 6, wiring=wires)
    assert np.array_equal(np.sign(cell.recurrent_weight.numpy()), wires.recurrent_sign)
    assert np.array_equal(np.sign(cell.input_weight.numpy()), wires.sensory_sign)


def test_a_wiring_of_another_size_or_out_of_reach_is_refused():
    with pytest.raises(ArgumentError, match="wiring has 6 neurons and 3 inputs; accepted: neurons=5, inputs=3"):
        make_cell("ltc", 3, 5, wiring=wiring.full(3, 6))
    lost = wiring.Wiring(np.zeros((2, 2)), np.array([[1.0], [0.0]]))
    with pytest.raises(ArgumentError, match="motor neuron 1 unreachable"):
        make_cell("synaptic_ltc", 1, 2, wiring=lost)


def test_make_cell():
    assert set(CELLS) == {"neural_ode", "ctrnn", "ltc", "synaptic_ltc", "cfc", "gru", "mlp", "frames", "attention"}
    for name, kind in CELLS.items():
        cell = make_cell(name, 3, 5)
        assert type(cell) is kind and (cell.inputs, cell.neurons) == (3, 5)
        assert cell.initial_state(4).shape == (4, cell.state_width) and "3 inputs, 5 neurons" in repr(cell)
        assert (cell.state_width == 5) == (name in WIRED)
    for arguments, sentence in (
        (("lct", 3, 5), "cell='lct' is not known; .*did you mean 'ltc'"),
        (("ltc", 0, 5), "inputs=0 is not accepted; it must be a whole number of at least 1"),
        (("ltc", 3, 2.5), "neurons=2.5 is not accepted"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            make_cell(*arguments)
    for options, sentence in (
        ({"taus": 1}, "cell='ltc' does not take these options: .*taus"),
        ({"form": "papr"}, "form='papr' is not known; .*did you mean 'paper'"),
        ({"input": "hold"}, "input='hold' is not known; .*did you mean 'held'"),
        ({"tau": (0.0, 1.0)}, "must be two positive numbers in order"),
    ):
        with pytest.raises(ArgumentError, match=sentence):
            make_cell("ltc", 3, 5, **options)
    with pytest.raises(ArgumentError, match="cell='gru' does not take these options"):
        make_cell("gru", 3, 5, solver="rk4")


def test_neural_ode_has_no_decay():
    with pytest.raises(ArgumentError, match="not defined for NeuralODE, .*accepted: 'euler', 'midpoint', 'rk4'"):
        make_cell("neural_ode", 3, 5, solver="fused")
    with pytest.raises(ArgumentError, match="a NeuralODE has no time constants"):
        _ = make_cell("neural_ode", 3, 5).tau


@pytest.mark.parametrize("name", CELLS)
def test_an_input_of_another_width_is_refused(name):
    cell = make_cell(name, 3, 5)
    for x in (torch.zeros(4, 2), torch.zeros(4, 5)):
        with pytest.raises(ArgumentError, match=r"x of shape \(4, [25]\) is not accepted; its last axis must be 3"):
            cell(x, torch.zeros(4, 5))
    with pytest.raises(ArgumentError, match="must be 3 wide"):
        cell.sequence(torch.zeros(6, 4, 2), torch.zeros(4, 5))


def test_long_sequences_are_cut_into_blocks_without_a_seam(monkeypatch):
    from course_lib.nets import fused

    x, h, starts = torch.randn(30, 4, 3), torch.randn(4, 5), torch.rand(30, 4) < 0.1
    for name, options in (("ltc", {"substeps": 2}), ("ctrnn", {"solver": "rk4"}), ("synaptic_ltc", {}), ("gru", {})):
        cell, results = make_cell(name, 3, 5, **options), []
        for block in (1, 300, 2**20):
            monkeypatch.setattr(fused, "BLOCK", block)
            monkeypatch.setattr(synaptic._Block, "elements", block)
            out = cell.sequence(x, h, starts, torch.rand(30, 4, generator=torch.Generator().manual_seed(0)) + 0.1)
            results.append(torch.autograd.grad(out.square().sum(), list(cell.parameters())))
        for a, b, c in zip(*results, strict=True):
            torch.testing.assert_close(a, b)
            torch.testing.assert_close(a, c)
