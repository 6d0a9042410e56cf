/** The physics alone: forces, gravity, friction, what happens when it diverges, and whether memory comes back. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { type Engine, Physics, loadEngine } from '../src/physics';

const BALL = `<mujoco><option gravity="0 0 -10"/><worldbody>
  <geom type="plane" size="5 5 .1"/>
  <body name="ball" pos="0 0 1"><freejoint/><geom type="box" size=".1 .1 .1" mass="2"/></body>
</worldbody></mujoco>`;

let engine: Engine;
beforeAll(async () => {
  engine = await loadEngine();
});

test('the WASM is taken from bytes; a wrong place is a sentence', async () => {
  const path = fileURLToPath(new URL('../node_modules/@mujoco/mujoco/mujoco.wasm', import.meta.url));
  const other = await loadEngine(new Uint8Array(readFileSync(path)));
  expect(other.mj_versionString()).toBe(engine.mj_versionString());
  await expect(loadEngine(new Uint8Array([1, 2, 3]))).rejects.toThrow(/could not be loaded from 3 bytes .*accepted: the file/s);
  await expect(loadEngine('/nowhere/mujoco.wasm')).rejects.toThrow(/could not be loaded from \/nowhere\/mujoco.wasm/);
});

test('a falling body, a reset, a force, gravity', () => {
  const physics = new Physics(engine, BALL);
  const height = () => physics.qpos[2];
  physics.step(10);
  expect(height()).toBeLessThan(1);
  physics.reset();
  expect([height(), physics.time]).toEqual([1, 0]);
  physics.applyForce(physics.body('ball'), [0, 0, 20]); // its weight
  physics.step(100);
  expect(height()).toBeCloseTo(1, 9);
  physics.applyForce(physics.body('ball'), [0, 0, 20], [0, 0, 0], [0.1, 0, 1]); // 0.1 m beside: it turns about -y
  physics.step(10);
  expect(physics.qvel[4]).toBeLessThan(0);
  physics.reset();
  physics.gravity = [0, 0, 0];
  physics.step(100);
  expect(height()).toBeCloseTo(1, 9);
  physics.free();
  physics.free();
  expect(() => physics.qpos).toThrow(/was freed/);
});

test('less friction, and it slides further', () => {
  const slide = (friction: number) => {
    const physics = new Physics(engine, BALL);
    physics.friction = friction;
    physics.reset([0, 0, 0.1, 1, 0, 0, 0], [2, 0, 0, 0, 0, 0]);
    physics.step(500);
    const x = physics.qpos[0];
    physics.free();
    return x;
  };
  expect(slide(0.2)).toBeGreaterThan(2 * slide(1));
});

test('a state that is not finite is reset with a note', () => {
  const physics = new Physics(engine, BALL);
  const start = [0, 0, 0.7, 1, 0, 0, 0];
  const ruins: (() => void)[] = [
    () => (physics.qvel[0] = NaN), () => (physics.qpos[2] = Infinity), () => (physics.qvel[0] = 1e30),
    () => physics.applyForce(1, [NaN, 0, 0]),
  ];
  for (const ruin of ruins) {
    physics.reset(start, new Array(6).fill(0));
    physics.note = null;
    ruin();
    expect(physics.step(5)).toBe(false);
    expect(physics.note).toMatch(/^The simulation was reset at .* s: /);
    expect([...physics.qpos]).toEqual(start);
    expect(physics.step(5)).toBe(true);
  }
  physics.free();
});

test('bad input is answered in a sentence', () => {
  expect(() => new Physics(engine, '<mujoco><nonsense/></mujoco>')).toThrow(/model could not be read .*nonsense.*accepted: MJCF/s);
  const physics = new Physics(engine, BALL);
  expect(() => physics.reset([1], [])).toThrow('qpos has 1 numbers; accepted: 7.');
  expect(() => physics.body('cat')).toThrow(/no body "cat"; accepted: world, ball/);
  expect(() => physics.applyForce(9, [0, 0, 0])).toThrow(/body=9 cannot be pushed/);
  expect(() => (physics.friction = -1)).toThrow(/friction=-1 is not accepted/);
  expect(() => (physics.gravity = [0, 0, NaN])).toThrow(/gravity=/);
  physics.free();
});

test('a mesh file of the virtual file system', () => {
  const tetrahedron = 'v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n';
  const xml = '<mujoco><compiler meshdir="in"/><asset><mesh name="m" file="m.obj"/></asset><worldbody><geom type="mesh" mesh="m"/></worldbody></mujoco>';
  const physics = new Physics(engine, xml, { 'in/m.obj': new TextEncoder().encode(tetrahedron) });
  expect(Number(physics.model.nmeshvert)).toBe(4);
  physics.free();
  expect(() => new Physics(engine, xml)).toThrow(/could not be read/);
});

test('what is freed comes back: a hundred models, memory as after the first ten', () => {
  // Each takes more than a megabyte in the model and in the state: a leak of either shows.
  const xml = `<mujoco><size memory="2M"/><asset><texture name="t" type="2d" builtin="flat" width="700" height="700"/></asset>
    <worldbody><geom size="1"/><body><freejoint/><geom size=".1"/></body></worldbody></mujoco>`;
  const size = () => {
    const physics = new Physics(engine, xml);
    physics.step(5);
    const bytes = physics.qpos.buffer.byteLength;
    physics.free();
    return bytes;
  };
  const first = Array.from({ length: 10 }, size).at(-1);
  const last = Array.from({ length: 100 }, size).at(-1);
  expect(last).toBe(first);
});

test('models leave no file behind, whether they can be read or not', () => {
  const listed = () => engine.FS.readdir('/').sort();
  const before = listed();
  const files = { 'unused.bin': new Uint8Array(10), 'in/a/folder.bin': new Uint8Array(10) };
  new Physics(engine, BALL, files).free();
  expect(() => new Physics(engine, '<mujoco><nonsense/></mujoco>', files)).toThrow();
  expect(() => new Physics(engine, BALL, { '../out.bin': new Uint8Array(1) })).toThrow(/"..\/out.bin" is outside/);
  expect(listed()).toEqual(before);
});
