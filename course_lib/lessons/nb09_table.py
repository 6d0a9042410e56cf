"""Figures of notebook 09, second half: tabletop tasks, experts, plans and the paths taken, by design and by noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.style import COLOURS, new_figure, style

DARK = "#22303f"


def expert_clip(task: str, seed: int = 0, steps: int | None = None, **size):
    """The first good episode of the expert of `task`, as pictures; `size`: width, height, fps of `viz.render`."""
    from course_lib.envs import make_task
    from course_lib.envs.tabletop.experts import demonstrations
    from course_lib.evaluation.rollout import Rollout
    from course_lib.viz.video import render

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
    from course_lib.evaluation.returns import make_for

    envs = make_for(policy, 1, seed, **options)
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
            axes.plot(*episode["hand"].T, color=COLOURS[4], linewidth=5.0, alpha=0.6, label="hand")
            for k, (_, path) in enumerate(episode["plans"]):  # thin lines on a broad one: both stay visible
                axes.plot(*path.T, color=COLOURS[1], linewidth=1.3, zorder=3, label="planned" if k == 0 else None)
                axes.plot(*path[0], "o", color=COLOURS[1], markersize=3, zorder=3, label="decision" if k == 0 else None)
            axes.plot(*episode["thing"].T, color=COLOURS[2], linewidth=2.2, label="puck or ball")
            axes.plot(*episode["thing"][-1], "s", color=COLOURS[2], markersize=6)
            axes.plot(*episode["goal"], "*", color=DARK, markersize=12, label="goal")
            axes.set(aspect="equal", xlabel="x (m)", title=title)
        row[0, 0].set_ylabel("y (m)")
        handles, labels = row[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncols=len(labels))
        figure.alt = (
            f"The table from above: {', '.join(episodes)}. A broad light line is the way of the hand, thin orange "
            "lines on it are the plans, each from a dot to the next; green is the way of the object, a star its goal."
        )
    return figure


def wander(policy, seconds: float = 1.0, copies: int = 100, seed: int = 0) -> np.ndarray:
    """Where the hand goes by the noise of `policy` alone, whose means are set to 0 -> (steps + 1, copies, 3), m."""
    import copy

    import torch

    from course_lib.evaluation.returns import make_for

    policy = copy.deepcopy(policy)
    with torch.no_grad():
        for part in policy.networks.actor.parameters():
            part.zero_()
    envs, rng, state = make_for(policy, copies, seed), np.random.default_rng(seed), None
    obs, _ = envs.reset()
    places = [envs.task.hand(envs.state)]
    for _ in range(round(seconds / envs.task.dt)):
        action, state = policy.act(obs, state, deterministic=False, rng=rng)
        obs = envs.step(action)[0]
        places.append(envs.task.hand(envs.state))
    return np.stack(places)


def strayed(places: np.ndarray) -> float:
    """Root mean square distance over the table, cm, from start to end; places as `wander` returns them."""
    away = 100 * (places[-1] - places[0])[:, :2]
    return float(np.sqrt(np.square(away).sum(-1).mean()))


def farther(covariance: np.ndarray) -> float:
    """How many times as far a walk of plans gets as one of single steps with the same noise on each.

    covariance: (k, k) of the points of one plan, all plans independent. The end of a plan has the variance C_kk; single
    steps, as large on average, would add up to the sum of the variances of the moves.
    """
    covariance = np.asarray(covariance, float)
    moves = np.diff(np.eye(len(covariance)), axis=0, prepend=0.0)  # (k, k): move j is point j less point j - 1
    return float(np.sqrt(covariance[-1, -1] / np.trace(moves @ covariance @ moves.T)))


def wander_figure(paths: Mapping[str, np.ndarray], shown: int = 12):
    """Paths that noise alone makes: title -> what `wander` returned; from above, all drawn from one start."""
    if not paths:
        raise ArgumentError("paths is empty; it must hold a title and the places of hands, as `wander` returns them")
    moved = {title: places - places[:1] for title, places in paths.items()}
    reach = 100 * max(np.abs(m[:, :shown, :2]).max() for m in moved.values())
    with style():
        figure, row = new_figure(1, len(paths), figsize=(2.9 * len(paths), 3.0), squeeze=False, sharey=True)
        for axes, (title, away) in zip(row[0], moved.items(), strict=True):
            for k in range(min(shown, away.shape[1])):
                axes.plot(*(100 * away[:, k, :2].T), color=COLOURS[k % 2], linewidth=0.9)
            far = strayed(away)
            axes.add_patch(_circle(far))
            axes.set(aspect="equal", xlabel="x (cm)", title=f"{title}\n{far:.1f} cm at the end (rms)")
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
        row[0, 0].set_ylabel("y (cm)")
        sizes = ", ".join(f"{title} {strayed(away):.1f} cm" for title, away in moved.items())
        figure.alt = f"Random paths of the hand from one start, from above, with a circle at the rms distance: {sizes}."
    return figure


def valley_figure(asked: np.ndarray, lost: Mapping[str, np.ndarray]):
    """Share of boxes lost against what is asked of the fingers, -1 (open) to 1 (shut); label -> shares."""
    if not lost:
        raise ArgumentError("lost is empty; it must hold a label and shares, one for each entry of asked")
    with style():
        figure, axes = new_figure(figsize=(5.6, 2.7))
        for k, (label, shares) in enumerate(lost.items()):
            axes.plot(asked, shares, "o-", color=COLOURS[k], markersize=3.5, linewidth=1.6, label=label)
        axes.set(ylim=(-0.03, 1.03), xlabel="asked of the fingers: -1 open, 1 shut", ylabel="share of boxes lost")
        axes.legend(fontsize=8.5)
    return figure


def _circle(radius: float):
    from matplotlib.patches import Circle

    return Circle((0, 0), radius, fill=False, color=DARK, linestyle=":", linewidth=1.4)
