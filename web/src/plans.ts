/** From a network's numbers to the actions of the next control steps (course_lib/policies/plans.py, nets/dmp.py). */
import type { Vector } from './networks';
import { PolicyFileError } from './safetensors';
import type { Settings } from './weights';

export interface Plan {
  readonly chunk: number; // control steps
  readonly outputs: number; // numbers that describe a plan
  readonly dofs: number; // leading actions that follow a path
  /** numbers (outputs), velocity at the start (dofs) -> actions, step by step, and the velocity at the end. */
  actions(numbers: Vector, velocity: Vector): { actions: Vector[]; end: Vector };
}

export function makePlan(settings: Settings, actDim: number): Plan {
  const chunk = settings.count('chunk', 1, 1, 10_000);
  const trajectory = settings.choice('trajectory', ['none', 'dmp'], 'none');
  return trajectory === 'none' ? directPlan(chunk, actDim) : pathPlan(settings, chunk, actDim);
}

/** The numbers are the actions themselves. */
function directPlan(chunk: number, actDim: number): Plan {
  return {
    chunk,
    outputs: chunk * actDim,
    dofs: 0,
    actions: (numbers, velocity) => ({ actions: rows(numbers, chunk, actDim), end: velocity }),
  };
}

const rows = (numbers: Vector, count: number, width: number): Vector[] =>
  Array.from({ length: count }, (_, k) => numbers.subarray(k * width, (k + 1) * width));

/** The numbers are goal and weights of a DMP for each of the first actions, then all the other actions. */
function pathPlan(settings: Settings, chunk: number, actDim: number): Plan {
  const dofs = settings.count('dofs', 3, 1, actDim);
  const basis = settings.count('basis', 6, 1, 1000);
  const alpha = settings.number('alpha', 10);
  if (alpha <= 0 || alpha > 1000) throw settings.refusal('alpha', 'a number above 0, up to 1000');
  const table = pathTable(chunk, basis, alpha);
  const rest = actDim - dofs;
  const width = basis + 1; // numbers of a path: goal and weights
  return {
    chunk,
    outputs: dofs * width + chunk * rest,
    dofs,
    actions(numbers, velocity) {
      const actions = Array.from({ length: chunk }, () => new Float32Array(actDim));
      const end = new Float32Array(dofs);
      for (let d = 0; d < dofs; d++) {
        for (let k = 0; k <= chunk; k++) {
          let sum = velocity[d] * table[0][k];
          for (let r = 0; r < width; r++) sum += numbers[d * width + r] * table[r + 1][k];
          if (k < chunk) actions[k][d] = sum;
          else end[d] = sum;
        }
      }
      const others = rows(numbers.subarray(dofs * width), chunk, rest);
      actions.forEach((action, k) => action.set(others[k], dofs));
      return { actions, end };
    },
  };
}

/**
 * What a unit of the first velocity, of the goal and of each weight does to the step from point to point of a path, and
 * in the last column to the velocity at its end: rows 1 + 1 + basis, columns chunk + 1.
 *
 * A path solves ÿ = α (α/4 (g - y) - ẏ) + Σ w_i ψ_i / Σ ψ_i · x with ẋ = -x from x = 1, by Euler's method over one unit
 * of time; a weight of 1 is α²/4. Goal and weights are scaled so that independent ones of sd 1 make steps of sd 1.
 */
function pathTable(chunk: number, basis: number, alpha: number): Vector[] {
  const every = Math.ceil(Math.max(40, Math.ceil(alpha / 2)) / chunk); // Euler steps from point to point
  const steps = chunk * every;
  const dt = 1 / steps;
  const stiffness = (alpha * alpha) / 4;
  const centres = Array.from({ length: basis }, (_, i) => Math.exp(basis === 1 ? 0 : -i / (basis - 1)));
  const count = basis + 2;
  const table = Array.from({ length: count }, () => new Float64Array(chunk + 1));
  const [y, z, before] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  z[0] = 1;
  for (let k = 0, phase = 1; k < steps; k++, phase *= 1 - dt) {
    const exponents = centres.map((c) => (-(basis ** 1.5) / c) * (phase - c) ** 2);
    const most = Math.max(...exponents); // far from every centre all would round to 0
    const psi = exponents.map((e) => Math.exp(e - most));
    const total = psi.reduce((sum, value) => sum + value, 0);
    for (let r = 0; r < count; r++) {
      const push = r < 2 ? 0 : ((stiffness * psi[r - 2]) / total) * phase;
      const rate = alpha * ((alpha / 4) * ((r === 1 ? 1 : 0) - y[r]) - z[r]) + push;
      y[r] += dt * z[r];
      z[r] += dt * rate;
    }
    if ((k + 1) % every) continue;
    const point = (k + 1) / every - 1;
    for (let r = 0; r < count; r++) {
      table[r][point] = y[r] - before[r];
      before[r] = y[r];
    }
  }
  for (let r = 0; r < count; r++) table[r][chunk] = z[r];
  let squares = 0;
  for (const row of table.slice(1)) for (const step of row.subarray(0, chunk)) squares += step * step;
  const unit = 1 / Math.sqrt(squares / chunk);
  if (!Number.isFinite(unit)) throw new PolicyFileError(`alpha=${alpha} with chunk=${chunk} gives no path.`);
  return table.map((row, r) => Float32Array.from(row, (value) => (r ? value * unit : value)));
}
