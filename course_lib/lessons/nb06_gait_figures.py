"""Pictures of a gait: which foot stands when, torques and power, parts of the reward, commands, pushes, comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import spread
from course_lib.lessons.nb06_gait import GRAVITY, Gait, smooth
from course_lib.viz.style import COLOURS, DASHES, NEGATIVE, POSITIVE, new_figure, style

GREY, DARK = "#7a828c", "#22303f"
UNITS = {
    "speed_m_s": "speed (m/s)",
    "tracking_error_m_s": "tracking error (m/s)",
    "turning_error_rad_s": "turning error (rad/s)",
    "cost_of_transport": "cost of transport",
    "power_W": "power (W)",
    "torque_rms_N_m": "torque, rms (N m)",
    "torque_peak_N_m": "torque, peak (N m)",
    "action_change": "change of the\naction a step",
    "tilt_degrees": "tilt (degrees)",
    "highest_lift_m": "highest lift (m)",
    "lowest_lift_m": "lowest lift (m)",
    "duty_factor": "duty factor",
    "stride_frequency_Hz": "strides a second (Hz)",
    "seconds": "until the fall (s)",
}


def _window(gait: Gait, start: float, seconds: float | None) -> slice:
    """The steps from `start` s on, for `seconds` s; to the end by default."""
    first = int(round(start / gait.dt))
    last = len(gait) if seconds is None else min(len(gait), first + int(round(seconds / gait.dt)))
    if not 0 <= first < last:
        raise ArgumentError(f"start={start!r} s leaves nothing of a gait of {len(gait) * gait.dt:.2f} s")
    return slice(first, last)


def gait_figure(gait: Gait, start: float = 0.0, seconds: float | None = 2.0):
    """Foot-contact diagram: a bar for as long as a foot stands; below, how hard the ground presses on all of them."""
    part = _window(gait, start, seconds)
    time, contacts = gait.time[part], gait.contacts[part]
    with style():
        figure, (bars, press) = new_figure(2, 1, figsize=(7.6, 3.6), sharex=True, height_ratios=(1.5, 1))
        for row in range(len(gait.feet)):
            edges = np.flatnonzero(np.diff(np.pad(contacts[:, row].astype(int), 1)))
            spans = [(time[a], (b - a) * gait.dt) for a, b in edges.reshape(-1, 2)]
            bars.broken_barh(spans, (row - 0.36, 0.72), color=COLOURS[row % len(COLOURS)])
        labels = [f"{name}  {share:.0%}" for name, share in zip(gait.feet, gait.duty_factor, strict=True)]
        bars.set_yticks(range(len(labels)), labels)
        bars.invert_yaxis()
        bars.grid(axis="y", visible=False)
        strides = f"{gait.stride_frequency:.1f} strides a second" if np.isfinite(gait.stride_frequency) else "no stride"
        bars.set(ylabel="foot, duty factor", title=f"{strides}, {gait.speed:.2f} m/s")
        weight = gait.mass * GRAVITY
        press.fill_between(time, gait.forces[part].sum(axis=1), color=COLOURS[6], alpha=0.45, step="post", linewidth=0)
        press.axhline(weight, color=COLOURS[1], linestyle="--", linewidth=1.2, label=f"weight, {weight:.0f} N")
        press.set(xlabel="time (s)", ylabel="ground on\nall feet (N)")
        press.set_ylim(top=1.25 * press.get_ylim()[1])  # room for the legend
        press.set_xlim(time[0], time[-1] + gait.dt)
        press.legend(loc="upper right", fontsize=8)
    return figure


def _groups(gait: Gait) -> dict[str, list[int]]:
    """Joints by what follows the last "_" of their names: {"HAA": [0, 3, 6, 9], …}."""
    groups: dict[str, list[int]] = {}
    for j, name in enumerate(gait.joints):
        groups.setdefault(name.rpartition("_")[2], []).append(j)
    return groups


def torque_figure(gait: Gait, start: float = 0.0, seconds: float | None = 1.5):
    """Torques (above) and mechanical power (below) of each kind of joint over time; below zero a motor brakes."""
    part, groups = _window(gait, start, seconds), _groups(gait)
    with style():
        figure, grid = new_figure(
            2, len(groups), figsize=(1.4 + 2.2 * len(groups), 4.0), sharex=True, sharey="row", squeeze=False
        )
        for column, (kind, joints) in enumerate(groups.items()):
            for k, j in enumerate(joints):
                look = dict(color=COLOURS[k % len(COLOURS)], linestyle=DASHES[k % len(DASHES)], linewidth=1.2)
                name = gait.joints[j].rpartition("_")[0] or gait.joints[j]
                grid[0, column].plot(gait.time[part], gait.torques[part, j], label=name, **look)
                grid[1, column].plot(gait.time[part], gait.power[part, j], **look)
            limit = gait.limits[joints[0]]
            for side in (-limit, limit) if np.isfinite(limit) else ():
                grid[0, column].axhline(side, color=GREY, linestyle=":", linewidth=1.2)
            grid[1, column].axhline(0, color=GREY, linewidth=0.8)
            grid[0, column].set_title(kind)
            grid[1, column].set_xlabel("time (s)")
        grid[0, 0].set_ylabel("torque (N m),\n" + "dotted: the limit" * bool(np.isfinite(gait.limits).any()))
        grid[1, 0].set_ylabel("power (W)")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure


def joint_figure(gaits: Mapping[str, Gait]):
    """Each joint's torque (root mean square, a dash at the peak) and the work it does, one colour a gait."""
    gaits = _named(gaits)
    first = next(iter(gaits.values()))
    at, wide = np.arange(len(first.joints)), 0.8 / len(gaits)
    with style():
        figure, (left, right) = new_figure(2, 1, figsize=(7.6, 4.2), sharex=True)
        for k, (name, gait) in enumerate(gaits.items()):
            place, colour = at + wide * (k - (len(gaits) - 1) / 2), COLOURS[k % len(COLOURS)]
            left.bar(place, np.sqrt(np.square(gait.torques).mean(axis=0)), wide * 0.92, color=colour, label=name)
            left.plot(place, gait.peaks.max(axis=0), "_", color=DARK, markersize=7)
            label = f"{name}: {gait.work.sum(axis=1).mean():,.0f} W, cost of transport {gait.cost_of_transport():.2f}"
            right.bar(place, gait.work.mean(axis=0), wide * 0.92, color=colour, label=label)
        left.set(ylabel="torque (N m),\nrms; dash: peak")
        right.set(xlabel="joint", ylabel="power, positive part (W)")
        right.set_xticks(at, first.joints, rotation=60, fontsize=8)
        for axes in (left, right):
            axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
        left.legend(loc="upper left", ncols=len(gaits), fontsize=8)
        right.legend(loc="upper left", fontsize=8)
    return figure


def terms_figure(gait: Gait, seconds: float | None = None, start: float = 0.0, most: int = 5):
    """The parts of the reward, one row each with a scale of its own, the largest first; in the title their sums.

    most: rows; all smaller parts are added up in one more.
    """
    part = _window(gait, start, seconds)
    if not gait.terms:
        raise ArgumentError(f"{gait.env_id} does not itemise its reward; accepted: a task of this course")
    idle = [name for name, values in gait.terms.items() if not values[part].any()]
    order = sorted(set(gait.terms) - set(idle), key=lambda name: (-abs(gait.terms[name][part].sum()), name))
    shown = {"all": sum(gait.terms.values()), **{name: gait.terms[name] for name in order[:most]}}
    if rest := order[most:]:
        shown[f"{len(rest)} others"] = sum(gait.terms[name] for name in rest)
    with style():
        figure, rows = new_figure(len(shown), 1, figsize=(7.2, 0.6 + 0.66 * len(shown)), sharex=True)
        for axes, (name, values) in zip(rows, shown.items(), strict=True):
            values = values[part]
            colour = DARK if name == "all" else NEGATIVE if values.sum() < 0 else POSITIVE
            axes.plot(gait.time[part], values, color=colour, linewidth=0.9)
            axes.axhline(0, color=GREY, linewidth=0.6)
            axes.text(
                1.01, 0.5, f"{name}\n{values.sum():+,.4g}", transform=axes.transAxes, va="center", fontsize=9,
                color=colour,
            )  # fmt: skip
            axes.tick_params(labelsize=9)
            axes.locator_params(axis="y", nbins=2)
        rows[-1].set_xlabel("time (s)" + f"; zero throughout: {', '.join(idle)}" * bool(idle))
        figure.supylabel("reward of a control step; right: its sum", fontsize=9)
        figure.alt = "Reward of each control step over time, one row a part: " + ", ".join(
            f"{name} sums to {values[part].sum():+.3g}" for name, values in shown.items()
        )
    return figure


def tracking_figure(gaits: Gait | Mapping[str, Gait], window: float = 0.5):
    """What was commanded (black) and what came: thin as it was, thick averaged over `window` s."""
    gaits = _named(gaits)
    if any(gait.commands is None for gait in gaits.values()):
        raise ArgumentError("gaits without commands cannot be drawn; accepted: gaits of a task such as AnymalC-v0")
    labels = ("forward (m/s)", "left (m/s)", "turning (rad/s)")
    with style():
        figure, rows = new_figure(3, 1, figsize=(7.6, 4.6), sharex=True)
        for k, (name, gait) in enumerate(gaits.items()):
            slow = smooth(gait.velocity, gait.dt, window)
            label = f"{name}: error {gait.tracking_error(window=window):.2f} m/s"
            for i, axes in enumerate(rows):
                axes.plot(gait.time, gait.velocity[:, i], color=COLOURS[k], linewidth=0.5, alpha=0.4)
                axes.plot(gait.time, slow[:, i], DASHES[k], color=COLOURS[k], label=label)
        for i, axes in enumerate(rows):
            for gait in gaits.values():  # drawn for each: an episode may end early, or have commands of its own
                axes.plot(gait.time, gait.commands[:, i], color=DARK, linewidth=1.4, drawstyle="steps-post", zorder=1)
            axes.set_ylabel(labels[i], fontsize=8.5)
            reach = np.concatenate([[*g.commands[:, i], *smooth(g.velocity, g.dt, 0.2)[:, i]] for g in gaits.values()])
            axes.set_ylim(reach.min() - 0.15, reach.max() + 0.15)
        rows[0].set_ylim(top=rows[0].get_ylim()[1] + 0.35)  # room for the legend
        rows[0].legend(loc="upper right", fontsize=8, ncols=2)
        rows[-1].set_xlabel("time (s)")
    return figure


def push_figure(gaits: Gait | Mapping[str, Gait], before: float = 0.5, after: float = 2.0):
    """How the base answers the first push: sideways speed, height, tilt; grey: while it lasts, a cross: a fall."""
    gaits = _named(gaits)
    with style():
        figure, rows = new_figure(3, 1, figsize=(7.6, 4.4), sharex=True)
        for k, (name, gait) in enumerate(gaits.items()):
            pushed = np.flatnonzero(np.abs(gait.pushes).max(axis=1) > 0)
            if not len(pushed):
                raise ArgumentError(
                    f"gaits[{name!r}] was not pushed; accepted: record_gait(…, push_force=…, push_at=…)"
                )
            begin = pushed[0]
            lasts = next((i for i, p in enumerate(gait.pushes[begin:]) if not p.any()), len(gait) - begin)
            part = slice(max(begin - round(before / gait.dt), 0), begin + round(after / gait.dt))
            time = (np.arange(len(gait))[part] - begin) * gait.dt
            force = gait.pushes[begin]
            size = f"{np.linalg.norm(force):.0f} N for {lasts * gait.dt:.1f} s"
            along = smooth(gait.qvel[:, :3], gait.dt, 3 * gait.dt) @ (force / np.linalg.norm(force))
            for axes, values in zip(rows, (along, gait.qpos[:, 2], gait.tilt), strict=True):
                axes.plot(time, values[part], DASHES[k], color=COLOURS[k], label=f"{name}: {size}")
                if gait.fell and part.stop >= len(gait):
                    axes.plot(time[-1], values[part][-1], "x", color=COLOURS[k], markersize=8, markeredgewidth=2)
        for axes, label in zip(rows, ("speed along the\npush (m/s)", "height (m)", "tilt (degrees)"), strict=True):
            axes.axvspan(0, lasts * gait.dt, color=GREY, alpha=0.25, linewidth=0)
            axes.set_ylabel(label, fontsize=8.5)
        figure.legend(*rows[0].get_legend_handles_labels(), loc="outside upper center", fontsize=8, ncols=3)
        rows[-1].set_xlabel("time after the push begins (s)")
    return figure


def _named(gaits: Gait | Mapping[str, Gait]) -> dict[str, Gait]:
    named = {"": gaits} if isinstance(gaits, Gait) else dict(gaits)
    if not named:
        raise ArgumentError("gaits={} is not accepted; it must hold at least one recorded gait")
    return {name or gait.env_id: gait for name, gait in named.items()}


# --- comparisons ----------------------------------------------------------------------------------


def dose_figure(answers: Mapping[str, Mapping[float, Sequence[float]]], xlabel: str, ylabel: str, mark=None):
    """How an outcome changes with a dose: a line a policy, its 95 % bootstrap interval (range) over episodes or seeds.

    Args:
        answers: label -> {dose: values}. mark: a dose to draw a vertical line at, e.g. the one trained with.
    """
    if not answers or not all(answers.values()):
        raise ArgumentError("answers must be a dict label -> {dose: values}, with at least one dose each")
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.2))
        for k, (label, found) in enumerate(answers.items()):
            doses = sorted(found)
            middle = [np.mean(found[d]) for d in doses]
            ends = np.array([spread(found[d], np.mean) for d in doses])
            axes.plot(doses, middle, marker="os^D"[k % 4], color=COLOURS[k], linestyle=DASHES[k], label=label)
            axes.fill_between(doses, *ends.T, color=COLOURS[k], alpha=0.16, linewidth=0)
        if mark is not None:
            axes.axvline(mark, color=GREY, linestyle=":", linewidth=1.4, label="in training")
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend(fontsize=8.5)
    return figure


def dropped_figure(rows: Sequence[Mapping], measures: Sequence[str], baseline: str):
    """What breaks when a part of the reward is dropped: a row a setting, a column a measure, dots are seeds.

    Args:
        rows: result rows, each with "setting" and "measures" (as `Gait.measures` gives them).
        baseline: the setting with every part, drawn first and as a line down each column.
    """
    settings = list(dict.fromkeys(row["setting"] for row in rows))
    if baseline not in settings:
        raise ArgumentError(
            f"baseline={baseline!r} is in none of the rows; they have: {', '.join(settings) or 'nothing'}"
        )
    settings.sort(key=lambda s: s != baseline)
    with style():
        size = (1.9 + 1.75 * len(measures), 0.9 + 0.3 * len(settings))
        figure, columns = new_figure(1, len(measures), figsize=size, sharey=True, squeeze=False)
        for axes, measure in zip(columns[0], measures, strict=True):
            for k, setting in enumerate(settings):
                values = [row["measures"][measure] for row in rows if row["setting"] == setting]
                values = np.array([np.nan if v is None else v for v in values], float)
                colour = COLOURS[0] if setting == baseline else COLOURS[1]
                axes.plot(values, np.full(len(values), k), "o", color=colour, markersize=4, alpha=0.65)
                middle = np.nanmedian(values) if np.isfinite(values).any() else np.nan
                axes.plot([middle] * 2, [k - 0.3, k + 0.3], color=colour, linewidth=2.4)
                if setting == baseline:
                    axes.axvline(middle, color=COLOURS[0], linewidth=0.8, linestyle=":")
            axes.set_xlabel(UNITS.get(measure, measure).replace(" (", "\n("), fontsize=8)
            axes.tick_params(labelsize=7.5)
            axes.locator_params(axis="x", nbins=4)
        columns[0, 0].set_yticks(range(len(settings)), settings, fontsize=8.5)
        columns[0, 0].invert_yaxis()
    return figure
