/** Few series as lines over an axis with two or three round numbers. */
import { type Box, type Colours, type Ring, niceTicks, padded, rangeOf, sampleAt, tickTexts } from './chart_parts';
import { DASHES } from './drawing';

const SHRINK = 0.04; // share of the way to a smaller range, a frame
const FEW = 4; // lines that are drawn thick

export class Lines {
  private followed: [number, number] | null = null;

  constructor(
    private readonly ring: Ring,
    private readonly count: number,
    private readonly log: boolean,
    private readonly range: [number, number] | null,
    private readonly signed: boolean,
  ) {}

  /** How large numbers on the axis are. */
  get size(): number {
    const range = this.range ?? this.followed;
    return range ? Math.max(...range.map(Math.abs)) : 1;
  }

  clear(): void {
    this.followed = null;
  }

  draw(
    pen: CanvasRenderingContext2D, box: Box, start: number, seconds: number, colours: Colours, palette: string[],
  ): void {
    const { ring, log, count } = this;
    const first = sampleAt(ring, start);
    const [low, high] = this.follow(first);
    const scale = log ? Math.log : (value: number) => value;
    const [bottom, span] = [scale(low), scale(high) - scale(low)];
    const yOf = (value: number) => box.y + box.height * (1 - (scale(value) - bottom) / span);
    this.axis(pen, box, niceTicks(low, high, log), yOf, colours);
    const trace = (s: number) => {
      pen.beginPath();
      let gap = true;
      for (let k = first; k < ring.length; k++) {
        const row = ring.row(k);
        const y = yOf(ring.values[row * ring.series + s]); // with `log` not a number for what is not positive
        const there = y - y === 0;
        const x = box.x + ((ring.times[row] - start) / seconds) * box.width;
        if (there && (gap || ring.starts[row])) pen.moveTo(x, y);
        else if (there) pen.lineTo(x, y);
        gap = !there;
      }
      pen.stroke();
    };
    const [top, end] = [box.y - 1, box.y + box.height + 1];
    const within = (from: number, to: number, draw: (s: number) => void) => {
      pen.save();
      pen.beginPath();
      pen.rect(box.x, from, box.width + 2, Math.max(to - from, 0));
      pen.clip();
      for (let s = count - 1; s >= 0; s--) draw(s);
      pen.restore();
    };
    pen.lineJoin = 'round';
    pen.lineWidth = count > FEW ? 1.2 : 1.6;
    if (this.signed && !log) {
      const zero = Math.min(Math.max(yOf(0), top), end);
      pen.strokeStyle = colours.positive;
      within(top, zero, trace);
      pen.strokeStyle = colours.negative;
      within(zero, end, trace);
      return;
    }
    within(top, end, (s) => {
      pen.strokeStyle = palette[s % palette.length];
      pen.setLineDash(DASHES[Math.floor(s / palette.length) % DASHES.length]);
      trace(s);
    });
  }

  /** The range of the axis: wider at once where a line leaves it, smaller little by little. */
  private follow(first: number): [number, number] {
    if (this.range) return this.range;
    const seen = rangeOf(this.ring, first, this.count, this.log);
    if (!seen) return this.log ? [0.1, 10] : [-1, 1];
    const wanted = padded(seen, this.log);
    const [low, high] = this.followed ?? wanted;
    this.followed = [
      Math.min(wanted[0], low + SHRINK * (wanted[0] - low)),
      Math.max(wanted[1], high + SHRINK * (wanted[1] - high)),
    ];
    return this.followed;
  }

  private axis(
    pen: CanvasRenderingContext2D, { x, width }: Box, ticks: number[], yOf: (v: number) => number, { muted }: Colours,
  ): void {
    const texts = tickTexts(ticks);
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    pen.lineWidth = 1;
    pen.strokeStyle = pen.fillStyle = muted;
    ticks.forEach((tick, i) => {
      const y = Math.round(yOf(tick)) + 0.5;
      pen.globalAlpha = tick === 0 && !this.log ? 0.65 : 0.25;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x + width, y);
      pen.stroke();
      pen.globalAlpha = 1;
      pen.fillText(texts[i], x - 5, y);
    });
  }
}
