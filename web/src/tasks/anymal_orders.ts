/**
 * What happens to a walking ANYmal in an episode: the commands it is given and the pushes it gets, both drawn at the
 * start; what holds now follows from the clock. Port of course_lib/envs/anymal/commands.py.
 */
import type { Random, State } from './task';

const EVERY: [number, number] = [5, 10]; // s from one command to the next
const PUSH_EVERY: [number, number] = [3, 8];
const STANDING = 0.1; // share of commands that say: stand still
const PUSH_SECONDS = 0.2;

export type Range = [least: number, most: number];
/** forward m/s, to the left m/s, counter-clockwise rad/s */
export type Command = [forward: number, left: number, turn: number];

export interface Orders {
  commands: number[][];
  command_from: number[]; // s
  pushes: number[][]; // N along x and y
  push_from: number[]; // s
}

function moments(random: Random, count: number, every: Range, first: boolean): number[] {
  let at = 0;
  return Array.from({ length: count }, (_, i) => (i === 0 && first ? 0 : (at += random.uniform(...every))));
}

export function drawOrders(
  random: Random, seconds: number, fixed: Command | null, ranges: Range[], force: number, pushAt: number | null,
): Orders {
  const count = fixed ? 1 : Math.ceil(seconds / EVERY[0]);
  const draw = () => (random.next() < STANDING ? [0, 0, 0] : ranges.map((range) => random.uniform(...range)));
  const pushes = pushAt === null ? Math.ceil(seconds / PUSH_EVERY[0]) : 1;
  return {
    commands: Array.from({ length: count }, () => fixed ?? draw()),
    command_from: moments(random, count, EVERY, true),
    pushes: Array.from({ length: pushes }, () => {
      const angle = random.uniform(0, 2 * Math.PI);
      return [force * Math.cos(angle), force * Math.sin(angle)];
    }),
    push_from: pushAt === null ? moments(random, pushes, PUSH_EVERY, false) : [pushAt],
  };
}

/** The command that holds now. */
export function commandNow({ time, memory }: State<Orders>): number[] {
  const which = memory.command_from.filter((begin) => begin <= time + 1e-9).length - 1;
  return [...memory.commands[which]];
}

/** Force and torque on the base in this step. */
export function pushNow({ time, memory }: State<Orders>): Float64Array {
  const out = new Float64Array(6);
  memory.push_from.forEach((begin, i) => {
    const since = time - begin;
    if (since > -1e-9 && since < PUSH_SECONDS - 1e-9) {
      out[0] += memory.pushes[i][0];
      out[1] += memory.pushes[i][1];
    }
  });
  return out;
}
