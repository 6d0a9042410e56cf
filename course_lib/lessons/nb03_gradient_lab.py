"""The gradient lab: three ways to differentiate through an ODE, side by side, with sliders (notebook 03).

`gradient_lab` measures; apart from the wall clock, its results depend on its arguments alone. `show` draws them under
sliders, or as one picture where nobody can drag them.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import io
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from course_lib.errors import check_choice, check_count, check_range
from course_lib.lessons.nb03_saved_bytes import SavedBytes
from course_lib.nets.solvers import Counted, odeint
from course_lib.viz.live import has_front_end
from course_lib.viz.style import COLOURS, DASHES, new_figure, style

MARKERS = ("o", "s", "D")
METHODS = ("backprop", "adjoint", "finite differences")
NEURONS = 4
COLUMNS = {  # what is measured -> axis label
    "error": "relative error of the gradient",
    "evaluations": "evaluations of f",
    "saved_bytes": "kept for the gradient (bytes)",
    "seconds": "wall-clock time (s)",
}
RANGES = {"error": (1e-10, 1e4), "evaluations": (10, 1e8), "saved_bytes": (10, 1e9), "seconds": (1e-3, 1e2)}
LIMITS = {"stiffness": (1.0, 30.0), "tolerance": (1e-8, 1e-2), "horizon": (0.1, 3.0)}


class Leaky(nn.Module):
    """dh/dt = k (tanh(W h + b) - h): neurons whose rates k run from 1/s to `stiffness`/s.  h (..., n) -> (..., n).

    The state decays towards tanh(W h + b), so forwards every error shrinks; backwards it grows, with the largest k.
    """

    def __init__(self, stiffness: float, seed: int = 0, neurons: int = NEURONS):
        super().__init__()
        draw = np.random.default_rng(seed)
        self.W = nn.Parameter(torch.tensor(draw.normal(size=(neurons, neurons)) / np.sqrt(neurons)))
        self.b = nn.Parameter(torch.tensor(0.5 * draw.normal(size=neurons)))
        self.register_buffer("k", torch.tensor(np.geomspace(1.0, stiffness, neurons)))
        self.h0 = torch.tensor(draw.normal(size=(1, neurons)))

    def forward(self, t, h: Tensor) -> Tensor:
        return leaky(h, self.W, self.b, self.k)


def leaky(h: Tensor, W: Tensor, b: Tensor, k: Tensor) -> Tensor:
    """h (B, n), W (n, n) or (B, n, n), b (n,) or (B, n), k (n,) in 1/s -> dh/dt (B, n)."""
    return k * (torch.tanh((W @ h[..., None])[..., 0] + b) - h)


def gradient_lab(stiffness: float = 10.0, tolerance: float = 1e-5, horizon: float = 2.0, seed: int = 0) -> list[dict]:
    """Differentiate L = ½|h(T)|² by W, b and h(0) of a `Leaky` field in three ways (dopri5, float64).

    Args:
        stiffness: largest over smallest rate, 1 to 30; the smallest is 1/s.
        tolerance: relative and absolute, of the solver, 1e-8 to 1e-2.
        horizon: T in s, 0.1 to 3.
        seed: draws W, b and h(0).

    Returns:
        One dict for each of `METHODS`: method; error, relative to the norm of the reference (forward sensitivities by
        scipy at tolerance 1e-11); evaluations of f, counted for one trajectory each; saved_bytes, the most that
        autograd kept at any moment; seconds.

    Raises:
        ArgumentError: a number outside its range.
    """
    for name, value in (("stiffness", stiffness), ("tolerance", tolerance), ("horizon", horizon)):
        check_range(name, value, *LIMITS[name])
    field = Leaky(stiffness, check_count("seed", seed, 0))
    true, rows = reference_gradient(field, horizon), []
    _warm_up()
    for method in METHODS:
        start = time.perf_counter()
        with SavedBytes() as memory:
            gradient, evaluations = measure(field, method, tolerance, horizon)
        seconds = time.perf_counter() - start
        error = float(np.linalg.norm(gradient - true) / np.linalg.norm(true))
        measured = {"evaluations": evaluations, "saved_bytes": memory.peak, "seconds": seconds}
        rows.append({"method": method, "error": error, **measured})
    return rows


@functools.cache
def _warm_up() -> None:
    """The first backward pass of a process is slow; it shall not count."""
    for method in METHODS:
        measure(Leaky(1.0), method, 1e-2, 0.1)


def measure(field: Leaky, method: str, tolerance: float, horizon: float) -> tuple[np.ndarray, int]:
    """(gradient (n² + 2n,) by W, b, h(0); evaluations of f) in one of `METHODS`."""
    check_choice("method", method, METHODS)
    if method == "finite differences":
        return finite_differences(field, tolerance, horizon)
    counted, h0 = Counted(field), field.h0.clone().requires_grad_()
    loss = half_square(solve(counted, h0, horizon, tolerance, gradient=method)).sum()
    gradient = torch.autograd.grad(loss, (*field.parameters(), h0))
    return torch.cat([g.flatten() for g in gradient]).numpy(), counted.evaluations


def solve(field: nn.Module, h0: Tensor, horizon: float, tolerance: float, **options) -> Tensor:
    """h(0) (B, n) -> h(T) (B, n) by dopri5."""
    times = torch.tensor([0.0, horizon], dtype=h0.dtype)
    return odeint(field, h0, times, method="dopri5", rtol=tolerance, atol=tolerance, **options)[-1]


def half_square(h: Tensor) -> Tensor:
    """(B, n) -> (B,)"""
    return 0.5 * h.square().sum(-1)


@torch.no_grad()
def finite_differences(field: Leaky, tolerance: float, horizon: float) -> tuple[np.ndarray, int]:
    """Central differences, every nudged copy a row of one batch -> (gradient, evaluations of all rows together)."""
    n, point = len(field.k), torch.cat([field.W.flatten(), field.b, field.h0[0]])
    step = tolerance ** (1 / 3)  # the error of the solver over the step, and the step squared, are then alike
    nudges = step * torch.eye(len(point), dtype=point.dtype)
    W, b, h0 = torch.cat([point + nudges, point - nudges]).split([n * n, n, n], dim=1)
    counted = Counted(lambda t, h: leaky(h, W.reshape(-1, n, n), b, field.k))
    up, down = half_square(solve(counted, h0, horizon, tolerance)).chunk(2)
    return ((up - down) / (2 * step)).numpy(), counted.evaluations * len(h0)


def reference_gradient(field: Leaky, horizon: float, tolerance: float = 1e-11) -> np.ndarray:
    """dL/d(W, b, h(0)) (n² + 2n,) by forward sensitivities S = ∂h/∂(W, b, h(0)): dS/dt = ∂f/∂h S + ∂f/∂(W, b, h(0)).

    Written with numpy and solved by scipy: it shares nothing with the ways that it judges.
    """
    W, b, k = (x.detach().numpy() for x in (field.W, field.b, field.k))
    n = len(k)

    def rates(t, y):
        h, S = y[:n], y[n:].reshape(n, -1)
        z = np.tanh(W @ h + b)
        gain = k * (1 - z**2)
        direct = np.concatenate([np.kron(np.eye(n), h), np.eye(n), np.zeros((n, n))], axis=1)
        change = (gain[:, None] * W - np.diag(k)) @ S + gain[:, None] * direct
        return np.concatenate([k * (z - h), change.ravel()])

    start = np.concatenate([np.zeros((n, n * n + n)), np.eye(n)], axis=1)
    y0 = np.concatenate([field.h0[0].numpy(), start.ravel()])
    y = solve_ivp(rates, (0, horizon), y0, "DOP853", rtol=tolerance, atol=tolerance * 1e-2, t_eval=[horizon]).y[:, -1]
    return y[:n] @ y[n:].reshape(n, -1)


def print_table(rows: Sequence[dict]) -> None:
    """The table of `gradient_lab`, one line a method."""
    print(f"{'':20s}{'error':>9s}{'evaluations':>13s}{'kept (bytes)':>14s}{'seconds':>9s}")
    for row in rows:
        numbers = f"{row['error']:9.1e}{row['evaluations']:13,d}{row['saved_bytes']:14,d}{row['seconds']:9.3f}"
        print(f"{row['method']:20s}{numbers}")


def lab_figure(rows: Sequence[dict], title: str = ""):
    """The table of `gradient_lab` as dots, one panel for each measure, all logarithmic; 0 is written, without a dot."""
    with style():
        figure, panels = new_figure(2, 2, figsize=(7.0, 3.4), sharey=True)
        for axes, (name, label) in zip(panels.ravel(), COLUMNS.items(), strict=True):
            low, high = RANGES[name]
            for k, row in enumerate(rows):
                value, at = row[name], max(row[name], low)
                if value > 0:
                    axes.plot(at, k, MARKERS[k], color=COLOURS[k], markersize=8)
                text, right = written(name, value), np.log(at / low) > 0.6 * np.log(high / low)
                shift = (-9 if right else 9, 0) if value > 0 else (2, 0)
                axes.annotate(
                    text, (at, k), shift, textcoords="offset points", va="center", ha="right" if right else "left"
                )
            axes.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), xlabel=label)
            axes.set_yticks(range(len(rows)), [row["method"] for row in rows])
        figure.suptitle(title, fontsize=9.5)
        lines = ["; ".join(f"{row['method']} {written(n, row[n])}" for row in rows) for n in COLUMNS]
        found = ". ".join(f"{label}: {line}" for label, line in zip(COLUMNS.values(), lines, strict=True))
        figure.alt = f"Gradient lab at {title or 'one setting'}. {found}"
    return figure


def written(name: str, value: float) -> str:
    """A measure of `COLUMNS` as it is shown."""
    return f"{value:.1e}" if name == "error" else f"{value:.2g}" if name == "seconds" else f"{value:,.0f}"


def sweep(values: Sequence[float], seeds: Sequence[int], **options) -> dict[str, dict[str, np.ndarray]]:
    """`gradient_lab` at each stiffness of `values` -> method -> measure -> (len(values), len(seeds))."""
    runs = [[gradient_lab(value, seed=seed, **options) for seed in seeds] for value in values]
    return {
        method: {name: np.array([[run[k][name] for run in line] for line in runs], float) for name in COLUMNS}
        for k, method in enumerate(METHODS)
    }


def sweep_figure(values: Sequence[float], measured: dict, title: str = ""):
    """What `sweep` returned: error, evaluations and memory against stiffness; median, band: all seeds."""
    with style():
        figure, panels = new_figure(1, 3, figsize=(8.4, 2.9))
        for axes, name in zip(panels, ("error", "evaluations", "saved_bytes"), strict=True):
            for k, (method, table) in enumerate(measured.items()):
                if (table[name] <= 0).any():
                    continue  # finite differences keep nothing: no place on a logarithmic axis
                low, middle, high = table[name].min(1), np.median(table[name], 1), table[name].max(1)
                axes.fill_between(values, low, high, color=COLOURS[k], alpha=0.15, linewidth=0)
                axes.loglog(values, middle, "o" + DASHES[k], color=COLOURS[k], markersize=4, label=method)
            axes.set(xlabel="stiffness (largest / smallest k)", ylabel=COLUMNS[name])
            axes.xaxis.label.set_size(8.5)
        panels[1].legend(fontsize=8)
        seeds = len(next(iter(measured.values()))["error"][0])
        figure.suptitle(f"{title}median of {seeds} seeds, band: all of them", fontsize=9)
    ends = [f"{way} {t['error'][0].mean():.0e} to {t['error'][-1].mean():.0e}" for way, t in measured.items()]
    figure.alt = (
        "Three panels over stiffness, logarithmic: error of the gradient, evaluations of f, bytes kept. Mean error at "
        f"the smallest and at the largest stiffness: {'; '.join(ends)}"
    )
    return figure


def heading(stiffness: float, tolerance: float, horizon: float) -> str:
    return f"stiffness {stiffness:.3g}, tolerance {tolerance:.0e}, horizon {horizon:.3g} s"


def show(stiffness: float = 10.0, tolerance: float = 1e-5, horizon: float = 2.0, seed: int = 0, *, front_end=None):
    """The lab under a cell: sliders that measure anew when let go, or one picture where nobody can drag them.

    Args:
        stiffness, tolerance, horizon, seed: where the sliders start; as in `gradient_lab`.
        front_end: whether someone can click; None to find out.
    """

    def draw(stiffness, tolerance, horizon):
        rows = gradient_lab(stiffness, tolerance, horizon, seed)
        return lab_figure(rows, heading(stiffness, tolerance, horizon))

    if has_front_end() if front_end is None else front_end:
        with contextlib.suppress(ImportError):  # no ipywidgets: the picture remains
            return _sliders(draw, stiffness, tolerance, horizon)
    return draw(stiffness, tolerance, horizon)


def as_image(figure) -> str:
    """A figure as an <img> with its text, never wider than the page."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    data, alt = base64.b64encode(out.getvalue()).decode(), html.escape(figure.alt, quote=True)
    return f"<img alt='{alt}' style='max-width:100%' src='data:image/png;base64,{data}'>"


def _sliders(draw: Callable, stiffness: float, tolerance: float, horizon: float):
    """Three sliders above the picture that draw(stiffness, tolerance, horizon) makes."""
    import ipywidgets

    def log_slider(name, value, step):
        low, high = np.log10(LIMITS[name])
        return ipywidgets.FloatLogSlider(
            value=value, min=low, max=high, step=step, description=name, continuous_update=False, readout_format=".2g",
            layout={"width": "300px", "flex": "0 0 auto"},
        )  # fmt: skip

    starts = {"stiffness": (stiffness, 0.1), "tolerance": (tolerance, 0.5), "horizon": (horizon, 0.1)}
    controls = [log_slider(name, *start) for name, start in starts.items()]
    picture, note = ipywidgets.HTML(), ipywidgets.HTML()

    def refresh(_=None):
        note.value = "measuring …"
        values = [float(np.clip(c.value, *LIMITS[c.description])) for c in controls]
        try:
            picture.value, note.value = as_image(draw(*values)), ""
        except Exception as error:  # a solver that gave up: say so under the sliders, keep the last picture
            note.value = f"no result at these values: {error}"

    for control in controls:
        control.observe(refresh, names="value")
    refresh()
    row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"})  # a narrow window has them below each other
    return ipywidgets.VBox([row, note, picture])
