"""Oracles of the exercises of notebook 03, the cases they are asked, and mistakes that the checks know."""

from __future__ import annotations

import functools

import numpy as np
import torch
from scipy.integrate import solve_ivp

from course_lib.course.answers import Wrong, array_of
from course_lib.lessons.nb03_adjoint import by_differences
from course_lib.lessons.nb03_gradient_lab import Leaky
from course_lib.nets.cells import LTC
from course_lib.nets.solvers import odeint

# --- 3.1: RK4 -------------------------------------------------------------------------------------------


def windy(t, h):
    """A field that depends on t as well as on h: (B, 2) -> (B, 2)."""
    return torch.sin(3 * h) + t**2 * h.flip(-1)


def spiral(t, h):
    """Left of eq. (3.2): h (…, 2) -> dh/dt (…, 2), 1/s."""
    turned = torch.stack([-h[..., 1], h[..., 0]], dim=-1)
    return 0.5 * (1 - h.square().sum(-1, keepdim=True)) * h + 2.0 * turned


def by_library(field, t, h, dt):
    return odeint(field, h, torch.tensor([t, t + dt], dtype=torch.float64), method="rk4")[-1]


def tableau(a, b, c):
    """A step of any explicit method: kᵢ = f(t + cᵢ Δ, h + Δ Σ aᵢⱼ kⱼ), then h + Δ Σ bᵢ kᵢ."""

    def step(field, t, h, dt):
        k = []
        for row, at in zip(a, c, strict=True):
            k.append(field(t + at * dt, h + dt * sum(w * each for w, each in zip(row, k, strict=True))))
        return h + dt * sum(w * each for w, each in zip(b, k, strict=True))

    return step


A4, B4, C4 = ((), (0.5,), (0, 0.5), (0, 0, 1)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0, 0.5, 0.5, 1)


def drawn_step(rng):
    states = torch.from_numpy(rng.uniform(-1, 1, size=(int(rng.integers(1, 6)), 2)))
    return windy, rng.uniform(0, 1), states, rng.uniform(0.1, 0.5)


# --- 3.2: the time constant of an LTC -------------------------------------------------------------------


def by_looking(f, A, tau):
    """The right-hand side of (3.8) is a straight line in h: take its slope and its zero."""
    low, high = (-(1 / tau + f) * h + f * A for h in (0.0, 1.0))
    return -1 / (high - low), low / (low - high)


def effective(f, tau):
    return 1 / (1 / tau + f)


def drawn_units(rng):
    n = int(rng.integers(2, 9))
    return rng.uniform(0.02, 0.98, n), rng.uniform(-3, 3, n), rng.uniform(0.3, 10, n)


# --- 3.3: an adjoint by hand ----------------------------------------------------------------------------


def _loss_of(k, u, h0, y, T):
    return 0.5 * (u / k + (h0 - u / k) * np.exp(-k * T) - y) ** 2


def by_nudging(k, u, h0, y, T, e=1e-5):
    ends = [
        [_loss_of(k + e * dk, u + e * du, h0 + e * dh, y, T) for e in (e, -e)]
        for dk, du, dh in ((0, 0, 1), (0, 1, 0), (1, 0, 0))
    ]
    return tuple((up - down) / (2 * e) for up, down in ends)


def slip(**wrong):
    """A mistake: the true gradient with one part put wrong, made from all that there is by name."""

    def answer(k, u, h0, y, T):
        a0, du, dk = by_nudging(k, u, h0, y, T)
        names = dict(k=k, u=u, h0=h0, y=y, T=T, a0=a0, du=du, dk=dk, aT=a0 * np.exp(k * T))
        return tuple(wrong[part](names) if part in wrong else names[part] for part in ("a0", "du", "dk"))

    return answer


def from_one(k, u, h0, y, T):
    """The mistake of an adjoint that starts from 1."""
    parts = by_nudging(k, u, h0, y, T)
    return tuple(part / (parts[0] * np.exp(k * T)) for part in parts)


def drawn_neuron(rng):
    return tuple(rng.uniform((0.3, -1, -1, -2, 0.5), (2, 1, 1, 2, 2)))


# --- 3.4: the augmented system --------------------------------------------------------------------------


def adjoint_case(rng, batch, seed, neurons=3):
    """A field, a time, states and adjoints (batch, neurons), and the field's parameters."""
    field = Leaky(3.0, seed=seed, neurons=neurons)
    return field, 0.4, *torch.from_numpy(rng.normal(size=(2, batch, neurons))), tuple(field.parameters())


def drawn_adjoint(rng):
    batch, seed, neurons = (int(rng.integers(low, high)) for low, high in ((1, 5), (0, 1000), (2, 5)))
    return adjoint_case(rng, batch, seed, neurons)


def held_now(parts):
    """Copies of what an answer holds, before another call changes it."""
    return [array_of(part).copy() for part in parts] if isinstance(parts, (list, tuple)) else []


def as_the_solver_asks(function):
    """The answer as the solver calls it, again and again with autograd switched off: the second call counts."""

    def asked(*case):
        def lent() -> list:  # an answer may overwrite what it is given
            return [each.clone() if isinstance(each, torch.Tensor) else each for each in case]

        try:
            with torch.no_grad():
                first = held_now(function(*lent()))
                second = function(*lent())
        except RuntimeError as error:
            if "does not require grad" in str(error):
                raise Wrong(
                    "the solver calls it with autograd off: product and gradients belong inside the `with` block"
                ) from None
            raise
        if any(not np.array_equal(a, b) for a, b in zip(first, held_now(second), strict=False)):
            raise Wrong("a second call gives something else: `.backward` adds to what `.grad` holds already")
        return second

    return asked


def signs(*by):
    return lambda *case: tuple(sign * part for sign, part in zip(by, by_differences(*case), strict=True))


def column(field, t, h, a, params):
    """The mistake J a, where a J is asked for."""
    J = torch.stack([torch.autograd.functional.jacobian(lambda z: field(t, z[None])[0], row) for row in h])
    minus_f, _, *rest = by_differences(field, t, h, a, params)
    return minus_f, (J @ a[..., None])[..., 0], *rest


# --- 3.6: an exponential step ---------------------------------------------------------------------------


def half_open(h):
    """f for one neuron alone, and for several."""
    return torch.sigmoid(1.5 * torch.as_tensor(h) - 0.3)


def held(f, A, tau, h, dt):
    """The solution by scipy, with f(h) held."""
    g = f(h)

    def rates(t, y):
        return (g * A - (1 / tau + g) * torch.from_numpy(y).reshape(h.shape)).numpy().ravel()

    y = solve_ivp(rates, (0, dt), h.numpy().ravel(), "DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    return torch.from_numpy(y).reshape(h.shape)


def form(answer):
    """A mistake, from h, g, A, 1/τ, τ_sys, h∞ and Δ."""

    def wrong(f, A, tau, h, dt):
        g, leak = f(h), 1 / tau
        return answer(h, g, A, leak, 1 / (leak + g), g * A / (leak + g), dt)

    return wrong


def drawn_unit_step(rng):
    n = int(rng.integers(1, 6))
    A, tau, h = rng.uniform(-2, 2, n), rng.uniform(0.5, 8, n), rng.uniform(-1, 1, (int(rng.integers(1, 5)), n))
    return half_open, *map(torch.from_numpy, (A, tau, h)), rng.uniform(0.2, 5)


# --- 3.7: a better step ---------------------------------------------------------------------------------


@functools.cache
def random_cell(seed, samples=64):
    """A cell of 8 neurons with random weights, states (samples, 8) after ten random inputs, new inputs (samples, 4),
    and the states after Δt = 1, by scipy."""
    with torch.random.fork_rng(devices=[]):  # a check leaves the notebook's random numbers as they are
        torch.manual_seed(seed)
        cell, x = LTC(4, 8).double(), torch.randn(11, samples, 4, dtype=torch.float64)
    with torch.no_grad():
        h = cell.sequence(x[:10], cell.initial_state(samples).double())[-1]

        def rates(t, y):
            return cell.derivative(torch.from_numpy(y).reshape(h.shape), x[10]).numpy().ravel()

        y = solve_ivp(rates, (0, 1), h.numpy().ravel(), "DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    return cell, h, x[10], torch.from_numpy(y).reshape(h.shape)


def trial(step, dt, seed):
    """-> result as a tensor, calls of f. The step gets copies, so it may work in place; f takes numpy too."""
    cell, h, x, _ = random_cell(seed)
    calls = []

    def f(state):
        calls.append(max(1, torch.as_tensor(state).numel() // h.numel()))  # several batches at once count as several
        return torch.sigmoid(torch.as_tensor(state) @ cell.recurrent.T + x @ cell.input.T + cell.bias)

    with torch.no_grad():
        found = step(f, cell.A.detach().clone(), cell.tau.detach().clone(), h.clone(), dt)
        return torch.as_tensor(np.asarray(found)), sum(calls)


def six_exponential(f, A, tau, h, dt):
    """Six steps of dt/6 with f held in each, eq. (3.9) solved exactly."""
    for _ in range(6):
        g = f(h)
        rate = 1 / tau + g
        h = g * A / rate + (h - g * A / rate) * torch.exp(-dt / 6 * rate)
    return h


def error_of(step, seed):
    """Median over samples of |found - true| / |true - h| after Δt = 1."""
    _, h, _, true = random_cell(seed)
    return ((trial(step, 1.0, seed)[0] - true).norm(dim=1) / (true - h).norm(dim=1)).median().item()


def bounded(step, dt, seed):
    """Whether all states stay between 0 and A."""
    share = trial(step, dt, seed)[0] / random_cell(seed)[0].A
    return bool(((share >= -1e-6) & (share <= 1 + 1e-6)).all())
