/** What becomes of an observation on its way to the policy. Port of the sensors of course_lib/envs/engine/disturbed.py. */
import { Random } from './tasks/task';

export interface Faults {
  /** Standard deviation of Gaussian noise on each entry, in its own unit. */
  noise: number;
  /** Entries that read 0. */
  dead: ReadonlySet<number>;
  /** Control steps by which observations are late. */
  delay: number;
  /** Share of control steps in which nothing arrives, and the observation before is seen again. */
  drop: number;
}

export const NO_FAULTS: Faults = { noise: 0, dead: new Set(), delay: 0, drop: 0 };

/** Readings pass through noise, dead, delay and drop, in this order. The first of an episode always arrives. */
export class Sensors {
  faults: Faults = NO_FAULTS;
  private late: Float64Array[] = []; // readings under way, oldest first
  private last: Float64Array | null = null; // what was seen last

  constructor(private random: Random) {}

  /** A new episode: nothing is under way. `random` draws its noise and its losses. */
  reset(random: Random): void {
    this.random = random;
    this.late = [];
    this.last = null;
  }

  /** What the task tells -> what the policy sees. */
  pass(observation: Float64Array): Float64Array {
    const { noise, dead, delay, drop } = this.faults;
    let seen: Float64Array = observation.map((value, i) => (dead.has(i) ? 0 : noise ? value + noise * this.random.normal() : value));
    this.late.push(seen);
    // A delay that the reader has just changed shows at once: of a longer one the oldest reading is seen again.
    this.late.splice(0, Math.max(0, this.late.length - 1 - delay));
    seen = this.late[0];
    if (this.last && drop && this.random.next() < drop) seen = this.last;
    this.last = seen;
    return seen;
  }
}
