/**
 * Recurrent cells as course_lib/nets/{cells,synaptic}.py run them: h ← the state dt later, the input held meanwhile.
 *
 * W (to, from) are the recurrent and U the input weights, b the bias, τ = softplus(·) > 0 the time constants, dt in
 * control steps of training. A wiring's masks and factors of low rank are multiplied in once, when a cell is read.
 */
import { type Vector, affine, sigmoid, softplus } from './networks';
import { type Cell, type Equation, ODECell } from './ode';
import type { Settings, Weights } from './weights';

export type { Cell } from './ode';

type Maker = (weights: Weights, inputs: number, neurons: number, options: Settings) => Cell;

/** W, U and b of a cell of so many gates. */
class Synapses {
  readonly recurrent: Vector;
  readonly input: Vector;
  readonly bias: Vector;

  constructor(weights: Weights, readonly inputs: number, readonly neurons: number, options: Settings, gates = 1) {
    const rows = gates * neurons;
    this.input = weights.single('input', rows, inputs);
    this.bias = weights.single('bias', rows);
    if (options.has('rank')) {
      const rank = options.count('rank', 1, 1, neurons);
      const [left, right] = [
        weights.single('recurrent_left', rows, rank),
        weights.single('recurrent_right', rank, neurons),
      ];
      this.recurrent = new Float32Array(rows * neurons).map((_, at) => {
        let sum = 0;
        const [to, from] = [Math.floor(at / neurons), at % neurons];
        for (let k = 0; k < rank; k++) sum += left[to * rank + k] * right[k * neurons + from];
        return sum;
      });
    } else {
      this.recurrent = weights.single('recurrent', rows, neurons);
    }
    if (options.has('wiring')) {
      this.recurrent = masked(this.recurrent, weights.single('recurrent_mask', rows, neurons));
      this.input = masked(this.input, weights.single('input_mask', rows, inputs));
    }
  }

  /** U x + b */
  drive(x: Vector): Vector {
    return affine(this.input, x, this.bias);
  }

  /** W h + drive */
  received(drive: Vector, h: Vector): Vector {
    return affine(this.recurrent, h, drive);
  }
}

const masked = (weight: Vector, mask: Vector): Vector => weight.map((w, i) => w * mask[i]);

/** The last `neurons` rows of (gates · neurons, columns). */
const lastRows = (weight: Vector, neurons: number, columns: number): Vector =>
  weight.slice(weight.length - neurons * columns);

// --- cells that are differential equations -----------------------------------------------------------------

/** What the three cells with one matrix product share. */
function oneProduct(synapses: Synapses): Omit<Equation, 'rate' | 'constants'> {
  return {
    inputs: synapses.inputs,
    neurons: synapses.neurons,
    recurrentWeight: synapses.recurrent,
    inputWeight: synapses.input,
    drive: (x) => synapses.drive(x),
    received: (drive, h) => synapses.received(drive, h),
    free: (drive) => ({ drive: synapses.bias, kick: drive.map((value, i) => value - synapses.bias[i]) }),
  };
}

/** dh/dt = tanh(W h + U x + b); nothing decays. */
const neuralODE: Maker = (weights, inputs, neurons, options) =>
  new ODECell(
    {
      ...oneProduct(new Synapses(weights, inputs, neurons, options)),
      rate: (a) => a.map(Math.tanh),
      constants: () => null,
    },
    options,
    'rk4',
  );

/** dh/dt = -h/τ + tanh(W h + U x + b) */
const ctrnn: Maker = (weights, inputs, neurons, options) => {
  const tau = weights.single('raw_tau', neurons).map(softplus);
  const decay = tau.map((t) => 1 / t);
  return new ODECell(
    {
      ...oneProduct(new Synapses(weights, inputs, neurons, options)),
      rate: (a, h) => a.map((v, i) => Math.tanh(v) - h[i] * decay[i]),
      advance: (a, h, dt) => a.map((v, i) => (Math.tanh(v) + h[i] / dt) / (1 / dt + decay[i])),
      constants: () => tau,
    },
    options,
  );
};

/** dh/dt = -(1/τ + f) h + f A with f = σ(W h + U x + b); form="writeup": dh/dt = -(1/τ + A f) h + f. */
const ltc: Maker = (weights, inputs, neurons, options) => {
  const decay = weights.single('raw_tau', neurons).map((raw) => 1 / Math.fround(softplus(raw)));
  const A = weights.single('A', neurons);
  const writeup = options.choice('form', ['paper', 'writeup'], 'paper') === 'writeup';
  /** How strongly the opened synapse pulls, and towards where: f and f A, or as the write-up has them A f and f. */
  const opened = (f: number, i: number) => (writeup ? A[i] * f : f);
  const drawn = (f: number, i: number) => Math.fround(writeup ? f : f * A[i]);
  return new ODECell(
    {
      ...oneProduct(new Synapses(weights, inputs, neurons, options)),
      rate: (a, h) =>
        a.map((v, i) => {
          const f = sigmoid(v);
          return drawn(f, i) - (decay[i] + opened(f, i)) * h[i];
        }),
      // Rounded where Python rounds: states that fade slowly add up what is rounded away.
      advance: (a, h, dt) =>
        a.map((v, i) => {
          const f = Math.fround(sigmoid(v));
          const leak = Math.fround(1 / dt + decay[i]);
          return Math.fround(drawn(f, i) + h[i] / dt) / Math.fround(leak + opened(f, i));
        }),
      constants: (a) => a.map((v, i) => 1 / (decay[i] + opened(sigmoid(v), i))),
    },
    options,
  );
};

/**
 * C_i dh_i/dt = g_i (v_i - h_i) + Σ_j w_ij σ(s_ij (h_j - μ_ij)) (E_ij - h_i), and the same sum over the inputs.
 *
 * What a neuron receives is two numbers: the currents Σ w σ E of all neurons, then the conductances Σ w σ.
 */
const synapticLTC: Maker = (weights, inputs, neurons, options) => {
  const wired = options.has('wiring');
  const read = (kind: 'recurrent' | 'sensory', sources: number) => {
    const take = (name: string) => weights.single(`${kind}_${name}`, neurons, sources);
    const open = take('raw_w').map(softplus);
    const mask = kind === 'recurrent' ? 'recurrent_mask' : 'input_mask';
    const w = wired ? masked(open, weights.single(mask, neurons, sources)) : open;
    const E = take('E');
    return { sources, w, wE: w.map((value, i) => value * E[i]), mu: take('mu'), sigma: take('sigma') };
  };
  const [recurrent, sensory] = [read('recurrent', neurons), read('sensory', inputs)];
  const through = ({ sources, w, wE, mu, sigma }: typeof recurrent, drive: Vector, h: Vector) => {
    const out = new Float32Array(2 * neurons);
    for (let i = 0; i < neurons; i++) {
      let [current, conductance] = [drive[i], drive[neurons + i]];
      for (let j = 0, at = i * sources; j < sources; j++, at++) {
        const opened = sigmoid(sigma[at] * (h[j] - mu[at]));
        current += wE[at] * opened;
        conductance += w[at] * opened;
      }
      out[i] = current;
      out[neurons + i] = conductance;
    }
    return out;
  };
  const nothing = new Float32Array(2 * neurons);
  const g = weights.single('raw_g', neurons).map(softplus);
  const v = weights.single('v', neurons);
  const C = weights.single('raw_C', neurons).map(softplus);
  return new ODECell(
    {
      inputs,
      neurons,
      recurrentWeight: recurrent.wE,
      inputWeight: sensory.wE,
      drive: (x) => through(sensory, nothing, x),
      received: (drive, h) => through(recurrent, drive, h),
      free: (drive) => ({ drive: nothing, kick: drive.slice(0, neurons) }),
      rate: (a, h) => h.map((value, i) => (g[i] * v[i] + a[i] - (g[i] + a[neurons + i]) * value) / C[i]),
      advance: (a, h, dt) =>
        h.map((value, i) => ((C[i] / dt) * value + g[i] * v[i] + a[i]) / (C[i] / dt + g[i] + a[neurons + i])),
      constants: (a) => C.map((c, i) => c / (g[i] + a[neurons + i])),
    },
    options,
    'fused',
    6,
  );
};

// --- cells without a differential equation -----------------------------------------------------------------

/** h ← σ(-f dt) g + (1 - σ(-f dt)) k; f is linear and g, k = tanh are heads of (h, x). */
const cfc: Maker = (weights, inputs, neurons, options) => {
  const s = new Synapses(weights, inputs, neurons, options, 3);
  return {
    inputs,
    neurons,
    recurrentWeight: lastRows(s.recurrent, neurons, neurons),
    inputWeight: lastRows(s.input, neurons, inputs),
    timed: true,
    timeConstants: () => null,
    step(x, h, dt) {
      const a = s.received(s.drive(x), h);
      return h.map((_, i) => {
        const [g, k] = [Math.tanh(a[neurons + i]), Math.tanh(a[2 * neurons + i])];
        return k + sigmoid(-a[i] * dt) * (g - k);
      });
    },
  };
};

/** Gated recurrent unit; blind to dt. The reset gate multiplies what comes from the state, not from the input. */
const gru: Maker = (weights, inputs, neurons, options) => {
  const s = new Synapses(weights, inputs, neurons, options, 3);
  const recurrentBias = weights.single('recurrent_bias', neurons);
  const candidate = lastRows(s.recurrent, neurons, neurons);
  return {
    inputs,
    neurons,
    recurrentWeight: candidate,
    inputWeight: lastRows(s.input, neurons, inputs),
    timed: false,
    timeConstants: () => null,
    step(x, h) {
      const drive = s.drive(x);
      const gates = affine(s.recurrent, h, drive, 2 * neurons).map(sigmoid);
      const fromState = affine(candidate, h, recurrentBias);
      return h.map((value, i) => {
        const [reset, update] = [gates[i], gates[neurons + i]];
        const fresh = Math.tanh(drive[2 * neurons + i] + reset * fromState[i]);
        return fresh + update * (value - fresh);
      });
    },
  };
};

/** h ← tanh(U x + b): a layer without memory. */
const mlp: Maker = (weights, inputs, neurons, options) => {
  const input = weights.single('input', neurons, inputs);
  const bias = weights.single('bias', neurons);
  const wired = options.has('wiring');
  if (wired) weights.single('recurrent_mask', neurons, neurons);
  const inputWeight = wired ? masked(input, weights.single('input_mask', neurons, inputs)) : input;
  return {
    inputs,
    neurons,
    recurrentWeight: new Float32Array(neurons * neurons),
    inputWeight,
    timed: false,
    timeConstants: () => null,
    step: (x) => affine(inputWeight, x, bias).map(Math.tanh),
  };
};

const CELLS: { [name: string]: Maker } = { neural_ode: neuralODE, ctrnn, ltc, cfc, gru, mlp, synaptic_ltc: synapticLTC };
export const CELL_NAMES = Object.keys(CELLS);

export function makeCell(name: string, weights: Weights, inputs: number, neurons: number, options: Settings): Cell {
  return CELLS[name](weights, inputs, neurons, options);
}
