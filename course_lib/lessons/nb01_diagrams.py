"""Figures of notebook 01: an episode of the pole, what a gradient is made of, its noise, and a map of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.style import COLOURS, new_figure, style

# (name, where the course has it, x, y): x runs from "acts by its values" (0) to "acts by its policy" (1), y from data
# used once (0) to data kept and used many times (1).
METHODS = (
    ("SARSA", "", 0.02, 0.03),
    ("Q-learning", "here", 0.02, 0.20),
    ("DQN", "", 0.02, 0.88),
    ("recurrent TD3, SAC", "notebook 08", 0.33, 0.66),
    ("DDPG, TD3", "notebook 05", 0.33, 0.81),
    ("SAC", "notebook 05", 0.42, 0.96),
    ("PPO", "notebook 02", 0.72, 0.30),
    ("REINFORCE + baseline", "here", 0.78, 0.15),
    ("REINFORCE", "here", 0.84, 0.02),
)


def noise_figure(noise: Mapping[str, Mapping[int, float]], exponent: float | None = None):
    """Noise of gradient estimates against the number of episodes averaged, both axes logarithmic.

    Args:
        noise: estimator -> {episodes in the batch: standard deviation over batches / length of the mean gradient}.
        exponent: a predicted slope, drawn as a dotted line through the first point of the first estimator.
    """
    if not isinstance(noise, Mapping) or not noise or not all(noise.values()):
        raise ArgumentError("noise must be a dict estimator -> {batch size: noise}, with at least one entry each")
    from matplotlib.ticker import NullLocator

    with style():
        figure, axes = new_figure(figsize=(6.4, 3.7))
        for k, (label, points) in enumerate(noise.items()):
            sizes = np.array(sorted(points), float)
            values = np.array([points[size] for size in sorted(points)])
            axes.loglog(sizes, values, marker="os^D"[k % 4], color=COLOURS[k % len(COLOURS)], label=label)
            if k == 0 and exponent is not None:
                line = values[0] * (sizes / sizes[0]) ** float(exponent)
                axes.loglog(sizes, line, ":", color="#444444", lw=2.4, label=f"your prediction, slope {exponent:g}")
        axes.axhline(1.0, color="#444444", lw=0.8)
        axes.text(sizes[0], 0.97, "as large as the gradient", ha="left", va="top", fontsize=8.5, color="#444444")
        axes.set_xticks(sizes, [f"{int(size)}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        low, high = axes.get_ylim()
        ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("episodes in the batch")
        axes.set_ylabel("noise of the gradient /\nlength of the gradient")
        axes.legend(loc="lower left")
    return figure


def pole_figure(rollout, limit: float = 0.2):
    """An episode of the pole in units: cart (m) and lean of the pole (rad) over time (s).

    Args:
        rollout: with `observations` (T, 4): cart, pole, their rates; and `dt`, seconds of a step.
        limit: lean beyond which the episode is over, shaded.
    """
    observed = np.asarray(rollout.observations)
    if observed.ndim != 2 or observed.shape[1] != 4:
        raise ArgumentError(f"rollout.observations has shape {observed.shape}; (steps, 4) is expected")
    seconds = np.arange(len(observed)) * rollout.dt
    with style():
        figure, (cart, pole) = new_figure(2, 1, figsize=(6.4, 3.4), sharex=True)
        cart.plot(seconds, observed[:, 0], color=COLOURS[0])
        pole.plot(seconds, observed[:, 1], color=COLOURS[1])
        for low, high in ((limit, 1.25 * limit), (-1.25 * limit, -limit)):
            pole.axhspan(low, high, color="#e6e8eb", lw=0)
        for axes in (cart, pole):
            axes.axhline(0.0, color="#444444", lw=0.8)
        cart.set_ylabel("cart (m)")
        pole.set(ylabel="pole (rad)\ngrey: fallen", ylim=(-1.25 * limit, 1.25 * limit), xlabel="time (s)")
        figure.align_ylabels()
    return figure


def trajectory_figure(angle: np.ndarray, alive: np.ndarray, score: np.ndarray, dt: float = 0.04):
    """Sampled episodes of the pole, coloured by their score: over time (left), and their length over the score (right).

    Args:
        angle: (T, N) lean of the pole, rad.
        alive: (T, N) whether the step belongs to the episode. (That on which the pole falls does, and pays nothing.)
        score: (N,) score of each episode with respect to one parameter.
        dt: seconds of a step.
    """
    angle, alive, score = np.asarray(angle, float), np.asarray(alive, bool), np.asarray(score, float)
    if angle.shape != alive.shape or angle.shape[1:] != score.shape:
        raise ArgumentError(
            f"shapes {angle.shape}, {alive.shape}, {score.shape} are not accepted; (T, N), (T, N), (N,)"
        )
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    bound = max(np.abs(score).max(), 1e-12)
    shades = colormaps["coolwarm_r"](Normalize(-bound, bound)(score))
    lengths = alive.sum(0)
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.2, 3.3), width_ratios=(1.5, 1))
        for n in np.argsort(lengths):
            left.plot(np.arange(lengths[n]) * dt, angle[: lengths[n], n], color=shades[n], lw=1.2)
            left.plot((lengths[n] - 1) * dt, angle[lengths[n] - 1, n], "o", color=shades[n], ms=4)
        left.set(
            xlabel="time (s)",
            ylabel="lean of the pole (rad)",
            ylim=(-0.25, 0.25),
            title="episodes, up to the last step",
        )
        right.axvline(0.0, color="#444444", lw=0.8)
        right.scatter(score, lengths, c=shades, s=26, edgecolors="#444444", linewidths=0.4)
        if score.std() > 0:
            slope = np.cov(score, lengths)[0, 1] / score.var(ddof=1)
            ends = np.array([score.min(), score.max()])
            line = lengths.mean() + slope * (ends - score.mean())
            right.plot(ends, line, color="#444444", ls="--", lw=1.4, label="least squares")
            right.legend(loc="upper left")
        right.set_ylim(0, 1.25 * lengths.max())  # room for the legend
        right.set(xlabel="score of the episode", ylabel="length (steps)", title="colour: the same score")
    figure.alt = (
        f"Left: {len(score)} episodes, the lean of the pole over time, blue for a positive score, red for a "
        f"negative one. Right: their lengths, {lengths.min()} to {lengths.max()} steps, over their scores"
    )
    figure.alt += f"; the dashed line has a slope of {slope:.2g}." if score.std() > 0 else "."
    return figure


def density_figure(policies: Mapping[str, tuple[float, float]], low: float, high: float):
    """Gaussian policies label -> (mean, sd) over the actions; what lies outside [low, high] is shaded."""
    x = np.linspace(low - 2, high + 2, 400)
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.7))
        for k, (label, (mean, sd)) in enumerate(policies.items()):
            density = np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
            axes.plot(x, density, color=COLOURS[k], label=label)
        for edges in ((x[0], low), (high, x[-1])):
            axes.axvspan(*edges, color="#e6e8eb", lw=0)
        axes.set(
            xlabel="action (in units of 100 N; the motor stops at the grey)",
            ylabel="density",
            xlim=(x[0], x[-1]),
        )
        axes.legend()
    return figure


def method_map(methods: Sequence[tuple] = METHODS):
    """The methods of the course and their relatives: what acts (x) against how often data is used (y)."""
    with style():
        figure, axes = new_figure(figsize=(7.2, 4.2))
        axes.grid(False)
        regions = ((-0.04, 0.27, "value-based"), (0.27, 0.66, "actor-critic"), (0.66, 1.16, "policy-based"))
        for k, (left, right, title) in enumerate(regions):
            axes.axvspan(left, right, color=COLOURS[k], alpha=0.07, lw=0)
            axes.text((left + right) / 2, 1.1, title, ha="center", color=COLOURS[k], weight="bold")
        for name, place, x, y in methods:
            colour = next(COLOURS[k] for k, (_, right, _) in enumerate(regions) if x < right)
            axes.plot(x, y, "o", color=colour, ms=7)
            axes.annotate(name, (x, y), (8, 0), textcoords="offset points", va="center")
            axes.annotate(place, (x, y), (8, -11), textcoords="offset points", va="center", fontsize=7.5)
        axes.set(xlim=(-0.04, 1.16), ylim=(-0.1, 1.2), yticks=(0.05, 0.9))
        axes.set_xticks([(left + right) / 2 for left, right, _ in regions])
        axes.set_yticklabels(["used once,\nfor one update", "kept, for\nmany updates"])
        axes.set_xticklabels(["the largest entry\nof Q", "a policy that\nclimbs Q", "a policy and\nits scores"])
        axes.set_xlabel("what chooses the action")
        axes.set_ylabel("each observed step is")
        axes.tick_params(length=0)
    kinds = {title: [name for name, _, x, _ in methods if left <= x < right] for left, right, title in regions}
    figure.alt = "A map of methods. " + "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())
    figure.alt += ". From data used once to data kept: " + ", ".join(m[0] for m in sorted(methods, key=lambda m: m[3]))
    return figure
