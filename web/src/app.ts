/** The page: loads what it needs, runs the clock, and brings settings, panes and controls together. */
import { type Engine, Physics, loadEngine } from './physics';
import { Address } from './address';
import { fitPlayers, fitPolicies, hasPushes, hasRates } from './fitting';
import { Player } from './player';
import { loadPolicy } from './policy';
import { type Settings, readSettings } from './settings';
import { type PolicyEntry, type Robot, type Source, sourceOf } from './sources';
import { makeTask } from './tasks/index';
import { observationNames, sensorsOf } from './names';
import { type Abilities, Bar, Panel } from './view/controls';
import { make } from './view/dom';
import { Pane } from './view/pane';
import { Quality, Rest } from './view/quality';

const MOST_BEHIND = 0.25; // s: a page that was asleep goes on from where it was
const TAKERS = 'input, select, textarea, video, [role="button"]';
const BUDGET = 22; // ms of a frame that physics and policy may take

export class App {
  settings: Settings;
  panes: Pane[] = [];
  /** How much of the seconds that its clock should have made it did make of late; 1: it keeps up. */
  pace = 1;
  private readonly trouble = make('p', { class: 'trouble', role: 'alert', hidden: true });
  private readonly place = make('div', { class: 'panes' });
  private bar: Bar | null = null;
  private panel: Panel | null = null;
  private behind = 0;
  private readonly quality = new Quality(() => this.panes.forEach((pane) => pane.simplify()));
  private readonly rest = new Rest();
  private last = 0;
  private building = Promise.resolve();
  private readonly address: Address;
  private readonly theme = matchMedia('(prefers-color-scheme: dark)');

  constructor(private readonly root: HTMLElement, private readonly source: Source, private readonly engine: Engine) {
    this.address = new Address(source.page);
    const begun = readSettings({ ...source.start });
    const asked = source.page === '' ? readSettings(location.hash) : { settings: begun.settings, trouble: [] };
    this.settings = source.page === '' && location.hash ? asked.settings : begun.settings;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (still && !/paused=/.test(location.hash) && !('paused' in (source.start ?? {}))) this.settings.paused = true;
    this.say([...begun.trouble, ...asked.trouble].join(' '));
  }

  get robot(): Robot { return this.source.robot; }
  get dark(): boolean {
    const theme = document.documentElement.dataset.theme; // of the course's site; else the reader's system decides
    return theme ? theme === 'dark' : this.theme.matches;
  }

  async start(): Promise<void> {
    await this.build();
    if (!this.panes.length) return;
    this.listen();
    requestAnimationFrame((now) => {
      this.last = now;
      this.frame(now);
    });
  }

  private entry(key: string): PolicyEntry | undefined {
    return this.robot.policies.find((p) => p.key === key);
  }

  // --- what is on the page ----------------------------------------------------------------------

  /** Panes and controls for the chosen policies; those that were there stay until the new ones are ready. */
  private async build(): Promise<void> {
    const { settings } = this;
    const notes = fitPolicies(settings, this.robot);
    const keys = settings.beside ? [settings.policy, settings.beside] : [settings.policy];
    const made: Pane[] = [];
    try {
      for (const key of keys) made.push(await this.pane(this.entry(key)!, keys.length > 1, made.length > 0));
      notes.push(...fitPlayers(settings, made.map((pane) => pane.player)));
      for (const pane of made) pane.apply(settings);
    } catch (error) {
      for (const pane of made) pane.dispose();
      const [first, second] = this.panes; // what was there before plays on
      if (first) Object.assign(settings, { policy: first.entry.key, beside: second?.entry.key ?? '' });
      this.show();
      this.say((error as Error).message);
      return;
    }
    for (const pane of this.panes) pane.dispose();
    this.panes = made;
    this.place.replaceChildren(...made.map((pane) => pane.root));
    this.place.classList.toggle('two', made.length > 1);
    const abilities = this.abilities();
    const react = {
      set: <Key extends keyof Settings>(key: Key, value: Settings[Key]) => this.set(key, value),
      reset: () => this.reset(),
      push: (direction: -1 | 1) => this.push(direction),
      step: () => this.step(),
      share: () => this.share(),
    };
    this.bar = new Bar(abilities, react);
    this.panel = new Panel(abilities, react);
    const focused = (document.activeElement as HTMLElement | null)?.dataset.setting; // a list in which one was chosen
    this.root.replaceChildren(this.trouble, this.bar.root, this.place, this.panel.root);
    this.show();
    if (focused) this.root.querySelector<HTMLElement>(`[data-setting="${focused}"]`)?.focus();
    for (const pane of made) {
      pane.setDark(this.dark); // colours can be read now that it is on the page
      pane.draw();
    }
    if (notes.length) this.say([this.words, ...notes].join(' ').trim());
    this.root.dataset.ready = settings.policy;
  }

  /** After what is being built now. */
  private rebuild(): void {
    this.building = this.building.then(() => this.build()).catch((error: Error) => this.say(error.message));
  }

  private async pane(entry: PolicyEntry, titled: boolean, beside: boolean): Promise<Pane> {
    const [xml, bytes] = await Promise.all([this.source.text(entry.model), this.source.bytes(entry.file)]);
    const policy = await loadPolicy(entry.file.split('/').pop()!, bytes);
    const task = makeTask(entry.task, entry.options);
    const physics = new Physics(this.engine, xml);
    try {
      const player = new Player(physics, task, policy, this.settings.seed);
      const pane = new Pane(player, entry, {
        dark: this.dark, video: this.source.video, titled, moves: moves(entry.task), beside,
        onHold: (neuron, held) => this.hold(beside ? 'hold_beside' : 'hold', neuron, held),
      });
      return pane;
    } catch (error) {
      physics.free();
      throw error;
    }
  }

  private abilities(): Abilities {
    const { player } = this.panes[0];
    const policies = this.panes.map((pane) => pane.player.policy);
    return {
      policies: this.robot.policies,
      sensors: sensorsOf(observationNames(player.task)),
      rates: hasRates(player),
      pushes: hasPushes(player),
      commands: player.steered !== null,
      neurons: policies.some((policy) => policy.neurons > 0),
      constants: policies.some((policy) => policy.hearsTime),
      turns: !player.steered?.keepsHeading,
      shared: this.address.known,
    };
  }

  /** Bring controls, address and panes to the settings. */
  private show(): void {
    this.rest.wake();
    this.bar?.show(this.settings);
    this.panel?.show(this.settings);
    this.address.follow(this.settings);
  }

  get words(): string { return this.trouble.textContent ?? ''; }

  /** One sentence over the page; "" takes it away. */
  say(text: string): void {
    this.trouble.textContent = text;
    this.trouble.hidden = !text;
  }

  // --- what the reader does -----------------------------------------------------------------------

  set<Key extends keyof Settings>(key: Key, value: Settings[Key]): void {
    this.settings[key] = value;
    this.say('');
    if (key === 'policy' || key === 'beside') {
      this.settings.hold_beside = []; // neurons of another network
      if (key === 'policy') this.settings.hold = [];
      this.rebuild();
      return;
    }
    if (key !== 'paused' && key !== 'speed') for (const pane of this.panes) pane.apply(this.settings);
    this.show();
  }

  private hold(key: 'hold' | 'hold_beside', neuron: number, held: boolean): void {
    const others = this.settings[key].filter(([other]) => other !== neuron);
    this.set(key, held ? [...others, [neuron, 0]] : others);
  }

  reset(): void {
    this.rest.wake();
    for (const pane of this.panes) pane.restart();
    this.behind = 0;
  }

  push(direction: -1 | 1): void {
    this.rest.wake();
    if (!hasPushes(this.panes[0].player)) return; // a key may ask for one
    for (const pane of this.panes) pane.push(direction, this.settings.push);
  }

  /** One control step, with the clock stopped. */
  step(): void {
    if (!this.settings.paused) this.set('paused', true);
    this.rest.wake();
    for (let k = this.panes[0].player.task.frameSkip; k > 0; k--) this.tick();
    for (const pane of this.panes) pane.wait(1);
  }

  private async share(): Promise<void> {
    const address = this.address.of(this.settings);
    try {
      await navigator.clipboard.writeText(address);
      this.say('The link is in the clipboard.');
    } catch {
      this.say(`The link: ${address}`);
    }
  }

  private listen(): void {
    const keys: Record<string, () => void> = {
      ' ': () => this.set('paused', !this.settings.paused),
      r: () => this.reset(),
      '.': () => this.step(),
      s: () => this.set('speed', this.settings.speed === 1 ? 0.25 : 1),
      ArrowLeft: () => this.push(-1),
      ArrowRight: () => this.push(1),
    };
    addEventListener('keydown', (event) => {
      const at = event.target as Element;
      const takes = at.closest?.(event.key === ' ' ? `${TAKERS}, button, a` : TAKERS); // what has keys of its own
      if (takes || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
      event.preventDefault();
      keys[event.key]();
    });
    addEventListener('hashchange', () => {
      const { settings, trouble } = readSettings(location.hash);
      const notes = [...trouble, ...fitPolicies(settings, this.robot)];
      const other = (['policy', 'beside', 'seed'] as const).some((key) => settings[key] !== this.settings[key]);
      if (!other) notes.push(...fitPlayers(settings, this.panes.map((pane) => pane.player)));
      this.settings = settings;
      this.say(notes.join(' '));
      if (other) this.rebuild();
      else for (const pane of this.panes) pane.apply(settings);
      this.show();
    });
    this.rest.listen(this.root, this.place);
    const darker = () => {
      this.rest.wake();
      this.panes.forEach((pane) => pane.setDark(this.dark));
    };
    this.theme.addEventListener('change', darker);
    new MutationObserver(darker).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  }

  // --- the clock ------------------------------------------------------------------------------------

  private frame(now: number): void {
    const passed = Math.min((now - this.last) / 1000, MOST_BEHIND);
    this.last = now;
    try {
      if (!this.settings.paused) this.advance(passed);
      this.bar?.keeps(this.settings.paused ? 1 : this.pace, this.settings.speed);
      const details = this.quality.details(now, this.settings.paused);
      if (!this.settings.paused || this.rest.awake()) for (const pane of this.panes) pane.draw(details);
    } catch (error) {
      // Nothing known ends here; whatever it is, the page says it and stands still instead of failing at every frame.
      this.settings.paused = true;
      this.show();
      this.say(`The player stopped: ${(error as Error).message} Press Reset, then Play.`);
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  private advance(passed: number): void {
    const wanted = passed * this.settings.speed;
    this.behind += wanted;
    const { timestep } = this.panes[0].player.task;
    const until = performance.now() + BUDGET;
    let made = 0;
    while (this.behind >= timestep && performance.now() < until) {
      this.tick();
      this.behind -= timestep;
      made += timestep;
    }
    if (this.behind >= timestep) this.behind = 0; // this machine cannot keep up: slower, not later and later
    if (wanted > 0) this.pace += 0.02 * (Math.min(2, made / wanted) - this.pace);
    for (const pane of this.panes) pane.wait(passed);
  }

  private tick(): void {
    const [first, second] = this.panes;
    const [own, its] = [first.pull(null), second?.pull(null) ?? null];
    first.tick(own ?? (its && first.carried(its, second)));
    second?.tick(its ?? (own && second.carried(own, first)));
  }
}

/** Whether the picture follows the robot. */
function moves(task: string): boolean {
  return task.startsWith('Anymal') || task === 'HalfCheetah-v5';
}

export async function begin(root: HTMLElement): Promise<App | null> {
  const wait = make('p', { class: 'wait', role: 'status' }, 'Loading the physics engine …');
  root.replaceChildren(wait);
  try {
    const source = await sourceOf(root);
    const engine = await loadEngine(await source.wasm());
    const app = new App(root, source, engine);
    await app.start();
    if (!app.panes.length) wait.replaceWith(make('p', { class: 'trouble', role: 'alert' }, app.words));
    return app;
  } catch (error) {
    root.replaceChildren(make('p', { class: 'trouble', role: 'alert' }, (error as Error).message));
    return null;
  }
}

const root = document.getElementById('live');
// For the console and for tests: player.set('gravity', 0.2), player.panes[0].
if (root) void begin(root).then((app) => Object.assign(globalThis, { player: app }));
