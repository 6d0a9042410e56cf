/** The spring by which the reader pulls at a robot. */
export type Point = [number, number, number];

export const GRAVITY = 9.81; // m/s²: of the weight that sets the spring, whatever the reader makes of gravity
export const REACH = 0.5; // m: pulling so far pulls with the robot's weight
const MOST = 4; // weights
const DAMPING = 0.5; // of the critical one
const STABLE = 0.5; // damping acts for the time between two calls: more than this share of a stop would swing

export interface Spring {
  stiffness: number; // N/m
  damping: number; // N s/m
  limit: number; // N
}

/**
 * The spring for a robot of `mass`, held at a point that answers with the inertia `light` (kg, at most `mass`), when
 * each force acts for `hold` s.
 */
export function springOf(mass: number, light: number, hold: number): Spring {
  const weight = mass * GRAVITY;
  // A foot weighs little: a force held too long would throw it beyond where it was to stop.
  const stiffness = Math.min(weight / REACH, light / hold ** 2);
  const damping = Math.min(2 * DAMPING * Math.sqrt(stiffness * mass), (STABLE * light) / hold);
  return { stiffness, damping, limit: MOST * weight };
}

/** N, from the point towards `target`. */
export function forceOf(spring: Spring, point: Point, velocity: Point, target: Point): Point {
  const force = point.map((p, i) => spring.stiffness * (target[i] - p) - spring.damping * velocity[i]);
  const size = Math.hypot(...force);
  const scale = size > spring.limit ? spring.limit / size : 1;
  return [force[0] * scale, force[1] * scale, force[2] * scale];
}
