/** What the reader sets, as buttons, sliders and lists. Knows settings, not what they do. */
import type { PolicyEntry } from '../sources';
import { COMMANDS, RANGES, type Ranged, type Settings } from '../settings';
import { RATES } from '../tasks/paced';
import { make } from './dom';

export interface Abilities {
  policies: PolicyEntry[];
  sensors: { name: string; entries: number[] }[];
  rates: boolean;
  pushes: boolean;
  commands: boolean;
  neurons: boolean;
  constants: boolean; // neurons that hear how long a control step is
  shared: boolean; // there is an address for others to open
  turns: boolean; // the reader tells the turning rate, not a pilot who keeps the heading
}

export interface Reactions {
  set<Key extends keyof Settings>(key: Key, value: Settings[Key]): void;
  reset(): void;
  push(direction: -1 | 1): void;
  step(): void;
  share(): void;
}

const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const COMMAND_NAMES = [['forward', 'm/s'], ['left', 'm/s'], ['turn', 'rad/s']];

/** What stands above the robot: the clock and the push. */
export class Bar {
  readonly root: HTMLElement;
  private readonly play: HTMLButtonElement;
  private readonly speed: HTMLSelectElement;
  private readonly other = make('option'); // a speed that is not in the list
  private readonly slow = make('span', { class: 'slow' });
  private paused = false;

  constructor(can: Pick<Abilities, 'pushes' | 'shared'>, react: Reactions) {
    this.play = make('button', { class: 'play', onclick: () => react.set('paused', !this.paused) });
    this.speed = make('select', {
      'aria-label': 'speed of the clock', title: 'speed of the clock',
      onchange: () => react.set('speed', Number(this.speed.value)),
    });
    for (const speed of SPEEDS) this.speed.append(make('option', { value: speed }, `${speed}×`));
    const push = (direction: -1 | 1, arrow: string, key: string) =>
      make('button', { class: 'push', title: `push (${key})`, onclick: () => react.push(direction) }, arrow);
    this.root = make('div', { class: 'bar', role: 'toolbar', 'aria-label': 'clock and pushes' },
      this.play,
      make('button', { title: 'one control step (.)', onclick: () => react.step() }, 'Step'),
      make('button', { title: 'start again (r)', onclick: () => react.reset() }, 'Reset'),
      this.speed,
      this.slow,
      ...(can.pushes ? [push(-1, '◀ Push', '←'), push(1, 'Push ▶', '→')] : []),
      can.shared
        ? make('button', { class: 'share', title: 'copy a link to this page with these settings', onclick: () => react.share() }, 'Link')
        : null,
    );
  }

  show(settings: Settings): void {
    this.paused = settings.paused;
    this.play.textContent = settings.paused ? 'Play' : 'Pause';
    this.play.title = `${settings.paused ? 'go on' : 'stop the clock'} (space)`;
    const { speed } = settings;
    this.other.remove();
    if (!SPEEDS.includes(speed)) {
      this.other.value = String(speed);
      this.other.textContent = `${speed}×`;
      this.speed.append(this.other);
    }
    this.speed.value = String(speed);
  }

  /** Says where the machine makes only a `share` of what the clock's `speed` asks for. */
  keeps(share: number, speed: number): void {
    const words = share < 0.9 ? `runs at ${(share * speed).toFixed(share * speed < 0.95 ? 2 : 1)}×` : '';
    if (words !== this.slow.textContent) this.slow.textContent = words;
  }
}

/** Everything else, in groups. `show` sets all controls to settings, also those that an address or a key has set. */
export class Panel {
  readonly root: HTMLElement;
  private readonly shows: ((settings: Settings) => void)[] = [];

  constructor(private readonly can: Abilities, private readonly react: Reactions) {
    const groups = [
      this.group('Policies', this.list('policy', 'plays', can.policies), this.list('beside', 'beside it', can.policies, 'nothing')),
      can.commands ? this.group('Command', ...this.commands()) : null,
      can.neurons ? this.group('Neurons', this.neurons()) : null,
      this.group('World',
        this.slider('gravity', 'gravity', (v) => `${v.toFixed(2)} × Earth's`),
        this.slider('friction', 'friction', (v) => `${v.toFixed(2)} ×`),
        can.pushes ? this.slider('push', 'a push', (v) => `${v.toFixed(1)} × its weight`) : null,
      ),
      can.rates ? this.group('Clock of the policy', this.rate(), can.constants ? this.told() : null) : null,
      this.group('Sensors',
        this.slider('noise', 'noise', (v) => `sd ${v.toFixed(2)}`),
        make('p', { class: 'hint' }, "The noise is in each sensor's own unit."),
        this.slider('drop', 'lost', (v) => `${Math.round(100 * v)} %`),
        this.slider('delay', 'late by', (v) => `${v} control step${v === 1 ? '' : 's'}`),
        this.blind(),
      ),
    ];
    this.root = make('form', { class: 'panel', onsubmit: (event: Event) => event.preventDefault() }, ...groups);
  }

  show(settings: Settings): void {
    for (const show of this.shows) show(settings);
  }

  private group(title: string, ...controls: (Node | null)[]): HTMLElement {
    return make('fieldset', {}, make('legend', {}, title), ...controls);
  }

  private slider(key: Ranged, label: string, say: (value: number) => string): HTMLElement {
    const { least, most, step } = RANGES[key];
    const input = make('input', {
      type: 'range', min: least, max: most, step, 'data-setting': key,
      oninput: () => this.react.set(key, Number(input.value)),
    });
    const output = make('output');
    this.shows.push((settings) => {
      input.value = String(settings[key]);
      output.textContent = say(settings[key]);
      input.setAttribute('aria-valuetext', output.textContent);
    });
    return make('label', { class: 'slider' }, make('span', {}, label), input, output);
  }

  private list(key: 'policy' | 'beside', label: string, entries: PolicyEntry[], none?: string): HTMLElement {
    const select = make('select', { 'data-setting': key, onchange: () => this.react.set(key, select.value) });
    if (none) select.append(make('option', { value: '' }, none));
    for (const { key: value, title } of entries) select.append(make('option', { value }, title));
    this.shows.push((settings) => (select.value = settings[key]));
    return make('label', { class: 'choice' }, make('span', {}, label), select);
  }

  private rate(): HTMLElement {
    const select = make('select', { 'data-setting': 'rate', onchange: () => this.react.set('rate', Number(select.value)) });
    for (const rate of RATES) select.append(make('option', { value: rate }, rate === 1 ? 'as in training' : `${rate} × as often`));
    this.shows.push((settings) => (select.value = String(settings.rate)));
    return make('label', { class: 'choice' }, make('span', {}, 'it acts'), select);
  }

  private told(): HTMLElement {
    return this.tick('told', 'the neurons know how long a step is');
  }

  private tick(key: 'told', label: string): HTMLElement {
    const input = make('input', { type: 'checkbox', 'data-setting': key, onchange: () => this.react.set(key, input.checked) });
    this.shows.push((settings) => (input.checked = settings[key]));
    return make('label', { class: 'tick' }, input, make('span', {}, label));
  }

  private neurons(): HTMLElement {
    const free = make('button', {
      type: 'button',
      onclick: () => {
        this.react.set('hold', []);
        this.react.set('hold_beside', []);
      },
    }, 'Let all go');
    const words = make('p', { class: 'hint' }, 'Click a neuron in the graph to hold it at 0.');
    const told = (held: Settings['hold']) => held.map(([neuron, at]) => (at ? `${neuron} at ${at}` : neuron)).join(', ');
    this.shows.push(({ hold, hold_beside }) => {
      free.disabled = !hold.length && !hold_beside.length;
      const parts = [hold.length ? told(hold) : '', hold_beside.length ? `${told(hold_beside)} of the second policy` : ''].filter(Boolean);
      words.textContent = parts.length ? `Held: ${parts.join('; ')}.` : 'Click a neuron in the graph to hold it at 0.';
    });
    return make('div', {}, words, free);
  }

  private commands(): HTMLElement[] {
    let told: number[] = [];
    const inputs = COMMANDS.map(([least, most], i) =>
      make('input', {
        type: 'range', min: least, max: most, step: 0.05, value: 0, 'data-setting': 'command', disabled: i === 2 && !this.can.turns,
      }),
    );
    const own = make('input', { type: 'checkbox' });
    const set = (moved?: number) => {
      const value = (input: HTMLInputElement, i: number) => (told.length && i !== moved ? told[i] : Number(input.value));
      this.react.set('command', own.checked ? [] : inputs.map(value)); // a slider that was not moved may not reach so far
    };
    own.addEventListener('change', () => set());
    const rows = COMMAND_NAMES.map(([name, unit], i) => {
      const output = make('output');
      inputs[i].addEventListener('input', () => {
        own.checked = false;
        set(i);
      });
      this.shows.push((settings) => {
        told = settings.command;
        if (told.length) inputs[i].value = String(told[i]);
        output.textContent = told.length ? `${told[i].toFixed(2)} ${unit}` : '–';
      });
      return make('label', { class: 'slider' }, make('span', {}, name), inputs[i], output);
    });
    this.shows.push((settings) => (own.checked = settings.command.length === 0));
    return [...rows, make('label', { class: 'tick' }, own, make('span', {}, 'as the episode draws them'))];
  }

  private blind(): HTMLElement {
    let dead: number[] = [];
    const boxes = this.can.sensors.map(({ name, entries }) => {
      const input = make('input', { type: 'checkbox', 'data-sensor': name });
      input.addEventListener('change', () => {
        const others = dead.filter((i) => !entries.includes(i));
        this.react.set('dead', (input.checked ? [...others, ...entries] : others).sort((a, b) => a - b));
      });
      this.shows.push((settings) => (input.checked = entries.every((i) => settings.dead.includes(i))));
      return make('label', { class: 'chip' }, input, make('span', {}, name));
    });
    this.shows.push((settings) => (dead = settings.dead));
    return make('div', { class: 'chips', role: 'group', 'aria-label': 'blind sensors' }, make('span', { class: 'hint' }, 'Blind:'), ...boxes);
  }
}
