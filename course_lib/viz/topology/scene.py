"""The shapes of a drawn network: nodes, synapses, headings and legend, for any back end to paint."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from course_lib.viz.style import NEGATIVE, POSITIVE
from course_lib.viz.topology.layout import HEAD, WIDTH, Network, layout, shortened

UP, DOWN = "#ef8a62", "#67a9cf"  # activation above and below zero: red and blue as the weights, light under a number
INK, GREY, PAPER = "#2b3138", "#7a828c", "#f1f3f5"


@dataclass
class Shape:
    """A "path" (points: move, then control and end points alternating, two sides of a wedge), "circle" (centre,
    radius in `size`), "box" (centre, half a side in `size`) or "text" (anchor point, height in `size`)."""

    kind: str
    points: np.ndarray
    fill: str = "none"
    stroke: str = "none"
    line: float = 0.0
    size: float = 0.0
    alpha: float = 1.0
    text: str = ""
    anchor: str = "middle"
    bold: bool = False
    dashed: bool = False
    data: dict = field(default_factory=dict)


@dataclass
class Scene:
    height: float
    edges: list[Shape]
    nodes: list[Shape]
    labels: list[Shape]
    limits: dict[str, float]  # the largest weight, absolute, for each kind of synapse
    top: float = 0.0  # smallest y, negative with a title
    width: float = WIDTH


def wedge(start, end, widths: tuple[float, float], bend: float = 0.0) -> np.ndarray:
    """Outline (6, 2) of a curve from `start` to `end`, `widths` wide there: corner, control, corner, and back."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = end - start
    normal = np.array([-along[1], along[0]])
    control = (start + end) / 2 + bend * normal

    def across(v, width):
        return np.array([-v[1], v[0]]) / max(np.hypot(*v), 1e-9) * width / 2

    a, c, b = across(control - start, widths[0]), across(along, sum(widths) / 2), across(end - control, widths[1])
    return np.array([start + a, control + c, end + b, end - b, control - c, start - a])


def _synapses(net: Network) -> list[tuple[str, str, float]]:
    """(from, to, weight) of all synapses that are not zero."""
    out = [(f"i{j}", f"n{i}", net.sensory[i, j]) for i, j in np.argwhere(net.sensory)]
    out += [(f"n{j}", f"n{i}", net.recurrent[i, j]) for i, j in np.argwhere(net.recurrent)]
    if net.readout is not None:
        out += [(f"n{i}", f"a{k}", net.readout[k, i]) for k, i in np.argwhere(net.readout)]
    return out


def _limits(net: Network, scale: str) -> dict[str, float]:
    """Weight of full width for each kind of synapse."""
    kinds = {"input": net.sensory, "recurrent": net.recurrent, "readout": net.readout}
    limits = {kind: float(np.abs(w).max(initial=0)) for kind, w in kinds.items() if w is not None}
    return limits if scale == "kind" else dict.fromkeys(limits, max(limits.values()))


def _kind(source: str, target: str) -> str:
    return "input" if source[0] == "i" else "readout" if target[0] == "a" else "recurrent"


def _edges(net: Network, places, radius: float, smallest: float, limits: dict[str, float]) -> list[Shape]:
    """Shapes of the synapses, the weak ones first."""
    shares = [(s, t, w, abs(w) / limits[_kind(s, t)]) for s, t, w in _synapses(net)]
    shown = sorted((row for row in shares if row[3] >= smallest), key=lambda row: row[3])
    crowd = max(len(shown), 1)
    if net.polarity:
        thick, faint, strong = (3.5, 0.6, 0.6) if crowd < 150 else (2.5, 0.25, 0.25)
    else:
        thick, faint, strong = float(np.clip(11 - np.log(crowd), 4.5, 8)), float(np.clip(40 / crowd, 0.06, 0.35)), 0.92
    edges = [_thread(places, i, k, radius) for k, i in enumerate(net.motor) if net.readout is None]
    middle = np.mean([place for key, place in places.items() if key[0] == "n"], axis=0)
    for source, target, weight, share in shown:
        look = dict(
            alpha=faint + (strong - faint) * share ** (1 + min(crowd / 600, 1)),  # a crowd needs more contrast
            data={"from": source, "to": target, "weight": float(weight), "share": float(share)},
        )
        colour, width = POSITIVE if weight > 0 else NEGATIVE, max(thick * share, 0.5)
        if source == target:
            centre = places[source] + 1.25 * radius * _outwards(places[source], middle, net.roles is not None)
            edges.append(Shape("circle", centre, stroke=colour, line=0.6 * width, size=0.72 * radius, **look))
        else:
            outline = _synapse(places, source, target, radius, width)
            edges.append(Shape("path", outline, fill=colour, **look))
    return edges


def _outwards(place: np.ndarray, middle: np.ndarray, columns: bool) -> np.ndarray:
    """Unit vector to where there is room for the circle of a synapse onto itself."""
    away = place - middle
    if columns:
        return np.array([0.8, -0.6])
    return away / np.hypot(*away) if np.hypot(*away) > 1e-6 else np.array([0.0, -1.0])


def _synapse(places, source: str, target: str, radius: float, width: float) -> np.ndarray:
    """Outline from the rim of `source` to the rim of `target`; between neurons it bends, so that i -> j and j -> i
    pass side by side, and more within a column, to clear the neurons between."""
    start, end = places[source], places[target]
    along = (end - start) / np.hypot(*(end - start))
    between = source[0] == target[0] == "n"
    bend = (0.32 if abs(start[0] - end[0]) < 1 else 0.13) if between else 0.0
    rims = [radius if key[0] == "n" else 7.0 for key in (source, target)]
    return wedge(start + along * rims[0], end - along * rims[1], (width, 0.25 * width), bend)


def _thread(places, neuron: int, action: int, radius: float) -> Shape:
    """A motor neuron's thin grey line to its action."""
    a, b = places[f"n{neuron}"], places[f"a{action}"]
    return Shape("path", wedge(a + [radius, 0], b - [7, 0], (1.4, 1.4)), fill=GREY, alpha=0.8)


def shade(value: float, limit: float) -> str:
    """Fill of a neuron with activation `value`: white at 0, red above, blue below."""
    share = float(np.clip(abs(value) / limit, 0, 1)) if limit > 0 else 0.0
    return mix(UP if value > 0 else DOWN, share)


def mix(colour: str, share: float) -> str:
    """`share` of `colour`, the rest white."""
    parts = (round(255 + share * (int(colour[k : k + 2], 16) - 255)) for k in (1, 3, 5))
    return "#" + "".join(f"{p:02x}" for p in parts)


def build(
    net: Network,
    activations: np.ndarray | None = None,
    smallest: float = 0.05,
    title: str | None = None,
    *,
    scale: str = "kind",
    bound: float | None = None,
) -> Scene:
    """The whole drawing. activations: (neurons,) or None; `bound`: activation of full colour, None: the largest."""
    places, radius, height = layout(net)
    limits = _limits(net, scale)
    edges = _edges(net, places, radius, smallest, limits)
    if bound is None:
        bound = float(np.abs(activations).max()) if activations is not None else 0.0
    nodes, labels = [], []
    for key, place in places.items():
        k = int(key[1:])
        if key[0] == "n":
            fill = PAPER if activations is None else shade(activations[k], bound)
            gone = k in net.clamped
            nodes.append(
                Shape("circle", place, fill, GREY if gone else INK, 1.4, radius, dashed=gone, data={"node": key})
            )
            labels.append(Shape("text", place, INK, size=float(np.clip(0.85 * radius, 8.5, 12)), text=str(k)))
            continue
        nodes.append(Shape("box", place, PAPER, INK, 1.2, 6.0, data={"node": key}))
        side, name = (-1, net.inputs[k]) if key[0] == "i" else (1, net.actions[k])
        look = dict(size=12.0, text=shortened(name), anchor="end" if side < 0 else "start", data={"name": name})
        labels.append(Shape("text", place + [side * 13, 0], INK, **look))
    labels += _headings(net, places)
    if title:
        labels.append(Shape("text", np.array([16.0, -4.0]), INK, size=14, text=title, anchor="start", bold=True))
    hidden = len(_synapses(net)) - sum("from" in e.data for e in edges)
    edges_legend, labels_legend = legend(net, limits, bound, hidden, smallest, height)
    return Scene(height, edges, nodes + edges_legend, labels + labels_legend, limits, -20.0 if title else 0.0)


def _headings(net: Network, places) -> list[Shape]:
    """The name of each column, over it."""
    columns = {"observation": "i", "action": "a"}
    spots = {name: [p[0] for key, p in places.items() if key[0] == letter] for name, letter in columns.items()}
    if net.roles:
        for role in dict.fromkeys(net.roles):
            spots[role] = [places[f"n{k}"][0] for k in range(net.neurons) if net.roles[k] == role]
    else:
        spots["neurons"] = [places[f"n{k}"][0] for k in range(net.neurons)]
    return [
        Shape("text", np.array([np.mean(x) + 6 * (name == "observation") - 6 * (name == "action"), HEAD - 8]), GREY,
              size=11.5, text=name, anchor={"observation": "end", "action": "start"}.get(name, "middle"))
        for name, x in spots.items() if x
    ]  # fmt: skip


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")


def legend(net: Network, limits: dict[str, float], bound: float, hidden: int, smallest: float, height: float):
    """(shapes, labels) under the network: what colour, width and taper mean, and the scale."""
    y, x = height - 34, 22.0
    shapes, labels = [], []

    def write(at, text, down=0.0, anchor="middle"):
        labels.append(Shape("text", np.array([at, y + down]), INK, size=11, text=text, anchor=anchor))

    if net.polarity:
        for k, (colour, text) in enumerate(((POSITIVE, "excitatory (+)"), (NEGATIVE, "inhibitory (−)"))):
            shapes.append(Shape("path", wedge((x, y + 18 * k), (x + 40, y + 18 * k), (5, 1.3)), fill=colour))
            write(x + 48, text, 18 * k, "start")
        x += 150
    elif max(limits.values()) > 0:
        one = len(set(limits.values())) == 1
        for a in np.linspace(-1, 0.95, 40):
            colour = POSITIVE if a > 0 else NEGATIVE
            sides = tuple(9 * abs(v) + 0.5 for v in (a, a + 0.05))
            ends = (x + 80 + 80 * a, y), (x + 80 + 80 * (a + 0.05) + 0.6, y)
            shapes.append(Shape("path", wedge(*ends, sides), fill=mix(colour, 0.2 + 0.75 * abs(a))))
        for a, word, anchor in ((-1, "−largest", "start"), (0, "0", "middle"), (1, "+largest", "end")):
            text = _signed(a * max(limits.values())) if one and a else word
            write(x + 80 + 80 * a, text, 15, "middle" if one else anchor)
        write(x + 80, "synaptic weight", -15)
        x += 190
    shapes.append(Shape("path", wedge((x + 34, y), (x + 84, y), (7, 1.8)), fill=GREY))
    write(x + 28, "from", anchor="end")
    write(x + 90, "to", anchor="start")
    if not net.polarity and len(set(limits.values())) > 1:
        write(x, "largest: " + " · ".join(f"{kind} {v:.2g}" for kind, v in limits.items()), -15, "start")
    if hidden:
        write(x, f"{hidden} below {smallest:.0%} of the largest not drawn", 16, "start")
    if bound > 0:
        x = WIDTH - 190
        for a in np.linspace(-1, 0.95, 40):
            ends = (x + 80 + 80 * a, y), (x + 80 + 80 * (a + 0.05) + 0.6, y)
            shapes.append(Shape("path", wedge(*ends, (8, 8)), fill=shade(a + 0.025, 1.0)))
        for a in (-1, 0, 1):
            write(x + 80 + 80 * a, _signed(a * bound) if a else "0", 15)
        write(x + 80, "activation", -15)
    return shapes, labels
