/** A task with another number of control steps in the same time. Port of `pace`, `altered` in course_lib/envs/engine/task.py. */
import { Masked } from './masked';
import type { State, Task } from './task';

export const RATES = [0.25, 0.5, 1, 2, 4];

/**
 * `task` with `rate` times as many control steps a second. The physics step stays what it is where it fits into the new
 * control step, and is divided by the smallest whole number that makes it fit where not. Rewards are divided by the
 * rate, so that returns can be compared.
 */
export function paced(task: Task, rate: number): Task {
  if (!RATES.includes(rate)) throw new Error(`rate=${rate} is not accepted; accepted: ${RATES.join(', ')}.`);
  if (rate === 1) return task;
  if (task instanceof Masked) return new Masked(paced(task.task, rate), task.hide);
  const whole = Math.ceil(rate); // its numerator
  const finer = whole / gcd(task.frameSkip, whole);
  const { integrals = [] } = task;
  // The same task in all but these: its methods read them here.
  return Object.create(task, {
    frameSkip: { value: Math.round((task.frameSkip * finer) / rate) },
    timestep: { value: task.timestep / finer },
    horizon: { value: Math.max(1, Math.round(task.horizon * rate)) },
    rewardTerms: {
      value(before: State, action: Float32Array, after: State) {
        const terms = task.rewardTerms.call(this, before, action, after);
        for (const name of Object.keys(terms)) if (!integrals.includes(name)) terms[name] /= rate;
        return terms;
      },
    },
  });
}

function gcd(a: number, b: number): number {
  return b ? gcd(b, a % b) : a;
}
