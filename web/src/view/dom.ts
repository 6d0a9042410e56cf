/** Elements, briefly. */
type Child = Node | string | null;

/** `make('button', { class: 'play', onclick: play }, 'Play')`: functions are listeners, the rest attributes. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  traits: Record<string, unknown> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(traits)) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value as EventListener);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}
