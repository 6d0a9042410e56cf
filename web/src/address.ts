/** The page's address, which follows the settings so that it can be kept or sent. */
import { type Settings, formatSettings } from './settings';

const PAUSE = 400; // ms between two changes: Safari refuses more than 100 in 30 s

export class Address {
  private wanted = '';
  private last = -Infinity;
  private timer = 0;

  /** `page`: address of this page on the site where it stands in a frame, null where there is none; "" for this very page. */
  constructor(private readonly page: string | null) {}

  /** Whether there is an address for others to open. */
  get known(): boolean { return this.page !== null; }

  /** What opens the page with `settings`. */
  of(settings: Settings): string {
    const text = formatSettings(settings);
    return (this.page || location.href.replace(/#.*$/, '')) + (text ? `#${text}` : '');
  }

  /** The browser's line shows `settings`, at once or a little later; in a frame there is no such line. */
  follow(settings: Settings): void {
    if (this.page !== '') return;
    this.wanted = this.of({ ...settings, paused: false });
    const wait = this.last + PAUSE - performance.now();
    if (wait <= 0) this.write();
    else this.timer ||= window.setTimeout(() => this.write(), wait);
  }

  private write(): void {
    clearTimeout(this.timer);
    this.timer = 0;
    this.last = performance.now();
    try {
      history.replaceState(null, '', this.wanted);
    } catch {
      // Refused after too many. The next change tries again, and `of` does not depend on it.
    }
  }
}
