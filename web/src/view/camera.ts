/** Where the stage is looked at from: a first view that holds the robot, then the reader's, following it. */
import { PerspectiveCamera, Vector3 } from 'three';
import { OrbitControls } from 'three/examples/jsm/controls/OrbitControls.js';
import type { Physics } from '../physics';
import { PLANE } from './geoms';
import { says } from './dress';

const FREE = 0; // mjtJoint
const SLIDE = 2;
const HINGE = 3;
const ROOM_MOVING = 1.45; // around a robot that moves within the picture
const ROOM_FIXED = 1.3;
const NEAREST_SAID = 0.9; // of "view_distance": closer views, made for the videos, cut what can be dragged about
const QUICK = 0.08; // s: how fast the camera follows along the floor
const SLOW = 0.8; // s: and up and down, where a gait would shake it
const FURTHEST = 4; // times the first distance
const NEAREST = 0.25;

/** A first view of a model; as `default_view` in course_lib/render/camera.py. */
export interface View {
  centre: [number, number, number]; // m, at the state it was made in
  across: number; // half width of the robot, m
  up: number; // half height, m
  azimuth: number; // degrees, as MuJoCo counts them
  elevation: number;
  /** Factor on the room around the robot. */
  room: number;
  fovy: number; // degrees
}

/** `follow`: the body that is followed; null: all that is there is held in view. */
export function viewOf(physics: Physics, follow: number | null): View {
  const { model, data } = physics;
  const { geom_bodyid, geom_type, geom_rgba, geom_aabb } = model;
  const { geom_xpos, geom_xmat } = data;
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  for (let g = 0; g < model.ngeom; g++) {
    if (geom_type[g] === PLANE || geom_rgba[4 * g + 3] === 0 || (follow !== null && geom_bodyid[g] === 0)) continue;
    for (let i = 0; i < 3; i++) {
      let [middle, reach] = [geom_xpos[3 * g + i], 0];
      for (let j = 0; j < 3; j++) {
        const turn = geom_xmat[9 * g + 3 * i + j];
        middle += turn * geom_aabb[6 * g + j];
        reach += Math.abs(turn) * geom_aabb[6 * g + 3 + j];
      }
      low[i] = Math.min(low[i], middle - reach);
      high[i] = Math.max(high[i], middle + reach);
    }
  }
  const empty = !(low[0] <= high[0]);
  const half = empty ? [1, 1, 1] : high.map((top, i) => (top - low[i]) / 2);
  const centre = empty ? [0, 0, 0] : high.map((top, i) => (top + low[i]) / 2);
  const joints = Array.from(model.jnt_type as Int32Array);
  const free = joints.some((type, j) => type === FREE && model.jnt_bodyid[j] === (follow ?? firstRoot(physics)));
  const hinges = joints.flatMap((type, j) => (type === HINGE ? [model.jnt_axis[3 * j + 2]] : []));
  const lying = !free && hinges.length > 0 && hinges.every((z) => Math.abs(z) > 0.9); // moves in the plane of the floor
  let [azimuth, elevation] = lying ? [90, -80] : free ? [125, -22] : follow !== null ? [90, -9] : [90, -6];
  const { azimuth: ownAzimuth, elevation: ownElevation, fovy } = globals(physics);
  if (ownAzimuth !== 90 || ownElevation !== -45) [azimuth, elevation] = [ownAzimuth, ownElevation]; // not MuJoCo's own
  return {
    centre: [centre[0], centre[1], centre[2]],
    across: free ? Math.hypot(half[0], half[1]) : half[0],
    up: lying ? half[1] : half[2],
    azimuth: says(physics, 'view_azimuth') ?? azimuth,
    elevation: says(physics, 'view_elevation') ?? elevation,
    room: Math.max(says(physics, 'view_distance') ?? 1, NEAREST_SAID) * (follow !== null ? ROOM_MOVING : ROOM_FIXED),
    fovy,
  };
}

/** The first body that moves on its own; 0 where there is none. */
export function firstRoot({ model }: Physics): number {
  for (let b = 1; b < model.nbody; b++) if (model.body_parentid[b] === 0 && model.body_dofnum[b] > 0) return b;
  return 0;
}

/** Handles into the model, which frees them: they are let go of at once, not deleted. */
function globals({ model }: Physics): { azimuth: number; elevation: number; fovy: number } {
  const { azimuth, elevation, fovy } = model.vis.global;
  return { azimuth, elevation, fovy };
}

/** m from the target at which `view` fits a picture of `aspect` (width / height). */
export function distanceOf(view: View, aspect: number): number {
  const fits = Math.max(view.across / aspect, view.up);
  return (view.room * fits) / Math.tan((view.fovy * Math.PI) / 360);
}

/** From the target to the camera, for MuJoCo's angles in degrees. */
export function placement(azimuth: number, elevation: number, distance: number): [number, number, number] {
  const [a, e] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180];
  return [-distance * Math.cos(e) * Math.cos(a), -distance * Math.cos(e) * Math.sin(a), -distance * Math.sin(e)];
}

/**
 * A point that follows another smoothly, in the simulation's own time: a pause holds it, slow motion slows it. Along
 * the floor it has a speed of its own, so that it does not lag behind a runner; the height is only slowed down.
 */
export class Follower {
  readonly point: [number, number, number] = [0, 0, 0];
  private readonly speed: [number, number] = [0, 0];
  private readonly last: [number, number, number] = [0, 0, 0]; // where the other point was
  private time = -Infinity;

  /** `reset`: m; further away than this, the point jumps (a new episode). */
  constructor(private readonly reset: number) {}

  update(time: number, x: number, y: number, z: number): void {
    const { point, speed, last } = this;
    const dt = time - this.time;
    this.time = time;
    const away = Math.hypot(x - point[0] - speed[0] * dt, y - point[1] - speed[1] * dt, z - point[2]);
    const put = dt === 0 && (x !== last[0] || y !== last[1] || z !== last[2]); // moved, in no time
    [last[0], last[1], last[2]] = [x, y, z];
    if (!(dt >= 0 && dt < 1) || !(away < this.reset) || put) {
      [point[0], point[1], point[2], speed[0], speed[1]] = [x, y, z, 0, 0];
      return;
    }
    if (dt === 0) return;
    const keep = Math.exp(-dt / QUICK);
    for (let i = 0; i < 2; i++) {
      const ahead = point[i] + speed[i] * dt;
      const error = (i ? y : x) - ahead;
      point[i] = ahead + (1 - keep * keep) * error; // critically damped
      speed[i] += ((1 - keep) ** 2 * error) / dt;
    }
    point[2] += (1 - Math.exp(-dt / SLOW)) * (z - point[2]);
  }
}

export class FollowCamera {
  readonly camera: PerspectiveCamera;
  readonly controls: OrbitControls;
  readonly view: View;
  private readonly follower: Follower;
  private readonly offset: [number, number, number]; // from the followed body to the point that is looked at
  private readonly moved = new Vector3();
  private fit: number; // m, of the first view in a picture of this shape

  constructor(canvas: HTMLCanvasElement, private readonly physics: Physics, private readonly body: number | null) {
    this.view = viewOf(physics, body);
    this.camera = new PerspectiveCamera(this.view.fovy, 1.5);
    this.camera.up.set(0, 0, 1); // before the controls are made, which keep it
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.enableDamping = false; // it would go on turning where a player draws no pictures
    this.controls.rotateSpeed = 0.7;
    this.controls.maxPolarAngle = (88 * Math.PI) / 180; // not below the floor
    this.fit = distanceOf(this.view, this.camera.aspect);
    this.follower = new Follower(this.fit);
    const { centre } = this.view;
    const at = body === null ? [0, 0, 0] : physics.data.xpos.subarray(3 * body, 3 * body + 3);
    this.offset = [centre[0] - at[0], centre[1] - at[1], centre[2] - at[2]];
    this.home();
  }

  /** Back to the first view. */
  home(): void {
    const { azimuth, elevation, centre } = this.view;
    this.controls.target.set(...centre);
    this.camera.position.set(...placement(azimuth, elevation, this.fit)).add(this.controls.target);
    this.update();
  }

  /** A picture of another shape holds the robot as well as the last one did. */
  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    const fit = distanceOf(this.view, this.camera.aspect);
    const { target } = this.controls;
    this.camera.position.sub(target).multiplyScalar(fit / this.fit).add(target);
    this.fit = fit;
    this.controls.minDistance = NEAREST * fit;
    this.controls.maxDistance = FURTHEST * fit;
    this.controls.update();
  }

  /** Before each picture. */
  update(): void {
    const { body, physics, offset, follower, moved } = this;
    if (body !== null) {
      const { xpos } = physics.data;
      follower.update(physics.time, xpos[3 * body], xpos[3 * body + 1], xpos[3 * body + 2]);
      const [x, y, z] = follower.point;
      moved.set(x + offset[0], y + offset[1], z + offset[2]).sub(this.controls.target);
      this.controls.target.add(moved);
      this.camera.position.add(moved);
    }
    this.controls.update();
    this.camera.updateMatrixWorld(); // for what asks where a point is seen before the next picture
  }

  dispose(): void { this.controls.dispose(); }
}
