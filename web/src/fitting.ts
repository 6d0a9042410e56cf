/** Settings that a robot or its policies do not have: set back in `settings`, with a sentence each. */
import type { Player } from './player';
import type { Robot } from './sources';
import { DEFAULTS, type Settings } from './settings';
import { Masked } from './tasks/masked';
import { Tabletop } from './tasks/tabletop';
import type { Task } from './tasks/task';

/** Which policies play. */
export function fitPolicies(settings: Settings, robot: Robot): string[] {
  const keys = robot.policies.map((policy) => policy.key);
  const said: string[] = [];
  for (const [name, otherwise] of [['policy', keys[0]], ['beside', '']] as const) {
    if (settings[name] && !keys.includes(settings[name])) {
      said.push(`There is no policy ${settings[name]} here; accepted: ${keys.join(', ')}.`);
      settings[name] = otherwise;
    }
  }
  settings.policy ||= keys[0];
  return said;
}

function onTabletop(task: Task): boolean {
  return task instanceof Masked ? onTabletop(task.task) : task instanceof Tabletop;
}

/** Whether the policy can act more or less often than in training: the steps of a tabletop's plan are of one length. */
export function hasRates({ task }: Player): boolean {
  return !onTabletop(task);
}

/** Whether pushes make sense: a hand that is held by its motors goes nowhere. */
export function hasPushes({ task }: Player): boolean {
  return !onTabletop(task);
}

/** What these players lack. */
export function fitPlayers(settings: Settings, players: Player[]): string[] {
  const said: string[] = [];
  const [{ task }] = players;
  const refuse = <Key extends 'rate' | 'command'>(key: Key, accepted: string) => {
    said.push(`${key}=${settings[key]} is not accepted by ${task.id}; accepted: ${accepted}.`);
    settings[key] = DEFAULTS[key];
  };
  if (settings.rate !== 1 && !hasRates(players[0])) refuse('rate', '1');
  if (settings.command.length && !players[0].steered) refuse('command', 'none');
  const cut = <T>(name: string, list: T[], index: (one: T) => number, count: number): T[] => {
    const lost = list.filter((one) => index(one) >= count).map(index);
    if (lost.length) said.push(`${name}=${lost} is not there; accepted: ${count ? `0 to ${count - 1}` : 'none'}.`);
    return list.filter((one) => index(one) < count);
  };
  settings.hold = cut('hold', settings.hold, ([neuron]) => neuron, players[0].policy.neurons);
  settings.hold_beside = cut('hold_beside', settings.hold_beside, ([neuron]) => neuron, players[1]?.policy.neurons ?? 0);
  settings.dead = cut('dead', settings.dead, (entry) => entry, task.observationKinds.length);
  return said;
}
