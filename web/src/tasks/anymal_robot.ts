/** What both ANYmal tasks share: the robot's numbers, directions seen from its base, the ground it runs on. */
import { checkOptions, clip } from './task';

// Order of the joints: legs LF, RF, LH, RH (left and right, front and hind), of each HAA, HFE, KFE.
export const JOINTS = 12;
export const ACTION_LIMIT = 3;
export const SCALE = 0.5; // rad that an action of 1 stands for
const TARGETS = 6.28; // rad: position targets are clipped there

/** Position targets (rad) of the joints: `SCALE` rad from the stance for an action of 1. */
export function targets(action: Float32Array, stance: ArrayLike<number>): Float64Array {
  return Float64Array.from(action, (a, i) => {
    return clip(SCALE * clip(a, -ACTION_LIMIT, ACTION_LIMIT) + stance[i], -TARGETS, TARGETS);
  });
}

export function clipped(action: Float32Array): number[] {
  return Array.from(action, (a) => clip(a, -ACTION_LIMIT, ACTION_LIMIT));
}

/** Direction of gravity (0 0 -1 when level) seen from a body whose orientation is qpos[3:7] (unit, w first). */
export function gravityDirection(qpos: Float64Array): [number, number, number] {
  const [w, x, y, z] = qpos.subarray(3, 7);
  return [2 * (w * y - x * z), -2 * (w * x + y * z), 2 * (x * x + y * y) - 1];
}

/** The velocity qvel[0:3], which MuJoCo holds along world axes, seen from the base. */
export function bodyVelocity(qpos: Float64Array, qvel: Float64Array): [number, number, number] {
  const [w, x, y, z] = [qpos[3], -qpos[4], -qpos[5], -qpos[6]];
  const v = qvel;
  const t = [2 * (y * v[2] - z * v[1]), 2 * (z * v[0] - x * v[2]), 2 * (x * v[1] - y * v[0])];
  return [
    v[0] + w * t[0] + y * t[2] - z * t[1],
    v[1] + w * t[1] + z * t[0] - x * t[2],
    v[2] + w * t[2] + x * t[1] - y * t[0],
  ];
}

/** Direction of the head in the level plane: rad from +x, counter-clockwise. */
export function headingOf(qpos: Float64Array): number {
  const [w, x, y, z] = qpos.subarray(3, 7);
  return Math.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z));
}

export interface TerrainOptions {
  kind: string;
  height?: number;
  distance?: number;
  length?: number;
  steps?: number;
  depth?: number;
}

const HEIGHTS: Record<string, number> = { flat: 0, step: 0.15, stairs: 0.1, hurdles: 0.15 };
const FOOTPRINT = 0.8; // m of track

/** The ground: flat, or boxes across the track along +x. Port of course_lib/envs/anymal/terrain.py without rough ground. */
export class Terrain {
  readonly kind: string;
  private readonly boxes: [start: number, end: number, height: number][]; // m along the track

  constructor(options: string | TerrainOptions = 'flat') {
    const given = typeof options === 'string' ? { kind: options } : options;
    checkOptions('a terrain', given, ['kind', 'height', 'distance', 'length', 'steps', 'depth']);
    if (!(given.kind in HEIGHTS)) {
      throw new Error(`terrain=${JSON.stringify(given.kind)} is not known here; accepted: ${Object.keys(HEIGHTS).join(', ')}.`);
    }
    this.kind = given.kind;
    const { height = HEIGHTS[given.kind], distance = 2, length = 4, steps = 5, depth = 0.4 } = given;
    const count = { flat: 0, step: 1 }[given.kind] ?? steps;
    this.boxes = Array.from({ length: count }, (_, i) => {
      if (given.kind === 'stairs') return [distance + i * depth, distance + steps * depth + length, (i + 1) * height];
      const start = distance + 2 * i * length;
      return [start, start + length, given.kind === 'step' ? height : (height * (i + 1)) / steps];
    });
  }

  /** Height of the ground (m), averaged over `FOOTPRINT` m of track around x. */
  under(x: number): number {
    let total = 0;
    let below = 0;
    for (const [start, end, height] of this.boxes) {
      const overlap = clip(x + FOOTPRINT / 2, start, end) - clip(x - FOOTPRINT / 2, start, end);
      total += ((height - below) * overlap) / FOOTPRINT;
      below = this.kind === 'stairs' ? height : 0; // a stair lies on the one before
    }
    return total;
  }

  /** The highest ground (m) within `FOOTPRINT` m of track around x. */
  top(x: number): number {
    const near = this.boxes.filter(([start, end]) => x > start - FOOTPRINT / 2 && x < end + FOOTPRINT / 2);
    return Math.max(0, ...near.map(([, , height]) => height));
  }
}
