/** The tasks that are ported, by the names they have in Python. */
import { AnymalSprint } from './anymal_sprint';
import { AnymalC } from './anymal_walk';
import { HalfCheetah } from './half_cheetah';
import { InvertedPendulum } from './inverted_pendulum';
import { Masked } from './masked';
import { Faucet, Pick, Push, Soccer, Throw } from './tabletop_tasks';
import type { Task } from './task';

const TASKS: Record<string, new (options?: any) => Task> = {
  'InvertedPendulum-v5': InvertedPendulum,
  'HalfCheetah-v5': HalfCheetah,
  'AnymalSprint-v0': AnymalSprint,
  'AnymalC-v0': AnymalC,
  'Throw-v0': Throw,
  'Pick-v0': Pick,
  'Push-v0': Push,
  'Soccer-v0': Soccer,
  'Faucet-v0': Faucet,
};

/** The task `id` with the options a policy's file gives (its `env_options`); `hide` masks part of the observation. */
export function makeTask(id: string, options: Record<string, unknown> = {}): Task {
  const kind = TASKS[id];
  if (!kind) throw new Error(`${JSON.stringify(id)} is no task here; accepted: ${Object.keys(TASKS).join(', ')}.`);
  const { hide, ...rest } = options;
  const task = new kind(rest);
  return hide === undefined || hide === null ? task : new Masked(task, hide as string | number[]);
}

export { Episode } from './episode';
export { RATES, paced } from './paced';
export type { State, Task } from './task';
