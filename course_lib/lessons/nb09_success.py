"""Figures of notebook 09: shares of success on the tabletop tasks, at the end and during training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import spread, spread_name
from course_lib.viz.style import COLOURS, new_figure, style

DARK = "#22303f"


def _tasks(rows: Sequence[Mapping]) -> list[str]:
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    if not tasks:
        raise ArgumentError("rows is empty; it must hold one entry for each task, method and seed")
    return tasks


def means(rows: Sequence[Mapping], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Task -> method -> mean success of the seeds, of those methods that have runs of the task."""
    found = {
        task: {m: [r["success"] for r in rows if (r["task"], r["method"]) == (task, m)] for m in methods}
        for task in _tasks(rows)
    }
    return {t: {m: float(np.mean(v)) for m, v in row.items() if v} for t, row in found.items()}


def most_different(rows: Sequence[Mapping], methods: Sequence[str]) -> str:
    """The task, such as "Push", in which the best and the worst of the methods are farthest apart, by their means."""
    gaps = {task: max(row.values()) - min(row.values()) for task, row in means(rows, methods).items()}
    return max(gaps, key=gaps.get).split("-")[0]


def steps_until(rows: Sequence[Mapping], task: str, method: str, share: float = 0.8) -> float:
    """Environment steps after which the success without noise first reached `share`: median of seeds, inf for never."""
    reached = []
    for curve in (r["curve"] for r in rows if (r["task"], r["method"]) == (task, method)):
        late = np.flatnonzero(np.asarray(curve["success"]) >= share)
        reached.append(curve["env_steps"][late[0]] if len(late) else np.inf)
    return float(np.median(reached)) if reached else np.inf


def success_figure(rows: Sequence[Mapping], methods: Mapping[str, str], panels: str | None = None, units: str = "{}"):
    """Shares of success by task and method: bars are means, lines 95 % bootstrap intervals or ranges, dots seeds.

    Args:
        rows: entries with "task", "method", "seed" and "success".
        methods: those to draw, name -> label.
        panels: a key of the rows; a panel for each of its values, titled by `units`.
    """
    tasks = _tasks(rows)
    values = list(dict.fromkeys(r[panels] for r in rows)) if panels else [None]
    width, counts = 0.8 / len(methods), []
    with style():
        figure, lines = new_figure(len(values), 1, figsize=(7.8, 0.6 + 2.0 * len(values)), squeeze=False, sharex=True)
        for axes, value in zip(lines[:, 0], values, strict=True):
            for k, (method, label) in enumerate(methods.items()):
                for i, task in enumerate(tasks):
                    found = np.array([
                        r["success"] for r in rows
                        if (r["task"], r["method"]) == (task, method) and (panels is None or r[panels] == value)
                    ])  # fmt: skip
                    if not len(found):
                        continue
                    at = i - 0.4 + (k + 0.5) * width
                    colour = COLOURS[k % len(COLOURS)]
                    axes.bar(at, found.mean(), 0.92 * width, color=colour, alpha=0.75, label=label if i == 0 else None)
                    counts.append(len(found))
                    if len(found) > 1:
                        axes.plot([at, at], spread(found, np.mean), color=DARK, linewidth=1.6)
                    axes.plot(np.full(len(found), at), found, "o", color=DARK, markersize=2.4)
            axes.set(ylim=(0, 1.08), ylabel="share of success")
            axes.set_xticks(range(len(tasks)), [t.split("-")[0] for t in tasks])
            axes.grid(axis="x", visible=False)
            if value is not None:
                axes.set_title(units.format(value), fontsize=9.5)
        seeds = len({r["seed"] for r in rows})
        lines[0, 0].legend(fontsize=7.5, ncols=len(methods), loc="lower center", bbox_to_anchor=(0.5, 1.12))
        note = f"means of {seeds} seeds; lines: {spread_name(*counts)}, dots: seeds"
        lines[-1, 0].set_xlabel(note, fontsize=8)
        figure.alt = (
            f"Bars of the share of success, {_told(rows, methods)}{' (all panels together)' if panels else ''}."
        )
    return figure


def learning_figure(rows: Sequence[Mapping], methods: Mapping[str, str]):
    """A panel for each task: share of success without noise during training; medians and ranges of seeds.

    Args:
        rows: entries with "task", "method", "seed" and "curve", a dict with "env_steps" and "success".
        methods: those to draw, name -> label.
    """
    with style():
        figure, panels = _small_panels(_tasks(rows), "million environment steps; line: median of seeds, band: range")
        for axes, label, colour, mine in _by_panel(panels, rows, methods):
            curves = [r["curve"] for r in mine]
            x = np.linspace(0, min(c["env_steps"][-1] for c in curves), 26)[1:]
            y = np.stack([np.interp(x, c["env_steps"], c["success"]) for c in curves])
            axes.plot(x / 1e6, np.median(y, axis=0), color=colour, linewidth=1.6, label=label)
            axes.fill_between(x / 1e6, y.min(0), y.max(0), color=colour, alpha=0.15, linewidth=0)
        _one_legend(figure, panels)
        figure.alt = f"Success without noise over training steps. At the end, {_told(rows, methods)}."
    return figure


def _told(rows: Sequence[Mapping], methods: Mapping[str, str]) -> str:
    """The means in words, for those who cannot see the figure."""
    table = means([{"success": np.nan, **row} for row in rows], list(methods))
    return "; ".join(
        f"{task.split('-')[0]}: " + ", ".join(f"{methods[m]} {value:.0%}" for m, value in row.items())
        for task, row in table.items()
    )


def _small_panels(tasks: Sequence[str], xlabel: str):
    """A row of axes, one for each task -> figure, task -> axes."""
    figure, row = new_figure(1, len(tasks), figsize=(9.4, 2.6), squeeze=False, sharey=True, sharex=True)
    for axes, task in zip(row[0], tasks, strict=True):
        axes.set(title=task.split("-")[0], ylim=(-0.02, 1.04))
    row[0, 0].set_ylabel("share of success")
    figure.supxlabel(xlabel, fontsize=9)
    return figure, dict(zip(tasks, row[0], strict=True))


def _by_panel(panels: Mapping, rows: Sequence[Mapping], methods: Mapping[str, str]) -> Iterator[tuple]:
    """Axes, label, colour and runs of each task and method that has any."""
    for task, axes in panels.items():
        for k, (method, label) in enumerate(methods.items()):
            if mine := [r for r in rows if (r["task"], r["method"]) == (task, method)]:
                yield axes, label, COLOURS[k % len(COLOURS)], mine


def _one_legend(figure, panels: Mapping) -> None:
    """That of the first panel, above all of them."""
    handles, labels = next(iter(panels.values())).get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, ncols=len(labels), loc="outside upper center")
