"""Solvers against scipy, gradients against finite differences and torchdiffeq, sentences for what is refused."""

import math

import numpy as np
import pytest
import torch
import torchdiffeq
from scipy.integrate import solve_ivp
from torch import nn

from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.nets import solvers
from course_lib.nets.cells import CELLS, ODECell, make_cell
from course_lib.nets.solvers import GRADIENTS, METHODS, TABLEAUS, Counted, odeint

ORDERS = {"euler": 1, "midpoint": 2, "rk4": 4}
# rtol that each adaptive method reaches in a test's time.
ADAPTIVE = {"dopri5": 1e-7, "dopri8": 1e-9, "bosh3": 1e-6, "adaptive_heun": 1e-4, "fehlberg2": 1e-4}


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


W = np.array([[0.1, -2.0], [2.0, -0.3]])
START = torch.tensor([[1.0, 0.0], [-0.3, 0.8]], dtype=torch.float64)
TIMES = torch.tensor([0.2, 0.6, 1.2, 1.9], dtype=torch.float64)


class Field(nn.Module):
    """A field that depends on time: dh/dt = tanh(W h) + sin(t)/2."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.tensor(W))

    def forward(self, t, h):
        return torch.tanh(h @ self.W.t()) + 0.5 * torch.sin(t)


def exact(h0, t) -> torch.Tensor:
    """(K, n) from scipy, at the times t, to 1e-12."""
    out = solve_ivp(
        lambda s, y: np.tanh(W @ y) + 0.5 * np.sin(s), (t[0], t[-1]), h0, "DOP853", t_eval=t, rtol=1e-12, atol=1e-12
    )
    return torch.tensor(out.y.T)


@pytest.fixture(scope="module")
def truth():
    return torch.stack([exact(h0, TIMES.numpy()) for h0 in START.numpy()], dim=1)


# --- solutions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_solves_what_scipy_solves(method, truth):
    rtol = ADAPTIVE.get(method, 1e-6)
    out = odeint(Field(), START, TIMES, method=method, substeps=400 if method == "euler" else 40, rtol=rtol, atol=rtol)
    assert out.shape == (4, 2, 2) and torch.equal(out[0], START)
    low_order = {"euler": 3e-3, "midpoint": 2e-4, "heun2": 2e-4}
    low_order |= {"adaptive_heun": 1e-3, "fehlberg2": 1e-2}
    torch.testing.assert_close(out, truth, rtol=0, atol=low_order.get(method, 2e-6))


@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_adaptive_methods_keep_to_their_tolerance(method, truth):
    """They end on the time asked for. Interpolation from beyond it made dopri8 a thousand times worse."""
    out = odeint(Field(), START, TIMES, method=method, rtol=1e-9, atol=1e-9)
    assert (out - truth).abs().max() < 5e-9


@pytest.mark.parametrize("method", ORDERS)
def test_order_of_convergence(method, truth):
    substeps = np.array([8, 16, 32, 64])
    solutions = [odeint(Field(), START, TIMES, method=method, substeps=int(s)).detach() for s in substeps]
    errors = [(out - truth).abs().max() for out in solutions]
    slope = np.polyfit(np.log(substeps), np.log(errors), 1)[0]
    assert slope == pytest.approx(-ORDERS[method], abs=0.15) and TABLEAUS[method].order == ORDERS[method]


@pytest.mark.parametrize("method", ["rk4", "dopri5", "heun3"])
@pytest.mark.parametrize("gradient", GRADIENTS)
def test_times_of_each_sample_are_as_good_as_solving_apart(method, gradient):
    t = torch.tensor([[0.0, 0.5], [0.3, 0.6], [1.4, 2.0]])
    options = dict(method=method, substeps=10, rtol=1e-9, atol=1e-10, gradient=gradient)
    together = odeint(Field(), START, t, **options)
    apart = torch.cat([odeint(Field(), START[b : b + 1], t[:, b], **options) for b in range(2)], dim=1)
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-7)
    torch.testing.assert_close(together[:, 1], exact(START[1].numpy(), t[:, 1].numpy()), rtol=0, atol=2e-5)


def test_counted_counts_evaluations():
    for method, per_step in (("euler", 1), ("midpoint", 2), ("rk4", 4)):
        field = Counted(Field())
        odeint(field, START, TIMES, method=method, substeps=5)
        assert field.evaluations == per_step * 5 * 3


# --- gradients ----------------------------------------------------------------------------------


def gradients(solve) -> list[torch.Tensor]:
    """Of a fixed mixture of all states, for the start and the field's weights."""
    field, h0 = Field(), START.clone().requires_grad_()
    out = solve(field, h0)
    loss = (out * torch.linspace(-1, 2, out.numel()).view(out.shape)).sum()
    return list(torch.autograd.grad(loss, (h0, *field.parameters())))


@pytest.mark.parametrize("method", ["rk4", "dopri5", "dopri8", "implicit_adams"])
def test_adjoint_backprop_and_torchdiffeq_agree(method):
    options = dict(method=method, substeps=40, rtol=1e-10, atol=1e-10)
    backprop = gradients(lambda f, h: odeint(f, h, TIMES, **options))
    adjoint = gradients(lambda f, h: odeint(f, h, TIMES, gradient="adjoint", **options))
    peer = gradients(lambda f, h: torchdiffeq.odeint_adjoint(f, h, TIMES, method="dopri5", rtol=1e-10, atol=1e-10))
    for a, b, c in zip(backprop, adjoint, peer, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(a, c, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", ORDERS)
def test_the_adjoint_approaches_the_true_gradient_with_the_order_of_the_method(method):
    true = gradients(lambda f, h: odeint(f, h, TIMES, method="dopri8", rtol=1e-12, atol=1e-12))
    errors = []
    for substeps in (16, 32, 64):
        ours = gradients(
            lambda f, h, substeps=substeps: odeint(f, h, TIMES, method=method, substeps=substeps, gradient="adjoint")
        )
        errors.append(max((a - b).abs().max().item() for a, b in zip(ours, true, strict=True)))
    assert np.polyfit(np.log([16, 32, 64]), np.log(errors), 1)[0] == pytest.approx(-ORDERS[method], abs=0.3)


def test_adjoint_gives_nothing_for_what_needs_nothing():
    field = Field()
    field.W.requires_grad_(False)
    h0 = START.clone().requires_grad_()
    odeint(field, h0, TIMES, gradient="adjoint").sum().backward()
    assert h0.grad is not None and field.W.grad is None


def kept_bytes(solve) -> int:
    """Bytes of the tensors that autograd saves for the backward pass, each storage once."""
    storages = {}

    def pack(x):
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        out = solve()
    assert out.requires_grad
    return sum(storages.values())


@pytest.mark.parametrize("method", ["rk4", "heun3"])
def test_memory_of_the_adjoint_does_not_grow_with_substeps(method):
    def kept(gradient, substeps):
        field, h0 = Field(), START.clone().requires_grad_()
        return kept_bytes(lambda: odeint(field, h0, TIMES, method=method, substeps=substeps, gradient=gradient))

    assert kept("adjoint", 1) == kept("adjoint", 30)
    assert kept("backprop", 30) > 10 * kept("backprop", 1)


ODE_CELLS: dict[str, dict] = {name: {} for name, kind in CELLS.items() if issubclass(kind, ODECell)}
ODE_CELLS["ltc/writeup"] = {"form": "writeup"}
# Order 1, 2: the adjoint of the equation is not the gradient of the steps, and comes near it only with many.
ADJOINT = {"euler": (200, 2e-2), "midpoint": (40, 1e-3), "heun2": (40, 1e-3), "heun3": (24, 1e-4)}


def check_gradient(name: str, solver: str, gradient: str, mode: str = "held") -> None:
    """gradcheck for inputs, state and all parameters: two steps, irregular durations, an episode that begins midway."""
    torch.manual_seed(0)
    substeps, tolerance, eps = 2, 1e-6, 1e-6
    if gradient == "adjoint":
        substeps, tolerance = ADJOINT.get(solver, (12, 1e-5))
    rtol = ADAPTIVE.get(solver, 1e-6)
    if solver in ADAPTIVE:  # finite differences see the noise of the step control, rtol / eps
        eps = 1e-3 if rtol < 1e-6 else 1e-2
        tolerance = max(10 * rtol / eps, 1e-4)
    cell = make_cell(
        name.split("/")[0], 2, 2, solver=solver, substeps=substeps, gradient=gradient, input=mode, rtol=rtol, atol=rtol,
        **ODE_CELLS[name],
    )  # fmt: skip
    x, h = torch.randn(2, 2, 2, requires_grad=True), torch.randn(2, 2).mul(0.5).requires_grad_()
    starts, dt = torch.tensor([[False, False], [True, False]]), torch.tensor([[0.5, 0.3], [0.2, 0.6]])
    assert torch.autograd.gradcheck(
        as_function(cell, starts, dt), (x, h, *cell.parameters()), eps=eps, atol=tolerance, rtol=10 * tolerance,
        fast_mode=True, nondet_tol=1e-10,
    )  # fmt: skip


def as_function(cell, starts=None, dt=1.0):
    """(x, h, *parameters) -> states, for gradcheck."""
    run, names = Sequence(cell, starts, dt), [f"cell.{name}" for name, _ in cell.named_parameters()]
    return lambda x, h, *p: torch.func.functional_call(run, dict(zip(names, p, strict=True)), (x, h))


class Sequence(nn.Module):
    def __init__(self, cell, starts, dt):
        super().__init__()
        self.cell, self.starts, self.dt = cell, starts, dt

    def forward(self, x, h):
        return self.cell.sequence(x, h, self.starts, self.dt)


PAIRS = [("fused", "backprop"), *((solver, gradient) for solver in METHODS for gradient in GRADIENTS)]


def own(name: str, solver: str) -> bool:
    """Whether to test the pair: torchdiffeq's solvers know nothing of cells, so one of them meets all cells, and all
    meet one cell."""
    if name == "neural_ode" and solver == "fused":
        return False
    return name == "ctrnn" or solver in ("fused", "dopri5", *TABLEAUS)


@pytest.mark.parametrize(("name", "solver", "gradient"), [(n, s, g) for n in ODE_CELLS for s, g in PAIRS if own(n, s)])
def test_gradient_of_every_cell_with_every_solver_and_gradient(name, solver, gradient):
    check_gradient(name, solver, gradient)


@pytest.mark.parametrize("name", ODE_CELLS)
@pytest.mark.parametrize("solver", ["fused", "rk4", "dopri5"])
def test_gradient_where_the_input_acts_at_the_beginning_only(name, solver):
    if own(name, solver):
        check_gradient(name, solver, "backprop", "initial")


@pytest.mark.parametrize("name", CELLS)
def test_every_entry_of_the_gradient_of_the_fused_call(name):
    """Without fast_mode: all entries, not a random projection."""
    torch.manual_seed(1)
    cell = make_cell(name, 2, 3)
    x, h = torch.randn(3, 2, 2, requires_grad=True), torch.randn(2, cell.state_width, requires_grad=True)
    starts = torch.tensor([[False, True], [True, False], [False, False]])
    assert torch.autograd.gradcheck(as_function(cell, starts), (x, h, *cell.parameters()))


# --- what is refused ----------------------------------------------------------------------------


def refused(match: str, kind=ArgumentError):
    return pytest.raises(kind, match=match)


def test_times_that_do_not_grow():
    for t, at in (([0.0, 0.0], 0), ([0.0, 1.0, 0.5], 1), ([0.0, math.nan], 0), ([0.0, 1.0, math.inf], 1)):
        with refused(rf"from t\[{at}\] to t\[{at + 1}\] it must grow, by a finite amount"):
            odeint(Field(), START, torch.tensor(t))
    for t in (torch.zeros(1), torch.zeros(3, 5), torch.tensor(1.0)):
        with refused(r"must be \(K,\) or \(K, 2\)"):
            odeint(Field(), START, t)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("as_given", [torch.tensor, list])
def test_times_whose_intervals_single_precision_cannot_hold(gradient, as_given):
    """86,400 s into a day its numbers are 0.008 s apart, so an interval of 0.02 s would be one of 0.0234 s."""
    start, decay = torch.ones(1, 1), nn.Linear(1, 1, bias=False, dtype=torch.float32)
    decay.weight.data.fill_(-1.0)

    def end(t, h0):
        field = lambda t, h: decay.to(h.dtype)(h)  # noqa: E731
        params = tuple(decay.parameters())
        return odeint(field, h0, t, substeps=20, gradient=gradient, params=params)[-1].item()

    late = [86400.0, 86400.02]
    for t in (late, [0.0, *late], [86400.0, 86400.001]):  # the last is no interval at all in single precision
        with refused("t is not accepted: in float32, the type of h0, an interval of it would be 1.*% off"):
            end(as_given(t), start.float())
    assert end(as_given(late), start) == pytest.approx(math.exp(-0.02), abs=1e-9)
    assert end(as_given([0.0, 0.02]), start.float()) == pytest.approx(math.exp(-0.02), abs=1e-6)


def test_the_type_of_ordinary_times_changes_nothing():
    """A run of 1000 s in steps of 0.05 s: rounding moves each by up to 0.1 %, and not the whole."""
    t = 0.05 * torch.arange(19_990, 20_001)
    ends = [odeint(lambda t, h: -h, START.float(), times) for times in (t, t.float(), t.tolist(), t.numpy())]
    assert all(torch.equal(end, ends[0]) for end in ends)
    assert ends[0][-1].numpy() == pytest.approx(START.numpy() * math.exp(-0.5), rel=1e-3)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_a_field_that_would_be_stretched_is_refused(method, gradient):
    h0 = torch.ones(3, 3)
    for field, shape in (
        (lambda t, h: -h[:, 0], r"\(3,\)"),
        (lambda t, h: -h[:, :1], r"\(3, 1\)"),
        (lambda t, h: torch.tensor(1.0), r"\(\)"),
        (lambda t, h: 0.0, r"\(\)"),
    ):
        with refused(rf"field of shape {shape} is not accepted where h is \(3, 3\); it must be of the same shape"):
            odeint(field, h0, TIMES, method=method, gradient=gradient, params=())


@pytest.mark.parametrize("dt", [0, -1.0, math.nan, math.inf, "1", True, None])
def test_durations_that_are_no_durations(dt):
    cell = make_cell("ltc", 2, 3)
    for call in (lambda: cell(torch.zeros(4, 2), torch.zeros(4, 3), dt),
                 lambda: cell.sequence(torch.zeros(5, 4, 2), torch.zeros(4, 3), None, dt)):  # fmt: skip
        with refused(f"dt={dt!r} is not accepted; a duration must be a finite number above 0"):
            call()


def test_durations_in_a_tensor():
    cell, x, h = make_cell("ctrnn", 2, 3), torch.zeros(5, 4, 2), torch.zeros(4, 3)
    for value in (0.0, -0.1, math.nan, math.inf):
        dt = torch.ones(5, 4)
        dt[2, 1] = value
        with refused(r"dt\[2, 1\]=.* is not accepted; durations must be finite and above 0"):
            cell.sequence(x, h, None, dt)
    with refused(r"dt of shape \(4, 5\) is not accepted; a number, \(5,\) or \(5, 4\) is"):
        cell.sequence(x, h, None, torch.ones(4, 5))


def test_unknown_solver_and_gradient_name_the_nearest():
    with refused("method='dopri_5' is not known; accepted: .*did you mean 'dopri5'"):
        odeint(Field(), START, TIMES, method="dopri_5")
    with refused("solver='Fuse' is not known; accepted: .*did you mean 'fused'"):
        make_cell("ltc", 2, 3, solver="Fuse")
    with refused("gradient='adjont' is not known; .*did you mean 'adjoint'"):
        odeint(Field(), START, TIMES, gradient="adjont")
    for substeps in (0, -1, 1.5, True):
        with refused(f"substeps={substeps!r} is not accepted; it must be a whole number of at least 1"):
            odeint(Field(), START, TIMES, substeps=substeps)


def test_adjoint_with_what_it_cannot_differentiate():
    with refused("gradient='adjoint' does not go with solver='fused'.*accepted: gradient='backprop', or a solver"):
        make_cell("ltc", 2, 3, gradient="adjoint")
    with refused("cannot see what a plain function depends on; make field an nn.Module, or name its tensors in params"):
        odeint(lambda t, h: -h, START, TIMES, gradient="adjoint")
    with refused("gives no gradient for t; detach t or use gradient='backprop'"):
        odeint(Field(), START, TIMES.clone().requires_grad_(), gradient="adjoint")


def test_tolerances():
    single = START.float()
    with refused("rtol=1e-09 is below the precision of float32; accepted: 5e-07 or more, or use float64"):
        odeint(Field().float(), single, TIMES.float(), method="dopri5", rtol=1e-9)
    with refused("rtol=1e-17 is below the precision of float64; accepted: 9e-16 or more$"):
        odeint(Field(), START, TIMES, method="dopri5", rtol=1e-17)
    for name in ("rtol", "atol"):
        for value in (0, -1e-3, math.nan, math.inf):
            with refused(f"{name}={value!r} is not accepted; it must be a finite number above 0"):
                make_cell("ltc", 2, 3, solver="dopri5", **{name: value})


class Growing(nn.Module):
    """Neuron 1 grows ever faster; the others rest."""

    def forward(self, t, h):
        return torch.stack([0 * h[..., 0], h[..., 1] ** 3, 0 * h[..., 2]], dim=-1)


def test_a_solution_that_leaves_the_numbers_is_named_by_neuron_and_step():
    h0 = torch.tensor([[1.0, 0.1, 1.0], [1.0, 5.0, 1.0]])
    for gradient in GRADIENTS:
        with refused("neuron 1 is not finite .* after step 6 .sample 1, method='euler'.; try more substeps",
                     NonFiniteError):  # fmt: skip
            odeint(Growing(), h0, torch.arange(20.0), method="euler", gradient=gradient)
    with refused("method='dopri5' could not go on .*try a looser rtol", NonFiniteError):
        odeint(Growing(), h0, torch.tensor([0.0, 1.0]), method="dopri5")


def test_a_step_too_long_for_the_cell():
    """Explicit Euler far beyond the time constant: the states swing ever wider. The implicit step stays bounded."""
    cell, x = make_cell("ctrnn", 2, 3, solver="euler"), torch.randn(400, 4, 2)
    with refused("neuron [012] is not finite .* after step [0-9]+ .*CTRNN.*implicit step", NonFiniteError):
        cell.sequence(x, torch.ones(4, 3), None, 100.0)
    cell.solver = "fused"
    assert cell.sequence(x, torch.ones(4, 3), None, 100.0).isfinite().all()


def test_not_a_number_in_the_input():
    x = torch.zeros(6, 4, 2)
    x[3, 2, 0] = math.nan
    with refused("neuron 0 is not finite .nan. after step 4 .sample 2, LTC", NonFiniteError):
        make_cell("ltc", 2, 3).sequence(x, torch.zeros(4, 3))


def test_large_states_are_not_taken_for_infinite_ones():
    solvers.check_finite(torch.full((2, 3, 4), 1e308), "here")
