/** `Stage` draws what a Physics holds: the shapes of the model where they are now, on a floor, followed by a camera. */
import {
  BasicShadowMap, type BufferGeometry, Mesh, type Object3D, PCFShadowMap, Scene, type WebGLRenderer,
} from 'three';
import type { Physics } from '../physics';
import { FollowCamera, firstRoot } from './camera';
import { Dress, type Rgba } from './dress';
import { HFIELD, PLANE, type Wrap, geometryOf } from './geoms';
import { drawnBySoftware, rendererOf } from './gl';
import { Surroundings } from './surroundings';

const GROUPS = 3; // 0, 1 and 2 are drawn, as MuJoCo does; in 3 and above are the shapes that only collide
const FLOOR = 5; // m: a floor of at least this half width is drawn without an end, which it has not for the physics
const LARGE = 5; // m: what is no smaller casts no shadow of interest
const PLAIN = 0.5; // the same after `simplify`
const CLOSE = 2; // pixels drawn for one of the page, at most: more cost time and are not seen
const COARSE = 0.75; // and so many where the processor draws

export interface StageOptions {
  /** Number of the body that the camera follows; null: it stays. */
  follow: number | null;
  dark: boolean;
  /** Default true. */
  shadows?: boolean;
  /** Fewer pixels and plainer ones; by default where no graphics card draws. */
  coarse?: boolean;
}

export class Stage {
  readonly scene = new Scene();
  readonly view: FollowCamera;
  /** The shapes that a pointer can meet, that is all but the floor and what is see-through and fixed. */
  readonly solid: Mesh[] = [];
  /** The body that the camera follows, or the first one that could be. */
  readonly followed: number;
  readonly coarse: boolean;
  /** Called before each picture, after everything has been put in its place. */
  readonly beforeDraw = new Set<() => void>();
  private plainer = false;
  private readonly renderer: WebGLRenderer;
  private readonly dress: Dress;
  private readonly surroundings: Surroundings;
  private readonly geometries = new Map<string, BufferGeometry>();
  private readonly geoms: { id: number; mesh: Mesh }[] = [];
  private readonly sites: { id: number; mesh: Mesh }[] = [];
  private readonly bodies = new Map<Object3D, number>();
  private drawn = false;

  /** The canvas must be a new one: what a stage has freed cannot be drawn on again. */
  constructor(readonly canvas: HTMLCanvasElement, readonly physics: Physics, options: StageOptions) {
    const shadows = options.shadows ?? true;
    this.coarse = options.coarse ?? drawnBySoftware();
    this.renderer = rendererOf(canvas, !this.coarse);
    try {
      this.renderer.shadowMap.enabled = shadows;
      this.renderer.shadowMap.type = this.coarse ? BasicShadowMap : PCFShadowMap;
      const { geom_xmat } = physics.data;
      // A model just compiled: nothing has been derived from its state yet.
      if (!geom_xmat.some((value: number) => value !== 0)) physics.forward();
      this.dress = new Dress(physics, this.coarse);
      this.view = new FollowCamera(canvas, physics, options.follow);
      this.followed = options.follow ?? firstRoot(physics);
      const endless = this.build(shadows);
      this.surroundings = this.surround(endless, shadows);
      this.setDark(options.dark);
      this.resize(canvas.clientWidth || canvas.width, canvas.clientHeight || canvas.height);
    } catch (error) {
      this.renderer.dispose();
      throw error;
    }
  }

  /** -> the geom that is the floor, or null. */
  private build(shadows: boolean): number | null {
    const { model } = this.physics;
    let endless: number | null = null;
    for (let id = 0; id < model.ngeom; id++) {
      const rgba = this.dress.geomColour(id);
      if (model.geom_group[id] >= GROUPS || rgba[3] === 0) continue;
      const [type, body, matid] = [model.geom_type[id], model.geom_bodyid[id], model.geom_matid[id]];
      const size = model.geom_size.slice(3 * id, 3 * id + 3);
      if (type === PLANE && endless === null && body === 0 && this.isFloor(id)) {
        endless = id;
        continue;
      }
      const mesh = this.mesh(type, size, model.geom_dataid[id], matid, rgba);
      if (!mesh) continue;
      mesh.receiveShadow = shadows;
      mesh.castShadow = shadows && rgba[3] > 0.5 && type !== PLANE && type !== HFIELD && model.geom_rbound[id] < LARGE;
      this.geoms.push({ id, mesh });
      this.bodies.set(mesh, body);
      if (rgba[3] === 1 || this.moves(body)) this.solid.push(mesh);
    }
    for (let id = 0; id < model.nsite; id++) {
      const rgba = this.dress.siteColour(id);
      if (model.site_group[id] >= GROUPS || rgba[3] === 0) continue;
      const size = model.site_size.slice(3 * id, 3 * id + 3);
      const mesh = this.mesh(model.site_type[id], size, -1, model.site_matid[id], rgba);
      if (mesh) this.sites.push({ id, mesh });
    }
    return endless;
  }

  /** Flat on the ground, and without an end or wide enough to be drawn without one. */
  private isFloor(id: number): boolean {
    const half = this.physics.model.geom_size.subarray(3 * id, 3 * id + 2);
    return this.physics.data.geom_xmat[9 * id + 8] > 0.999 && half.every((h: number) => h === 0 || h >= FLOOR);
  }

  /** Not welded to the world, and not held by a huge inertia (goals of the tabletop, which the task alone moves). */
  moves(body: number): boolean {
    const { model } = this.physics;
    if (model.body_weldid[body] === 0) return false;
    for (let b = body; b > 0; b = model.body_parentid[b]) {
      const first = model.body_dofadr[b];
      for (let k = 0; k < model.body_dofnum[b]; k++) if (model.dof_armature[first + k] < 1e5) return true;
    }
    return false;
  }

  private mesh(type: number, size: ArrayLike<number>, dataid: number, matid: number, rgba: Rgba): Mesh | null {
    const wrap = this.dress.wrap(matid, type);
    const geometry = this.geometry(type, size, dataid, wrap);
    if (!geometry) return null;
    const mesh = new Mesh(geometry, this.dress.material(rgba, matid, type));
    mesh.matrixAutoUpdate = false;
    mesh.matrixWorldAutoUpdate = false; // `place` writes it
    this.scene.add(mesh);
    return mesh;
  }

  private geometry(type: number, size: ArrayLike<number>, dataid: number, wrap?: Wrap): BufferGeometry | null {
    const key = `${type} ${Array.from(size).join()} ${dataid} ${wrap ? `${wrap.kind} ${wrap.repeat}` : ''}`;
    const kept = this.geometries.get(key);
    if (kept) return kept;
    const made = geometryOf(this.physics.model, type, size, dataid, wrap);
    if (made) this.geometries.set(key, made);
    return made;
  }

  private surround(endless: number | null, shadows: boolean): Surroundings {
    const { centre, up, across } = this.view.view;
    const { material, period } = this.dress.floor(endless);
    // A model without a floor gets one below it: in empty space there is no up and down.
    const ground = endless === null ? centre[2] - 1.6 * up : this.physics.data.geom_xpos[3 * endless + 2];
    const radius = 1.5 * Math.hypot(across, up);
    const behind = this.view.camera.position.clone().sub(this.view.controls.target);
    return new Surroundings(this.scene, material, period, ground, radius, behind, shadows, this.coarse);
  }

  /** Number of the body that a shape in `solid` belongs to. */
  bodyOf(mesh: Object3D): number { return this.bodies.get(mesh) ?? 0; }

  /** One picture of the state as it is. */
  draw(): void {
    const { data } = this.physics;
    place(this.geoms, data.geom_xpos, data.geom_xmat);
    if (this.sites.length) place(this.sites, data.site_xpos, data.site_xmat);
    this.view.update();
    this.surroundings.follow(this.view.camera, this.view.controls.target);
    for (const call of this.beforeDraw) call();
    this.renderer.render(this.scene, this.view.camera);
    this.drawn = true;
  }

  /** In pixels of the page. */
  resize(width: number, height: number): void {
    const [w, h] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
    const fine = this.coarse ? COARSE : Math.min(window.devicePixelRatio || 1, CLOSE);
    this.renderer.setPixelRatio(this.plainer ? Math.min(fine, PLAIN) : fine);
    this.renderer.setSize(w, h, false);
    this.view.resize(w, h);
    if (this.drawn) this.draw(); // a canvas of a new size is empty, and would blink
  }

  setDark(dark: boolean): void { this.surroundings.setDark(dark); }

  /** For a machine that is too slow: first fewer pixels, then no shadows. False where nothing is left to leave out. */
  simplify(): boolean {
    if (!this.plainer) {
      this.plainer = true;
      this.resize(this.canvas.clientWidth, this.canvas.clientHeight);
      return true;
    }
    if (!this.surroundings.shadows) return false;
    this.surroundings.shadows = false;
    return true;
  }

  /** Frees the memory of the graphics card; the canvas cannot be used again. */
  dispose(): void {
    if (this.renderer.getContext().isContextLost()) return; // freed already
    this.beforeDraw.clear();
    this.view.dispose();
    this.surroundings.dispose();
    for (const geometry of this.geometries.values()) geometry.dispose();
    this.dress.dispose();
    this.scene.clear();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}

/** Poses of the engine -> matrices of the meshes. */
function place(shown: { id: number; mesh: Mesh }[], xpos: ArrayLike<number>, xmat: ArrayLike<number>): void {
  for (const { id, mesh } of shown) {
    const [p, m] = [3 * id, 9 * id];
    mesh.matrixWorld.set(
      xmat[m], xmat[m + 1], xmat[m + 2], xpos[p],
      xmat[m + 3], xmat[m + 4], xmat[m + 5], xpos[p + 1],
      xmat[m + 6], xmat[m + 7], xmat[m + 8], xpos[p + 2],
      0, 0, 0, 1,
    );
  }
}
