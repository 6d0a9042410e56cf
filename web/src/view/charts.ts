/** Time series that scroll by on a canvas: lines, or for many neurons a heat map with a row for each. */
import { Heat, channels } from './chart_heat';
import { Lines } from './chart_lines';
import { type Box, type Colours, Ring, rangeOf, sampleAt, tickTexts } from './chart_parts';
import { CATEGORICAL, COLOURS, clip, said, styled, written } from './drawing';

export interface ChartOptions {
  title: string;
  unit?: string;
  series: number;
  seconds: number;
  /** Of the y axis, or of a heat map's colours; left out, it follows what is seen. */
  range?: [number, number];
  /** Lines of a colour each, or red above zero and blue below. */
  colours?: 'categorical' | 'signed';
  /** A row for each series. Rows have a scale each, or with `log` or `range` one for all. */
  heat?: boolean;
  log?: boolean;
  /** Of each series, said beside its value. */
  names?: string[];
  height?: number; // px of the canvas
}

const ROWS = 120; // px that all rows of a heat map take, about: each has whole pixels
const RATE = 400; // samples a second that are kept: those of the fastest robot at four times its rate
export const MOST_LINES = 12; // more series are drawn as a heat map
const MOST_NOW = 4; // values in words; of more lines, their range
const LEFT = 40; // px, the same for all charts, so that their times stand one below the other
const [TOP, RIGHT, BOTTOM] = [5, 8, 16];
const FONT = '10.5px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif';
const TELLING = 130; // ms between two texts of the values: faster ones cannot be read

export class StripChart {
  private readonly root: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly pen: CanvasRenderingContext2D;
  private readonly spans: HTMLElement[];
  private readonly ring: Ring;
  private readonly count: number; // of lines
  private readonly heat: Heat | null;
  private readonly lines: Lines;
  private readonly resizing: ResizeObserver;
  private colours!: Colours;
  private palette: string[] = [];
  private width = 0;
  private readonly height: number;
  private ratio = 0;
  private fresh = true; // there is something to draw,
  private untold = false; // something to tell
  private told = 0;

  constructor(host: HTMLElement, private readonly options: ChartOptions) {
    const { title, unit, series, seconds, heat = false, log = false, range = null } = options;
    styled(host);
    this.root = written(host, 'div', 'lv-chart');
    const head = written(this.root, 'div', 'lv-head');
    const name = written(head, 'span', 'lv-title', title);
    if (unit) written(name, 'span', 'lv-unit', ` (${unit})`);
    const now = written(head, 'span', 'lv-now');
    this.count = Math.min(series, MOST_LINES);
    const spans = heat || this.count > MOST_NOW ? 1 : this.count;
    this.spans = Array.from({ length: spans }, () => written(now, 'span'));
    this.height = options.height ?? TOP + BOTTOM + (heat ? series * clip(Math.round(ROWS / series), 2, 12) : 72);
    this.canvas = written(this.root, 'canvas');
    this.canvas.style.height = `${this.height}px`;
    this.canvas.setAttribute('role', 'img');
    this.pen = this.canvas.getContext('2d')!;
    this.ring = new Ring(series, clip(Math.ceil(RATE * seconds), 16, 1 << 14));
    this.heat = heat ? new Heat(this.ring, log, range) : null;
    this.lines = new Lines(this.ring, this.count, log, range, options.colours === 'signed');
    this.resizing = new ResizeObserver(() => this.measure());
    this.resizing.observe(this.canvas);
    this.refresh();
    this.measure();
    this.describe('');
  }

  /** Values at a time (s); a time before the last one begins a new episode. */
  push(time: number, values: ArrayLike<number>): void {
    this.ring.push(time, values);
    this.fresh = this.untold = true;
  }

  clear(): void {
    this.ring.clear();
    this.lines.clear();
    this.heat?.clear();
    this.fresh = true;
    this.untold = false;
    for (const span of this.spans) span.textContent = '';
    this.describe('');
  }

  /** Read the page's colours: after each change of its theme. */
  refresh(): void {
    const probe = written(this.root, 'span');
    const read = (value: string) => {
      probe.style.color = value;
      return getComputedStyle(probe).color;
    };
    const entries = Object.entries(COLOURS).map(([name, value]) => [name, read(value)]);
    this.colours = Object.fromEntries(entries) as Colours;
    probe.remove();
    const [r, g, b] = channels(this.colours.ink);
    this.palette = CATEGORICAL[0.3 * r + 0.59 * g + 0.11 * b > 128 ? 'dark' : 'light'];
    if (this.count === 1) this.palette = [this.colours.accent];
    const apart = this.options.colours !== 'signed' && this.spans.length > 1;
    this.spans.forEach((span, s) => { span.style.borderBottom = apart ? `3px solid ${this.palette[s]}` : ''; });
    this.heat?.colour(this.colours);
    this.fresh = true;
  }

  /** Once a frame; does nothing where nothing has changed. */
  draw(): void {
    if (this.untold) this.tell();
    const ratio = window.devicePixelRatio || 1;
    const room = this.width - LEFT - RIGHT;
    if ((!this.fresh && ratio === this.ratio) || room < 10) return;
    if (ratio !== this.ratio) {
      this.ratio = ratio;
      this.canvas.width = Math.round(this.width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
    }
    this.fresh = false;
    const { pen, ring, colours } = this;
    const { seconds } = this.options;
    const box = { x: LEFT, y: TOP, width: room, height: this.height - TOP - BOTTOM };
    const start = (ring.length ? ring.latest : 0) - seconds;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    pen.font = FONT;
    this.times(box);
    if (this.heat) this.heat.draw(pen, box, start, seconds, colours);
    else this.lines.draw(pen, box, start, seconds, colours, this.palette);
    this.episodes(box, start);
  }

  dispose(): void {
    this.resizing.disconnect();
    this.root.remove();
  }

  private measure(): void {
    this.width = this.canvas.clientWidth;
    this.ratio = 0; // the canvas gets its size when it is drawn
  }

  private times({ x, y, width, height }: Box): void {
    const { pen, options, colours } = this;
    const [half, whole] = tickTexts([options.seconds / 2, options.seconds]);
    pen.fillStyle = colours.muted;
    pen.textBaseline = 'alphabetic';
    const texts = [`−${whole} s`, `−${half} s`, 'now'];
    (['left', 'center', 'right'] as const).forEach((align, i) => {
      pen.textAlign = align;
      pen.fillText(texts[i], x + (i * width) / 2, y + height + 12.5);
    });
  }

  /** A line where an episode begins. */
  private episodes({ x, y, width, height }: Box, start: number): void {
    const { pen, ring, colours, options } = this;
    pen.strokeStyle = colours.ink;
    pen.globalAlpha = 0.5;
    pen.lineWidth = 1;
    pen.setLineDash([2, 3]);
    for (let k = sampleAt(ring, start); k < ring.length; k++) {
      const row = ring.row(k);
      if (!ring.starts[row] || ring.times[row] < start) continue;
      const at = Math.round(x + ((ring.times[row] - start) / options.seconds) * width) + 0.5;
      pen.beginPath();
      pen.moveTo(at, y);
      pen.lineTo(at, y + height);
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  /** The last values in words. */
  private tell(): void {
    const now = performance.now();
    if (now - this.told < TELLING) return;
    this.told = now;
    this.untold = false;
    const { ring, spans, options, count } = this;
    const { names, heat, log = false } = options;
    const last = ring.length - 1;
    const text = (value: number) => said(value, log ? value : this.lines.size);
    if (heat) {
      const [low, high] = this.heat!.scale?.map((value) => said(value)) ?? [];
      if (log) spans[0].textContent = low ? `pale ${low}, strong ${high}` : '';
      else spans[0].textContent = `red above zero, blue below${options.range ? '' : '; each row has a scale of its own'}`;
    } else if (spans.length === 1 && count > 1) {
      spans[0].textContent = rangeOf(ring, last, count, log)?.map(text).join(' to ') ?? '';
    } else {
      const row = ring.row(last) * ring.series;
      spans.forEach((span, s) => { span.textContent = `${names ? `${names[s]} ` : ''}${text(ring.values[row + s])}`; });
    }
    this.describe(spans.map((span) => span.textContent).join(', '));
  }

  private describe(values: string): void {
    const { title, unit, seconds, series, heat } = this.options;
    const what = heat ? `${title}, ${series} rows` : title;
    const text = `${what}${unit ? ` in ${unit}` : ''}, the last ${seconds} s${values ? `: ${values}` : ''}`;
    this.canvas.setAttribute('aria-label', text);
  }
}
