/** What a cell is, and cells that solve a differential equation over each step (course_lib/nets/{base,solvers}.py). */
import type { Vector } from './networks';
import type { Settings } from './weights';

export interface Cell {
  readonly inputs: number;
  readonly neurons: number;
  /** (neurons, neurons) and (neurons, inputs), [to, from]; of a gated cell those of the candidate; for the graph. */
  readonly recurrentWeight: Vector;
  readonly inputWeight: Vector;
  /** x (inputs), h (neurons), dt > 0 -> the state dt later. h stays as it is. */
  step(x: Vector, h: Vector, dt: number): Vector;
  /** Whether it matters how long a step is. */
  readonly timed: boolean;
  /** How long each neuron remembers, at h under x; null where a cell has no such thing. */
  timeConstants(x: Vector, h: Vector): Vector | null;
}

/** Explicit Runge–Kutta methods: coefficients of the stages, then the weights (`TABLEAUS` in solvers.py). */
const TABLEAUS = {
  euler: { a: [[]], b: [1] },
  midpoint: { a: [[], [0.5]], b: [0, 1] },
  rk4: { a: [[], [0.5], [0, 0.5], [0, 0, 1]], b: [1 / 6, 1 / 3, 1 / 3, 1 / 6] },
} as { [name: string]: { a: number[][]; b: number[] } };

/** What an equation has to say: what drives it, its rate, and its semi-implicit step where there is one. */
export interface Equation extends Pick<Cell, 'inputs' | 'neurons' | 'recurrentWeight' | 'inputWeight'> {
  drive(x: Vector): Vector;
  /** drive (…), h -> what the neurons receive */
  received(drive: Vector, h: Vector): Vector;
  rate(a: Vector, h: Vector): Vector;
  advance?(a: Vector, h: Vector, dt: number): Vector;
  /** With input="initial": what drives the equation without an input, and what this one adds to the state at once. */
  free(drive: Vector): { drive: Vector; kick: Vector };
  constants(a: Vector): Vector | null;
}

/** Solves an `Equation` over each step, with "fused" semi-implicit steps or explicit ones. */
export class ODECell implements Cell {
  readonly timed = true;
  readonly inputs: number;
  readonly neurons: number;
  readonly recurrentWeight: Vector;
  readonly inputWeight: Vector;
  private readonly solver: string;
  private readonly substeps: number;
  private readonly initial: boolean;

  constructor(private readonly equation: Equation, options: Settings, solver = 'fused', substeps = 1) {
    const { inputs, neurons, recurrentWeight, inputWeight } = equation;
    this.inputs = inputs;
    this.neurons = neurons;
    this.recurrentWeight = recurrentWeight;
    this.inputWeight = inputWeight;
    const known = [...(equation.advance ? ['fused'] : []), ...Object.keys(TABLEAUS)];
    this.solver = options.choice('solver', known, solver); // adaptive ones are torchdiffeq's, and not here
    this.substeps = options.count('substeps', substeps, 1, 1000);
    this.initial = options.choice('input', ['held', 'initial'], 'held') === 'initial';
  }

  step(x: Vector, h: Vector, dt: number): Vector {
    let drive = this.equation.drive(x);
    if (this.initial) {
      const free = this.equation.free(drive);
      drive = free.drive;
      h = h.map((value, i) => value + free.kick[i]);
    }
    for (let k = 0; k < this.substeps; k++) {
      if (this.solver === 'fused') h = this.equation.advance!(this.equation.received(drive, h), h, dt / this.substeps);
      else h = this.explicit(drive, h, dt);
    }
    return h;
  }

  /** One of the substeps, in a time that runs from 0 to 1 over the step, rounded where `solvers._moved` rounds. */
  private explicit(drive: Vector, h: Vector, dt: number): Vector {
    const { a, b } = TABLEAUS[this.solver];
    const rates: Vector[] = [];
    const moved = (weights: number[]) => {
      const out = h.slice();
      weights.forEach((w, k) => {
        const factor = Math.fround(w / this.substeps);
        for (let i = 0; w && i < out.length; i++) out[i] += Math.fround(factor * rates[k][i]);
      });
      return out;
    };
    for (const stage of a) {
      const at = moved(stage);
      rates.push(this.equation.rate(this.equation.received(drive, at), at).map((rate) => dt * rate));
    }
    return moved(b);
  }

  timeConstants(x: Vector, h: Vector): Vector | null {
    const drive = this.equation.drive(x);
    return this.equation.constants(this.equation.received(this.initial ? this.equation.free(drive).drive : drive, h));
  }
}
