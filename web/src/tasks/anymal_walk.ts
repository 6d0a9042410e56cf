/** AnymalC: a quadruped that walks where it is told to, head first. Port of course_lib/envs/anymal/walk.py. */
import { type Command, type Orders, type Range, commandNow, drawOrders, pushNow } from './anymal_orders';
import {
  ACTION_LIMIT, JOINTS, Terrain, type TerrainOptions, bodyVelocity, clipped, gravityDirection, headingOf, targets,
} from './anymal_robot';
import { Random, type Start, type State, type Task, checkOptions, clip, times } from './task';

const STANCE = [0, 0.4, -0.8, 0, 0.4, -0.8, 0, -0.4, 0.8, 0, -0.4, 0.8]; // rad: front knees bent back, hind forward
const STANCE_HEIGHT = 0.55; // m: where the feet of the stance just touch the ground
const TOUCH = 1; // N: less is not a contact
const FALLEN_HEIGHT = 0.35; // m
const FALLEN_GRAVITY = -0.5; // a tilt of 60 degrees
const WORST = 1.5; // m/s and rad/s: errors count no more than that
const STEER = 0.5; // rad/s: no faster turn is told to keep the heading
const SHORT = 0.1; // s in the air: less is not paid,
const LONG = 0.4; // more is not paid more
const FEET: Range = [0, 4]; // columns of the sensors: normal force on each foot (N),
const SCRAPES: Range = [4, 9]; // on the base and each thigh (N),
const TORQUES: Range = [9, 21]; // torque of each joint (N m)
const WEIGHTS = {
  velocity: 3, yaw_rate: 1.5, vertical: -0.5, tilt_rate: -0.02, orientation: -1, posture: -0.15, torque: -1e-5,
  energy: -1e-4, smoothness: -0.01, scrape: -1, air_time: 0.5, fall: -5,
};

export interface WalkMemory extends Orders {
  last_action: number[];
  air_time: number[]; // s that each foot has been in the air
}

export interface WalkOptions {
  command?: Command; // for the whole episode; left out: drawn anew every 5 s to 10 s
  keep_heading?: boolean; // the turning rate told is what steers back to +x
  forward?: Range; // commands are drawn from these: m/s,
  left?: Range; // m/s,
  turn?: Range; // rad/s
  push_force?: number; // N for 0.2 s, every 3 s to 8 s; 0 for none
  push_at?: number; // s at which the only push comes
  terrain?: string | TerrainOptions;
  along?: number; // episodes start anywhere in the first so many metres of the track
  reset_noise?: number;
}

const OPTIONS = ['command', 'keep_heading', 'forward', 'left', 'turn', 'push_force', 'push_at', 'terrain', 'along', 'reset_noise'];

/**
 * observation (52): gravity direction | linear, angular velocity | command | joint angles from the stance | joint rates |
 * last action | feet on the ground (0 or 1). action (12): position targets, 0.5 rad from the stance for 1, clipped to ±3.
 */
export class AnymalC implements Task<WalkMemory> {
  readonly id = 'AnymalC-v0';
  readonly frameSkip = 10;
  readonly timestep = 0.002;
  readonly horizon = 1000;
  readonly substeps = false;
  readonly integrals = Object.keys(WEIGHTS);
  readonly pushed = 1; // the base
  readonly actionLow = new Float32Array(JOINTS).fill(-ACTION_LIMIT);
  readonly actionHigh = new Float32Array(JOINTS).fill(ACTION_LIMIT);
  readonly observationKinds = [
    ...times('positions', 3), ...times('velocities', 6), ...times('command', 3), ...times('positions', 12),
    ...times('velocities', 12), ...times('actions', 12), ...times('contacts', 4),
  ];
  /** The command of a reader who steers; null: what the episode drew. */
  steering: Command | null = null;
  private readonly terrain: Terrain;

  /** Whether a pilot who keeps the heading tells the turning rate. */
  get keepsHeading(): boolean { return this.options.keep_heading === true; }

  constructor(private readonly options: WalkOptions = {}) {
    checkOptions(this.id, options, OPTIONS);
    this.terrain = new Terrain(options.terrain);
  }

  private get dt(): number { return this.frameSkip * this.timestep; }

  start(random: Random): Start<WalkMemory> {
    const { command, forward = [-0.5, 1], left = [-0.3, 0.3], turn = [-0.7, 0.7], along = 0 } = this.options;
    const { push_force = 50, push_at, reset_noise = 0.1 } = this.options;
    const draw = () => random.uniform(-reset_noise, reset_noise);
    const half = draw() / 2;
    const x = random.uniform(0, along);
    const joints = STANCE.map((angle) => angle + draw());
    const height = STANCE_HEIGHT + this.terrain.top(x);
    const seconds = this.horizon * this.dt;
    const orders = drawOrders(random, seconds, command ?? null, [forward, left, turn], push_force, push_at ?? null);
    return {
      qpos: Float64Array.of(x, 0, height, Math.cos(half), 0, 0, Math.sin(half), ...joints),
      qvel: Float64Array.of(0, 0, 0, 0, 0, 0, ...STANCE.map(draw)),
      memory: { ...orders, last_action: STANCE.map(() => 0), air_time: [0, 0, 0, 0] },
    };
  }

  /** What the robot is told now. */
  command(state: State<WalkMemory>): number[] {
    const told = this.steering ? [...this.steering] : commandNow(state);
    if (this.keepsHeading) told[2] = clip(-headingOf(state.qpos), -STEER, STEER);
    return told;
  }

  push(before: State<WalkMemory>): Float64Array {
    return pushNow(before);
  }

  control(_before: State<WalkMemory>, action: Float32Array): Float64Array {
    return targets(action, STANCE);
  }

  /** Which feet stand on something: LF, RF, LH, RH. */
  contacts(state: State<WalkMemory>): boolean[] {
    return Array.from(state.sensordata.subarray(...FEET), (force) => force > TOUCH);
  }

  remember(before: State<WalkMemory>, action: Float32Array, after: State<WalkMemory>): WalkMemory {
    const stands = this.contacts(after);
    const air_time = before.memory.air_time.map((s, foot) => (stands[foot] ? 0 : s + this.dt));
    return { ...before.memory, last_action: clipped(action), air_time };
  }

  observe(state: State<WalkMemory>): Float64Array {
    const { qpos, qvel, memory } = state;
    return Float64Array.of(
      ...gravityDirection(qpos),
      ...bodyVelocity(qpos, qvel),
      ...qvel.subarray(3, 6), // MuJoCo holds a free body's rotation in its own frame
      ...this.command(state),
      ...STANCE.map((angle, i) => qpos[7 + i] - angle),
      ...qvel.subarray(6),
      ...memory.last_action,
      ...this.contacts(state).map(Number),
    );
  }

  /** m of the base over the ground. */
  height({ qpos }: State<WalkMemory>): number {
    return qpos[2] - this.terrain.under(qpos[0]);
  }

  /** Mean velocity over the step, forward and to the left of the heading, m/s. */
  velocity(before: State<WalkMemory>, after: State<WalkMemory>): [number, number] {
    const x = (after.qpos[0] - before.qpos[0]) / this.dt;
    const y = (after.qpos[1] - before.qpos[1]) / this.dt;
    const heading = headingOf(after.qpos);
    const [cos, sin] = [Math.cos(heading), Math.sin(heading)];
    return [cos * x + sin * y, cos * y - sin * x];
  }

  rewardTerms(before: State<WalkMemory>, action: Float32Array, after: State<WalkMemory>): Record<string, number> {
    const { qpos, qvel: v } = after;
    const down = gravityDirection(qpos);
    const command = this.command(before);
    const [forward, left] = this.velocity(before, after);
    const torques = Array.from(after.sensordata.subarray(...TORQUES));
    const rates: Record<string, number> = {
      velocity: 1 - Math.min(Math.hypot(forward - command[0], left - command[1]), WORST),
      yaw_rate: 1 - Math.min(Math.abs(v[5] - command[2]), WORST),
      vertical: v[2] ** 2,
      tilt_rate: v[3] ** 2 + v[4] ** 2,
      orientation: down[0] ** 2 + down[1] ** 2,
      posture: sum(STANCE.map((angle, i) => (qpos[7 + i] - angle) ** 2)),
      torque: sum(torques.map((torque) => torque ** 2)),
      energy: sum(torques.map((torque, i) => Math.abs(torque * v[6 + i]))),
      smoothness: sum(clipped(action).map((a, i) => (a - before.memory.last_action[i]) ** 2)),
      scrape: after.sensordata.subarray(...SCRAPES).filter((force) => force > TOUCH).length,
    };
    const told = sum(command.map(Math.abs)) > 0.1;
    const stands = this.contacts(after);
    const flown = before.memory.air_time.map((s, foot) => (s > 0 && stands[foot] ? clip(s - SHORT, 0, LONG - SHORT) : 0));
    const events: Record<string, number> = { air_time: told ? sum(flown) : 0, fall: Number(this.terminated(after)) };
    const terms: Record<string, number> = {};
    for (const name of Object.keys(WEIGHTS) as (keyof typeof WEIGHTS)[]) {
      terms[name] = WEIGHTS[name] * (name in rates ? this.dt * rates[name] : events[name]);
    }
    return terms;
  }

  terminated(after: State<WalkMemory>): boolean {
    return this.height(after) < FALLEN_HEIGHT || gravityDirection(after.qpos)[2] > FALLEN_GRAVITY;
  }
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
