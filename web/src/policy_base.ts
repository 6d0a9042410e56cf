/** The contract of every policy (course_lib/policies/base.py): observation and memory -> action and next memory. */
import type { Cell } from './cells';
import type { Normalizer, Vector } from './networks';
import { PolicyFileError, isRecord } from './safetensors';
import type { Settings, Weights } from './weights';

export abstract class Policy {
  readonly obsDim: number;
  readonly actDim: number;
  envId: string | null = null;
  envOptions: Record<string, unknown> = {};
  actionLow: Vector | null = null;
  actionHigh: Vector | null = null;
  header: Record<string, unknown> = {};
  /** The file's name and whether its digest was compared; "" for a policy that is from no file. */
  name = '';
  verified = false;

  /** The memory, as in Python: zeros at the start of an episode. The player may read it at any time, and write it. */
  state: Vector = new Float32Array(0);
  /** How many neurons remember, and where in `state` those of the actor begin. */
  neurons = 0;
  neuronsAt = 0;
  /** The actor's cell, for the graph; null without, or where it is an LSTM or Elman network. */
  cell: Cell | null = null;
  /** (actions, neurons) on the states as they are; null where actions do not follow from them by one linear map. */
  readoutWeight: Vector | null = null;
  /** (neurons, entries of the observation): what each entry does to each neuron, an encoder between taken as linear. */
  inputWeight: Vector | null = null;
  /** The normalised observation of the last action; null before the first. */
  sensed: Vector | null = null;
  /** What the cell was last given, (cell.inputs); null before the first action. */
  seen: Vector | null = null;
  /** Duration of a control step in the cell's time: another value acts at another rate than in training. */
  dt = 1;

  /** How many control steps a step of the cell lasts. */
  get stepsOfCell(): number { return 1; }
  /** Whether `dt` changes what the neurons do. */
  get hearsTime(): boolean { return this.cell !== null && this.cell.timed; }

  /** Neurons held at a value. */
  protected readonly held = new Map<number, number>();
  protected normalizer!: Normalizer;

  constructor(settings: Settings) {
    this.obsDim = settings.count('obs_dim');
    this.actDim = settings.count('act_dim');
  }

  /** x normalised -> action in the units of the environment; `state` moves on. */
  protected abstract choose(x: Vector): Vector;

  /** The most likely action, within the bounds; `state` moves on by a control step. */
  act(observation: ArrayLike<number>): Vector {
    if (observation.length !== this.obsDim) {
      throw new Error(`An observation of ${observation.length} numbers came; this policy accepts ${this.obsDim}.`);
    }
    this.sensed = this.normalizer.forward(Float32Array.from(observation));
    const action = this.choose(this.sensed);
    const { actionLow: low, actionHigh: high } = this;
    return low && high ? action.map((a, i) => Math.min(high[i], Math.max(low[i], a))) : action;
  }

  /** Forget: a new episode begins. Neurons that are held stay held. */
  reset(): void {
    this.state = new Float32Array(this.state.length);
    this.seen = this.sensed = null;
  }

  /** Tell the reward of the last action to a policy that sees rewards; others do not listen. */
  rewarded(_reward: number): void {}

  /** Activations of the neurons now. */
  get activations(): Vector {
    return this.state.slice(this.neuronsAt, this.neuronsAt + this.neurons);
  }

  /** How long each neuron remembers at the present state and input, control steps; null where a cell has no such. */
  timeConstants(): Vector | null {
    return this.cell && this.seen ? this.cell.timeConstants(this.seen, this.activations) : null;
  }

  /** Hold a neuron at a value from the next step on, to see what it is for; null lets it go. */
  hold(neuron: number, value: number | null): void {
    if (!Number.isInteger(neuron) || neuron < 0 || neuron >= this.neurons) {
      const accepted = this.neurons ? `0 to ${this.neurons - 1}` : 'none, this policy has no neurons that remember';
      throw new Error(`Neuron ${neuron} cannot be held; accepted: ${accepted}.`);
    }
    if (value === null) this.held.delete(neuron);
    else if (Number.isFinite(value)) this.held.set(neuron, value);
    else throw new Error(`A neuron cannot be held at ${value}; accepted: a finite number, or null to let it go.`);
  }

  /** Put the held neurons' values into h, whose first entry is neuron 0. */
  protected clamp(h: Vector): void {
    for (const [neuron, value] of this.held) h[neuron] = value;
  }

  /** Where the policy acts, and nothing left over in its file. */
  settle(header: Record<string, unknown>, weights: Weights): void {
    weights.finish();
    const { env_id: id = null, env_options: options = null } = header;
    if ((id !== null && typeof id !== 'string') || (options !== null && !isRecord(options))) {
      throw new PolicyFileError('env_id must be a name and env_options a table.');
    }
    if (header.acting !== undefined) {
      throw new PolicyFileError('it has a dt or held neurons of its own (acting), which this player would leave out.');
    }
    this.header = header;
    this.envId = id;
    this.envOptions = options ?? {};
    const { action_low: low = null, action_high: high = null } = header;
    if (low === null && high === null) return;
    const fits = (bound: unknown): bound is number[] =>
      Array.isArray(bound) && bound.length === this.actDim && bound.every((b) => typeof b === 'number');
    if (!fits(low) || !fits(high) || !low.every((b, i) => b <= high[i])) {
      throw new PolicyFileError(`action bounds must be ${this.actDim} numbers each, the low ones below the high ones.`);
    }
    this.actionLow = Float32Array.from(low);
    this.actionHigh = Float32Array.from(high);
  }
}
