/** What to leave out: where pictures take long, and where nothing changes. Without a graphics card every change costs. */
import type { Details } from './pane';

const SLOW = 28; // ms from frame to frame: from there on graph and charts are drawn less often than the robot,
const SELDOM = 150; // one of them every so many ms
const VERY_SLOW = 40; // ms from frame to frame: if it is so for longer than
const PATIENCE = 1500; // ms, the robot's picture becomes plainer
const LINGER = 1000; // ms after the last thing that somebody did, in which a stopped clock's picture is still drawn
const HANDLED = [
  'pointerdown', 'pointermove', 'pointercancel', 'lostpointercapture', 'wheel', 'input', 'webglcontextrestored',
];
const AWAY = 250; // ms: the page was loading, or asleep in another tab, and this frame tells nothing about the machine

export class Quality {
  private interval = 16; // ms from frame to frame, of late
  private last = 0; // ms: the last frame,
  private detailed = 0; // the last one with graph or charts,
  private fast = 0; // the last one that was not slow
  private turn: Details = 'charts';

  /** `simplify` makes the picture plainer by one step. */
  constructor(private readonly simplify: () => void) {}

  /** What this frame draws beside the robot: a pull at it is to be seen first. */
  details(now: number, paused: boolean): Details {
    if (now - this.last > AWAY) this.last = this.fast = now - this.interval;
    this.interval += 0.1 * (Math.min(now - this.last, 200) - this.interval);
    this.last = now;
    if (this.interval < SLOW || paused) {
      this.fast = now;
      return 'all';
    }
    if (now - this.fast > PATIENCE && this.interval > VERY_SLOW) {
      this.simplify();
      this.fast = now;
    }
    if (now - this.detailed < SELDOM) return 'none';
    this.detailed = now;
    this.turn = this.turn === 'graph' ? 'charts' : 'graph';
    return this.turn;
  }
}

/** With the clock stopped, a picture changes only after what somebody does: until then nothing is drawn. */
export class Rest {
  private until = 0; // ms

  wake(): void { this.until = performance.now() + LINGER; }

  awake(): boolean { return performance.now() < this.until; }

  /** Wake with what happens on the page, or to the size of `place`. */
  listen(root: HTMLElement, place: HTMLElement): void {
    const wake = () => this.wake();
    for (const kind of HANDLED) root.addEventListener(kind, wake, { capture: true, passive: true });
    for (const kind of ['keydown', 'pointerup', 'visibilitychange']) document.addEventListener(kind, wake); // outside of it, too
    addEventListener('blur', wake); // which ends a pull
    new ResizeObserver(wake).observe(place);
  }
}
