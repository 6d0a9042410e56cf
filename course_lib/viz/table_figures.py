"""Figures of notebook 09, second half: tabletop tasks, experts, plans and the paths taken, shares of success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.style import COLOURS, new_figure, style

DARK, GREY = "#22303f", "#7a828c"


def expert_clip(task: str, seed: int = 0, steps: int | None = None, **size):
    """The first good episode of the expert of `task`, as pictures; `size`: width, height, fps of `viz.render`."""
    from course_lib.envs import make_task
    from course_lib.envs.tabletop_experts import demonstrations
    from course_lib.viz.video import Rollout, render

    demo, scene = demonstrations(task, 4, seed=seed), make_task(task)
    good = int(np.argmax(demo["success"]))
    row = {name: demo[name][good][:steps] for name in ("physics", "observations", "actions", "rewards")}
    row["observations"] = row["observations"][: len(row["rewards"])]
    return render(Rollout(task, scene.model, scene.dt, **row), **size)


def watch_plans(policy, seed: int = 0, steps: int | None = None, deterministic: bool = True, **options) -> dict:
    """An episode of Push-v0 or Soccer-v0 by a policy that plans.

    Returns:
        "hand", "thing" (T + 1, 2), m, on the table, "goal" (2,), and "plans": pairs of the step of a decision and the
        path it means to take, (chunk + 1, 2).
    """
    from course_lib.envs import make

    envs = make(policy.env_id, 1, seed=seed, **(policy.env_options | options))
    task, rng, state = envs.task, np.random.default_rng(seed), None
    obs, _ = envs.reset()
    hand, thing, plans = [task.hand(envs.state)[0, :2]], [task.object(envs.state)[0, :2]], []
    for step in range(min(task.horizon, steps or task.horizon) - 1):  # the last step begins the next episode
        if step % policy.chunk == 0:
            moves = task.stride * np.clip(policy.plans(obs, state)[0, :, :2], -1, 1)
            plans.append((step, hand[-1] + np.concatenate([np.zeros((1, 2)), moves.cumsum(0)])))
        action, state = policy.act(obs, state, deterministic=deterministic, rng=rng)
        obs = envs.step(action)[0]
        hand.append(task.hand(envs.state)[0, :2])
        thing.append(task.object(envs.state)[0, :2])
    return {
        "hand": np.array(hand), "thing": np.array(thing), "plans": plans,
        "goal": task.goal_place(envs.state)[0, :2],
    }  # fmt: skip


def plans_figure(episodes: Mapping[str, Mapping]):
    """The table from above: title -> what `watch_plans` returned."""
    if not episodes:
        raise ArgumentError("episodes is empty; it must hold a title and an episode, as `watch_plans` returns them")
    with style():
        figure, row = new_figure(1, len(episodes), figsize=(4.0 * len(episodes), 3.3), squeeze=False)
        for axes, (title, episode) in zip(row[0], episodes.items(), strict=True):
            for k, (_, path) in enumerate(episode["plans"]):
                axes.plot(*path.T, color=COLOURS[1], linewidth=1.6, label="planned" if k == 0 else None)
                axes.plot(*path[0], "o", color=COLOURS[1], markersize=3, label="decision" if k == 0 else None)
            axes.plot(*episode["hand"].T, color=COLOURS[0], linewidth=1.0, label="hand")
            axes.plot(*episode["thing"].T, color=COLOURS[2], linewidth=2.2, label="thing")
            axes.plot(*episode["thing"][-1], "s", color=COLOURS[2], markersize=6)
            axes.plot(*episode["goal"], "*", color=DARK, markersize=12, label="goal")
            axes.set(aspect="equal", xlabel="x (m)", title=title)
        row[0, 0].set_ylabel("y (m)")
        row[0, -1].legend(fontsize=7.5, loc="best")
    return figure


def success_figure(
    rows: Sequence[Mapping], methods: Mapping[str, str], panels: str | None = None, units: str = "{}"
):
    """Shares of success by task and method: bars are means over seeds, lines their 95 % bootstrap interval, dots seeds.

    Args:
        rows: entries with "task", "method", "seed" and "success".
        methods: those to draw, name -> label.
        panels: a key of the rows; a panel for each of its values, titled by `units`.
    """
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    if not tasks:
        raise ArgumentError("rows is empty; it must hold one entry for each task, method and seed")
    from course_lib.evaluation import bootstrap_interval

    values = list(dict.fromkeys(r[panels] for r in rows)) if panels else [None]
    width = 0.8 / len(methods)
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
                    if len(found) > 1:
                        axes.plot([at, at], bootstrap_interval(found), color=DARK, linewidth=1.6)
                    axes.plot(np.full(len(found), at), found, "o", color=DARK, markersize=2.4)
            axes.set(ylim=(0, 1.08), ylabel="share of success")
            axes.set_xticks(range(len(tasks)), [t.split("-")[0] for t in tasks])
            axes.grid(axis="x", visible=False)
            if value is not None:
                axes.set_title(units.format(value), fontsize=9.5)
        seeds = len({r["seed"] for r in rows})
        lines[0, 0].legend(fontsize=7.5, ncols=len(methods), loc="lower center", bbox_to_anchor=(0.5, 1.12))
        lines[-1, 0].set_xlabel(f"means of {seeds} seeds; lines: 95 % bootstrap interval, dots: seeds", fontsize=8)
    return figure
