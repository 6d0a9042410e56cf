"""Looking inside recurrent policies: records, ablation, fixed points, components, maps, the explorer.

Oracles: scipy (brentq, expm), numpy (SVD, corrcoef), the cell run as a whole sequence, and networks built so that the
answer is known.
"""

import time

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.optimize import brentq

from course_lib.envs import make
from course_lib.errors import ArgumentError
from course_lib.evaluation.returns import run_episodes
from course_lib.nets.cells import CELLS, CTRNN, GRU, LTC, MLP, CfC
from course_lib.policies.actor_critics import MLPActorCritic, RecurrentActorCritic
from course_lib.viz.states import flow, phase, state_figures, states
from course_lib.viz.states.dashboard import Dashboard, zero_line
from course_lib.viz.states.explorer import WIDGET, Explorer
from course_lib.viz.states.fixed_points import fixed_points, settle

SMALL = {"width": 64, "height": 48}


def pole_policy(cell="ltc", hide=None, **options):
    """An untrained policy; its pole stands for a dozen steps or two."""
    torch.manual_seed(1)
    policy = RecurrentActorCritic(4 if hide is None else 2, 1, cell=dict(name=cell, neurons=5, **options))
    policy.env_id, policy.env_options = "InvertedPendulum-v5", {} if hide is None else {"hide": hide}
    policy.action_low, policy.action_high = np.full(1, -3, np.float32), np.full(1, 3, np.float32)
    with torch.no_grad():
        policy.readout.weight.normal_(0, 0.02)
    return policy


def unconnected(policy, neuron=2):
    """`policy` with a neuron that nothing listens to."""
    with torch.no_grad():
        policy.cell.recurrent[:, neuron] = 0
        policy.readout.weight[:, neuron] = 0
    return policy


@pytest.fixture(scope="module")
def policy():
    return pole_policy()


@pytest.fixture(scope="module")
def record(policy):
    return states.record(policy, seed=3, steps=40)


# ------------------------------------------------------------------------------------------------------------ records
@pytest.mark.parametrize("cell", ["ltc", "ctrnn", "gru", "cfc", "mlp", "frames", "attention"])
def test_record_agrees_with_the_cell_run_as_one_sequence(cell):
    policy = pole_policy(cell)
    found = states.record(policy, seed=3, steps=40)
    with torch.no_grad():
        whole = policy.cell.sequence(found.x[:, None], policy.cell.initial_state(1))[:, 0, :5]
        mean, value = policy.sequence(found.x[:, None], policy.initial_state(1), torch.zeros(len(found), 1).bool())
    assert np.allclose(found.states, whole, atol=1e-5)
    assert np.allclose(found.actions, mean[:, 0].numpy().clip(-3, 3), atol=1e-5)
    assert np.allclose(found.values, value[:, 0], atol=1e-4)
    assert found.ended and len(found) < 40
    assert (found.time_constants is None) == (cell not in ("ltc", "ctrnn"))


def test_time_constants_are_those_of_the_equation(policy, record):
    f = policy.cell
    gate = torch.sigmoid(torch.as_tensor(record.states) @ f.recurrent.T + record.x @ f.input.T + f.bias)
    assert np.allclose(record.time_constants, (1 / (1 / f.tau + gate)).detach(), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"encoder": 6, "feedthrough": True}], ids=["plain", "encoder, feedthrough"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_affine_weights_give_the_recorded_action(cell, options):
    policy = pole_policy(cell, **options)
    with torch.no_grad():
        policy.readout.center.uniform_(-1, 1)
        policy.readout.scale.uniform_(0.1, 2)
    found = states.record(policy, seed=3, steps=40)
    W, b = policy.readout.affine
    assert not W.requires_grad and not b.requires_grad
    read = torch.as_tensor(found.states)
    if policy.feedthrough:
        assert W.shape == (1, 5 + 6)
        read = torch.cat([read, policy.encoder(found.x).detach()], dim=1)
    assert found.states.shape[1] == 5 and len(found) >= 5
    assert np.allclose((read @ W.T + b).numpy().clip(-3, 3), found.actions, atol=1e-5)
    W.zero_()  # a copy: the policy does not change
    assert policy.readout.weight.abs().sum() > 0


def test_what_is_hidden_is_in_the_truth():
    found = states.record(pole_policy(hide="velocities"), seed=3, steps=30)
    open_eyes = states.record(pole_policy(), seed=3, steps=1)
    assert found.observations.shape[1] == 2 and found.truth.shape[1] == 4
    assert np.allclose(found.truth[:, :2], found.observations)
    assert np.allclose(found.truth[0], open_eyes.observations[0])
    # Semi-implicit Euler within the step makes rate and difference agree only to first order.
    difference = np.diff(found.truth[:, 1]) / found.dt
    assert np.corrcoef(difference, (found.truth[1:, 3] + found.truth[:-1, 3]) / 2)[0, 1] > 0.99
    assert found.names == ["cart position (m)", "pole angle (rad)"]
    assert found.truth_names[3] == "angular velocity (rad/s)"


def test_pushes_reach_the_robot_and_not_the_policys_own_action(policy, record):
    pushed = states.record(policy, seed=3, steps=40, pushes={2: 0.5})
    added = pushed.rollout.actions - pushed.actions
    assert np.allclose(added[2], 0.5) and np.allclose(np.delete(added, 2, axis=0), 0)
    assert np.array_equal(pushed.observations[:3], record.observations[:3])
    assert not np.allclose(pushed.observations[3], record.observations[3])
    assert set(states.random_pushes(40, every=15)) == {15, 30}


# ----------------------------------------------------------------------------------------------------------- ablation
def test_a_neuron_nobody_listens_to_is_not_missed():
    policy = unconnected(pole_policy())
    whole, without = (states.record(policy, seed=3, steps=40, held=held) for held in (None, {2: 0.7}))
    assert np.array_equal(whole.observations, without.observations)
    assert np.array_equal(whole.actions, without.actions)
    assert (without.states[:, 2] == np.float32(0.7)).all() and not (whole.states[:, 2] == np.float32(0.7)).any()
    other = states.record(policy, seed=3, steps=40, held={1: 0.7})
    assert not np.array_equal(whole.actions, other.actions)


def test_ablation_returns_are_those_of_plain_evaluation():
    policy = unconnected(pole_policy())
    found = states.ablation_returns(policy, episodes=4, seed=5)
    assert found.shape == (6,) and found[2] == found[-1]
    envs = make("InvertedPendulum-v5", num_envs=4, seed=5)
    assert found[-1] == run_episodes(policy, envs, seed=5).mean
    policy.clamped = {1: 0.3}
    by_hand = run_episodes(policy, envs, seed=5).mean
    policy.clamped = {}
    assert states.ablation_returns(policy, episodes=4, seed=5, at={1: 0.3})[1] == by_hand


def test_neurons_are_let_go_even_after_an_error(policy):
    with pytest.raises(RuntimeError), states.held_at(policy, {0: 1.0}):
        assert policy.clamped == {0: 1.0}
        raise RuntimeError
    assert not policy.clamped


# ------------------------------------------------------------------------------------------------------- fixed points
def one_neuron(w, b, tau, A, cell=LTC, **options):
    neuron = cell(1, 1, **options)
    with torch.no_grad():
        neuron.recurrent.fill_(w)
        neuron.input.zero_()
        neuron.bias.fill_(b)
        neuron.raw_tau.fill_(float(np.log(np.expm1(tau))))
        neuron.A.fill_(A)
    return neuron


@pytest.mark.parametrize(
    "w, b, tau, A, count", [(0.0, 0.3, 1.5, 0.8, 1), (40.0, -10.0, 1.0, 1.0, 3), (-9.0, 2.0, 2.0, 1.0, 1)]
)
@pytest.mark.parametrize("options", [{}, {"substeps": 4}, {"solver": "rk4", "substeps": 4}])
def test_one_ltc_neuron_has_the_fixed_points_that_brentq_finds(w, b, tau, A, count, options):
    def rate(h):
        f = 1 / (1 + np.exp(-(w * h + b)))
        return -(1 / tau + f) * h + f * A

    grid = np.linspace(-0.2, 1.2, 4001)
    signs = np.flatnonzero(np.diff(np.sign(rate(grid))))
    roots = [brentq(rate, grid[i], grid[i + 1], xtol=1e-14) for i in signs]
    attracts = [rate(grid[i]) > 0 for i in signs]
    found = fixed_points(one_neuron(w, b, tau, A, **options), np.zeros(1))
    order = found.states[:, 0].argsort()
    assert len(found) == len(roots) == count
    # The parameters are kept in single precision.
    assert np.allclose(found.states[order, 0], roots, atol=1e-5)
    assert found.stable[order].tolist() == attracts
    assert (found.residuals < 1e-9).all() and "stable" in repr(found)


def test_eigenvalues_are_those_of_the_linearised_flow():
    """For a cell solved exactly, the step map's Jacobian at a fixed point is exp(J dt)."""
    torch.manual_seed(0)
    cell, x, e = LTC(2, 4, solver="rk4", substeps=16), np.array([0.3, -0.8]), 1e-6
    found = fixed_points(cell, x)
    h, double = torch.as_tensor(found.states[0]), cell.double()
    field = lambda h: double.derivative(h, torch.as_tensor(x)).detach().numpy()  # noqa: E731
    J = np.stack([(field(h + e * u) - field(h - e * u)) / (2 * e) for u in torch.eye(4).double()], axis=1)
    assert np.abs(field(h)).max() < 1e-9
    assert np.allclose(found.jacobians[0], expm(J), atol=1e-5)
    assert found.stable[0] == (np.linalg.eigvals(J).real < 0).all()
    slowest = -1 / np.linalg.eigvals(J).real.max()
    assert found.memory[0] == pytest.approx(slowest, rel=1e-3)


@pytest.mark.parametrize("kind", [CTRNN, GRU, CfC, MLP])
def test_every_cell_has_its_fixed_points(kind):
    torch.manual_seed(3)
    cell, x = kind(2, 3), torch.tensor([[0.5, -0.2]])
    found = fixed_points(cell, x[0])
    assert len(found) >= 1
    where = torch.as_tensor(found.states, dtype=torch.float32)
    with torch.no_grad():
        assert torch.allclose(cell(x.expand(len(where), -1), where), where, atol=1e-5)
    near = where[found.stable] + 1e-2
    if len(near):
        assert np.allclose(settle(cell, x.expand(len(near), -1), near, 500), where[found.stable], atol=1e-4)


def test_a_function_may_stand_for_a_cell():
    turn = torch.tensor([[0.0, -1.1], [1.1, 0.0]], dtype=torch.float64)
    found = fixed_points(lambda x, h: h @ turn.T + x, np.array([1.0, 0.0]), neurons=2)
    assert np.allclose(found.states[0], np.linalg.solve(np.eye(2) - turn.numpy(), [1.0, 0.0]))
    assert found.kind(0) == "unstable spiral" and np.isinf(found.memory[0])
    assert len(fixed_points(lambda x, h: h + 1.0, np.zeros(1), neurons=2)) == 0


# ------------------------------------------------------------------------------------------------------ what they tell
def test_pca_finds_planted_directions_as_the_svd_does():
    rng = np.random.default_rng(0)
    turned, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    data = rng.normal(size=(400, 5)) * [3.0, 1.0, 0.3, 0.0, 0.0] @ turned.T + rng.normal(size=5)
    found = states.pca(data)
    _, sizes, rows = np.linalg.svd(data - data.mean(0), full_matrices=False)
    assert np.allclose(found.variance, sizes**2 / 399, atol=1e-9)
    assert np.allclose(abs((found.directions[:3] * rows[:3]).sum(1)), 1)
    assert abs(found.directions[0] @ turned[:, 0]) > 0.99 and found.share[:3].sum() == pytest.approx(1)
    assert np.allclose(found.scores @ found.directions + found.mean, data)
    assert np.allclose(found.project(data[7]), found.scores[7])


def test_correlations_are_numpys_and_zero_for_a_constant():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    a[:, 2], b[:, 0] = 0.5, 3 * a[:, 0] + 1
    found = states.correlations(a, b)
    with np.errstate(invalid="ignore"):
        assert np.allclose(found[:2], np.corrcoef(a.T, b.T)[:2, 3:])
    assert found[0, 0] == pytest.approx(1) and (found[2] == 0).all()


def test_decode_finds_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(400, 4))
    there, guess = states.decode(h, h @ [1.0, -2.0, 0.0, 0.5] + 3)
    assert there == pytest.approx(1) and np.allclose(guess, h @ [1.0, -2.0, 0.0, 0.5] + 3)
    assert states.decode(h, rng.normal(size=400))[0] < 0.1


# --------------------------------------------------------------------------------------------------------------- maps
def test_the_middle_of_a_portrait_is_what_really_happened(policy, record):
    step, (i, j) = 5, (1, 3)
    here = record.observations[step]
    spans = ((here[i] - 0.1, here[i] + 0.1), (here[j] - 1, here[j] + 1))
    found = phase.phase_map(policy, record, step, (i, j), points=11, spans=spans)
    assert found.action[5, 5] == pytest.approx(record.actions[step, 0], abs=1e-5)
    assert found.value[5, 5] == pytest.approx(record.values[step], abs=1e-4)
    # Another point: one step of the whole policy with that observation.
    asked = here.copy()
    asked[[i, j]] = found.across[2], found.up[8]
    with torch.no_grad():
        x = policy.normalizer(torch.as_tensor(asked[None], dtype=torch.float32))
        assert found.action[8, 2] == pytest.approx(policy.step(x, record.before[[step]])[0].item(), abs=1e-5)
    low, high, *_ = found.extent
    assert (low, high) == pytest.approx((here[i] - 0.11, here[i] + 0.11))


def test_memory_moves_the_portraits_of_a_cell_and_not_of_an_mlp(policy, record):
    assert np.ptp(phase.memory_spread(policy, record, {1: 0.0})) > 1e-3
    plain = pole_policy("mlp")
    assert np.ptp(phase.memory_spread(plain, states.record(plain, steps=20))) == 0


def test_response_maps_are_one_step_of_the_cell(policy, record):
    found = phase.response_maps(policy, record, 4, feature=1, points=9)
    assert found.maps.shape == (5, 9, 9)
    h, seen = record.before[4:5].clone(), record.observations[4].copy()
    h[0, 3], seen[1] = float(found.levels[6]), found.across[2]
    with torch.no_grad():
        after = policy.cell(policy.normalizer(torch.as_tensor(seen[None], dtype=torch.float32)), h[:, :5])
    assert found.maps[3, 6, 2] == pytest.approx(after[0, 3].item() - found.levels[6], abs=1e-5)
    assert phase.response_maps(policy, record, 4, of="action", points=9).maps.shape == (5, 9, 9)


def test_planes_are_of_what_the_policy_sees(record):
    assert phase.default_planes(record) == [(1, 3), (0, 2)]
    assert phase.default_planes(states.record(pole_policy(hide="velocities"), steps=5)) == [(0, 1)]


def test_zero_line_lies_where_the_sign_changes():
    x, y = np.meshgrid(np.linspace(-1, 1, 21), np.linspace(0, 1, 11))
    across, up = zero_line(x[0], y[:, 0], x - 0.33 * y)
    good = np.isfinite(across)
    assert good.sum() > 5 and np.allclose(across[good], 0.33 * up[good])
    assert len(zero_line(x[0], y[:, 0], x * 0 + 1)[0]) == 0


# ----------------------------------------------------------------------------------------------------------- explorer
@pytest.fixture(scope="module")
def shared():
    return Explorer(unconnected(pole_policy()), seed=3, steps=40, pushes={4: 0.3}, **SMALL)


@pytest.fixture
def explorer(shared):
    """The shared explorer as it began."""
    if shared.seed != 3:
        shared.held = {}
        shared.replay(3)
    if shared.held:
        shared.ablate({})
    shared.step = 0
    return shared


def test_the_step_moves_picture_frame_and_line(explorer):
    pictures, frames = [], []
    for step in (2, 9):
        explorer.step = step
        pictures.append(explorer.picture)
        frames.append(explorer.frame())
        assert explorer.text.startswith(f"step {step} of {len(explorer.record) - 1}")
    assert (pictures[0] != pictures[1]).any() and (frames[0] != frames[1]).any()
    explorer.step = 2
    assert np.array_equal(explorer.picture, pictures[0]), "nothing of another step stays behind"


def test_a_step_is_quick(explorer, monkeypatch):
    """A step takes about 0.02 s, the whole figure 0.5 s: one over the other does not depend on how busy the machine is,
    nor does processor time on who else has the processor."""
    explorer.widget()
    taken, whole, drawn = [], [], []
    for step in range(9):
        began = time.process_time()
        explorer.step = step
        taken.append(time.process_time() - began)
        began = time.process_time()
        Dashboard(explorer.policy, explorer.record)
        whole.append(time.process_time() - began)
    assert np.median(taken) < np.median(whole) / 5
    monkeypatch.setattr(explorer.dashboard.canvas, "draw", lambda: drawn.append("whole figure"))
    monkeypatch.setattr(explorer.dashboard.figure, "draw", lambda renderer: drawn.append("whole figure"))
    monkeypatch.setattr(explorer, "_play", lambda held: drawn.append("episode"))
    explorer.step = 9
    assert not drawn


def test_ablate_plays_again_and_heals(explorer):
    whole = explorer.record
    assert np.array_equal(explorer.ablate({2: 0.0}).observations, whole.observations)
    assert explorer.held == {2: 0.0} and "held: 2 at +0.00" in explorer.text
    assert not np.array_equal(explorer.ablate({0: 1.0, 1: -1.0}).actions[:5], whole.actions[:5])
    assert explorer.ablate({1: None}).held == {1: pytest.approx(whole.states[:, 1].mean())}
    assert explorer.ablate({}) is whole and "held" not in explorer.text


def test_replay_from_another_start(explorer):
    before = explorer.record.observations[0]
    explorer.step = 5
    assert not np.array_equal(explorer.replay(seed=4).observations[0], before)
    assert explorer.step == 0 and explorer.seed == 4
    assert np.array_equal(explorer.replay().observations, explorer.whole.observations)


def test_widgets_and_python_agree(explorer):
    explorer.widget()
    controls = explorer._widget
    panel, video = controls.panel.value, controls.video.value
    controls.slider.value = 7
    assert explorer.step == 7 and "step 7 of" in controls.readout.value
    assert controls.panel.value != panel and controls.video.value != video
    explorer.step = 3
    assert controls.slider.value == 3 and "step 3 of" in controls.readout.value
    controls.buttons[0].value = True
    assert explorer.held == {0: 0.0} and controls.slider.max == len(explorer.record) - 1
    controls.where.value = True
    assert explorer.held[0] == pytest.approx(explorer.whole.states[:, 0].mean())
    controls.heal.click()
    assert not explorer.held and not controls.buttons[0].value
    controls.fresh.click()
    assert explorer.seed == 4 and explorer.step == 0


def test_a_page_without_widgets_gets_a_picture(explorer, monkeypatch):
    bundle, told = explorer._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png", WIDGET} and bundle["text/plain"].startswith("Explorer(step 0")
    assert explorer.png()[:4] == b"\x89PNG"
    monkeypatch.setattr(explorer, "widget", lambda: (_ for _ in ()).throw(ImportError()))
    assert set(explorer._repr_mimebundle_()[0]) == {"text/plain", "image/png"}


def test_explorer_of_a_cheetah_with_a_gru():
    torch.manual_seed(0)
    policy = RecurrentActorCritic(8, 6, cell=dict(name="gru", neurons=12, critic="mlp"))
    policy.env_id, policy.env_options = "HalfCheetah-v5", {"hide": "velocities"}
    policy.action_low, policy.action_high = np.full(6, -1, np.float32), np.full(6, 1, np.float32)
    explorer = Explorer(policy, steps=6, action=3, step=3, **SMALL)
    assert explorer.record.action_names[3] == "front thigh torque" and "front thigh torque" in explorer.text
    assert len(explorer.dashboard.planes) == 2 and not explorer.record.ended
    one = Dashboard(policy, explorer.record, planes=[(0, 1)])
    assert "P1" not in one.axes and one.draw(2).shape[2] == 3


# ------------------------------------------------------------------------------------------------------------ figures
def test_figures_are_labelled_with_units(policy, record):
    found = fixed_points(policy.cell, record.x[-1])
    targets = settle(policy.cell, record.x, record.states)
    figures = [
        state_figures.episode_figure(record),
        state_figures.portrait_figure(policy, record, [0, 5]),
        state_figures.response_figure(policy, record, 5),
        state_figures.correlation_figure(record),
        state_figures.component_figure(record, targets),
        state_figures.ablation_figure(np.arange(6.0), np.arange(5.0), 4),
        flow.flow_figure({"a": lambda h: -h, "b": lambda h: h}),
        state_figures.eigenvalue_figure(found),
        state_figures.decoding_figure(record, {"x": (0.5, record.truth[:, 1])}, "pole angle (rad)"),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        axes = figure.axes[0]
        assert axes.get_ylabel() or figure.get_supylabel() or axes.get_xlabel()
    assert "(rad)" in figures[1].axes[2].get_xlabel() and figures[1].axes[0].get_ylabel() == "angular velocity (rad/s)"
    panels = figures[6].axes
    filled = [line.get_markerfacecolor() for axes in panels for line in axes.get_lines() if line.get_marker() == "o"]
    assert filled == ["#111820", "white"]  # -h attracts, +h repels


# ---------------------------------------------------------------------------------------------------------- sentences
@pytest.mark.parametrize(
    "call, words",
    [
        (lambda p, r: states.record(MLPActorCritic(4, 1)), "no hidden state"),
        (lambda p, r: states.record(p, steps=0), "steps=0"),
        (lambda p, r: states.record(p, held={9: 0.0}), "neuron 9"),
        (lambda p, r: states.record(p, held={1: float("nan")}), r"held\[1\]=nan"),
        (lambda p, r: states.record(p, held=[1]), "dict neuron -> value"),
        (lambda p, r: states.record(p, pushes={3: "hard"}), "dict step -> size"),
        (lambda p, r: phase.phase_map(p, r, 999), "step=999"),
        (lambda p, r: phase.phase_map(p, r, 1, (1, 1)), "two different observations"),
        (lambda p, r: phase.phase_map(p, r, 1, (1, 7)), "3 angular velocity"),
        (lambda p, r: phase.phase_map(p, r, 1, action=2), "action=2"),
        (lambda p, r: phase.response_maps(p, r, 1, of="chnge"), "did you mean 'change'"),
        (lambda p, r: states.pca(np.zeros((1, 3))), r"\(1, 3\)"),
        (lambda p, r: states.correlations(np.zeros((3, 1)), np.zeros((4, 1))), "same T rows"),
        (lambda p, r: states.decode(r.states, r.states), "signal has shape"),
        (lambda p, r: fixed_points(p.cell, r.x[0], starts=np.zeros((2, 3))), r"\(S, 5\)"),
        (lambda p, r: fixed_points(lambda x, h: h, np.zeros(1)), "how many states"),
        (lambda p, r: state_figures.ablation_figure(np.zeros(4), np.zeros(4)), r"\(3,\)"),
        (lambda p, r: state_figures.decoding_figure(r, {}, "speed"), "name='speed'"),
        (lambda p, r: Dashboard(p, r, planes=[]), "planes has 0"),
    ],
)
def test_bad_input_gets_a_sentence(call, words, policy, record):
    with pytest.raises(ArgumentError, match=words):
        call(policy, record)


@pytest.mark.parametrize(
    "w, b, tau, A", [(200.0, -12.0, 2.0, 50.0), (20.0, -10.0, 1.0, 200.0), (40.0, -10.0, 1.0, 1.0)]
)
def test_rests_of_a_neuron_are_zeros_of_its_rate(w, b, tau, A):
    def rate(h):
        f = 1 / (1 + np.exp(-(w * h + b)))
        return -(1 / tau + f) * h + f * A

    found = flow.rests_of(rate)
    assert [attracts for _, attracts in found] == [True, False, True]
    for h, attracts in found:
        low, high = h - 2e-4 * max(abs(h), 1e-3), h + 2e-4 * max(abs(h), 1e-3)
        at = brentq(rate, low, high, xtol=1e-15)
        assert h == pytest.approx(at, rel=1e-4, abs=1e-7) and attracts == (rate(low) > 0)


def test_the_flow_of_a_neuron_shows_all_of_its_rests():
    """h' = -h (h - 1) (h - 5): rests at 0, 1 and 5, of which 1 attracts no one; the first panel needs no room."""
    figure = flow.flow_figure({"near": lambda h: -h, "far": lambda h: -h * (h - 1) * (h - 5)})
    near, far = ([(line.get_xdata()[0], line.get_markerfacecolor()) for line in axes.lines if line.get_marker() == "o"]
                 for axes in figure.axes)  # fmt: skip
    assert [round(x, 2) for x, _ in near] == [0] and [round(x) for x, _ in far] == [0, 1, 5]
    assert far[0][1] == far[2][1] != far[1][1]
    assert figure.axes[0].lines[1].get_xdata()[-1] == pytest.approx(1.2)
    assert figure.axes[1].lines[1].get_xdata()[-1] == pytest.approx(6.0, abs=0.01)
