/** The nodes and names of a drawn network as SVG: made once, placed for a width, painted where a value has changed. */
import type { Label, Layout, Network, Point } from './graph_layout';
import { clip, drawn } from './drawing';

const LEVELS = 16; // of colour, for each sign
const RINGS = 8; // thicknesses of a ring
const SHORTEST = 0.15; // control steps that the thinnest ring stands for,
const LONGEST = 15; // and the thickest
const UNKNOWN = 127; // no level: paint in any case
const OPACITIES = Array.from({ length: LEVELS + 1 }, (_, k) => (0.8 * (k / LEVELS) ** 1.2).toFixed(3));

/** A share of full colour, -1..1, as one of few steps; 0 for what is not finite. */
export function levelOf(share: number): number {
  return share - share === 0 ? Math.round(clip(share, -1, 1) * LEVELS) : 0;
}

/** The thickness of the ring of a neuron that remembers for so many control steps, 0 to `RINGS`. */
export function ringOf(steps: number | undefined): number {
  if (steps === undefined || !(steps > 0)) return 0;
  return Math.round(clip(Math.log(steps / SHORTEST) / Math.log(LONGEST / SHORTEST), 0, 1) * RINGS);
}

/** Nodes of one kind: what is painted, and at which level it is. */
interface Painted {
  fills: SVGElement[];
  levels: Int8Array;
}

interface Neuron {
  all: SVGGElement;
  parts: { [part in 'hit' | 'halo' | 'paper' | 'v' | 'ring']: SVGCircleElement };
  cross: SVGPathElement;
  text: SVGTextElement;
  ring: number;
  held: boolean;
}

export class Nodes {
  readonly svg: SVGSVGElement;
  private readonly names: SVGGElement;
  private readonly places: { inputs: SVGElement[][]; actions: SVGElement[][] } = { inputs: [], actions: [] };
  private readonly painted: { inputs: Painted; neurons: Painted; actions: Painted };
  private readonly neurons: Neuron[];
  private radius = 0;

  constructor(stage: Element, { inputs, actions, neurons }: Network) {
    const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;
    const outer = `${count(inputs.length, 'input')} and ${count(actions.length, 'action')}`;
    const name = `network of ${count(neurons, 'neuron')} with ${outer}`;
    this.svg = drawn(stage, 'svg', { class: 'lv-nodes', role: 'group', 'aria-label': name });
    this.names = drawn(this.svg, 'g', { 'aria-hidden': 'true' });
    const outside = drawn(this.svg, 'g', { 'aria-hidden': 'true' });
    const place = (tag: 'circle' | 'rect', part: string, index: number) => {
      const node = drawn(outside, 'g', { 'data-part': part, 'data-index': index });
      return ['paper', 'v', 'rim'].map((kind) => drawn(node, tag, { class: kind }));
    };
    this.places.inputs = inputs.map((_, i) => place('circle', 'input', i));
    this.places.actions = actions.map((_, i) => place('rect', 'action', i));
    this.neurons = Array.from({ length: neurons }, (_, i) => {
      const all = drawn(this.svg, 'g', {
        class: 'lv-neuron', role: 'button', tabindex: i ? -1 : 0, 'aria-label': `neuron ${i}`,
        'aria-pressed': 'false', 'data-part': 'neuron', 'data-index': i,
      });
      const circle = (kind: string) => drawn(all, 'circle', { class: kind });
      return {
        all,
        parts: {
          hit: circle('hit'), halo: circle('halo'), paper: circle('paper'), v: circle('v'), ring: circle('ring'),
        },
        cross: drawn(all, 'path', { class: 'cross' }),
        text: drawn(all, 'text', { 'text-anchor': 'middle' }, String(i)),
        ring: UNKNOWN,
        held: false,
      };
    });
    const painting = (fills: SVGElement[]): Painted => ({ fills, levels: new Int8Array(fills.length).fill(UNKNOWN) });
    this.painted = {
      inputs: painting(this.places.inputs.map((parts) => parts[1])),
      actions: painting(this.places.actions.map((parts) => parts[1])),
      neurons: painting(this.neurons.map(({ parts }) => parts.v)),
    };
  }

  place(layout: Layout): void {
    const { width, height, radius, dot, box, font } = layout;
    set(this.svg, { width, height, viewBox: `0 0 ${width} ${height}` });
    this.places.inputs.forEach((parts, i) => {
      const [cx, cy] = fixed(layout.inputs[i]);
      for (const part of parts) set(part, { cx, cy, r: dot.toFixed(1) });
    });
    this.places.actions.forEach((parts, i) => {
      const [x, y] = fixed([layout.actions[i][0] - box, layout.actions[i][1] - box]);
      for (const part of parts) set(part, { x, y, width: (2 * box).toFixed(1), height: (2 * box).toFixed(1), rx: 1.5 });
    });
    this.radius = radius;
    const size = clip(0.85 * radius, 8, 12);
    const arm = (0.42 * radius).toFixed(1);
    this.neurons.forEach((neuron, i) => {
      const { all, parts, cross, text } = neuron;
      set(all, { transform: `translate(${fixed(layout.neurons[i]).join(' ')})` });
      set(parts.hit, { r: layout.reach.toFixed(1) });
      set(parts.halo, { r: (radius + 2.5).toFixed(1) });
      set(parts.paper, { r: radius.toFixed(1) });
      set(parts.v, { r: radius.toFixed(1) });
      set(cross, { d: `M-${arm}-${arm}L${arm} ${arm}M${arm}-${arm}L-${arm} ${arm}` });
      const visibility = radius < 8 ? 'hidden' : 'visible';
      set(text, { 'font-size': size.toFixed(1), y: (0.35 * size).toFixed(1), visibility });
      neuron.ring = UNKNOWN;
      this.ring(i, 0);
    });
    this.names.textContent = '';
    for (const { text, x, y, anchor } of layout.headings) {
      drawn(this.names, 'text', { class: 'heading', x, y, 'text-anchor': anchor, 'font-size': font }, text);
    }
    for (const label of layout.inputLabels) this.label(label, 'end', font);
    for (const label of layout.actionLabels) this.label(label, 'start', font);
  }

  private label({ lines, full, x, y, bracket }: Label, anchor: string, font: number): void {
    if (bracket) drawn(this.names, 'path', { class: 'bracket', d: bracket });
    const text = drawn(this.names, 'text', { class: 'name', 'text-anchor': anchor, 'font-size': font });
    lines.forEach((line, l) => {
      const down = y + 0.35 * font + 1.14 * font * (l - (lines.length - 1) / 2);
      drawn(text, 'tspan', { x: x.toFixed(1), y: down.toFixed(1) }, line);
    });
    if (lines.join(' ') !== full) drawn(text, 'title', {}, full);
  }

  /** Paint input, neuron or action number i with a share of full colour, -1..1. */
  paint(kind: 'inputs' | 'neurons' | 'actions', i: number, share: number): void {
    const { fills, levels } = this.painted[kind];
    const level = levelOf(share);
    const before = levels[i];
    if (level === before) return;
    levels[i] = level;
    if (before === UNKNOWN || level > 0 !== before > 0) fills[i].setAttribute('class', level > 0 ? 'v up' : 'v down');
    fills[i].setAttribute('fill-opacity', OPACITIES[Math.abs(level)]);
  }

  /** Draw a neuron's ring at one of its thicknesses. It grows inwards, so that neurons stay apart. */
  ring(i: number, level: number): void {
    const neuron = this.neurons[i];
    if (neuron.ring === level) return;
    neuron.ring = level;
    const thickest = clip(0.38 * this.radius, 1.8, 5);
    const width = 0.9 + ((thickest - 0.9) * level) / RINGS;
    set(neuron.parts.ring, { r: (this.radius - width / 2).toFixed(2), 'stroke-width': width.toFixed(2) });
  }

  hold(i: number, held: boolean): void {
    const neuron = this.neurons[i];
    if (neuron.held === held) return;
    neuron.held = held;
    neuron.all.classList.toggle('held', held);
    neuron.all.setAttribute('aria-pressed', String(held));
  }

  /** The one neuron that the tab key reaches: arrows move on from it. */
  stopAt(i: number): void {
    this.neurons.forEach(({ all }, k) => all.setAttribute('tabindex', k === i ? '0' : '-1'));
  }

  focus(i: number): void {
    this.neurons[i].all.focus();
  }
}

function set(element: Element, attributes: Record<string, string | number>): void {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

const fixed = (point: Point) => point.map((v) => v.toFixed(1));
