/** What the entries of an observation and the actions are called, for people. */
import { Masked } from './tasks/masked';
import type { Task } from './tasks/task';

const LEGS = ['left front', 'right front', 'left hind', 'right hind'];
const JOINTS = LEGS.flatMap((leg) => ['hip, sideways', 'hip', 'knee'].map((joint) => `${leg} ${joint}`));
const CHEETAH = ['hind thigh', 'hind shin', 'hind foot', 'front thigh', 'front shin', 'front foot'];
const HALF = (thing: string) => [...repeated(`${thing}'s place`, 3), ...repeated(`${thing}'s velocity`, 3)];
const TABLETOP = (thing: string, goal: string, rest: string[]) => [
  ...HALF('hand'), ...HALF(thing), ...repeated(goal, 3), ...rest,
];

/** Of whole observations; equal names in a row are one sensor. */
const OBSERVATIONS: Record<string, string[]> = {
  'InvertedPendulum-v5': ['cart', 'pole', "cart's velocity", "pole's velocity"],
  'HalfCheetah-v5': [
    'height', 'tilt', ...CHEETAH, 'forward velocity', 'vertical velocity', 'tilt rate', ...CHEETAH.map((joint) => `${joint} rate`),
  ],
  'AnymalSprint-v0': [
    'height', ...repeated('gravity', 3), ...repeated('velocity', 3), ...repeated('turning', 3), ...repeated('joint angles', 12),
    ...repeated('joint rates', 12), ...repeated('last action', 12),
  ],
  'AnymalC-v0': [
    ...repeated('gravity', 3), ...repeated('velocity', 3), ...repeated('turning', 3), ...repeated('command', 3),
    ...repeated('joint angles', 12), ...repeated('joint rates', 12), ...repeated('last action', 12), ...repeated('feet', 4),
  ],
  'Throw-v0': TABLETOP('ball', 'bin', ['grip']),
  'Pick-v0': TABLETOP('box', 'goal', ['grip']),
  'Push-v0': TABLETOP('puck', 'goal', []),
  'Soccer-v0': TABLETOP('ball', 'goal', []),
  'Faucet-v0': TABLETOP('handle', 'goal', repeated('axis', 2)),
};

const ACTIONS: Record<string, string[]> = {
  'InvertedPendulum-v5': ['push'],
  'HalfCheetah-v5': CHEETAH,
  'AnymalSprint-v0': JOINTS,
  'AnymalC-v0': JOINTS,
};

/** One name for each entry of what is seen of `task`. */
export function observationNames(task: Task): string[] {
  if (task instanceof Masked) {
    const whole = observationNames(task.task);
    return task.shown.map((i) => whole[i]);
  }
  const names = OBSERVATIONS[task.id];
  return names?.length === task.observationKinds.length ? names : task.observationKinds;
}

export function actionNames(task: Task): string[] {
  const count = task.actionLow.length;
  return ACTIONS[task.id] ?? ['x', 'y', 'z', 'grip'].slice(0, count);
}

/** Sensors that can be blinded: a name and its entries. */
export function sensorsOf(names: string[]): { name: string; entries: number[] }[] {
  const found: { name: string; entries: number[] }[] = [];
  names.forEach((name, i) => {
    const last = found.at(-1);
    if (last?.name === name) last.entries.push(i);
    else found.push({ name, entries: [i] });
  });
  return found;
}

function repeated(name: string, count: number): string[] {
  return new Array<string>(count).fill(name);
}
