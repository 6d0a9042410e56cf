"""Single neurons: dh/dt over h, and where it is zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course_lib.viz.states.dashboard import INK
from course_lib.viz.style import COLOURS, new_figure, style


def rests_of(field: Callable[[np.ndarray], np.ndarray], furthest: float = 1000.0) -> list[tuple[float, bool]]:
    """Where dh/dt of a neuron changes its sign -> (h, whether it attracts), up to |h| = `furthest`."""
    away = np.geomspace(1e-4, furthest, 20_001)
    h = np.concatenate([-away[::-1], away])
    with np.errstate(over="ignore"):  # far out, a plain sigmoid overflows on its way to 0
        rate = np.asarray(field(h), float)
    at = np.flatnonzero((rate[:-1] > 0) != (rate[1:] > 0))
    share = rate[at] / (rate[at] - rate[at + 1])
    return [*zip((h[at] + share * (h[at + 1] - h[at])).tolist(), (rate[at] > rate[at + 1]).tolist(), strict=True)]


def flow_figure(fields: dict[str, Callable[[np.ndarray], np.ndarray]], reach: float = 1.2):
    """dh/dt of single neurons against h: label -> function; filled dots attract, hollow ones repel.

    reach: of h, both ways, at least; more where a neuron rests further out.
    """
    rests = {label: rests_of(field) for label, field in fields.items()}
    reaches = {label: max([reach, *(1.2 * abs(h) for h, _ in found)]) for label, found in rests.items()}
    alike = len(set(reaches.values())) == 1
    with style():
        figure, panels = new_figure(1, len(fields), figsize=(2.7 * len(fields), 2.7), sharey=alike, squeeze=False)
        told = []
        for k, (axes, (label, field)) in enumerate(zip(panels[0], fields.items(), strict=True)):
            h = np.linspace(-reaches[label], reaches[label], 2001)
            axes.axhline(0, color="#7a828c", linewidth=0.8)
            axes.plot(h, field(h), color=COLOURS[k % len(COLOURS)])
            told.append(f"{label}:")
            for at, attracts in rests[label]:
                told[-1] += f" {'filled' if attracts else 'hollow'} at {at:.2f},"
                axes.plot(at, 0, "o", color=INK if attracts else "white", markeredgecolor=INK, markersize=7)
            axes.set(title=label, xlabel="state h")
        panels[0, 0].set_ylabel("dh/dt (per control step)")
    found = "; ".join(text.rstrip(",:") for text in told)
    figure.alt = f"dh/dt over the state h, and where it is zero: filled dots attract, hollow ones repel. {found}"
    return figure
