"""The interactive drawing of a network: one page of SVG, style and script, with nothing to fetch."""

from __future__ import annotations

import html
import json
import math

import numpy as np

from course_lib.errors import ArgumentError, check_choice
from course_lib.viz.framed import few_colours, framed
from course_lib.viz.topology.layout import Network, finite_array, network_of
from course_lib.viz.topology.paint import check_share, paint
from course_lib.viz.topology.scene import DOWN, GREY, INK, NEGATIVE, POSITIVE, UP, Scene, Shape, build

PANEL, CONTROL = 112, 30  # px under the drawing: the list of synapses, each slider


def topology_view(
    cell_or_wiring,
    readout=None,
    observation_names=None,
    action_names=None,
    activations=None,
    *,
    smallest: float = 0.05,
    scale: str = "kind",
    title: str | None = None,
):
    """The drawing of `topology`, to explore: point at, click or tab to a neuron, and you see only its synapses.

    Their weights appear too. The view is one piece of HTML that needs no internet, kernel or widget, so it works in a
    saved notebook. Where scripts are not allowed, you see a picture instead. Arguments as in `topology`, and:

    Args:
        activations: (neurons,), or (T, neurons) for a slider over T steps.

    Returns:
        A `TopologyView`, which a notebook shows as the last line of a cell; `view.html` and `view.svg` are its text.
    """
    net = network_of(cell_or_wiring, readout, observation_names, action_names)
    check_share(smallest)
    check_choice("scale", scale, ("kind", "shared"))
    if activations is not None:
        steps = np.ndim(activations) == 2
        activations = np.atleast_2d(finite_array("activations", activations, (None,) * steps + (net.neurons,)))
        if not len(activations):
            raise ArgumentError("activations is empty; it must hold at least one step")
    return TopologyView(net, activations, smallest, title, scale)


class TopologyView:
    """An interactive drawing. A notebook shows it if it is the last line of a cell.

    Attributes:
        html: the piece of HTML that the notebook shows.
        svg: the drawing alone, as a file of its own.
        page: the whole interactive page, to be saved as a file and opened in a browser.
    """

    def __init__(self, net: Network, activations: np.ndarray | None, smallest: float, title: str | None, scale: str):
        self._net = net
        first = None if activations is None else activations[0]
        bound = None if activations is None else float(np.abs(activations).max())
        self._still = build(net, first, smallest, title, scale=scale, bound=bound)
        scene = build(net, first, 0.0, title, scale=scale, bound=bound)
        self.svg = svg(self._still)
        self.page = page(net, scene, activations, smallest, bound)
        sliders = self.page.count("type='range'")
        self._height = math.ceil(scene.height - scene.top) + PANEL + CONTROL * sliders

    @property
    def html(self) -> str:
        """The page in a frame over a still picture. Where frames are removed (GitHub), you see the picture."""
        width = int(self._still.width) + 20
        return framed(self.page, self.png(), "the network as a graph", width, self._height)

    def _repr_html_(self) -> str:
        return self.html

    def png(self) -> bytes:
        """The still picture, in 64 colours: a third of the size."""
        return few_colours(paint(self._still))

    def __repr__(self) -> str:
        return f"TopologyView({len(self._net.inputs)} inputs, {self._net.neurons} neurons)"


def _numbers(points: np.ndarray) -> list[str]:
    return [f"{v:.1f}" for v in np.ravel(points)]


def element(shape: Shape) -> str:
    """A shape as SVG, in single quotes, because the page is put inside double quotes."""
    extra, d = "", shape.data
    if "from" in d:
        extra = f" class='e' data-s='{d['from']}' data-t='{d['to']}'"
        extra += f" data-w='{d['weight']:.4g}' data-m='{d['share']:.4f}'"
    elif "node" in d:
        extra = f" id='{d['node']}' class='n'"
    paint = f" fill='{shape.fill}'"
    if shape.stroke != "none":
        paint += f" stroke='{shape.stroke}' stroke-width='{shape.line:.1f}'"
    if shape.alpha < 1:
        paint += f" opacity='{shape.alpha:.2f}'"
    if shape.dashed:
        paint += " stroke-dasharray='3 3'"
    if shape.kind == "path":
        p = _numbers(shape.points)
        return f"<path{extra}{paint} d='M{p[0]} {p[1]}Q{' '.join(p[2:6])}L{p[6]} {p[7]}Q{' '.join(p[8:12])}Z'/>"
    x, y = _numbers(shape.points)
    if shape.kind == "circle":
        return f"<circle{extra}{paint} cx='{x}' cy='{y}' r='{shape.size:.1f}'/>"
    if shape.kind == "box":
        (left, top), side = _numbers(shape.points - shape.size), 2 * shape.size
        return f"<rect{extra}{paint} x='{left}' y='{top}' width='{side:g}' height='{side:g}'/>"
    bold = " font-weight='bold'" if shape.bold else ""
    return (
        f"<text{bold}{paint} x='{x}' y='{float(y) + 0.35 * shape.size:.1f}' font-size='{shape.size:.1f}' "
        f"text-anchor='{shape.anchor}'>{html.escape(shape.text)}</text>"
    )


def svg(scene: Scene) -> str:
    """The scene as one SVG element."""
    top, height = scene.top, scene.height - scene.top
    parts = "".join(element(shape) for group in (scene.edges, scene.nodes, scene.labels) for shape in group)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 {top:g} {scene.width:g} {height:g}' "
        f"width='{scene.width:g}' height='{height:g}' role='img' aria-label='the network as a graph' "
        "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'>"
        f"<rect y='{top:g}' width='100%' height='100%' fill='#fff'/>{parts}</svg>"
    )


def page(net: Network, scene: Scene, activations, smallest: float, bound: float | None) -> str:
    """The interactive page."""
    names = {f"i{k}": name for k, name in enumerate(net.inputs)}
    names |= {f"a{k}": name for k, name in enumerate(net.actions)}
    roles = net.roles or ("",) * net.neurons
    names |= {f"n{k}": f"neuron {k}" + (f" ({roles[k]})" if roles[k] else "") for k in range(net.neurons)}
    facts = {
        "names": names,
        "polarity": net.polarity,
        "smallest": smallest,
        "bound": bound,
        "steps": None if activations is None else np.round(activations, 4).tolist(),
        "up": UP,
        "down": DOWN,
    }
    # "</" would end the script; a name could hold it.
    data = json.dumps(facts).replace("</", "<\\/")
    sliders = "" if net.polarity else _slider("least", "hide weights below", 0, 99, round(100 * smallest))
    if activations is not None and len(activations) > 1:
        sliders += _slider("step", "step", 0, len(activations) - 1, 0)
    return (
        f"<!doctype html><meta charset='utf-8'><style>{_STYLE}</style>{svg(scene)}"
        f"{sliders}<div id='panel' aria-live='polite'></div><script>const facts = {data};{_SCRIPT}</script>"
    )


def _slider(name: str, label: str, low: int, high: int, value: int) -> str:
    return (
        f"<label>{label} <input id='{name}' type='range' min='{low}' max='{high}' value='{value}'>"
        f" <output id='{name}_is'></output></label>"
    )


_STYLE = f"""
body{{margin:0;background:#fff;color:{INK};font:13px DejaVu Sans,Helvetica,Arial,sans-serif}}
svg{{display:block;max-width:100%;height:auto}}
text{{pointer-events:none}}
.n{{cursor:pointer;outline:none}} .n:hover,.n:focus,.n.held{{stroke-width:3px}}
svg.some .e{{opacity:.02}} svg.some .e.lit{{opacity:.95}} .e.off{{display:none}}
label{{display:flex;gap:8px;align-items:center;height:{CONTROL}px;padding-left:20px;color:{GREY}}}
input{{width:220px}}
#panel{{padding:4px 20px;height:{PANEL - 16}px;line-height:1.55}}
b{{color:{INK}}} .p{{color:{POSITIVE}}} .m{{color:{NEGATIVE}}} .g{{color:{GREY}}}
"""

_SCRIPT = """
const svg = document.querySelector('svg'), panel = document.getElementById('panel');
const nodes = [...document.querySelectorAll('.n')];
const edges = [...document.querySelectorAll('.e')].map(e =>
  ({e, from: e.dataset.s, to: e.dataset.t, weight: +e.dataset.w, share: +e.dataset.m}));
const hint = '<span class=g>Point at a neuron, an input or an action; click to hold it.</span>';
let held = null, row = 0;
const safe = text => text.replace(/[&<>'"]/g, c => '&#' + c.charCodeAt(0) + ';');
const minus = text => text.replace('-', '\u2212');
const number = w => (w < 0 ? '\u2212' : '+') + (facts.polarity ? '' : Math.abs(w).toPrecision(2));
const short = id => id[0] === 'n' ? id.slice(1) : safe(facts.names[id]);
function list(word, found, end) {
  if (!found.length) return '';
  found.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  const strongest = found.slice(0, 8).map(f =>
    short(f[end]) + '&nbsp;<span class=' + (f.weight < 0 ? 'm' : 'p') + '>' + number(f.weight) + '</span>');
  const more = found.length > 8 ? ' <span class=g>and ' + (found.length - 8) + ' more</span>' : '';
  return '<br><span class=g>' + word + '</span> ' + strongest.join(' · ') + more;
}
function show(id = held) {
  svg.classList.toggle('some', !!id);
  for (const n of nodes) n.classList.toggle('held', n.id === held);
  for (const f of edges) f.e.classList.toggle('lit', !!id && (f.from === id || f.to === id));
  if (!id) { panel.innerHTML = hint; return; }
  let text = '<b>' + safe(facts.names[id]) + '</b>';
  if (id[0] === 'n' && facts.steps) text += ' · activation ' + minus(facts.steps[row][+id.slice(1)].toFixed(2));
  panel.innerHTML = text + list('driven by', edges.filter(f => f.to === id), 'from')
    + list('drives', edges.filter(f => f.from === id), 'to');
}
for (const n of nodes) {
  n.setAttribute('tabindex', '0');
  n.setAttribute('role', 'button');
  n.setAttribute('aria-label', facts.names[n.id]);
  for (const event of ['pointerenter', 'focus']) n.addEventListener(event, () => show(n.id));
  for (const event of ['pointerleave', 'blur']) n.addEventListener(event, () => show());
  const hold = () => { held = held === n.id ? null : n.id; show(n.id); };
  n.addEventListener('click', hold);
  n.addEventListener('keydown', k => { if (k.key === 'Enter' || k.key === ' ') { k.preventDefault(); hold(); } });
}
for (const f of edges) {
  const title = document.createElementNS(svg.namespaceURI, 'title');
  title.textContent = facts.names[f.from] + ' \u2192 ' + facts.names[f.to] + ': ' + number(f.weight);
  f.e.append(title);
}
function slider(id, act) {
  const input = document.getElementById(id), output = document.getElementById(id + '_is');
  if (!input) return;
  const moved = () => { output.textContent = act(+input.value); };
  input.addEventListener('input', moved);
  moved();
}
slider('least', percent => {
  let shown = 0;
  for (const f of edges) {
    const off = f.share < percent / 100;
    f.e.classList.toggle('off', off);
    shown += !off;
  }
  return percent + ' % of the largest: ' + shown + ' of ' + edges.length + ' synapses shown';
});
function mix(colour, share) {
  const part = k => Math.round(255 + share * (parseInt(colour.slice(k, k + 2), 16) - 255));
  return 'rgb(' + [1, 3, 5].map(part) + ')';
}
slider('step', t => {
  row = t;
  facts.steps[t].forEach((a, k) => document.getElementById('n' + k).setAttribute(
    'fill', mix(a > 0 ? facts.up : facts.down, facts.bound ? Math.abs(a) / facts.bound : 0)));
  show();
  return t + ' of ' + (facts.steps.length - 1);
});
show();
"""
