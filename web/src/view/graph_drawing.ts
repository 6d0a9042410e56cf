/** The two pictures of a network one above the other, synapses and nodes, and the lines of words below them. */
import { drawn, written } from './drawing';
import { type Layout, type Network, layOut } from './graph_layout';
import { Nodes } from './graph_nodes';
import { type End, type Synapse, outlineOf, strongest, synapsesOf, touches } from './synapses';

const MOST = 250; // synapses drawn
const OWN = 80; // synapses drawn of a node that is pointed at
const FEW = 20; // they are drawn as boldly as so many
const NARROW = 400; // px: less, and facts take two lines, for which room is kept

export class Drawing {
  readonly nodes: Nodes;
  readonly stage: HTMLElement;
  private readonly edges: SVGSVGElement;
  private readonly all: SVGGElement;
  private readonly own: SVGGElement;
  private readonly words: HTMLElement;
  private readonly legend: HTMLElement;
  private readonly synapses: Synapse[];
  private readonly shown: Synapse[];
  private readonly resizing: ResizeObserver;
  private layout: Layout | null = null;
  private end: End | null = null;
  private ringed = false;
  private readonly hint: string;

  constructor(private readonly root: HTMLElement, private readonly network: Network) {
    this.synapses = synapsesOf(network);
    this.shown = strongest(this.synapses, MOST);
    this.stage = written(root, 'div', 'lv-stage');
    this.edges = drawn(this.stage, 'svg', { class: 'lv-edges', 'aria-hidden': 'true' });
    this.all = drawn(this.edges, 'g', { class: 'lv-all' });
    this.own = drawn(this.edges, 'g');
    this.nodes = new Nodes(this.stage, network);
    this.words = written(root, 'p', 'lv-said');
    this.legend = written(root, 'p', 'lv-legend');
    const what = this.synapses.length ? 'its synapses' : 'its activation';
    const touch = matchMedia('(hover: none)').matches;
    this.hint = touch ? `Tap a neuron to hold it and see ${what}.` : `Point at a neuron for ${what}; click to hold it.`;
    if (network.note) written(root, 'p', 'lv-note', network.note);
    this.explain();
    this.resizing = new ResizeObserver(() => this.fit());
    this.resizing.observe(root);
    this.fit();
  }

  private fit(): void {
    const width = Math.floor(this.root.clientWidth);
    if (!width || width === this.layout?.width) return; // not on the page yet, or only the height is another
    this.layout = layOut(this.network, width);
    const { height } = this.layout;
    this.stage.style.height = `${height}px`;
    this.root.classList.toggle('lv-narrow', width < NARROW);
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
      this.edges.setAttribute(name, String(value));
    }
    this.nodes.place(this.layout);
    this.draw(this.all, this.shown, this.shown.length);
    this.emphasise(this.end);
  }

  private draw(into: SVGGElement, synapses: Synapse[], crowd: number): void {
    into.textContent = '';
    if (!this.layout) return;
    // The strong ones come last, above the weak.
    for (let k = synapses.length - 1; k >= 0; k--) {
      const { d, up, alpha, line } = outlineOf(synapses[k], this.layout, crowd);
      const kind = `${line ? 'loop ' : ''}${up ? 'up' : 'down'}`;
      const path = drawn(into, 'path', { class: kind, d, opacity: alpha.toFixed(2) });
      if (line) path.setAttribute('stroke-width', line.toFixed(1));
    }
  }

  /** Only the synapses of one node, also those too weak to be drawn among all; null: all again. */
  emphasise(end: End | null): void {
    this.end = end;
    this.root.classList.toggle('lv-some', end !== null);
    const own = end ? this.synapses.filter((synapse) => touches(synapse, end)).slice(0, OWN) : [];
    this.draw(this.own, own, Math.min(own.length, FEW));
  }

  say(facts: string | null): void {
    const text = facts ?? this.hint;
    if (this.words.textContent !== text) this.words.textContent = text;
  }

  explainRings(): void {
    if (this.ringed) return;
    this.ringed = true;
    this.explain();
  }

  private explain(): void {
    const { legend, synapses, shown } = this;
    legend.textContent = '';
    written(legend, 'b', 'up', 'red');
    legend.append(' above zero, ');
    written(legend, 'b', 'down', 'blue');
    legend.append(' below');
    if (this.ringed) legend.append(' · thick ring: long memory');
    if (synapses.length) legend.append(' · synapses taper to their target');
    const [some, all] = [shown.length, synapses.length].map((count) => count.toLocaleString('en'));
    if (some !== all) legend.append(` · the strongest ${some} of ${all} drawn`);
  }

  dispose(): void {
    this.resizing.disconnect();
  }
}
