"""A tour of the robot for notebook 06: its joints one after another, what a gain does, what noise does to a policy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import mujoco
import numpy as np

from course_lib.errors import ArgumentError, check_choice
from course_lib.evaluation.rollout import Rollout
from course_lib.viz.film import Frames, montage
from course_lib.viz.style import COLOURS, DASHES, new_figure, style
from course_lib.viz.video import render

GREY = "#7a828c"
KINDS = {"HAA": "hip, to the side", "HFE": "hip, forwards", "KFE": "knee"}


def film(model: mujoco.MjModel, physics: np.ndarray, **options) -> Frames:
    """Pictures of simulated states (T, 1 + nq + nv [+ na]): time (s), qpos, qvel, act; `options` as `viz.render`.

    The first column says how long a row lasts; rows are left out to come to 30 frames a second at most.
    """
    physics = np.asarray(physics, float)
    wide = 1 + model.nq + model.nv + model.na
    if physics.ndim != 2 or physics.shape[1] != wide or len(physics) < 2:
        raise ArgumentError(f"physics has shape {physics.shape}; accepted: (T, {wide}) with T of at least 2")
    model, blank = copy.copy(model), np.zeros((len(physics), 0))
    quality = model.vis.quality  # coarser facets than MuJoCo's: half the time on a CPU
    quality.numslices, quality.numstacks, quality.numquads = 14, 9, 4
    dt = float(np.median(np.diff(physics[:, 0])))
    return render(Rollout("", model, dt, physics, blank, blank, np.zeros(len(physics))), **options)


def joint_tour(kinds: Sequence[str] = ("HAA", "HFE", "KFE"), reach: float = 0.5, seconds: float = 2.4, **options):
    """One clip a kind of joint: all four of it swing by ±`reach` rad, the others stand still. -> Frames, side by side.

    `options` as `viz.render`: width, height, …
    """
    from course_lib.envs.anymal.model import JOINTS, build

    model = build()
    data = mujoco.MjData(model)
    time = np.arange(0.0, seconds, 0.04)
    clips = []
    for kind in kinds:
        check_choice("kinds", kind, KINDS)
        angles = np.zeros((len(time), 12))
        mine = [j for j, name in enumerate(JOINTS) if name.endswith(kind)]
        angles[:, mine] = reach * np.sin(2 * np.pi * time / seconds)[:, None]
        still = np.tile(np.r_[0.0, data.qpos, data.qvel], (len(time), 1))
        still[:, 0], still[:, 8:20] = time, data.qpos[7:] + angles
        clips.append(film(model, still, **{"width": 280, "height": 220, **options}))
    return montage(clips, [f"{kind}: {KINDS[kind]}" for kind in kinds], columns=len(clips))


def standing_figure(cases: Mapping[str, np.ndarray], joint: int = 2, target: float | None = None):
    """Simulated states under several controllers: height of the base and angle of one joint over time.

    Args:
        cases: label -> (T, 1 + 19 + 18): time (s), qpos, qvel. joint: its number. target: its angle as commanded, rad.
    """
    if not cases:
        raise ArgumentError("cases={} is not accepted; it must hold at least one simulated run")
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.6, 3.0))
        for k, (label, states) in enumerate(cases.items()):
            look = dict(color=COLOURS[k % len(COLOURS)], linestyle=DASHES[k % len(DASHES)], linewidth=1.4)
            left.plot(states[:, 0], states[:, 3], label=label, **look)
            right.plot(states[:, 0], states[:, 8 + joint], **look)
        if target is not None:
            right.axhline(target, color=GREY, linestyle=":", linewidth=1.4, label="commanded")
            right.legend(fontsize=8)
        left.set(xlabel="time (s)", ylabel="height of the base (m)")
        left.set_ylim(bottom=0)
        right.set(
            xlabel="time (s)", ylabel="angle of the left front knee (rad)" if joint == 2 else f"joint {joint} (rad)"
        )
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


def noise_figure(output: Callable, sigmas: Sequence[float] = (0.0, 0.3, 0.6, 1.0), reach: float = 2.0, guess=None):
    """What comes out on average when noise is added to what goes in, against its mean; one line a noise level.

    Args:
        output: function of an array. guess: (mean, sigma) -> predicted average, drawn as dots.
    """
    means, draws = np.linspace(-reach, reach, 81), np.random.default_rng(0).standard_normal(20_000)
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.2))
        for k, sigma in enumerate(sigmas):
            average = [np.mean(output(mean + sigma * draws)) for mean in means]
            axes.plot(means, average, DASHES[k], color=COLOURS[k], label=f"noise σ = {sigma:g}")
            if guess is not None and sigma > 0:
                some = means[::8]
                values = [guess(mean, sigma) for mean in some]
                axes.plot(some, values, "o", color=COLOURS[k], markersize=4)
        axes.set(xlabel="mean of the action", ylabel="mean of what comes out")
        axes.legend()
    return figure
