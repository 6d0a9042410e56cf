/** An episode: steps the physics under a task, as course_lib/envs/engine/single.py does. */
import type { Physics } from '../physics';
import { Random, type State, type Task, rewardOf } from './task';

export interface Outcome {
  observation: Float64Array;
  reward: number;
  terms: Record<string, number>;
  terminated: boolean; // the episode ended inside the problem (a fall)
  truncated: boolean; // it ended by the clock
  /** Why the simulation was reset in this step, else null. Then `observation` is the first of a new episode. */
  note: string | null;
}

/** A pull by the reader on top of what the task does. */
export interface Pull {
  body: number;
  force: [number, number, number]; // N, world axes
  point?: [number, number, number]; // m; left out: the centre of mass
}

export class Episode {
  state!: State;
  steps = 0;
  total = 0; // of the rewards so far
  pull: Pull | null = null;
  private readonly random: Random;

  constructor(readonly physics: Physics, readonly task: Task, seed = 0) {
    this.random = new Random(seed);
    if (Math.abs(physics.timestep - task.timestep) > 1e-12) {
      throw new Error(`The model's physics step is ${physics.timestep} s; ${task.id} accepts ${task.timestep} s.`);
    }
  }

  /** -> the first observation */
  reset(): Float64Array {
    const { qpos, qvel, memory } = this.task.start(this.random);
    this.physics.reset(qpos, qvel);
    this.steps = 0;
    this.total = 0;
    this.state = snapshot(this.physics, memory);
    if (this.task.substeps) this.state.substepQpos = Array.from({ length: this.task.frameSkip }, () => this.state.qpos);
    return this.task.observe(this.state);
  }

  step(action: Float32Array): Outcome {
    const { physics, task, state: before } = this;
    physics.ctrl.set(task.control(before, action));
    this.push(before);
    const between: Float64Array[] = [];
    const fine = physics.step(task.frameSkip, task.substeps ? () => between.push(physics.qpos.slice()) : undefined);
    if (!fine) {
      const note = physics.note;
      physics.note = null;
      return { observation: this.reset(), reward: 0, terms: {}, terminated: false, truncated: true, note };
    }
    const after = snapshot(physics, before.memory);
    after.substepQpos = between;
    after.memory = task.remember(before, action, after);
    const terms = task.rewardTerms(before, action, after);
    const reward = rewardOf(terms);
    this.state = after;
    this.steps += 1;
    this.total += reward;
    const truncated = this.steps >= task.horizon;
    return { observation: task.observe(after), reward, terms, terminated: task.terminated(after), truncated, note: null };
  }

  private push(before: State): void {
    const { physics, task, pull } = this;
    physics.clearForces();
    if (pull) physics.applyForce(pull.body, pull.force, [0, 0, 0], pull.point);
    if (task.push && task.pushed !== undefined) {
      const own = task.push(before);
      const forces = physics.xfrcApplied;
      own.forEach((value, i) => (forces[6 * task.pushed! + i] += value));
    }
  }
}

/** Copies of what a task may read. */
export function snapshot<Memory>(physics: Physics, memory: Memory): State<Memory> {
  return {
    time: physics.time,
    qpos: physics.qpos.slice(),
    qvel: physics.qvel.slice(),
    sensordata: physics.sensordata.slice(),
    substepQpos: [],
    memory,
  };
}
