/** Settings and weights of a policy as its file has them; each is checked when it is asked for. */
import { PolicyFileError, type Tensor, isRecord } from './safetensors';

/** A table of settings: plain JSON values under names. */
export class Settings {
  /** `place` stands before a name in sentences, such as "cell.". */
  constructor(private readonly values: Record<string, unknown>, private readonly place = '') {}

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  without(name: string): Settings {
    return new Settings({ ...this.values, [name]: undefined }, this.place);
  }

  count(name: string, otherwise?: number, least = 1, most = 1e6): number {
    const value = this.has(name) ? this.values[name] : otherwise;
    if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw this.refusal(name, `a whole number from ${least} to ${most}`);
  }

  number(name: string, otherwise: number): number {
    const value = this.has(name) ? this.values[name] : otherwise;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.refusal(name, 'a finite number');
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.has(name) ? this.values[name] : otherwise;
    if (typeof value === 'boolean') return value;
    throw this.refusal(name, 'true, false');
  }

  choice<Name extends string>(name: string, valid: readonly Name[], otherwise?: Name): Name {
    const value = this.has(name) ? this.values[name] : otherwise;
    if (valid.includes(value as Name)) return value as Name;
    throw this.refusal(name, valid.map((v) => JSON.stringify(v)).join(', '));
  }

  counts(name: string, otherwise: number[]): number[] {
    const value = this.has(name) ? this.values[name] : otherwise;
    if (Array.isArray(value) && value.length <= 16 && value.every((n) => Number.isSafeInteger(n) && n >= 1 && n <= 1e6)) {
      return value as number[];
    }
    throw this.refusal(name, 'a list of at most 16 whole numbers from 1 on');
  }

  table(name: string): Settings {
    const value = this.has(name) ? this.values[name] : {};
    if (isRecord(value)) return new Settings(value, `${this.place}${name}.`);
    throw this.refusal(name, 'a table of settings');
  }

  refusal(name: string, accepted: string): PolicyFileError {
    const came = JSON.stringify(this.values[name])?.slice(0, 100) ?? 'missing';
    return new PolicyFileError(`${this.place}${name}=${came} is not accepted; accepted: ${accepted}.`);
  }
}

// Settings that stood beside each other before those of a cell and of a plan became tables of their own.
const CELL = ['neurons', 'encoder', 'feedthrough', 'critic', 'critic_neurons', 'layers', 'remember', 'previous_action',
  'previous_reward']; // prettier-ignore
const PLAN = ['chunk', 'trajectory', 'dofs', 'basis', 'alpha', 'explore', 'heads'];

/** Settings of today or from before there were such tables, as they are written today (`nested` in saved.py). */
export function nested(flat: Record<string, unknown>): Record<string, unknown> {
  if (flat.cell === undefined || isRecord(flat.cell)) return flat;
  const moved = new Set([...CELL, ...PLAN, 'cell', 'cell_options']);
  const pick = (names: string[]) => Object.fromEntries(names.filter((n) => n in flat).map((n) => [n, flat[n]]));
  const settings: Record<string, unknown> = Object.fromEntries(Object.entries(flat).filter(([name]) => !moved.has(name)));
  settings.cell = { name: flat.cell, options: flat.cell_options ?? {}, ...pick(CELL) };
  if (PLAN.some((name) => name in flat)) settings.plan = pick(PLAN);
  return settings;
}

/** The tensors of a file under their names; what is never asked for is found out by `finish`. */
export class Weights {
  private constructor(
    private readonly tensors: Map<string, Tensor>,
    private readonly asked: Set<string>,
    private readonly place: string,
  ) {}

  static of(tensors: Map<string, Tensor>): Weights {
    return new Weights(tensors, new Set(), '');
  }

  /** Those whose names begin with `place` and a dot. */
  within(place: string): Weights {
    return new Weights(this.tensors, this.asked, `${this.place}${place}.`);
  }

  single(name: string, ...shape: number[]): Float32Array {
    return this.take(name, 'F32', shape) as Float32Array;
  }

  double(name: string, ...shape: number[]): Float64Array {
    return this.take(name, 'F64', shape) as Float64Array;
  }

  /** Let lie what begins with `place` and a dot: weights that learning needs and acting does not. */
  skip(place: string): void {
    for (const name of this.tensors.keys()) if (name.startsWith(`${this.place}${place}.`)) this.asked.add(name);
  }

  /** Refuse tensors that nobody has asked for. */
  finish(): void {
    const extra = [...this.tensors.keys()].filter((name) => !this.asked.has(name)).sort();
    if (extra.length) throw new PolicyFileError(`it has too much: ${extra.slice(0, 5).join(', ')}.`);
  }

  private take(name: string, dtype: 'F32' | 'F64', shape: number[]): Float32Array | Float64Array {
    const whole = this.place + name;
    const tensor = this.tensors.get(whole);
    if (!tensor) throw new PolicyFileError(`it lacks ${whole}.`);
    this.asked.add(whole);
    const [came, accepted] = [[tensor.dtype, tensor.shape], [dtype, shape]].map(([t, s]) => `${t} (${s})`);
    if (came !== accepted) throw new PolicyFileError(`${whole} is ${came} and must be ${accepted}.`);
    return tensor.data;
  }
}
