/** What a chart is made of besides paint: samples in a ring, the range of an axis, its ticks. */
import { type Colour, said } from './drawing';

export type Colours = Record<Colour, string>;

/** Where lines or rows are drawn, CSS px. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * The last `capacity` samples, without a new array for each. Times in it go on through all episodes: a time before the
 * last one begins an episode, which follows where the one before ended.
 */
export class Ring {
  readonly values: Float32Array; // (capacity, series)
  readonly times: Float64Array;
  readonly starts: Uint8Array; // 1: the first sample of an episode
  length = 0;
  private next = 0;
  private offset = 0;
  private stride = 0;

  constructor(readonly series: number, readonly capacity: number) {
    this.values = new Float32Array(capacity * series);
    this.times = new Float64Array(capacity);
    this.starts = new Uint8Array(capacity);
  }

  /** Row of the sample that is k samples younger than the oldest. */
  row(k: number): number {
    return (this.next - this.length + k + this.capacity) % this.capacity;
  }

  /** Time of the youngest. */
  get latest(): number {
    return this.length ? this.times[this.row(this.length - 1)] : NaN;
  }

  /** A sample at the time of the last one takes its place; what is missing in `values` is not a number. */
  push(time: number, values: ArrayLike<number>): void {
    if (time - time !== 0) return;
    const latest = this.latest;
    let at = time + this.offset;
    let start = 0;
    if (at < latest) {
      this.offset = latest + this.stride - time;
      at = latest + this.stride;
      start = 1;
    } else if (at > latest) {
      this.stride = at - latest;
    }
    const row = at === latest && !start ? this.row(this.length - 1) : this.next;
    if (row === this.next) {
      this.next = (this.next + 1) % this.capacity;
      this.length = Math.min(this.length + 1, this.capacity);
      this.starts[row] = start;
    }
    this.times[row] = at;
    for (let s = 0; s < this.series; s++) this.values[row * this.series + s] = s < values.length ? values[s] : NaN;
  }

  clear(): void {
    this.length = this.next = this.offset = this.stride = 0;
  }
}

/** Smallest and largest finite value (positive ones with `log`) of the samples from the k-th on; null without any. */
export function rangeOf(ring: Ring, first: number, series: number, log: boolean): [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (let k = first; k < ring.length; k++) {
    const row = ring.row(k) * ring.series;
    for (let s = 0; s < series; s++) {
      const value = ring.values[row + s];
      if (value - value !== 0 || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

/** Number of the youngest sample at or before `time`, of those from 0 on; 0 where all are later. */
export function sampleAt(ring: Ring, time: number): number {
  let [low, high] = [0, ring.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ring.times[ring.row(middle)] <= time) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, 0);
}

/** A little more than [low, high], so that lines do not run along the frame; never empty. */
export function padded([low, high]: [number, number], log: boolean): [number, number] {
  if (log) {
    const room = Math.max(1.08, (high / low) ** 0.06);
    return high / low < 1.5 ? [low / 1.5, high * 1.5] : [low / room, high * room];
  }
  const least = Math.max(1e-6, 1e-3 * Math.max(Math.abs(low), Math.abs(high)));
  const room = Math.max(0.06 * (high - low), least);
  return [low - room, high + room];
}

const ROUND = [1, 2, 5, 2.5, 4, 3, 1.5]; // steps of an axis, the ones that read best first

/** Two or three round numbers within [low, high], in equal steps, or for `log` about equal ratios. */
export function niceTicks(low: number, high: number, log = false): number[] {
  if (!(low < high) || (log && low <= 0) || high - low === Infinity) return [];
  return log ? logTicks(low, high) : linearTicks(low, high);
}

function linearTicks(low: number, high: number): number[] {
  const slack = 1e-9 * (high - low);
  const power = 10 ** Math.floor(Math.log10((high - low) / 2));
  const within = (step: number) => {
    const first = Math.ceil((low - slack) / step);
    const last = Math.floor((high + slack) / step);
    return Array.from({ length: Math.max(0, Math.min(last - first + 1, 5)) }, (_, i) => {
      return Number(((first + i) * step).toPrecision(12)) + 0; // + 0: no minus zero
    });
  };
  for (const wanted of [3, 2]) {
    for (const scale of [power, 10 * power, power / 10]) {
      for (const round of ROUND) {
        const ticks = within(round * scale);
        if (ticks.length === wanted) return ticks;
      }
    }
  }
  return [low, high];
}

/** Ticks in words, with as many decimals as tell them apart. */
export function tickTexts(ticks: number[]): string[] {
  const largest = Math.max(...ticks.map(Math.abs));
  if (largest >= 1e4) return ticks.map((tick) => said(tick));
  let decimals = 0;
  while (decimals < 6 && ticks.some((t) => Math.abs(t - Number(t.toFixed(decimals))) > 1e-4 * Math.abs(t))) decimals++;
  return ticks.map((t) => t.toFixed(decimals).replace('-', '−'));
}

function logTicks(low: number, high: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const powers = last - first + 1;
  if (powers >= 2) {
    const every = Math.ceil((powers - 1) / 2);
    const ticks: number[] = [];
    for (let power = first; power <= last; power += every) ticks.push(Number((10 ** power).toPrecision(6)));
    return ticks;
  }
  const fine: number[] = [];
  for (let power = first - 1; power <= last + 1; power++) {
    for (const round of [1, 2, 5]) {
      const tick = Number((round * 10 ** power).toPrecision(6));
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) fine.push(tick);
    }
  }
  // Less than 1, 2, 5 apart: as on a linear axis.
  if (fine.length < 2) return linearTicks(low, high);
  return fine.length <= 3 ? fine : [fine[0], fine[fine.length >> 1], fine[fine.length - 1]];
}
