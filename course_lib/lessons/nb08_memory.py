"""Figures of notebook 08, sections 1 to 7: states that look alike, sequences and masks, what memory buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.evaluation.statistics import LEAST_RUNS
from course_lib.viz.style import COLOURS, DASHES, SIGNED, new_figure, style

GREY, DARK, PALE = "#7a828c", "#22303f", "#eceef0"
TASKS = {"pendulum": "pendulum", "cartpole": "pole on a cart", "car": "car, heaven and hell"}
SETTINGS = {  # of the result file "memory"
    "sac_full": "SAC, sees all",
    "sac_memoryless": "SAC, no memory",
    "rsac_lstm": "RSAC, LSTM",
    "rsac_gru": "RSAC, GRU",
    "rsac_ltc": "RSAC, LTC",
}


# --- states that look alike -----------------------------------------------------------------------


def alias_figure(policy, angle: float, rate: float, points: int = 61):
    """Two states of MemoryPendulum-v0 with one picture, and what a policy that sees all does about them.

    Args:
        policy: sees [cos | sin | rate]; its action over all angles and rates is the right panel.
        angle: rad, 0 upright. rate: rad/s; the two states turn at ±rate.
    """
    from matplotlib.patheffects import withStroke

    if not rate:
        raise ArgumentError(f"rate={rate!r} is not accepted: two states that differ need a rate other than 0")
    turns, rates = np.linspace(-np.pi, np.pi, points), np.linspace(-8.0, 8.0, points)
    grid = np.stack(np.meshgrid(turns, rates), axis=-1).reshape(-1, 2)
    seen = np.column_stack([np.cos(grid[:, 0]), np.sin(grid[:, 0]), grid[:, 1]])
    actions = policy.act(seen)[0][:, 0].reshape(points, points)
    with style():
        figure, (a, b, plane) = new_figure(1, 3, figsize=(7.8, 2.9), width_ratios=[1, 1, 1.9])
        for axes, name, turn in ((a, "A", rate), (b, "B", -rate)):
            _pendulum(axes, angle, turn)
            axes.set_title(f"{name}: {turn:+g} rad/s")
        size = max(abs(actions).max(), 1e-6)
        extent = (-180, 180, rates[0], rates[-1])
        look = dict(cmap=SIGNED, vmin=-size, vmax=size, aspect="auto")
        picture = plane.imshow(actions, origin="lower", extent=extent, **look)
        halo = [withStroke(linewidth=3.5, foreground="white")]  # readable on dark blue and dark red
        plane.axvline(np.degrees(angle), color="black", linestyle=(0, (2, 2)), linewidth=1.6, path_effects=halo)
        for name, turn in (("A", rate), ("B", -rate)):
            plane.plot(np.degrees(angle), turn, "o", color="#ffd60a", markeredgecolor=DARK, markersize=8)
            look = dict(fontsize=12, fontweight="bold", color="black", path_effects=halo)
            plane.annotate(name, (np.degrees(angle), turn), (-19, -4), textcoords="offset points", **look)
        plane.grid(False)
        plane.set(xlabel="angle (degrees; 0 upright)", ylabel="rate (rad/s)", xticks=(-180, -90, 0, 90, 180))
        figure.colorbar(picture, ax=plane, pad=0.02, label="torque (N m)")
    figure.alt = (
        "Two pendulums at the same angle that turn opposite ways, A and B. Beside them the torque of a policy over all "
        f"angles and rates, with a dotted line through A and B at {np.degrees(angle):.0f} degrees: the torque changes "
        "its sign along the line."
    )
    return figure


def _pendulum(axes, angle: float, rate: float) -> None:
    """A rod and an arrow that says which way it turns. Positive turns to the left, as in the course's videos."""
    tip = np.array([-np.sin(angle), np.cos(angle)])
    axes.plot(*np.stack([0 * tip, tip]).T, color=COLOURS[1], linewidth=9, solid_capstyle="round")
    axes.plot(0, 0, "o", color=DARK, markersize=6)
    along = angle + np.sign(rate) * np.linspace(0.12, 0.6, 20)
    path = 1.18 * np.column_stack([-np.sin(along), np.cos(along)])
    axes.plot(*path.T, color=COLOURS[0], linewidth=2)
    head = dict(arrowstyle="-|>", color=COLOURS[0], linewidth=2)
    axes.annotate("", path[-1] + 1.2 * (path[-1] - path[-2]), path[-2], arrowprops=head)
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", xticks=(), yticks=())
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)


def task_pictures(tasks: Mapping[str, tuple[str, Mapping, Mapping]], seed: int = 3, steps: int = 4):
    """A still of each task, `steps` random control steps after a start.

    `tasks`: title -> (id, options of the partial form, options of the fully observed twin).
    """
    from course_lib.envs import make
    from course_lib.render.open import open_camera

    stills = []
    for env_id, partial, full in tasks.values():
        envs, rng = make(env_id, num_envs=1, seed=seed, **partial), np.random.default_rng(seed)
        envs.reset(seed=seed)
        low, high = envs.single_action_space.low, envs.single_action_space.high
        for _ in range(steps):
            envs.step(rng.uniform(low, high, (1, len(low))))
        seen, whole = (make(env_id, num_envs=1, **o).single_observation_space.shape[0] for o in (partial, full))
        with open_camera(envs.task.model, 320, 240) as lens:
            stills.append((lens.frame(envs.physics[0].copy()), f"shows {seen} of {whole} numbers"))
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    with style():
        figure, grid = new_figure(rows, columns, figsize=(2.65 * columns, 2.45 * rows), squeeze=False)
        for axes in grid.flat:
            axes.axis("off")
        for axes, title, (still, shows) in zip(grid.flat, tasks, stills, strict=False):
            axes.imshow(still)
            axes.set_title(f"{title}\n{shows}", fontsize=9)
    return figure


# --- sequences ------------------------------------------------------------------------------------


def sequence_figure(panels: Mapping[str, tuple[np.ndarray, np.ndarray, int]]):
    """What a batch is made of: a row a sequence, a column a step, the number says where its row comes from.

    `panels`: title -> (labels (T, B), mask (T, B), burn-in steps). Blue: learned from. Yellow: burn-in. Pale: padding.
    """
    with style():
        tall = [np.shape(labels)[1] for labels, _, _ in panels.values()]
        size = (7.6, 0.62 * len(panels) + 0.3 * sum(tall) + 0.3)
        figure, grid = new_figure(len(panels), 1, figsize=size, height_ratios=tall, squeeze=False)
        for axes, (title, (labels, mask, burn_in)) in zip(grid[:, 0], panels.items(), strict=True):
            labels, mask = np.asarray(labels), np.asarray(mask, bool)
            if labels.shape != mask.shape:
                raise ArgumentError(f"panels[{title!r}]: labels {labels.shape} and mask {mask.shape} must be equal")
            for (t, b), label in np.ndenumerate(labels):
                colour = "#bcd8ec" if mask[t, b] else "#f6dfa4" if t < burn_in else PALE
                axes.add_patch(_box(t, b, colour))
                ink = DARK if mask[t, b] or t < burn_in else "#b0b5bb"
                axes.text(t, b, f"{label:g}", ha="center", va="center", fontsize=8.5, color=ink)
            axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(labels.shape[1] - 0.5, -0.5), ylabel="sequence")
            axes.set(xticks=range(len(labels)), yticks=range(labels.shape[1]))
            axes.set_title(title, loc="left", fontsize=9.5)
            axes.grid(False)
        grid[-1, 0].set_xlabel("step of the sequence")
    return figure


def _box(t: int, b: int, colour: str):
    from matplotlib.patches import Rectangle

    return Rectangle((t - 0.48, b - 0.46), 0.96, 0.92, facecolor=colour, edgecolor="none")


def start_figure(panels: Mapping[str, Mapping[str, np.ndarray]]):
    """How wrong a summary is after a sequence has begun inside an episode: title -> way to begin -> error (T,)."""
    with style():
        figure, grid = new_figure(1, len(panels), figsize=(7.8, 3.2), sharey=True, squeeze=False)
        for axes, (title, ways) in zip(grid[0], panels.items(), strict=True):
            for k, (label, error) in enumerate(ways.items()):
                shown = np.maximum(error, 1e-4)
                axes.plot(range(1, len(shown) + 1), shown, DASHES[k % 7], color=COLOURS[k % 7], label=label)
            axes.set(xlabel="steps since the sequence began", title=title, yscale="log", ylim=(8e-4, 8.0))
        grid[0, 0].set_ylabel("error of the summary\n(standard deviations)")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8.5)
    figure.alt = (
        "Error of the summary, in standard deviations on a log axis, over the steps since a sequence began. "
        + (
            " ".join(
                f"{title}: {'; '.join(f'{label} from {e[0]:.2g} to {e[-1]:.1g}' for label, e in ways.items())}."
                for title, ways in panels.items()
            )
        )
    )
    return figure


def history_figure(scores: Mapping[str, Mapping[int, float]], guess: Mapping[str, int] | None = None):
    """How much of what is hidden can be told from the last k observations: task -> {k: share from 0 to 1}."""
    with style():
        figure, axes = new_figure(figsize=(6.6, 3.2))
        for k, (label, points) in enumerate(scores.items()):
            steps = sorted(points)
            axes.plot(
                steps, [points[n] for n in steps], marker="os^D"[k % 4], markersize=4, color=COLOURS[k], label=label
            )
            if guess and label in guess:
                axes.axvline(guess[label], color=COLOURS[k], linestyle=":", linewidth=1.6)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set(
            xlabel="observations that are remembered (control steps)",
            ylabel="what is hidden can be told",
            ylim=(-0.05, 1.05),
        )
        if guess:
            axes.plot([], [], color=GREY, linestyle=":", label="your prediction")
        figure.legend(loc="outside upper center", ncols=5, fontsize=8.5)
    return figure


# --- what memory buys -----------------------------------------------------------------------------


def shares(result: Mapping, draws: int = 2000) -> dict[tuple[str, str], tuple[float, float, float, np.ndarray]]:
    """(task, setting) of the result file "memory" -> median share, its 95 % interval, each seed's share.

    0 is random actions, 1 the median of "sac_full". Intervals: percentile bootstrap, all seeds drawn anew. Below five
    seeds it is the range of the seeds.
    """
    rng, found = np.random.default_rng(0), {}
    for task, zero in result["random"].items():
        rows = [row for row in result["per_seed"] if row["task"] == task]
        returns = {s: np.array([r["return_deterministic"] for r in rows if r["setting"] == s]) for s in SETTINGS}
        full = returns["sac_full"]
        if not len(full):
            continue
        above = np.median(full[rng.integers(0, len(full), (draws, len(full)))], axis=1) - zero
        for setting, values in returns.items():
            if len(values):
                medians = np.median(values[rng.integers(0, len(values), (draws, len(values)))], axis=1) - zero
                seeds = (values - zero) / (np.median(full) - zero)
                few = len(values) < LEAST_RUNS
                low, high = (seeds.min(), seeds.max()) if few else np.quantile(medians / above, [0.025, 0.975])
                found[task, setting] = float(np.median(seeds)), float(low), float(high), seeds
    return found


def share_figure(result: Mapping, settings: Sequence[str] = tuple(SETTINGS)):
    """What each setting reaches on each task, as a share of what SAC reaches that sees all."""
    found = shares(result)
    tasks = [task for task in TASKS if any(key[0] == task for key in found)]
    with style():
        figure, grid = new_figure(1, len(tasks), figsize=(7.8, 0.9 + 0.36 * len(settings)), sharey=True, squeeze=False)
        for axes, task in zip(grid[0], tasks, strict=True):
            for k, setting in enumerate(settings):
                if (task, setting) not in found:
                    continue
                middle, low, high, seeds = found[task, setting]
                axes.barh(k, max(middle, 0.0), height=0.62, color="#d9dcdf" if setting.startswith("sac") else "#a9c4dc")
                axes.plot([low, high], [k, k], color=DARK, linewidth=1.8)
                axes.plot(seeds, np.full(len(seeds), k), "o", color=COLOURS[1], markersize=3, alpha=0.8)
                if len(seeds) != len(found[task, "sac_full"][3]):
                    axes.text(
                        0.04, k, f"n={len(seeds)}", va="center", fontsize=7.5, transform=axes.get_yaxis_transform()
                    )
            many = len(found[task, "sac_full"][3])
            axes.axvline(1.0, color=GREY, linestyle=":", linewidth=1.2)
            axes.set(title=f"{TASKS[task]} (n={many})", xlabel="share")
            axes.grid(axis="y", visible=False)
        grid[0, 0].set_yticks(range(len(settings)), [SETTINGS[s] for s in settings])
        grid[0, 0].invert_yaxis()
    return figure
