"""Figures of a sweep: history, importances, parallel coordinates, slices. All return the `Figure`.

Complete trials are filled dots at their value. Pruned ones are hollow dots at their last report. That report was taken
before the end of the budget, so it is usually lower than what they might have reached.
"""

from __future__ import annotations

import io
import math

import numpy as np

from course_lib.errors import ArgumentError, check_choice
from course_lib.viz.live import LivePlot, in_notebook
from course_lib.viz.style import COLOURS, new_figure, style

GREY, FAILED = "#9aa2ab", "#444444"
VALUE = {
    "deterministic": "deterministic return",
    "stochastic": "return with exploration noise",
    "training": "training return (100 episodes)",
}


def value_label(sweep) -> str:
    """What the value of a trial is; a recipe may also say it in words of its own."""
    value = sweep.recipe.get("value")
    return VALUE.get(value, value if " " in str(value) else "value of the objective")


def words(name: str) -> str:
    """A field's name for an axis."""
    return name.replace("_", " ")


def _several(sweeps) -> list:
    sweeps = [sweeps] if hasattr(sweeps, "trials") else list(sweeps)
    if not sweeps:
        raise ArgumentError("sweeps is empty; it must hold at least one sweep")
    return sweeps


def _label(sweep, several: bool) -> str:
    return f"seed {sweep.recipe.get('seed')}" if several else sweep.recipe.get("label", "complete")


def plot_history(sweeps, *, x: str = "trial", title: str | None = None):
    """Every trial at its value, and the best so far as a line.

    Args:
        sweeps: a `Sweep` or several, each in its own colour.
        x: "trial", or "minutes": the times of the trials added up, as if one worker had run them all.
    """
    check_choice("x", x, ("trial", "minutes"))
    sweeps = _several(sweeps)
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.2))
        for k, sweep in enumerate(sweeps):
            trials, colour = sweep.trials, COLOURS[k % len(COLOURS)]
            seconds = np.nancumsum([t.seconds for t in trials]) / 60
            at = {t.number: t.number if x == "trial" else s for t, s in zip(trials, seconds, strict=True)}
            _dots(axes, [(at[t.number], t) for t in trials], colour, _label(sweep, len(sweeps) > 1))
            done = sorted((t for t in trials if t.state == "complete"), key=lambda t: t.number)
            if done:
                best = np.maximum.accumulate([t.value for t in done])
                ends = [at[t.number] for t in done]
                end = max(at.values())
                axes.step([*ends, end], [*best, best[-1]], where="post", color=colour, label="best so far")
        axes.set(
            xlabel="trial" if x == "trial" else "time of all trials, added up (min)", ylabel=value_label(sweeps[0])
        )
        axes.set_title(title or "")
        figure.legend(*_handles([axes]), loc="outside upper center", ncols=4)
    return figure


def _dots(axes, points: list, colour: str, label: str) -> None:
    """Filled, hollow and crossed marks for (x, trial)."""
    marks = {
        "complete": dict(marker="o", s=22, color=colour, label=label, zorder=3),
        "pruned": dict(
            marker="o",
            s=16,
            facecolors="none",
            edgecolors=colour,
            linewidths=0.8,
            alpha=0.7,
            label="pruned, last report",
        ),
    }
    for state, mark in marks.items():
        found = [(x, t.last) for x, t in points if t.state == state and math.isfinite(t.last)]
        if found:
            axes.scatter(*np.array(found, float).T, **mark)
    failed = [x for x, t in points if t.state == "failed"]
    if failed:  # at the lower edge: they have no value
        place = dict(transform=axes.get_xaxis_transform(), clip_on=False, label="failed")
        axes.scatter(failed, np.full(len(failed), 0.02), marker="x", s=22, color=FAILED, linewidths=1, **place)


def plot_importances(shares, *, title: str | None = None):
    """What each hyperparameter explains alone, as shares that sum to 1, with its interval if it has one.

    shares: what `course_lib.sweeps.importances` returns. For several sweeps a bar is the mean, and each sweep is a dot.
    """
    names = list(shares)
    with style():
        figure, axes = new_figure(figsize=(6.4, 1.0 + 0.34 * len(names)))
        for row, share in enumerate(shares.values()):
            axes.barh(row, share.value, height=0.62, color="#a9c4dc")
            if math.isfinite(share.low):
                axes.plot([share.low, share.high], [row, row], color="#22303f", linewidth=1.6, solid_capstyle="butt")
            if len(shares.seeds) > 1:
                for k, (value, seed) in enumerate(zip(share.each, shares.seeds, strict=True)):
                    label = f"seed {seed}" if row == 0 else None
                    axes.plot(value, row, "o", color=COLOURS[k % len(COLOURS)], markersize=4.5, zorder=4, label=label)
        axes.set_yticks(range(len(names)), [words(n) for n in names])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlim(0, None)
        method = "fANOVA" if shares.method == "fanova" else "PED-ANOVA"
        what = "final value" if shares.at is None else f"report {shares.at}"
        interval = ", line: 95 % interval" if shares.draws else ""
        axes.set(xlabel=f"effect on the {what}, shares of all ({method}{interval})", title=title or "")
        if len(shares.seeds) > 1:
            axes.legend(loc="lower right")
    return figure


def plot_parallel(sweep, *, title: str | None = None):
    """One line per trial, through its hyperparameters to its value. Yellow is high, blue is low, grey was pruned."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    trials = [t for t in sweep.trials if t.state in ("complete", "pruned") and len(t.params) == len(sweep.space)]
    trials = [t for t in trials if math.isfinite(t.last)]
    if not trials:
        raise ArgumentError(f"sweep {sweep.name!r} has no trial with a value yet")
    names = list(sweep.space)
    low, high = min(t.last for t in trials), max(t.last for t in trials)
    scale = (high - low) or 1.0
    with style():
        figure, axes = new_figure(figsize=(max(6.4, 1.25 * (len(names) + 1)), 3.4))
        for t in sorted(trials, key=lambda t: (t.state == "complete", t.last)):
            share = (t.last - low) / scale
            y = [*(sweep.space[n].position(t.params[n]) for n in names), share]
            whole = t.state == "complete"
            line = _smooth(np.array(y))
            colour = colormaps["cividis"](share) if whole else GREY
            axes.add_collection(LineCollection([line], colors=[colour], linewidths=1.6 if whole else 0.6, alpha=0.85))
        for k, name in enumerate(names):
            _axis(axes, k, words(name), _ticks(sweep.space[name]))
        last = [(p, _short(low + p * scale)) for p in (0, 0.25, 0.5, 0.75, 1)]
        _axis(axes, len(names), value_label(sweep), last)
        axes.set(xlim=(-0.3, len(names) + 0.45), ylim=(-0.06, 1.06), title=title or "")
        axes.grid(visible=False)
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        labels = [_broken(words(n)) for n in names] + [_broken(value_label(sweep))]
        axes.set_xticks(range(len(labels)), labels)
        axes.tick_params(axis="x", length=0)
    return figure


def _smooth(y: np.ndarray, count: int = 16) -> np.ndarray:
    """Points of a curve through (k, y[k]) that is level at each k: crossings there can be followed."""
    t = np.linspace(0, 1, count)
    s = t * t * (3 - 2 * t)
    x = np.concatenate([k + t for k in range(len(y) - 1)])
    return np.stack([x, np.concatenate([a + s * (b - a) for a, b in zip(y, y[1:], strict=False)])], axis=1)


def _axis(axes, at: int, name: str, ticks: list[tuple[float, str]]) -> None:
    axes.plot([at, at], [0, 1], color="#4a525c", linewidth=1, zorder=3)
    for position, text in ticks:
        axes.plot([at, at + 0.03], [position, position], color="#4a525c", linewidth=1, zorder=3)
        axes.text(
            at + 0.05, position, text, fontsize=7.5, va="center", color="#22303f", zorder=4,
            bbox=dict(boxstyle="round,pad=0.1", facecolor="white", edgecolor="none", alpha=0.75),
        )  # fmt: skip


def _ticks(found) -> list[tuple[float, str]]:
    """(position in [0, 1], text) along a dimension."""
    if found.kind == "choice":
        return [(found.position(c), str(c)) for c in found.choices]
    low, high = found.low, found.high
    if low == high:
        return [(0.5, _short(low))]
    middle = math.sqrt(low * high) if found.log else (low + high) / 2
    middle = round(middle) if found.kind == "integer" else middle
    return [(found.position(v), _short(v)) for v in dict.fromkeys((low, middle, high))]


def _short(value: float) -> str:
    if 0 < abs(value) < 1e-3:
        return f"{value:.2e}".replace(".00e", "e").replace("0e", "e").replace("e-0", "e-")
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _broken(text: str) -> str:
    """On two lines where it is long."""
    if len(text) < 14 or " " not in text:
        return text
    cut = min((i for i, c in enumerate(text) if c == " "), key=lambda i: abs(i - len(text) / 2))
    return f"{text[:cut]}\n{text[cut + 1 :]}"


def plot_slices(sweeps, *, title: str | None = None):
    """The value against each hyperparameter, with one panel for each."""
    sweeps = _several(sweeps)
    space = sweeps[0].space
    columns = min(len(space), 4)
    rows = -(-len(space) // columns)
    with style():
        size = (max(1.75 * columns, 4.2), 2.1 * rows + 0.4)
        figure, grid = new_figure(rows, columns, figsize=size, sharey=True, squeeze=False)
        for k, (name, found) in enumerate(space.items()):
            axes = grid.flat[k]
            for s, sweep in enumerate(sweeps):
                points = [(_place(found, t.params[name], t.number), t) for t in sweep.trials if name in t.params]
                _dots(axes, points, COLOURS[s % len(COLOURS)], _label(sweep, len(sweeps) > 1))
            if found.kind == "choice":
                axes.set_xticks(range(len(found.choices)), [str(c) for c in found.choices])
                axes.set_xlim(-0.5, len(found.choices) - 0.5)
            elif found.log:
                axes.set_xscale("log")
                _few_ticks(axes, found)
            axes.set_xlabel(words(name))
        for axes in grid.flat[len(space) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_ylabel(_broken(value_label(sweeps[0])))
        figure.legend(*_handles(grid.flat), loc="outside lower center", ncols=4)
        if title:
            figure.suptitle(title, fontsize=10.5)
    return figure


def _handles(panels) -> tuple[list, list]:
    """Handles and labels of a legend over all `panels`, each label once."""
    pairs = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    found = {label: handle for handle, label in reversed(pairs)}
    order = list(dict.fromkeys(label for _, label in pairs))
    return [found[label] for label in order], order


def _few_ticks(axes, found) -> None:
    """Ends and middle of a logarithmic range of up to two decades; powers of ten for others."""
    from matplotlib.ticker import NullFormatter, NullLocator

    axes.xaxis.set_minor_formatter(NullFormatter())
    if found.high / found.low <= 101:
        middle = np.sqrt(found.low * found.high)
        # "3e-5" has room where "3.16e-5" has not
        at = [found.low, round(middle) if found.kind == "integer" else float(f"{middle:.1g}"), found.high]
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(at, [_short(v) for v in at])


def _place(found, value, number: int) -> float:
    """x of a trial: a choice's index, with a shift of its own so that dots do not hide each other."""
    if found.kind != "choice":
        return value
    return found.position(value) * (len(found.choices) - 1) + 0.3 * ((number * 0.618) % 1 - 0.5)


# --- live ---------------------------------------------------------------------------------------


class LiveHistory(LivePlot):
    """`plot_history` under the running cell, redrawn as trials come in. Drawing takes a small share of the time."""

    def on_trial(self, sweep, last: bool = False) -> None:
        """Draw again, unless that was done just now."""
        import time

        from IPython.display import Image

        began = time.perf_counter()
        if began < self._next and not last:
            return
        out = io.BytesIO()
        plot_history(sweep).savefig(out, format="png", dpi=100)
        told = f"values of {len(sweep.trials)} trials of sweep {sweep.name} and the best so far"
        self._put(Image(data=out.getvalue(), format="png", width=620, alt=told))
        now = time.perf_counter()
        self._next = now + max(2.0, 20 * (now - began))

    def on_end(self, sweep) -> None:
        """The last picture."""
        if sweep.trials:
            self.on_trial(sweep, last=True)


def live_histories() -> list[LiveHistory]:
    """Callbacks of a sweep that draw its trials under the cell. None outside a notebook, where the bar is enough."""
    return [LiveHistory()] if in_notebook() else []
