"""A learning curve that grows under the cell while training runs.

The picture is a hand-written SVG put in place of the last one through Jupyter's display ids, which every
front end understands; after the end one static PNG takes its place, also where no front end listens.
"""

from __future__ import annotations

import html
import io
import sys
import time

import numpy as np

WIDTH, HEIGHT = 620, 210  # pixels
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 34
INTERVAL = 0.5  # s, shortest time between two pictures
SHARE = 0.01  # of the training time that drawing may take


def _shell():
    """The running Jupyter kernel's shell, or None outside a notebook."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return shell if hasattr(shell, "kernel") else None


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    return _shell() is not None


def has_front_end() -> bool:
    """Whether someone can click: false for nbconvert, nbval and papermill, which refuse standard input."""
    shell = _shell()
    return shell is not None and bool(getattr(shell.kernel, "_allow_stdin", True))


def live_plots(key: str = "return_mean") -> list[LivePlot]:
    """The training callbacks that draw `key` against env steps under the cell: none outside a notebook."""
    return [LivePlot(key)] if in_notebook() else []


class LivePlot:
    """Collects `key` after each update and redraws at most every `INTERVAL` s, in `SHARE` of the time."""

    def __init__(self, key: str = "return_mean", display=None):
        self.key = key
        self.points: list[tuple[float, float]] = []
        self._next = 0.0
        self._handle = None
        self._display = display
        self._target = 0

    def on_start(self, run) -> None:
        curve = run.curve
        if self.key in curve:  # a run that goes on
            self.points = [p for p in zip(curve["env_steps"], curve[self.key], strict=True) if np.isfinite(p[1])]
        self._target = run.target
        self._next = time.perf_counter() + INTERVAL

    def on_update(self, run) -> None:
        latest = run.latest
        value = latest.get(self.key, np.nan)
        if np.isfinite(value):
            self.points.append((latest["env_steps"], value))
        began = time.perf_counter()
        if began < self._next:
            return
        from IPython.display import HTML

        self._put(HTML(svg(self.points, self._target, numbers(latest, self._target)), metadata=None))
        now = time.perf_counter()
        self._next = now + max(INTERVAL, (now - began) / SHARE)

    def on_end(self, run) -> None:
        from IPython.display import Image

        if run.latest:
            picture = png(self.points, run)
            self._put(Image(data=picture, format="png", width=WIDTH, alt=told(self.points, run.latest)))

    def place(self) -> None:
        """Take a place under the running cell, before there is anything to draw."""
        from IPython.display import HTML

        self._put(HTML("<small>training starts</small>"))

    def _put(self, thing) -> None:
        if self._handle is None:
            if self._display is None:
                from IPython.display import display as show
            else:
                show = self._display
            self._handle = show(thing, display_id=True)
        else:
            self._handle.update(thing)


def numbers(latest: dict[str, float], target: float = 0) -> str:
    """One line: where training is and how the last update went."""
    parts = [f"{latest['env_steps']:,.0f} steps", f"{latest.get('wall_seconds', 0):.0f} s"]
    left = (target - latest["env_steps"]) / max(latest.get("steps_per_second", 0.0), 1e-9)
    if 0 < left < 1e6:
        parts[-1] += f" ({left:.0f} s left)" if left < 100 else f" ({left / 60:.0f} min left)"
    formats = {
        "return_mean": "return {:,.1f}",
        "steps_per_second": "{:,.0f} steps/s",
        "approx_kl": "KL {:.3f}",
        "clip_fraction": "clipped {:.0%}",
        "explained_variance": "expl. var. {:.2f}",
    }
    parts += [text.format(latest[name]) for name, text in formats.items() if np.isfinite(latest.get(name, np.nan))]
    return "  ·  ".join(parts)


def told(points: list[tuple[float, float]], latest: dict[str, float]) -> str:
    """The curve in words."""
    if not points:
        return f"learning curve: no episode has ended yet; {numbers(latest)}"
    first, last = (value for _, value in (points[0], points[-1]))
    best = max(value for _, value in points)
    return (
        f"learning curve: return {first:,.1f} at first, {last:,.1f} at the end, {best:,.1f} at most; {numbers(latest)}"
    )


def svg(points: list[tuple[float, float]], target: float, line: str) -> str:
    """The curve through `points` as SVG; `target` is the right end of the x axis in env steps."""
    waiting = "" if points else "no episode has ended yet"
    points = points[:: len(points) // 300 + 1] + points[-1:] or [(0.0, 0.0)]
    x, y = np.array(points, dtype=float).T
    left, right = 0.0, max(float(target), x[-1], 1.0)
    ticks = _ticks(float(y.min()), float(y.max()))
    low, high = min(ticks[0], y.min()), max(ticks[-1], y.max())

    def across(v):
        return LEFT + (v - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def down(v):
        return HEIGHT - BOTTOM - (v - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across(x), down(y), strict=True))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT + 20}" '
        f'role="img" aria-label="learning curve so far: {html.escape(line)}" '
        'style="max-width:100%" font-family="DejaVu Sans, Helvetica, sans-serif" '
        'font-size="11" fill="#4a525c">'
        '<rect width="100%" height="100%" fill="#fff"/>'
    ]
    foot, mid_x, mid_y = HEIGHT - BOTTOM + 15, (LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM + TOP) / 2
    for v in ticks:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(v):.1f}" y2="{down(v):.1f}" stroke="#e6e8eb"/>')
        out.append(f'<text x="{LEFT - 6}" y="{down(v) + 4:.1f}" text-anchor="end">{v:,g}</text>')
    for v in _ticks(left, right):
        if left <= v <= right:
            out.append(f'<text x="{across(v):.1f}" y="{foot}" text-anchor="middle">{_short(v)}</text>')
    out.append(
        f'<text x="{mid_x}" y="{HEIGHT - 4}" text-anchor="middle">environment steps</text>'
        f'<text transform="translate(12,{mid_y}) rotate(-90)" text-anchor="middle">return</text>'
        f'<polyline points="{path}" fill="none" stroke="#0072B2" stroke-width="2" stroke-linejoin="round"/>'
        f'<circle cx="{across(x[-1]):.1f}" cy="{down(y[-1]):.1f}" r="3.5" fill="#0072B2"/>'
        f'<text x="{mid_x}" y="{mid_y}" text-anchor="middle">{waiting}</text>'
        f'<text x="8" y="{HEIGHT + 14}">{html.escape(line)}</text></svg>'
    )
    return "".join(out)


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover [low, high]."""
    span = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-9)
    step = 10.0 ** np.floor(np.log10(span / about))
    step *= next(m for m in (1, 2, 5, 10) if span / (step * m) <= about)
    first = np.floor(low / step)
    count = int(np.ceil(high / step) - first)
    return [float(f"{(first + k) * step:.10g}") for k in range(max(count, 1) + 1)]


def _short(value: float) -> str:
    """250000 -> "250k"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def png(points: list[tuple[float, float]], run) -> bytes:
    """The final, static picture of a run."""
    from course_lib.viz.style import COLOURS, UNITS, new_figure, readable_x, style

    x, y = np.array(points, dtype=float).reshape(-1, 2).T
    out = io.BytesIO()
    with style():
        figure, axes = new_figure(figsize=(6.2, 2.3))
        axes.plot(x, y, color=COLOURS[0], marker="o" if len(x) < 3 else None)
        if not points:
            axes.set_xlim(0, max(run.latest["env_steps"], 1))
            axes.text(0.5, 0.5, "no episode has ended yet", transform=axes.transAxes, ha="center")
        axes.set(xlabel=UNITS["env_steps"], ylabel="return\n(mean of 100 episodes)")
        figure.suptitle(numbers(run.latest), fontsize=7.5, color="#4a525c", x=0.01, ha="left")
        readable_x(axes, "env_steps")
        figure.savefig(out, format="png", dpi=100)  # shown at WIDTH
    return out.getvalue()
