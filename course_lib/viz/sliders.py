"""A plot with sliders that needs no kernel: every setting is computed beforehand and drawn as SVG.

    def draw(γ):
        k = np.arange(40)
        yield Curve("weight of a reward", k, γ**k)
        yield f"the weights sum to {1 / (1 - γ):.0f}"

    SliderPlot({"γ": (0.5, 0.9, 0.95, 0.99)}, [Panel("steps ahead", "weight")], draw, start={"γ": 0.95})

It works in a saved notebook, in JupyterLab, VS Code, Colab and on a web page. Where frames are removed, as on GitHub,
you see a still picture of the first setting. The plot, the page and its script are in one file because they always
change together.
"""

from __future__ import annotations

import html
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.framed import few_colours, framed
from course_lib.viz.style import COLOURS, new_figure, style

WIDTH, TALL = 700, 230  # px: all panels side by side; the height of their frames
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 22, 40  # px around the frame of a panel
ROW, LINE, NARROW = 36, 22, 320  # px: a slider, a line of text; a panel narrower than this stands alone in its row
MOST = 400  # settings; more make a notebook heavy
INK, FAINT = "#22303f", "#e6e8eb"
KINDS = {  # of curves -> how they are stroked
    "line": "stroke-width:2",
    "dashes": "stroke-width:1.6;stroke-dasharray:6 4",
    "faint": "stroke-width:1.2;opacity:.6",
    "dots": "stroke-width:7;stroke-linecap:round",
    "bars": "stroke-width:9",
}


@dataclass(frozen=True)
class Panel:
    """Axes: labels with units; limits (None: taken from the curves of all settings); logarithmic or not."""

    x_label: str
    y_label: str
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    title: str = ""


@dataclass(frozen=True)
class Curve:
    """A line, dots or bars: `name` in the legend, x and y (n,). NaN breaks the line. `panel` counts from 0."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    panel: int = 0
    kind: str = "line"
    colour: str | None = None


class SliderPlot:
    """Panels of curves with sliders. A notebook shows it if it is the last line of a cell.

    Args:
        sliders: name -> values in order, numbers or words. At most `MOST` settings in all.
        panels: the panels, from left to right.
        draw: called once for every setting, with one value of each slider, in their order. It yields curves, and
            sentences (str) to print below the plot. Curves with the same name have the same colour.
        start: name -> value at the beginning; the first value if none is given.
        drag: names of two sliders; dragging in the first panel sets them to the values nearest to the pointer.
        alt: what the plot shows, for those who cannot see it.

    Attributes:
        html: the piece of HTML that the notebook shows.
        page: the whole page, to be saved as a file and opened in a browser.

    Raises:
        ArgumentError: a value, a panel or a kind of curve that does not exist, or too many settings.
    """

    def __init__(
        self,
        sliders: dict[str, Sequence],
        panels: Sequence[Panel],
        draw: Callable[..., Iterable[Curve | str]],
        start: dict | None = None,
        drag: tuple[str, str] | None = None,
        alt: str = "",
    ):
        self.sliders = {name: list(values) for name, values in sliders.items()}
        count = math.prod(len(values) for values in self.sliders.values())
        if not 1 <= count <= MOST:
            raise ArgumentError(f"sliders have {count:,} settings in all; accepted: 1 to {MOST}")
        for name in (*(start or {}), *(drag or ())):
            if name not in self.sliders:
                raise ArgumentError(f"{name!r} is no slider; accepted: {', '.join(self.sliders)}")
        for name, value in (start or {}).items():
            if value not in self.sliders[name]:
                raise ArgumentError(f"start {name}={value!r} is not among its values: {self.sliders[name]}")
        self.first = [values.index(start[n]) if n in (start or {}) else 0 for n, values in self.sliders.items()]
        self.settings = []  # (curves, sentences), the last slider runs fastest
        for values in itertools.product(*self.sliders.values()):
            drawn = list(draw(*values))
            self.settings.append(([c for c in drawn if isinstance(c, Curve)], [t for t in drawn if isinstance(t, str)]))
        self.drag = [list(self.sliders).index(name) for name in drag or ()]
        curves, looks = [curve for drawn, _ in self.settings for curve in drawn], {}
        for curve in curves:
            if curve.kind not in KINDS or not 0 <= curve.panel < len(panels) or len(curve.x) != len(curve.y):
                raise ArgumentError(
                    f"curve {curve.name!r} has kind {curve.kind!r}, panel {curve.panel} and {len(curve.x)} and "
                    f"{len(curve.y)} points; accepted: {', '.join(KINDS)}, panels 0 to {len(panels) - 1}, equally many"
                )
            kind, colour = looks.get(curve.name, (curve.kind, curve.colour))
            looks[curve.name] = now = (curve.kind, curve.colour or colour)
            if now != (kind, colour or now[1]):
                raise ArgumentError(
                    f"curve {curve.name!r} is drawn as {curve.kind}, {curve.colour} and elsewhere as {kind}, {colour}; "
                    "curves of one name must look alike"
                )
        self.panels = [_limited(panel, [c for c in curves if c.panel == k]) for k, panel in enumerate(panels)]
        self.names = list(dict.fromkeys(curve.name for curve in curves))
        self.colours = {n: looks[n][1] or COLOURS[k % len(COLOURS)] for k, n in enumerate(self.names)}
        self.kinds = {name: kind for name, (kind, _) in looks.items()}
        self.alt = alt or self._described()
        self.columns = max(1, min(len(panels), WIDTH // NARROW))
        self.wide = WIDTH // self.columns
        self.height = (TOP + TALL + BOTTOM) * -(-len(panels) // self.columns)
        self.page = self._page()

    @property
    def html(self) -> str:
        lines = max(len(sentences) for _, sentences in self.settings)
        below = ROW * len(self.sliders) + LINE * (2 * lines + 2) + 14
        return framed(self.page, few_colours(self.figure()), self.alt, WIDTH, self.height + below)

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"SliderPlot({', '.join(self.sliders)}; {len(self.settings)} settings)"

    def _described(self) -> str:
        axes = "; ".join(f"{p.y_label} over {p.x_label}" for p in self.panels)
        return f"{axes}: {', '.join(self.names)}. Sliders: {', '.join(self.sliders)}"

    # --- the still picture ----------------------------------------------------------------------

    def figure(self, *at: int):
        """A matplotlib figure of one setting. `at`: positions of the sliders; by default the setting at the start."""
        at = at or self.first
        curves, sentences = self.settings[self._index(at)]
        rows = -(-len(self.panels) // self.columns)
        with style():
            figure, axes = new_figure(
                rows, self.columns, figsize=(WIDTH / 84, (self.height + 60) / 84), squeeze=False, dpi=84
            )
            for k, (box, panel) in enumerate(zip(axes.ravel(), self.panels, strict=False)):
                box.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
                box.set_xscale("log" if panel.x_log else "linear")
                box.set_yscale("log" if panel.y_log else "linear")
                for curve in (c for c in curves if c.panel == k):
                    self._plot(box, curve)
                box.set(xlim=panel.x_limits, ylim=panel.y_limits)
            for box in axes.ravel()[len(self.panels) :]:
                box.set_visible(False)
            shown = {c.name: c for c in curves}
            handles = [self._plot(axes[0, 0], c, legend=True) for c in shown.values()]
            figure.legend(handles, [*shown], loc="outside upper left", ncols=min(len(shown), 4) or 1)
            values = [f"{n} = {_word(v[i])}" for (n, v), i in zip(self.sliders.items(), at, strict=True)]
            figure.supxlabel(". ".join([", ".join(values), *(s.rstrip(".") for s in sentences)]), fontsize=9, wrap=True)
        return figure

    def _plot(self, box, curve: Curve, legend: bool = False):
        x, y = ([np.nan], [np.nan]) if legend else (curve.x, curve.y)
        colour = self.colours[curve.name]
        looks = {"line": dict(lw=2), "dashes": dict(lw=1.6, ls="--"), "faint": dict(lw=1.2, alpha=0.6),
                 "dots": dict(ls="", marker="o", ms=6), "bars": dict(lw=6)}  # fmt: skip
        if curve.kind == "bars" and not legend:
            return box.vlines(x, max(0.0, self.panels[curve.panel].y_limits[0]), y, color=colour, lw=6)
        return box.plot(x, y, color=colour, **looks[curve.kind])[0]

    # --- the page -------------------------------------------------------------------------------

    def _index(self, at: Sequence[int]) -> int:
        index = 0
        for values, i in zip(self.sliders.values(), at, strict=True):
            index = index * len(values) + i
        return index

    def _page(self) -> str:
        keys = sorted(
            dict.fromkeys((c.panel, c.name) for curves, _ in self.settings for c in curves), key=lambda k: k[0]
        )
        frames = []
        for curves, sentences in self.settings:
            paths = defaultdict(str)  # curves of one name are one path
            for c in curves:
                paths[c.panel, c.name] += self._path(c)
            frames.append([[paths.get(key, "") for key in keys], sentences])
        drawings = []
        for k, panel in enumerate(self.panels):
            paths = "".join(
                f"<path class='curve' clip-path='url(#clip{k})' "
                f"style='stroke:{self.colours[name]};{KINDS[self.kinds[name]]}'/>"
                for at, name in keys
                if at == k
            )
            drawings.append(
                f"<svg viewBox='0 0 {self.wide} {TOP + TALL + BOTTOM}' role='img' "
                f"aria-label='{html.escape(self.alt, True)}'>{self._axes(k, panel)}{paths}</svg>"
            )
        x, y = (_Scale(self.panels[0], axis, self._box()) for axis in "xy")
        places = [[s.at(v) for v in list(self.sliders.values())[k]] for s, k in zip((x, y), self.drag, strict=False)]
        data = json.dumps(
            dict(frames=frames, values=[[_word(v) for v in values] for values in self.sliders.values()],
                 drag=self.drag, places=places), ensure_ascii=False,
        ).replace("</", "<\\/")  # fmt: skip
        rows = "".join(
            f"<label><span>{html.escape(name)}</span><input type='range' min='0' max='{len(values) - 1}' "
            f"value='{first}' aria-label='{html.escape(name)}'><output></output></label>"
            for (name, values), first in zip(self.sliders.items(), self.first, strict=True)
        )
        swatch = {name: "M13 5h0" if kind == "dots" else "M3 5H23" for name, kind in self.kinds.items()}
        legend = "".join(
            f"<span><svg width='26' height='10'><path d='{swatch[n]}' style='stroke:{self.colours[n]};"
            f"{KINDS[self.kinds[n]]}'/></svg> {html.escape(n)}</span>"
            for n in self.names
        )
        return (
            f"<!doctype html><meta charset='utf-8'><style>{_STYLE}</style>{rows}<div id='legend'>{legend}</div>"
            f"<div id='plots'>{''.join(drawings)}</div><div id='said' aria-live='polite'></div>"
            f"<script>const all = {data};{_SCRIPT}</script>"
        )

    def _box(self) -> tuple[float, float, float, float]:
        """left, top, width and height of the frame of a panel, in px."""
        return LEFT, TOP, self.wide - LEFT - RIGHT, TALL

    def _path(self, curve: Curve) -> str:
        panel, box = self.panels[curve.panel], self._box()
        xs = _Scale(panel, "x", box).at(np.asarray(curve.x, float))
        ys = _Scale(panel, "y", box).at(np.asarray(curve.y, float))
        points = [
            None if not (np.isfinite(x) and np.isfinite(y)) else f"{x:.1f} {y:.1f}".replace(".0 ", " ")
            for x, y in zip(xs, ys, strict=True)
        ]
        if curve.kind == "dots":
            return "".join(f"M{p}h0" for p in points if p)
        if curve.kind == "bars":
            ground = _Scale(panel, "y", box).at(max(0.0, panel.y_limits[0]))
            return "".join(f"M{p.split()[0]} {ground:.1f}V{p.split()[1]}" for p in points if p)
        out, pen = [], "M"
        for point in points:
            out += [f"{pen}{point}"] if point else []
            pen = "L" if point else "M"
        return "".join(out)

    def _axes(self, k: int, panel: Panel) -> str:
        left, top, wide, tall = self._box()
        x, y = _Scale(panel, "x", (left, top, wide, tall)), _Scale(panel, "y", (left, top, wide, tall))
        out = [f"<clipPath id='clip{k}'><rect x='{left}' y='{top - 4}' width='{wide}' height='{tall + 8}'/></clipPath>"]
        for tick in x.ticks():
            out.append(f"<path class='grid' d='M{x.at(tick):.1f} {top}v{tall}'/>")
            out.append(_text(x.at(tick), top + tall + 14, _word(tick), "middle", 10))
        for tick in y.ticks():
            out.append(f"<path class='grid' d='M{left} {y.at(tick):.1f}h{wide}'/>")
            out.append(_text(left - 5, y.at(tick) + 3.5, _word(tick), "end", 10))
        out.append(f"<path class='axis' d='M{left} {top}v{tall}h{wide}'/>")
        out.append(_text(left + wide / 2, top + tall + 32, panel.x_label, "middle", 11))
        middle = top + tall / 2
        x_label = left - LEFT + 11
        out.append(
            f"<g transform='rotate(-90 {x_label} {middle})'>{_text(x_label, middle, panel.y_label, 'middle', 11)}</g>"
        )
        if panel.title:
            out.append(_text(left, top - 8, panel.title, "start", 11.5))
        return "".join(out)


class _Scale:
    """Data -> px along one axis of a panel."""

    def __init__(self, panel: Panel, axis: str, box: tuple[float, float, float, float]):
        self.low, self.high = panel.x_limits if axis == "x" else panel.y_limits
        self.log = panel.x_log if axis == "x" else panel.y_log
        left, top, wide, tall = box
        self.begin, self.end = (left, left + wide) if axis == "x" else (top + tall, top)

    def at(self, value):
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high, value = (np.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        from matplotlib.ticker import LogLocator, MaxNLocator

        locator = LogLocator(numticks=6) if self.log else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
        edge = 1e-9 * abs(self.high - self.low)
        return [float(t) for t in locator.tick_values(self.low, self.high) if self.low - edge <= t <= self.high + edge]


def _limited(panel: Panel, curves: list[Curve]) -> Panel:
    """`panel` with limits around all curves where it has none."""
    found = {}
    for axis, log in (("x", panel.x_log), ("y", panel.y_log)):
        limits = getattr(panel, f"{axis}_limits")
        if limits is None:
            held = [np.asarray(getattr(c, axis), float).ravel() for c in curves]
            values = np.concatenate(held) if held else np.array([0.0, 1.0])
            values = values[np.isfinite(values) & ((values > 0) | (not log))]
            low, high = (float(values.min()), float(values.max())) if len(values) else (0.1, 1.0)
            if log:
                limits = (low / 1.2, high * 1.2)
            else:
                room = 0.04 * (high - low) if high > low else 0.5
                limits = (low - room, high + room)
        if not limits[0] < limits[1] or (log and limits[0] <= 0):
            raise ArgumentError(f"limits {limits} of panel {panel.y_label!r} are not accepted; they must rise")
        found[f"{axis}_limits"] = limits
    return Panel(**{**panel.__dict__, **found})


def _word(value) -> str:
    if isinstance(value, str):
        return value
    value = float(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str, size: float) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}'>{html.escape(text)}</text>"


_STYLE = f"""
body{{margin:0;background:#fff;color:{INK};font:13px DejaVu Sans,Helvetica,Arial,sans-serif;max-width:{WIDTH}px}}
#plots{{display:flex;flex-wrap:wrap}}
#plots svg{{flex:1 1 {NARROW}px;min-width:0;max-width:{WIDTH}px;touch-action:pan-y}}
text{{fill:{INK}}} path{{fill:none}}
.grid{{stroke:{FAINT}}} .axis{{stroke:#7a828c}}
label{{display:flex;flex-wrap:wrap;gap:8px;align-items:center;min-height:{ROW - 6}px;padding:3px 8px}}
label span{{min-width:8em}} label input{{flex:1 1 120px;max-width:340px}} output{{min-width:4em;font-weight:bold}}
#legend{{padding:4px 8px;display:flex;flex-wrap:wrap;gap:4px 16px}} #said{{padding:0 8px;line-height:{LINE}px}}
"""

_SCRIPT = """
const inputs = [...document.querySelectorAll('input')], outputs = [...document.querySelectorAll('output')];
const curves = [...document.querySelectorAll('.curve')], said = document.getElementById('said');
const plot = document.querySelector('#plots svg');
function draw() {
  let index = 0;
  inputs.forEach((input, k) => {
    index = index * all.values[k].length + Number(input.value);
    outputs[k].textContent = all.values[k][input.value];
    input.setAttribute('aria-valuetext', all.values[k][input.value]);
  });
  all.frames[index][0].forEach((d, k) => curves[k].setAttribute('d', d));
  said.replaceChildren(...all.frames[index][1].map(line => {
    const div = document.createElement('div');
    div.textContent = line;
    return div;
  }));
  try {  // in a narrow window the panels stand below each other
    const frame = window.frameElement;
    if (frame) frame.parentElement.style.height = Math.max(document.documentElement.scrollHeight, 60) + 'px';
  } catch (error) { /* somebody else's page */ }
}
inputs.forEach(input => input.addEventListener('input', draw));
if (all.drag.length) {
  const nearer = at => (best, p, i, places) => Math.abs(p - at) < Math.abs(places[best] - at) ? i : best;
  const nearest = (places, at) => places.reduce(nearer(at), 0);
  const move = event => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse());
    [point.x, point.y].forEach((at, k) => { inputs[all.drag[k]].value = nearest(all.places[k], at); });
    draw();
  };
  let held = false;
  plot.style.cursor = 'grab';
  plot.style.touchAction = 'none';
  plot.addEventListener('pointerdown', event => { held = true; move(event); });
  plot.addEventListener('pointermove', event => { if (held) move(event); });
  for (const end of ['pointerup', 'pointercancel', 'pointerleave']) plot.addEventListener(end, () => { held = false; });
}
draw();
"""
