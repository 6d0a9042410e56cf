/** Throw, Pick, Push, Soccer, Faucet: five things to do on a table. Port of course_lib/envs/tabletop/tasks.py. */
import {
  BALL, BIN_HEIGHT, BOX, LEVER, LEVER_HEIGHT, PUCK, Tabletop, USUAL, type Vector, somewhere, vector,
} from './tabletop';
import { type Random, type State, clip, times } from './task';

interface Options {
  rate?: number; // control steps a second: 25, 50 or 100
}

/** x and y of the goal: the last two joints. */
function last(qpos: Float64Array): [number, number] {
  return [qpos[qpos.length - 2], qpos[qpos.length - 1]];
}

interface ThrowMemory {
  down: boolean; // the ball has come down
  miss: number; // m from the bin's middle to where it did
}

/** Throw a ball, held at the start, into a bin out of the hand's reach. */
export class Throw extends Tabletop<ThrowMemory> {
  constructor(options?: Options) {
    super({
      ...USUAL, id: 'Throw-v0', grips: true, horizon: 50, stride: 0.08, low: [-0.4, -0.2, 0.14], high: [-0.05, 0.2, 0.4],
      threshold: 0.19, firstGrip: BALL - 0.001, goals: [[0.3, 0.48], [-0.18, 0.18]], spins: true,
    }, options);
  }

  protected place(random: Random, goal: number[]): [Vector, number[]] {
    const hand = somewhere(random, [-0.36, -0.15, 0.18], [-0.24, 0.15, 0.26]) as Vector;
    return [hand, [...hand, 1, 0, 0, 0, ...goal]];
  }

  protected firstMemory(): ThrowMemory { return { down: false, miss: Infinity }; }
  goalPlace({ qpos }: State<ThrowMemory>): Vector { return [...last(qpos), BIN_HEIGHT]; }

  remember(before: State<ThrowMemory>, _action: Float32Array, after: State<ThrowMemory>): ThrowMemory {
    const [start, end] = [this.object(before), this.object(after)];
    if (before.memory.down || start[2] <= BIN_HEIGHT || end[2] > BIN_HEIGHT) return before.memory;
    const share = (start[2] - BIN_HEIGHT) / (start[2] - end[2]);
    const [x, y] = [0, 1].map((i) => start[i] + share * (end[i] - start[i]));
    const goal = last(after.qpos);
    return { down: true, miss: Math.hypot(x - goal[0], y - goal[1]) };
  }

  /** Over the table until the ball has come down; from then on the miss. */
  distance(state: State<ThrowMemory>): number {
    if (state.memory.down) return state.memory.miss;
    const [ball, goal] = [this.object(state), last(state.qpos)];
    return Math.hypot(ball[0] - goal[0], ball[1] - goal[1]);
  }

  success(state: State<ThrowMemory>): boolean { return state.memory.down && super.success(state); }
  protected reach(): number { return 0; }
  protected precision(state: State<ThrowMemory>): number { return state.memory.down ? super.precision(state) : 0; }
}

interface PickMemory {
  shut: boolean; // what the valve of the fingers does
}

/** Take a box and hold it in the air above where it stood. */
export class Pick extends Tabletop<PickMemory> {
  constructor(options?: Options) {
    super({ ...USUAL, id: 'Pick-v0', grips: true, goals: [[0.13, 0.2]], spins: true }, options);
  }

  protected place(random: Random, goal: number[]): [Vector, number[]] {
    const [x, y] = somewhere(random, [-0.2, -0.15], [0.2, 0.15]);
    const away = somewhere(random, [-0.1, -0.1, 0.08], [0.1, 0.1, 0.15]);
    const { low, high } = this.traits;
    const hand = [x, y, BOX].map((at, i) => clip(at + away[i], low[i], high[i])) as Vector;
    const half = random.uniform(-0.3, 0.3) / 2;
    return [hand, [x, y, BOX, Math.cos(half), 0, 0, Math.sin(half), x, y, ...goal]];
  }

  protected firstMemory(): PickMemory { return { shut: false }; }

  /** A valve: beyond ±0.5 the fingers change over, in between they keep doing what they did. */
  private shut(before: State<PickMemory>, action: Float32Array): boolean {
    return Math.abs(action[3]) > 0.5 ? action[3] > 0 : before.memory.shut;
  }

  protected fingers(before: State<PickMemory>, action: Float32Array): number { return this.shut(before, action) ? 1 : -1; }
  remember(before: State<PickMemory>, action: Float32Array): PickMemory { return { shut: this.shut(before, action) }; }
  goalPlace({ qpos }: State<PickMemory>): Vector { return vector(qpos, qpos.length - 3); }
  success(state: State<PickMemory>): boolean { return this.object(state)[2] - BOX > 0.08; }

  protected reach(state: State<PickMemory>): number {
    const away = super.reach(state);
    const atIt = Math.exp(-((away / 0.03) ** 4));
    return 3 * Math.max(away - 0.015, 0) - (state.memory.shut ? 0.3 * atIt : 0);
  }

  protected precision(state: State<PickMemory>): number {
    const way = this.goalPlace(state)[2] - BOX;
    return super.precision(state) + 3 * Math.max(1 - this.distance(state) / way, 0);
  }
}

/** Push a puck to a mark, and leave it there. */
export class Push extends Tabletop {
  constructor(options?: Options) {
    super({ ...USUAL, id: 'Push-v0', goals: [[0.1, 0.3], [-0.18, 0.15]] }, options);
  }

  protected place(random: Random, goal: number[]): [Vector, number[]] {
    const hand = somewhere(random, [-0.38, -0.15, 0.06], [-0.3, 0.1, 0.14]) as Vector;
    return [hand, [...somewhere(random, [-0.2, -0.15], [-0.05, 0.1]), ...goal]];
  }

  protected firstMemory(): object { return {}; }
  object({ qpos }: State<object>): Vector { return [qpos[3], qpos[4], PUCK / 2]; }
  objectVelocity({ qvel }: State<object>): Vector { return [qvel[3], qvel[4], 0]; }
  goalPlace({ qpos }: State<object>): Vector { return [...last(qpos), PUCK / 2]; }
}

/** Kick a ball into a goal that the hand cannot reach. */
export class Soccer extends Tabletop {
  constructor(options?: Options) {
    super({ ...USUAL, id: 'Soccer-v0', high: [0.2, 0.22, 0.4], goals: [[0.4, 0.5], [-0.15, 0.12]], spins: true }, options);
  }

  protected place(random: Random, goal: number[]): [Vector, number[]] {
    const hand = somewhere(random, [-0.38, -0.12, 0.04], [-0.3, 0.1, 0.1]) as Vector;
    const ball = somewhere(random, [-0.15, -0.12], [0, 0.1]);
    return [hand, [...ball, BALL, 1, 0, 0, 0, ...goal]];
  }

  protected firstMemory(): object { return {}; }
  goalPlace({ qpos }: State<object>): Vector { return [...last(qpos), BALL]; }
}

/** Turn a faucet's handle, counter-clockwise seen from above, to a given angle; the object is the handle's tip. */
export class Faucet extends Tabletop {
  constructor(options?: Options) {
    super({ ...USUAL, id: 'Faucet-v0', threshold: 0.05, goals: [[0.9, 1.6]] }, options);
    this.observationKinds.push(...times('positions', 2));
  }

  protected place(random: Random, goal: number[]): [Vector, number[]] {
    const hand = somewhere(random, [-0.35, -0.2, 0.1], [-0.25, 0, 0.18]) as Vector;
    const pivot = somewhere(random, [-0.06, 0], [0.06, 0.1]);
    const angle = random.uniform(-2.5, -2.2);
    return [hand, [...pivot, angle, angle + goal[0]]];
  }

  protected firstMemory(): object { return {}; }

  private tip(qpos: Float64Array, angle: number): Vector {
    return [qpos[3] + LEVER * Math.cos(angle), qpos[4] + LEVER * Math.sin(angle), LEVER_HEIGHT];
  }

  object({ qpos }: State<object>): Vector { return this.tip(qpos, qpos[5]); }
  goalPlace({ qpos }: State<object>): Vector { return this.tip(qpos, qpos[6]); }

  objectVelocity({ qpos, qvel }: State<object>): Vector {
    const speed = LEVER * qvel[5];
    return [-speed * Math.sin(qpos[5]), speed * Math.cos(qpos[5]), 0];
  }

  protected rest({ qpos }: State<object>): number[] { return [qpos[3], qpos[4]]; }
}
