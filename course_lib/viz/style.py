"""The look of the course's figures: colours, units, sizes."""

from __future__ import annotations

import contextlib

# Okabe and Ito (2008), darkest first: told apart by every kind of colour vision and in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#444444")
# Of numbers with a sign, everywhere: negative blue, positive red, 0 white. The colour map, and its two ends as strokes.
SIGNED, NEGATIVE, POSITIVE = "RdBu_r", "#2166ac", "#b2182b"
DASHES = ("-", "--", "-.", ":", "-", "--", "-.")
UNITS = {
    "env_steps": "environment steps",
    "wall_seconds": "wall-clock time (s)",
    "minutes": "wall-clock time (min)",
    "return_mean": "return (mean of 100 episodes)",
    "return_deterministic": "return, noise off",
    "episode_length": "episode length (steps)",
    "approx_kl": "KL to the old policy (nats)",
    "clip_fraction": "clipped share",
    "explained_variance": "explained variance",
    "entropy": "entropy (nats)",
    "policy_loss": "policy loss",
    "value_loss": "value loss",
    "learning_rate": "learning rate",
    "steps_per_second": "environment steps / s",
}
_RC = {
    "figure.figsize": (6.4, 3.4),
    "figure.dpi": 84,
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "axes.axisbelow": True,
    "axes.edgecolor": "#7a828c",
    "xtick.color": "#4a525c",
    "ytick.color": "#4a525c",
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "axes.formatter.use_mathtext": True,
    "savefig.dpi": "figure",
}


@contextlib.contextmanager
def style():
    """The look of the course, for figures made inside the `with` block."""
    from cycler import cycler
    from matplotlib import rc_context

    with rc_context({**_RC, "axes.prop_cycle": cycler(color=COLOURS)}):
        yield


def new_figure(*args, **kwargs):
    """(figure, axes) that no back end shows by itself; call it inside `style()`.

    A notebook shows it with a text for those who cannot see it: `figure.alt` where that was set, else what
    `described.described` finds in the axes.
    """
    import matplotlib.pyplot as plt

    from course_lib.viz.described import picture_class, register

    register()
    figure, axes = plt.subplots(*args, FigureClass=picture_class(), **kwargs)
    plt.close(figure)
    return figure, axes


def readable_x(axes, x: str) -> None:
    """Counts as 200k or 1M instead of powers of ten."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if x == "env_steps":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.margins(x=0.01)
