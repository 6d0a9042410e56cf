/** A task with part of its observation left out; everything else is untouched. Port of course_lib/envs/engine/partial.py. */
import type { Random, Start, State, Task } from './task';

export class Masked implements Task {
  readonly id: string;
  readonly frameSkip: number;
  readonly timestep: number;
  readonly horizon: number;
  readonly substeps: boolean;
  readonly integrals?: string[];
  readonly pushed?: number;
  readonly actionLow: Float32Array;
  readonly actionHigh: Float32Array;
  readonly observationKinds: string[];
  readonly push?: Task['push'];
  readonly success?: Task['success'];
  /** Which entries of the whole observation are seen. */
  readonly shown: number[];

  /** `hide`: a kind of quantity ("velocities", …) or the numbers of the entries to leave out. */
  constructor(readonly task: Task, readonly hide: string | number[]) {
    const kinds = task.observationKinds;
    const valid = [...new Set(kinds)].sort();
    if (typeof hide === 'string' && !valid.includes(hide)) {
      throw new Error(`hide=${JSON.stringify(hide)} is not a kind of ${task.id}; accepted: ${valid.join(', ')}.`);
    }
    if (typeof hide !== 'string' && hide.some((i) => !Number.isInteger(i) || i < 0 || i >= kinds.length)) {
      throw new Error(`hide=[${hide}] is outside the observation of ${task.id}; accepted: 0 to ${kinds.length - 1}.`);
    }
    const all = kinds.map((_, i) => i);
    this.shown = all.filter((i) => (typeof hide === 'string' ? kinds[i] !== hide : !hide.includes(i)));
    if (this.shown.length === 0) throw new Error(`hide=[${hide}] leaves nothing of ${task.id} to see.`);
    this.observationKinds = this.shown.map((i) => kinds[i]);
    ({ id: this.id, frameSkip: this.frameSkip, timestep: this.timestep, horizon: this.horizon } = task);
    ({ integrals: this.integrals } = task);
    ({ substeps: this.substeps, actionLow: this.actionLow, actionHigh: this.actionHigh, pushed: this.pushed } = task);
    this.push = task.push?.bind(task);
    this.success = task.success?.bind(task);
  }

  observe(state: State): Float64Array {
    const whole = this.task.observe(state);
    return Float64Array.from(this.shown, (i) => whole[i]);
  }

  start(random: Random): Start { return this.task.start(random); }
  control(before: State, action: Float32Array): Float64Array { return this.task.control(before, action); }
  remember(before: State, action: Float32Array, after: State): unknown { return this.task.remember(before, action, after); }
  rewardTerms(before: State, action: Float32Array, after: State) { return this.task.rewardTerms(before, action, after); }
  terminated(after: State): boolean { return this.task.terminated(after); }
}
