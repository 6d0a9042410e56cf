"""Figures of notebook 10: returns under a disturbance, profiles, wirings, the table of hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import Summary, iqm, performance_profile, spread, spread_name
from course_lib.lessons.nb10_evidence import conditions_in, robust_share, share
from course_lib.lessons.nb10_hypotheses import FOUND, HYPOTHESES, MATTERS
from course_lib.viz.style import COLOURS, new_figure, style

GREY, DARK = "#7a828c", "#22303f"
NAMES = {
    "mlp": "MLP", "frames": "MLP (4 frames)", "attention": "attention (16)", "gru": "GRU", "ctrnn": "CT-RNN",
    "neural_ode": "neural ODE", "ltc": "LTC", "cfc": "CfC", "synaptic_ltc": "synaptic LTC (NCP)",
}  # fmt: skip
LOOK = {  # one colour, one line, one mark for a policy in all figures
    name: dict(color=colour, linestyle=dash, marker=mark)
    for name, colour, dash, mark in zip(
        NAMES,
        ("#444444", "#7a828c", "#E69F00", "#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#8c564b"),
        ("-", "--", "-.", "-", "--", "-.", "-", "--", ":"),
        "osD^v<>Px",
        strict=True,
    )
}
TASKS = {"pendulum": "pole on a cart", "halfcheetah": "HalfCheetah"}
SEVERAL = {"rate": "control rate (times)", "noise": "noise (times the unit)", "drop": "share of observations lost",
           "delay": "delay (steps)", "mass": "mass (times)", "strength": "strength of the motors (times)",
           "friction": "friction (times)", "push": "push (N)"}  # fmt: skip
NEUTRAL = {
    "rate": 1.0,
    "mass": 1.0,
    "strength": 1.0,
    "friction": 1.0,
    "noise": 0.0,
    "drop": 0.0,
    "delay": 0.0,
    "push": 0.0,
}


def neutral(kind: str, task: str) -> float:
    """The size of a disturbance in training: HalfCheetah learns with one unit of noise."""
    return 1.0 if (kind, task) == ("noise", "halfcheetah") else NEUTRAL[kind]


def doses(rows: Sequence[Mapping], kind: str) -> dict[float, str]:
    """Size of the disturbance -> its condition, of all that begin with `kind`, in order."""
    names = [name for name in rows[0]["disturbed"] if name.split()[0] == kind and "told" not in name]
    if not names:
        raise ArgumentError(f"kind={kind!r} is not accepted; these runs have: {', '.join(_kinds(rows))}")
    return dict(sorted((float(name.split()[1]), name) for name in names))


def _kinds(rows: Sequence[Mapping]) -> list[str]:
    return list(dict.fromkeys(name.split()[0] for name in rows[0]["disturbed"]))


def share_curves(rows: Sequence[Mapping], kind: str, policies: Sequence[str], training: str = "one rate"):
    """Share of the undisturbed return against the size of a disturbance: IQM over seeds, a panel for each task.

    rows: of the result file "robustness". Cells that solve over the length of a step are told it.
    """
    tasks = [t for t in TASKS if any(r["task"] == t and kind in _kinds([r]) for r in rows)]
    with style():
        figure, grid = new_figure(1, len(tasks), figsize=(7.8, 3.3), sharey=True, squeeze=False)
        counts = []
        for axes, task in zip(grid[0], tasks, strict=True):
            for name in policies:
                mine = [r for r in rows if (r["task"], r["policy"], r["training"]) == (task, name, training)]
                if not mine:
                    continue
                found = {neutral(kind, task): np.ones(len(mine))}
                found |= {dose: np.array([share(r, c) for r in mine]) for dose, c in doses(mine, kind).items()}
                at = sorted(found)
                counts.append(len(mine))
                ends = np.array([spread(found[dose], iqm) for dose in at])
                axes.plot(at, [iqm(found[dose]) for dose in at], label=NAMES[name], markersize=4, **LOOK[name])
                axes.fill_between(at, *ends.T, color=LOOK[name]["color"], alpha=0.12, linewidth=0)
            axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=":")
            axes.set(xlabel=SEVERAL[kind], title=TASKS[task])
            if kind in ("rate", "mass", "strength", "friction"):
                _doublings(axes, at)
        grid[0, 0].set_ylabel("share of the\nundisturbed return")
        grid[0, 0].set_ylim(-0.05, 1.35)
        handles = {t.get_label(): t for axes in grid[0] for t in axes.get_lines() if t.get_label()[0] != "_"}
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=5, fontsize=8)
        figure.supxlabel(
            f"IQM over {min(counts)} seeds or more; band: {spread_name(*counts)}", fontsize=8, color="#666e78"
        )
    return figure


def _doublings(axes, at: Sequence[float]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log", base=2)
    axes.set_xticks(at, [f"{x:g}" for x in at])
    axes.xaxis.set_minor_locator(NullLocator())


def profile_figure(
    rows: Sequence[Mapping], policies: Sequence[str], conditions: Sequence[str], training: str = "one rate"
):
    """Share of runs that keep more than x of their return, over all `conditions`: the higher the better."""
    at = np.linspace(0.0, 1.2, 121)
    tasks = [t for t in TASKS if any(r["task"] == t for r in rows)]
    with style():
        figure, grid = new_figure(1, len(tasks), figsize=(7.8, 3.2), sharey=True, squeeze=False)
        for axes, task in zip(grid[0], tasks, strict=True):
            counts = []
            for name in policies:
                mine = [r for r in rows if (r["task"], r["policy"], r["training"]) == (task, name, training)]
                if not mine:
                    continue
                table = np.array([[share(r, c) for r in mine] for c in conditions])
                line, low, high = performance_profile(table, at, same_runs=True)
                counts.append(len(mine))
                look = {k: v for k, v in LOOK[name].items() if k != "marker"}
                axes.plot(at, line, label=NAMES[name], **look)
                axes.fill_between(at, low, high, color=look["color"], alpha=0.12, linewidth=0)
            axes.set(xlabel="share x of the undisturbed return", title=f"{TASKS[task]}, {min(counts)} seeds")
        grid[0, 0].set_ylabel("runs that keep more than x")
        figure.legend(*grid[0, -1].get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8)
    return figure


def return_figure(rows: Sequence[Mapping], policies: Sequence[str], training: str = "one rate"):
    """The undisturbed return of each policy: dots are seeds, the bar is their IQM, the line its interval."""
    tasks = [t for t in TASKS if any(r["task"] == t for r in rows)]
    with style():
        figure, grid = new_figure(1, len(tasks), figsize=(7.8, 0.8 + 0.32 * len(policies)), sharey=True, squeeze=False)
        counts = []
        for axes, task in zip(grid[0], tasks, strict=True):
            for k, name in enumerate(policies):
                values = [
                    r["return"] for r in rows if (r["task"], r["policy"], r["training"]) == (task, name, training)
                ]
                if not values:
                    continue
                counts.append(len(values))
                axes.barh(k, iqm(values), height=0.62, color="#a9c4dc")
                axes.plot(spread(values, iqm), [k, k], color=DARK, linewidth=1.8)
                axes.plot(values, np.full(len(values), k), "o", color=COLOURS[1], markersize=2.8, alpha=0.7)
            axes.set(xlabel="return, actions without noise", title=TASKS[task])
            axes.grid(axis="y", visible=False)
        grid[0, 0].set_yticks(range(len(policies)), [NAMES[p] for p in policies])
        grid[0, 0].invert_yaxis()
        note = f"Bar: IQM over {min(counts)} seeds or more, line: {spread_name(*counts)}, dots: seeds"
        figure.supxlabel(note, fontsize=8, color="#666e78")
    return figure


# --- wirings ----------------------------------------------------------------------------------------


def grid_table(
    rows: Sequence[Mapping], what: Callable, chosen: str, over: Callable = iqm
) -> tuple[np.ndarray, tuple, tuple]:
    """Interquartile means of what(row) over rank × density, NaN where there is no run; the ranks, the densities.

    chosen: name of the policy with a quarter of the rank and half of the weights. over: another statistic of the runs.
    """
    ranks, densities = ("1", "1/4", "full"), ("0.25", "0.5", "1")
    named = {("full", "1"): "full", ("1/4", "0.5"): chosen}
    table = np.full((len(ranks), len(densities)), np.nan)
    for i, rank in enumerate(ranks):
        for j, density in enumerate(densities):
            name = named.get((rank, density), f"rank {rank}, density {density}")
            values = [what(r) for r in rows if r["policy"] == name]
            if values:
                table[i, j] = over(values)
    return table, ranks, densities


def grid_figure(rows: Sequence[Mapping], cell: str, conditions: Sequence[str], chosen: str, task: str = "pendulum"):
    """Rank × density as heat-maps: the undisturbed return, and the share that is kept over the `conditions`."""
    mine = [r for r in rows if (r["task"], r["cell"]) == (task, cell)]
    shifts, said = conditions_in(mine, conditions), []
    seeds, _, _ = grid_table(mine, lambda r: r["seed"], chosen, over=len)
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.6, 3.1))
        for axes, title, what, layout in (
            (left, "return", lambda r: r["return"], "{:,.0f}"),
            (right, "share kept", lambda r: robust_share(r, shifts), "{:.2f}"),
        ):
            table, ranks, densities = grid_table(mine, what, chosen)
            rows_said = (
                f"rank {n}: " + ", ".join(map(layout.format, line)) for n, line in zip(ranks, table, strict=True)
            )
            said.append(f"{title}, densities {', '.join(densities)}. " + "; ".join(rows_said))
            picture = axes.imshow(table, cmap="viridis", aspect="auto")
            middle = np.nanmean([np.nanmin(table), np.nanmax(table)])
            for (i, j), value in np.ndenumerate(table):
                ink = "white" if value < middle else DARK
                words = f"{layout.format(value)}\nn={seeds[i, j]:.0f}"
                axes.text(j, i, words, ha="center", va="center", color=ink, fontsize=9)
            axes.set_xticks(range(len(densities)), densities)
            axes.set_yticks(range(len(ranks)), ranks)
            axes.set(xlabel="density of the recurrent weights", ylabel="rank", title=f"{title} ({NAMES[cell]})")
            axes.grid(False)
            figure.colorbar(picture, ax=axes, pad=0.02)
        figure.supxlabel("IQM over n seeds", fontsize=8, color="#666e78")
    figure.alt = f"Two maps of rank over density, {NAMES[cell]}. " + ". ".join(said)
    return figure


def lost_figure(rows: Sequence[Mapping], cell: str, policies: Sequence[str], task: str = "pendulum"):
    """Share of the return against the number of neurons held at their mean."""
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.0))
        counts = []
        for k, name in enumerate(policies):
            mine = [r for r in rows if (r["task"], r["cell"], r["policy"]) == (task, cell, name)]
            if not mine:
                continue
            found = {0.0: np.ones(len(mine))}
            found |= {dose: np.array([share(r, c) for r in mine]) for dose, c in doses(mine, "lost").items()}
            at = sorted(found)
            counts.append(len(mine))
            ends = np.array([spread(found[dose], iqm) for dose in at])
            axes.plot(at, [iqm(found[dose]) for dose in at], marker="os^D"[k % 4], color=COLOURS[k], label=name)
            axes.fill_between(at, *ends.T, color=COLOURS[k], alpha=0.14, linewidth=0)
        axes.set(xlabel="neurons held at their mean", ylabel="share of the\nundisturbed return", ylim=(-0.05, 1.15))
        axes.set_xticks(at, [f"{x:g}" for x in at])
        axes.legend(fontsize=8.5)
        note = f"IQM over {min(counts)} seeds or more, band: {spread_name(*counts)}"
        axes.set_title(note, loc="right", fontsize=8, color="#666e78")
    return figure


# --- hypotheses -------------------------------------------------------------------------------------

COLOUR_OF = {"held": "#009E73", "did not hold": "#D55E00", "cannot be told": GREY}


def verdict_figure(decided: Sequence[Mapping], before: Sequence[Mapping] = ()):
    """The difference behind each verdict, its interval, and what would matter; see `nb10_evidence.decide_all`.

    before: what the first study said to these, thin above each; no interval for those found there by their size.
    """
    with style():
        figure, axes = new_figure(figsize=(7.6, 0.9 + 0.36 * len(decided)))
        for k, one in enumerate(decided):
            difference: Summary = one["difference"]
            colour = COLOUR_OF[one["verdict"]]
            axes.plot([difference.low, difference.high], [k, k], color=colour, linewidth=2.4, solid_capstyle="butt")
            axes.plot(difference.value, k, "o", color=colour, markersize=6)
            axes.annotate(one["verdict"], (1.01, k), xycoords=("axes fraction", "data"), va="center", color=colour)
        rows, picked = {one["key"]: k for k, one in enumerate(decided)}, {h.key for h in FOUND}
        for one, k in ((one, rows[one["key"]] - 0.27) for one in before if one["key"] in rows):
            if one["key"] not in picked:
                axes.plot([one["difference"].low, one["difference"].high], [k, k], color=GREY, linewidth=1.4)
            axes.plot(one["difference"].value, k, "o", color=GREY, markerfacecolor="white", markersize=5)
        axes.axvline(0.0, color=DARK, linewidth=0.9)
        axes.axvline(MATTERS, color=GREY, linewidth=0.9, linestyle=":")
        axes.set_yticks(range(len(decided)), [f"{one['key']} (n={one['runs']})" for one in decided])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        thin = "; thin: first study" if before else ""
        axes.set(xlabel=f"difference in the share kept; dotted: {MATTERS:g}, the least that matters{thin}")
    said = (f"{one['key']}: {one['difference']}, {one['runs']} seeds, {one['verdict']}" for one in decided)
    figure.alt = "Difference in the share kept, with its interval or range. " + "; ".join(said)
    if before:
        found = [(k, f"{d.value:.2f}" if k in picked else d) for k, d in ((o["key"], o["difference"]) for o in before)]
        figure.alt += ". In the first study: " + "; ".join(f"{key}: {text}" for key, text in found if key in rows)
    return figure


def verdict_table(decided: Sequence[Mapping]) -> str:
    """The same as text: key, verdict, difference with its interval or range, claim, who was compared where.

    Last stands what decides nothing: the difference without the runs that failed, and how many these are.
    """
    claims = {h.key: h.claim for h in (*HYPOTHESES, *FOUND)}
    lines = []
    for one in decided:
        seeds = f"{one['runs']} seed" + "s" * (one["runs"] != 1)
        lines.append(f"{one['key']}  {one['verdict']:<15} {one['difference']}, {seeds}")
        lines += [f"    {claims[one['key']]}", f"    {_compared(one['sides'])}"]
        if one["run_by_run"] is not None:
            lines += [f"    run by run: {one['run_by_run']}"]
        if one["learned_only"] is not None:
            lines += [f"    counting only runs that learned: {one['learned_only']}"]
        if failed := [f"{NAMES.get(n, n)} {k} of {of}" for n, (k, of) in one["failed"].items() if k]:
            lines += [f"    runs that did not learn: {', '.join(failed)}"]
    return "\n".join(lines)


def _compared(sides: Mapping[tuple, Sequence[Sequence[str]]]) -> str:
    """ "pole on a cart: LTC, CfC against GRU; HalfCheetah: …"; before the task stands the cell, where there is one."""
    parts = []
    for (task, cell), groups in sides.items():
        place = ", ".join((NAMES | TASKS)[name] for name in (cell, task) if name)
        parts.append(f"{place}: " + " against ".join(", ".join(NAMES.get(n, n) for n in group) for group in groups))
    return "; ".join(parts)
