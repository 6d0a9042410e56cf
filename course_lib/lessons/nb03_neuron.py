"""Notebook 03: one LTC neuron without feedback, in closed form, under sliders on τ, A and its input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.style import COLOURS

GAIN, BIAS = 8.0, -4.0  # f = σ(8 x - 4): nearly shut without input, half open at x = 0.5
ON, OFF, END = 2.0, 8.0, 30.0  # s: the input comes, goes, and the plot ends
TAUS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
LEVELS = (-2.0, -1.0, 0.5, 1.0, 2.0)
INPUTS = (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0)


@dataclass(frozen=True)
class Neuron:
    """dh/dt = -(1/τ + f) h + f A with f = σ(8 x - 4) in 1/s, and the input x held.

    Attributes:
        tau: time constant of the leak in s, positive.
        A: the level that the channel pulls towards.
    """

    tau: float
    A: float

    def __post_init__(self):
        if not self.tau > 0:
            raise ArgumentError(f"tau={self.tau!r} is not accepted; it must be a positive number of seconds")

    def constants(self, x) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x (...) -> f in 1/s, the effective time constant in s and the fixed point, each (...)."""
        f = 1 / (1 + np.exp(-(GAIN * np.asarray(x, float) + BIAS)))
        tau_sys = 1 / (1 / self.tau + f)
        return f, tau_sys, f * self.A * tau_sys

    def after(self, t, h0, x) -> np.ndarray:
        """h at the times t (...) in s after h0, with the input x held all the time."""
        _, tau_sys, fixed = self.constants(x)
        return fixed + (h0 - fixed) * np.exp(-np.asarray(t, float) / tau_sys)

    def pulse(self, t, x: float) -> np.ndarray:
        """h at the times t (T,) in s, from h(0) = 0: input 0, then x between `ON` and `OFF`, then 0 again."""
        t = np.asarray(t, float)
        at_on = self.after(ON, 0.0, 0.0)
        at_off = self.after(OFF - ON, at_on, x)
        parts = self.after(t, 0.0, 0.0), self.after(t - ON, at_on, x), self.after(t - OFF, at_off, 0.0)
        return np.select([t <= ON, t <= OFF], parts[:2], parts[2])


def neuron_slider() -> SliderPlot:
    """Sliders on τ, A and the input: the response to a pulse, and the effective time constant over the input."""
    times = np.unique([*np.linspace(0, ON, 4), *np.geomspace(0.1, OFF - ON, 15) + ON, *np.geomspace(0.2, 22, 16) + OFF])
    inputs = np.linspace(0, 1, 26)

    def draw(tau: float, A: float, x: float):
        neuron = Neuron(tau, A)
        f, tau_sys, fixed = neuron.constants(x)
        _, without, rest = neuron.constants(0.0)
        yield Curve("state h", times, neuron.pulse(times, x), 0, "line", COLOURS[0])
        yield Curve(
            "fixed point", (0, ON, ON, OFF, OFF, END), (rest, rest, fixed, fixed, rest, rest), 0, "dashes", "#7a828c"
        )
        yield Curve("effective time constant", inputs, neuron.constants(inputs)[1], 1, "line", COLOURS[1])
        yield Curve("at this input", [x], [tau_sys], 1, "dots", "#22303f")
        yield f"With this input: f = {f:.3f}/s, effective time constant {tau_sys:.2f} s, fixed point {fixed:.2f}."
        yield f"Without input: effective time constant {without:.2f} s, fixed point {rest:.2f}."

    panels = [
        Panel("time t (s)", "state h", (0, END), (-2.1, 2.1), title=f"input on from {ON:.0f} s to {OFF:.0f} s"),
        Panel("input x", "effective time constant (s)", (0, 1.02), (0.3, 20), y_log=True),
    ]
    return SliderPlot(
        {"τ (s)": TAUS, "A": LEVELS, "input x": INPUTS}, panels, draw,
        start={"τ (s)": 10.0, "A": 1.0, "input x": 1.0},
        alt="Left: the state of one LTC neuron over time. It runs towards a fixed point while the input is on, and "
        "back when it is off. Right: the effective time constant falls as the input grows. A larger τ slows the way "
        "back. A sets the height and the sign of the response and leaves its speed alone.",
    )  # fmt: skip
