/** What the five tabletop tasks share. Port of course_lib/envs/tabletop/base.py. */
import { Random, type Start, type State, type Task, checkOptions, clip, times } from './task';

export const BOX = 0.022; // m: half a side of the box
export const PUCK = 0.04; // m: radii of puck
export const BALL = 0.028; // and ball
export const BIN_HEIGHT = 0.09; // m: of its rim
export const LEVER = 0.14; // m: of the faucet's handle, from its axis to its tip,
export const LEVER_HEIGHT = 0.1; // and above the table
const TIMESTEP = 0.005; // s
const FRAME_SKIP = 8; // at 25 control steps a second
const RATES = [25, 50, 100];
const RATE = 37.5; // 1/s: of the critically damped axes
const OPEN = 0.05; // m from the middle of the hand to a finger, as a target
const CLOSED = -0.01; // shut fingers press
const LIFTED = 0.4; // kg that the z axis carries
const FINGER = 0.04; // kg, each
const GRAVITY = 9.81;
const NEAR = 0.1; // m: the precision term falls to 1/e there
const AXES = [0, 2, 1]; // the robot's joints are x, z, y
const WEIGHTS = { reach: 1, progress: 10, precision: 1 };

export type Vector = [number, number, number];

export interface Traits {
  id: string;
  grips: boolean;
  horizon: number; // control steps at 25 a second
  stride: number; // m at 25 control steps a second
  low: Vector; // m: the workspace of the hand
  high: Vector;
  threshold: number; // m: nearer to the goal is a success
  firstGrip: number; // m, at the start
  goals: [least: number, most: number][];
  spins: boolean; // the object has a free joint
}

/** Of a task that sets nothing else. */
export const USUAL = {
  grips: false, horizon: 75, stride: 0.04, low: [-0.4, -0.26, 0.02] as Vector, high: [0.4, 0.22, 0.4] as Vector,
  threshold: 0.07, firstGrip: OPEN, spins: false,
};

/**
 * observation: hand | its velocity | object | its velocity | goal | the grip or the faucet's axis.
 * action: where the hand is to be after this step, in units of `stride` along x, y, z | where it grips, -1 opens, 1 shuts.
 */
export abstract class Tabletop<Memory = object> implements Task<Memory> {
  readonly id: string;
  readonly frameSkip: number;
  readonly timestep = TIMESTEP;
  readonly horizon: number;
  readonly substeps = false;
  readonly actionLow: Float32Array;
  readonly actionHigh: Float32Array;
  readonly observationKinds: string[];
  protected readonly stride: number;
  protected readonly nu: number;
  private readonly reply: [place: [number, number], speed: [number, number]];
  private readonly sag: number; // m that its own weight pulls the hand down by
  private readonly weights: typeof WEIGHTS;

  constructor(protected readonly traits: Traits, options: { rate?: number } = {}) {
    checkOptions(traits.id, options, ['rate']);
    const { rate = RATES[0] } = options;
    if (!RATES.includes(rate)) throw new Error(`rate=${rate} is not accepted by ${traits.id}; accepted: ${RATES.join(', ')}.`);
    const finer = rate / RATES[0];
    this.id = traits.id;
    this.frameSkip = FRAME_SKIP / finer;
    this.stride = traits.stride / finer;
    this.horizon = traits.horizon * finer;
    this.weights = { ...WEIGHTS, reach: WEIGHTS.reach / finer, precision: WEIGHTS.precision / finer };
    this.nu = traits.grips ? 5 : 3;
    this.actionHigh = new Float32Array(traits.grips ? 4 : 3).fill(1);
    this.actionLow = this.actionHigh.map((high) => -high);
    this.reply = replyOf(this.frameSkip);
    this.sag = ((LIFTED + (traits.grips ? 2 * FINGER : 0)) * GRAVITY) / RATE ** 2;
    const half = [...times('positions', 3), ...times('velocities', 3)];
    this.observationKinds = [...half, ...half, ...times('target', 3), ...times('positions', traits.grips ? 1 : 0)];
  }

  /** Where the hand and the joints of the things start. */
  protected abstract place(random: Random, goal: number[]): [hand: Vector, things: number[]];
  protected abstract firstMemory(): Memory;
  /** m: where the object is to be. */
  abstract goalPlace(state: State<Memory>): Vector;

  start(random: Random): Start<Memory> {
    const goal = this.traits.goals.map((range) => random.uniform(...range));
    const [hand, things] = this.place(random, goal);
    const fingers = this.traits.grips ? [this.traits.firstGrip, this.traits.firstGrip] : [];
    const qpos = Float64Array.of(...AXES.map((axis) => hand[axis]), ...fingers, ...things);
    return { qpos, qvel: new Float64Array(qpos.length - (this.traits.spins ? 1 : 0)), memory: this.firstMemory() };
  }

  hand({ qpos }: State<Memory>): Vector { return [qpos[0], qpos[2], qpos[1]]; }
  handVelocity({ qvel }: State<Memory>): Vector { return [qvel[0], qvel[2], qvel[1]]; }
  object({ qpos }: State<Memory>): Vector { return vector(qpos, this.nu); }
  objectVelocity({ qvel }: State<Memory>): Vector { return vector(qvel, this.nu); }
  /** m: from the object to its goal. */
  distance(state: State<Memory>): number { return between(this.object(state), this.goalPlace(state)); }
  success(state: State<Memory>): boolean { return this.distance(state) <= this.traits.threshold; }

  /** The end of the observation: the mean grip (m) where the hand grips. */
  protected rest({ qpos }: State<Memory>): number[] {
    return this.traits.grips ? [(qpos[3] + qpos[4]) / 2] : [];
  }

  observe(state: State<Memory>): Float64Array {
    return Float64Array.of(
      ...this.hand(state), ...this.handVelocity(state), ...this.object(state), ...this.objectVelocity(state),
      ...this.goalPlace(state), ...this.rest(state),
    );
  }

  control(before: State<Memory>, action: Float32Array): Float64Array {
    const [hand, velocity] = [this.hand(before), this.handVelocity(before)];
    const [gain, drift] = this.reply[0];
    const out = new Float64Array(this.nu);
    AXES.forEach((joint, axis) => {
      // float32 times float32, as in numpy
      const away = Math.fround(Math.fround(this.stride) * clip(action[axis], -1, 1));
      const target = clip(hand[axis] + away, this.traits.low[axis], this.traits.high[axis]);
      // A motor pulls like a spring. Its far end is put where it brings the hand to `target` in just one control step.
      out[joint] = hand[axis] + (target - hand[axis] - drift * velocity[axis]) / gain;
    });
    out[1] += this.sag;
    if (this.traits.grips) out.fill(OPEN + 0.5 * (CLOSED - OPEN) * (1 + this.fingers(before, action)), 3);
    return out;
  }

  /** What the fingers are told: -1 opens, 1 shuts them. */
  protected fingers(_before: State<Memory>, action: Float32Array): number {
    return clip(action[3], -1, 1);
  }

  remember(before: State<Memory>, _action: Float32Array, _after: State<Memory>): Memory {
    return before.memory;
  }

  protected reach(state: State<Memory>): number { return between(this.hand(state), this.object(state)); }
  protected precision(state: State<Memory>): number { return Math.exp(-((this.distance(state) / NEAR) ** 2)); }

  rewardTerms(before: State<Memory>, _action: Float32Array, after: State<Memory>): Record<string, number> {
    return {
      reach: -this.weights.reach * this.reach(after),
      progress: this.weights.progress * (this.distance(before) - this.distance(after)),
      precision: this.weights.precision * this.precision(after),
    };
  }

  /** Nothing ends an episode but the clock. */
  terminated(): boolean { return false; }
}

export function vector(values: ArrayLike<number>, from: number): Vector {
  return [values[from], values[from + 1], values[from + 2]];
}

export function between(a: Vector, b: Vector): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

export function somewhere(random: Random, low: number[], high: number[]): number[] {
  return low.map((least, i) => random.uniform(least, high[i]));
}

/** What `steps` steps make of [target, velocity] of an axis at its place 0: [place], [velocity]. */
function replyOf(steps: number): [[number, number], [number, number]] {
  const ends = [[1, 0], [0, 1]].map(([target, first]) => {
    let [place, velocity] = [0, first];
    for (let k = 0; k < steps; k++) {
      // MuJoCo's "implicitfast" for a spring with a damper
      velocity = (velocity + TIMESTEP * RATE ** 2 * (target - place)) / (1 + 2 * TIMESTEP * RATE);
      place += TIMESTEP * velocity;
    }
    return [place, velocity];
  });
  return [[ends[0][0], ends[1][0]], [ends[0][1], ends[1][1]]];
}
