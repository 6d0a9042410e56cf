/** What of the stage needs no WebGL: shapes, colours, the camera's place, and the spring of the reader's pull. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PerspectiveCamera, Scene, Vector3 } from 'three';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Engine, Physics, loadEngine } from '../src/physics';
import { Follower, distanceOf, firstRoot, placement, viewOf } from '../src/view/camera';
import { Drag } from '../src/view/drag';
import { Dress, limbsOf, says } from '../src/view/dress';
import { geometryOf } from '../src/view/geoms';
import type { Stage } from '../src/view/scene';
import { forceOf, springOf } from '../src/view/spring';

const MODELS = fileURLToPath(new URL('./recorded/tasks/', import.meta.url));
/** file: physics steps for which a force is held, at most (a control step). */
const SKIPS = {
  'HalfCheetah-v5_5': 5, 'InvertedPendulum-v5_6': 2, 'AnymalC-v0_2': 10, 'AnymalSprint-v0_0': 10, 'Soccer-v0_19': 8,
};

let engine: Engine;
const made: Physics[] = [];
function load(name: string): Physics {
  const physics = new Physics(engine, readFileSync(`${MODELS}${name}.xml`, 'utf8'));
  physics.forward();
  made.push(physics);
  return physics;
}
beforeAll(async () => { engine = await loadEngine(); });
afterEach(() => { for (const physics of made.splice(0)) physics.free(); });

/** What a drag asks of its surroundings, without a browser. */
function dragOf(physics: Physics, onChange?: (dragging: boolean) => void) {
  vi.stubGlobal('window', new EventTarget());
  const controls = { enabled: true };
  const canvas = Object.assign(new EventTarget(), { style: {} });
  const view = { camera: new PerspectiveCamera(), controls };
  const beforeDraw = new Set<() => void>();
  const stage = { scene: new Scene(), view, beforeDraw, solid: [], followed: firstRoot(physics) };
  const drag = new Drag(stage as unknown as Stage, canvas as unknown as HTMLCanvasElement, physics, onChange);
  return { drag, controls, stage };
}

describe('camera', () => {
  test('stands where MuJoCo says for an azimuth and an elevation', () => {
    const near = (a: number[], b: number[]) => a.forEach((v, i) => expect(v).toBeCloseTo(b[i], 9));
    near(placement(90, 0, 2), [0, -2, 0]); // looks along y: x to the right
    near(placement(0, -90, 3), [0, 0, 3]); // from above
    near(placement(180, -30, 2), [Math.sqrt(3), 0, 1]);
  });

  test('takes its first view from the model', () => {
    const walker = viewOf(load('AnymalSprint-v0_0'), 1);
    expect([walker.azimuth, walker.elevation]).toEqual([125, -20]); // a numeric, and <global>
    expect(walker.centre[2]).toBeGreaterThan(0.2);
    const table = viewOf(load('Soccer-v0_19'), null);
    expect([table.azimuth, table.elevation]).toEqual([76, -30]);
    expect(viewOf(load('HalfCheetah-v5_5'), 1).azimuth).toBe(90);
    expect(viewOf(load('InvertedPendulum-v5_6'), null).azimuth).toBe(90);
  });

  test('holds the robot in wide and in narrow pictures', () => {
    const view = viewOf(load('HalfCheetah-v5_5'), 1);
    for (const aspect of [0.5, 1, 1.5, 3]) {
      const half = distanceOf(view, aspect) * Math.tan((view.fovy * Math.PI) / 360); // m from the middle to the top
      expect(half).toBeGreaterThan(1.2 * view.up);
      expect(half * aspect).toBeGreaterThan(1.2 * view.across);
    }
  });

  test('follows a steady runner without lagging, and jumps where an episode begins anew', () => {
    const follower = new Follower(3);
    for (let k = 0; k <= 100; k++) follower.update(k / 60, (8 * k) / 60, 0, 0.5);
    expect(follower.point[0]).toBeCloseTo((8 * 100) / 60, 2);
    follower.update(100 / 60, (8 * 100) / 60, 0, 0.5); // a pause
    expect(follower.point[0]).toBeCloseTo((8 * 100) / 60, 2);
    follower.update(100 / 60, 14, 0, 0.5); // put elsewhere in the pause
    expect(follower.point[0]).toBe(14);
    follower.update(0, 0.1, 0.2, 0.6);
    expect(follower.point).toEqual([0.1, 0.2, 0.6]);
  });

  test('is hardly shaken by a gait', () => {
    const follower = new Follower(3);
    let [low, high] = [Infinity, -Infinity];
    for (let k = 0; k < 600; k++) {
      follower.update(k / 60, 0, 0, 0.5 + 0.1 * Math.sin((2 * Math.PI * 2 * k) / 60));
      if (k > 300) [low, high] = [Math.min(low, follower.point[2]), Math.max(high, follower.point[2])];
    }
    expect(high - low).toBeLessThan(0.03);
  });
});

describe('look', () => {
  test('a model without a look of its own gets a colour a limb', () => {
    expect(limbsOf([0, 0, 1, 2, 3, 1, 5, 6], [0, 3, 1, 1, 1, 1, 1, 1])).toEqual([-2, -1, 0, 0, 0, 1, 1, 1]);
    expect(limbsOf([0, 0, 1], [0, 1, 1])).toEqual([-2, -1, 0]);
    const cheetah = load('HalfCheetah-v5_5');
    const dress = new Dress(cheetah, false);
    expect(dress.own).toBe(false);
    expect(dress.geomColour(3)).toEqual([0, 0.45, 0.7, 1]);
    expect(dress.floor(0).period).toBeCloseTo(80 / 60, 6);
  });

  test('another one keeps its materials', () => {
    const walker = load('AnymalSprint-v0_0');
    expect(says(walker, 'keep_look')).toBe(1);
    expect(says(walker, 'view_elevation')).toBeUndefined();
    const dress = new Dress(walker, false);
    const shell = Array.from({ length: walker.model.ngeom }, (_, id) => dress.geomColour(id)).filter((c) => c[0] > 0.6);
    expect(shell.length).toBeGreaterThan(4);
    expect(dress.floor(0)).toMatchObject({ period: 1 });
    expect(dress.floor(0).material.map).toBeTruthy();
  });

  test('every shape fills its own box', () => {
    const xml = `<mujoco><asset><mesh name="wedge" vertex="0 0 0 .3 0 0 0 .2 0 0 0 .1"/>
      <hfield name="hill" nrow="2" ncol="3" size=".6 .4 .2 .1" elevation="0 0 0 0 0 1"/></asset><worldbody>
      <geom type="sphere" size=".1"/><geom type="capsule" size=".1 .3"/><geom type="ellipsoid" size=".1 .2 .3"/>
      <geom type="cylinder" size=".1 .3"/><geom type="box" size=".1 .2 .3"/><geom type="mesh" mesh="wedge"/>
      <geom type="hfield" hfield="hill"/></worldbody></mujoco>`;
    const physics = new Physics(engine, xml);
    made.push(physics);
    const { model } = physics;
    for (let g = 0; g < 6; g++) {
      const size = model.geom_size.slice(3 * g, 3 * g + 3);
      const shape = geometryOf(model, model.geom_type[g], size, model.geom_dataid[g])!;
      shape.computeBoundingBox();
      const half = shape.boundingBox!.getSize(new Vector3()).multiplyScalar(0.5).toArray();
      half.forEach((h, i) => expect(h).toBeCloseTo(model.geom_aabb[6 * g + 3 + i], 2));
    }
    const hill = geometryOf(model, model.geom_type[6], model.geom_size.slice(18, 21), model.geom_dataid[6])!;
    const { position } = hill.attributes;
    const at = new Vector3();
    const tops = Array.from({ length: position.count }, (_, i) => at.fromBufferAttribute(position, i).toArray());
    const highest = tops.reduce((a, b) => (b[2] > a[2] ? b : a));
    highest.forEach((v, i) => expect(v).toBeCloseTo([0.6, -0.4, 0.2][i], 6)); // MJCF tells rows from +y down
  });
});

describe('drag', () => {
  test('half a metre pulls with the weight, far away with four times it', () => {
    const spring = springOf(10, 10, 0.002);
    expect(forceOf(spring, [0, 0, 0], [0, 0, 0], [0.5, 0, 0])[0]).toBeCloseTo(98.1, 6);
    const far = forceOf(spring, [0, 0, 0], [0, 0, 0], [30, 0, 40]);
    expect(Math.hypot(...far)).toBeCloseTo(4 * 98.1, 6);
    expect(far[0] / far[2]).toBeCloseTo(0.75, 9);
    expect(forceOf(spring, [1, 1, 1], [1, 0, 0], [1, 1, 1])[0]).toBeLessThan(0); // against the motion
  });

  test('nothing is pulled unless held, and the camera rests meanwhile', () => {
    const physics = load('HalfCheetah-v5_5');
    const told: boolean[] = [];
    const { drag, controls, stage } = dragOf(physics, (dragging) => told.push(dragging));
    expect(drag.pull()).toBeNull();
    drag.grab(1, [0.3, 0, 0.7]);
    expect(controls.enabled).toBe(false);
    drag.moveTo([0.3, 0, 1.2]);
    const pull = drag.pull()!;
    expect(pull.body).toBe(1);
    [0.3, 0, 0.7].forEach((v, i) => expect(pull.point[i]).toBeCloseTo(v, 9));
    expect(pull.force[2]).toBeCloseTo(14 * 9.81, 1);
    for (const call of stage.beforeDraw) call();
    physics.step(3);
    expect(drag.pull()).not.toBeNull();
    physics.reset();
    expect(drag.pull()).toBeNull(); // a new episode lets go
    expect(controls.enabled).toBe(true);
    expect(told).toEqual([true, false]);
    drag.dispose();
    expect(stage.scene.children).toEqual([]);
    expect(stage.beforeDraw.size).toBe(0);
  });

  test('the velocity that damps is that of the grabbed point', () => {
    const physics = load('AnymalC-v0_2');
    const qvel = physics.qvel.map((_, i) => Math.sin(3 * i + 1));
    physics.set(physics.qpos.slice(), qvel);
    const { drag } = dragOf(physics);
    const point = (at: Float64Array) => [at[12], at[13], at[14]] as [number, number, number];
    const before = point(physics.data.xpos);
    drag.grab(4);
    const told = (drag as any).velocity(before) as number[];
    physics.step();
    physics.forward(); // places follow one step later otherwise
    const after = point(physics.data.xpos);
    after.forEach((v, i) => expect((v - before[i]) / physics.timestep).toBeCloseTo(told[i], 0));
  });

  test.each(Object.entries(SKIPS))('%s is pulled at any body without going wild', (name, skip) => {
    const physics = load(name);
    const start = physics.qpos.slice();
    for (let body = 1; body < physics.nbody; body++) {
      for (const held of [1, skip]) {
        physics.reset(start);
        const { drag } = dragOf(physics);
        drag.grab(body);
        const [x, y, z] = physics.data.xpos.subarray(3 * body, 3 * body + 3);
        drag.moveTo([x + 0.2, y + 0.1, z + 0.2]);
        let fastest = 0;
        for (let time = 0; time < 2; time += held * physics.timestep) {
          const { force, point } = drag.pull()!;
          physics.applyForce(body, force, [0, 0, 0], point);
          expect(physics.step(held)).toBe(true);
          const speed = Math.hypot(...((drag as any).velocity((drag as any).grabbed()) as number[]));
          if (time > 1.5) fastest = Math.max(fastest, speed);
        }
        // m/s, long after the pull began
        expect(fastest, `body ${body}, a force held for ${held} steps`).toBeLessThan(3);
        drag.dispose();
      }
    }
  });
});
