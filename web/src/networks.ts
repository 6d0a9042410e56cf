/**
 * Layers without memory. Weights are [to, from] and row by row, as torch has them.
 *
 * Python's networks compute in float32 throughout. Here what a layer hands on is rounded to float32 too. In which order
 * torch adds up depends on the processor, so sums are taken in double precision, from which any order differs little.
 * Networks of several layers are the course's own C code in Python, with one order; `product` adds up as it does.
 */
import type { Settings, Weights } from './weights';

export type Vector = Float32Array;

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** log(1 + eˣ); from 20 on torch takes x itself. */
export const softplus = (x: number): number => (x > 20 ? x : Math.log1p(Math.exp(x)));

const ACTIVATIONS = {
  tanh: Math.tanh,
  elu: (x: number) => (x > 0 ? x : Math.expm1(x)),
  relu: (x: number) => Math.max(x, 0),
};
export type Activation = keyof typeof ACTIVATIONS;

/** W x + b, of any sizes that fit: W (b.length, x.length). Without b: W x. */
export function affine(weight: Vector, x: Vector, bias: Vector | null, rows = bias!.length): Vector {
  const out = new Float32Array(rows);
  const columns = x.length;
  for (let i = 0; i < rows; i++) {
    let sum = bias ? bias[i] : 0;
    for (let j = 0, at = i * columns; j < columns; j++) sum += weight[at + j] * x[j];
    out[i] = sum;
  }
  return out;
}

const DEPTH = 128; // of dense.h: so many products are added up by themselves

/** `affine` with sums in float32, as course_lib/nets/dense.h takes them: fused multiply-adds, one after another. */
function product(weight: Vector, x: Vector, bias: Vector): Vector {
  const out = new Float32Array(bias.length);
  const columns = x.length;
  for (let i = 0; i < out.length; i++) {
    let sum = bias[i];
    for (let first = 0; first < columns; first += DEPTH) {
      const last = Math.min(columns, first + DEPTH);
      let part = first ? 0 : sum;
      for (let j = first, at = i * columns + first; j < last; j++, at++) part = Math.fround(part + weight[at] * x[j]);
      sum = first ? Math.fround(sum + part) : part;
    }
    out[i] = sum;
  }
  return out;
}

export function joined(...parts: Vector[]): Vector {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Linear layers with an activation between them, and none behind the last. */
export class MLP {
  constructor(private readonly layers: { weight: Vector; bias: Vector }[], private readonly activation: Activation) {}

  /** The torch.nn.Sequential of `mlp` in networks.py: layers are numbered 0, 2, 4, for activations count. */
  static sequential(weights: Weights, sizes: number[], activation: Activation): MLP {
    const layers = sizes.slice(1).map((rows, i) => {
      const layer = weights.within(`${2 * i}`);
      return { weight: layer.single('weight', rows, sizes[i]), bias: layer.single('bias', rows) };
    });
    return new MLP(layers, activation);
  }

  /** The one member of an `Ensemble`: all in one vector, weights [from, to] and then the bias of each layer. */
  static ensemble(weights: Weights, sizes: number[]): MLP {
    const flat = weights.single('flat', sizes.slice(1).reduce((sum, rows, i) => sum + rows * (sizes[i] + 1), 0));
    let at = 0;
    const layers = sizes.slice(1).map((rows, i) => {
      const columns = sizes[i];
      const weight = new Float32Array(rows * columns);
      for (let j = 0; j < columns; j++) for (let k = 0; k < rows; k++) weight[k * columns + j] = flat[at + j * rows + k];
      at += rows * columns;
      const bias = flat.slice(at, at + rows);
      at += rows;
      return { weight, bias };
    });
    return new MLP(layers, 'relu');
  }

  forward(x: Vector): Vector {
    const last = this.layers.length - 1;
    return this.layers.reduce((h, { weight, bias }, i) => {
      const out = product(weight, h, bias);
      return i === last ? out : out.map(ACTIVATIONS[this.activation]);
    }, x);
  }
}

/** (x - mean) / sd of what was seen in training, clipped to ±10; the last `plain` entries are passed on as they are. */
export class Normalizer {
  private readonly mean: Vector;
  private readonly scale: Vector;
  private readonly clipped: number;
  private readonly enabled: boolean;

  constructor(weights: Weights, settings: Settings, width: number, otherwise: boolean, plain = 0) {
    const variance = weights.double('var', width);
    this.mean = Float32Array.from(weights.double('mean', width));
    this.scale = Float32Array.from(variance, (v) => 1 / Math.sqrt(v + 1e-8));
    this.clipped = width - plain;
    this.mean.fill(0, this.clipped);
    this.scale.fill(1, this.clipped);
    weights.double('count');
    this.enabled = settings.flag('normalize', otherwise);
  }

  forward(x: Vector): Vector {
    if (!this.enabled) return x;
    return x.map((value, i) => {
      const out = Math.fround(value - this.mean[i]) * this.scale[i];
      return i < this.clipped ? Math.min(10, Math.max(-10, out)) : out;
    });
  }
}

/** A tanh layer before a cell, or nothing. */
export class Encoder {
  readonly width: number;
  private readonly layer: { weight: Vector; bias: Vector } | null;

  constructor(weights: Weights, seen: number, width: number | null) {
    this.width = width ?? seen;
    const first = weights.within('0');
    this.layer = width === null ? null : { weight: first.single('weight', width, seen), bias: first.single('bias', width) };
  }

  forward(x: Vector): Vector {
    return this.layer ? affine(this.layer.weight, x, this.layer.bias).map(Math.tanh) : x;
  }

  /** Input weights (neurons, width) -> weights (neurons, seen) on what the encoder sees, as if it were linear. */
  through(weight: Vector, neurons: number): Vector {
    if (!this.layer) return weight;
    const seen = this.layer.weight.length / this.width;
    return new Float32Array(neurons * seen).map((_, at) => {
      const [neuron, entry] = [Math.floor(at / seen), at % seen];
      let sum = 0;
      for (let k = 0; k < this.width; k++) sum += weight[neuron * this.width + k] * this.layer!.weight[k * seen + entry];
      return sum;
    });
  }
}

/** States centred and of unit size, as they were when the network was fresh. */
export class Scaled {
  private readonly center: Vector;
  private readonly scale: Vector;

  constructor(weights: Weights, neurons: number) {
    this.center = weights.single('center', neurons);
    this.scale = weights.single('scale', neurons);
  }

  forward(h: Vector): Vector {
    return this.center.map((center, i) => (h[i] - center) / this.scale[i]);
  }
}

/** An affine map of a cell's neurons, and with feedthrough of its input too. */
export class Readout {
  /** (outputs, neurons + through), as it acts on `Scaled` states. */
  readonly weight: Vector;
  private readonly bias: Vector;
  private readonly scaled: Scaled;

  constructor(weights: Weights, neurons: number, readonly outputs: number, through: number) {
    this.scaled = new Scaled(weights, neurons);
    this.weight = weights.single('weight', outputs, neurons + through);
    this.bias = weights.single('bias', outputs);
  }

  forward(h: Vector, through: Vector | null): Vector {
    const z = this.scaled.forward(h);
    return affine(this.weight, through ? joined(z, through) : z, this.bias);
  }
}
