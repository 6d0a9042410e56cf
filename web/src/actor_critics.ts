/**
 * Policies of PPO (course_lib/policies/{networks,actor_critics,chunks}.py): a tanh or ELU network, a recurrent cell, and
 * plans for several steps around either. Critics are only for learning; a critic's cell runs all the same, because its
 * states are part of the memory.
 */
import { CELL_NAMES, type Cell, makeCell } from './cells';
import { type Activation, Encoder, MLP, Normalizer, Readout, type Vector, joined } from './networks';
import { type Plan, makePlan } from './plans';
import { Policy } from './policy_base';
import type { Settings, Weights } from './weights';

/** The networks of an actor-critic: x -> what describes an action or a plan. */
interface Core {
  readonly stateWidth: number;
  readonly neurons: number;
  readonly cell: Cell | null;
  /** (outputs, neurons) on the states as they are; null without neurons. */
  readonly readoutWeight: Vector | null;
  readonly inputWeight: Vector | null;
  /** x seen, memory -> the memory after a step of length dt. `clamp` may hold the actor's neurons. */
  remember(x: Vector, memory: Vector, dt: number, clamp: (h: Vector) => void): Vector;
  /** x seen, the memory after it -> outputs */
  read(x: Vector, memory: Vector): Vector;
  /** What the actor's cell is given of x. */
  encode(x: Vector): Vector | null;
}

const activation = (settings: Settings): Activation => settings.choice('activation', ['tanh', 'elu'], 'tanh');

function mlpCore(weights: Weights, settings: Settings, obsDim: number, outputs: number): Core {
  const sizes = [obsDim, ...settings.counts('hidden', [64, 64]), outputs];
  const actor = MLP.sequential(weights.within('actor'), sizes, activation(settings));
  weights.skip('critic');
  return {
    stateWidth: 0,
    neurons: 0,
    cell: null,
    readoutWeight: null,
    inputWeight: null,
    remember: (_, memory) => memory,
    read: (x) => actor.forward(x),
    encode: () => null,
  };
}

function recurrentCore(weights: Weights, cellSettings: Settings, seen: number, outputs: number): Core {
  const name = cellSettings.choice('name', CELL_NAMES);
  const neurons = cellSettings.count('neurons', 8);
  const options = cellSettings.table('options');
  const width = cellSettings.has('encoder') ? cellSettings.count('encoder') : null;
  const feedthrough = cellSettings.flag('feedthrough', false);
  const encoder = new Encoder(weights.within('encoder'), seen, width);
  const cell = makeCell(name, weights.within('cell'), encoder.width, neurons, options);
  const readout = new Readout(weights.within('readout'), neurons, outputs, feedthrough ? encoder.width : 0);
  const scale = weights.within('readout').single('scale', neurons);
  const columns = readout.weight.length / outputs; // those of neurons, then with feedthrough of the cell's inputs
  let critic: { encoder: Encoder; cell: Cell } | null = null;
  if (cellSettings.choice('critic', ['cell', 'mlp'], 'cell') === 'cell') {
    const count = cellSettings.has('critic_neurons') ? cellSettings.count('critic_neurons') : neurons;
    const criticEncoder = new Encoder(weights.within('critic_encoder'), seen, width);
    // A wiring among the options is the actor's alone.
    const unwired = options.without('wiring');
    critic = {
      encoder: criticEncoder,
      cell: makeCell(name, weights.within('critic_cell'), criticEncoder.width, count, unwired),
    };
  }
  weights.skip('critic');
  return {
    stateWidth: neurons + (critic?.cell.neurons ?? 0),
    neurons,
    cell,
    inputWeight: encoder.through(cell.inputWeight, neurons),
    readoutWeight: new Float32Array(outputs * neurons).map((_, at) => {
      const neuron = at % neurons;
      return readout.weight[((at - neuron) / neurons) * columns + neuron] / scale[neuron];
    }),
    remember(x, memory, dt, clamp) {
      const h = cell.step(encoder.forward(x), memory.slice(0, neurons), dt);
      clamp(h);
      return critic ? joined(h, critic.cell.step(critic.encoder.forward(x), memory.slice(neurons), dt)) : h;
    },
    read: (x, memory) => readout.forward(memory, feedthrough ? encoder.forward(x) : null),
    encode: (x) => encoder.forward(x),
  };
}

/** A Gaussian's mean without memory. */
export class MLPActorCritic extends Policy {
  private readonly core: Core;

  constructor(settings: Settings, weights: Weights) {
    super(settings);
    weights.single('log_std', this.actDim);
    this.normalizer = new Normalizer(weights.within('normalizer'), settings, this.obsDim, true);
    this.core = mlpCore(weights, settings, this.obsDim, this.actDim);
  }

  protected choose(x: Vector): Vector {
    return this.core.read(x, this.state);
  }
}

/** A mean read out from a cell's neurons. The memory: the actor's neurons, then those of the critic's cell. */
export class RecurrentActorCritic extends Policy {
  private readonly core: Core;
  /** Whether the last entry of an observation says how many steps of training the coming one lasts. */
  private readonly clock: boolean;

  constructor(settings: Settings, weights: Weights) {
    super(settings);
    const cell = settings.table('cell');
    this.clock = cell.flag('clock', false);
    if (this.clock && this.obsDim < 2) throw settings.refusal('obs_dim', '2 or more with cell.clock=true');
    weights.single('log_std', this.actDim);
    this.normalizer = new Normalizer(weights.within('normalizer'), settings, this.obsDim, true, this.clock ? 1 : 0);
    this.core = recurrentCore(weights, cell, this.obsDim - (this.clock ? 1 : 0), this.actDim);
    this.neurons = this.core.neurons;
    this.cell = this.core.cell;
    this.readoutWeight = this.core.readoutWeight;
    this.inputWeight = this.core.inputWeight;
    this.state = new Float32Array(this.core.stateWidth);
  }

  protected choose(x: Vector): Vector {
    const seen = this.clock ? x.slice(0, -1) : x;
    const dt = this.clock ? x[x.length - 1] * this.dt : this.dt;
    this.seen = this.core.encode(seen);
    this.state = this.core.remember(seen, this.state, dt, (h) => this.clamp(h));
    return this.core.read(seen, this.state);
  }
}

/**
 * Decides once for `chunk` steps. The memory: place in the plan (0: a decision is due), the plan's first observation,
 * velocity of the path there, the cells' states after the decision, and with explore="plan" the plan's numbers.
 */
export class ChunkActorCritic extends Policy {
  readonly plan: Plan;
  get stepsOfCell(): number { return this.plan.chunk; }
  get hearsTime(): boolean { return false; }
  private readonly core: Core;
  /** Whether the numbers of a plan are part of the memory. */
  private readonly kept: boolean;

  constructor(settings: Settings, weights: Weights) {
    super(settings);
    const plan = settings.table('plan');
    const cell = settings.table('cell');
    this.plan = makePlan(plan, this.actDim);
    this.kept = plan.choice('explore', ['actions', 'plan'], 'actions') === 'plan';
    const { outputs, dofs } = this.plan;
    weights.single('log_std', this.kept ? outputs : this.actDim);
    this.normalizer = new Normalizer(weights.within('normalizer'), settings, this.obsDim, true);
    const inner = weights.within('core');
    this.core = cell.has('name')
      ? recurrentCore(inner, cell, this.obsDim, outputs)
      : mlpCore(inner, settings, this.obsDim, outputs);
    this.neurons = this.core.neurons;
    this.neuronsAt = 1 + this.obsDim + dofs;
    this.inputWeight = this.core.inputWeight;
    this.cell = this.core.cell;
    this.state = new Float32Array(this.neuronsAt + this.core.stateWidth + (this.kept ? outputs : 0));
  }

  protected choose(x: Vector): Vector {
    const { chunk, dofs } = this.plan;
    const cut = [0, 1, this.neuronsAt - dofs, this.neuronsAt, this.neuronsAt + this.core.stateWidth, this.state.length];
    let [, first, velocity, memory, numbers]: Vector[] = cut.slice(1).map((end, i) => this.state.slice(cut[i], end));
    const place = this.state[0] % chunk;
    if (place === 0) {
      first = x;
      this.seen = this.core.encode(x);
      memory = this.core.remember(x, memory, 1, (h) => this.clamp(h)); // a decision is one step of the cell
    }
    // Numbers that are not kept follow from first observation and memory, and are computed anew.
    const planned = this.kept && place !== 0 ? numbers : this.core.read(first, memory);
    const { actions, end } = this.plan.actions(planned, velocity);
    const after = (place + 1) % chunk;
    if (after === 0) velocity = end;
    this.state = joined(Float32Array.of(after), first, velocity, memory, this.kept ? planned : numbers);
    return actions[place].slice();
  }
}
