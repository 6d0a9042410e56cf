"""The checks of the exercises of notebook 03: solver steps, time constants, adjoints, and steps of an LTC."""

from __future__ import annotations

import numpy as np
import torch

from course_lib.course.exercises import Compare, Demands, exercise
from course_lib.lessons.nb03_adjoint import by_differences
from course_lib.lessons.nb03_oracles import (
    A4,
    B4,
    C4,
    adjoint_case,
    as_the_solver_asks,
    bounded,
    by_library,
    by_looking,
    by_nudging,
    column,
    drawn_adjoint,
    drawn_neuron,
    drawn_step,
    drawn_unit_step,
    drawn_units,
    effective,
    error_of,
    form,
    from_one,
    half_open,
    held,
    signs,
    six_exponential,
    slip,
    spiral,
    tableau,
    trial,
    windy,
)

# --- 3.1: RK4 -------------------------------------------------------------------------------------------


@exercise("3.1")
def rk4_step(rng):
    states = torch.tensor([[0.2, -0.4], [1.0, 0.3]], dtype=torch.float64)
    return Compare(
        oracle=by_library,
        cases=[(windy, 0.5, states, 0.4), (windy, 1.0, -states, 0.1), (spiral, 0.0, states, 0.5)],
        draw=drawn_step,
        mistakes={
            "that is the midpoint method, order 2: k3 and k4 are missing": tableau(A4[:2], (0, 1), C4[:2]),
            "the four slopes do not count alike: the two in the middle count twice": tableau(A4, (0.25,) * 4, C4),
            "the first and the last slope count once, the two in the middle twice": tableau(
                A4, (1 / 3, 1 / 6, 1 / 6, 1 / 3), C4
            ),
            "k3 starts from k2, not from k1 once more": tableau(((), (0.5,), (0.5, 0), (0, 0, 1)), B4, C4),
            "k4 looks a whole step ahead, not half": tableau(
                ((), (0.5,), (0, 0.5), (0, 0, 0.5)), B4, (0, 0.5, 0.5, 0.5)
            ),
            "k2 and k3 look half a step ahead, not a whole one": tableau(
                ((), (1,), (0, 1), (0, 0, 1)), B4, (0, 1, 1, 1)
            ),
            "time stands still: f must be evaluated at t + Δ/2 and t + Δ too": tableau(A4, B4, (0,) * 4),
            "divide by 6: four slopes with weights 1, 2, 2, 1": tableau(A4, (1, 2, 2, 1), C4),
        },
    )


# --- 3.2: the time constant of an LTC -------------------------------------------------------------------


@exercise("3.2")
def ltc_unit(rng):
    return Compare(
        oracle=by_looking,
        parts=("tau_sys", "h_inf"),
        cases=[
            tuple(np.array([[0.1, 0.9, 0.5], [1.0, -2.0, 0.5], [10.0, 2.0, 0.3]])),
            tuple(np.array([[0.7], [3.0], [5.0]])),
        ],
        draw=drawn_units,
        mistakes={
            "the first is a rate, 1/s; its inverse is the time constant": lambda f, A, tau: (
                1 / effective(f, tau),
                f * A * effective(f, tau),
            ),
            "the first is a rate, 1/s; its inverse is the time constant, and it makes h_inf wrong too": (
                lambda f, A, tau: (1 / effective(f, tau), f * A / effective(f, tau))
            ),
            "τ alone: f empties the state too, so it forgets faster than τ": lambda f, A, tau: (tau, f * A * tau),
            "rates add up, 1/τ + f; times do not": lambda f, A, tau: (tau + 1 / f, f * A * (tau + 1 / f)),
            "τ/(1 + f) is right for τ = 1 s only: look at the units": lambda f, A, tau: (
                tau / (1 + f),
                f * A * tau / (1 + f),
            ),
            "h_inf is not A: the leak 1/τ pulls the other way": lambda f, A, tau: (effective(f, tau), A + 0 * f),
            "f A is the flow in; at h_inf it balances the flow out, h / τ_sys": lambda f, A, tau: (
                effective(f, tau),
                f * A,
            ),
            "h_inf has lost its sign: A may be negative": lambda f, A, tau: (
                effective(f, tau),
                abs(f * A * effective(f, tau)),
            ),
        },
    )


# --- 3.3: an adjoint by hand ----------------------------------------------------------------------------


@exercise("3.3")
def neuron_gradient(rng):
    return Compare(
        oracle=by_nudging,
        parts=("a(0)", "dL/du", "dL/dk"),
        cases=[(0.8, 1.0, 0.3, 2.0, 1.5), (2.0, -1.0, 1.0, 0.5, 0.7), (0.3, 0.4, -1.0, 0.0, 2.0)],
        draw=drawn_neuron,
        mistakes={
            "a shrinks on its way from T back to 0, as a nudge of h(0) is mostly forgotten: e^(-kT), not e^(+kT)": (
                slip(a0=lambda v: v["aT"] * np.exp(v["k"] * v["T"]))
            ),
            "the first part is a(T); take it back to t = 0": slip(a0=lambda v: v["aT"]),
            "a starts from ∂L/∂h(T) = h(T) - y, not from 1": from_one,
            "the sign of dL/dk: ∂f/∂k = -h": slip(dk=lambda v: -v["dk"]),
            "in dL/dk the state was held at h0; ∂f/∂k = -h(t) moves": slip(dk=lambda v: -v["h0"] * v["du"]),
            "dL/du is an integral over a(t), which is not constant": slip(du=lambda v: v["a0"] * v["T"]),
        },
    )


# --- 3.4: the augmented system --------------------------------------------------------------------------


@exercise("3.4")
def adjoint_rates(rng):
    return Compare(
        oracle=by_differences,
        ask=as_the_solver_asks,
        cases=[adjoint_case(np.random.default_rng(seed), batch, seed) for seed, batch in ((1, 1), (2, 4))],
        draw=drawn_adjoint,
        parts=("dh/ds", "da/ds", "dg/ds for W", "dg/ds for b"),
        mistakes={
            "h must run backwards: dh/ds = -f": signs(-1, 1, 1, 1),
            "da/dt has a minus sign, but s runs the other way: da/ds = +a ∂f/∂h": signs(1, -1, 1, 1),
            "g grows from 0 to dL/dθ along s: dg/ds = +a ∂f/∂θ": signs(1, 1, -1, -1),
            "those are rates in t, apart from f; in s = T - t the products have a plus sign": signs(1, -1, -1, -1),
            "those are rates in t; in s = T - t all signs are the other way": signs(-1, -1, -1, -1),
            "a is missing: the products are a ∂f/∂h and a ∂f/∂θ": lambda field, t, h, a, params: by_differences(
                field, t, h, torch.ones_like(a), params
            ),
            "that is ∂f/∂h times a column; a is a row vector, a ∂f/∂h": column,
        },
    )


# --- 3.5: more substeps ---------------------------------------------------------------------------------


@exercise("3.5")
def substep_exponent(rng):
    return Compare(
        oracle=lambda: -1.0,
        cases=[()],
        tolerance=0.15,
        right="order 1, as Euler: stable at every step, accurate only at small ones. Stability is not accuracy",
        matters="compare the slope of your line with those in the figure",
        mistakes={
            "the size is right, the sign is not: more substeps, less error": lambda: 1.0,
            "the sign is not right: more substeps, less error": lambda: 2.0,
            "order 2 needs f in the middle of the step, or at both its ends; (3.12) evaluates f once": lambda: -2.0,
            "order 4 is that of RK4, with four evaluations of f a step": lambda: -4.0,
            "p = 0 means an error that does not fall": lambda: 0.0,
            "a square root is typical of averages over noise; there is no noise here": lambda: -0.5,
        },
    )


# --- 3.6: an exponential step ---------------------------------------------------------------------------


@exercise("3.6")
def exponential_step(rng):
    E = torch.exp
    A, tau = torch.tensor([[2.0, -1.5, 1.0], [0.5, 2.0, 8.0]], dtype=torch.float64)
    h = torch.tensor([[0.4, -0.2, 0.9], [1.0, 0.0, 0.3]], dtype=torch.float64)
    return Compare(
        oracle=held,
        cases=[(half_open, A, tau, h, dt) for dt in (0.2, 1.0, 5.0)],
        draw=drawn_unit_step,
        mistakes={
            "that is the fused step (3.12); solve (3.9) exactly instead": form(
                lambda h, g, A, leak, t, end, d: (h + d * g * A) / (1 + d * (leak + g))
            ),
            "that is explicit Euler; solve (3.9) exactly instead": form(
                lambda h, g, A, leak, t, end, d: h + d * (g * A - h / t)
            ),
            "the state decays towards h∞, not towards 0": form(lambda h, g, A, leak, t, end, d: h * E(-d / t)),
            "the state decays towards h∞, not towards A": form(
                lambda h, g, A, leak, t, end, d: A + (h - A) * E(-d / t)
            ),
            "the decay must be that of τ_sys; τ alone is too slow": form(
                lambda h, g, A, leak, t, end, d: end + (h - end) * E(-d * leak)
            ),
            "the exponent is -Δ/τ_sys, a pure number; here τ_sys multiplies": form(
                lambda h, g, A, leak, t, end, d: end + (h - end) * E(-d * t)
            ),
            "old state and h∞ are swapped: for a long Δ the state must arrive at h∞": form(
                lambda h, g, A, leak, t, end, d: h + (end - h) * E(-d / t)
            ),
        },
    )


# --- 3.7: a better step ---------------------------------------------------------------------------------


@exercise("3.7")
def better_step(rng):
    return Demands(
        ("the answer must have the shape of h", lambda s: trial(s, 1.0, 0)[0].shape == (64, 8)),
        ("it evaluates f more than 6 times", lambda s: trial(s, 1.0, 0)[1] <= 6),
        ("the answer holds NaN or infinity", lambda s: bool(torch.isfinite(trial(s, 1.0, 0)[0]).all())),
        (
            "at Δt = 50 states leave the interval between 0 and A: which part of the step is explicit?",
            lambda s: all(bounded(s, 50.0, i) for i in range(3)),
        ),
        (
            "at Δt = 50 it is bounded, but at another Δt, between 0.25 and 100,000, states leave the interval between 0"
            " and A",
            lambda s: all(
                bounded(s, dt, i) for dt in (0.25, 0.5, 1, 2, 3, 5, 8, 10, 20, 1e3, 1e5) for i in (0, 1, 2, 5)
            ),
        ),
        (
            "at Δt = 1 its error is above 60 % of that of six exponential steps (mean over three cells)",
            lambda s: np.mean([error_of(s, i) / error_of(six_exponential, i) for i in range(3)]) <= 0.6,
        ),
        right="more accurate at the same price, and bounded at every Δt that was tried, from 0.25 to 100,000",
    )
