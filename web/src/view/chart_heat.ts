/** Many series as a heat map: a row for each, red above zero and blue below, or one hue for what is only positive. */
import { type Box, type Colours, type Ring, niceTicks, rangeOf, sampleAt } from './chart_parts';
import { clip } from './drawing';

const STEPS = 128; // of colour, for each sign
const LEAST = 2; // ratio of the largest and the smallest value that all of the colours stand for
const SHRINK = 0.03; // share of the way to a smaller scale, a frame

/** Red, green and blue of any colour that CSS knows, 0..255. */
export function channels(colour: string): [number, number, number] {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', { willReadFrequently: true })!;
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
  return [r, g, b];
}

export class Heat {
  /** What the palest and the strongest colour stand for, with `log`. */
  scale: [number, number] | null = null;
  private readonly largest: Float32Array;
  private readonly seen: Float32Array;
  private readonly canvas = document.createElement('canvas');
  private readonly pen = this.canvas.getContext('2d', { willReadFrequently: true })!; // written, not drawn
  private image: ImageData | null = null;
  private pixels = new Uint32Array(0);
  /** From the deepest blue over paper to the deepest red, or with `log` from paper on in its upper half. */
  private readonly ramp = new Uint32Array(2 * STEPS + 1);

  constructor(
    private readonly ring: Ring,
    private readonly log: boolean,
    private readonly range: [number, number] | null,
  ) {
    this.largest = new Float32Array(ring.series);
    this.seen = new Float32Array(ring.series);
  }

  colour({ paper, positive, negative, accent }: Colours): void {
    const bytes = new Uint8ClampedArray(this.ramp.buffer); // as in an ImageData, whatever the machine's byte order
    const [zero, up, down] = [paper, this.log ? accent : positive, negative].map(channels);
    for (let k = -STEPS; k <= STEPS; k++) {
      const share = Math.abs(k) / STEPS;
      const to = k > 0 ? up : down;
      const mixed = zero.map((z, c) => z + share * (to[c] - z));
      bytes.set([...mixed, 255], 4 * (k + STEPS));
    }
  }

  clear(): void {
    this.largest.fill(0);
    this.scale = null;
  }

  draw(pen: CanvasRenderingContext2D, box: Box, start: number, seconds: number, colours: Colours): void {
    const { ring } = this;
    const { x, y, width, height } = box;
    const rows = ring.series;
    const columns = Math.max(1, Math.floor(width)) + 1;
    if (!this.image || this.image.width !== columns) {
      this.image = new ImageData(columns, rows);
      this.pixels = new Uint32Array(this.image.data.buffer);
      [this.canvas.width, this.canvas.height] = [columns, rows];
    }
    this.pixels.fill(0);
    // Columns stand at fixed times, and move as one picture: a cell of the map does not flicker between two of them.
    const step = seconds / width;
    const first = Math.floor(start / step);
    this.follow(start);
    const { pixels } = this;
    let k = sampleAt(ring, start);
    let before = -1;
    for (let c = 0; c < columns && ring.length; c++) {
      const time = (first + c + 1) * step;
      while (k < ring.length - 1 && ring.times[ring.row(k + 1)] <= time) k++;
      if (ring.times[ring.row(k)] > time || time > ring.latest + step) continue;
      if (k === before) for (let at = c; at < pixels.length; at += columns) pixels[at] = pixels[at - 1];
      else this.column(c, columns, ring.row(k) * rows);
      before = k;
    }
    this.pen.putImageData(this.image, 0, 0);
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.canvas, x + first - start / step, y, columns, height);
    pen.restore();
    this.numbers(pen, box, colours);
  }

  /** The sample at `row` as column c of the picture; what is not a number stays clear. */
  private column(c: number, columns: number, row: number): void {
    const { ring, largest, log, pixels, ramp } = this;
    const [low, high] = this.scale ?? [1, 2];
    const [base, span] = [Math.log(low), Math.log(high / low)];
    for (let s = 0, at = c; s < ring.series; s++, at += columns) {
      const value = ring.values[row + s];
      // The logarithm of what is not positive is not a number, or not finite.
      const share = log ? (Math.log(value) - base) / span : value / largest[s];
      if (share - share === 0) pixels[at] = ramp[STEPS + Math.round(clip(share, log ? 0 : -1, 1) * STEPS)];
    }
  }

  /** Bring the scales to what is seen: at once to more, little by little to less. */
  private follow(start: number): void {
    const { ring, range, largest, log } = this;
    const first = sampleAt(ring, start);
    if (log) {
      const seen = rangeOf(ring, first, ring.series, true);
      if (!seen) return;
      const [low, high] = range ?? [Math.min(seen[0], seen[1] / LEAST), seen[1]];
      const [l, h] = this.scale ?? [low, high];
      this.scale = [Math.min(low, l * (low / l) ** SHRINK), Math.max(high, h * (high / h) ** SHRINK)];
      return;
    }
    const seen = this.seen.fill(range ? Math.max(Math.abs(range[0]), Math.abs(range[1])) : 1e-6);
    for (let k = first; k < ring.length && !range; k++) {
      const row = ring.row(k) * ring.series;
      for (let s = 0; s < ring.series; s++) {
        const size = Math.abs(ring.values[row + s]);
        if (size > seen[s] && size < Infinity) seen[s] = size;
      }
    }
    for (let s = 0; s < ring.series; s++) largest[s] = Math.max(seen[s], largest[s] + SHRINK * (seen[s] - largest[s]));
  }

  /** Numbers of a few rows. */
  private numbers(pen: CanvasRenderingContext2D, { x, y, height }: Box, { muted }: Colours): void {
    const rows = this.ring.series;
    pen.fillStyle = muted;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (const row of rows > 2 ? niceTicks(0, rows - 1) : [0]) {
      if (Number.isInteger(row)) pen.fillText(String(row), x - 5, y + ((row + 0.5) * height) / rows);
    }
  }
}
