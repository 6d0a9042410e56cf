"""Notebook 04: how far back a gradient reaches. A slider on truncated back-propagation, and the Jacobians of an LTC.

The toy is one LTC neuron without a synapse onto itself, at a constant input: f is constant, so one control step
multiplies a change of the state by a constant factor. The factor depends on the effective time constant 1/(1/τ + f) and
on the solver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from course_lib.errors import ArgumentError, check_choice
from course_lib.viz.sliders import Curve, Panel, SliderPlot
from course_lib.viz.states.states import Record, recurrent
from course_lib.viz.style import COLOURS, new_figure, style

GREY, DARK = "#7a828c", "#22303f"
SOLVERS = {  # name on the slider -> what one control step leaves of a change, from the time constant in steps
    "fused (4.3)": lambda tau: 1 / (1 + 1 / tau),
    "exact": lambda tau: np.exp(-1 / tau),
    "explicit Euler": lambda tau: 1 - 1 / tau,
}
LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128)
TIMES = (0.6, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # effective time constants in control steps; below 1/2 Euler diverges
FEW, TOLERATED = 40, 0.1  # lags that are drawn; the missing share that is marked


# --- the toy ------------------------------------------------------------------------------------


def factor(tau: float, solver: str) -> float:
    """What one control step leaves of a change of the state: time constant `tau` in steps, a name in `SOLVERS`."""
    check_choice("solver", solver, SOLVERS)
    if not tau > 0:
        raise ArgumentError(f"tau={tau!r} is not accepted; it must be positive")
    return float(SOLVERS[solver](tau))


def missing(length: int, kept: float) -> float:
    """Share of a step's gradient that a cut every `length` steps takes away, mean over the steps of a piece.

    kept: what one step leaves of a change, |kept| < 1. Step j of a piece, counted from 1, sees the lags 0 to j - 1. The
    gradient at lag k is kept^k, so kept^j of the sum over all lags is missing.
    """
    return float(np.mean(np.abs(kept) ** np.arange(1, length + 1)))


def shortest(kept: float, tolerated: float = TOLERATED) -> int:
    """The shortest length at which no more than `tolerated` is missing."""
    length = 1
    while missing(length, kept) > tolerated:
        length += 1
    return length


def bptt_slider() -> SliderPlot:
    """Sliders on the length of the pieces, the time constant and the solver: which lags a gradient reaches."""
    lags = np.arange(FEW)
    lengths = np.unique(np.round(2 ** np.linspace(0, 9, 28)).astype(int))
    kept = {(tau, solver): factor(tau, solver) for tau in TIMES for solver in SOLVERS}
    lines = {key: np.array([missing(n, each) for n in lengths]) for key, each in kept.items()}
    needed = {key: shortest(each) for key, each in kept.items()}

    def draw(length: int, tau: float, solver: str):
        each = kept[tau, solver]
        yield Curve("seen by the last step of a piece", lags[:length], each ** lags[:length], kind="bars",
                    colour=COLOURS[0])  # fmt: skip
        yield Curve("whole gradient", lags, each**lags, kind="dashes", colour=DARK)
        yield Curve("missing, mean over a piece", lengths, lines[tau, solver], 1, colour=COLOURS[1])
        yield Curve("a tenth", [1, 512], [TOLERATED] * 2, 1, "dashes", GREY)
        yield Curve("this L", [length], [missing(length, each)], 1, "dots", DARK)
        yield f"One step leaves {each:.2f} of a change. The last step of a piece lacks {abs(each) ** length:.1%}."
        yield (
            f"Mean over a piece of {length}: {missing(length, each):.1%} is missing. "
            f"For a tenth, L must be {needed[tau, solver]}."
        )

    panels = [
        Panel("lag k (control steps)", "effect of the input k steps back", (-0.7, FEW - 0.5), (-0.75, 1.05)),
        Panel("length L of the pieces (control steps)", "missing share", (0.9, 560), (0, 1.02), x_log=True),
    ]
    return SliderPlot(
        {"L": LENGTHS, "time constant": TIMES, "solver": tuple(SOLVERS)}, panels, draw,
        start={"L": 8, "time constant": 4.0},
        alt="Left: the effect of an input on a later state over the lag between them. It falls by a constant factor a "
        "step; bars stand for the lags that back-propagation sees, up to L - 1. Right: the share of the gradient that "
        "is missing, over L. It falls like 1/L, and later for a long time constant. The exact solution forgets faster "
        "than the fused step. Explicit Euler changes sign at short time constants.",
    )  # fmt: skip


# --- trained networks ---------------------------------------------------------------------------


def jacobians(policy, episode: Record) -> tuple[np.ndarray, np.ndarray]:
    """Eq. (4.5) of an LTC at every step of an episode: with the recurrent weights, and with W = 0 at the same f.

    Returns (T, n, n) twice; entry [t, i, j] is d h[t + 1, i] / d h[t, j].
    """
    policy = recurrent(policy)
    cell = policy.cell
    with torch.no_grad():
        x, h = policy.encoder(policy.timed(episode.x)[0]), policy.parts(episode.before)[0]
        f = torch.sigmoid(h @ cell.recurrent_weight.T + x @ cell.input_weight.T + cell.bias)
        shrinks = 1 / (1 + policy.dt * (1 / cell.tau + f))
        after = (h + policy.dt * f * cell.A) * shrinks
        gain = policy.dt * (cell.A - after) * f * (1 - f) * shrinks
        alone = torch.diag_embed(shrinks)
        return (alone + gain[..., None] * cell.recurrent_weight).numpy(), alone.numpy()


def largest(matrices: np.ndarray) -> np.ndarray:
    """(T, n, n) -> largest modulus of an eigenvalue of each, (T,)."""
    return np.abs(np.linalg.eigvals(matrices)).max(-1)


def left_over(matrices: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """How much of a change of the state is left after `lags` steps, at most: the median over an episode of the largest
    singular value of the product of so many Jacobians (T, n, n)."""
    product = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape).copy()
    found = {}
    for k in range(max(lags)):
        product = matrices[k:] @ product[: len(matrices) - k]
        found[k + 1] = np.median(np.linalg.norm(product, 2, axis=(-2, -1)))
    return np.array([found[lag] for lag in lags])


def memory_figure(found: Mapping[str, tuple[np.ndarray, np.ndarray]], lags: Sequence[int] = (1, 2, 4, 8, 16, 32)):
    """Eigenvalues of the Jacobians (4.5) at the middle of an episode, and what is left of a change after some steps.

    Args:
        found: name of a network -> what `jacobians` returned.
    """
    with style():
        figure, (left, right) = new_figure(1, 2, figsize=(7.6, 3.3), width_ratios=(1, 1.35))
        angle = np.linspace(0, 2 * np.pi, 200)
        left.plot(np.cos(angle), np.sin(angle), color=GREY, linewidth=1)
        for k, (name, (whole, alone)) in enumerate(found.items()):
            values = np.linalg.eigvals(whole[len(whole) // 2])
            own = np.diagonal(alone[len(alone) // 2])
            left.plot(values.real, values.imag, "os"[k % 2], color=COLOURS[k], markersize=5)
            left.plot(own, np.zeros_like(own), "|", color=COLOURS[k], markersize=11)
            right.plot(lags, left_over(whole, lags), "os"[k % 2] + "-", color=COLOURS[k], label=name)
            right.plot(lags, left_over(alone, lags), "--", color=COLOURS[k], label=f"{name}, W = 0")
        left.set(xlabel="real part", ylabel="imaginary part", aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
        left.set_title("eigenvalues; strokes: W = 0", fontsize=9)
        right.set(xscale="log", yscale="log", xlabel="control steps", ylabel="left of a change, at most")
        right.set_xticks(lags, [str(lag) for lag in lags])
        right.minorticks_off()
        right.set_ylim(bottom=1e-4)
        right.legend(fontsize=8, loc="lower left")
    reach = "; ".join(f"{name}: up to {largest(whole).max():.2f}" for name, (whole, _) in found.items())
    figure.alt = (
        f"Left: eigenvalues of the Jacobian of one control step, in the unit circle ({reach}). Right: what is left of "
        "a change of the state, over control steps, on logarithmic axes. It falls fast where eigenvalues are small. "
        "Dashed: the same without recurrent weights."
    )
    return figure
