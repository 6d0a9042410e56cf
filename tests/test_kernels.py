"""What cells and solvers refuse, with C code and without; second derivatives; where episodes begin; nothing at all;
stiff fields; and whose compiled code is loaded.
"""

import hashlib
import math
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from course_lib.errors import ArgumentError, NonFiniteError
from course_lib.nets import compiled, native, wiring
from course_lib.nets.cells import CELLS, make_cell
from course_lib.nets.solvers import METHODS, TABLEAUS, odeint

ROOT = Path(__file__).resolve().parent.parent
COMPILER = compiled.find_compiler()
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")
FUSED = [("synaptic_ltc", {}), ("ltc", {}), ("ltc", {"form": "writeup"}), ("ctrnn", {}), ("cfc", {}), ("gru", {})]
FUSED += [(name, {"solver": solver}) for name in ("ltc", "ctrnn", "neural_ode") for solver in TABLEAUS]
ADJOINT = [(name, {"solver": s, "gradient": "adjoint"}) for name in ("synaptic_ltc", "ltc") for s in ("rk4", "dopri5")]
STEPWISE = [("synaptic_ltc", {"solver": "rk4"}), ("ltc", {"solver": "heun3"}), ("mlp", {})]
EVERY = FUSED + ADJOINT + STEPWISE


def named(case) -> str:
    return "-".join([case[0], *case[1].values()])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=["1", "0"], ids=["C", "torch"])
def either(request, monkeypatch):
    """With C code, where there is a compiler, and without."""
    monkeypatch.setenv("COURSE_NATIVE", request.param)
    if request.param == "1" and native.library() is None:
        pytest.skip(f"native code is {native.status()}")


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing compiled or loaded yet; the folder to compile into, which does not exist."""
    monkeypatch.setattr(native.KERNELS, "loaded", {})
    monkeypatch.setattr(native.KERNELS, "_reason", "not used yet")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_NATIVE", raising=False)
    return tmp_path / "cache" / "liquid-control"


def refused(match: str, kind=ArgumentError):
    return pytest.raises(kind, match=match)


# --- sizes, types, places -------------------------------------------------------------------------

T, B, INPUTS, N = 6, 4, 3, 5
x, h = torch.zeros(T, B, INPUTS), torch.zeros(B, N)
BOTH = [  # what is wrong with x or h, for `sequence` and, without its first axis, for the step
    ({"h": torch.zeros(4, 4)}, r"h of shape \(4, 4\) is not accepted; it must be \(4, 5\): 5 neurons of each of the 4"),
    ({"h": torch.zeros(4, 2000)}, r"h of shape \(4, 2000\) is not accepted; it must be \(4, 5\)"),
    ({"h": torch.zeros(1, 5)}, r"h of shape \(1, 5\) is not accepted"),
    ({"h": torch.zeros(5)}, r"h of shape \(5,\) is not accepted"),
    ({"h": torch.zeros(6, 4, 5)}, r"h of shape \(6, 4, 5\) is not accepted"),
    ({"h": torch.zeros(())}, r"h of shape \(\) is not accepted"),
    ({"h": torch.zeros(4, 5, dtype=torch.float64)}, "x of torch.float32 with h of torch.float64 is not accepted by a"),
    ({"h": torch.zeros(4, 5, dtype=torch.int64)}, "h of torch.int64 is not accepted by a cell of torch.float32"),
    ({"h": torch.zeros(4, 5, dtype=torch.complex64)}, "h of torch.complex64 is not accepted"),
    ({"h": torch.zeros(4, 5, device="meta")}, "h on meta is not accepted by a cell on cpu"),
    ({"h": torch.zeros(4, 5).to_sparse()}, "h of layout torch.sparse_coo is not accepted; it must be dense"),
    ({"h": [[0.0] * 5] * 4}, "h of type list is not accepted; it must be a torch.Tensor"),
    ({"h": None}, "h of type NoneType is not accepted"),
    ({"x": torch.zeros(6, 4, 2)}, r"x of shape \(.*4, 2\) is not accepted; its last axis must be 3 wide"),
    ({"x": torch.zeros(6, 3)}, r"x of shape \((6, )?3,?\) is not accepted; it must be \((T, )?B, 3\)"),
    ({"x": torch.zeros(6, 1, 4, 3)}, r"x of shape \(.*1, 4, 3\) is not accepted; it must be \((T, )?B, 3\)"),
    ({"x": torch.zeros(6, 4, 3, dtype=torch.float64)}, "x of torch.float64 with h of torch.float32 is not accepted"),
    ({"x": torch.zeros(6, 4, 3, dtype=torch.float16)}, "x of torch.float16 with h of torch.float32 is not accepted"),
    ({"x": torch.zeros(6, 4, 3, device="meta")}, "x on meta with h on cpu is not accepted by a cell on cpu"),
    ({"dt": torch.zeros(2, 3) + 1}, r"dt of shape \(2, 3\) is not accepted"),
    ({"dt": torch.ones(4, dtype=torch.bool)}, "dt of torch.bool, torch.strided is not accepted; durations are numbers"),
    ({"dt": torch.ones(4, dtype=torch.complex64)}, "dt of torch.complex64, torch.strided is not accepted"),
    ({"dt": torch.ones(4).to_sparse()}, "dt of torch.float32, torch.sparse_coo is not accepted"),
    ({"dt": torch.ones(4, device="meta")}, "dt on meta is not accepted with h on cpu"),
    ({"dt": torch.full((4,), 1e-60, dtype=torch.float64)}, r"dt\[0\]=0.0 is not accepted"),  # 0 in single precision
]
SEQUENCE = [  # what is wrong with the others
    (
        {"starts": torch.zeros(4, dtype=torch.bool)},
        r"starts of shape \(4,\), torch.bool, on cpu is not accepted; it must",
    ),
    ({"starts": torch.zeros(6, dtype=torch.bool)}, r"it must be \(6, 4\), torch.bool, on cpu"),
    ({"starts": torch.zeros(6, 4, 1, dtype=torch.bool)}, r"starts of shape \(6, 4, 1\)"),
    ({"starts": torch.zeros(4, 6, dtype=torch.bool)}, r"starts of shape \(4, 6\)"),
    ({"starts": torch.zeros(6, 1, dtype=torch.bool)}, r"starts of shape \(6, 1\)"),
    ({"starts": torch.zeros(6, 4)}, r"starts of shape \(6, 4\), torch.float32, on cpu is not accepted"),
    ({"starts": torch.zeros(6, 4, dtype=torch.uint8)}, "torch.uint8, on cpu is not accepted"),
    ({"starts": torch.zeros(6, 4, dtype=torch.bool, device="meta")}, "torch.bool, on meta is not accepted"),
    ({"starts": torch.zeros(6, 4, dtype=torch.bool).numpy()}, "starts of type ndarray is not accepted"),
]


@pytest.mark.parametrize("case", EVERY, ids=named)
def test_what_does_not_fit_is_refused_in_a_sentence(either, case):
    cell = make_cell(case[0], INPUTS, N, **case[1])
    for wrong, sentence in BOTH + SEQUENCE:
        given = {"x": x, "h": h, "dt": 1.0, "starts": None} | wrong
        with refused(sentence):
            cell.sequence(**given)
    for wrong, sentence in BOTH:
        given = {"x": x, "h": h, "dt": 1.0} | wrong
        with refused(sentence):
            cell(given["x"][0], given["h"], given["dt"])


def test_starts_of_as_many_steps_as_samples_are_not_taken_for_times(either):
    cell = make_cell("ltc", INPUTS, N)
    with refused(r"starts of shape \(4,\), torch.bool, on cpu is not accepted; it must be \(4, 4\)"):
        cell.sequence(x[:4], h, torch.tensor([True, False, False, False]))


@pytest.mark.parametrize("case", FUSED, ids=named)
def test_a_parameter_of_another_size_gives_no_numbers_that_look_right(either, case):
    """Nobody checks parameters that are replaced. What broadcasts may do so; C must not read beyond."""
    name, options = case
    for key in dict(make_cell(name, INPUTS, N, **options).named_parameters()):
        for change in (lambda p: p[:1], lambda p: p[:-1], lambda p: torch.cat([p, p]), lambda p: p.double()):
            cell = make_cell(name, INPUTS, N, **options)
            setattr(cell, key, nn.Parameter(change(getattr(cell, key).detach())))
            try:
                out, state = cell.sequence(x, h), h
                for t in range(T):
                    state = cell(x[t], state)
                    torch.testing.assert_close(out[t], state)
            except (ArgumentError, RuntimeError):
                continue


def test_substeps_that_are_changed_to_nonsense(either):
    for value in (0, -1, 2.5, *([2**32 + 1] if os.environ["COURSE_NATIVE"] == "1" else [])):
        cell = make_cell("ltc", INPUTS, N)
        cell.substeps = value
        with pytest.raises((ArgumentError, RuntimeError, TypeError, ZeroDivisionError)):
            cell.sequence(x, h)


@needs_compiler
def test_the_kernels_themselves_are_handed_only_what_fits():
    good = dict(drive=torch.zeros(T, B, N), kick=torch.zeros(T, B, N), h=h, starts=torch.zeros(T, B, 1) > 0)
    good |= dict(rate=torch.ones(T, B, 1), substeps=2, weight=torch.zeros(N, N), decay=torch.ones(N), A=torch.ones(N))
    native.decaying("ltc", **good)
    for name, value in good.items():
        if name == "substeps":
            wrong = [0, -1, 1.5, 2**32 + 1]
        else:
            wrong = [value[:-1], value[..., :-1], value[..., None], torch.cat([value, value]), value[:0]]
            wrong += [value.float()] if name == "starts" else [value.double(), value.to("meta")]
        for other in wrong:
            with pytest.raises((ArgumentError, RuntimeError), match="(is|are) not accepted|expected device"):
                native.decaying("ltc", **(good | {name: other}))
    good = {name: good[name] for name in good if name not in ("decay", "A")}
    for kind, gates in (("gru", 4), ("cfc", 3)):
        mine = good | dict(drive=torch.zeros(T, B, gates * N), weight=torch.zeros(gates * N, N))
        assert native.gated(kind, **mine).shape == (T, B, N)
        for name, value in mine.items():
            if name != "substeps":
                for other in (value[:-1], value[..., :-1], value[..., None], value[:0]):
                    with pytest.raises((ArgumentError, RuntimeError), match="is not accepted|invalid for input"):
                        native.gated(kind, **(mine | {name: other}))
    with refused("weight of shape .*4, 5, 4.* is not accepted here; it must be .4, 5, 5"):
        native.synaptic(torch.zeros(T, B, 2 * N), None, h, None, 1.0, 1, torch.zeros(4, N, N - 1), *torch.ones(3, N))


@needs_compiler
def test_what_hooks_make_of_saved_tensors_is_checked_too():
    for change in (
        lambda p: p.double(),
        lambda p: p.half(),
        lambda p: p[:1],
        lambda p: p[..., :1],
        lambda p: p.to("meta"),
    ):
        for name in ("ltc", "synaptic_ltc", "gru", "cfc"):
            with torch.autograd.graph.saved_tensors_hooks(lambda p: p, change):
                out = make_cell(name, INPUTS, N).sequence(x, h, torch.rand(T, B) < 0.5, torch.rand(T, B) + 0.1)
            with pytest.raises((ArgumentError, RuntimeError)):
                out.sum().backward()


@pytest.mark.parametrize("case", FUSED, ids=named)
def test_memory_may_lie_in_any_order(either, case):
    cell = make_cell(case[0], INPUTS, N, **case[1])
    x, h, starts, dt = torch.randn(T, B, INPUTS), torch.randn(B, N), torch.rand(T, B) < 0.3, torch.rand(T, B) + 0.1

    def solve(*given):
        leaf = given[1].detach().requires_grad_()
        out = cell.sequence(given[0], leaf, *given[2:])
        return out, *torch.autograd.grad(out, [leaf, *cell.parameters()], weights)

    weights = torch.randn(T, B, N)
    plain = solve(x, h, starts, dt)
    odd = [p.transpose(0, 1).contiguous().transpose(0, 1) for p in (x, h, starts, dt)]
    weights = weights.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not any(p.is_contiguous() for p in (*odd, weights))
    for a, b in zip(plain, solve(*odd), strict=True):
        torch.testing.assert_close(a, b)
    one, minus = h[:1].expand(B, N), torch._neg_view(-h)
    torch.testing.assert_close(cell.sequence(x, one), cell.sequence(x, one.clone()))
    assert minus.is_contiguous() and minus.is_neg()
    torch.testing.assert_close(cell.sequence(x, minus), cell.sequence(x, h))


def test_durations_of_any_numeric_type(either):
    cell, x, h = make_cell("ltc", INPUTS, N), torch.randn(T, B, INPUTS), torch.zeros(B, N)
    wanted = cell.sequence(x, h, None, 2.0)
    for dtype in (torch.float64, torch.float16, torch.int64, torch.uint8):
        for shape in ((), (T,), (T, B)):
            torch.testing.assert_close(cell.sequence(x, h, None, torch.full(shape, 2, dtype=dtype)), wanted)
        torch.testing.assert_close(cell(x[0], h, torch.full((B,), 2, dtype=dtype)), wanted[0])


@pytest.mark.parametrize(
    ("name", "wired"), [(n, w) for n in CELLS for w in (False, True) if not w or n not in ("frames", "attention")]
)
def test_double_precision_by_default(either, double, name, wired):
    cell = make_cell(name, INPUTS, N, wiring=wiring.random(INPUTS, N, 0.6, seed=1, attempts=99) if wired else None)
    assert {p.dtype for p in (*cell.parameters(), *cell.buffers(), cell.initial_state(2))} == {torch.float64}
    out = cell.sequence(torch.randn(T, B, INPUTS), cell.initial_state(B), torch.rand(T, B) < 0.3)
    out.sum().backward()
    assert out.dtype == torch.float64 and cell(torch.randn(B, INPUTS), cell.initial_state(B)).dtype == torch.float64
    with refused("x of torch.float32 with h of torch.float64 is not accepted by a cell of torch.float64; .*x.to"):
        cell.sequence(x, cell.initial_state(B))
    torch.set_default_dtype(torch.float32)
    assert cell.initial_state(B).dtype == torch.float64  # of the cell, not of the day
    assert cell.float().sequence(x, cell.initial_state(B)).dtype == torch.float32


# --- second derivatives ---------------------------------------------------------------------------


def as_function(cell, call):
    """(x, h, *parameters) -> states."""
    names = [f"cell.{name}" for name, _ in cell.named_parameters()]

    class Call(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell

        def forward(self, x, h):
            return call(self.cell, x, h)

    run = Call()
    return lambda x, h, *p: torch.func.functional_call(run, dict(zip(names, p, strict=True)), (x, h))


@pytest.mark.parametrize("case", FUSED + ADJOINT, ids=named)
def test_a_second_derivative_that_is_not_there_is_refused(either, case):
    """At the first one, which is told to be differentiable: whatever it is of, and whether the loss is linear."""
    cell = make_cell(case[0], INPUTS, N, **case[1])
    x, h = torch.randn(T, B, INPUTS, requires_grad=True), torch.randn(B, N, requires_grad=True)
    for loss in (torch.sum, lambda out: out.square().sum()):
        for wanted in ([x], [h], list(cell.parameters())):
            with refused(
                "create_graph=True is not accepted: this backward pass is written by hand and has no second derivative"
            ):
                torch.autograd.grad(loss(cell.sequence(x, h)), wanted, create_graph=True, allow_unused=True)
        with refused("create_graph=True"):
            loss(cell.sequence(x, h)).backward(create_graph=True)
    with refused("create_graph=True"):
        torch.autograd.functional.hessian(lambda h: cell.sequence(x, h).square().sum(), h)
    if case in ADJOINT:
        with refused("create_graph=True"):
            torch.autograd.grad(cell(x[0], h).sum(), h, create_graph=True)
    else:
        torch.autograd.grad(cell(x[0], h).sum(), h, create_graph=True)  # torch's own
    torch.autograd.grad(cell.sequence(x, h).sum(), h)  # the first derivative is still there


def test_the_adjoint_of_a_field_has_no_second_derivative():
    h0 = torch.ones(1, 2, requires_grad=True)

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(torch.eye(2))

        def forward(self, t, h):
            return torch.tanh(h @ self.W)

    for method in METHODS:
        for loss in (torch.sum, lambda out: out.square().sum()):
            end = odeint(Field(), h0, torch.tensor([0.0, 1.0]), method=method, rtol=1e-3, atol=1e-3, gradient="adjoint")
            with refused("create_graph=True"):
                torch.autograd.grad(loss(end), h0, create_graph=True)


@pytest.mark.parametrize("name", CELLS)
def test_second_derivatives_of_a_step_are_those_of_finite_differences(double, name):
    cell = make_cell(name, 2, 2, **({"solver": "rk4"} if name == "neural_ode" else {}))
    given = torch.randn(2, 2, requires_grad=True), torch.randn(2, cell.state_width, requires_grad=True)
    given += tuple(cell.parameters())
    assert torch.autograd.gradgradcheck(as_function(cell, lambda cell, x, h: cell(x, h, 0.4)), given, fast_mode=True)


def test_second_derivatives_of_the_solvers_of_torchdiffeq(double):
    """All solve the same equation, and dopri8 is held against finite differences."""
    rtol = {"adaptive_heun": 1e-6, "fehlberg2": 1e-6, "bosh3": 1e-6}
    x, h = torch.randn(1, 2, 2, requires_grad=True), torch.randn(2, 2, requires_grad=True)
    results, weights = {}, make_cell("ctrnn", 2, 2).state_dict()
    for solver in ("dopri8", *(m for m in METHODS if m not in (*TABLEAUS, "dopri8"))):
        options = dict(substeps=40, rtol=rtol.get(solver, 1e-9), atol=rtol.get(solver, 1e-9))
        cell = make_cell("ctrnn", 2, 2, solver=solver, **options)
        cell.load_state_dict(weights)
        first = torch.autograd.grad(cell.sequence(x, h).square().sum(), h, create_graph=True)[0]
        results[solver] = torch.autograd.grad(first.square().sum(), [x, h, *cell.parameters()])
        for a, b in zip(results["dopri8"], results[solver], strict=True):
            torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-3, msg=solver)
        if solver == "dopri8":
            function = as_function(cell, lambda cell, x, h: cell.sequence(x, h))
            given = (x, h, *cell.parameters())
            assert torch.autograd.gradgradcheck(function, given, fast_mode=True, eps=1e-3, atol=1e-3)


def test_other_ways_to_differentiate_are_refused_by_torch(either):
    cell, x, h = make_cell("ltc", INPUTS, N), torch.randn(T, B, INPUTS), torch.zeros(B, N, requires_grad=True)
    with pytest.raises(RuntimeError, match="functorch"):
        torch.func.grad(lambda x: cell.sequence(x, h).sum())(x)
    with pytest.raises(RuntimeError, match="functorch"):
        torch.vmap(lambda x: cell.sequence(x, h))(x[None])
    with pytest.raises(NotImplementedError, match="jvp"), torch.autograd.forward_ad.dual_level():
        cell.sequence(torch.autograd.forward_ad.make_dual(x, x), h)
    out = cell.sequence(x, h)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(out, h, torch.ones(3, *out.shape), is_grads_batched=True)


@pytest.mark.parametrize("case", FUSED + STEPWISE[:2], ids=named)
def test_a_gradient_of_durations_is_right_or_refused(either, double, case):
    cell, x, h = make_cell(case[0], 2, 2, **case[1]), torch.randn(3, 2, 2), torch.randn(2, 2)
    for shape in ((), (3,), (3, 2)):
        dt = (torch.rand(shape) + 0.5).requires_grad_()
        if case in FUSED and case[0] != "synaptic_ltc":
            with refused("dt that requires a gradient is not accepted by the fused pass .*accepted: dt.detach"):
                cell.sequence(x, h, None, dt)
        else:
            assert torch.autograd.gradcheck(lambda dt: cell.sequence(x, h, None, dt), dt)
        with torch.no_grad():
            cell.sequence(x, h, None, dt)
    assert torch.autograd.gradcheck(lambda dt: cell(x[0], h, dt), (torch.rand(2) + 0.5).requires_grad_())


def test_durations_that_change_between_the_passes_are_noticed(either):
    for name in ("ltc", "cfc"):
        dt = torch.rand(T, B) + 0.1
        out = make_cell(name, INPUTS, N).sequence(x, h, None, dt)
        dt.mul_(2.0)
        try:
            out.sum().backward()
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error)
        else:
            assert os.environ["COURSE_NATIVE"] == "1"  # which made rates of them before


# --- where episodes begin -------------------------------------------------------------------------


@pytest.mark.parametrize("case", EVERY, ids=named)
def test_an_episode_begins_at_zero_whatever_the_state_was(either, case):
    cell = make_cell(case[0], INPUTS, N, **case[1])
    x, starts = torch.randn(T, B, INPUTS), torch.rand(T, B) < 0.3
    starts[0, 1], starts[0, 2] = True, False
    results = []
    for first in (0.0, math.nan, -math.inf):
        h = torch.randn(B, N, generator=torch.Generator().manual_seed(1))
        h[1] = first
        h.requires_grad_()
        out = cell.sequence(x, h, starts)
        grads = torch.autograd.grad(out.square().sum(), [h, *cell.parameters()], allow_unused=True)
        results.append([out, *grads])
    for a, *others in zip(*results, strict=True):
        assert all((b is None) == (a is None) and (a is None or torch.equal(a, b)) for b in others)
    assert results[1][1] is None or not results[1][1][1].any()  # and no gradient comes back there


@pytest.mark.parametrize("case", FUSED, ids=named)
def test_no_gradient_crosses_the_beginning_of_an_episode(either, case):
    """Not even an infinite one."""
    cell, x = make_cell(case[0], INPUTS, N, **case[1]), torch.randn(T, B, INPUTS, requires_grad=True)
    starts = torch.zeros(T, B, dtype=torch.bool)
    starts[3, 1] = True
    weights = torch.ones(T, B, N)
    weights[4, 1] = math.inf
    grad = torch.autograd.grad(cell.sequence(x, torch.zeros(B, N), starts), x, weights)[0]
    assert grad[:3].isfinite().all() and not grad[3:5, 1].isfinite().all()
    assert grad[:, [0, 2, 3]].isfinite().all()


@pytest.mark.parametrize("name", ["ltc", "ctrnn"])
def test_fast_neurons_with_short_steps_have_a_gradient(either, name):
    """Lanes that no sample fills once took steps of length 1, left the numbers, and put NaN into all gradients."""
    cell = make_cell(name, INPUTS, N, solver="euler", tau=(1e-3, 1e-3))
    cell.sequence(torch.randn(40, 5, INPUTS), torch.zeros(5, N), None, torch.full((40, 5), 1e-4)).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in cell.parameters())


# --- nothing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*EVERY, *(("ltc", {"solver": s}) for s in METHODS)], ids=named)
def test_no_steps_or_no_samples(either, case):
    for dtype, T, B in ((torch.float32, 0, 4), (torch.float64, 6, 0), (torch.float32, 0, 0)):
        torch.set_default_dtype(dtype)
        cell = make_cell(case[0], INPUTS, N, **case[1])
        x, h = torch.randn(T, B, INPUTS, requires_grad=True), torch.randn(B, N, requires_grad=True)
        for starts in (None, torch.zeros(T, B, dtype=torch.bool)):
            for dt in (1.0, torch.ones(T), torch.ones(T, B)):
                out = cell.sequence(x, h, starts, dt)
                assert out.shape == (T, B, N) and out.dtype == dtype
                grads = torch.autograd.grad(out.sum(), [x, h, *cell.parameters()])
                assert not any(g.any() for g in grads)
        with refused("h of shape"):
            cell.sequence(x, torch.randn(B + 1, N))
        with refused("starts of shape"):
            cell.sequence(x, h, torch.zeros(T + 1, B, dtype=torch.bool))
        if B == 0:
            out = cell(torch.zeros(0, INPUTS), h, 0.5)
            assert out.shape == (0, N) and out.dtype == dtype
            out.sum().backward()


# --- stiff fields ---------------------------------------------------------------------------------

ADAPTIVE = ("dopri5", "bosh3", "adaptive_heun", "fehlberg2")


class VanDerPol(nn.Module):
    def __init__(self, mu: float):
        super().__init__()
        self.mu = nn.Parameter(torch.tensor(mu))

    def forward(self, t, h):
        return torch.stack([h[:, 1], self.mu * (1 - h[:, 0] ** 2) * h[:, 1] - h[:, 0]], dim=1)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_stiff_field_ends_in_a_sentence(double, method, gradient):
    h0, t = torch.tensor([[2.0, 0.0]]), torch.tensor([0.0, 1e-9, 1.0])
    sentence = rf"method='{method}' could not go on at t=0.00\d+, between 1e-09 and 1 \(it took max_steps=80 steps\): "
    with refused(sentence + "the field is too stiff .* try a looser rtol, .* a larger max_steps", NonFiniteError):
        odeint(VanDerPol(1e5), h0, t, method=method, max_steps=80, gradient=gradient)
    with refused("at t=0.00", NonFiniteError):
        odeint(VanDerPol(1e5), h0, t[:, None], method=method, max_steps=80, gradient=gradient)


def test_steps_are_counted_per_interval(double):
    h0, rest = torch.tensor([[2.0, 0.0]]), torch.linspace(0, 6.0, 13)
    options = dict(method="dopri5", rtol=1e-6, atol=1e-6)
    odeint(VanDerPol(5.0), h0, rest, max_steps=60, **options)
    with refused("max_steps=60", NonFiniteError):
        odeint(VanDerPol(5.0), h0, rest[[0, -1]], max_steps=60, **options)
    for value in (0, -1, 1.5, True, "many"):
        with refused(f"max_steps={value!r} is not accepted; it must be a whole number of at least 1"):
            odeint(VanDerPol(5.0), h0, rest, max_steps=value)
        with refused("max_steps="):
            make_cell("ltc", 2, 3, solver="dopri5", max_steps=value)


def test_the_adjoint_gives_up_too(double):
    """Backwards in time what was tame forwards is not."""

    class Decay(nn.Module):
        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(1.0))

        def forward(self, t, h):
            return -self.k * h

    h0 = torch.ones(1, 1, requires_grad=True)
    end = odeint(Decay(), h0, torch.tensor([0.0, 40.0]), method="dopri5", atol=1e-3, rtol=1e-3, gradient="adjoint",
                 max_steps=24)[-1]  # fmt: skip
    with refused("max_steps=24", NonFiniteError):
        (1e9 * end).sum().backward()


def test_a_cell_says_in_which_step_it_gave_up(double):
    cell = make_cell("ctrnn", INPUTS, N, solver="dopri5", max_steps=20)
    x, dt = torch.zeros(T, B, INPUTS), torch.tensor([0.1, 0.1, 0.1, 500.0, 0.1, 0.1])
    with refused(
        r"in step 4 of 6, method='dopri5' could not go on at t=\d.*, between 0 and 500 .*max_steps=20", NonFiniteError
    ):
        cell.sequence(x, torch.ones(B, N), None, dt)


# --- whose code is loaded -------------------------------------------------------------------------


def library_path() -> Path:
    return compiled.folder() / native.KERNELS.file(COMPILER, *native.TYPES[torch.float32])


def in_a_process(code: str = "", **environment) -> str:
    """`native.status()` of a new process that used the library, and what it printed before."""
    code = f"from course_lib.nets import native\nnative.library()\n{code}\nprint(native.status())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def digest(path: Path) -> None:
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def plant(path: Path) -> None:
    """A library with a valid digest that says when it is loaded."""
    source = path.with_suffix(".c")
    source.write_text(
        '#include <stdio.h>\n__attribute__((constructor)) void f(void) { puts("planted"); fflush(stdout); }'
    )
    subprocess.run([COMPILER, "-shared", "-fPIC", str(source), "-o", str(path)], check=True)
    path.chmod(0o700)
    digest(path)
    source.unlink()


posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners and modes are those of POSIX")


@posix
@needs_compiler
def test_a_planted_library_would_be_loaded_were_it_ours(fresh):
    """So that the tests below test something."""
    plant(library_path())
    assert in_a_process().startswith("planted")


@posix
@needs_compiler
def test_a_folder_that_others_can_write_to_is_not_used(fresh):
    plant(library_path())
    for mode in (0o770, 0o702, 0o1777, 0o777):
        fresh.chmod(mode)
        assert not compiled.ours(fresh)
    (fresh.parent / "tmp").mkdir()
    kept = "import os; print(os.listdir(os.environ['TMPDIR']))"
    said = in_a_process(kept, TMPDIR=str(fresh.parent / "tmp"))
    assert "planted" not in said and "on: kernels.c compiled with" in said
    assert f"for this process alone, as others can write to {fresh}" in said
    assert "['liquid-control-" in said and not os.listdir(fresh.parent / "tmp")  # it was there, and is gone


@posix
@needs_compiler
def test_a_folder_that_can_be_replaced_by_others_is_not_used(fresh):
    plant(library_path())
    fresh.parent.chmod(0o777)
    assert native.library() is not None and "for this process alone" in native.status()
    fresh.parent.chmod(0o1777)  # as /tmp, where nobody can rename what is another's
    assert compiled.ours(fresh) and compiled.whole(library_path())


@posix
@needs_compiler
def test_a_folder_of_somebody_else_is_not_used(fresh, monkeypatch):
    plant(library_path())
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert not compiled.ours(compiled.folder())
    assert native.library() is not None and "for this process alone" in native.status()


@posix
@needs_compiler
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", ".so", ".sha256"])
def test_what_belongs_to_somebody_else_is_not_loaded(fresh, what):
    plant(library_path())
    os.chown(fresh if what == "folder" else library_path().with_suffix(what), 12345, -1)
    assert not compiled.whole(library_path()) or what == "folder"
    assert native.library() is not None and native.status().startswith("on: ")
    assert ("for this process alone" in native.status()) == (what == "folder")


@posix
@needs_compiler
@pytest.mark.parametrize("what", [".so", ".sha256"])
def test_a_file_that_others_can_write_to_is_compiled_again(fresh, what):
    plant(library_path())
    library_path().with_suffix(what).chmod(0o666)
    assert not compiled.whole(library_path())
    assert native.library() is not None and native.status().startswith("on: ")
    assert not library_path().with_suffix(what).stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@pytest.mark.slow
@needs_compiler
def test_a_torn_library_is_compiled_again(fresh, monkeypatch):
    assert native.library() is not None
    path = library_path()
    content, digest = path.read_bytes(), path.with_suffix(".sha256").read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    torn = [(content[: len(content) // 2], digest), (bytes(len(content)), digest), (b"", digest), (flipped, digest)]
    torn += [(content, None), (content, b"0" * 64), (content, b"\xff\x00"), (content, b"")]
    for library, beside in torn:
        path.unlink()  # it is mapped into this process, which a write would end
        path.write_bytes(library)
        path.with_suffix(".sha256").unlink() if beside is None else path.with_suffix(".sha256").write_bytes(beside)
        assert not compiled.whole(path)
        monkeypatch.setattr(native.KERNELS, "loaded", {})
        assert native.library() is not None and native.status().startswith("on: ") and compiled.whole(path)
        assert path.read_bytes() == content and path.with_suffix(".sha256").read_bytes() == digest


@pytest.mark.slow
@needs_compiler
def test_many_processes_compile_at_once(fresh):
    code = "from course_lib.nets import native; assert native.library() is not None, native.status()"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(120) for process in running] == [0] * 4
    assert sorted(path.suffix for path in fresh.iterdir()) == [".sha256", ".so"] and compiled.whole(library_path())
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700


@needs_compiler
def test_a_folder_that_cannot_be_written_to(fresh, monkeypatch):
    def fails(*_, **__):
        raise PermissionError(13, "Permission denied")

    fresh.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(compiled.tempfile, "TemporaryDirectory", fails)
    assert native.library() is None and native.status() == "off: PermissionError: [Errno 13] Permission denied"
    assert make_cell("ltc", INPUTS, N).sequence(x, h).shape == (T, B, N)


@needs_compiler
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(fresh):
    fresh.mkdir(parents=True)
    fresh.chmod(0o500)
    said = in_a_process()
    fresh.chmod(0o700)
    assert said.startswith("off: PermissionError")


@needs_compiler
def test_a_relative_cache_folder_is_not_followed(fresh, monkeypatch, tmp_path):
    """Which the specification of XDG_CACHE_HOME asks for: a folder one happens to be in may be anybody's."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert compiled.folder() == tmp_path / "home" / ".cache" / "liquid-control"


def test_a_compiler_that_fails_leaves_it_to_torch(fresh, monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert native.library() is None and native.status().startswith("off: OSError: ") and "cc failed" in native.status()
    monkeypatch.setattr(native.KERNELS, "loaded", {})
    monkeypatch.setenv("PATH", "")
    assert native.library() is None and native.status() == "off: no C compiler (cc, gcc or clang)"
    assert make_cell("ltc", INPUTS, N).sequence(x, h).shape == (T, B, N)


@pytest.mark.slow
@needs_compiler
def test_the_kernels_under_sanitizers():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/sanitize.py"), "--cases", "80"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "80 cases, 0 differ" in done.stdout or done.stdout.startswith("nothing was checked")
