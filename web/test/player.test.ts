/** The player without a page: episodes, other rates, faulty sensors, what goes wrong. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Engine, Physics, loadEngine } from '../src/physics';
import { Player } from '../src/player';
import { loadPolicy } from '../src/policy';
import { fitPlayers, hasPushes, hasRates } from '../src/fitting';
import { observationNames } from '../src/names';
import { Sensors } from '../src/sensors';
import { DEFAULTS, type Settings } from '../src/settings';
import { makeTask, paced } from '../src/tasks/index';
import { Random } from '../src/tasks/task';
import { RECORDED } from './record';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TASKS = `${RECORDED}tasks/`;
const index = JSON.parse(readFileSync(`${TASKS}index.json`, 'utf8'));
let engine: Engine;
beforeAll(async () => {
  engine = await loadEngine();
});

async function playerOf(name: string, seed = 0): Promise<Player> {
  const policy = await loadPolicy(name, readFileSync(`${ROOT}assets/policies/${name}.safetensors`));
  const entry = index.tasks.find((e: { policies: string[] }) => e.policies.includes(name));
  const physics = new Physics(engine, readFileSync(`${TASKS}${entry.name}.xml`, 'utf8'));
  return new Player(physics, makeTask(entry.id, entry.options), policy, seed);
}

/** Ticks until the episode ends -> how. */
function played(player: Player) {
  while (!player.over) player.tick();
  return player.over;
}

describe('episodes', () => {
  test('a masked pendulum with a liquid network stands for its 40 s', async () => {
    const ending = played(await playerOf('masked_pendulum_ltc'));
    expect(ending.why).toBe('over');
    expect(ending.total).toBe(1000);
    expect(ending.seconds).toBeCloseTo(40, 6);
  });

  test('without its motor it falls, and nothing moves until the next episode begins', async () => {
    const player = await playerOf('masked_pendulum_ltc');
    player.policy.actionLow!.fill(0);
    player.policy.actionHigh!.fill(0);
    expect(played(player).why).toBe('fell');
    const at = player.seconds;
    player.tick();
    expect(player.seconds).toBe(at);
    player.begin();
    expect(player.over).toBeNull();
    player.tick();
    expect(player.seconds).toBeCloseTo(0.02, 9);
  });

  test('a seed repeats its episodes', async () => {
    const [a, b, c] = [await playerOf('pendulum_ltc', 3), await playerOf('pendulum_ltc', 3), await playerOf('pendulum_ltc', 4)];
    for (const p of [a, b, c]) for (let k = 0; k < 50; k++) p.tick();
    expect([...a.physics.qpos]).toEqual([...b.physics.qpos]);
    expect([...a.physics.qpos]).not.toEqual([...c.physics.qpos]);
  });

  test('a tick is a physics step, and a control step is as many as the task says', async () => {
    const player = await playerOf('anymal_walk_ltc');
    let steps = 0;
    player.onStep = () => steps++;
    for (let k = 0; k < 100; k++) player.tick();
    expect(steps).toBe(10);
    expect(player.seconds).toBeCloseTo(0.2, 9);
  });

  test('a force that breaks the simulation ends the episode with a note', async () => {
    const player = await playerOf('pendulum_ltc');
    for (let k = 0; k < 100 && !player.over; k++) player.tick({ body: 1, force: [1e300, 0, 0] });
    expect(player.over?.why).toBe('reset');
    expect(player.over?.note).toMatch(/^The simulation was reset at .* s: /);
    player.begin();
    player.tick();
    expect(player.over).toBeNull();
  });

  test('an action that is not a number ends the episode with a note', async () => {
    const player = await playerOf('pendulum_ltc');
    player.policy.act = () => new Float32Array([NaN]);
    player.tick();
    expect(player.over?.note).toBe('The policy gave an action that is not a finite number.');
  });

  test('a policy of another robot is refused', async () => {
    const [cheetah, pendulum] = [await playerOf('halfcheetah_ppo_0'), await playerOf('pendulum_ltc')];
    expect(() => new Player(cheetah.physics, makeTask('HalfCheetah-v5'), pendulum.policy)).toThrow(
      /takes 4 observations and gives 1 actions; HalfCheetah-v5 has 17 and accepts 6/,
    );
  });
});

describe('luck of the sensors', () => {
  /** What a policy sees at each physics step from now on. */
  const seen = (player: Player, ticks: number) => Array.from({ length: ticks }, () => {
    player.tick();
    return [...player.seen];
  });

  test('it comes again with the seed: after a reset,', async () => {
    const player = await playerOf('masked_pendulum_ltc', 5);
    player.faults = { noise: 0.01, drop: 0.3 };
    const first = seen(player, 20);
    player.restart();
    expect(seen(player, 20)).toEqual(first);
    player.begin();
    expect(seen(player, 20)).not.toEqual(first);
  });

  test('and in the second episode, however long the first was', async () => {
    const players = [await playerOf('masked_pendulum_ltc', 5), await playerOf('masked_pendulum_ltc', 5)];
    const [a, b] = players.map((player, k) => {
      player.faults = { noise: 0.01 };
      seen(player, 3 + 20 * k);
      player.begin();
      return seen(player, 10);
    });
    expect(a).toEqual(b);
  });
});

describe('control rate', () => {
  test.each([
    [0.25, 20, 0.01], [0.5, 10, 0.01], [2, 5, 0.005], [4, 5, 0.0025],
  ])('HalfCheetah at rate %f: %i physics steps of %f s', (rate, frameSkip, timestep) => {
    const task = paced(makeTask('HalfCheetah-v5', { hide: 'velocities' }), rate);
    expect(task.frameSkip).toBe(frameSkip);
    expect(task.timestep).toBeCloseTo(timestep, 12);
    expect(task.horizon).toBe(1000 * rate);
    expect(task.frameSkip * task.timestep).toBeCloseTo(0.05 / rate, 12);
    expect(task.observationKinds.length).toBe(8);
  });

  test('a refused rate changes nothing', async () => {
    const player = await playerOf('pendulum_ltc');
    expect(() => (player.rate = 3)).toThrow('rate=3 is not accepted; accepted: 0.25, 0.5, 1, 2, 4.');
    expect(player.rate).toBe(1);
  });

  test('rewards are shared out: a pendulum that stands for 40 s earns about 1000 at any rate', async () => {
    const player = await playerOf('masked_pendulum_ltc');
    player.rate = 2;
    expect(player.policy.dt).toBe(0.5);
    const ending = played(player);
    expect(ending.seconds).toBeCloseTo(40, 6);
    expect(ending.total).toBeCloseTo(1000, 6);
    player.tells = false;
    expect(player.policy.dt).toBe(1);
    player.rate = 1;
    expect(played(player).total).toBe(1000);
  });

  test('the time constant of the physics comes back', async () => {
    const player = await playerOf('halfcheetah_ppo_0');
    const before = player.physics.timestep;
    player.rate = 4;
    expect(player.physics.timestep).toBeCloseTo(before / 4, 12);
    player.rate = 1;
    expect(player.physics.timestep).toBe(before);
  });
});

describe('settings that a robot lacks', () => {
  const table = (change: object): Settings => ({ ...(structuredClone(DEFAULTS) as Settings), ...change });

  test('are set back, with a sentence each', async () => {
    const settings = table({ rate: 0.5, command: [1, 0, 0], hold: [[31, 0], [32, 0]], dead: [0, 99] });
    const said = fitPlayers(settings, [await playerOf('push_ndp_ltc')]);
    expect(said).toEqual([
      'rate=0.5 is not accepted by Push-v0; accepted: 1.',
      'command=1,0,0 is not accepted by Push-v0; accepted: none.',
      'hold=32 is not there; accepted: 0 to 31.',
      'dead=99 is not there; accepted: 0 to 14.',
    ]);
    expect(settings).toEqual(table({ hold: [[31, 0]], dead: [0] }));
  });

  test('what is there stays', async () => {
    const change = { rate: 0.5, command: [1, 0, 0], hold: [[31, 0]], dead: [51] };
    const settings = table(change);
    expect(fitPlayers(settings, [await playerOf('anymal_walk_ltc')])).toEqual([]);
    expect(settings).toEqual(table(change));
  });
});

test.each([{}, { hide: 'velocities' }])('a tabletop is not pushed, and acts as often as in training: %j', (options) => {
  const on = (id: string) => ({ task: makeTask(id, options) }) as Player;
  for (const id of ['Throw-v0', 'Pick-v0', 'Push-v0', 'Soccer-v0', 'Faucet-v0']) {
    expect([hasRates(on(id)), hasPushes(on(id))]).toEqual([false, false]);
  }
  expect([hasRates(on('HalfCheetah-v5')), hasPushes(on('HalfCheetah-v5'))]).toEqual([true, true]);
});

test.each([
  'InvertedPendulum-v5', 'HalfCheetah-v5', 'AnymalSprint-v0', 'AnymalC-v0', 'Throw-v0', 'Pick-v0', 'Push-v0', 'Soccer-v0', 'Faucet-v0',
])('every entry of an observation of %s has a name that says which it is', (id) => {
  for (const options of [{}, { hide: 'velocities' }]) {
    const { observationKinds } = makeTask(id, options);
    const names = observationNames(makeTask(id, options));
    expect(names).toHaveLength(observationKinds.length);
    expect(names.filter((name) => observationKinds.includes(name) && name !== 'command')).toEqual([]);
  }
});

describe('sensors', () => {
  const rows = Array.from({ length: 6 }, (_, k) => Float64Array.of(k, 10 + k));
  const through = (faults: object) => {
    const sensors = new Sensors(new Random(1));
    sensors.faults = { noise: 0, dead: new Set(), delay: 0, drop: 0, ...faults };
    return rows.map((row) => [...sensors.pass(row)]);
  };

  test('nothing is changed without faults', () => expect(through({})).toEqual(rows.map((row) => [...row])));
  test('a dead sensor reads 0', () => expect(through({ dead: new Set([1]) }).map((r) => r[1])).toEqual([0, 0, 0, 0, 0, 0]));
  test('a delay shows the first reading until it is over', () => {
    expect(through({ delay: 2 }).map((r) => r[0])).toEqual([0, 0, 0, 1, 2, 3]);
  });
  test('what is lost is seen again', () => {
    const seen = through({ drop: 0.5 }).map((r) => r[0]);
    expect(seen[0]).toBe(0);
    seen.slice(1).forEach((value, i) => expect([i + 1, seen[i]]).toContain(value));
    expect(new Set(seen).size).toBeLessThan(6);
  });
  test('noise has its size', () => {
    const sensors = new Sensors(new Random(2));
    sensors.faults = { noise: 0.3, dead: new Set(), delay: 0, drop: 0 };
    const drawn = Array.from({ length: 4000 }, () => sensors.pass(Float64Array.of(5))[0] - 5);
    const sd = Math.sqrt(drawn.reduce((s, x) => s + x * x, 0) / drawn.length);
    expect(sd).toBeGreaterThan(0.28);
    expect(sd).toBeLessThan(0.32);
  });
  test('a delay that grows or shrinks under way is in force at once', () => {
    const sensors = new Sensors(new Random(1));
    const set = (delay: number) => (sensors.faults = { noise: 0, dead: new Set(), delay, drop: 0 });
    const seen = rows.map((row, k) => {
      set(k < 2 ? 0 : k < 4 ? 2 : 0);
      return sensors.pass(row)[0];
    });
    expect(seen).toEqual([0, 1, 1, 1, 4, 5]);
  });
});
