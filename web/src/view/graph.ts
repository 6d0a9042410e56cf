/**
 * A policy's network to watch and to hold: inputs on the left, neurons in the middle, actions on the right.
 *
 * Everything is laid out once for a width; a frame only changes the few attributes whose quantised value is another.
 * The synapses, which never change, are a picture of their own below the nodes, so that they are not painted anew.
 */
import { said, styled, written } from './drawing';
import { Drawing } from './graph_drawing';
import type { Network } from './graph_layout';
import { ringOf } from './graph_nodes';
import type { End } from './synapses';

export type { Network } from './graph_layout';

export interface Now {
  /** What the cell is given: normalised, about -3..3. */
  inputs: ArrayLike<number> | null;
  /** The observation as the policy gets it, before it is normalised. */
  sensed: ArrayLike<number>;
  activations: ArrayLike<number>;
  /** Shares of their range, -1..1. */
  actions: ArrayLike<number>;
  /** In steps of the cell, */
  timeConstants: ArrayLike<number> | null;
  /** of which each lasts so many seconds. */
  cellStep: number;
  held: ReadonlySet<number>;
}

const FADES = 0.9995; // how slowly the largest activation seen is forgotten, a frame
const INPUT = 3; // larger ones have full colour too
const TELLING = 6; // frames between two texts: numbers that change 60 times a second cannot be read
const NOTHING_HELD: ReadonlySet<number> = new Set();

export class NeuronGraph {
  private readonly root: HTMLElement;
  private readonly listening = new AbortController();
  private drawing: Drawing | null = null;
  private readonly largest: Float32Array;
  private largestInput = 1;
  private now: Now | null = null;
  private frame = 0;
  private hovered: End | null = null;
  private focused: End | null = null;

  constructor(
    host: HTMLElement,
    private readonly network: Network,
    private readonly onHold: (neuron: number, held: boolean) => void,
  ) {
    styled(host);
    this.root = written(host, 'div', 'lv-graph');
    this.largest = new Float32Array(network.neurons).fill(1e-3);
    if (network.neurons) {
      this.drawing = new Drawing(this.root, network);
      this.listen(this.drawing);
      this.tell();
    } else {
      written(this.root, 'p', 'lv-note lv-only', network.note);
    }
  }

  /** Once a frame. What is handed over is kept until the next call, not copied. */
  update(now: Now): void {
    const { drawing, network, largest } = this;
    this.now = now;
    if (!drawing) return;
    const { nodes } = drawing;
    const { inputs, activations, actions, timeConstants, held } = now;
    if (inputs) this.look(inputs);
    for (let i = 0; inputs && i < network.inputs.length; i++) nodes.paint('inputs', i, inputs[i] / this.largestInput);
    for (let i = 0; i < network.actions.length; i++) nodes.paint('actions', i, actions[i]);
    for (let i = 0; i < network.neurons; i++) {
      const size = Math.abs(activations[i]);
      largest[i] = Math.max(largest[i] * FADES, 1e-3, size < Infinity ? size : 0);
      nodes.paint('neurons', i, activations[i] / largest[i]);
      nodes.hold(i, held.has(i));
      if (timeConstants) nodes.ring(i, ringOf(timeConstants[i]));
    }
    if (timeConstants) drawing.explainRings();
    if (this.frame++ % TELLING === 0) this.tell();
  }

  /** One scale for all inputs, since they are normalised. */
  private look(inputs: ArrayLike<number>): void {
    let most = 1;
    for (let i = 0; i < inputs.length; i++) if (Math.abs(inputs[i]) > most) most = Math.min(Math.abs(inputs[i]), INPUT);
    this.largestInput = Math.max(most, this.largestInput * FADES);
  }

  dispose(): void {
    this.listening.abort();
    this.drawing?.dispose();
    this.drawing = null;
    this.root.remove();
  }

  private listen({ nodes, stage }: Drawing): void {
    const { signal } = this.listening;
    // Not on the SVG: one that listens for focus is a stop of the tab key itself.
    const on = <Name extends keyof HTMLElementEventMap>(name: Name, heard: (e: HTMLElementEventMap[Name]) => void) =>
      stage.addEventListener(name, heard, { signal });
    const endOf = (e: Event): End | null => {
      const element = (e.target as Element).closest<SVGElement>('[data-part]');
      return element && { part: element.dataset.part as End['part'], index: Number(element.dataset.index) };
    };
    const neuronOf = (e: Event): number => {
      const end = endOf(e);
      return end?.part === 'neuron' ? end.index : -1;
    };
    const toggle = (i: number) => this.onHold(i, !(this.now?.held ?? NOTHING_HELD).has(i));
    on('pointerover', (e) => this.point(endOf(e), this.focused));
    // A finger is lifted before the facts are read: they stay until another place is touched.
    on('pointerleave', (e) => e.pointerType === 'touch' || this.point(null, this.focused));
    document.addEventListener('pointerdown', (e) => {
      if (!stage.contains(e.target as Node)) this.point(null, this.focused);
    }, { signal });
    on('focusout', () => this.point(this.hovered, null));
    on('focusin', (e) => {
      if (neuronOf(e) < 0) return;
      nodes.stopAt(neuronOf(e));
      // A click gives focus too, and is no wish to see this neuron until the next.
      if ((e.target as Element).matches(':focus-visible')) this.point(this.hovered, endOf(e));
    });
    on('click', (e) => {
      if (neuronOf(e) >= 0) toggle(neuronOf(e));
    });
    on('keydown', (e) => {
      const [i, last] = [neuronOf(e), this.network.neurons - 1];
      if (i < 0 || e.ctrlKey || e.metaKey || e.altKey) return;
      const next = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: last }[e.key];
      if (next !== undefined) nodes.focus((next + last + 1) % (last + 1));
      else if (e.key !== 'Enter' && e.key !== ' ') return;
      else if (!e.repeat) toggle(i);
      e.preventDefault();
    });
  }

  /** Show the synapses of what is pointed at, else of what has the focus, else all. */
  private point(hovered: End | null, focused: End | null): void {
    const before = this.hovered ?? this.focused;
    this.hovered = hovered;
    this.focused = focused;
    const end = hovered ?? focused;
    if (end?.part === before?.part && end?.index === before?.index) return;
    this.drawing?.emphasise(end);
    this.tell();
  }

  private tell(): void {
    const end = this.hovered ?? this.focused;
    this.drawing?.say(end ? this.facts(end) : null);
  }

  private facts({ part, index }: End): string {
    const { now, network } = this;
    if (part === 'action') {
      const value = now?.actions[index];
      return network.actions[index] + (value === undefined ? '' : `: ${said(value, 1)} of its range`);
    }
    if (part === 'input') {
      const [value, raw] = [now?.inputs?.[index], now?.sensed[index]];
      const [name, plain] = [network.inputs[index], now?.sensed.length === network.inputs.length];
      if (value === undefined) return name;
      return plain ? `${name}: ${said(raw!, 1)}, normalised ${said(value, 1)}` : `${name}: ${said(value, 1)}`;
    }
    const facts: string[] = [];
    if (now) facts.push(`activation ${said(now.activations[index], this.largest[index])}`);
    if (now?.timeConstants) facts.push(`time constant ${said(now.timeConstants[index] * now.cellStep)} s`);
    if (now?.held.has(index)) facts.push('held');
    return `neuron ${index}${facts.length ? `: ${facts.join(', ')}` : ''}`;
  }
}
