"""Static pictures of hidden states, for notebook 07, for GitHub and for print. All return the `Figure`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.states.dashboard import INK, mark_pushes, name_lines, zero_line
from course_lib.viz.states.fixed_points import FixedPoints
from course_lib.viz.states.phase import check_step, default_planes, phase_map, response_maps
from course_lib.viz.states.states import Components, Record, correlations, pca
from course_lib.viz.style import COLOURS, DASHES, SIGNED, new_figure, style


def episode_figure(record: Record, signals: Sequence[int] | None = None):
    """An episode from above to below: what was seen, what was remembered, how fast, what was done.

    `signals`: observations to draw, scaled to their largest value; all of them (at most 7) by default.
    """
    signals = range(min(len(record.names), len(COLOURS))) if signals is None else signals
    constants = record.time_constants is not None
    with style():
        figure, axes = new_figure(3 + constants, 1, figsize=(7.6, 5.0 + 1.3 * constants), sharex=True)
        for k, i in enumerate(signals):
            size = max(abs(record.observations[:, i]).max(), 1e-9)
            label = f"{record.names[i]}, largest {size:.2g}"
            axes[0].plot(record.observations[:, i] / size, DASHES[k % len(DASHES)], label=label, linewidth=1.3)
        axes[0].set(ylabel="share of\nthe largest", title="what it sees")
        axes[0].set_ylim(-1.1, 1.1 + 0.55 * -(-len(signals) // 2))
        axes[0].legend(loc="upper right", fontsize=7.5, ncols=2)
        heat_map(figure, axes[1], record)
        if constants:
            for neuron in range(record.neurons):
                dash, colour = DASHES[neuron // len(COLOURS) % len(DASHES)], COLOURS[neuron % len(COLOURS)]
                axes[2].plot(record.time_constants[:, neuron], dash, color=colour, linewidth=1.2)
            if record.neurons <= 10:
                name_lines(axes[2], record.time_constants[-1], len(record) - 1)
            axes[2].set(ylabel="control steps", title="effective time constants 1/(1/τ + f)")
        for k, name in enumerate(record.action_names):
            axes[-1].plot(record.actions[:, k], DASHES[k % len(DASHES)], label=name, linewidth=1.3)
        axes[-1].set(ylabel="action", title="what it does", xlabel=f"control step ({record.dt:g} s each)")
        mark_pushes(axes[-1], record)
        axes[-1].legend(loc="upper right", fontsize=7.5, ncols=3)
    return figure


def heat_map(figure, axes, record: Record) -> None:
    """The hidden state over time, a row a neuron."""
    size = float(np.abs(record.states).max()) or 1.0
    picture = axes.imshow(record.states.T, aspect="auto", cmap=SIGNED, vmin=-size, vmax=size, interpolation="nearest")
    axes.grid(False)
    axes.set_yticks(range(0, record.neurons, max(1, record.neurons // 8)))
    axes.tick_params(axis="y", labelsize=7.5)
    axes.set(ylabel="neuron", title="what it remembers: the hidden state")
    figure.colorbar(picture, ax=axes, pad=0.01, fraction=0.04)


def portrait_figure(policy, record: Record, steps: Sequence[int], plane=None, action: int = 0, points: int = 41):
    """Policy (above) and value (below) over a plane of observations, with the memory frozen at each of `steps`."""
    steps = [check_step(record, step) for step in steps]
    plane = default_planes(record)[0] if plane is None else plane
    maps = [phase_map(policy, record, step, plane, action=action, points=points) for step in steps]
    size = max(abs(np.array([m.action for m in maps])).max(), 1e-6)
    values = np.array([m.value for m in maps])
    names = [record.names[i] for i in plane]
    with style():
        figure, axes = new_figure(
            2, len(steps), figsize=(2.5 * len(steps) + 1.0, 4.6), sharex=True, sharey=True, squeeze=False
        )
        for k, (here, step) in enumerate(zip(maps, steps, strict=True)):
            for row, (map_, look) in enumerate(
                (
                    (here.action, {"cmap": SIGNED, "vmin": -size, "vmax": size}),
                    (here.value, {"cmap": "viridis", "vmin": values.min(), "vmax": values.max()}),
                )
            ):
                picture = axes[row, k].imshow(map_, origin="lower", aspect="auto", extent=here.extent, **look)
                path = record.observations[: step + 1, list(here.plane)]
                axes[row, k].plot(*path.T, color=INK if row == 0 else "#ffffff", linewidth=0.8)
                axes[row, k].plot(*path[-1], "o", color="#ffd60a", markeredgecolor=INK, markersize=7)
                axes[row, k].grid(False)
                if k == len(steps) - 1:
                    label = record.action_names[action] if row == 0 else "value (normalised return)"
                    figure.colorbar(picture, ax=axes[row], pad=0.01, label=label)
            axes[0, k].plot(*zero_line(here.across, here.up, here.action), "--", color=INK, linewidth=1.2)
            axes[0, k].set_title(f"step {step} ({step * record.dt:.2f} s)")
            axes[1, k].set_xlabel(names[0])
        for row in range(2):
            axes[row, 0].set_ylabel(names[1])
            axes[row, 0].set(xlim=maps[0].extent[:2], ylim=maps[0].extent[2:])
    shares = ", ".join(f"{np.mean(m.action > 0):.0%} at step {step}" for m, step in zip(maps, steps, strict=True))
    figure.alt = (
        f"Maps of {names[1]} over {names[0]}, one column for the memory of each step. Above: the action, positive on "
        f"this share of the map: {shares}; dashed where it is zero. Below: the value. A dot marks the observation."
    )
    return figure


def response_figure(
    policy, record: Record, step: int, feature: int | None = None, *, of: str = "change", action: int = 0
):
    """Each neuron's answer over its own state, -1 to 1, and one observation; dashed where the answer is zero."""
    found = response_maps(policy, record, step, feature, of=of, action=action)
    n, size = record.neurons, max(float(abs(found.maps).max()), 1e-9)
    columns = min(n, 4 if n <= 16 else 8)
    rows = -(-n // columns)
    with style():
        figure, axes = new_figure(
            rows, columns, figsize=(7.8, 1.75 * rows + 0.5), sharex=True, sharey=True, squeeze=False
        )
        edge = (found.across[0], found.across[-1], found.levels[0], found.levels[-1])
        for k, panel in enumerate(axes.flat):
            if k >= n:
                panel.axis("off")
                continue
            picture = panel.imshow(
                found.maps[k], origin="lower", aspect="auto", extent=edge, cmap=SIGNED, vmin=-size, vmax=size
            )
            panel.plot(*zero_line(found.across, found.levels, found.maps[k]), "--", color=INK, linewidth=1.1)
            panel.plot(
                record.observations[step, found.feature], float(record.before[step, k]), "o", color="#ffd60a",
                markeredgecolor=INK, markersize=5,
            )  # fmt: skip
            panel.grid(False)
            panel.set(xlim=edge[:2], ylim=edge[2:])
            panel.set_title(f"neuron {k}", fontsize=8.5, pad=2)
            panel.tick_params(labelsize=7.5)
        label = "change of the state in one step" if of == "change" else record.action_names[action]
        figure.colorbar(picture, ax=axes, pad=0.01, label=label, fraction=0.03)
        figure.supxlabel(record.names[found.feature], fontsize=9.5)
        figure.supylabel("the neuron's own state", fontsize=9.5)
    ends = ", ".join(f"{k}: {m[0].mean():+.2g} and {m[-1].mean():+.2g}" for k, m in enumerate(found.maps))
    figure.alt = (
        f"One map for each neuron, {label} over {record.names[found.feature]} (right) and its own state (up); dashed "
        f"where it is zero. Means along the lower and the upper edge, neuron {ends}"
    )
    return figure


def correlation_figure(record: Record, hidden: bool = True):
    """Correlations of the neurons with what there is to see; with `hidden`, also with what the policy is not shown."""
    names = list(record.truth_names) if hidden else list(record.names)
    signals = record.truth if hidden else record.observations
    signals = np.hstack([signals, record.actions])
    labels = [*(name if name in record.names else f"{name} (hidden)" for name in names), *record.action_names]
    table = correlations(record.states, signals).T
    with style():
        figure, axes = new_figure(figsize=(1.4 + 0.42 * min(record.neurons, 16) + 2.2, 1.1 + 0.27 * len(labels)))
        picture = axes.imshow(table, cmap=SIGNED, vmin=-1, vmax=1, aspect="auto")
        axes.set_yticks(range(len(labels)), labels, fontsize=8)
        axes.set_xticks(range(0, record.neurons, 1 if record.neurons <= 16 else 4))
        axes.set(xlabel="neuron")
        axes.grid(False)
        axes.axhline(len(names) - 0.5, color=INK, linewidth=1)
        if record.neurons <= 10:
            for (row, column), value in np.ndenumerate(table):
                colour = "white" if abs(value) > 0.6 else INK
                axes.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7.5, color=colour)
        figure.colorbar(picture, ax=axes, pad=0.02, label="correlation")
    return figure


def component_figure(
    record: Record,
    targets: np.ndarray | None = None,
    components: Components | None = None,
    steps: slice = slice(None),
):
    """Left: how many directions the states use. Right: their path in the first two, and what they chase.

    `targets` (T, neurons): a state to draw for each step, such as the fixed point at that step's observation.
    `steps`: the part of the path to draw; the components are those of the whole episode.
    """
    found = pca(record.states) if components is None else components
    path, many = found.project(record.states)[steps], len(found.share)
    time = np.arange(len(record))[steps] * record.dt
    if many < 2:
        raise ArgumentError("record has 1 neuron; a picture of components needs at least 2")
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.8, 3.5), width_ratios=[1, 1.7])
        shown = min(many, 10)
        left.xaxis.get_major_locator().set_params(integer=True)
        left.bar(range(1, shown + 1), found.share[:shown], color=COLOURS[0], alpha=0.45, label="each")
        left.plot(range(1, shown + 1), np.cumsum(found.share)[:shown], "o-", color=COLOURS[1], label="together")
        left.set(xlabel="principal component", ylabel="share of the variance", ylim=(0, 1.05))
        left.legend(loc="center right")
        if targets is not None:
            aims = found.project(targets)[steps]
            for here, aim in list(zip(path, aims, strict=True))[:: max(1, len(path) // 60)]:
                right.plot(*np.stack([here, aim])[:, :2].T, color="#b6bcc4", linewidth=0.7, zorder=1)
            right.plot(*aims[:, :2].T, "x", color=COLOURS[1], markersize=4, label="fixed point at that observation")
        right.plot(*path[:, :2].T, color="#b6bcc4", linewidth=0.5, zorder=1)
        dots = right.scatter(*path[:, :2].T, c=time, s=10, cmap="viridis", zorder=2)
        right.plot(*path[0, :2], "s", color=INK, markersize=6, label="first step", zorder=3)
        share = 100 * found.share
        right.set(xlabel=f"component 1 ({share[0]:.0f} %)", ylabel=f"component 2 ({share[1]:.0f} %)")
        right.legend(fontsize=8)
        figure.colorbar(dots, ax=right, pad=0.01, label="time (s)")
    return figure


def ablation_figure(
    returns: np.ndarray, suspicion: Sequence[float] | None = None, episodes: int | None = None, title: str = ""
):
    """Mean return with each neuron held still (bars), beside the whole network (line) and a prediction (dots).

    Args:
        returns: (neurons + 1,) as from `ablation_returns`, the whole network last.
        suspicion: (neurons,) predicted importance, in any unit.
    """
    returns = np.asarray(returns, float)
    n = len(returns) - 1
    with style():
        figure, axes = new_figure(figsize=(6.8, 3.1))
        axes.bar(range(n), returns[:-1], color=COLOURS[0], alpha=0.55)
        axes.axhline(returns[-1], color=INK, linestyle="--", linewidth=1.2, label="no neuron held")
        many = f"mean return\n({episodes} episodes)" if episodes else "mean return"
        axes.set(xlabel="neuron held still", ylabel=many)
        axes.set_title(title, loc="left")
        axes.set_xticks(range(0, n, 1 if n <= 16 else 4))
        if suspicion is not None:
            scores = np.asarray(suspicion, float)
            if scores.shape != (n,):
                raise ArgumentError(f"suspicion has shape {scores.shape}; one number a neuron, ({n},), is needed")
            other = axes.twinx()
            other.plot(range(n), scores, "o", color=COLOURS[1], label="your suspicion")
            other.set_ylabel("suspicion (your unit)")
            other.set_ylim(bottom=min(0.0, scores.min()))
            other.grid(False)
            other.spines["right"].set_visible(True)
        figure.legend(loc="outside upper right", ncols=2)
    return figure


def decoding_figure(
    record: Record, guesses: dict[str, tuple[float, np.ndarray]], name: str, steps: slice = slice(None)
):
    """A quantity and what linear readouts make of it: label -> (R², prediction (T,)), as from `states.decode`."""
    if name not in record.truth_names:
        raise ArgumentError(f"name={name!r} is not known; accepted: {', '.join(record.truth_names)}")
    truth = record.truth[:, record.truth_names.index(name)]
    time = np.arange(len(record)) * record.dt
    with style():
        figure, axes = new_figure(figsize=(7.4, 2.9))
        axes.plot(time[steps], truth[steps], color="#b6bcc4", linewidth=3.5, label="true")
        for k, (label, (score, guess)) in enumerate(guesses.items()):
            label = f"{label}: R² = {round(float(score), 2) + 0.0:.2f}"  # not -0.00
            axes.plot(time[steps], guess[steps], ("-", "--")[k % 2], color=COLOURS[k], linewidth=1.3, label=label)
        axes.set(xlabel="time (s)", ylabel=name)
        figure.legend(loc="outside upper right", ncols=3)
    return figure


def eigenvalue_figure(points: FixedPoints, title: str = ""):
    """Eigenvalues of the step map at its fixed points, and the unit circle: what lies inside dies away."""
    with style():
        figure, axes = new_figure(figsize=(3.6, 3.4))
        angle = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.cos(angle), np.sin(angle), color="#7a828c", linewidth=1, label="unit circle")
        for k in range(len(points)):
            values, colour = points.eigenvalues[k], COLOURS[k % len(COLOURS)]
            axes.plot(values.real, values.imag, "o", color=colour, label=points.kind(k), markersize=5)
        axes.set(xlabel="real part", ylabel="imaginary part", title=title, aspect="equal")
        axes.legend(fontsize=7.5, loc="lower left")
    return figure
