/** `Drag`: the reader pulls at the robot with the mouse or a finger, by a spring from the grabbed point. */
import { Plane, Raycaster, Vector2, Vector3 } from 'three';
import type { Physics } from '../physics';
import type { Pull } from '../tasks/episode';
import { Arrow } from './arrow';
import type { Stage } from './scene';
import { GRAVITY, type Point, REACH, forceOf, springOf } from './spring';

const NEAR = { mouse: 5, touch: 16 }; // pixels of the page: so near to a body it is hit, too
const RING = 8; // directions that are tried

export class Drag {
  private held: { body: number; local: Point; light: number; pointer: number | null } | null = null;
  private readonly target = new Vector3();
  private readonly screen = new Vector2(); // where the pointer is, from -1 to 1
  private readonly ray = new Raycaster();
  private readonly plane = new Plane();
  private readonly point = new Vector3();
  private readonly from = new Vector3();
  private readonly normal = new Vector3();
  private readonly arrow = new Arrow(true);
  private readonly push = new Arrow(false);
  private pushed: { point: Point; force: Point } | null = null;
  private last = Infinity; // s: when `pull` was asked last
  private hold = 0; // s between two such times
  private readonly off = new AbortController();

  constructor(
    private readonly stage: Stage,
    private readonly canvas: HTMLCanvasElement,
    private readonly physics: Physics,
    private readonly onChange: (dragging: boolean) => void = () => {},
  ) {
    stage.scene.add(this.arrow.group, this.push.group);
    stage.beforeDraw.add(this.show);
    const { signal } = this.off;
    // Capturing, to be asked before the controls of the camera.
    canvas.addEventListener('pointerdown', this.down, { signal, capture: true });
    canvas.addEventListener('pointermove', this.move, { signal });
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) {
      canvas.addEventListener(name, this.up, { signal });
    }
    window.addEventListener('blur', () => this.release(), { signal });
  }

  get dragging(): boolean { return this.held !== null; }

  private readonly down = (event: PointerEvent): void => {
    if (this.held || !event.isPrimary || event.button !== 0) return;
    this.aim(event);
    const hit = this.pick(event.pointerType === 'mouse' ? NEAR.mouse : NEAR.touch);
    if (!hit) return;
    this.begin(hit.body, [hit.point.x, hit.point.y, hit.point.z], event.pointerId);
    this.follow();
    event.preventDefault(); // neither text nor page is to move with it
    this.canvas.focus({ preventScroll: true });
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch { /* a pointer that is gone already: its end ends the drag all the same */ }
  };

  private readonly move = (event: PointerEvent): void => {
    if (this.held) {
      if (event.pointerId !== this.held.pointer) return;
      this.aim(event);
      this.follow();
    } else if (event.pointerType === 'mouse' && event.buttons === 0) {
      this.aim(event);
      this.canvas.style.cursor = this.pick(0) ? 'grab' : '';
    }
  };

  private readonly up = (event: PointerEvent): void => {
    if (this.held && event.pointerId === this.held.pointer) this.release();
  };

  /** The pointer's place, for `pick` and `follow`. */
  private aim(event: PointerEvent): void {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    this.screen.set(2 * x - 1, 1 - 2 * y);
  }

  /** The movable body under the pointer, or the first one within `near` pixels. */
  private pick(near: number): { body: number; point: Vector3 } | null {
    const { clientWidth, clientHeight } = this.canvas;
    for (let i = 0; i <= (near > 0 ? RING : 0); i++) {
      const angle = (2 * Math.PI * i) / RING;
      const radius = i === 0 ? 0 : near;
      this.normal.set(Math.cos(angle), Math.sin(angle), 0).multiplyScalar(2 * radius);
      const at = new Vector2(this.normal.x / clientWidth, this.normal.y / clientHeight).add(this.screen);
      this.ray.setFromCamera(at, this.stage.view.camera);
      const hit = this.ray.intersectObjects(this.stage.solid, false)[0];
      // What does not move hides what is behind it.
      if (hit && this.stage.moves(this.stage.bodyOf(hit.object))) {
        return { body: this.stage.bodyOf(hit.object), point: hit.point };
      }
    }
    return null;
  }

  private begin(body: number, [x, y, z]: Point, pointer: number | null): void {
    const { xpos, xmat } = this.physics.data;
    const [dx, dy, dz] = [x - xpos[3 * body], y - xpos[3 * body + 1], z - xpos[3 * body + 2]];
    const m = 9 * body;
    const local = [0, 1, 2].map((i) => xmat[m + i] * dx + xmat[m + 3 + i] * dy + xmat[m + 6 + i] * dz);
    // What the body weighs when it is moved, with what hangs on it (as the model started).
    const inverse = this.physics.model.body_invweight0[2 * body];
    const light = Math.min(1 / Math.max(inverse, 1e-9), this.massOf(body));
    this.held = { body, local: local as Point, light, pointer };
    this.target.set(x, y, z);
    this.last = Infinity;
    this.hold = 0;
    this.stage.view.controls.enabled = false;
    this.canvas.style.cursor = 'grabbing';
    this.onChange(true);
  }

  /** kg, of all that hangs on the root of `body`. */
  private massOf(body: number): number {
    const { model } = this.physics;
    return model.body_subtreemass[model.body_rootid[body]];
  }

  /** The target lies where the pointer's ray meets the plane through the point that faces the camera. */
  private follow(): void {
    if (!this.held || this.held.pointer === null) return;
    const { camera } = this.stage.view;
    this.ray.setFromCamera(this.screen, camera);
    this.plane.setFromNormalAndCoplanarPoint(camera.getWorldDirection(this.normal), this.point.set(...this.grabbed()));
    this.ray.ray.intersectPlane(this.plane, this.target);
  }

  /** Where the grabbed point is now. */
  private grabbed(): Point {
    const { body, local } = this.held!;
    const { xpos, xmat } = this.physics.data;
    const [p, m] = [3 * body, 9 * body];
    const at = (i: number) =>
      xpos[p + i] + xmat[m + 3 * i] * local[0] + xmat[m + 3 * i + 1] * local[1] + xmat[m + 3 * i + 2] * local[2];
    return [at(0), at(1), at(2)];
  }

  /** m/s, from the engine's velocity of the body, which it gives at the centre of mass of the whole robot. */
  private velocity([x, y, z]: Point): Point {
    const { body } = this.held!;
    const { cvel, subtree_com } = this.physics.data;
    const [c, v] = [3 * this.physics.model.body_rootid[body], 6 * body];
    const [dx, dy, dz] = [x - subtree_com[c], y - subtree_com[c + 1], z - subtree_com[c + 2]];
    const [wx, wy, wz] = [cvel[v], cvel[v + 1], cvel[v + 2]];
    return [
      cvel[v + 3] + wy * dz - wz * dy, cvel[v + 4] + wz * dx - wx * dz, cvel[v + 5] + wx * dy - wy * dx,
    ];
  }

  /** What pulls now; to be asked before every physics step. Null when nothing is held. */
  pull(): (Pull & { point: Point }) | null {
    const { time } = this.physics;
    if (this.held && time < this.last && this.last !== Infinity) this.release(); // a new episode has begun
    if (!this.held) return null;
    if (time > this.last) this.hold = time - this.last;
    this.last = time;
    const point = this.grabbed();
    // How long this force will act is known after the second call; a control step of the slowest task till then.
    const spring = springOf(this.massOf(this.held.body), this.held.light, this.hold || 0.05);
    const { x, y, z } = this.target;
    return { body: this.held.body, force: forceOf(spring, point, this.velocity(point), [x, y, z]), point };
  }

  /** Hold `body` at `point` (m, world; its origin if left out), without a pointer. */
  grab(body: number, point?: Point): void {
    this.release();
    const at = this.physics.data.xpos.subarray(3 * body, 3 * body + 3);
    this.begin(body, point ?? [at[0], at[1], at[2]], null);
  }

  /** Where the held point is pulled to, m. */
  moveTo(target: Point): void {
    if (this.held) this.held.pointer = null;
    this.target.set(...target);
  }

  release(): void {
    if (!this.held) return;
    this.held = null;
    this.stage.view.controls.enabled = true;
    this.canvas.style.cursor = '';
    this.onChange(false);
  }

  /** An arrow for a force (N) that acts at `point` (m) without the reader's hand, until another one or null. */
  showForce(point: Point | null, force: Point | null): void {
    this.pushed = point && force ? { point, force } : null;
  }

  /** Before each picture: the camera may have moved, and the robot. */
  private readonly show = (): void => {
    const { camera } = this.stage.view;
    this.arrow.hide();
    this.push.hide();
    if (this.held) {
      this.follow();
      this.arrow.show(this.from.set(...this.grabbed()), this.target, camera);
    }
    if (this.pushed) {
      const { point, force } = this.pushed;
      // As long as a pull of this force would be.
      const length = REACH / (this.massOf(this.stage.followed) * GRAVITY);
      this.point.set(...point);
      this.push.show(this.from.set(...force).multiplyScalar(-length).add(this.point), this.point, camera);
    }
  };

  dispose(): void {
    this.release();
    this.off.abort();
    this.stage.beforeDraw.delete(this.show);
    this.arrow.dispose();
    this.push.dispose();
  }
}
