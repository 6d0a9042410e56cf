/** What a reader can set, and how it stands in an address: `#policy=anymal_walk_ltc&rate=0.5&hold=3`. */
import { RATES } from './tasks/paced';

export interface Settings {
  policy: string; // key of the policy, "" for the robot's first one
  beside: string; // of a second one, "" for none
  seed: number;
  speed: number; // of the clock: 1 is real time
  gravity: number; // times Earth's
  friction: number; // times the model's
  rate: number; // control steps in the same time, in those of training
  told: boolean; // whether the neurons are told
  noise: number;
  drop: number;
  delay: number; // control steps
  dead: number[]; // entries of the observation that read 0
  hold: [neuron: number, value: number][];
  hold_beside: [neuron: number, value: number][]; // of the second policy
  push: number; // of a push, times the robot's weight
  command: number[]; // forward m/s, left m/s, turn rad/s; [] for what the episode draws
  paused: boolean;
}

export const DEFAULTS: Readonly<Settings> = {
  policy: '', beside: '', seed: 0, speed: 1, gravity: 1, friction: 1, rate: 1, told: true, noise: 0, drop: 0, delay: 0,
  dead: [], hold: [], hold_beside: [], push: 0.5, command: [], paused: false,
};

/** Numbers with a least and a most; the steps are those of the sliders. */
export const RANGES = {
  speed: { least: 0.1, most: 4, step: 0.1 },
  gravity: { least: 0, most: 2, step: 0.05 },
  friction: { least: 0, most: 2, step: 0.05 },
  noise: { least: 0, most: 1, step: 0.01 },
  drop: { least: 0, most: 0.95, step: 0.05 },
  delay: { least: 0, most: 10, step: 1 },
  push: { least: 0, most: 4, step: 0.1 },
} as const;
export type Ranged = keyof typeof RANGES;

/** Of a walker: forward (m/s), left (m/s), turn (rad/s). */
export const COMMANDS: [number, number][] = [[-1, 2], [-0.6, 0.6], [-1.5, 1.5]];
const MOST_ENTRIES = 1000;
const MOST_HELD = 100;

/**
 * Settings from the part of an address behind "#", or from a table of them. What is wrong is left at its default, and
 * said in `trouble`.
 */
export function readSettings(given: string | Record<string, unknown>): { settings: Settings; trouble: string[] } {
  const told = typeof given === 'string' ? Object.fromEntries(new URLSearchParams(given.replace(/^#/, ''))) : given;
  const settings: Settings = structuredClone(DEFAULTS) as Settings;
  const trouble: string[] = [];
  for (const [name, value] of Object.entries(told)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      trouble.push(`${name} is no setting; accepted: ${Object.keys(DEFAULTS).join(', ')}.`);
      continue;
    }
    const key = name as keyof Settings;
    try {
      (settings as any)[key] = READ[key] ? READ[key]!(value) : ranged(key as Ranged, value);
    } catch (error) {
      trouble.push(`${name}=${said(value)} is not accepted; ${(error as Error).message}.`);
    }
  }
  return { settings, trouble };
}

/** The part of an address behind "#" that stands for `settings`: what differs from the defaults. */
export function formatSettings(settings: Settings): string {
  const parts: string[] = [];
  for (const key of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const text = written(settings[key]);
    if (text !== written(DEFAULTS[key])) parts.push(`${key}=${encodeURIComponent(text).replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
  }
  return parts.join('&');
}

function written(value: Settings[keyof Settings]): string {
  if (Array.isArray(value)) return value.map((v) => (Array.isArray(v) ? holding(v) : short(v))).join(',');
  if (typeof value === 'boolean') return value ? '1' : '0';
  return typeof value === 'number' ? short(value) : value;
}

const holding = ([neuron, value]: number[]) => (value === 0 ? `${neuron}` : `${neuron}:${short(value)}`);
const short = (value: number) => String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
const said = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))?.slice(0, 60);

type Reader = (value: unknown) => unknown;

const READ: Partial<Record<keyof Settings, Reader>> = {
  policy: name,
  beside: name,
  seed: (value) => whole(value, 0, 2 ** 31),
  rate(value) {
    const rate = number(value);
    if (!RATES.includes(rate)) throw new Error(`accepted: ${RATES.join(', ')}`);
    return rate;
  },
  told: flag,
  paused: flag,
  delay: (value) => whole(value, RANGES.delay.least, RANGES.delay.most),
  dead: (value) => [...new Set(list(value).map((entry) => whole(entry, 0, MOST_ENTRIES)))].sort((a, b) => a - b),
  hold: neurons,
  hold_beside: neurons,
  command(value) {
    const command = list(value).map(number);
    const fits = command.length === 3 && command.every((v, i) => v >= COMMANDS[i][0] && v <= COMMANDS[i][1]);
    if (command.length && !fits) {
      const ranges = COMMANDS.map(([least, most]) => `${least} to ${most}`).join(', ');
      throw new Error(`accepted: three numbers, forward, left and turn, from ${ranges}`);
    }
    return command;
  },
};

function neurons(value: unknown): [number, number][] {
  return list(value).map((entry) => {
    const [neuron, at = 0] = Array.isArray(entry) ? entry : String(entry).split(':');
    const value = number(at);
    if (Math.abs(value) > MOST_HELD) throw new Error(`accepted: neurons, held at values from -${MOST_HELD} to ${MOST_HELD}`);
    return [whole(neuron, 0, MOST_ENTRIES), value];
  });
}

function ranged(key: Ranged, value: unknown): number {
  const { least, most } = RANGES[key];
  const found = number(value);
  if (!(found >= least && found <= most)) throw new Error(`accepted: ${least} to ${most}`);
  return found;
}

function name(value: unknown): string {
  if (typeof value !== 'string' || !/^[\w.-]{0,80}$/.test(value)) throw new Error("accepted: a policy's name");
  return value;
}

function number(value: unknown): number {
  const found = typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
  if (!Number.isFinite(found) || typeof value === 'boolean') throw new Error('accepted: a number');
  return found;
}

function whole(value: unknown, least: number, most: number): number {
  const found = typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
  if (typeof value === 'boolean' || !Number.isInteger(found) || found < least || found > most) throw new Error(`accepted: a whole number, ${least} to ${most}`);
  return found;
}

function flag(value: unknown): boolean {
  if (value === true || value === '1' || value === 'true') return true;
  if (value === false || value === '0' || value === 'false') return false;
  throw new Error('accepted: 0, 1');
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value === 'number') return [value];
  if (typeof value !== 'string') throw new Error('accepted: numbers with commas between them');
  return value === '' ? [] : value.split(',');
}
