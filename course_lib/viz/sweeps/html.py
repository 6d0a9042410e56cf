"""Parallel coordinates and slices of a sweep to explore: one page of SVG, style and script, with nothing to fetch."""

from __future__ import annotations

import html
import json
import math

import numpy as np

from course_lib.errors import ArgumentError
from course_lib.viz.framed import few_colours, framed
from course_lib.viz.sweeps.figures import GREY, _place, _short, _smooth, _ticks, plot_parallel, value_label, words

WIDTH, TOP, TALL, SIDE = 780, 34, 230, 72  # px: the page, above the axes, length of the axes, left and right of them
PANEL, COLUMNS = 128, 4  # px: height of a slice; slices in a row
BELOW = 96  # px for the slider and the facts of a trial
INK = "#22303f"


class SweepView:
    """An interactive drawing. A notebook shows it if it is the last line of a cell. It needs no kernel or internet.

    Point at a line or a dot: its trial lights up everywhere, with its numbers below. Drag along an axis: only the
    trials that pass there stay. Click the axis to see all again. The slider keeps the best trials.

    Attributes:
        html: the piece of HTML that the notebook shows.
        page: the whole page, to be saved as a file and opened in a browser.
    """

    def __init__(self, sweep, title: str | None = None):
        self._sweep = sweep
        self._trials = sorted(
            (t for t in sweep.trials if math.isfinite(t.last) and len(t.params) == len(sweep.space)),
            key=lambda t: (t.state == "complete", t.last),
        )
        if not self._trials:
            raise ArgumentError(f"sweep {sweep.name!r} has no trial with a value yet")
        self.height = TOP + TALL + 30 + PANEL * -(-len(sweep.space) // COLUMNS)
        self.page = self._page(title)

    @property
    def html(self) -> str:
        """The page in a frame over a still picture. Where frames are removed (GitHub), you see the picture."""
        picture = few_colours(plot_parallel(self._sweep))
        return framed(self.page, picture, "the trials of the sweep", WIDTH + 20, self.height + BELOW)

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"SweepView({len(self._trials)} trials, {len(self._sweep.space)} hyperparameters)"

    # --- the page -------------------------------------------------------------------------------

    def _page(self, title: str | None) -> str:
        space, trials = self._sweep.space, self._trials
        values = [t.last for t in trials]
        low, high = min(values), max(values)
        shares = [(v - low) / ((high - low) or 1.0) for v in values]
        names = [*space, None]
        at = np.linspace(SIDE, WIDTH - SIDE, len(names))
        rows = [
            [*(space[n].position(t.params[n]) for n in space), share] for t, share in zip(trials, shares, strict=True)
        ]
        parts = [_line(i, t, row, at) for i, (t, row) in enumerate(zip(trials, rows, strict=True))]
        for k, name in enumerate(names):
            ticks = _ticks(space[name]) if name else [(p, _short(low + p * (high - low))) for p in (0, 0.5, 1)]
            parts.append(_axis(k, at[k], words(name) if name else value_label(self._sweep), ticks))
        for k, name in enumerate(space):
            parts.append(self._slice(k, name, shares, (low, high)))
        facts = [
            {"at": [round(p, 4) for p in row], "text": self._facts(t)} for t, row in zip(trials, rows, strict=True)
        ]
        data = json.dumps({"trials": facts, "top": TOP, "tall": TALL}).replace("</", "<\\/")
        heading = f"<h4>{html.escape(title)}</h4>" if title else ""
        return (
            f"<!doctype html><meta charset='utf-8'><style>{_STYLE}</style>{heading}"
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {self.height}' width='{WIDTH}' "
            f"height='{self.height}' role='img' aria-label='the trials of the sweep'>{''.join(parts)}</svg>"
            f"<label>show the best <input id='best' type='range' min='1' max='{len(trials)}' value='{len(trials)}'>"
            f" <output id='count'></output></label><div id='panel' aria-live='polite'></div>"
            f"<script>const facts = {data};{_SCRIPT}</script>"
        )

    def _facts(self, t) -> str:
        cells = [f"<b>trial {t.number}</b>, {t.state}: {_short(t.last)}"]
        cells += [
            f"{html.escape(words(n))}&nbsp;<b>{html.escape(_short(v) if type(v) is float else str(v))}</b>"
            for n, v in t.params.items()
        ]
        return " · ".join(cells)

    def _slice(self, k: int, name: str, shares: list[float], ends: tuple[float, float]) -> str:
        """A panel with the value against one hyperparameter."""
        found, width = self._sweep.space[name], (WIDTH - 60) / COLUMNS
        left, top = 52 + (k % COLUMNS) * width, TOP + TALL + 34 + (k // COLUMNS) * PANEL
        wide, tall = width - 26, PANEL - 44
        out = [
            f"<rect class='frame' x='{left:.1f}' y='{top}' width='{wide:.1f}' height='{tall}'/>",
            _text(left + wide / 2, top + tall + 27, words(name), "middle"),
        ]
        if k % COLUMNS == 0:
            out += [_text(left - 5, top + y, _short(v), "end", 9.5) for v, y in zip(ends, (tall, 9), strict=True)]
            middle = top + tall / 2
            out.append(f"<g transform='rotate(-90 12 {middle})'>{_text(12, middle, 'value', 'middle')}</g>")
        for position, text in _ticks(found):
            anchor = "middle" if 0 < position < 1 or found.kind == "choice" else "start" if position == 0 else "end"
            out.append(
                _text(left + 6 + self._across(found, position) * (wide - 12), top + tall + 13, text, anchor, 9.5)
            )
        for i, (t, share) in enumerate(zip(self._trials, shares, strict=True)):
            position = found.position(t.params[name])
            if found.kind == "choice":
                shift = _place(found, t.params[name], t.number) - position * (len(found.choices) - 1)
                position = self._across(found, position) + shift / max(len(found.choices), 1)
            x, y = left + 6 + position * (wide - 12), top + 5 + (1 - share) * (tall - 10)
            paint = f"fill='{_colour(share)}'" if t.state == "complete" else f"fill='#fff' stroke='{GREY}'"
            out.append(f"<circle class='t' data-i='{i}' cx='{x:.1f}' cy='{y:.1f}' r='3.2' {paint}/>")
        return "".join(out)

    @staticmethod
    def _across(found, position: float) -> float:
        """Choices stand in the middle of equal parts; a range goes from end to end."""
        n = len(found.choices)
        return position if found.kind != "choice" else (position * max(n - 1, 0) + 0.5) / n


def _colour(share: float) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps["cividis"](share))


def _line(i: int, t, row: list[float], at: np.ndarray) -> str:
    points = _smooth(np.array(row), 6)
    step = at[1] - at[0] if len(at) > 1 else 0.0
    path = "L".join(f"{at[0] + x * step:.1f} {TOP + (1 - y) * TALL:.1f}" for x, y in points)
    whole = t.state == "complete"
    paint = f"stroke='{_colour(row[-1])}' stroke-width='1.8'" if whole else f"stroke='{GREY}' stroke-width='.7'"
    return f"<path class='t' data-i='{i}' fill='none' {paint} d='M{path}'/>"


def _axis(k: int, x: float, name: str, ticks: list[tuple[float, str]]) -> str:
    out = [
        f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP}' y2='{TOP + TALL}' stroke='#4a525c'/>",
        f"<rect class='brush' id='brush{k}' x='{x - 5:.1f}' y='0' width='10' height='0'/>",
        _text(x, TOP - 14, name, "middle", 10.5, bold=True),
    ]
    for position, text in ticks:
        y = TOP + (1 - position) * TALL
        out.append(f"<line x1='{x:.1f}' x2='{x + 4:.1f}' y1='{y:.1f}' y2='{y:.1f}' stroke='#4a525c'/>")
        out.append(_text(x + 6, y + 3.5, text, "start", 9.5))
    # Last, so that nothing lies over what the mouse takes hold of.
    out.append(f"<rect class='axis' data-k='{k}' x='{x - 11:.1f}' y='{TOP - 8}' width='22' height='{TALL + 16}'/>")
    return "".join(out)


def _text(x: float, y: float, text: str, anchor: str, size: float = 11, bold: bool = False) -> str:
    weight = " font-weight='bold'" if bold else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}'{weight}>{html.escape(text)}</text>"


_STYLE = f"""
body{{margin:0;background:#fff;color:{INK};font:13px DejaVu Sans,Helvetica,Arial,sans-serif}}
h4{{margin:6px 20px}} svg{{display:block;max-width:100%;height:auto}}
text{{pointer-events:none;fill:{INK};paint-order:stroke;stroke:#fff;stroke-width:3px}}
.t{{opacity:.85}} .t.off{{display:none}} svg.some .t{{opacity:.12}} svg.some .t.lit{{opacity:1}}
path.lit{{stroke-width:3.4px}} circle.lit{{stroke:{INK};stroke-width:2px}}
.frame{{fill:none;stroke:#d5d9de}} .axis{{fill:#fff;fill-opacity:0;cursor:ns-resize}}
.brush{{fill:#D55E00;opacity:.45;pointer-events:none}}
label{{display:flex;gap:8px;align-items:center;height:30px;padding-left:20px;color:#4a525c}} input{{width:220px}}
#panel{{padding:2px 20px;height:{BELOW - 44}px;line-height:1.5}}
"""

_SCRIPT = """
const svg = document.querySelector('svg'), panel = document.getElementById('panel');
const best = document.getElementById('best'), count = document.getElementById('count');
const marks = [...document.querySelectorAll('.t')], limits = {}, n = facts.trials.length;
const of = i => marks.filter(m => +m.dataset.i === i);
const hint = 'Point at a line or a dot. Drag along an axis to keep what passes there; click the axis to let go.';
function light(i) {
  for (const m of document.querySelectorAll('.lit')) m.classList.remove('lit');
  svg.classList.toggle('some', i !== null);
  if (i !== null) for (const m of of(i)) m.classList.add('lit');
  panel.innerHTML = i === null ? hint : facts.trials[i].text;
}
function sift() {
  let shown = 0;
  const order = facts.trials.map((t, i) => i).reverse();
  const kept = new Set(order.slice(0, +best.value));
  facts.trials.forEach((t, i) => {
    const inside = Object.entries(limits).every(([k, [low, high]]) => t.at[k] >= low && t.at[k] <= high);
    const on = inside && kept.has(i);
    shown += on;
    for (const m of of(i)) m.classList.toggle('off', !on);
  });
  count.textContent = shown + ' of ' + n + ' trials shown';
}
for (const m of marks) {
  m.addEventListener('pointerenter', () => light(+m.dataset.i));
  m.addEventListener('pointerleave', () => light(null));
}
function height(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return Math.min(1, Math.max(0, 1 - (point.y - facts.top) / facts.tall));
}
for (const axis of document.querySelectorAll('.axis')) {
  const k = axis.dataset.k, brush = document.getElementById('brush' + k);
  let start = null;
  const draw = () => {
    const [low, high] = limits[k] || [0, 0];
    brush.setAttribute('y', facts.top + (1 - high) * facts.tall);
    brush.setAttribute('height', (high - low) * facts.tall);
    sift();
  };
  axis.addEventListener('pointerdown', e => {
    start = height(e);
    try { axis.setPointerCapture(e.pointerId); } catch (error) { /* a made-up pointer, as in tests */ }
    delete limits[k];
    draw();
  });
  axis.addEventListener('pointermove', e => {
    if (start === null) return;
    const now = height(e);
    if (Math.abs(now - start) > 0.01) limits[k] = [Math.min(start, now) - 1e-3, Math.max(start, now) + 1e-3];
    draw();
  });
  for (const end of ['pointerup', 'pointercancel']) axis.addEventListener(end, () => { start = null; });
}
best.addEventListener('input', sift);
light(null);
sift();
"""
