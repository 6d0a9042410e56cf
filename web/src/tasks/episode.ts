/**
 * An episode: steps the physics under a task, as course_lib/envs/engine/single.py does. A control step can be taken as a
 * whole, or one physics step at a time (`begin`, `advance`, `finish`), so that a picture is never older than those.
 */
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
  private action: Float32Array = new Float32Array(0);
  private left = 0; // physics steps of this control step that are still to come
  private between: Float64Array[] = [];

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

  /** A whole control step. */
  step(action: Float32Array): Outcome {
    this.begin(action);
    while (!this.advance());
    return this.finish();
  }

  /** The first part of a control step: what the action does to the actuators. */
  begin(action: Float32Array): void {
    this.physics.ctrl.set(this.task.control(this.state, action));
    this.action = action;
    this.left = this.task.frameSkip;
    this.between = [];
  }

  /** One physics step, with the reader's pull as it is now. True when the control step is through. */
  advance(): boolean {
    const { physics, task } = this;
    this.push();
    if (!physics.step()) {
      this.left = 0;
      return true;
    }
    this.left -= 1;
    if (task.substeps) this.between.push(physics.qpos.slice());
    return this.left <= 0;
  }

  /** The last part: what is seen and paid. */
  finish(): Outcome {
    const { physics, task, state: before, action } = this;
    if (physics.note) {
      const note = physics.note;
      physics.note = null;
      return { observation: this.reset(), reward: 0, terms: {}, terminated: false, truncated: true, note };
    }
    const after = snapshot(physics, before.memory);
    after.substepQpos = this.between;
    after.memory = task.remember(before, action, after);
    const terms = task.rewardTerms(before, action, after);
    const reward = rewardOf(terms);
    this.state = after;
    this.steps += 1;
    this.total += reward;
    const truncated = this.steps >= task.horizon;
    return { observation: task.observe(after), reward, terms, terminated: task.terminated(after), truncated, note: null };
  }

  private push(): void {
    const { physics, task, pull, state: before } = this;
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
