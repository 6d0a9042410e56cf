/** What turns the history of an off-policy actor into a vector that its network sees (course_lib/nets/summarizers.py). */
import { CELL_NAMES, type Cell, makeCell } from './cells';
import { Scaled, type Vector, affine, joined, sigmoid } from './networks';
import type { Settings, Weights } from './weights';

/** x, state -> the next state; its first or, where layers are stacked, its last `neurons` of the hidden ones are read. */
interface Memory {
  readonly width: number;
  /** Where in the state the neurons are that are read. */
  readonly at: number;
  readonly cell: Cell | null;
  step(x: Vector, state: Vector, dt: number): Vector;
}

export class Summarizer {
  readonly neurons: number;
  readonly width: number; // of the summary
  readonly stateWidth: number;
  readonly memory: Memory | null; // null: nothing is remembered
  private readonly feedthrough: boolean;
  private readonly scaled: Scaled;

  constructor(weights: Weights, inputs: number, settings: Settings) {
    const name = settings.choice('name', [...CELL_NAMES, 'lstm', 'elman', 'identity'], 'lstm');
    const neurons = settings.count('neurons', 64);
    const layers = settings.count('layers', 1, 1, 100);
    const net = weights.within('net');
    if (name === 'identity') this.memory = null;
    else if (name === 'lstm' || name === 'elman') this.memory = stacked(name, net, inputs, neurons, layers);
    else {
      const cell = makeCell(name, net, inputs, neurons, settings.table('options'));
      this.memory = { width: neurons, at: 0, cell, step: (x, h, dt) => cell.step(x, h, dt) };
    }
    this.neurons = this.memory ? neurons : 0;
    this.stateWidth = this.memory?.width ?? 0;
    this.feedthrough = settings.flag('feedthrough', false) || !this.memory;
    this.width = this.neurons + (this.feedthrough ? inputs : 0);
    this.scaled = new Scaled(weights, this.neurons);
  }

  /** Summary of a state that has seen x. */
  read(x: Vector, state: Vector): Vector {
    if (!this.memory) return x;
    const z = this.scaled.forward(state.subarray(this.memory.at, this.memory.at + this.neurons));
    return this.feedthrough ? joined(z, x) : z;
  }
}

/** torch.nn.LSTM and torch.nn.RNN. The state is the hidden states of all layers, then an LSTM's cell states. */
function stacked(name: 'lstm' | 'elman', weights: Weights, inputs: number, neurons: number, layers: number): Memory {
  const gates = name === 'lstm' ? 4 : 1;
  const rows = gates * neurons;
  const nets = Array.from({ length: layers }, (_, l) => ({
    input: weights.single(`weight_ih_l${l}`, rows, l ? neurons : inputs),
    recurrent: weights.single(`weight_hh_l${l}`, rows, neurons),
    inputBias: weights.single(`bias_ih_l${l}`, rows),
    recurrentBias: weights.single(`bias_hh_l${l}`, rows),
  }));
  const all = layers * neurons;
  return {
    width: all * (name === 'lstm' ? 2 : 1),
    at: all - neurons,
    cell: null,
    step(x, state) {
      const next = state.slice();
      nets.forEach(({ input, recurrent, inputBias, recurrentBias }, l) => {
        const at = l * neurons;
        const drive = affine(input, x, inputBias);
        const a = affine(recurrent, state.subarray(at, at + neurons), recurrentBias).map((v, i) => v + drive[i]);
        for (let i = 0; i < neurons; i++) {
          if (name === 'elman') {
            next[at + i] = Math.tanh(a[i]);
            continue;
          }
          const [write, keep, show] = [a[i], a[neurons + i], a[3 * neurons + i]].map(sigmoid);
          next[all + at + i] = keep * state[all + at + i] + write * Math.tanh(a[2 * neurons + i]);
          next[at + i] = show * Math.tanh(next[all + at + i]);
        }
        x = next.subarray(at, at + neurons);
      });
      return next;
    },
  };
}
