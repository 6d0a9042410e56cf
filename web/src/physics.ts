/**
 * MuJoCo in WebAssembly: one model, one state, and what the player does to them.
 *
 * The arrays of a state are views of WebAssembly's memory. They are looked up anew whenever they are asked for, because
 * a view dies (has length 0) once that memory has grown; so keep copies, not the views.
 */
import loadMujoco from '@mujoco/mujoco';
import type { MainModule, MjData, MjModel, MjOption } from '@mujoco/mujoco';

export type Engine = MainModule;

/** Where the WASM is: its address (a browser), its bytes (unpacked by the caller), or nothing (Node, beside the package). */
export type WasmSource = string | URL | Uint8Array | undefined;

const BODY = 1; // mjOBJ_BODY

/** Loads the engine. MuJoCo's own warnings go to `warn`; left out, they are dropped. */
export async function loadEngine(wasm?: WasmSource, warn: (text: string) => void = () => {}): Promise<Engine> {
  const options: Record<string, unknown> = { print: warn, printErr: warn };
  // Left to itself the engine makes an address from its own, which fails where it has none: within a frame's blob.
  const address = wasm === undefined || wasm instanceof Uint8Array ? null : String(wasm);
  if (wasm !== undefined) options.locateFile = (file: string) => (address && file.endsWith('.wasm') ? address : file);
  if (wasm instanceof Uint8Array) options.wasmBinary = wasm;
  try {
    return await loadMujoco(options);
  } catch (error) {
    const where = wasm instanceof Uint8Array ? `${wasm.length} bytes` : (wasm ?? 'the package @mujoco/mujoco');
    throw new Error(`The physics engine could not be loaded from ${where} (${firstLine(error)}); accepted: the file mujoco.wasm of @mujoco/mujoco.`);
  }
}

export class Physics {
  readonly nq: number;
  readonly nv: number;
  readonly nu: number;
  readonly nbody: number;
  /** Why the state was reset on its own, or null; the reader of the note clears it. */
  note: string | null = null;
  private held: { model: MjModel; data: MjData; option: MjOption } | null;
  private readonly ownFriction: Float64Array; // as the model was compiled
  private readonly ownPairFriction: Float64Array;
  private frictionFactor = 1;
  private readonly startQpos: Float64Array;
  private readonly startQvel: Float64Array;

  /** Compiles `xml`; `files` holds what it refers to by name (meshes, textures, height fields). */
  constructor(
    private readonly engine: Engine,
    xml: string,
    files: Record<string, Uint8Array> = {},
  ) {
    let model: MjModel | null = null;
    try {
      model = compile(engine, xml, files);
      const data = new engine.MjData(model);
      // `opt` is a reference into the model, which frees it; a handle of its own must not.
      this.held = { model, data, option: model.opt };
    } catch (error) {
      model?.delete();
      throw new Error(`The model could not be read (${firstLine(error)}); accepted: MJCF text, and every file it names.`);
    }
    this.nq = Number(model.nq);
    this.nv = Number(model.nv);
    this.nu = Number(model.nu);
    this.nbody = Number(model.nbody);
    this.ownFriction = model.geom_friction.slice();
    this.ownPairFriction = model.pair_friction.slice();
    this.startQpos = this.qpos.slice();
    this.startQvel = this.qvel.slice();
  }

  private get own() {
    if (!this.held) throw new Error('This physics was freed; make a new one.');
    return this.held;
  }

  /** The engine's own objects, for what draws them. */
  get model(): MjModel { return this.own.model; }
  get data(): MjData { return this.own.data; }

  /** Bytes of WebAssembly's memory, which never shrinks. */
  get memory(): number { return this.qpos.buffer.byteLength; }
  get version(): string { return this.engine.mj_versionString(); }
  get time(): number { return this.own.data.time; }
  /** s of a physics step. */
  get timestep(): number { return this.own.option.timestep; }
  set timestep(value: number) {
    if (!(value > 0 && value <= 1)) throw new Error(`timestep=${value} is not accepted; it must be above 0 and up to 1 s.`);
    this.own.option.timestep = value;
  }
  get qpos(): Float64Array { return this.own.data.qpos; }
  get qvel(): Float64Array { return this.own.data.qvel; }
  get ctrl(): Float64Array { return this.own.data.ctrl; }
  /** (nbody, 6): force (N) and torque (N m) on each body's centre of mass, world axes. */
  get xfrcApplied(): Float64Array { return this.own.data.xfrc_applied; }
  get sensordata(): Float64Array { return this.own.data.sensordata; }
  /** (nbody, 3): centre of mass of each body, m. */
  get xipos(): Float64Array { return this.own.data.xipos; }

  /** Back to time 0, to the given state or to the last one given, without forces or controls. */
  reset(qpos: ArrayLike<number> = this.startQpos, qvel: ArrayLike<number> = this.startQvel): void {
    same('qpos', qpos, this.nq);
    same('qvel', qvel, this.nv);
    this.startQpos.set(qpos);
    this.startQvel.set(qvel);
    this.engine.mj_resetData(this.own.model, this.own.data);
    this.qpos.set(this.startQpos);
    this.qvel.set(this.startQvel);
    this.forward();
  }

  /** Set positions and velocities (and the clock) in mid-episode and derive everything from them. */
  set(qpos: ArrayLike<number>, qvel: ArrayLike<number>, time = this.time): void {
    same('qpos', qpos, this.nq);
    same('qvel', qvel, this.nv);
    this.qpos.set(qpos);
    this.qvel.set(qvel);
    this.own.data.time = time;
    this.forward();
  }

  forward(): void { this.engine.mj_forward(this.own.model, this.own.data); }

  /**
   * `count` physics steps. `each` is called after every one of them. False where the state was not finite any more:
   * then it has been reset, and `note` says why.
   */
  step(count = 1, each?: () => void): boolean {
    const { model, data } = this.own;
    if (!finite(this.ctrl)) return this.recover('the controls were not finite');
    if (!finite(this.xfrcApplied)) return this.recover('an applied force was not finite');
    const began = data.time;
    // MuJoCo answers a diverging state by starting over, which clears all forces: also this one, on the world itself,
    // which moves nothing. (Its clock, set to zero, gives nothing away in the first step.)
    this.xfrcApplied[0] = 1;
    for (let k = 0; k < count; k++) {
      this.engine.mj_step(model, data);
      if (this.xfrcApplied[0] !== 1) return this.recover('the motion diverged', began);
      each?.();
    }
    return finite(this.qpos) && finite(this.qvel) ? true : this.recover('positions or velocities were not finite');
  }

  private recover(why: string, at = this.time): false {
    const when = at.toFixed(2);
    this.reset();
    this.note = `The simulation was reset at ${when} s: ${why}.`;
    return false;
  }

  /** Number of the body `name`. */
  body(name: string): number {
    const id = this.engine.mj_name2id(this.own.model, BODY, name);
    if (id < 0) {
      const names = Array.from({ length: this.nbody }, (_, i) => this.engine.mj_id2name(this.own.model, BODY, i));
      throw new Error(`There is no body ${JSON.stringify(name)}; accepted: ${names.join(', ')}.`);
    }
    return id;
  }

  /**
   * A force (N) on `body` from now on, world axes, until it is set again; with a torque (N m), or pulling at a `point`
   * (m, world), which adds the torque about the centre of mass.
   */
  applyForce(body: number, force: ArrayLike<number>, torque: ArrayLike<number> = [0, 0, 0], point?: ArrayLike<number>): void {
    if (!Number.isInteger(body) || body < 1 || body >= this.nbody) {
      throw new Error(`body=${body} cannot be pushed; accepted: whole numbers from 1 to ${this.nbody - 1}.`);
    }
    same('force', force, 3);
    same('torque', torque, 3);
    const turn = [torque[0], torque[1], torque[2]];
    if (point) {
      same('point', point, 3);
      const centre = this.xipos.subarray(3 * body, 3 * body + 3);
      const [x, y, z] = [point[0] - centre[0], point[1] - centre[1], point[2] - centre[2]];
      turn[0] += y * force[2] - z * force[1];
      turn[1] += z * force[0] - x * force[2];
      turn[2] += x * force[1] - y * force[0];
    }
    this.xfrcApplied.set([force[0], force[1], force[2], ...turn], 6 * body);
  }

  clearForces(): void { this.xfrcApplied.fill(0); }

  /** m/s², along world axes. */
  get gravity(): number[] { return Array.from(this.own.option.gravity as Float64Array); }
  set gravity(value: ArrayLike<number>) {
    same('gravity', value, 3);
    if (!finite(value)) throw new Error(`gravity=[${Array.from(value)}] is not accepted; it must be three numbers (m/s²).`);
    this.own.option.gravity.set(value);
  }

  /** Factor on the sliding friction of everything, 1 as the model was written. */
  get friction(): number { return this.frictionFactor; }
  set friction(factor: number) {
    if (!(factor >= 0 && Number.isFinite(factor))) {
      throw new Error(`friction=${factor} is not accepted; it must be a number of at least 0 (1: as the model was written).`);
    }
    this.frictionFactor = factor;
    // Of each shape (3 numbers) the first slides, of each pair (5) the first two; the others twist and roll.
    this.own.model.geom_friction.set(this.ownFriction.map((f, i) => (i % 3 < 1 ? f * factor : f)));
    this.own.model.pair_friction.set(this.ownPairFriction.map((f, i) => (i % 5 < 2 ? f * factor : f)));
  }

  /** Frees the memory in WebAssembly, which no garbage collector does. Twice is once. */
  free(): void {
    this.held?.data.delete();
    this.held?.model.delete();
    this.held = null;
  }
}

const FOLDER = '/model';
const FILE = 'model.xml';

/**
 * The files are written to the engine's file system in memory and taken away again. (MuJoCo's own MjVFS would do too,
 * but it takes bytes one by one: half a second for each megabyte.)
 */
function compile(engine: Engine, xml: string, files: Record<string, Uint8Array>): MjModel {
  const fs = engine.FS as any;
  const written: string[] = [];
  const folders: string[] = [];
  try {
    for (const [name, bytes] of Object.entries({ ...files, [FILE]: new TextEncoder().encode(xml) })) {
      const parts = `${FOLDER}/${name}`.split('/').filter((part) => part && part !== '.');
      if (parts.includes('..')) throw new Error(`the file ${JSON.stringify(name)} is outside the model's folder`);
      for (let depth = 1; depth < parts.length; depth++) {
        const folder = `/${parts.slice(0, depth).join('/')}`;
        if (folders.includes(folder)) continue;
        fs.mkdir(folder);
        folders.push(folder);
      }
      const path = `/${parts.join('/')}`;
      fs.writeFile(path, bytes);
      written.push(path);
    }
    return engine.MjModel.from_xml_path(`${FOLDER}/${FILE}`);
  } finally {
    for (const path of written) fs.unlink(path);
    for (const folder of folders.reverse()) fs.rmdir(folder);
  }
}

export function finite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

function same(name: string, values: ArrayLike<number>, length: number): void {
  if (values.length !== length) throw new Error(`${name} has ${values.length} numbers; accepted: ${length}.`);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').map((line) => line.trim()).filter(Boolean).slice(0, 2).join(' ');
}
