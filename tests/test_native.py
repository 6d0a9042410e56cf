"""The C code: the torch code is its oracle; finite differences are another. And what happens where it cannot be had."""

import os
import subprocess
import sys

import pytest
import torch

from course_lib.errors import ArgumentError
from course_lib.nets import compiled, native, wiring
from course_lib.nets.cells import make_cell
from course_lib.nets.solvers import TABLEAUS


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing compiled or loaded yet, and a folder of its own to compile into."""
    monkeypatch.setattr(native.KERNELS, "loaded", {})
    monkeypatch.setattr(native.KERNELS, "_reason", "not used yet")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_NATIVE", raising=False)
    return tmp_path / "cache" / "liquid-control"


@pytest.fixture
def in_c(monkeypatch):
    monkeypatch.delenv("COURSE_NATIVE", raising=False)
    for dtype in native.TYPES:
        if native.library(dtype) is None:
            pytest.skip(f"native code is {native.status()}")


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request):
    torch.set_default_dtype(request.param)
    torch.manual_seed(0)
    yield request.param
    torch.set_default_dtype(torch.float32)


def results(cell, x, h, starts, dt, monkeypatch, on: str):
    """States, and gradients of everything, with C code or without."""
    monkeypatch.setenv("COURSE_NATIVE", on)
    inputs = [x.requires_grad_(), h.requires_grad_(), *cell.parameters()]
    out = cell.sequence(x, h, starts, dt)
    generator = torch.Generator().manual_seed(1)
    return out.detach(), *torch.autograd.grad(out, inputs, torch.randn(out.shape, generator=generator))


def check_agreement(cell, batch, durations, dtype, monkeypatch):
    """States and gradients in C are those of torch, with episodes that begin on the way and without."""
    x, h, starts = torch.randn(6, batch, 3), torch.randn(batch, 7), torch.rand(6, batch) < 0.3
    dt = {"number": 0.4, "per step": torch.rand(6) + 0.1, "per sample": torch.rand(6, batch) + 0.1}[durations]
    tolerance = {torch.float32: 1e-5, torch.float64: 1e-11}[dtype]
    for begins in (starts, None):
        there, here = (results(cell, x, h, begins, dt, monkeypatch, on) for on in "01")
        for a, b in zip(there, here, strict=True):
            torch.testing.assert_close(b, a, rtol=tolerance, atol=tolerance * a.abs().max().item())


FUSED = [("synaptic_ltc", "fused"), ("ltc", "fused"), ("ctrnn", "fused")]
EXPLICIT = [("ltc", "rk4"), ("ctrnn", "rk4"), ("neural_ode", "rk4"), ("ctrnn", "midpoint"), ("ltc", "euler")]


@pytest.mark.parametrize("name, solver", FUSED + EXPLICIT)
@pytest.mark.parametrize("mode", ["held", "initial"])
@pytest.mark.parametrize("durations", ["number", "per step", "per sample"])
@pytest.mark.parametrize("batch", [1, 16, 21])
def test_c_and_torch_agree(in_c, dtype, monkeypatch, batch, durations, mode, name, solver):
    options = {} if name == "synaptic_ltc" else {"solver": solver}
    cell = make_cell(name, 3, 7, substeps=3, input=mode, **options)
    check_agreement(cell, batch, durations, dtype, monkeypatch)


@pytest.mark.parametrize("name", ["gru", "cfc"])
@pytest.mark.parametrize("options", [{}, {"rank": 2}, {"wiring": wiring.random(3, 7, 0.3)}])
@pytest.mark.parametrize("durations", ["number", "per step", "per sample"])
@pytest.mark.parametrize("batch", [1, 16, 21])
def test_c_and_torch_agree_on_cells_with_gates(in_c, dtype, monkeypatch, batch, durations, options, name):
    cell = make_cell(name, 3, 7, **options)
    check_agreement(cell, batch, durations, dtype, monkeypatch)


def test_a_gru_in_c_is_that_of_torch(in_c):
    cell, peer = make_cell("gru", 3, 7), torch.nn.GRU(3, 7)
    with torch.no_grad():
        peer.weight_ih_l0.copy_(cell.input)
        peer.weight_hh_l0.copy_(cell.recurrent)
        peer.bias_ih_l0.copy_(cell.bias.uniform_(-1, 1))
        peer.bias_hh_l0.zero_()[14:].copy_(cell.recurrent_bias.uniform_(-1, 1))
    x, h = torch.randn(9, 21, 3), torch.randn(21, 7)
    torch.testing.assert_close(cell.sequence(x, h), peer(x, h[None])[0])


def test_sparse_wirings_and_closed_or_wide_open_synapses(in_c, dtype, monkeypatch):
    cell = make_cell("synaptic_ltc", 3, 7, wiring=wiring.random(3, 7, 0.3))
    with torch.no_grad():
        cell.recurrent_mu[:, :3] = -1e4  # far beyond the range in which the C code computes powers
        cell.recurrent_mu[:, 3:5] = 1e4
    x, h = torch.randn(5, 4, 3), torch.randn(4, 7)
    there, here = (results(cell, x, h, None, 1.0, monkeypatch, on) for on in "01")
    for a, b in zip(there, here, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-4 * a.abs().max().item())
    missing = cell.recurrent_mask == 0
    gradient = dict(zip((name for name, _ in cell.named_parameters()), here[3:], strict=True))
    assert missing.any() and not gradient["recurrent_raw_w"][missing].any()


def test_gradients_are_those_of_finite_differences(in_c):
    torch.manual_seed(0)
    T, B, n, double = 3, 2, 2, dict(dtype=torch.float64)
    leaves = [torch.randn(T, B, 2 * n, **double), torch.randn(T, B, n, **double), torch.randn(B, n, **double)]
    leaves += [torch.rand(4, n, n, **double) + 0.5, *(torch.rand(3, n, **double) + 0.5).unbind()]
    leaves[0][..., n:].abs_()  # conductances
    starts, rate = torch.zeros(T, B, 1, dtype=torch.bool), torch.rand(T, B, 1, **double) + 2.0
    starts[1, 0] = True

    def states(drive, kick, h, *rest):
        return native.synaptic(drive, kick, h, starts, rate, 2, *rest)

    assert torch.autograd.gradcheck(states, [leaf.detach().requires_grad_() for leaf in leaves])


@pytest.mark.parametrize("kind", ["ltc", "ctrnn"])
def test_gradients_of_ltc_and_ctrnn_are_those_of_finite_differences(in_c, kind):
    torch.manual_seed(0)
    T, B, n, double = 3, 2, 3, dict(dtype=torch.float64)
    leaves = [torch.randn(T, B, n, **double), torch.randn(T, B, n, **double), torch.randn(B, n, **double)]
    leaves += [torch.randn(n, n, **double), torch.rand(n, **double) + 0.5]
    leaves += [torch.randn(n, **double)] if kind == "ltc" else []
    starts, rate = torch.zeros(T, B, 1, dtype=torch.bool), torch.rand(T, B, 1, **double) + 1.0
    starts[1, 0] = True

    def states(drive, kick, h, *rest):
        return native.decaying(kind, drive, kick, h, starts, rate, 2, *rest)

    assert torch.autograd.gradcheck(states, [leaf.requires_grad_() for leaf in leaves])


@pytest.mark.parametrize("kind, gates", [("gru", 4), ("cfc", 3)])
def test_gradients_of_cells_with_gates_are_those_of_finite_differences(in_c, kind, gates):
    torch.manual_seed(0)
    T, B, n, double = 3, 2, 3, dict(dtype=torch.float64)
    leaves = [torch.randn(T, B, gates * n, **double), torch.randn(T, B, n, **double), torch.randn(B, n, **double)]
    leaves += [torch.randn(gates, n, n, **double)]
    starts, rate = torch.zeros(T, B, 1, dtype=torch.bool), torch.rand(T, B, 1, **double) + 1.0
    starts[1, 0] = True
    there = torch.ones(gates, 1, 1, **double)
    if kind == "gru":
        there[2] = 0.0  # what the input alone feeds

    def states(drive, kick, h, weight):
        return native.gated(kind, drive, kick, h, starts, rate, 2, (weight * there).flatten(0, 1))

    assert torch.autograd.gradcheck(states, [leaf.requires_grad_() for leaf in leaves])


@pytest.mark.parametrize("kind", ["ltc", "ctrnn", "neural_ode"])
@pytest.mark.parametrize("method", list(TABLEAUS))
def test_gradients_of_runge_kutta_steps_are_those_of_finite_differences(in_c, kind, method):
    torch.manual_seed(0)
    T, B, n, double = 3, 2, 3, dict(dtype=torch.float64)
    leaves = [torch.randn(T, B, n, **double), torch.randn(T, B, n, **double), torch.randn(B, n, **double)]
    leaves += [torch.randn(n, n, **double)]
    leaves += [torch.rand(n, **double) + 0.5] if kind != "neural_ode" else []
    leaves += [torch.randn(n, **double)] if kind == "ltc" else []
    starts, rate = torch.zeros(T, B, 1, dtype=torch.bool), torch.rand(T, B, 1, **double) + 1.0
    starts[1, 0] = True

    def states(drive, kick, h, *rest):
        return native.explicit(kind, TABLEAUS[method], drive, kick, h, starts, rate, 2, *rest)

    assert torch.autograd.gradcheck(states, [leaf.requires_grad_() for leaf in leaves])


def test_the_other_form_of_the_ltc_stays_with_torch(in_c, monkeypatch):
    monkeypatch.setattr(native, "decaying", lambda *_: pytest.fail("that is another equation"))
    monkeypatch.setattr(native, "explicit", lambda *_: pytest.fail("that is another equation"))
    for solver in ("fused", "rk4"):
        make_cell("ltc", 2, 3, form="writeup", solver=solver).sequence(torch.randn(4, 5, 2), torch.zeros(5, 3))


def test_a_gradient_can_be_taken_after_it_was_turned_off(in_c, monkeypatch):
    out = make_cell("ltc", 2, 3).sequence(torch.randn(4, 5, 2), torch.zeros(5, 3))
    monkeypatch.setenv("COURSE_NATIVE", "0")
    out.sum().backward()


def test_what_is_not_a_number_stays_so(in_c):
    cell = make_cell("synaptic_ltc", 2, 3)
    g, gv, C = cell.params()
    h = torch.tensor([[0.0, float("nan"), 0.0]])
    assert native.synaptic(torch.zeros(1, 1, 6), None, h, None, 6.0, 6, cell._recurrent(), g, gv, C).isnan().all()


def test_shapes_that_do_not_fit_are_refused(in_c):
    for name in ("synaptic_ltc", "ltc"):
        with pytest.raises(ArgumentError, match=r"h of shape \(2, 3\) is not accepted; it must be \(5, 3\)"):
            make_cell(name, 2, 3).sequence(torch.zeros(4, 5, 2), torch.zeros(2, 3))  # C would read what is not there


def test_any_processor_of_the_kind_will_do(in_c, fresh, dtype, monkeypatch):
    """Without the flags for this very machine, as where the compiler does not know it."""
    monkeypatch.setattr(compiled, "MACHINE", (("-march=unheard-of",), ()))
    cell = make_cell("synaptic_ltc", 3, 5)
    x, h = torch.randn(4, 6, 3), torch.zeros(6, 5)
    there, here = (results(cell, x, h, None, 1.0, monkeypatch, on) for on in "01")
    assert native.status().startswith("on: ")
    for a, b in zip(there, here, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5 * a.abs().max().item())


def test_rounding_of_the_process_is_left_alone(in_c):
    assert runs()
    tiny = torch.tensor(1e-40)
    assert (tiny * 0.5).item() > 0  # the C code takes it for zero, as -ffast-math would everywhere


# --- where it cannot be had ---------------------------------------------------------------------


def runs() -> bool:
    """The cell works, with C code or without."""
    x, h = torch.randn(3, 2, 2), torch.zeros(2, 3)
    return bool(make_cell("synaptic_ltc", 2, 3).sequence(x, h).isfinite().all())


def test_the_environment_turns_it_off(fresh, monkeypatch):
    monkeypatch.setenv("COURSE_NATIVE", "0")
    assert runs() and native.library() is None and "COURSE_NATIVE=0" in native.status()
    assert not fresh.exists()


def test_without_a_compiler_torch_does_it(fresh, monkeypatch, capfd):
    monkeypatch.setenv("PATH", "")
    assert runs() and native.library() is None and "no C compiler" in native.status()
    assert capfd.readouterr() == ("", "")


def test_when_the_compiler_fails_torch_does_it(fresh, monkeypatch, capfd, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runs() and native.library() is None and "broken" in native.status()
    assert capfd.readouterr() == ("", "") and not list(fresh.iterdir())


def test_where_the_folder_cannot_be_made_torch_does_it(fresh, monkeypatch, tmp_path, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert runs() and native.library() is None and native.status().startswith("off: ")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_file_is_compiled_again(in_c, fresh):
    path = compiled.folder() / native.KERNELS.file(compiled.find_compiler(), *native.TYPES[torch.float32])
    path.write_bytes(b"not a library")
    assert native.library() is not None and runs() and native.status().startswith("on: ")
    assert path.stat().st_size > 1000


@pytest.mark.slow
def test_processes_that_start_together(in_c, fresh):
    code = "from course_lib.nets import native; assert native.library() is not None, native.status()"
    environment = os.environ | {"XDG_CACHE_HOME": str(fresh.parent)}
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert sorted(path.suffix for path in fresh.iterdir()) == [".sha256", ".so"]


def test_importing_compiles_nothing(fresh):
    code = "import course_lib.nets.synaptic; from course_lib.nets import native; print(native.status())"
    environment = os.environ | {"XDG_CACHE_HOME": str(fresh.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "not used yet" and not fresh.exists()
