/**
 * One policy in one robot: an episode after the other, under conditions that may change at any time. Knows no page, so
 * that tests and measurements run it as the page does.
 */
import type { Physics } from './physics';
import type { Policy } from './policy_base';
import { type Faults, NO_FAULTS, Sensors } from './sensors';
import { Episode, type Outcome, type Pull } from './tasks/episode';
import { AnymalC } from './tasks/anymal_walk';
import { paced } from './tasks/index';
import { Random, type Task } from './tasks/task';

/** How an episode ended. */
export interface Ending {
  seconds: number;
  total: number; // the return
  why: 'fell' | 'over' | 'reset';
  /** MuJoCo's or the policy's trouble; null where there was none. */
  note: string | null;
  success: boolean | null;
}

const APART = 1_000_003; // between the seeds of two episodes' noise: more than seeds that somebody tries in turn

export class Player {
  readonly sensors = new Sensors(new Random(0)); // each episode brings its own
  episode!: Episode;
  /** What the policy saw and did in the last control step, and what that paid. */
  seen: Float64Array = new Float64Array(0);
  action: Float32Array;
  reward = 0;
  /** Called after every control step. */
  onStep: (() => void) | null = null;
  /** How the episode ended; null while it goes on. Nothing moves then, until `begin` or `restart`. */
  over: Ending | null = null;
  private observation: Float64Array = new Float64Array(0);
  private pace = 1;
  private told = true;
  private under = false; // a control step is under way
  private episodes = 0; // since the last `restart`

  constructor(
    readonly physics: Physics,
    private readonly original: Task,
    readonly policy: Policy,
    private readonly seed = 0,
  ) {
    if (original.observationKinds.length !== policy.obsDim || original.actionLow.length !== policy.actDim) {
      const [seen, did] = [original.observationKinds.length, original.actionLow.length];
      throw new Error(
        `${policy.name || 'The policy'} takes ${policy.obsDim} observations and gives ${policy.actDim} actions; ` +
          `${original.id} has ${seen} and accepts ${did}.`,
      );
    }
    this.action = new Float32Array(policy.actDim);
    this.restart();
  }

  get task(): Task { return this.episode.task; }
  /** The task, where the reader can tell it where to go. */
  get steered(): AnymalC | null {
    return this.original instanceof AnymalC ? this.original : null;
  }

  /** s of a control step. */
  get controlStep(): number { return this.task.frameSkip * this.task.timestep; }
  /** s that one step of the cell's own time lasts: that of training, but for neurons that are not told another. */
  get cellStep(): number {
    const told = this.told && this.policy.hearsTime;
    return this.controlStep * this.policy.stepsOfCell * (told ? this.pace : 1);
  }
  /** s since the episode began. */
  get seconds(): number { return this.physics.time; }
  get total(): number { return this.episode.total; }

  /** Control steps in the same time, in those of training. Another rate begins a new episode. */
  get rate(): number { return this.pace; }
  set rate(rate: number) {
    if (rate === this.pace) return;
    paced(this.original, rate); // refuses what is not a rate
    this.pace = rate;
    this.tell();
    this.restart();
  }

  /** Whether the policy's neurons are told how long a control step is. */
  get tells(): boolean { return this.told; }
  set tells(told: boolean) {
    this.told = told;
    this.tell();
  }

  private tell(): void {
    this.policy.dt = this.told ? 1 / this.pace : 1;
  }

  get faults(): Faults { return this.sensors.faults; }
  set faults(faults: Partial<Faults>) {
    this.sensors.faults = { ...NO_FAULTS, ...faults };
  }

  /** The same start states again, from the first. */
  restart(): void {
    const task = paced(this.original, this.pace);
    this.physics.timestep = task.timestep;
    this.episode = new Episode(this.physics, task, this.seed);
    this.episodes = 0;
    this.begin();
  }

  /** The next episode. Its noise is drawn from the seed and its number alone, so that `restart` repeats it. */
  begin(): void {
    this.observation = this.episode.reset();
    this.policy.reset();
    this.sensors.reset(new Random(this.seed + 1 + APART * this.episodes++));
    this.action = new Float32Array(this.policy.actDim);
    this.seen = this.observation;
    this.reward = 0;
    this.under = false;
    this.over = null;
  }

  /** One physics step, with a pull of the reader's; acts first where a control step begins. */
  tick(pull: Pull | null = null): void {
    const { episode, policy } = this;
    if (this.over) return;
    if (!this.under) {
      this.seen = this.sensors.pass(this.observation);
      this.action = policy.act(this.seen);
      if (!this.action.every(Number.isFinite)) {
        this.end('reset', 'The policy gave an action that is not a finite number.');
        return;
      }
      episode.begin(this.action);
      this.under = true;
    }
    episode.pull = pull;
    if (!episode.advance()) return;
    this.under = false;
    const [seconds, total] = [this.physics.time, this.total];
    this.settle(episode.finish(), seconds, total);
  }

  private settle(outcome: Outcome, seconds: number, total: number): void {
    if (outcome.note) {
      // The physics has been reset already: what it was before is what ended.
      this.over = { seconds, total, why: 'reset', note: outcome.note, success: null };
      return;
    }
    this.observation = outcome.observation;
    this.reward = outcome.reward;
    this.policy.rewarded(outcome.reward);
    this.onStep?.();
    if (outcome.terminated) this.end('fell');
    else if (outcome.truncated) this.end('over');
  }

  private end(why: Ending['why'], note: string | null = null): void {
    const success = this.task.success?.(this.episode.state) ?? null;
    this.over = { seconds: this.seconds, total: this.total, why, note, success };
  }
}
