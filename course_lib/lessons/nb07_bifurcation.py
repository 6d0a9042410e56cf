"""Notebook 07: one liquid neuron that excites itself, its fixed points in closed form, and sliders on weight and input.

    dh/dt = -(1/τ + f) h + f A,   f = sigmoid(w h + b),   here with τ = A = 1

The neuron rests at h where f = h / (1 - h). For each h between 0 and 1/2 one input b makes that so, which gives the
whole curve of fixed points without any search: b = logit(h / (1 - h)) - w h.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

WEIGHTS = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0)
INPUTS = tuple(np.linspace(-12.0, 0.0, 17).tolist())
CUSP = 8.0  # the weight below which no input gives two stable states
EDGE = 1e-6  # how near to 0 and 1/2 the curve is followed


def rate(h, w: float, b):
    """dh/dt of the neuron at the states h."""
    f = 1 / (1 + np.exp(-(w * np.asarray(h, float) + b)))
    return -(1 + f) * h + f


def input_for(h, w: float) -> np.ndarray:
    """The input at which the neuron rests at h, 0 < h < 1/2."""
    h = np.asarray(h, float)
    if not ((h > 0) & (h < 0.5)).all():
        raise ArgumentError("h is not accepted; the neuron rests between 0 and 1/2 only")
    return np.log(h) - np.log1p(-2 * h) - w * h


def attracts(h, w: float) -> np.ndarray:
    """Whether the fixed point at h is stable: there the slope of dh/dt is negative."""
    h = np.asarray(h, float)
    return w * h * (1 - 2 * h) < 1  # slope (w h (1 - 2h) - 1) / (1 - h)


def folds(w: float) -> tuple[np.ndarray, np.ndarray]:
    """States and inputs of the two saddle-node bifurcations, lower state first; empty for w below `CUSP`."""
    if w < CUSP:
        return np.zeros(0), np.zeros(0)
    h = (1 + np.array([-1.0, 1.0]) * np.sqrt(1 - CUSP / w)) / 4
    return h, input_for(h, w)


def fixed_points_of(w: float, b: float) -> np.ndarray:
    """All states at which the neuron rests, rising: 1 or 3 (2 exactly at a fold)."""
    if not np.isfinite([w, b]).all():
        raise ArgumentError(f"w={w!r}, b={b!r} are not accepted; both must be finite")
    near = np.geomspace(1e-12, 0.01, 400)
    h = np.concatenate([near, np.linspace(0.01, 0.49, 4001)[1:-1], 0.5 - near[::-1]])
    off = input_for(h, w) - b
    found = []
    for low, high in zip(h[:-1][off[:-1] * off[1:] <= 0], h[1:][off[:-1] * off[1:] <= 0], strict=True):
        for _ in range(60):  # halve the bracket
            middle = (low + high) / 2
            same = np.sign(input_for(middle, w) - b) == np.sign(input_for(low, w) - b)
            low, high = (middle, high) if same else (low, middle)
        found.append((low + high) / 2)
    return np.unique(np.round(found, 12))


def followed(w: float, inputs: Sequence[float], start: float = 0.0, time: float = 40.0, dt: float = 0.1) -> np.ndarray:
    """Where the neuron is after `time` at each input in turn: it begins each where it was left -> (inputs,)."""
    h, out = float(start), []
    for b in inputs:
        for _ in range(round(time / dt)):
            h += dt * float(rate(h, w, b))
        out.append(h)
    return np.array(out)


def bifurcation_slider(weights: Sequence[float] = WEIGHTS, inputs: Sequence[float] = INPUTS) -> SliderPlot:
    """Sliders on self-weight and input: the phase line of the neuron, and its fixed points over all inputs."""
    line = np.linspace(-0.05, 0.6, 36)
    low, high = min(inputs), max(inputs)

    def draw(w: float, b: float):
        yield Curve("dh/dt", line, rate(line, w, b), colour=COLOURS[0])
        near = np.geomspace(EDGE, 0.02, 12)
        at = np.unique(np.concatenate([near, np.linspace(0.02, 0.48, 40), 0.5 - near, folds(w)[0]]))
        x, stable = input_for(at, w), attracts(at, w)
        seen = (x >= low - 2) & (x <= high + 2)
        yield Curve("stable", np.where(seen, x, np.nan), np.where(stable, at, np.nan), 1, colour=COLOURS[2])
        if not stable.all():
            yield Curve("unstable", x, np.where(stable, np.nan, at), 1, "dashes", COLOURS[1])
        rests = fixed_points_of(w, b)
        for name, so, colour in (("rests here", True, COLOURS[2]), ("tips here", False, COLOURS[1])):
            mine = rests[attracts(rests, w) == so]
            if len(mine):
                yield Curve(name, mine, 0 * mine, 0, "dots", colour)
                yield Curve(name, np.full(len(mine), b), mine, 1, "dots", colour)
        count = int(attracts(rests, w).sum())
        points = ", ".join(f"{h:.3f} ({'stable' if attracts(h, w) else 'unstable'})" for h in rests)
        yield f"Fixed points: {points}."
        ends = np.sort(folds(w)[1])
        where = f"inputs between {ends[0]:.1f} and {ends[1]:.1f} give" if w > CUSP else "no input gives"
        yield f"{'Two stable states' if count == 2 else 'One stable state'}. At this weight {where} two."

    panels = [
        Panel("state h", "dh/dt (per control step)", (-0.05, 0.6), (-0.35, 0.35), title="phase line"),
        Panel("input b", "fixed points h", (low - 0.5, high + 0.5), (-0.02, 0.52), title="bifurcation diagram"),
    ]
    return SliderPlot(
        {"self-weight w": weights, "input b": inputs}, panels, draw, start={"self-weight w": 16.0, "input b": -4.5},
        alt="Left: the rate dh/dt of one neuron over its state h. It crosses zero once, or three times: then the outer "
        "two crossings are stable and the middle one is not. Right: the fixed points over the input b. Up to a "
        "self-weight of 8 there is one for each input. Above, the curve folds back on itself like an S, and for inputs "
        "between the two folds there are two stable states with an unstable one between them.",
    )  # fmt: skip
