/**
 * Where the parts of a drawn network stand, and which synapses are drawn: course_lib/viz/topology for a narrow page.
 *
 * Coordinates are CSS px, x to the right and y down. Nothing here touches a document.
 */
export interface Network {
  inputs: string[];
  actions: string[];
  neurons: number;
  /** Weights [to, from], row by row: (neurons, inputs), (neurons, neurons), (actions, neurons). */
  inputWeight: Float32Array | null;
  recurrentWeight: Float32Array | null;
  readoutWeight: Float32Array | null;
  note: string;
}

export type Point = [x: number, y: number];

/** Neighbours with one name, or with one name and a number behind it. */
export interface Group {
  label: string;
  first: number;
  last: number;
}

export interface Label {
  lines: string[];
  full: string;
  x: number;
  y: number; // of the middle
  /** Path of the bracket that joins several nodes, and of the line from it to a label that had to give way. */
  bracket: string;
}

export interface Layout {
  width: number;
  height: number;
  font: number; // px, of labels
  radius: number; // of a neuron
  reach: number; // of a finger: half the way to the next neuron at most
  dot: number; // radius of an input
  box: number; // half a side of an action
  inputs: Point[];
  neurons: Point[];
  actions: Point[];
  inputLabels: Label[];
  actionLabels: Label[];
  headings: { text: string; x: number; y: number; anchor: 'start' | 'middle' | 'end' }[];
}

const HEAD = 26;
const FOOT = 8;
const CROWDED = 15; // px between neurons: less is too little to see a value
const EM = 0.57; // mean width of a letter, of the font's size
const clip = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

export function grouped(names: string[]): Group[] {
  const stem = (name: string) => name.replace(/\s*\d+$/, '');
  const groups: Group[] = [];
  names.forEach((name, i) => {
    const group = groups[groups.length - 1];
    if (group && stem(names[group.last]) === stem(name)) group.last = i;
    else groups.push({ label: name, first: i, last: i });
  });
  for (const group of groups) {
    const [first, last] = [names[group.first], names[group.last]];
    if (first !== last) group.label = `${first}–${last.slice(stem(last).length).trim()}`;
  }
  return groups;
}

export const shortened = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, Math.max(most - 1, 1)).trimEnd()}…`;

/** The label in one line, or in two where it is longer than `most` letters and has a gap; cut where nothing helps. */
export function wrapped(label: string, most: number): string[] {
  if (label.length <= most) return [label];
  const gaps = [...label.matchAll(/ /g)].map((match) => match.index);
  if (!gaps.length) return [shortened(label, most)];
  const longest = (gap: number) => Math.max(gap, label.length - gap - 1);
  const full = gaps.filter((gap) => longest(gap) <= most).pop(); // as much as fits on the first line
  const gap = full ?? gaps.reduce((best, at) => (longest(at) < longest(best) ? at : best));
  return [label.slice(0, gap), label.slice(gap + 1)].map((line) => shortened(line, most));
}

/** Heights of `count` nodes around `middle`, with more room between groups of several than within. */
function column(count: number, groups: Group[], middle: number, body: number, most: number): number[] {
  const apart = groups.length < count ? 0.9 : 0;
  const gap = Math.min(most, (body - 16) / Math.max(count - 1 + apart * (groups.length - 1), 1));
  const at: number[] = [];
  groups.forEach((group, g) => {
    for (let i = group.first; i <= group.last; i++) at.push(gap * (i + apart * g));
  });
  const last = at[at.length - 1] ?? 0;
  return at.map((y) => middle + y - last / 2);
}

/** Middles of labels moved as little as needed for none to overlap and none to leave [top, bottom]. */
export function spread(wanted: number[], heights: number[], top: number, bottom: number): number[] {
  const y = wanted.slice();
  for (let i = 0; i < y.length; i++) {
    const least = i ? y[i - 1] + (heights[i - 1] + heights[i]) / 2 : top + heights[0] / 2;
    y[i] = Math.max(y[i], least);
  }
  for (let i = y.length - 1; i >= 0; i--) {
    const most = i < y.length - 1 ? y[i + 1] - (heights[i + 1] + heights[i]) / 2 : bottom - heights[i] / 2;
    y[i] = Math.min(y[i], most);
  }
  return y;
}

/** `count` points at equal distances along an ellipse, clockwise from the top, and that distance. */
export function ellipse(count: number, x: number, y: number, across: number, down: number): [Point[], number] {
  const parts = 720;
  const length = [0];
  const at = (k: number): Point => {
    const angle = (2 * Math.PI * k) / parts - Math.PI / 2;
    return [across * Math.cos(angle), down * Math.sin(angle)];
  };
  for (let k = 1; k <= parts; k++) {
    const [[x0, y0], [x1, y1]] = [at(k - 1), at(k)];
    length.push(length[k - 1] + Math.hypot(x1 - x0, y1 - y0));
  }
  const points: Point[] = [];
  for (let i = 0, k = 0; i < count; i++) {
    const along = (length[parts] * i) / count;
    while (length[k + 1] <= along) k++;
    const [px, py] = at(k + (along - length[k]) / (length[k + 1] - length[k]));
    points.push([x + px, y + py]);
  }
  return [points, length[parts] / count];
}

/** Nodes of a column with names, on the left (side -1) or the right (1) of the drawing. */
function named(names: string[], side: -1 | 1, width: number, middle: number, body: number, font: number) {
  let groups = grouped(names);
  let heights = column(names.length, groups, middle, body, 40);
  const gap = names.length > 1 ? heights[1] - heights[0] : 40;
  if (gap > 1.25 * font) {
    // Numbers behind a name tell nodes apart, where there is room for them.
    groups = groups.flatMap(({ label, first, last }) => {
      if (names[first] === names[last]) return [{ label, first, last }];
      return names.slice(first, last + 1).map((name, i) => ({ label: name, first: first + i, last: first + i }));
    });
    heights = column(names.length, groups, middle, body, 40);
  }
  const most = Math.floor(clip(0.19 * width, 66, 130) / (EM * font));
  const size = side < 0 ? clip(0.38 * gap, 2.2, 6) : clip(0.4 * gap, 3, 6.5);
  const brackets = groups.some(({ first, last }) => last > first) ? 9 : 0;
  const line = 1.14 * font;
  const room = (texts: string[][]) => texts.reduce((sum, lines) => sum + line * lines.length + 1, 0) <= body;
  let texts = groups.map(({ label }) => wrapped(label, most));
  if (!room(texts)) texts = groups.map(({ label }) => [shortened(label, most)]);
  if (!room(texts)) {
    // So many different names that only some of them find room.
    const every = Math.ceil((groups.length * (line + 1)) / body);
    groups = groups.filter((_, g) => g % every === 0);
    texts = texts.filter((_, g) => g % every === 0);
  }
  const longest = Math.max(0, ...texts.flat().map((line) => line.length));
  const margin = Math.max(Math.ceil(EM * font * longest) + brackets + size + 7, EM * font * 7);
  const x = side < 0 ? margin : width - margin;
  const centres = groups.map(({ first, last }) => (heights[first] + heights[last]) / 2);
  const y = spread(centres, texts.map((lines) => line * lines.length + 1), middle - body / 2, middle + body / 2);
  const labels = groups.map(({ label, first, last }, g): Label => {
    const away = (d: number) => x + side * (size + d);
    const many = last > first;
    const [near, far] = [away(3), away(6)];
    const joined = `M${near} ${heights[first] - 1}H${far}V${heights[last] + 1}H${near}`;
    const bracket = many ? `${joined}M${far} ${centres[g]}L${away(9)} ${y[g]}` : '';
    return { lines: texts[g], full: label, x: away(many ? 12 : 6), y: y[g], bracket };
  });
  return { points: heights.map((h): Point => [x, h]), size, labels };
}

/** The shortest way between two of the points. */
export function closest(points: Point[]): number {
  let least = Infinity;
  points.forEach(([x, y], i) => {
    for (let j = 0; j < i; j++) least = Math.min(least, Math.hypot(points[j][0] - x, points[j][1] - y));
  });
  return least;
}

export function layOut(network: Network, width: number): Layout {
  const { inputs, actions, neurons } = network;
  const narrow = width < 480;
  const font = narrow ? 10.5 : 11.5;
  const rows = Math.max(inputs.length, actions.length);
  const body = clip(Math.max(150 + 8.2 * neurons, 7 * rows, 120 + 20 * Math.min(rows, 12)), 215, narrow ? 400 : 430);
  const middle = HEAD + body / 2;
  const left = named(inputs, -1, width, middle, body, font);
  const right = named(actions, 1, width, middle, body, font);
  const [from, to] = [left.points[0]?.[0] ?? 10, right.points[0]?.[0] ?? width - 10];
  const centre = (from + to) / 2;
  let points: Point[];
  let apart: number;
  if (neurons <= 4) {
    apart = Math.min(64, (body - 60) / Math.max(neurons - 1, 1));
    points = Array.from({ length: neurons }, (_, i) => [centre, middle + apart * (i - (neurons - 1) / 2)]);
  } else {
    // Room for synapses on both sides, and at the rim for those of a neuron onto itself.
    const across = Math.min((to - from) / 2 - clip(0.15 * (to - from), 30, 62), 0.62 * body);
    const down = body / 2 - (neurons > 24 ? 18 : 30);
    [points, apart] = ellipse(neurons, centre, middle, across, down);
    if (apart < CROWDED) {
      // Every other neuron steps inwards: twice the room for each.
      const step = 1.15 * apart;
      const inwards = ([x, y]: Point): Point => [
        x + ((centre - x) * step) / Math.min(across, down), y + ((middle - y) * step) / down,
      ];
      points = points.map((point, i) => (i % 2 ? inwards(point) : point));
    }
    apart = closest(points);
  }
  const radius = clip(Math.min(0.34 * apart, 0.075 * (to - from)), Math.min(6.5, 0.42 * apart), 16);
  const head = HEAD - 12;
  return {
    width, height: HEAD + body + FOOT, font, radius, reach: Math.min(apart / 2, Math.max(radius + 4, 14)),
    dot: left.size, box: right.size,
    inputs: left.points, neurons: points, actions: right.points, inputLabels: left.labels, actionLabels: right.labels,
    headings: [
      { text: 'inputs', x: from + left.size, y: head, anchor: 'end' },
      { text: 'neurons', x: centre, y: head, anchor: 'middle' },
      { text: 'actions', x: to - right.size, y: head, anchor: 'start' },
    ],
  };
}
