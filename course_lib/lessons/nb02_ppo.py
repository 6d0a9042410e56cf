"""Figures of notebook 02: the clipped surrogate, how far an advantage looks, KL against step size, the bug museum."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.style import COLOURS, DASHES, UNITS, new_figure, readable_x, style

# The museum's rooms: letter -> exhibit of the result file. Mixed, so that the order gives nothing away.
ROOMS = {
    "A": "value loss broadcast",
    "B": "log-probability of the clamped action",
    "C": "old log-probabilities reshaped",
    "D": "no done mask",
}
SUSPECTS = (  # in the order of the exercise, which counts from 1
    "old log-probabilities reshaped",
    "optimiser without the actor",
    "no done mask",
    "value loss broadcast",
    "gradient not zeroed",
    "log-probability of the clamped action",
)
TELLS = {  # what gives each away
    "value loss broadcast": "The critic can learn one number only, so it explains nothing. The noisy advantages still "
    "move the policy a little, and its entropy stays where it began.",
    "log-probability of the clamped action": "Clamped actions lie nearer to the mean than those that were drawn. To "
    "make them likely the policy lowers its σ, and entropy falls early, whatever the return.",
    "old log-probabilities reshaped": "The ratio is not 1 even before the first gradient step, so KL and the clipped "
    "share are far off from the first iteration.",
    "no done mask": "The advantages are wrong, and with them the critic's targets. After a fall both go on with the "
    "next episode, so falling costs nothing. KL and clipped share look healthy. Explained variance and entropy are a "
    "little lower, too little to raise an alarm without a healthy run beside them.",
}
PANELS = ("return_mean", "approx_kl", "clip_fraction", "explained_variance", "entropy")


def clip_figure(clip: float = 0.2):
    """The clipped surrogate of one transition against its ratio ρ, for advantages +1 and -1."""
    ratio = np.linspace(0.4, 1.6, 241)
    with style():
        figure, panels = new_figure(1, 2, figsize=(6.4, 2.7), sharex=True)
        for axes, advantage in zip(panels, (1.0, -1.0), strict=True):
            clipped = np.clip(ratio, 1 - clip, 1 + clip) * advantage
            axes.axvspan(1 - clip, 1 + clip, color="#eef2f6", linewidth=0)
            axes.plot(ratio, ratio * advantage, ":", color="#7a828c", label="ρA")
            axes.plot(ratio, np.minimum(ratio * advantage, clipped), color=COLOURS[0], label="min(ρA, clip(ρ)A)")
            axes.plot(1.0, advantage, "o", color=COLOURS[1], label="where learning starts")
            axes.set(title=f"advantage A = {advantage:+.0f}", xlabel="ratio ρ = π(a|s) / π_old(a|s)")
        panels[0].set_ylabel("surrogate (units of A)")
        panels[0].legend(loc="upper left", fontsize=8)
    figure.alt = (
        "The clipped surrogate of one transition over its ratio, in two panels. Advantage +1: a line that rises with "
        f"the ratio and is flat above {1 + clip:g}. Advantage -1: flat below {1 - clip:g}, then it falls. Learning "
        "starts at ratio 1."
    )
    return figure


def horizon_figure(gamma: float, lambdas: Sequence[float], steps: int = 60):
    """Weight (γλ)^k of the TD error k steps ahead in the advantage, one line for each λ."""
    ahead = np.arange(steps)
    with style():
        figure, axes = new_figure(figsize=(6.4, 2.6))
        for k, lam in enumerate(lambdas):
            axes.plot(
                ahead, (gamma * lam) ** ahead, DASHES[k % len(DASHES)], color=COLOURS[k % len(COLOURS)],
                label=f"λ = {lam:g}", marker="o" if lam == 0 else None, markersize=3,
            )  # fmt: skip
        axes.set(xlabel="control steps ahead, k", ylabel="weight of δ, (γλ)^k", title=f"γ = {gamma:g}")
        axes.legend()
    return figure


def kl_figure(steps: Sequence[float], kl: Sequence[float], exponent: float | None = None, limit: float = 0.03):
    """KL after one gradient step against the size of the step, both axes logarithmic.

    Args:
        steps, kl: learning rates and the measured KL to the policy before the step (nats).
        exponent: a predicted slope, drawn through the first point.
        limit: a KL to mark.
    """
    steps, kl = np.asarray(steps, float), np.asarray(kl, float)
    if steps.shape != kl.shape or len(steps) < 2:
        raise ArgumentError(f"kl has shape {kl.shape}; it must be that of steps, {steps.shape}, and at least (2,)")
    with style():
        figure, axes = new_figure(figsize=(6.4, 3.0))
        axes.loglog(steps, kl, "o-", color=COLOURS[0], label="measured")
        if exponent is not None:
            line = kl[0] * (steps / steps[0]) ** float(exponent)
            axes.loglog(steps, line, ":", color="#444444", linewidth=2.4, label=f"your prediction, slope {exponent:g}")
        axes.axhline(
            limit, color=COLOURS[1], linewidth=1, linestyle="--", label=f"a usual limit (target_kl = {limit:g})"
        )
        axes.set(xlabel="learning rate of the step", ylabel=UNITS["approx_kl"])
        axes.legend()
    figure.alt = (
        f"KL after one gradient step over its learning rate, both axes logarithmic: from {kl[0]:.2g} nats at "
        f"{steps[0]:.2g} to {kl[-1]:.2g} at {steps[-1]:.2g}, and a dashed line at {limit:g} nats."
        + ("" if exponent is None else f" Your prediction is a dotted line of slope {exponent:g}.")
    )
    return figure


def museum_figure(rows: Sequence[Mapping], healthy: str = "healthy"):
    """Every metric of the healthy run (grey) and of the rooms A to D: median over seeds, band: all seeds."""
    groups = {name: [r["curve"] for r in rows if r["exhibit"] == name] for name in (healthy, *ROOMS.values())}
    if not all(groups.values()):
        missing = ", ".join(name for name, group in groups.items() if not group)
        raise ArgumentError(f"rows lacks the exhibits: {missing}; run benchmarks/bug_museum.py to its end")
    labels = {healthy: "healthy", **{name: f"room {letter}" for letter, name in ROOMS.items()}}
    with style():
        figure, panels = new_figure(2, 3, figsize=(7.6, 4.5))
        for axes, metric in zip(panels.flat, PANELS, strict=False):
            for k, (name, curves) in enumerate(groups.items()):
                _panel(axes, metric, curves, k, labels[name])
            axes.set_title(UNITS[metric], fontsize=9)
            axes.set_xlabel("environment steps", fontsize=8)
            axes.tick_params(labelsize=7.5)
            readable_x(axes, "env_steps")
            axes.locator_params(axis="x", nbins=4)
        panels[0, 1].set_yscale("log")
        panels[0, 1].set_ylim(bottom=1e-4)
        panels[1, 0].set_ylim(-0.5, 1.05)
        legend = panels[1, 2]
        legend.axis("off")
        legend.legend(*panels[0, 0].get_legend_handles_labels(), loc="center left", title="median of each")
        seeds = len(groups[healthy])
        legend.text(0.03, 0.02, f"{seeds} seeds each; band: lowest to highest", fontsize=7.5, color="#666e78")
    figure.alt = (
        "Return, KL, clipped share, explained variance and entropy over environment steps, of a healthy run and of "
        "four broken ones, the rooms A to D. The table below gives their values at the end of training."
    )
    return figure


def _panel(axes, metric: str, curves: Sequence[Mapping], k: int, label: str) -> None:
    """One setting's metric: median over seeds and the range of all seeds."""
    steps = np.asarray(curves[0]["env_steps"], float)
    values = np.array([[np.nan if v is None else v for v in curve[metric]] for curve in curves], float)
    known = np.isfinite(values).all(0)
    steps, values = steps[known], values[:, known]
    colour = "#444444" if k == 0 else COLOURS[k - 1]
    axes.fill_between(steps, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        steps,
        np.median(values, 0),
        "-" if k == 0 else DASHES[k - 1],
        color=colour,
        label=label,
        linewidth=1.5,
    )


def museum_answers(result: Mapping, diagnosis: Mapping[str, int] | None = None):
    """Names and stories behind the doors; a door is open where `diagnosis`, letter -> suspect, is right."""
    from IPython.display import HTML

    stories, said = result.get("exhibits", {}), diagnosis if isinstance(diagnosis, Mapping) else {}
    items = []
    for letter, name in ROOMS.items():
        if said.get(letter) != SUSPECTS.index(name) + 1:
            items.append(f"<li><b>{letter}</b>: closed. Which suspect is it?</li>")
            continue
        story = html.escape(" ".join(stories.get(name, "").split()))
        items.append(f"<li><b>{letter}: {html.escape(name)}.</b> {story} <i>{html.escape(TELLS[name])}</i></li>")
    return HTML(f"<ul>{''.join(items)}</ul>")
