/** AnymalSprint: run along +x as fast as you can for 8 s. Port of course_lib/envs/anymal/sprint.py. */
import { ACTION_LIMIT, JOINTS, Terrain, type TerrainOptions, bodyVelocity, clipped, gravityDirection, targets } from './anymal_robot';
import { Random, type Start, type State, type Task, checkOptions, times } from './task';

const STANCE = new Float64Array(JOINTS); // rad: all joints at zero
const START_HEIGHT = 0.62; // m
const FALL_HEIGHT = 0.45; // m
const TICK = 0.002; // s: of a physics step, and what is paid is counted in, also where physics steps are shorter

export interface SprintMemory {
  last_action: number[];
}

export interface SprintOptions {
  reset_noise?: number; // rad and rad/s, half width of the uniform noise on joints at the start
  terrain?: string | TerrainOptions;
}

/**
 * observation (46): base height | gravity direction | linear, angular velocity | joint angles | joint rates | last action,
 * directions and velocities as seen from the base. action (12): position targets, 0.5 rad for 1, clipped to ±3.
 */
export class AnymalSprint implements Task<SprintMemory> {
  readonly id = 'AnymalSprint-v0';
  readonly frameSkip = 5;
  readonly timestep = TICK;
  readonly horizon = 801;
  readonly substeps = true;
  readonly integrals = ['forward', 'height', 'fall'];
  readonly actionLow = new Float32Array(JOINTS).fill(-ACTION_LIMIT);
  readonly actionHigh = new Float32Array(JOINTS).fill(ACTION_LIMIT);
  readonly observationKinds = [
    ...times('positions', 4), ...times('velocities', 6), ...times('positions', 12), ...times('velocities', 12), ...times('actions', 12),
  ];
  private readonly terrain: Terrain;
  private readonly noise: number;

  constructor(options: SprintOptions = {}) {
    checkOptions(this.id, options, ['reset_noise', 'terrain']);
    this.terrain = new Terrain(options.terrain);
    this.noise = options.reset_noise ?? 0;
  }

  start(random: Random): Start<SprintMemory> {
    const draw = () => random.uniform(-this.noise, this.noise);
    const qpos = Float64Array.of(0, 0, START_HEIGHT, 0, 0, 0, 1, ...Array.from({ length: JOINTS }, draw));
    const qvel = Float64Array.of(0, 0, 0, 0, 0, 0, ...Array.from({ length: JOINTS }, draw));
    return { qpos, qvel, memory: { last_action: zeros() } };
  }

  control(_before: State<SprintMemory>, action: Float32Array): Float64Array {
    return targets(action, STANCE);
  }

  remember(_before: State<SprintMemory>, action: Float32Array): SprintMemory {
    return { last_action: clipped(action) };
  }

  observe({ qpos, qvel, memory }: State<SprintMemory>): Float64Array {
    return Float64Array.of(
      this.height(qpos),
      ...gravityDirection(qpos),
      ...bodyVelocity(qpos, qvel),
      ...qvel.subarray(3, 6), // MuJoCo holds a free body's rotation in its own frame
      ...qpos.subarray(7).map((q, i) => q - STANCE[i]),
      ...qvel.subarray(6),
      ...memory.last_action,
    );
  }

  /** Height of the base over the ground, m. */
  height(qpos: Float64Array): number {
    return qpos[2] - this.terrain.under(qpos[0]);
  }

  rewardTerms(before: State<SprintMemory>, _action: Float32Array, after: State<SprintMemory>): Record<string, number> {
    return {
      forward: (after.qpos[0] - before.qpos[0]) / TICK,
      height: after.substepQpos.reduce((sum, qpos) => sum + (this.height(qpos) - 0.5) * (this.timestep / TICK), 0),
      fall: this.terminated(after) ? -100 : 0,
    };
  }

  terminated(after: State<SprintMemory>): boolean {
    return this.height(after.qpos) < FALL_HEIGHT;
  }
}

function zeros(): number[] {
  return new Array<number>(JOINTS).fill(0);
}
