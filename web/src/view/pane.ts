/** One policy on the page: its robot, its neurons, its charts. */
import type { Player } from '../player';
import type { PolicyEntry } from '../sources';
import type { Settings } from '../settings';
import { actionNames, observationNames } from '../names';
import type { Pull } from '../tasks/episode';
import { MOST_LINES, StripChart } from './charts';
import { make } from './dom';
import { Drag } from './drag';
import { NeuronGraph } from './graph';
import type { Network } from './graph';
import { inputsOf, networkOf } from './network';
import { Stage } from './scene';

const PUSH_SECONDS = 0.2;
const REST = 0.9; // s of the reader's clock between an episode's end and the next
const WINDOW = 6; // s that a chart shows
const REMEMBERED = 3; // episodes told in the line of words

/** What is drawn beside the robot's picture. */
export type Details = 'all' | 'graph' | 'charts' | 'none';

export class Pane {
  readonly root: HTMLElement;
  readonly drag: Drag | null = null;
  /** Why there is no picture, or null. */
  readonly blind: string | null = null;
  private readonly stage: Stage | null = null;
  private readonly network: Network;
  private readonly graph: NeuronGraph;
  private readonly charts: { chart: StripChart; read: () => ArrayLike<number> | null }[] = [];
  private readonly words = make('p', { class: 'status', role: 'status', 'aria-live': 'off' });
  private readonly observer: ResizeObserver;
  private readonly centre: Float32Array;
  private readonly span: Float32Array;
  private readonly pushed: number;
  private readonly weight: number; // N
  private readonly beside: boolean; // the second of two
  private kick: { force: number; until: number } | null = null;
  private held: ReadonlySet<number> = new Set();
  private finished: string[] = [];
  private since = 0; // s of the reader's clock since the end

  constructor(
    readonly player: Player,
    readonly entry: PolicyEntry,
    options: { dark: boolean; video: string | null; titled: boolean; moves: boolean; beside: boolean; onHold: (neuron: number, held: boolean) => void },
  ) {
    const { physics, policy, task } = player;
    const { model } = physics;
    this.beside = options.beside;
    this.pushed = task.pushed ?? Number(model.jnt_bodyid[0]);
    this.weight = 9.81 * model.body_subtreemass[this.pushed];
    this.centre = task.actionLow.map((low, i) => (low + task.actionHigh[i]) / 2);
    this.span = task.actionLow.map((low, i) => Math.max(1e-9, (task.actionHigh[i] - low) / 2));

    const canvas = make('canvas', { class: 'stage', tabindex: 0, 'aria-label': `${task.id}, moved by ${entry.title}. Drag it to pull.` });
    const frame = make('div', { class: 'frame' }, canvas);
    try {
      this.stage = new Stage(canvas, physics, { follow: options.moves ? this.pushed : null, dark: options.dark });
      this.drag = new Drag(this.stage, canvas, physics);
    } catch (error) {
      this.blind = (error as Error).message;
      frame.replaceChildren(make('p', { class: 'trouble' }, this.blind));
      if (options.video) frame.append(make('video', { src: options.video, controls: true, loop: true, muted: true, playsinline: true }));
    }
    const graphHost = make('div', { class: 'graph' });
    const chartHost = make('div', { class: 'charts' });
    const title = options.titled ? make('h2', {}, entry.title) : null;
    this.root = make('section', { class: 'pane', 'data-policy': entry.key },
      make('div', { class: 'seen' }, title, frame, this.words), graphHost, chartHost);

    this.network = { ...networkOf(policy, observationNames(task), policy.actDim), actions: actionNames(task) };
    this.graph = new NeuronGraph(graphHost, this.network, options.onHold);
    this.addCharts(chartHost);
    player.onStep = () => this.record();
    this.observer = new ResizeObserver(() => this.stage?.resize(frame.clientWidth, frame.clientHeight));
    this.observer.observe(frame);
  }

  private addCharts(host: HTMLElement): void {
    const { player } = this;
    const { policy } = player;
    const add = (read: () => ArrayLike<number> | null, options: ConstructorParameters<typeof StripChart>[1]) =>
      this.charts.push({ chart: new StripChart(host, options), read });
    if (policy.neurons) {
      add(() => policy.activations, { title: 'neurons', series: policy.neurons, seconds: WINDOW, heat: policy.neurons > MOST_LINES });
    }
    if (policy.cell?.timeConstants(new Float32Array(policy.cell.inputs), new Float32Array(policy.cell.neurons))) {
      add(() => policy.timeConstants()?.map((steps) => steps * player.cellStep) ?? null, {
        title: 'time constants', unit: 's', series: policy.neurons, seconds: WINDOW, heat: policy.neurons > MOST_LINES, log: true,
      });
    }
    add(() => this.unit(player.action), { title: 'actions, in shares of their range', series: policy.actDim, seconds: WINDOW, range: [-1.05, 1.05] });
    add(() => [player.reward], { title: 'reward of a step', series: 1, seconds: WINDOW });
  }

  /** Actions as shares of their range, -1 to 1. */
  private unit(action: Float32Array): Float32Array {
    return action.map((a, i) => (a - this.centre[i]) / this.span[i]);
  }

  private record(): void {
    for (const { chart, read } of this.charts) {
      const values = read();
      if (values) chart.push(this.player.seconds, values);
    }
  }

  /** A push of so many times the robot's weight, along +x or -x, for `PUSH_SECONDS`. */
  push(direction: -1 | 1, weights: number): void {
    if (this.player.over) return; // its clock stands still: the push would act in the next episode, and not end
    this.kick = { force: direction * weights * this.weight, until: this.player.seconds + PUSH_SECONDS };
  }

  /** What acts on this robot now; `other` is the pull at the robot beside it. */
  pull(other: Pull | null): Pull | null {
    const own = this.drag?.pull() ?? null;
    if (this.kick && this.player.seconds >= this.kick.until) this.kick = null;
    if (this.kick) return { body: this.pushed, force: [this.kick.force, 0, 0] };
    return own ?? other;
  }

  /** A pull at the other robot's body, at the same place of this one's: the two may be far apart. */
  carried(pull: Pull, other: Pane): Pull {
    const { point, ...rest } = pull;
    return point ? { ...rest, point: onBody(this, pull.body, inBody(other, pull.body, point)) } : rest;
  }

  /** One physics step. */
  tick(pull: Pull | null): void {
    this.player.tick(pull);
    if (this.player.over && !this.since) this.ended();
  }

  private ended(): void {
    const { why, total, seconds, note, success } = this.player.over!;
    this.kick = null;
    this.since = 1e-9;
    const how = note ?? (success === null ? '' : success ? 'done' : 'missed');
    const text = why === 'fell' ? `fell after ${seconds.toFixed(1)} s` : how;
    this.finished.unshift(`${rounded(total)}${text ? ` (${text.replace(/\.$/, '')})` : ''}`);
    this.finished.length = Math.min(this.finished.length, REMEMBERED);
  }

  /** After an end the next episode begins by itself, when the reader has seen the end. */
  wait(seconds: number): void {
    if (!this.player.over) return;
    this.since += seconds;
    if (this.since > REST) this.next();
  }

  private next(): void {
    this.since = 0;
    this.player.begin();
  }

  restart(): void {
    this.since = 0;
    this.kick = null;
    this.finished = [];
    this.player.restart();
    for (const { chart } of this.charts) chart.clear();
  }

  /** Bring policy and robot to `settings`. */
  apply(settings: Settings): void {
    const { player } = this;
    const { policy, physics } = player;
    physics.gravity = [0, 0, -9.81 * settings.gravity];
    physics.friction = settings.friction;
    player.faults = { noise: settings.noise, drop: settings.drop, delay: settings.delay, dead: new Set(settings.dead) };
    player.tells = settings.told;
    if (player.rate !== settings.rate) {
      player.rate = settings.rate; // begins a new episode
      this.since = 0;
      this.kick = null;
    }
    const steered = player.steered;
    if (steered) steered.steering = settings.command.length ? (settings.command as [number, number, number]) : null;
    const held = settings[this.beside ? 'hold_beside' : 'hold'].filter(([neuron]) => neuron < policy.neurons);
    for (const neuron of this.held) policy.hold(neuron, null);
    for (const [neuron, value] of held) policy.hold(neuron, value);
    this.held = new Set(held.map(([neuron]) => neuron));
  }

  /** The picture, the graph, the charts, the words: once a frame. A slow machine leaves `details` out of some. */
  draw(details: Details = 'all'): void {
    const { player } = this;
    const force = this.kick ? ([this.kick.force, 0, 0] as const) : this.ownPush();
    if (force) this.drag?.showForce(this.centreOfPushed(), [...force]);
    else this.drag?.showForce(null, null);
    this.stage?.draw();
    if (details === 'all' || details === 'graph') this.drawGraph();
    if (details === 'all' || details === 'charts') {
      for (const { chart } of this.charts) chart.draw();
      const words = this.told();
      if (words !== this.words.textContent) this.words.textContent = words;
    }
  }

  private drawGraph(): void {
    const { player } = this;
    const { policy } = player;
    this.graph.update({
      inputs: inputsOf(policy, this.network),
      sensed: player.seen,
      activations: policy.activations,
      actions: this.unit(player.action),
      timeConstants: policy.timeConstants(),
      cellStep: player.cellStep,
      held: this.held,
    });
  }

  /** The push of the task itself, in N; null while there is none. */
  private ownPush(): [number, number, number] | null {
    const { task, episode, over } = this.player;
    const force = over ? null : task.push?.(episode.state);
    return force && Math.hypot(force[0], force[1], force[2]) > 0 ? [force[0], force[1], force[2]] : null;
  }

  private centreOfPushed(): [number, number, number] {
    const at = this.player.physics.xipos.subarray(3 * this.pushed, 3 * this.pushed + 3);
    return [at[0], at[1], at[2]];
  }

  private told(): string {
    const { player, entry } = this;
    const parts = [`${player.seconds.toFixed(1)} s`, `return ${rounded(player.total)}`];
    const told = player.steered?.command(player.episode.state as never);
    const own = this.ownPush();
    if (own) parts.push(`pushed by the task: ${rounded(Math.hypot(...own))} N`);
    if (told) parts.push(`told: ${told.map((v, i) => `${v.toFixed(1)} ${['forward', 'left', 'turn'][i]}`).join(', ')}`);
    if (this.finished.length) parts.push(`before: ${this.finished.join(', ')}`);
    if (entry.return) {
      const noise = entry.return.noise ? ` (with noise ${entry.return.noise})` : '';
      parts.push(`mean in Python: ${rounded(entry.return.mean)}${noise}`);
    }
    return parts.join(' · ');
  }

  /** A plainer picture, which takes less time; false where there is none. */
  simplify(): boolean {
    return this.stage?.simplify() ?? false;
  }

  setDark(dark: boolean): void {
    this.stage?.setDark(dark);
    for (const { chart } of this.charts) chart.refresh();
  }

  dispose(): void {
    this.observer.disconnect();
    this.drag?.dispose();
    this.stage?.dispose();
    this.graph.dispose();
    for (const { chart } of this.charts) chart.dispose();
    this.root.remove();
    this.player.physics.free();
  }
}

/** A point of the world (m) in the frame of a body, and back. */
function inBody({ player }: Pane, body: number, point: [number, number, number]): number[] {
  const { xpos, xmat } = player.physics.data;
  const away = point.map((v, i) => v - xpos[3 * body + i]);
  return [0, 1, 2].map((column) => away.reduce((sum, v, row) => sum + xmat[9 * body + 3 * row + column] * v, 0));
}

function onBody({ player }: Pane, body: number, place: number[]): [number, number, number] {
  const { xpos, xmat } = player.physics.data;
  const at = (row: number) => place.reduce((sum, v, column) => sum + xmat[9 * body + 3 * row + column] * v, xpos[3 * body + row]);
  return [at(0), at(1), at(2)];
}

function rounded(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
}
