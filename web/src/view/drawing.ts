/**
 * What graph and charts share: the course's colours (course_lib/viz/style.py), numbers in words, elements, style sheet.
 *
 * The page gives its colours as --ink, --paper, --muted, --positive, --negative, --accent. Without them the course's
 * own are taken, lighter on a dark page, by the page's `color-scheme`.
 */
export const COLOURS = {
  ink: 'var(--ink, currentColor)',
  paper: 'var(--paper, Canvas)',
  muted: 'var(--muted, #7a828c)',
  positive: 'var(--positive, light-dark(#b2182b, #ef8a62))',
  negative: 'var(--negative, light-dark(#2166ac, #67a9cf))',
  accent: 'var(--accent, light-dark(#0072b2, #56b4e9))',
};
export type Colour = keyof typeof COLOURS;

/** Okabe and Ito (2008) as in style.py, and the same hues for a dark page. */
export const CATEGORICAL = {
  light: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00', '#444444'],
  dark: ['#56b4e9', '#f08a3c', '#2fc08f', '#e09cc0', '#9ad2f2', '#f0c04a', '#b8bec6'],
};
/** After seven lines the colours come again, dashed. */
export const DASHES: number[][] = [[], [5, 3]];

export const clip = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/**
 * A number as a reader sees it: a true minus, thousands as k, and two or three figures of a number as large as `scale`,
 * so that one that moves about zero does not change its length.
 */
export function said(value: number, scale = value): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : '−∞';
  const [size, most] = [Math.abs(value), Math.max(Math.abs(scale), Math.abs(value))];
  let text: string;
  if (size >= 999_500) text = size.toExponential(1).replace('e+', 'e');
  else if (size >= 9999.5) text = `${Math.round(size / 1000)}k`;
  else if (most >= 0.0995 || most < 1e-6) text = size.toFixed(most >= 99.5 ? 0 : most >= 9.95 ? 1 : 2);
  else text = size.toFixed(1 - Math.floor(Math.log10(most)));
  return value < 0 && Number.parseFloat(text) !== 0 ? `−${text}` : text;
}

type Attributes = Record<string, string | number>;

/** A new SVG element, put into `parent`. */
export function drawn<Tag extends keyof SVGElementTagNameMap>(
  parent: Element, tag: Tag, attributes: Attributes = {}, text = '',
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

/** A new HTML element, put into `parent`. */
export function written<Tag extends keyof HTMLElementTagNameMap>(
  parent: Element, tag: Tag, className = '', text = '',
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

const SHEET = `
.lv-graph,.lv-chart{${Object.entries(COLOURS).map(([name, value]) => `--lv-${name}:${value}`).join(';')};
color:var(--lv-ink);font:12.5px/1.4 system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;min-width:0}
.lv-graph p{margin:0;min-height:1.4em}
.lv-graph .lv-said{font-variant-numeric:tabular-nums}
.lv-graph{display:flex;flex-direction:column}.lv-narrow .lv-said{order:1;min-height:2.8em!important}
.lv-graph .lv-legend,.lv-graph .lv-note{color:var(--lv-muted);font-size:11.5px}
.lv-graph .lv-only{padding:10px 0}
.lv-graph b{font-weight:600}.lv-graph b.up{color:var(--lv-positive)}.lv-graph b.down{color:var(--lv-negative)}
.lv-stage{position:relative;overflow:hidden}
.lv-stage svg{display:block;position:absolute;left:0;top:0}
.lv-edges{will-change:transform;pointer-events:none}
.lv-edges .e{stroke-linecap:round}
.lv-edges .up{fill:var(--lv-positive)}.lv-edges .down{fill:var(--lv-negative)}
.lv-edges .loop{fill:none}
.lv-edges .loop.up{stroke:var(--lv-positive)}.lv-edges .loop.down{stroke:var(--lv-negative)}
.lv-some .lv-all{opacity:.09}
.lv-nodes text{fill:var(--lv-ink);font-family:inherit;pointer-events:none;user-select:none;-webkit-user-select:none}
.lv-nodes .name{pointer-events:auto}.lv-nodes .heading{fill:var(--lv-muted)}
.lv-nodes .bracket{fill:none;stroke:var(--lv-muted);stroke-width:1}
.lv-nodes .paper{fill:var(--lv-paper)}
.lv-nodes .v.up{fill:var(--lv-positive)}.lv-nodes .v.down{fill:var(--lv-negative)}
.lv-nodes .rim{fill:none;stroke:var(--lv-muted);stroke-width:1}
.lv-neuron{cursor:pointer;outline:none!important;-webkit-tap-highlight-color:transparent;touch-action:manipulation}
.lv-neuron .hit{fill:transparent}
.lv-neuron .ring{fill:none;stroke:var(--lv-ink)}
.lv-neuron .halo{fill:none;stroke:none;stroke-width:2}
.lv-neuron:hover .halo{stroke:var(--lv-muted);stroke-width:1.2}
.lv-neuron:focus-visible .halo{stroke:var(--lv-accent);stroke-width:2}
.lv-neuron .cross{display:none;fill:none;stroke:var(--lv-ink);stroke-width:1.6;stroke-linecap:round}
.lv-neuron.held .ring{stroke:var(--lv-accent);stroke-width:2;stroke-dasharray:3 2.2}
.lv-neuron.held .cross{display:inline}.lv-neuron.held text{display:none}
.lv-chart .lv-head{display:flex;justify-content:space-between;gap:10px;height:1.4em;overflow:hidden}
.lv-chart .lv-title{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.lv-chart .lv-now{white-space:nowrap;flex:none;font-variant-numeric:tabular-nums}
.lv-chart .lv-now span{margin-left:9px}.lv-chart .lv-unit{color:var(--lv-muted)}
.lv-chart canvas{display:block;width:100%}
`;

/** See that the style sheet is in the document, or in the shadow tree, that `host` stands in. */
export function styled(host: Element): void {
  const root = host.getRootNode();
  const place = root instanceof ShadowRoot ? root : document.head;
  if (place.querySelector('style[data-lv]')) return;
  const sheet = document.createElement('style');
  sheet.dataset.lv = '';
  sheet.textContent = SHEET;
  place.append(sheet);
}
