"""Figures of notebook 04: replayed ratios, truncated gradients, steps to solve, pushes, hidden velocities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import LEAST_RUNS, spread, spread_name
from course_lib.viz.curves import band, on_grid
from course_lib.viz.style import COLOURS, new_figure, readable_x, style

GREY, DARK = "#7a828c", "#22303f"
STUDENT = "student project 2022"
NEVER = (2,)  # neurons with which the student project shows a curve that never gets there
TITLES = {  # settings of the result file that are not NAME_NEURONS
    "mlp_8": "MLP, equal neurons",
    "mlp_params": "MLP, equal parameters",
    "ltc_8_bptt1": "gradient over 1 step",
    "ltc_8_bptt8": "gradient over 8 steps",
    "ltc_8": "LTC",
    "neural_ode_8": "neural ODE",
    "ctrnn_8": "CT-RNN",
    "synaptic_ltc_8": "synaptic LTC",
    "cfc_8": "CfC",
    "gru_8": "GRU",
}
CELL_NAMES = {**{s.removesuffix("_8"): title for s, title in TITLES.items()}, "mlp": "MLP, no memory"}


def seeds_in(found: Mapping[int, Sequence]) -> str:
    """How many entries the values of `found` have, in words: 5 to 10 seeds."""
    least, most = min(map(len, found.values())), max(map(len, found.values()))
    return f"{least} to {most} seeds" if least < most else f"{most} seed{'s' * (most > 1)}"


def seeds_of(rows: Sequence[Mapping], setting: str) -> list[Mapping]:
    """The rows of one setting; ArgumentError where there are none."""
    found = [row for row in rows if row["setting"] == setting]
    if not found:
        known = ", ".join(sorted({row["setting"] for row in rows}))
        raise ArgumentError(f"setting={setting!r} is in none of the rows; they have: {known or 'nothing'}")
    return found


def neuron_counts(rows: Sequence[Mapping]) -> list[int]:
    """Neuron counts n of the settings "ltc_n", ascending."""
    tails = {row["setting"].removeprefix("ltc_") for row in rows if row["setting"].startswith("ltc_")}
    return sorted(int(tail) for tail in tails if tail.isdigit())


def steps_to_solve(rows: Sequence[Mapping]) -> np.ndarray:
    """rows (one a seed) -> environment steps until solved, (seeds,); infinite where a seed never was."""
    return np.array([row["steps_to_solve"] if row["solved"] else np.inf for row in rows], dtype=float)


def median_interval(values: np.ndarray, draws: int = 2000) -> tuple[float, float, float]:
    """Median of values (n,) and its 95 % bootstrap interval, or range; infinite values are allowed, as "never"."""
    values = np.asarray(values, dtype=float)
    if np.isfinite(values).all():
        return float(np.median(values)), *spread(values)
    values = np.sort(values)  # np.median and np.quantile subtract, and inf - inf is not a number
    index = np.sort(np.random.default_rng(0).integers(0, len(values), (draws, len(values))))
    low, high = (len(values) - 1) // 2, len(values) // 2
    ends = values[[0, -1]]  # a range, below five
    if len(values) >= LEAST_RUNS:
        ends = np.sort(0.5 * (values[index[:, low]] + values[index[:, high]]))[[int(0.025 * draws), int(0.975 * draws)]]
    return float(0.5 * (values[low] + values[high])), *map(float, ends)


# --- how it is trained ----------------------------------------------------------------------------


def ratio_maps(maps: Mapping[str, np.ndarray], starts: np.ndarray, length: int):
    """|log ρ| of every step of a rollout before any update: one panel a replay.

    Args:
        maps: name -> log ρ (T, N). starts: (T, N) true where an episode begins. length: steps of a sequence.
    """
    starts = np.asarray(starts, bool)
    for name, values in maps.items():
        if np.shape(values) != starts.shape:
            raise ArgumentError(
                f"maps[{name!r}] has shape {np.shape(values)}; it must be that of starts, {starts.shape}"
            )
    logs = {name: np.log10(np.maximum(np.abs(values), 1e-7)) for name, values in maps.items()}
    with style():
        columns = min(2, len(maps))
        rows = -(-len(maps) // columns)
        size = (7.6, 0.5 + 1.7 * rows)
        figure, grid = new_figure(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True)
        for axes, (name, values) in zip(grid.flat, logs.items(), strict=False):
            image = axes.imshow(values.T, aspect="auto", cmap="magma", vmin=-7, vmax=0, interpolation="nearest")
            steps, copies = np.nonzero(starts)
            axes.plot(steps - 0.5, copies, "|", color="#56B4E9", markersize=7, markeredgewidth=1.6)
            for cut in range(length, len(starts), length):
                axes.axvline(cut - 0.5, color="white", linewidth=0.8, linestyle=":")
            worst = np.abs(maps[name]).max()
            axes.set_title(f"{name}: largest |log ρ| = {worst:.1g}", fontsize=9.5)
            axes.grid(False)
        for axes in grid[-1]:
            axes.set_xlabel("control step of the rollout")
        for axes in grid[:, 0]:
            axes.set_ylabel("copy")
        bar = figure.colorbar(image, ax=grid, shrink=0.85, ticks=(-6, -4, -2, 0))
        bar.ax.set_yticklabels(["1e-6", "1e-4", "0.01", "1"])
        bar.set_label("|log ρ| (nats)")
    worst = "; ".join(f"{name}: {np.abs(values).max():.1g} at most" for name, values in maps.items())
    figure.alt = f"Maps of |log ρ| over control step and copy, dark where it is near 0, bright where it is 1. {worst}"
    return figure


def length_figure(errors: Mapping[str, Mapping[int, float]], limit: float = 0.1, guess: int | None = None):
    """Error of the truncated gradient against the length of the sequences.

    Args:
        errors: label -> {length in control steps: ‖g_L - g‖ / ‖g‖}.
        limit: a height to mark. guess: a predicted length, drawn as a vertical line.
    """
    if not errors or not all(errors.values()):
        raise ArgumentError("errors must be a dict label -> {length: error}, with at least one entry each")
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.0))
        for k, (label, points) in enumerate(errors.items()):
            lengths = sorted(points)
            axes.plot(lengths, [points[n] for n in lengths], marker="os^D"[k % 4], color=COLOURS[k], label=label)
        axes.axhline(limit, color=GREY, linewidth=1, linestyle="--", label=f"{limit:g}")
        if guess is not None:
            axes.axvline(guess, color=COLOURS[5], linewidth=2, linestyle=":", label=f"your prediction, {guess} steps")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set(xlabel="length L of the sequences (control steps)", ylabel="error of the gradient,\n‖g_L − g‖ / ‖g‖")
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure


# --- the neuron study -----------------------------------------------------------------------------


def neuron_curves(rows: Sequence[Mapping], before: Mapping, counts: Sequence[int] = (2, 3, 5, 8, 16, 32)):
    """Learning curves of LTCs by neuron count, one panel each: every seed thin, their median thick, 95 % band.

    Dashed lines: where the curves of the student project first reached 1,000 (`before`: "ltc_N" -> steps).
    """
    with style():
        figure, grid = new_figure(2, -(-len(counts) // 2), figsize=(7.6, 4.2), sharex=True, sharey=True, squeeze=False)
        for axes, n in zip(grid.flat, counts, strict=False):
            curves = [row["curve"] for row in seeds_of(rows, f"ltc_{n}")]
            _curves(axes, curves, "return_deterministic", COLOURS[0], f"LTC, {len(curves)} seeds")
            if f"ltc_{n}" in before:
                axes.axvline(before[f"ltc_{n}"], color=COLOURS[1], linestyle="--", linewidth=1.4, label=STUDENT)
            elif n in NEVER or n == before.get("smallest"):
                note = f"{STUDENT}:\n" + ("never" if n in NEVER else "smallest that solved it")
                axes.text(0.97, 0.5, note, transform=axes.transAxes, ha="right", color=COLOURS[1], fontsize=8)
            axes.set_title(f"{n} neurons" if n > 1 else "1 neuron", fontsize=9.5)
            axes.tick_params(labelsize=8)
            readable_x(axes, "env_steps")
            axes.locator_params(axis="x", nbins=4)
        for axes in grid[-1]:
            axes.set_xlabel("environment steps", fontsize=8.5)
        for axes in grid[:, 0]:
            axes.set_ylabel("return, noise off", fontsize=8.5)
        marked = next((axes for axes in grid.flat if len(axes.get_legend_handles_labels()[1]) > 1), grid.flat[0])
        marked.legend(loc="center right", fontsize=7.5)
    return figure


def _curves(axes, curves: Sequence[Mapping], key: str, colour: str, label: str) -> None:
    grid, values = on_grid(curves, key, "env_steps")
    if len(values) > 1:
        axes.plot(grid, values.T, color=colour, linewidth=0.6, alpha=0.5)
        axes.fill_between(grid, *band(values), color=colour, alpha=0.18, linewidth=0)
    if len(values):
        axes.plot(grid, np.median(values, axis=0), color=colour, label=label)


def solve_figure(rows: Sequence[Mapping], before: Mapping):
    """Steps to solve against LTC neurons: dots are seeds, line and bars median and 95 % interval; hollow: never."""
    counts = neuron_counts(rows)
    found = {n: steps_to_solve(seeds_of(rows, f"ltc_{n}")) for n in counts}
    old = {int(k.removeprefix("ltc_")): v for k, v in before.items() if k.startswith("ltc_")}
    finite = [*np.concatenate(list(found.values())), *old.values()]
    ceiling = 1.6 * max(v for v in finite if np.isfinite(v))
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.5))
        middles = np.array([median_interval(found[n]) for n in counts])
        clipped = np.minimum(middles, ceiling)
        reach = np.abs(clipped[:, 1:] - clipped[:, :1]).T
        label = f"here: median of {seeds_in(found)}, {spread_name(*map(len, found.values()))}"
        bars = dict(color=COLOURS[0], capsize=3, marker="o", zorder=3, label=label)
        axes.errorbar(counts, clipped[:, 0], reach, **bars)
        for n, values in found.items():
            at = n * np.exp(np.linspace(-0.07, 0.07, len(values)))
            axes.plot(at, values, "o", color=COLOURS[0], markersize=3.5, alpha=0.5)
        axes.plot(list(old), list(old.values()), "D--", color=COLOURS[1], label=f"{STUDENT} (one seed)")
        if lost := [n for n, values in found.items() for steps in values if not np.isfinite(steps)]:
            axes.plot(lost, [ceiling] * len(lost), "^", mfc="none", color=COLOURS[0], label="here: a seed, never")
        axes.plot(NEVER, [ceiling] * len(NEVER), "D", mfc="none", color=COLOURS[1], label=f"{STUDENT}: never")
        if "smallest" in before:
            dotted = dict(color=COLOURS[1], linewidth=0.9, linestyle=":", label="smallest that solved it there")
            axes.axvline(before["smallest"], **dotted)
        axes.axhline(ceiling, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="LTC neurons", ylabel="environment steps to solve")
        _plain_ticks(axes, counts, (1, 2, 5))
        axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.56), fontsize=8, frameon=True, framealpha=0.95)
    return figure


def _plain_ticks(axes, counts: Sequence[int], digits: Sequence[int]) -> None:
    """Neuron counts on x, 5k, 10k, … on y, and none between."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.set_xticks(counts, [str(n) for n in counts])
    axes.yaxis.set_major_locator(LogLocator(subs=digits))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def setting_figure(rows: Sequence[Mapping], settings: Sequence[str]):
    """Steps to solve of several settings, one row each: dots are seeds, bars the median with its 95 % interval."""
    found = {setting: seeds_of(rows, setting) for setting in settings}
    last = max(row["steps_to_solve"] for group in found.values() for row in group)  # the budget, where one never did
    with style():
        figure, axes = new_figure(figsize=(6.4, 0.9 + 0.34 * len(settings)))
        for k, group in enumerate(found.values()):
            values = np.minimum(steps_to_solve(group), last)
            centre, low, high = median_interval(values)
            axes.barh(k, centre, height=0.6, color=COLOURS[0] if k == 0 else "#a9c4dc")
            axes.plot([low, high], [k, k], color=DARK, linewidth=1.6)
            solved = np.array([row["solved"] for row in group], bool)
            axes.plot(values[solved], np.full(solved.sum(), k), "o", color=DARK, markersize=2.8, alpha=0.6)
            axes.plot(values[~solved], np.full((~solved).sum(), k), ">", mfc="none", color=DARK, markersize=6)
        labels = [f"{TITLES.get(s, s)} ({g[0]['parameters']} parameters, n={len(g)})" for s, g in found.items()]
        axes.set_yticks(range(len(found)), labels)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        name = spread_name(*map(len, found.values()))
        note = f"Bar: median, line: {name}, dots: seeds, ▷: a seed that never did"
        figure.supxlabel(f"environment steps to solve. {note}", fontsize=9)
        readable_x(axes, "env_steps")
    return figure


# --- pushes and hidden velocities -----------------------------------------------------------------


def failure_figure(failures: Mapping[int, Sequence[int]], episodes: int, reference: int | None = None):
    """Falls among `episodes` pushed episodes against LTC neurons; dots are training seeds, the line their median.

    Args:
        failures: neurons -> falls, one entry a seed. reference: falls of another controller, a dashed line.
    """
    if not failures or not all(len(v) for v in failures.values()):
        raise ArgumentError("failures must be a dict neurons -> falls, one a seed, with at least one entry each")
    counts = sorted(failures)
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.9))
        for n in counts:
            axes.plot(np.full(len(failures[n]), n), failures[n], "o", color=COLOURS[0], markersize=5, alpha=0.6)
        medians = [np.median(failures[n]) for n in counts]
        axes.plot(counts, medians, color=COLOURS[0], label=f"LTC, median of {seeds_in(failures)}")
        if reference is not None:
            axes.axhline(reference, color=GREY, linestyle="--", linewidth=1.3, label="a linear controller")
        axes.set(xscale="log", xlabel="LTC neurons", ylabel=f"falls in {episodes} episodes")
        axes.set_ylim(-0.5, episodes + 0.5)
        axes.set_xticks(counts, [str(n) for n in counts])
        axes.minorticks_off()
        axes.legend()
    return figure


def masked_figure(rows: Sequence[Mapping], solved: float = 950.0):
    """The pole with hidden velocities: training curves (left) and final returns of each seed, noise off (right)."""
    groups: dict[str, list] = {}
    for row in rows:
        groups.setdefault(row["cell"], []).append(row)
    if not groups:
        raise ArgumentError("rows is empty; it must hold at least one run")
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.6, 3.1), width_ratios=(1.5, 1))
        for k, (cell, group) in enumerate(groups.items()):
            colour = COLOURS[k % len(COLOURS)]
            _curves(left, [row["curve"] for row in group], "return_mean", colour, CELL_NAMES.get(cell, cell))
            values = np.array([row["return_deterministic"] for row in group], float)
            right.plot(np.full(len(values), k) + np.linspace(-0.2, 0.2, len(values)), values, "o", color=colour, ms=4)
            right.plot([k - 0.3, k + 0.3], [np.median(values)] * 2, color=colour, linewidth=2.4)
        left.set(xlabel="environment steps", ylabel="return (mean of 100 episodes)")
        left.set_title(f"noise on: median, {spread_name(*map(len, groups.values()))}", fontsize=9)
        readable_x(left, "env_steps")
        left.legend(fontsize=8.5)
        right.axhline(solved, color="#444444", linestyle=":", linewidth=1.2)
        ticks = [f"{CELL_NAMES.get(c, c).partition(',')[0]}\nn={len(g)}" for c, g in groups.items()]
        right.set_xticks(range(len(groups)), ticks)
        right.set(ylabel="return at the end", ylim=(0, 1050))
        right.set_title("noise off: seeds, median", fontsize=9)
    return figure
