"""Figures of notebook 05: climbing a Q, promised against earned, each change alone, temperatures, a race."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import spread_name
from course_lib.viz.curves import band, curve_of, on_grid
from course_lib.viz.style import COLOURS, DASHES, UNITS, new_figure, readable_x, style

GREY, DARK, PALE = "#7a828c", "#22303f", "#a9c4dc"
TITLES = {  # variants of the result file
    "ddpg": "DDPG",
    "twin": "+ twin critics",
    "smoothing": "+ smoothed targets",
    "delay": "+ delayed actor",
    "td3": "TD3 (all three)",
    "stochastic": "+ stochastic actor",
    "entropy": "+ stochastic, paid for entropy",
    "sac_fixed": "SAC, fixed temperature",
    "sac": "SAC",
    "no_target": "− slow targets",
    "no_noise": "− exploration noise",
}


def rows_of(rows: Sequence[Mapping], task: str, variant: str) -> list[Mapping]:
    """The runs of one variant on one task, one a seed; ArgumentError where there are none."""
    found = [row for row in rows if (row["task"], row["variant"]) == (task, variant)]
    if not found:
        known = ", ".join(sorted({f"{row['task']} {row['variant']}" for row in rows}))
        raise ArgumentError(f"{task} {variant} is in none of the rows; they have: {known or 'nothing'}")
    return found


# --- toys ---------------------------------------------------------------------------------------


def landscape_figure(actions, values, paths: Mapping[str, Sequence[float]] | None = None, ylabel: str = "Q(s, a)"):
    """Q of one state over one action, (n,) each; `paths`: name -> actions (k,) that an actor went through."""
    actions, values = np.asarray(actions, float), np.asarray(values, float)
    if actions.shape != values.shape or actions.ndim != 1:
        raise ArgumentError(f"values has shape {values.shape}; it must be that of actions, {actions.shape}")
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.9))
        axes.plot(actions, values, color=GREY, label=ylabel)
        best = int(np.argmax(values))
        axes.plot(actions[best], values[best], "*", color=COLOURS[5], markersize=13, label="its maximum", zorder=4)
        for k, (name, path) in enumerate((paths or {}).items()):
            path, colour = np.asarray(path, float), COLOURS[k % len(COLOURS)]
            heights = np.interp(path, actions, values)
            axes.plot(path, heights, ".-", color=colour, linewidth=1, markersize=4, label=f"{name}, {len(path)} steps")
            axes.plot(path[-1], heights[-1], "o", color=colour, markersize=7, zorder=5)
        axes.set(xlabel="action", ylabel=ylabel)
        axes.legend(loc="best", fontsize=8)
    return figure


def smoothing_figure(actions, values, smoothed: Mapping[float, np.ndarray]):
    """Q over one action, and its mean under noise on the action: sd -> values (n,)."""
    actions, values = np.asarray(actions, float), np.asarray(values, float)
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.8))
        axes.plot(actions, values, color=GREY, label="learned Q")
        for k, (sd, line) in enumerate(smoothed.items()):
            axes.plot(actions, line, DASHES[k % 4], color=COLOURS[k], label=f"smoothed, sd {sd:g}")
            axes.plot(actions[int(np.argmax(line))], np.max(line), "o", color=COLOURS[k], markersize=6)
        axes.plot(actions[int(np.argmax(values))], np.max(values), "o", color=GREY, markersize=6)
        axes.set(xlabel="action", ylabel="value of the target's action")
        axes.legend(loc="best", fontsize=8)
    return figure


def boltzmann_figure(actions, values, samples: Mapping[str, tuple[float, np.ndarray]]):
    """What an actor ended with beside the best policy that there is for its temperature, a panel each.

    Args:
        actions, values: Q of one state, (n,). samples: name -> (α, actions drawn from the trained actor).
    """
    actions, values = np.asarray(actions, float), np.asarray(values, float)
    bins = np.linspace(-1, 1, 41)
    with style():
        figure, panels = new_figure(1, len(samples), figsize=(7.6, 2.6), sharex=True, squeeze=False)
        for axes, (name, (alpha, drawn)) in zip(panels[0], samples.items(), strict=True):
            density = np.exp((values - values.max()) / alpha)
            density /= density.sum() * (actions[1] - actions[0])
            heights, _, _ = axes.hist(drawn, bins=bins, density=True, color=PALE, label="actor")
            axes.plot(actions, density, color=COLOURS[1], linewidth=1.4, label="∝ exp(Q/α)")
            axes.set(title=name, xlabel="action", ylim=(0, 1.3 * min(max(heights.max(), density.max()), 20.0)))
        panels[0, 0].set_ylabel("density (per unit of action)")
        panels[0, 0].legend(loc="upper right", fontsize=7.5)
    return figure


# --- promised and earned ------------------------------------------------------------------------


def estimates_figure(estimates: Mapping[str, object]):
    """Q less what was earned, over what was earned from the same state, one panel each; 0 is a critic that is right.

    Dots that lie far outside are drawn as triangles at the edge, and counted in the title.
    `estimates`: name -> what `course_lib.lessons.nb05_overestimation.overestimation` returned.
    """
    if not estimates:
        raise ArgumentError("estimates is empty; it must hold at least one entry")
    off = {name: e.q - e.returns for name, e in estimates.items()}
    edge = 1.25 * max(max(float(np.quantile(np.abs(d), 0.9)) for d in off.values()), 1e-6)
    with style():
        size = (min(3.4 * len(estimates) + 0.6, 7.8), 3.1)
        figure, panels = new_figure(1, len(estimates), figsize=size, sharex=True, sharey=True, squeeze=False)
        for axes, (name, found) in zip(panels[0], estimates.items(), strict=True):
            height, outside = off[name], np.abs(off[name]) > edge
            axes.axhline(0.0, color=DARK, linewidth=1)
            axes.plot(found.returns[~outside], height[~outside], "o", color=COLOURS[0], markersize=2.6, alpha=0.5)
            for side, marker in ((1, "^"), (-1, "v")):
                there = outside & (height * side > 0)
                at = np.full(int(there.sum()), 0.97 * side * edge)
                axes.plot(found.returns[there], at, marker, color=COLOURS[1], markersize=4.5)
            beyond = f"\n{outside.sum()} of {len(height)} dots are further out" if outside.any() else ""
            axes.set_title(f"{name}: {found.bias:+,.3g} on average{beyond}", fontsize=9)
            axes.set(xlabel="earned: discounted return", ylim=(-edge, edge))
        panels[0, 0].set_ylabel("promised − earned")
    figure.alt = "Dots over what was earned, heights: promised minus earned, 0 is right. " + "; ".join(
        f"{name}: {e.bias:+,.3g} on average" for name, e in estimates.items()
    )
    return figure


def bias_figure(rows: Sequence[Mapping], task: str, variants: Sequence[str], key: str = "bias"):
    """Q less the return earned, during training: median over seeds, band: 95 % bootstrap interval (range)."""
    label = {"bias": "Q − return earned", "relative_bias": "(Q − return earned) / |return|"}.get(key, key)
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.2))
        for k, variant in enumerate(variants):
            mine = [row["moments"] for row in rows_of(rows, task, variant)]
            grid, values = on_grid(mine, key, "env_steps", points=60)
            if not len(values):
                continue
            colour = COLOURS[k % len(COLOURS)]
            if len(values) > 1:
                axes.fill_between(grid, *band(values), color=colour, alpha=0.16, linewidth=0)
            name = TITLES.get(variant, variant)
            axes.plot(
                grid, np.median(values, 0), DASHES[k % len(DASHES)], color=colour, label=f"{name} (n={len(mine)})"
            )
        axes.axhline(0.0, color=DARK, linewidth=1)
        axes.set(xlabel=UNITS["env_steps"], ylabel=label)
        drawn = [line.get_ydata() for line in axes.get_lines() if len(line.get_ydata()) > 2]
        if drawn:
            _signed(axes, "y", np.concatenate(drawn), [values[-1] for values in drawn])
        counts = [len(rows_of(rows, task, variant)) for variant in variants]
        note = f"median over seeds, band: {spread_name(*counts)}"
        axes.set_title(note, loc="right", fontsize=8, color="#666e78")
        readable_x(axes, "env_steps")
        axes.legend(loc="best", fontsize=8)
    return figure


def effects_figure(rows: Sequence[Mapping], task: str, variants: Sequence[str], reference: str = "ddpg"):
    """Return and over-estimation of each variant at the end of training; dots are seeds, lines 95 % intervals.

    A dotted line marks the median of `reference`.
    """
    found = {variant: rows_of(rows, task, variant) for variant in variants}
    panels = (("return_deterministic", UNITS["return_deterministic"]), ("bias", "Q − return earned"))
    with style():
        size = (7.8, 1.0 + 0.32 * len(variants))
        figure, axis = new_figure(1, 2, figsize=size, sharey=True)
        for axes, (key, label) in zip(axis, panels, strict=True):
            for k, (variant, group) in enumerate(found.items()):
                values = np.array([row[key] for row in group], float)
                low, high = band(values)
                colour = COLOURS[0] if variant in ("ddpg", "td3", "sac") else PALE
                axes.plot(values, np.full(len(values), k), "o", color=colour, markersize=3.6, alpha=0.8, zorder=3)
                axes.plot([low, high], [k, k], color=DARK, linewidth=1.6)
                axes.plot(np.median(values), k, "|", color=DARK, markersize=12, markeredgewidth=2)
                if variant == reference:
                    axes.axvline(np.median(values), color=GREY, linestyle=":", linewidth=1.2)
            axes.set(xlabel=label)
            axes.grid(axis="y", visible=False)
        labels = [f"{TITLES.get(v, v)}  (n={len(group)})" for v, group in found.items()]
        axis[0].set_yticks(range(len(found)), labels)
        axis[0].set_ylim(len(found) - 0.5, -0.5)
        axis[1].axvline(0.0, color=DARK, linewidth=0.8)
        if not _signed(axis[1], "x", [row["bias"] for group in found.values() for row in group]):
            axis[1].locator_params(axis="x", nbins=5)
        note = f"dots: seeds; bar: median; line: its {spread_name(*map(len, found.values()))}"
        axis[1].set_title(note, loc="right", fontsize=8, color="#666e78")
    figure.alt = f"Medians on the {task}, return and Q − return earned. " + "; ".join(
        f"{TITLES.get(v, v)}: {np.median([row[panels[0][0]] for row in group]):,.0f} and "
        f"{np.median([row['bias'] for row in group]):+,.0f}"
        for v, group in found.items()
    )
    return figure


def _signed(axes, axis: str, values, typical=None) -> bool:
    """Where some values are far larger than the `typical` ones (all): linear around 0 and logarithmic further out."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    sizes = np.abs(np.asarray(values, float))
    middle = float(np.median(sizes if typical is None else np.abs(typical)))
    wide = sizes.max() > 10 * max(middle, 1e-9)
    if wide:
        getattr(axes, f"set_{axis}scale")("symlog", linthresh=10, linscale=0.7)
        scaled = getattr(axes, f"{axis}axis")
        scaled.set_major_locator(FixedLocator([-1000, -100, -10, 0, 10, 100, 1000]))
        scaled.set_minor_locator(NullLocator())
        scaled.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        getattr(axes, f"set_{axis}label")(getattr(axes, f"get_{axis}label")() + ", log beyond ±10")
    return wide


# --- training -----------------------------------------------------------------------------------


def temperature_figure(runs: Mapping[str, Sequence], target_entropy: float | None = None):
    """The temperature's path: α, entropy and return against steps; thin lines are seeds, thick ones their medians.

    Args:
        runs: name -> runs or rows with a curve. target_entropy: in nats, drawn as a dotted line.
    """
    panels = (
        ("temperature", "temperature α"), ("entropy_mean", "entropy −log π (nats)"), ("return_mean", "return"),
    )  # fmt: skip
    with style():
        figure, axis = new_figure(1, 3, figsize=(7.8, 2.7))
        for axes, (key, label) in zip(axis, panels, strict=True):
            for k, (name, group) in enumerate(runs.items()):
                grid, values = on_grid([curve_of(run) for run in group], key, "env_steps")
                if not len(values):
                    continue
                colour = COLOURS[k % len(COLOURS)]
                if len(values) > 1:
                    axes.plot(grid, values.T, color=colour, linewidth=0.6, alpha=0.45)
                line = DASHES[k % len(DASHES)]
                axes.plot(grid, np.median(values, 0), line, color=colour, label=f"{name} (n={len(group)})")
            axes.set_title(label, fontsize=9.5)
            axes.set_xlabel(UNITS["env_steps"], fontsize=8.5)
            axes.tick_params(labelsize=7.5)
            readable_x(axes, "env_steps")
            axes.locator_params(axis="x", nbins=4)
        axis[0].set_yscale("log")
        if target_entropy is not None:
            axis[1].axhline(target_entropy, color=DARK, linestyle=":", linewidth=1.2)
        axis[2].legend(loc="best", fontsize=7.5)
    figure.alt = f"Temperature α (logarithmic), entropy and return over environment steps: {', '.join(runs)}"
    if target_entropy is not None:
        figure.alt += f"; dotted: the target entropy, {target_entropy:g} nats"
    return figure


def race_figure(runs: Mapping[str, Sequence], key: str = "return_mean", marks: Mapping[str, float] | None = None):
    """The same runs against environment steps (logarithmic) and against minutes of wall clock.

    Args:
        runs: name -> runs or rows with a curve that has env_steps, wall_seconds and `key`.
        marks: name -> height, drawn as a dotted line.
    """
    if not runs or not all(len(group) for group in runs.values()):
        raise ArgumentError("runs must be a dict name -> runs, with at least one run for each name")
    with style():
        figure, axis = new_figure(1, 2, figsize=(7.8, 3.7), sharey=True)
        for axes, x in zip(axis, ("env_steps", "wall_seconds"), strict=True):
            for k, (name, group) in enumerate(runs.items()):
                grid, values = on_grid([curve_of(run) for run in group], key, x, points=300)
                if not len(values):
                    continue
                grid, colour = grid / (60.0 if x == "wall_seconds" else 1.0), COLOURS[k % len(COLOURS)]
                if len(values) > 1:
                    axes.fill_between(grid, *band(values), color=colour, alpha=0.16, linewidth=0)
                line = DASHES[k % len(DASHES)]
                axes.plot(grid, np.median(values, 0), line, color=colour, label=f"{name} (n={len(group)})")
            for name, height in (marks or {}).items():
                axes.axhline(height, color="#444444", linestyle=":", linewidth=1.2, label=name)
        axis[0].set(xscale="log", xlabel=UNITS["env_steps"], ylabel=UNITS.get(key, key))
        low, high = axis[0].get_xlim()
        axis[0].set_xlim(max(low, high / 1e4), high)  # the first few steps of a run tell nothing
        _decades(axis[0])
        axis[1].set(xlabel=UNITS["minutes"])
        handles, labels = axis[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        note = f"median over seeds, band: {spread_name(*map(len, runs.values()))}"
        axis[1].set_title(note, loc="right", fontsize=8, color="#666e78")
    return figure


def _decades(axes) -> None:
    """10k, 100k, 1M on a logarithmic axis of steps, nothing between."""
    from matplotlib.ticker import EngFormatter, NullFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
