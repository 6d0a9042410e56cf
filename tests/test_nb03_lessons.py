"""The lessons of notebook 03: one LTC neuron against scipy, the augmented rates against differences, measures."""

import time

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from course_lib.errors import ArgumentError
from course_lib.lessons import nb03_adjoint
from course_lib.lessons import nb03_gradient_lab as lab
from course_lib.lessons import nb03_ode as ode_figures
from course_lib.lessons.nb03_neuron import BIAS, END, GAIN, LEVELS, OFF, ON, TAUS, Neuron, neuron_slider
from course_lib.nets.cells import LTC


# ------------------------------------------------------------------------------------------- one neuron, sliders
@pytest.mark.parametrize("tau, A, x", [(0.5, -2.0, 1.0), (10.0, 1.0, 0.4), (20.0, 2.0, 0.0)])
def test_the_response_to_a_pulse_is_the_solution_by_scipy(tau, A, x):
    def rate(t, h, level):
        f = 1 / (1 + np.exp(-(GAIN * level + BIAS)))
        return -(1 / tau + f) * h + f * A

    times, h, found = np.linspace(0, END, 61), [0.0], []
    for begin, end, level in ((0.0, ON, 0.0), (ON, OFF, x), (OFF, END, 0.0)):
        at = times[(times >= begin) & (times <= end)]
        solved = solve_ivp(rate, (begin, end), h, t_eval=np.union1d(at, [end]), args=(level,), rtol=1e-10, atol=1e-12)
        h = solved.y[:, -1]
        found += [(t, y) for t, y in zip(solved.t, solved.y[0], strict=True)]
    by_time = dict(found)
    assert Neuron(tau, A).pulse(times, x) == pytest.approx([by_time[t] for t in times], abs=1e-8)


def test_the_fixed_point_and_the_time_constant_are_zero_and_slope_of_the_librarys_derivative():
    neuron, cell = Neuron(5.0, -1.5), LTC(1, 1).double()
    with torch.no_grad():
        for name, value in (("input", GAIN), ("recurrent", 0.0), ("bias", BIAS), ("A", -1.5)):
            getattr(cell, name).fill_(value)
        cell.raw_tau.fill_(float(np.log(np.expm1(5.0))))
        for x in (0.0, 0.3, 1.0):
            _, tau_sys, fixed = neuron.constants(x)
            h = torch.tensor([[fixed], [fixed + 1.0]])
            at, beside = cell.derivative(h, torch.full((2, 1), x, dtype=torch.float64))[:, 0].tolist()
            assert at == pytest.approx(0, abs=1e-9) and beside == pytest.approx(-1 / tau_sys)


def test_tau_must_be_positive():
    with pytest.raises(ArgumentError, match="tau="):
        Neuron(0.0, 1.0)


def test_the_slider_plot_is_quick_small_and_says_what_it_shows():
    began = time.process_time()
    plot = neuron_slider()
    assert time.process_time() - began < 5 and len(plot.html) < 300_000
    assert len(plot.settings) >= len(TAUS) * len(LEVELS) and "aria-label='Left: the state" in plot.page
    for curves, sentences in plot.settings:
        state = next(c for c in curves if c.name == "state h")
        assert np.abs(state.y).max() <= 2.0 and len(sentences) == 2
    faster = [c.y[-1] for curves, _ in plot.settings[:1] for c in curves if c.name == "effective time constant"]
    assert faster[0] < TAUS[0]


# ----------------------------------------------------------------------------------------------- augmented rates
def case(seed=0, batch=3):
    field, rng = lab.Leaky(3.0, seed=seed, neurons=3), np.random.default_rng(seed)
    h, a = (torch.tensor(rng.normal(size=(batch, 3))) for _ in range(2))
    return field, 0.2, h, a, tuple(field.parameters())


def test_the_rates_agree_with_differences_and_with_jacobians():
    field, t, h, a, params = case()
    before = [p.detach().clone() for p in params]
    for one, other in zip(
        nb03_adjoint.rates(*case()), nb03_adjoint.by_differences(field, t, h, a, params), strict=True
    ):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-8)
    assert all(torch.equal(p, q) for p, q in zip(params, before, strict=True))  # put back
    for k in range(len(h)):
        jacobian = torch.autograd.functional.jacobian(lambda z: field(t, z[None])[0], h[k])
        assert (a[k] @ jacobian).numpy() == pytest.approx(nb03_adjoint.rates(*case())[1][k].numpy())


def test_yours_is_used_only_where_it_is_right():
    def wrong(*args):
        minus, *rest = nb03_adjoint.rates(*args)
        return -minus, *rest

    def missing(*args):
        raise NotImplementedError

    mine = lambda *args: nb03_adjoint.rates(*args)  # noqa: E731
    assert nb03_adjoint.yours_or_ours(mine) == (mine, "yours")
    for other in (wrong, missing, lambda *args: nb03_adjoint.rates(*args)[:2]):
        used, said = nb03_adjoint.yours_or_ours(other)
        assert used is nb03_adjoint.rates and said != "yours"


# ------------------------------------------------------------------------------------------------------ measures
def test_time_to_finds_a_time_constant():
    t = np.arange(0, 20, 0.01)
    state = np.where(t < 5, 0.0, 1 - np.exp(-(t - 5) / 1.5))
    assert ode_figures.time_to(t, state, 5, 19.9) == pytest.approx(1.5, abs=0.02)
    assert ode_figures.time_to(t, -state, 5, 19.9) == pytest.approx(1.5, abs=0.02)


def test_growth_is_found_and_how_long_two_paths_stay_together():
    t = np.linspace(0, 2, 201)
    forward = np.zeros((201, 2))
    backward = 1e-5 * np.exp(8 * (2 - t))[:, None] * [1.0, 0.5]
    assert ode_figures.growth_rate(t, forward, backward) == pytest.approx(8)
    assert ode_figures.grown_beyond(t, forward, backward) == pytest.approx(np.log(1e4) / 8, abs=0.02)
    assert ode_figures.grown_beyond(t, forward, forward) == 2.0


# ------------------------------------------------------------------------------------------------------- the lab
def test_the_labs_sliders_wrap_and_never_shrink_and_its_picture_has_a_text():
    box = lab.show(2.0, 1e-3, 0.5, front_end=True)
    row, _, picture = box.children
    assert row.layout.flex_flow == "row wrap"
    assert all(s.layout.width == "300px" and s.layout.flex == "0 0 auto" for s in row.children)
    assert "alt='Gradient lab at stiffness 2" in picture.value and "max-width:100%" in picture.value
