"""The DMP layer against the equations written out, scipy's solution, finite differences and known numbers."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from course_lib.errors import ArgumentError
from course_lib.nets.dmp import DMP


def given(dmp, batch=3, seed=0, dtype=torch.float64):
    """goal, weights, start, velocity at random."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)

    D = dmp.dofs
    return [normal(batch, D), dmp.stiffness * normal(batch, D, dmp.basis), normal(batch, D), 3 * normal(batch, D)]


def by_hand(goal, w, y0, v0, *, alpha, tau=1.0, rate=1.0, duration=1.0, steps=40, scaled=True):
    """One degree of freedom, one number at a time, straight from eqs. (1) and (2) -> y, v after every step."""
    N, dt, beta = len(w), duration / steps, alpha / 4
    y, v, x, ys, vs = y0, v0, 1.0, [], []
    for _ in range(steps):
        top = bottom = 0.0
        for i in range(N):
            c = math.exp(-rate / tau * duration * (i / (N - 1) if N > 1 else 0))
            psi = math.exp(-(N**1.5 / c) * (x - c) ** 2)
            top, bottom = top + w[i] * psi, bottom + psi
        f = top / bottom * x * ((goal - y0) if scaled else 1.0)
        a = (alpha * (beta * (goal - y) - tau * v) + f) / tau**2
        y, v, x = y + dt * v, v + dt * a, x - dt * rate * x / tau
        ys.append(y)
        vs.append(v)
    return ys, vs


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("tau, rate, duration", [(1.0, 1.0, 1.0), (0.7, 1.8, 1.3)])
def test_equals_the_equations_written_out(scaled, tau, rate, duration):
    constants = dict(alpha=15.0, tau=tau, duration=duration, scaled=scaled, steps=40)
    dmp = DMP(2, 5, phase_rate=rate, **constants)
    goal, weights, start, velocity = given(dmp)
    for path in (dmp(goal, weights, start, velocity), dmp.loop(goal, weights, start, velocity)):
        for b in range(3):
            for d in range(2):
                numbers = (goal[b, d].item(), weights[b, d].tolist(), start[b, d].item(), velocity[b, d].item())
                y, v = by_hand(*numbers, rate=rate, **constants)
                assert path.position[b, :, d].numpy() == pytest.approx(np.array(y), rel=1e-10, abs=1e-10)
                assert path.velocity[b, :, d].numpy() == pytest.approx(np.array(v), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("size", [dict(dofs=2, basis=30, steps=300), dict(dofs=4, basis=6, steps=40, points=5)])
@pytest.mark.parametrize("scaled", [True, False])
def test_closed_form_is_the_loop_in_single_precision(size, scaled):
    dmp = DMP(**size, scaled=scaled)
    numbers = given(dmp, batch=16, dtype=torch.float32)
    for closed, looped in zip(dmp(*numbers), dmp.loop(*numbers), strict=True):
        assert closed.dtype == torch.float32
        assert (closed - looped).abs().max() < 1e-6 * looped.abs().max()


def test_many_steps_are_the_solution_of_the_differential_equation():
    """scipy on eqs. (1) and (2) with x = e^(-t); Euler's error falls with its step."""
    goal, w, y0, v0 = 0.8, np.array([300.0, -500.0, 200.0]), -0.3, 1.0
    c = np.exp(-np.linspace(0, 1, 3))

    def rates(t, s):
        psi = np.exp(-(3**1.5 / c) * (np.exp(-t) - c) ** 2)
        f = psi @ w / psi.sum() * np.exp(-t) * (goal - y0)
        return [s[1], 25 * (25 / 4 * (goal - s[0]) - s[1]) + f]

    true = solve_ivp(rates, (0, 1), [y0, v0], "DOP853", rtol=1e-10, atol=1e-12, t_eval=np.linspace(0, 1, 11)[1:]).y[0]
    column = [torch.tensor([[value]], dtype=torch.float64) for value in (goal, y0, v0)]
    errors = []
    for steps in (500, 1000):
        dmp = DMP(1, 3, steps=steps, points=10)
        path = dmp(column[0], torch.tensor(w)[None, None], column[1], column[2]).position[0, :, 0].numpy()
        errors.append(np.abs(path - true).max())
    assert errors[1] < 0.02 and errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("alpha, reach", [(5, 0.72), (10, 0.97), (25, 1.00)])
def test_how_far_the_spring_gets(alpha, reach):
    dmp = DMP(1, 6, alpha=alpha, steps=40)
    one = torch.ones(1, 1)
    assert dmp(one, torch.zeros(1, 1, 6), 0 * one).position[0, -1].item() == pytest.approx(reach, abs=0.005)
    assert dmp.phase()[-1] * (1 - dmp.dt) == pytest.approx(np.exp(-1), abs=0.01)  # so pushes never fade away


def test_a_goal_at_the_start_means_no_motion_with_the_factor_alone():
    for scaled, moves in ((True, False), (False, True)):
        dmp = DMP(2, 4, scaled=scaled)
        goal, weights, _, _ = given(dmp)
        path = dmp(goal, weights, goal).position
        assert ((path - goal[:, None]).abs().max() > 0.1) == moves


def test_with_the_factor_the_shape_grows_with_the_distance():
    dmp = DMP(2, 4)
    goal, weights, start, _ = given(dmp)
    once, thrice = (dmp(start + k * (goal - start), weights, start).position - start[:, None] for k in (1, 3))
    assert torch.allclose(thrice, 3 * once)


def test_chunks_go_on_with_the_velocity_that_was():
    """A spring alone does not know about chunks: five of them are one long one. With pushes the velocity is whole."""
    long, short = DMP(2, 3, steps=200, duration=5.0), DMP(2, 3, steps=40)
    goal, weights, start, velocity = given(short)
    nothing, pieces, state = torch.zeros_like(weights), [], (start, velocity)
    for _ in range(5):
        chunk = short(goal, nothing, *state)
        pieces, state = [*pieces, chunk.position], chunk.end
    assert torch.allclose(torch.cat(pieces, 1), long(goal, nothing, start, velocity).position)
    first = short(goal, weights, start, velocity)
    second = short(-goal, -weights, *first.end)
    assert torch.allclose((second.position[:, 0] - first.end[0]) / short.dt, first.velocity[:, -1])


def test_points_are_every_eighth_step():
    every, all_of_them = DMP(3, 6, points=5), DMP(3, 6)
    numbers = given(every)
    for few, many in zip(every(*numbers), all_of_them(*numbers), strict=True):
        assert few.shape == (3, 5, 3) and torch.allclose(few, many[:, 7::8])
    looped = every.loop(*numbers)
    assert torch.allclose(looped.velocity, every(*numbers).velocity)


@pytest.mark.parametrize("scaled", [True, False])
def test_gradcheck(scaled):
    dmp = DMP(2, 3, steps=12, points=4, scaled=scaled)
    numbers = [value.requires_grad_() for value in given(dmp, batch=2)]
    assert torch.autograd.gradcheck(lambda *args: tuple(dmp(*args)), numbers)
    for closed, looped in zip(
        torch.autograd.grad(dmp(*numbers).position.square().sum(), numbers),
        torch.autograd.grad(dmp.loop(*numbers).position.square().sum(), numbers),
        strict=True,
    ):
        assert torch.allclose(closed, looped)


def test_forcing_and_activations():
    dmp = DMP(2, 6)
    goal, weights, start, _ = given(dmp)
    bumps = dmp.activations()
    assert bumps.shape == (40, 6) and bumps.sum(1) == pytest.approx(np.ones(40)) and bumps.min() >= 0
    assert (np.diff(bumps.argmax(1)) >= 0).all()  # they take turns
    expected = torch.einsum("ki,bdi,k,bd->bkd", *map(torch.as_tensor, (bumps, weights, dmp.phase(), goal - start)))
    assert torch.allclose(dmp.forcing(goal, weights, start), expected)
    assert np.isfinite(DMP(1, 200, phase_rate=20.0, steps=100).activations()).all()


def test_split():
    dmp = DMP(3, 4)
    assert dmp.outputs == 15
    goal, weights = dmp.split(torch.arange(30.0).reshape(2, 15))
    assert goal[1].tolist() == [15, 16, 17] and weights[0, 2].tolist() == [11, 12, 13, 14]
    with pytest.raises(ArgumentError, match=r"numbers has shape \(2, 14\).*15"):
        dmp.split(torch.zeros(2, 14))


# ----------------------------------------------------------------------------------------------------- fit
@pytest.mark.parametrize("scaled", [True, False])
def test_fit_finds_the_numbers_again(scaled):
    dmp = DMP(2, 6, steps=100, scaled=scaled)
    goal, weights, start, _ = given(dmp)
    found = dmp.fit(dmp(goal, weights, start).position, ridge=1e-16)
    for value, true in zip(found, (start, goal, weights), strict=True):
        assert value.numpy() == pytest.approx(true.numpy(), rel=0.01, abs=0.01 * true.abs().max().item())
    start, at, weights = dmp.fit(dmp(goal, weights, start).position, goal=2 * goal, ridge=1e-12)
    assert torch.equal(at, 2 * goal)


def test_fit_of_few_points_goes_through_them():
    dmp = DMP(2, 20, steps=100, scaled=False)
    goal, weights, start, _ = given(dmp)
    path = dmp(goal, weights, start).position
    seen = torch.zeros(3, 100, dtype=torch.bool)
    seen[:, [5, 30, 60, 99]] = True
    start, goal, weights = dmp.fit(
        torch.where(seen[..., None], path, 1e3), seen, ridge=1e-9
    )  # what is not seen is not used
    again = dmp(goal, weights, start).position
    assert (again - path)[seen].abs().max() < 1e-3
    assert again.abs().max() < 20 * path.abs().max()


def test_fit_says_where_the_factor_forbids():
    dmp = DMP(1, 20, steps=50)
    circle = 1 - torch.cos(torch.linspace(0, 2 * np.pi, 50, dtype=torch.float64))[None, :, None]
    with pytest.raises(ArgumentError, match="ends where it starts"):
        dmp.fit(circle, goal=circle[:, -1], ridge=1e-12)
    with pytest.raises(ArgumentError, match="position has shape"):
        dmp.fit(circle[:, :-1])
    with pytest.raises(ArgumentError, match=r"position\[0, 3, 0\]=nan"):
        dmp.fit(torch.where(torch.arange(50)[None, :, None] == 3, torch.nan, circle))


# ------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    "words, arguments",
    [
        ("basis=0.*at least 1", dict(basis=0)),
        ("dofs=-1", dict(dofs=-1)),
        ("steps=2.5", dict(steps=2.5)),
        ("points=50 is a chunk longer than the horizon.*steps=40", dict(points=50)),
        ("points=7.*must divide steps=40", dict(points=7)),
        ("points=0", dict(points=0)),
        ("tau=0.*above 0", dict(tau=0)),
        ("tau=-1.0.*above 0", dict(tau=-1.0)),
        ("duration=0.0", dict(duration=0.0)),
        ("alpha=nan", dict(alpha=float("nan"))),
        ("beta=-2", dict(beta=-2)),
        ("phase_rate=inf", dict(phase_rate=float("inf"))),
        ("steps=6 is too few for alpha=25.*at least 7", dict(steps=6)),
    ],
)
def test_constants_that_are_not_accepted(words, arguments):
    with pytest.raises(ArgumentError, match=words):
        DMP(**{"dofs": 2, "basis": 3, **arguments})


def test_the_fewest_steps_named_are_stable_and_one_less_is_not():
    ones = torch.ones(1, 1, dtype=torch.float64)
    for alpha, beta in ((25.0, None), (9.0, 20.0)):
        with pytest.raises(ArgumentError) as caught:
            DMP(1, 1, steps=1, alpha=alpha, beta=beta)
        least = int(str(caught.value).rpartition(" ")[2])
        with pytest.raises(ArgumentError):
            DMP(1, 1, steps=least - 1, alpha=alpha, beta=beta)
        dmp, state = DMP(1, 1, steps=least, alpha=alpha, beta=beta), (0 * ones, 0 * ones)
        for _ in range(50):
            state = dmp(ones, 0 * ones[..., None], *state).end
        assert state[0].abs().item() < 10


@pytest.mark.parametrize("name, at", [("goal", 0), ("weights", 1), ("start", 2), ("velocity", 3)])
def test_numbers_that_are_not_finite_and_shapes_that_do_not_fit(name, at):
    dmp = DMP(2, 3)
    for bad in (float("nan"), float("inf")):
        numbers = given(dmp)
        numbers[at][1, 1] = bad
        for rollout in (dmp, dmp.loop):
            with pytest.raises(ArgumentError, match=rf"{name}\[1, 1.*{bad}.*finite"):
                rollout(*numbers)
    numbers = given(dmp)
    numbers[at] = numbers[at][..., :-1]
    with pytest.raises(ArgumentError, match=f"{name} has shape"):
        dmp(*numbers)


def test_copies_and_precisions():
    dmp = DMP(2, 3)
    half, full = (given(dmp, dtype=dtype) for dtype in (torch.float32, torch.float64))
    assert dmp(*full).position.dtype == torch.float64 and dmp(*half).position.dtype == torch.float32
    assert torch.equal(copy.deepcopy(dmp)(*full).position, dmp.float()(*full).position)
    assert not list(dmp.parameters()) and not dmp.state_dict()


def test_a_phase_that_would_change_its_sign_is_refused():
    with pytest.raises(ArgumentError, match="phase_rate=90 is not accepted.*must be below 40"):
        DMP(1, 6, steps=40, phase_rate=90.0)
