/** Policies of the off-policy algorithms (course_lib/policies/actors.py): a ReLU network, a tanh, with or without memory. */
import { MLP, Normalizer, type Vector, joined } from './networks';
import { Policy } from './policy_base';
import { Summarizer } from './summarizers';
import type { Settings, Weights } from './weights';

/**
 * tanh(network(x)). Of the two numbers that a Gaussian's network gives for each action the first ones, its means, are
 * the most likely action; their spreads are for learning.
 */
class Actor extends Policy {
  protected network!: MLP;

  constructor(settings: Settings, weights: Weights, outputs: 1 | 2, recurrent: boolean) {
    super(settings);
    this.normalizer = new Normalizer(weights.within('normalizer'), settings, this.obsDim, false);
    if (!recurrent) this.build(settings, weights, this.obsDim, outputs);
  }

  protected build(settings: Settings, weights: Weights, width: number, outputs: number): void {
    const sizes = [width, ...settings.counts('hidden', [256, 256]), outputs * this.actDim];
    this.network = MLP.ensemble(weights.within('network'), sizes);
  }

  /** Action in [-1, 1]. */
  protected unit(x: Vector): Vector {
    return this.network.forward(x).subarray(0, this.actDim).map(Math.tanh);
  }

  /** Action in [-1, 1] -> in the units of the environment. */
  protected scaled(unit: Vector): Vector {
    const { actionLow: low, actionHigh: high } = this;
    return low && high ? unit.map((u, i) => low[i] + (u + 1) * (0.5 * (high[i] - low[i]))) : unit;
  }

  protected choose(x: Vector): Vector {
    return this.scaled(this.unit(x));
  }
}

/** Of DDPG and TD3. */
export class DeterministicActor extends Actor {
  constructor(settings: Settings, weights: Weights) {
    super(settings, weights, 1, false);
  }
}

/** Of SAC. */
export class SquashedActor extends Actor {
  constructor(settings: Settings, weights: Weights) {
    super(settings, weights, 2, false);
  }
}

/** The network sees a summary of the history. The memory: the summarizer's, then last action and reward where seen. */
class RecurrentActor extends Actor {
  private readonly summarizer: Summarizer;
  private readonly seesAction: boolean;
  private readonly seesReward: boolean;

  constructor(settings: Settings, weights: Weights, outputs: 1 | 2) {
    super(settings, weights, outputs, true);
    const cell = settings.table('cell');
    this.seesAction = cell.flag('previous_action', false);
    this.seesReward = cell.flag('previous_reward', false);
    const besides = (this.seesAction ? this.actDim : 0) + (this.seesReward ? 1 : 0);
    this.summarizer = new Summarizer(weights.within('summarizer'), this.obsDim + besides, cell);
    this.build(settings, weights, this.summarizer.width, outputs);
    this.neurons = this.summarizer.neurons;
    this.neuronsAt = this.summarizer.memory?.at ?? 0;
    this.cell = this.summarizer.memory?.cell ?? null;
    this.state = new Float32Array(this.summarizer.stateWidth + besides);
  }

  get hearsTime(): boolean { return false; }

  rewarded(reward: number): void {
    if (this.seesReward) this.state[this.state.length - 1] = reward;
  }

  protected choose(x: Vector): Vector {
    const { memory, stateWidth } = this.summarizer;
    const input = joined(x, this.state.subarray(stateWidth));
    let remembered: Vector = this.state.slice(0, stateWidth);
    if (memory) remembered = memory.step(input, remembered, 1); // as in Python, at every rate
    this.clamp(remembered.subarray(this.neuronsAt));
    this.seen = input;
    const unit = this.unit(this.summarizer.read(input, remembered));
    const nothing = new Float32Array(0);
    this.state = joined(remembered, this.seesAction ? unit : nothing, new Float32Array(this.seesReward ? 1 : 0));
    return this.scaled(unit);
  }
}

/** Of RDPG and RTD3. */
export class RecurrentDeterministicActor extends RecurrentActor {
  constructor(settings: Settings, weights: Weights) {
    super(settings, weights, 1);
  }
}

/** Of RSAC. */
export class RecurrentSquashedActor extends RecurrentActor {
  constructor(settings: Settings, weights: Weights) {
    super(settings, weights, 2);
  }
}
