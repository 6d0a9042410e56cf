/**
 * Every task of a shipped policy against Python's own environment, recorded by scripts/record_live_tasks.py.
 *
 * Versions differ: Python's MuJoCo is the one that test/recorded/tasks/index.json names (4.0.0 when this was written),
 * the browser's is @mujoco/mujoco (3.14.0 then); the first test prints both. So what a task computes from a given state
 * is held to 1e-6 (observations) and 1e-5 (rewards), while of what the physics makes of a control step only the median
 * is held, to 1e-5. (Native MuJoCo 3.14.0 and the WASM agree to 1e-12 even where a falling ANYmal parts from 4.0.0.)
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Engine, Physics, loadEngine } from '../src/physics';
import { Episode, type State, type Task, makeTask } from '../src/tasks/index';
import { Terrain, type TerrainOptions } from '../src/tasks/anymal_robot';
import type { AnymalC, WalkMemory } from '../src/tasks/anymal_walk';
import { Random, rewardOf } from '../src/tasks/task';

/** By id and options, as Python writes them: what is not ported yet, and why. A listed one that is equal fails too. */
const NOT_PORTED: Record<string, string> = {
  'MemoryPendulum-v0 {}': 'a memory task: an equation of its own and no body for MuJoCo to move',
  'MemoryPendulum-v0 {"observation":"full"}': 'as MemoryPendulum-v0',
  'MemoryPendulum-v0 {"length":"varied","observation":"pa"}': 'as MemoryPendulum-v0; each copy has a rod of its own',
  'MemoryPendulum-v0 {"length":"varied","observation":"full"}': 'as MemoryPendulum-v0; each copy has a rod of its own',
  'CarHeavenHell-v0 {"hide":"velocities"}': 'a memory task, as MemoryPendulum-v0',
  'CarHeavenHell-v0 {"observation":"full"}': 'a memory task, as MemoryPendulum-v0',
  'WaterMaze-v0 {}': 'a memory task, as MemoryPendulum-v0',
  'WaterMaze-v0 {"observation":"full"}': 'a memory task, as MemoryPendulum-v0',
  'HalfCheetah-v5 {"hide":"velocities","disturb":{"noise":0.1}}':
    'the masked HalfCheetah under noise that Python draws anew at every step; noise is a control of the player, on the masked task',
};
/** Terms that are 0 by the task's definition. */
const NEVER_PAID: Record<string, string[]> = { 'Throw-v0': ['reach'] };
const OBSERVATION = 1e-6;
const REWARD = 1e-5;

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RECORDED = `${ROOT}web/test/recorded/tasks/`;

interface Told {
  time: number;
  qpos: number[];
  qvel: number[];
  derived: { sensordata?: number[]; substep_qpos?: number[][] };
  memory: Record<string, unknown>;
}
interface Step {
  number: number;
  before: Told;
  after: Told;
  observation_before: number[];
  observation: number[];
  action: number[];
  control: number[];
  push: number[] | null;
  reward: number;
  terms: Record<string, number>;
  terminated: boolean;
  success: boolean | null;
}
/** A state shaken from a recorded one; what is carried on is told apart, because `after` was shaken too. */
interface Probe extends Step {
  remembered: Record<string, unknown>;
  height: number | null;
}
interface Recorded {
  dt: number;
  frame_skip: number;
  horizon: number;
  action_low: number[];
  action_high: number[];
  kinds: string[];
  starts: Record<'qpos' | 'qvel', { mean: number[]; sd: number[] }> & { count: number };
  episodes: { actions: string; seed: number; steps: Step[] }[];
  probes: Probe[];
}
interface Entry {
  name: string;
  id: string;
  options: Record<string, unknown>;
  policies: string[];
}

interface Ground {
  options: TerrainOptions;
  x: number[];
  under: number[];
  top: number[];
}

const read = (name: string) => JSON.parse(readFileSync(`${RECORDED}${name}`, 'utf8'));
const keyOf = ({ id, options }: Entry) => `${id} ${JSON.stringify(options)}`;

/** JSON has no infinity: where a memory holds none, that was Python's inf. */
const memoryOf = (memory: Told['memory']) =>
  Object.fromEntries(Object.entries(memory).map(([name, value]) => [name, value ?? Infinity]));

/** What the task may read when the physics stands at a recorded state; sensors and steps in between are Python's. */
function stateAt(physics: Physics, told: Told): State {
  physics.set(told.qpos, told.qvel, told.time);
  const { sensordata = [], substep_qpos = [] } = told.derived;
  return {
    time: physics.time,
    qpos: physics.qpos.slice(),
    qvel: physics.qvel.slice(),
    sensordata: Float64Array.from(sensordata),
    substepQpos: substep_qpos.map((qpos) => Float64Array.from(qpos)),
    memory: memoryOf(told.memory),
  };
}

/** The greatest difference; infinite where lengths differ or a number is missing. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const d = a[i] === b[i] ? 0 : Math.abs(a[i] - b[i]);
    worst = Number.isNaN(d) ? Infinity : Math.max(worst, d);
  }
  return worst;
}

/** The greatest difference of what two memories hold, at any depth. */
function memoryDifference(a: unknown, b: unknown): number {
  const flat = (value: unknown): number[] => (Array.isArray(value) ? value.flatMap(flat) : [Number(value)]);
  const names = (value: unknown) => Object.keys((value ?? {}) as object).sort();
  if (JSON.stringify(names(a)) !== JSON.stringify(names(b))) return Infinity;
  return Math.max(0, ...names(a).map((name) => difference(flat((a as any)[name]), flat((b as any)[name]))));
}

const index = read('index.json') as { mujoco: string; tasks: Entry[]; terrains: Ground[] };
let engine: Engine;
beforeAll(async () => {
  engine = await loadEngine();
});

test('every task of a shipped policy is ported or listed with a reason', () => {
  console.log(`MuJoCo: ${index.mujoco} in Python, ${engine.mj_versionString()} in WebAssembly`);
  expect(index.tasks.length).toBeGreaterThan(0);
  const known = index.tasks.map(keyOf);
  expect(Object.keys(NOT_PORTED).filter((key) => !known.includes(key)), 'listed, but no policy needs them').toEqual([]);
  for (const entry of index.tasks.filter((e) => keyOf(e) in NOT_PORTED)) {
    expect(() => makeTask(entry.id, entry.options), `${keyOf(entry)} is listed as not ported`).toThrow(/accepted: /);
  }
});

test.each(index.terrains)('ground $options', ({ options, x, under, top }) => {
  const terrain = new Terrain(options);
  expect(difference(x.map((at) => terrain.under(at)), under)).toBeLessThanOrEqual(1e-12);
  expect(difference(x.map((at) => terrain.top(at)), top)).toBeLessThanOrEqual(1e-12);
});

describe.each(index.tasks.filter((entry) => !(keyOf(entry) in NOT_PORTED)))('$id $options', (entry) => {
  let recorded: Recorded;
  let physics: Physics;
  let task: Task;
  beforeAll(() => {
    recorded = read(`${entry.name}.json`);
    physics = new Physics(engine, readFileSync(`${RECORDED}${entry.name}.xml`, 'utf8'));
    task = makeTask(entry.id, entry.options);
    return () => physics.free();
  });
  const steps = () => recorded.episodes.flatMap((episode) => episode.steps);

  test('says the same of itself', () => {
    expect(task.frameSkip).toBe(recorded.frame_skip);
    expect(task.frameSkip * physics.timestep).toBeCloseTo(recorded.dt, 12);
    expect(task.timestep).toBeCloseTo(physics.timestep, 12);
    expect(task.horizon).toBe(recorded.horizon);
    expect(Array.from(task.actionLow)).toEqual(recorded.action_low);
    expect(Array.from(task.actionHigh)).toEqual(recorded.action_high);
    expect(task.observationKinds).toEqual(recorded.kinds);
  });

  const equal = (name: string, compared: (Step | Probe)[]) => {
    const worst = { observation: 0, control: 0, push: 0, memory: 0, height: 0, reward: 0 };
    const wrong: string[] = [];
    for (const step of compared) {
      const action = Float32Array.from(step.action);
      const before = stateAt(physics, step.before);
      const after = stateAt(physics, step.after);
      const terms = task.rewardTerms(before, action, after);
      const names = Object.keys({ ...terms, ...step.terms });
      const probe = 'remembered' in step ? step : null;
      const found = {
        observation: Math.max(
          difference(task.observe(before), step.observation_before), difference(task.observe(after), step.observation),
        ),
        control: difference(task.control(before, action), step.control),
        push: step.push ? difference(task.push!(before), step.push) : 0,
        memory: memoryDifference(task.remember(before, action, after) ?? {}, memoryOf(probe?.remembered ?? step.after.memory)),
        height: probe?.height != null ? Math.abs((task as AnymalC).height(after as State<WalkMemory>) - probe.height) : 0,
        reward: Math.max(
          difference([rewardOf(terms)], [step.reward]), ...names.map((term) => difference([terms[term]], [step.terms[term]])),
        ),
      };
      for (const kind of Object.keys(worst) as (keyof typeof worst)[]) worst[kind] = Math.max(worst[kind], found[kind]);
      if (task.terminated(after) !== step.terminated) wrong.push(`terminated at step ${step.number}`);
      if (step.success !== null && task.success!(after) !== step.success) wrong.push(`success at step ${step.number}`);
    }
    console.log(`${keyOf(entry)}: ${compared.length} ${name}, greatest differences ${JSON.stringify(worst)}`);
    expect(compared.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
    const { reward, ...others } = worst;
    for (const [kind, apart] of Object.entries(others)) expect(apart, kind).toBeLessThanOrEqual(OBSERVATION);
    expect(reward, 'reward').toBeLessThanOrEqual(REWARD);
  };

  test('observations, controls, rewards and ends are equal', () => equal('steps', steps()));
  test('so they are of states shaken from these', () => equal('shaken states', recorded.probes));

  test('the recording shows every term of the reward, and both answers where there is a yes or no', () => {
    const zero = (name: string) => steps().every((step) => step.terms[name] === 0);
    const never = Object.keys(steps()[0].terms).filter((name) => zero(name) && !(NEVER_PAID[entry.id] ?? []).includes(name));
    expect(never, 'terms that were 0 in every step').toEqual([]);
    if (steps()[0].push) expect(steps().some((step) => step.push!.some((force) => force !== 0)), 'pushed').toBe(true);
    if (steps()[0].success !== null) expect(new Set(steps().map((step) => step.success)).size, 'success').toBe(2);
  });

  test('start states are drawn alike', () => {
    const { starts } = recorded;
    const random = new Random(7);
    const drawn = Array.from({ length: starts.count }, () => task.start(random));
    for (const name of ['qpos', 'qvel'] as const) {
      const { mean, sd } = starts[name];
      mean.forEach((expected, i) => {
        const values = drawn.map((start) => start[name][i]);
        const average = values.reduce((sum, v) => sum + v, 0) / values.length;
        const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - average) ** 2, 0) / values.length);
        // Both are samples: five standard errors of the difference of two means.
        const allowed = 5 * sd[i] * Math.sqrt(2 / starts.count) + 1e-9;
        expect(Math.abs(average - expected), `mean of ${name}[${i}]`).toBeLessThanOrEqual(allowed);
        expect(Math.abs(spread - sd[i]), `spread of ${name}[${i}]`).toBeLessThanOrEqual(0.15 * sd[i] + 1e-9);
      });
      expect(drawn[0][name].length).toBe(mean.length);
    }
  });

  test('a control step of the WASM lands where Python does', () => {
    const apart: number[] = [];
    for (const step of steps()) {
      physics.reset(step.before.qpos, step.before.qvel);
      physics.ctrl.set(step.control);
      if (step.push) physics.applyForce(task.pushed!, step.push.slice(0, 3), step.push.slice(3));
      expect(physics.step(task.frameSkip), `step ${step.number}`).toBe(true);
      apart.push(difference(physics.qpos, step.after.qpos));
    }
    apart.sort((a, b) => a - b);
    const median = apart[Math.floor(apart.length / 2)];
    console.log(`${keyOf(entry)}: positions after one control step differ by ${median} (median), ${apart.at(-1)} (most)`);
    expect(median).toBeLessThanOrEqual(1e-5);
  });

  test('an episode runs, and its numbers are finite', () => {
    const episode = new Episode(physics, task, 3);
    let observation = episode.reset();
    for (let k = 0; k < 20; k++) {
      const outcome = episode.step(new Float32Array(task.actionLow.length));
      ({ observation } = outcome);
      expect(outcome.note).toBeNull();
      expect(Number.isFinite(outcome.reward)).toBe(true);
      if (outcome.terminated) observation = episode.reset();
    }
    expect(observation.length).toBe(recorded.kinds.length);
    expect(observation.every(Number.isFinite)).toBe(true);
  });
});
