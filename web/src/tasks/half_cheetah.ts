/** HalfCheetah: run forward with six motors. Port of course_lib/envs/twins/half_cheetah.py. */
import { Random, type Start, type State, type Task, checkOptions, times } from './task';

const NOISE = 0.1; // half width of the uniform noise on positions, standard deviation of that on velocities
const CTRL_COST = 0.1;

/** observation (17): all positions but x, then all velocities. action (6): motor torques as fractions of the gear. */
export class HalfCheetah implements Task<null> {
  readonly id = 'HalfCheetah-v5';
  readonly frameSkip = 5;
  readonly timestep = 0.01;
  readonly horizon = 1000;
  readonly substeps = false;
  readonly actionLow = new Float32Array(6).fill(-1);
  readonly actionHigh = new Float32Array(6).fill(1);
  readonly observationKinds = [...times('positions', 8), ...times('velocities', 9)];

  constructor(options: object = {}) {
    checkOptions(this.id, options, []);
  }

  start(random: Random): Start<null> {
    return {
      qpos: Float64Array.from({ length: 9 }, () => random.uniform(-NOISE, NOISE)),
      qvel: Float64Array.from({ length: 9 }, () => NOISE * random.normal()),
      memory: null,
    };
  }

  observe(state: State<null>): Float64Array {
    return Float64Array.of(...state.qpos.subarray(1), ...state.qvel);
  }

  control(_before: State<null>, action: Float32Array): Float64Array {
    return Float64Array.from(action);
  }

  remember(): null {
    return null;
  }

  rewardTerms(before: State<null>, action: Float32Array, after: State<null>): Record<string, number> {
    const squares = action.reduce((sum, a) => sum + a * a, 0);
    return {
      forward: (after.qpos[0] - before.qpos[0]) / (this.frameSkip * this.timestep),
      ctrl: -CTRL_COST * squares,
    };
  }

  terminated(): boolean {
    return false;
  }
}
