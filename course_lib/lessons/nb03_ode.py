"""Figures of notebook 03: order of solvers, vector fields, step responses, adjoints, drift, memory, substeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.style import COLOURS, DASHES, new_figure, style

GREY, SOFT = "#7a828c", "#444444"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def slope(x, y) -> float:
    """Exponent p of the power law y = c x^p that fits best: least squares of log y over log x; x, y (n,) above 0."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise ArgumentError(f"y has shape {y.shape}; it must be that of x, {x.shape}, and at least (2,)")
    if not ((x > 0) & (y > 0)).all():
        raise ArgumentError("y holds values of 0 or below; a power law is fitted to positive numbers only")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def power_figure(
    lines: Mapping[str, tuple],
    xlabel: str,
    ylabel: str,
    *,
    exponent: float | None = None,
    slopes: bool = True,
    span: tuple | None = None,
):
    """Lines on two logarithmic axes, each with its fitted slope in the legend.

    Args:
        lines: name -> (x (n,), y (n,)), all positive.
        exponent: a predicted slope, drawn through the first point of the first line.
        span: (low, high, label), a range of x to shade.
    """
    if not lines:
        raise ArgumentError("lines is empty; it must hold at least one name -> (x, y)")
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.4))
        for k, (name, (x, y)) in enumerate(lines.items()):
            label = f"{name}: slope {slope(x, y):.2f}" if slopes else name
            mark = MARKERS[k % len(MARKERS)] + DASHES[k % len(DASHES)]
            axes.loglog(x, y, mark, color=COLOURS[k % len(COLOURS)], markersize=4.5, label=label)
        if exponent is not None:
            x, y = (np.asarray(values, float) for values in next(iter(lines.values())))
            label = f"your prediction, slope {exponent:g}"
            axes.loglog(x, y[0] * (x / x[0]) ** float(exponent), ":", color=SOFT, linewidth=2.6, label=label)
        if span is not None:
            axes.axvspan(span[0], span[1], color="#eef2f6", linewidth=0, zorder=0, label=span[2])
        at = np.asarray(next(iter(lines.values()))[0], float)
        axes.set_xticks(at, [f"{value:.2g}" if value < 10 else f"{value:g}" for value in at])
        axes.minorticks_off()
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend()
        ends = [f"{name} from {y[0]:.1e} at {x[0]:.3g} to {y[-1]:.1e} at {x[-1]:.3g}" for name, (x, y) in lines.items()]
    figure.alt = f"Lines on logarithmic axes, {ylabel} over {xlabel}: {'; '.join(ends)}"
    return figure


def field_figure(panels: Sequence[Mapping], limit: float = 1.7):
    """Vector fields in the plane side by side, with paths and samples over them.

    Each panel has `title` and `field`, a function (N, 2) -> (N, 2) in 1/s, and may have `paths` (K, B, 2) and
    `samples` (K, B, 2).
    """
    side = np.linspace(-limit, limit, 17)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    with style():
        figure, row = new_figure(1, len(panels), figsize=(3.5 * len(panels), 3.5), squeeze=False, sharey=True)
        for axes, panel in zip(row[0], panels, strict=True):
            flow = np.asarray(panel["field"](grid), float)
            speed = np.linalg.norm(flow, axis=1, keepdims=True)
            arrows = flow / (speed + 1e-9) * np.minimum(speed / np.median(speed), 1.5)
            axes.quiver(*grid.T, *arrows.T, color="#b3bcc6", width=0.004, scale=26, pivot="mid")
            for k, path in enumerate(np.moveaxis(np.asarray(panel.get("paths", np.empty((0, 0, 2)))), 1, 0)):
                axes.plot(*path.T, color=COLOURS[k % 3], linewidth=1.7)
                axes.plot(*path[0], "o", color=COLOURS[k % 3], markersize=5)
            for k, dots in enumerate(np.moveaxis(np.asarray(panel.get("samples", np.empty((0, 0, 2)))), 1, 0)):
                axes.plot(*dots.T, "x", color=COLOURS[k % 3], markersize=4.5, markeredgewidth=1.3)
            axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="state $h_1$")
            axes.set_title(panel["title"], fontsize=9.5)
            axes.grid(visible=False)
        row[0, 0].set_ylabel("state $h_2$")
    titles = "; ".join(panel["title"] for panel in panels)
    figure.alt = (
        f"Vector fields in the plane as arrows, with solved paths as lines and true samples as crosses: {titles}"
    )
    return figure


def response_figure(time, drive, states: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray]):
    """Input, state and momentary time constant of several cells over time.

    Args:
        time: (T,) s; drive: (T,), the input.
        states: name -> (T,).
        constants: name -> (T,) s, for the cells that have one.
    """
    with style():
        figure, rows = new_figure(3, 1, figsize=(6.4, 4.8), sharex=True, height_ratios=(0.6, 1.5, 1))
        rows[0].plot(time, drive, color=SOFT)
        rows[0].set_ylabel("input x")
        for k, (name, state) in enumerate(states.items()):
            look = dict(color=COLOURS[k % len(COLOURS)], linestyle=DASHES[k % len(DASHES)])
            rows[1].plot(time, state, label=name, **look)
            if name in constants:
                rows[2].plot(time, constants[name], label=name, **look)
        rows[1].set_ylabel("state h")
        rows[1].legend(loc="upper right", ncols=len(states), fontsize=8)
        rows[2].set(ylabel="time constant (s)", xlabel="time t (s)", yscale="log")
        rows[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        rows[2].yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        rows[1].set_ylim(top=rows[1].get_ylim()[1] * 1.25)
    figure.alt = (
        f"Top: the input over time. Middle: the states of {', '.join(states)}. Bottom: their time constants on a "
        f"logarithmic axis: {', '.join(f'{n} {min(c):.2f} to {max(c):.2f} s' for n, c in constants.items())}"
    )
    return figure


def forms_figure(time, states: Mapping[str, np.ndarray], bound: float):
    """The same parameters in several equations: states over time (s), and the bound min(0, A) … max(0, A) shaded."""
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.8))
        low, high = sorted((0.0, float(bound)))
        axes.axhspan(low, high, color="#eef2f6", linewidth=0, label=f"between 0 and A = {bound:g}")
        for k, (name, state) in enumerate(states.items()):
            axes.plot(time, state, DASHES[k % len(DASHES)], color=COLOURS[k % len(COLOURS)], label=name)
        room = 1.5 * (high - low)
        axes.set(xlabel="time t (s)", ylabel="state h", ylim=(low - room, high + room))
        axes.legend()
    ends = "; ".join(f"{name} ends at {state[-1]:.2g}" for name, state in states.items())
    figure.alt = f"States over time against the shaded band between 0 and A = {bound:g}: {ends}"
    return figure


def adjoint_figure(time, state, adjoint, nudged: tuple | None = None):
    """State forwards and adjoint backwards in time.

    Args:
        time: (T,) s; state, adjoint: (T, n).
        nudged: (times (m,), dL/dh measured by nudging the state there (m, n)), drawn as dots.
    """
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.4, 2.9))
        for k in range(np.shape(state)[1]):
            look = dict(color=COLOURS[k % len(COLOURS)])
            left.plot(time, np.asarray(state)[:, k], DASHES[k % len(DASHES)], label=f"neuron {k + 1}", **look)
            right.plot(time, np.asarray(adjoint)[:, k], DASHES[k % len(DASHES)], **look)
            if nudged is not None:
                label = "by nudging h(t)" if k == 0 else None
                right.plot(nudged[0], np.asarray(nudged[1])[:, k], "o", markersize=4, label=label, **look)
        left.set(xlabel="time t (s)", ylabel="state h(t)", title="solved forwards →")
        right.set(xlabel="time t (s)", ylabel="adjoint a(t) = ∂L/∂h(t)", title="← solved backwards")
        left.legend(fontsize=8)
        if nudged is not None:
            right.legend(fontsize=8)
    figure.alt = (
        f"Left: the states of {np.shape(state)[1]} neurons over time. Right: their adjoints, which shrink from the end "
        "towards t = 0" + ("; dots, measured by nudging the state, lie on the lines" if nudged is not None else "")
    )
    return figure


def drift_figure(time, forward, backward, rate: float, neuron: int = -1):
    """A state solved forwards, then solved back from its end: the paths, and how far apart they get.

    Args:
        time: (T,) s, increasing; forward, backward: (T, n), both on `time`.
        rate: 1/s; growth e^(rate (T - t)) is drawn as a dotted line, level with the distance at 3/4 T.
        neuron: the one that the left panel shows.
    """
    forward, backward = np.asarray(forward, float), np.asarray(backward, float)
    if forward.shape != backward.shape or len(time) != len(forward):
        raise ArgumentError(f"backward has shape {backward.shape}; it must be that of forward, {forward.shape}")
    gap = np.abs(forward - backward).max(1)
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.4, 3.0))
        left.plot(time, forward[:, neuron], color=COLOURS[0], label="forwards")
        left.plot(time, backward[:, neuron], "--", color=COLOURS[1], label="back from h(T)")
        left.set(xlabel="time t (s)", ylabel="state of the fastest neuron")
        room = 1.5 * np.ptp(forward[:, neuron]) + 0.05
        left.set_ylim(forward[:, neuron].min() - room, forward[:, neuron].max() + room)
        left.legend(fontsize=8)
        seen = gap > 0
        right.semilogy(np.asarray(time)[seen], gap[seen], color=COLOURS[1], label="largest distance")
        level = np.argmin(np.abs(np.asarray(time) - 0.75 * float(time[-1])))
        growth = gap[level] * np.exp(rate * (np.asarray(time)[level] - np.asarray(time)))
        right.semilogy(time, growth, ":", color=SOFT, linewidth=2.4, label=f"growth with {rate:.1f} / s")
        right.set(xlabel="time t (s)", ylabel="distance of the two", ylim=(gap[seen].min() / 3, gap.max() * 30))
        right.legend(fontsize=8)
    figure.alt = (
        "Left: the state solved forwards, and solved back from its end, which leaves it on the way. Right, on a "
        f"logarithmic axis: their distance grows from {gap[seen].min():.0e} to {gap.max():.0e} as time runs backwards, "
        f"along a dotted line with the rate {rate:.1f} / s"
    )
    return figure


def fit_figure(curve: Mapping[str, Sequence[float]], ylabel: str = "mean squared error"):
    """Training losses, name -> (iterations,), on a logarithmic axis."""
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.5))
        for k, (name, losses) in enumerate(curve.items()):
            axes.semilogy(losses, color=COLOURS[k % len(COLOURS)], linewidth=1.2, label=name)
        axes.set(xlabel="gradient steps", ylabel=ylabel)
        axes.legend()
    last = "; ".join(f"{name} ends at {losses[-1]:.1e}" for name, losses in curve.items())
    figure.alt = f"{ylabel} over gradient steps, logarithmic: {last}"
    return figure


def as_field(field: Callable, dtype=None) -> Callable:
    """A torch field(t, h) as the function of arrays (N, 2) -> (N, 2) that `field_figure` draws; float64 by default."""
    import torch

    def flow(points):
        with torch.no_grad():
            return field(torch.zeros(()), torch.as_tensor(points, dtype=dtype or torch.float64)).numpy()

    return flow


def time_to(time, state, begin: float, end: float, share: float = 1 - np.exp(-1)) -> float:
    """Seconds after `begin` until `state` (T,) has gone `share` of the way to where it is at `end`; time (T,) in s."""
    time, state = np.asarray(time, float), np.asarray(state, float)
    first, last = (int(np.argmin(np.abs(time - at))) for at in (begin, end))
    gone = (state[first : last + 1] - state[first]) / (state[last] - state[first])
    return float(time[first + np.argmax(gone >= share)] - time[first])


def grown_beyond(time, forward, backward, limit: float = 0.1) -> float:
    """How far back from the end, in s, the backward solution stays within `limit` of the forward one, all (T, …)."""
    gap = np.abs(np.asarray(forward) - np.asarray(backward)).max(1)
    beyond = np.flatnonzero(~(gap < limit))
    return float(time[-1] - (time[beyond[-1]] if len(beyond) else time[0]))


def growth_rate(time, forward, backward, limit: float = 0.1, skip: float = 0.15) -> float:
    """Rate in 1/s at which the two move apart backwards in time: a line through the logarithm of their distance.

    limit: larger distances are left out. skip: s at the end, where the distance comes from the last step of the solver.
    """
    time, gap = np.asarray(time, float), np.abs(np.asarray(forward) - np.asarray(backward)).max(1)
    used = (time < time[-1] - skip) & (gap < limit) & (gap > 0)
    return float(-np.polyfit(time[used], np.log(gap[used]), 1)[0])
