"""Pictures for those who cannot see them: a text for every figure, and a search for labels that overlap."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from itertools import combinations
from pathlib import Path

import numpy as np

LONGEST = 600  # characters of a text
FILE = "COURSE_TEXTS"  # environment variable: a file to which every figure shown adds its overlaps
SLACK = 1.0  # px by which two texts may touch


def described(figure) -> str:
    """What a matplotlib figure shows, in words: `figure.alt` if it is set, else titles, axes, ranges and names."""
    if getattr(figure, "alt", ""):
        return figure.alt
    panels = []
    for axes in figure.axes:
        titled = axes.get_title() or axes.get_title(loc="left")
        if axes.get_visible() and (axes.axison or titled) and axes.get_label() != "<colorbar>":
            panels.append(_panel(axes))
    named = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    head = [figure.get_suptitle()] if figure.get_suptitle() else []
    if len(panels) > 1:
        head.append(f"{len(panels)} panels")
    text = ". ".join(filter(None, [*head, *dict.fromkeys(panels), *([f"shown: {', '.join(named)}"] if named else [])]))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _panel(axes) -> str:
    """One panel: its kind, axes and range, and what each named line, row or map in it comes to."""
    x, y = axes.get_xlabel(), axes.get_ylabel()
    said = f"{axes.get_title() or axes.get_title(loc='left')}: ".removeprefix(": ") + _kind(axes)
    if x or y:
        said += f" of {' over '.join(filter(None, (y, x)))}"
    if axes.lines and x and y:
        low, high = axes.get_ylim()
        said += f", {low:.3g} to {high:.3g}"
    legend = axes.get_legend()
    names = [text.get_text() for text in legend.get_texts()] if legend else []
    courses = {line.get_label(): _course(line) for line in axes.lines if not line.get_label().startswith("_")}
    names = [*dict.fromkeys([*names, *courses])]
    rows = _rows(axes)
    if not names and not rows and not legend:
        names = [text.get_text() for text in axes.texts if text.get_text().strip()]
    told = [f"{name}{courses.get(name, '')}" for name in names] + [f"{name}{value}" for name, value in rows.items()]
    said += _extent(axes)
    return " ".join((said + (f": {'; '.join(told[:14])}" if told else "")).split())


def _kind(axes) -> str:
    """What most of a panel consists of."""
    if axes.images and not axes.axison:
        return "picture"
    if _meshes(axes):
        return "map"
    drawn = [line for line in axes.lines if len(line.get_xdata()) > 2 and line.get_linestyle() != "None"]
    if drawn:
        return "curves"
    if _bars(axes):
        return "bars"
    dots = any(line.get_linestyle() == "None" for line in axes.lines) or axes.collections
    return "points" if dots else "lines" if axes.lines else "drawing"


def _meshes(axes) -> list:
    return [*axes.images, *(c for c in axes.collections if type(c).__name__ == "QuadMesh")]


def _bars(axes) -> list:
    """The rectangles of bar charts; bands across a panel are none."""
    return [bar for group in axes.containers if type(group).__name__ == "BarContainer" for bar in group]


def _extent(axes) -> str:
    """ ", values -1 to 1" of a map."""
    values = [np.asarray(mesh.get_array(), dtype=float) for mesh in _meshes(axes) if axes.axison]
    values = [v[np.isfinite(v)] for v in values if v.ndim < 3 or v.shape[-1] not in (3, 4)]
    values = [v for v in values if v.size]
    return (
        f", values {_short(min(v.min() for v in values))} to {_short(max(v.max() for v in values))}" if values else ""
    )


def _course(line) -> str:
    """ ", 3 at first, 950 at last" of a curve; "" of marks and of straight reference lines."""
    y = np.asarray(line.get_ydata(), dtype=float)
    if len(y) < 3 or line.get_linestyle() == "None" or np.isfinite(y).sum() < 3:
        return ""
    y = y[np.isfinite(y)]
    return f", {_short(y[0])} at first, {_short(y[-1])} at last"


def _rows(axes) -> dict[str, str]:
    """Name on the y axis -> " 4,600", the middle of the marks in its row or the length of its bar."""
    rows = {}
    beside = max(  # panels with a common y axis name their rows once
        axes.get_shared_y_axes().get_siblings(axes), key=lambda a: sum(bool(t.get_text()) for t in a.get_yticklabels())
    )
    for place, text in zip(beside.get_yticks(), beside.get_yticklabels(), strict=False):
        name = text.get_text()
        if not name or _number(name):
            continue
        bars = [r.get_width() for r in _bars(axes) if abs(r.get_y() + r.get_height() / 2 - place) < 0.3]
        marks = [
            x
            for line in axes.lines
            if line.get_linestyle() == "None"
            for x, y in zip(np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=False)
            if abs(y - place) < 0.45
        ]
        found = bars or marks
        rows[name] = f" {_short(float(np.median(found)))}" if found else ""
    return rows


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _number(text: str) -> bool:
    """Whether a tick's text is a number, as matplotlib writes them: 0.5, $\\mathdefault{10^{-3}}$, 200k, 10 %."""
    return re.fullmatch(r"[\d\s.,$^{}+−-]*[kM%]?\$?", re.sub(r"\\[a-z]+", "", text)) is not None


# --- texts that touch -------------------------------------------------------------------------------


def overlaps(figure) -> list[tuple[str, str]]:
    """Pairs of texts in a figure that overlap at the size at which it is shown."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before, canvas = figure.canvas, FigureCanvasAgg(figure)
    canvas.draw()
    renderer, boxes = canvas.get_renderer(), []
    for text in _texts(figure):
        box = text.get_window_extent(renderer)
        if box.width > 0 and box.height > 0:
            boxes.append((text, box))
    figure.set_canvas(before)
    found = []
    for (one, a), (other, b) in combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        tall = min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > SLACK and tall > SLACK:
            found.append((one.get_text(), other.get_text()))
    return found


def _texts(figure):
    """All visible texts, ticks inside the limits only."""
    from matplotlib.text import Text

    ticks = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown = axes.get_visible() and axes.axison and axis.get_visible()
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                inside = low - 1e-9 * (high - low) <= tick.get_loc() <= high + 1e-9 * (high - low)
                for label in (tick.label1, tick.label2):
                    if not (shown and inside):
                        ticks.add(label)
    hidden = {axes for axes in figure.axes if not axes.get_visible()}
    off = {axes.xaxis.label for axes in figure.axes if not axes.axison}
    off |= {axes.yaxis.label for axes in figure.axes if not axes.axison}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in ticks and text not in off:
            if getattr(text, "axes", None) not in hidden and text.get_alpha() != 0:
                yield text


# --- in the notebook --------------------------------------------------------------------------------


@functools.cache
def picture_class() -> type:
    """A matplotlib `Figure` that a Jupyter kernel shows with its text."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        alt = ""

    return Picture


def register() -> None:
    """Tell a Jupyter kernel how to show a picture. Without a kernel this does nothing."""
    module = sys.modules.get("IPython")
    if shell := module.get_ipython() if module else None:
        shell.display_formatter.formatters["image/png"].for_type(picture_class(), _shown)


def _shown(figure):
    """The picture as PNG, by whatever shows figures here, and "alt" for its metadata."""
    from IPython import get_ipython
    from IPython.core.pylabtools import print_figure
    from matplotlib.figure import Figure

    usual = get_ipython().display_formatter.formatters["image/png"].type_printers.get(Figure)
    made = usual(figure) if usual else print_figure(figure, base64=True)
    picture, metadata = made if isinstance(made, tuple) else (made, {})
    if path := os.environ.get(FILE):
        row = dict(figure=described(figure)[:80], overlaps=overlaps(figure))
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return picture, {**metadata, "alt": described(figure)}
