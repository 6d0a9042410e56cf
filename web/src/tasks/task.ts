/**
 * A task: what an episode starts from, what is seen, what an action does, what is paid and when it is over.
 *
 * Each is a port of the class of the same name in course_lib/envs; test/tasks.test.ts holds both side by side. A task
 * never steps the physics (see `episode`), and keeps nothing but what is in `State.memory`.
 */
export interface State<Memory = unknown> {
  time: number; // s
  qpos: Float64Array; // m, rad, unit quaternions
  qvel: Float64Array; // m/s, rad/s
  /** The model's sensors as MuJoCo leaves them: computed at the beginning of the last physics step. */
  sensordata: Float64Array;
  /** Positions after each physics step of the control step, where `Task.substeps`; else empty. */
  substepQpos: Float64Array[];
  memory: Memory;
}

export interface Start<Memory = unknown> {
  qpos: Float64Array;
  qvel: Float64Array;
  memory: Memory;
}

export interface Task<Memory = any> {
  readonly id: string;
  readonly frameSkip: number; // physics steps in a control step
  readonly timestep: number; // s of a physics step
  readonly horizon: number; // control steps of an episode
  readonly substeps: boolean;
  /** Terms of the reward whose sum over an episode does not grow with the number of control steps. */
  readonly integrals?: string[];
  /** Number of the body that `push` acts on. */
  readonly pushed?: number;
  readonly actionLow: Float32Array;
  readonly actionHigh: Float32Array;
  /** One word for each entry of the observation: "positions", "velocities", … */
  readonly observationKinds: string[];
  start(random: Random): Start<Memory>;
  observe(state: State<Memory>): Float64Array;
  /** action -> actuator controls. */
  control(before: State<Memory>, action: Float32Array): Float64Array;
  /** Force (N) and torque (N m) on the body `pushed` in the next step. */
  push?(before: State<Memory>): Float64Array;
  /** The memory carried into `after`. */
  remember(before: State<Memory>, action: Float32Array, after: State<Memory>): Memory;
  /** Named parts of the reward, which is their sum. */
  rewardTerms(before: State<Memory>, action: Float32Array, after: State<Memory>): Record<string, number>;
  terminated(after: State<Memory>): boolean;
  /** Tasks that have one: is this state a success? */
  success?(after: State<Memory>): boolean;
}

export function rewardOf(terms: Record<string, number>): number {
  return Object.values(terms).reduce((total, term) => total + term, 0);
}

/** Random numbers that a seed repeats (mulberry32); not Python's, so start states are alike, not the same. */
export class Random {
  constructor(private state: number) {
    this.state = state >>> 0;
  }

  /** From 0 to 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}

export function clip(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** `count` times `word`. */
export function times(word: string, count: number): string[] {
  return new Array<string>(count).fill(word);
}

/** Raises unless every option is one of `accepted`. */
export function checkOptions(id: string, options: object, accepted: string[]): void {
  for (const name of Object.keys(options)) {
    if (!accepted.includes(name)) {
      throw new Error(`${name} is not an option of ${id} here; accepted: ${accepted.join(', ') || 'none'}.`);
    }
  }
}
