/** Which synapses of a network are drawn, and the outlines they are drawn with (course_lib/viz/topology/scene.py). */
import type { Layout, Network, Point } from './graph_layout';

/**
 * Share of the weights of a kind that are not drawn as the strongest are. Readout weights of neurons that hardly move
 * are huge, and beside them all others would vanish.
 */
const SURE: Record<Kind, number> = { input: 0.998, recurrent: 0.998, readout: 0.95 };

export type Kind = 'input' | 'recurrent' | 'readout';

export interface Synapse {
  kind: Kind;
  from: number;
  to: number;
  weight: number;
  /** Of a large weight of its kind, 1 at most: an untrained readout would not be seen otherwise. */
  share: number;
}

export interface Outline {
  d: string;
  up: boolean;
  alpha: number;
  /** Width of the stroke of a synapse onto itself, a circle; 0 for all others, which are filled. */
  line: number;
}

/** All synapses that are not zero, the strong ones first. */
export function synapsesOf(network: Network): Synapse[] {
  const found: Synapse[] = [];
  const add = (kind: Kind, weights: Float32Array | null, sources: number) => {
    const sizes = (weights ?? new Float32Array()).map(Math.abs).filter((size) => size > 0 && size < Infinity).sort();
    const large = sizes[Math.ceil(SURE[kind] * (sizes.length - 1))];
    weights?.forEach((weight, at) => {
      const size = Math.abs(weight);
      if (!(size > 0 && size < Infinity)) return;
      found.push({ kind, from: at % sources, to: Math.floor(at / sources), weight, share: Math.min(size / large, 1) });
    });
  };
  add('input', network.inputWeight, network.inputs.length);
  add('recurrent', network.recurrentWeight, network.neurons);
  add('readout', network.readoutWeight, network.neurons);
  return found.sort((a, b) => b.share - a.share || Math.abs(b.weight) - Math.abs(a.weight));
}

/** The `most` strongest: as many of each kind as there are, up to a third, so that none goes missing in a crowd. */
export function strongest(sorted: Synapse[], most: number): Synapse[] {
  const places: Record<Kind, number> = { input: most / 3, recurrent: most / 3, readout: most / 3 };
  const sure = new Set(sorted.filter(({ kind }) => places[kind]-- >= 1));
  let left = most - sure.size;
  return sorted.filter((synapse) => sure.has(synapse) || left-- > 0);
}

/** A node that the reader points at. */
export interface End {
  part: 'input' | 'neuron' | 'action';
  index: number;
}

export function touches({ kind, from, to }: Synapse, { part, index }: End): boolean {
  const begins = from === index && part === (kind === 'input' ? 'input' : 'neuron');
  return begins || (to === index && part === (kind === 'readout' ? 'action' : 'neuron'));
}

const at = ([x, y]: Point) => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** A curve from `start` to `end`, wide where it begins and narrow where it arrives, bent to one side. */
function wedge([x0, y0]: Point, [x1, y1]: Point, wide: number, narrow: number, bend: number): string {
  const [control, half]: [Point, number] = [
    [(x0 + x1) / 2 - bend * (y1 - y0), (y0 + y1) / 2 + bend * (x1 - x0)],
    (wide + narrow) / 4,
  ];
  const across = ([vx, vy]: Point, width: number): Point => {
    const length = Math.hypot(vx, vy) || 1;
    return [(-vy / length) * width, (vx / length) * width];
  };
  const a = across([control[0] - x0, control[1] - y0], wide / 2);
  const c = across([x1 - x0, y1 - y0], half);
  const b = across([x1 - control[0], y1 - control[1]], narrow / 2);
  const side = (s: 1 | -1): Point[] => [
    [x0 + s * a[0], y0 + s * a[1]],
    [control[0] + s * c[0], control[1] + s * c[1]],
    [x1 + s * b[0], y1 + s * b[1]],
  ];
  const [left, right] = [side(1), side(-1)];
  return `M${at(left[0])}Q${at(left[1])} ${at(left[2])}L${at(right[2])}Q${at(right[1])} ${at(right[0])}Z`;
}

/** How a synapse is drawn among `crowd` others: a crowd needs thinner lines and more contrast. */
export function outlineOf(synapse: Synapse, layout: Layout, crowd: number): Outline {
  const { kind, from, to, weight, share } = synapse;
  const thin = layout.width < 480 ? 0.72 : 1;
  const thick = thin * Math.min(Math.max(9 - Math.log(crowd + 1), 3.2), 6.5);
  const faint = Math.min(Math.max(26 / (crowd + 1), 0.06), 0.4);
  const alpha = faint + (0.88 - faint) * share ** (1.1 + Math.min(crowd / 300, 0.9));
  const width = Math.max(thick * share, 0.5);
  const look = { up: weight > 0, alpha };
  const { neurons, radius } = layout;
  if (kind === 'recurrent' && from === to) {
    const [x, y] = neurons[to];
    const middle = neurons.reduce(([sx, sy], [px, py]) => [sx + px / neurons.length, sy + py / neurons.length], [0, 0]);
    const away: Point = neurons.length <= 4 ? [0.8, -0.6] : [x - middle[0], y - middle[1]];
    const length = Math.hypot(...away) || 1;
    const [cx, cy] = [x + (1.25 * radius * away[0]) / length, y + (1.25 * radius * away[1]) / length];
    const r = 0.68 * radius;
    const arc = (to: number) => `a${r.toFixed(1)} ${r.toFixed(1)} 0 1 1 ${to.toFixed(1)} 0`;
    return { ...look, d: `M${at([cx - r, cy])}${arc(2 * r)}${arc(-2 * r)}`, line: Math.max(0.6 * width, 0.5) };
  }
  const start = kind === 'input' ? layout.inputs[from] : neurons[from];
  const end = kind === 'readout' ? layout.actions[to] : neurons[to];
  const [dx, dy] = [end[0] - start[0], end[1] - start[1]];
  const length = Math.hypot(dx, dy) || 1;
  const [near, far] = [kind === 'input' ? layout.dot : radius, kind === 'readout' ? layout.box + 1 : radius];
  const from0: Point = [start[0] + (dx / length) * near, start[1] + (dy / length) * near];
  const to0: Point = [end[0] - (dx / length) * far, end[1] - (dy / length) * far];
  // Between neurons it bends, so that there and back pass side by side; more in a column, to clear those between.
  const bend = kind !== 'recurrent' ? 0 : Math.abs(dx) < 1 ? 0.32 : 0.13;
  return { ...look, d: wedge(from0, to0, width, 0.25 * width, bend), line: 0 };
}
