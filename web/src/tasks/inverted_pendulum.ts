/** InvertedPendulum: keep a pole upright on a cart. Port of course_lib/envs/twins/inverted_pendulum.py. */
import { Random, type Start, type State, type Task, checkOptions, times } from './task';

const NOISE = 0.01; // half width of the uniform noise at the start

/** observation (4): cart position (m), pole angle (rad), their rates. action (1): force on the cart, in ±3. */
export class InvertedPendulum implements Task<null> {
  readonly id = 'InvertedPendulum-v5';
  readonly frameSkip = 2;
  readonly timestep = 0.02;
  readonly horizon = 1000;
  readonly substeps = false;
  readonly actionLow = new Float32Array([-3]);
  readonly actionHigh = new Float32Array([3]);
  readonly observationKinds = [...times('positions', 2), ...times('velocities', 2)];

  constructor(options: object = {}) {
    checkOptions(this.id, options, []);
  }

  start(random: Random): Start<null> {
    const draw = () => random.uniform(-NOISE, NOISE);
    return { qpos: Float64Array.from({ length: 2 }, draw), qvel: Float64Array.from({ length: 2 }, draw), memory: null };
  }

  observe(state: State<null>): Float64Array {
    return Float64Array.of(...state.qpos, ...state.qvel);
  }

  control(_before: State<null>, action: Float32Array): Float64Array {
    return Float64Array.from(action);
  }

  remember(): null {
    return null;
  }

  rewardTerms(_before: State<null>, _action: Float32Array, after: State<null>): Record<string, number> {
    return { survive: this.terminated(after) ? 0 : 1 };
  }

  terminated(after: State<null>): boolean {
    return Math.abs(after.qpos[1]) > 0.2;
  }
}
