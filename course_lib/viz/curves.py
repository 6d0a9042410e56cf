"""Learning curves, comparisons and bars: every figure with its units, its seeds and its interval.

All functions return the `Figure` and never show it, so a figure appears once if it is the last line of a cell.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

import numpy as np

from course_lib.errors import ArgumentError, check_choice, nearest
from course_lib.evaluation.statistics import LEAST_RUNS, iqm, spread_name
from course_lib.viz.style import COLOURS, DASHES, UNITS, new_figure, readable_x, style


def curve_of(run) -> Mapping[str, np.ndarray]:
    """The curve of a Run, of a dict with a "curve", or a curve dict itself."""
    curve = getattr(run, "curve", run)
    if isinstance(curve, Mapping) and isinstance(curve.get("curve"), Mapping):
        curve = curve["curve"]
    if not isinstance(curve, Mapping) or not curve:
        raise ArgumentError(
            f"runs holds a {type(run).__name__} without a curve; accepted: Run objects, or dicts of equally long arrays"
        )
    return curve


def _groups(runs, labels) -> dict[str, list]:
    """label -> list of curves, one a seed."""
    if isinstance(runs, Mapping) and not any(
        np.ndim(v) == 1 and np.size(v) and np.isscalar(v[0]) for v in runs.values()
    ):
        groups = {k: [v] if hasattr(v, "curve") or isinstance(v, Mapping) else list(v) for k, v in runs.items()}
    else:
        runs = [runs] if hasattr(runs, "curve") or isinstance(runs, Mapping) else list(runs)
        if labels is None:
            labels = [_label(run) for run in runs]
        labels = list(labels)
        if len(labels) != len(runs):
            raise ArgumentError(f"labels has {len(labels)} entries; it must have one for each of the {len(runs)} runs")
        groups = {}
        for label, run in zip(labels, runs, strict=True):
            groups.setdefault(str(label), []).extend(run if isinstance(run, (list, tuple)) else [run])
    if not groups or not all(groups.values()):
        raise ArgumentError("runs is empty; it must hold at least one run for each label")
    return {str(label): [curve_of(run) for run in group] for label, group in groups.items()}


def _label(run) -> str:
    agent = getattr(run, "agent", None)
    return f"{agent.name}, {run.policy.env_id}" if agent is not None else "runs"


def middle(values: np.ndarray, statistic: str = "median", axis: int = 0) -> np.ndarray:
    """Median, mean or interquartile mean of `values` along `axis`."""
    check_choice("statistic", statistic, ("median", "iqm", "mean"))
    return {"median": np.median, "mean": np.mean, "iqm": iqm}[statistic](np.asarray(values, dtype=float), axis=axis)


def band(values: np.ndarray, statistic: str = "median", level: float = 0.95, draws: int = 1000) -> np.ndarray:
    """Bootstrap interval over seeds: values (seeds, …) -> (2, …), low and high. Below five seeds it is their range.

    NaN for one seed. `statistics.spread_name` says in words which it is.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.full((2, *values.shape[1:]), np.nan)
    if len(values) < LEAST_RUNS:
        return np.stack([values.min(0), values.max(0)])
    # A generator of its own: the same curves always give the same picture.
    index = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    stats = middle(values[index], statistic, axis=1)
    return np.quantile(stats, [(1 - level) / 2, (1 + level) / 2], axis=0)


def on_grid(curves: Iterable[Mapping], key: str, x: str, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Curves on a grid that all of them cover -> x (points,), y (curves, points).

    A curve without a finite value (no episode has ended yet) is left out; if no curve is left, both are empty.
    """
    pairs = []
    for curve in curves:
        for name, argument in ((x, "x"), (key, "key")):
            if name not in curve:
                raise ArgumentError(
                    f"{argument}={name!r} is not in this curve; it has: {', '.join(curve)}{nearest(name, curve)}"
                )
        at, value = np.asarray(curve[x], float), np.asarray(curve[key], float)
        good = np.isfinite(at) & np.isfinite(value)
        if good.any():
            pairs.append((at[good], value[good]))
    if not pairs:
        return np.empty(0), np.empty((0, 0))
    low, high = max(at[0] for at, _ in pairs), min(at[-1] for at, _ in pairs)
    if low > high:  # seeds that never ran at the same time: nothing can be said about all of them
        return np.empty(0), np.empty((0, 0))
    grid = np.linspace(low, high, points)
    return grid, np.stack([np.interp(grid, at, value) for at, value in pairs])


def compare(
    runs,
    labels=None,
    key: str = "return_mean",
    x: str = "env_steps",
    *,
    statistic: str = "median",
    title: str | None = None,
    individual: bool = False,
    target: float | None = None,
    ylabel: str | None = None,
):
    """Curves of one or more settings: the median over seeds with its 95 % bootstrap interval (below five: the range).

    Args:
        runs: a dict label -> runs (one per seed), or a list of runs; a run is a `Run` or a dict of arrays.
        labels: one for each entry of a list; runs with the same label are seeds of one setting.
        key, x: names in the curve; x is "env_steps" or "wall_seconds".
        statistic: "median", "iqm" (interquartile mean) or "mean" over seeds.
        individual: also draw each seed as a thin line.
        target: a height to mark with a dotted line.
    """
    groups, counts = _groups(runs, labels), []
    with style():
        figure, axes = new_figure()
        for k, (label, curves) in enumerate(groups.items()):
            grid, values = on_grid(curves, key, x)
            colour, n = COLOURS[k % len(COLOURS)], len(values)
            if n == 0:
                axes.plot([], [], color=colour, label=f"{label} (no finished episode in common yet)")
                continue
            name = f"{label} ({n} seeds)" if n > 1 else f"{label} (1 seed)"
            if n > 1:
                counts.append(n)
                axes.fill_between(grid, *band(values, statistic), color=colour, alpha=0.18, linewidth=0)
            if individual and n > 1:
                axes.plot(grid, values.T, color=colour, linewidth=0.9, alpha=0.8)
            axes.plot(grid, middle(values, statistic), DASHES[k % len(DASHES)], color=colour, label=name)
        if target is not None:
            axes.axhline(target, color="#444444", linestyle=":", linewidth=1.2, label=f"target {target:,.0f}")
        several = bool(counts)
        note = {"median": "median", "iqm": "interquartile mean", "mean": "mean"}[statistic]
        axes.set(xlabel=UNITS.get(x, x), ylabel=ylabel or UNITS.get(key, key), title=title or "")
        if several:
            axes.set_title(f"{note} over seeds, band: {spread_name(*counts)}", loc="right", fontsize=8, color="#666e78")
        if title:
            axes.set_title(title, loc="left" if several else "center")
            axes.set_title("", loc="center") if several else None
        readable_x(axes, x)
        axes.legend(loc="best")
    return figure


def learning_curve(run, title: str | None = None):
    """The return of one run, and the four metrics that say how its updates went."""
    curve = curve_of(run)
    panels = [name for name in ("approx_kl", "clip_fraction", "explained_variance", "entropy") if name in curve]
    steps = np.asarray(curve["env_steps"], float)
    with style():
        figure, grid = new_figure(2, 4, figsize=(6.4, 3.8), dpi=76, height_ratios=(1.6, 1))
        spec = grid[0, 0].get_gridspec()
        for axes in grid.ravel():
            axes.remove()
        top = figure.add_subplot(spec[0, :])
        top.plot(steps, curve["return_mean"], color=COLOURS[0])
        top.set(
            ylabel="return\n(mean of 100 episodes)",
            xlabel=UNITS["env_steps"],
            title=title or _label(run).replace("runs", ""),
        )
        readable_x(top, "env_steps")
        for k, name in enumerate(panels):
            axes = figure.add_subplot(spec[1, k])
            axes.plot(steps, curve[name], color=COLOURS[(k + 1) % len(COLOURS)], linewidth=1.2)
            axes.set_title(UNITS[name], fontsize=8.5)
            axes.tick_params(labelsize=7.5)
            readable_x(axes, "env_steps")
            axes.locator_params(axis="x", nbins=2)
            if name == "explained_variance":
                axes.set_ylim(max(-0.5, float(np.nanmin(curve[name])) - 0.05), 1.05)
    return figure


def bars(
    results: Mapping[str, Iterable[float]],
    *,
    statistic: str = "median",
    ylabel: str = "return",
    title: str | None = None,
    target: float | None = None,
):
    """Ablations: label -> values, one per seed. A bar is the median, its line the 95 % interval (range below 5)."""
    if not isinstance(results, Mapping) or not results:
        raise ArgumentError("results must be a dict label -> values, one a seed, with at least one entry")
    groups = {str(k): np.atleast_1d(np.asarray(v, dtype=float)) for k, v in results.items()}
    for label, values in groups.items():
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise ArgumentError(
                f"results[{label!r}] has shape {values.shape} or is not finite; it must be (seeds,) finite numbers"
            )
    height = min(4.0, 0.9 + 0.36 * len(groups))
    with style():
        figure, axes = new_figure(figsize=(6.4, height))
        for row, values in enumerate(groups.values()):
            centre, (low, high) = middle(values, statistic), band(values, statistic)
            axes.barh(row, centre, height=0.62, color=COLOURS[0] if row == 0 else "#a9c4dc")
            if len(values) > 1:
                axes.plot([low, high], [row, row], color="#22303f", linewidth=1.6, solid_capstyle="butt")
                axes.plot(values, np.full(len(values), row), "o", color="#22303f", markersize=2.6, alpha=0.6)
        axes.set_yticks(range(len(groups)), [f"{k}  (n={len(v)})" for k, v in groups.items()])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        note = "IQM" if statistic == "iqm" else statistic
        counts = [len(values) for values in groups.values() if len(values) > 1]
        line = f", line: {spread_name(*counts)}" if counts else ""
        axes.set(
            xlabel="\n".join(textwrap.wrap(f"{ylabel}: {note} over n seeds{line}, dots: seeds", 64)),
            title=title or "",
        )
        if target is not None:
            axes.axvline(target, color="#444444", linestyle=":", linewidth=1.2)
    return figure


def prediction_overlay(figure, points, label: str = "your prediction"):
    """Draw a predicted curve, a list of (x, y), over a figure made by `compare` or `learning_curve`.

    The legend says how far it is, on average, from the figure's first curve in the range that both cover.
    """
    points = np.asarray(sorted(map(tuple, points)), dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ArgumentError(f"points has shape {points.shape}; it must be a list of at least two (x, y) pairs")
    axes = figure.axes[0]
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) > 2]
    if lines:
        at, value = (np.asarray(a, dtype=float) for a in lines[0].get_data())
        both = np.isfinite(value) & (at >= points[0, 0]) & (at <= points[-1, 0])
        if both.any():
            gap = np.abs(np.interp(at[both], *points.T) - value[both]).mean()
            label = (
                f"{label} (off by {gap:,.3g} on average)" if gap < 100 else f"{label} (off by {gap:,.0f} on average)"
            )
    with style():
        axes.plot(*points.T, "o--", color="#E69F00", markersize=4.5, linewidth=1.6, label=label, zorder=5)
        axes.relim()
        axes.autoscale_view()
        axes.legend(loc="best")
    return figure
