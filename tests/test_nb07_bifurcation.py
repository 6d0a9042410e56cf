"""One neuron that excites itself: fixed points, stability and folds against root finding, derivatives and a flow."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, minimize_scalar

from course_lib.errors import ArgumentError
from course_lib.lessons import nb07_bifurcation as one
from course_lib.viz.described import overlaps


def neuron(h, w, b, tau=1.0, A=1.0):
    f = 1 / (1 + np.exp(-(w * h + b)))
    return -(1 / tau + f) * h + f * A


def roots(w, b):
    h = np.concatenate([[0.0], np.geomspace(1e-12, 1, 20_001)])
    r = neuron(h, w, b)
    return np.array([brentq(neuron, h[k], h[k + 1], (w, b), xtol=1e-15) for k in np.flatnonzero(r[:-1] * r[1:] < 0)])


@pytest.mark.parametrize("w", one.WEIGHTS)
def test_fixed_points_and_their_stability(w):
    for b in one.INPUTS:
        found, e = one.fixed_points_of(w, b), 1e-6
        assert found == pytest.approx(roots(w, b), abs=1e-9)
        slope = (neuron(found + e, w, b) - neuron(found - e, w, b)) / (2 * e)
        assert (one.attracts(found, w) == (slope < 0)).all()
        assert one.rate(found, w, b) == pytest.approx(0, abs=1e-9)


def test_folds_are_where_fixed_points_meet():
    assert all(len(part) == 0 for part in one.folds(7.9))
    for w in (8.5, 12.0, 24.0):
        h, b = one.folds(w)
        low, high = sorted(b)
        assert [len(roots(w, x)) for x in (low - 0.01, low + 0.01, high - 0.01, high + 0.01)] == [1, 3, 3, 1]
        e = 1e-6
        assert (neuron(h + e, w, b) - neuron(h - e, w, b)) / (2 * e) == pytest.approx(0, abs=1e-6)
    best = minimize_scalar(lambda h: 1 / (h * (1 - 2 * h)), bounds=(0.01, 0.49), method="bounded")
    assert best.fun == pytest.approx(one.CUSP, abs=1e-6)


def test_the_state_follows_the_input_and_jumps_at_the_folds():
    up = np.linspace(-10, 0, 21)
    rising = one.followed(16.0, up)
    falling = one.followed(16.0, up[::-1], start=rising[-1])[::-1]
    low, high = sorted(one.folds(16.0)[1])
    between = (up > low) & (up < high)
    assert (falling - rising)[between].min() > 0.2
    assert np.abs(falling - rising)[~between].max() < 0.02
    exact = solve_ivp(lambda t, h: neuron(h, 16.0, -5.0), (0, 40), [0.3], rtol=1e-9, atol=1e-12).y[0, -1]
    assert one.followed(16.0, [-5.0], start=0.3) == pytest.approx(exact, abs=1e-4)


def test_the_slider_says_what_it_shows():
    plot = one.bifurcation_slider()
    assert len(plot.page) < 300_000 and "S" in plot.alt
    for (w, b), (curves, said) in zip(((w, b) for w in one.WEIGHTS for b in one.INPUTS), plot.settings, strict=True):
        phase = next(c for c in curves if c.name == "dh/dt")
        assert phase.y == pytest.approx(neuron(phase.x, w, b))
        dots = np.concatenate([c.x for c in curves if c.kind == "dots" and c.panel == 0])
        assert np.sort(dots) == pytest.approx(roots(w, b), abs=1e-9)
        assert said[1].startswith("Two stable" if len(roots(w, b)) == 3 else "One stable")
    assert overlaps(plot.figure()) == []


def test_refused():
    with pytest.raises(ArgumentError, match="between 0 and 1/2"):
        one.input_for(0.5, 1.0)
    with pytest.raises(ArgumentError, match="both must be finite"):
        one.fixed_points_of(np.nan, 0.0)
