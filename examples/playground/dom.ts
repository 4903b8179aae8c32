/** Making and finding elements. */

type Child = Node | string;

/** Properties that an element is made with; `data` and `aria` become attributes. */
export interface Properties {
  readonly className?: string;
  readonly text?: string;
  readonly title?: string;
  readonly attributes?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly style?: Readonly<Record<string, string>>;
  readonly on?: Readonly<Record<string, (event: Event) => void>>;
}

/** Sets attributes; `undefined` and `false` take one away. */
export function setAttributes(
  element: Element,
  attributes: NonNullable<Properties["attributes"]>,
): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Makes an element. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  children: readonly Child[] = [],
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  const { className, text, title, attributes, style, on } = properties;
  if (className !== undefined) element.className = className;
  if (text !== undefined) element.textContent = text;
  if (title !== undefined) element.title = title;
  if (attributes) setAttributes(element, attributes);
  for (const [name, value] of Object.entries(style ?? {})) element.style.setProperty(name, value);
  for (const [name, listener] of Object.entries(on ?? {})) element.addEventListener(name, listener);
  element.append(...children);
  return element;
}

/** Finds an element of the page by its id. */
export function find<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element "${id}"`);
  return element as E;
}

/** Shows a token so that its spaces can be seen; between texts the model has one that begins and ends them. */
export function shown(token: string, border = "⟨start⟩"): string {
  if (token === "<|endoftext|>") return border;
  return token.replaceAll("\n", "⏎").replaceAll(/^ | $/g, "·");
}

/** A token of a text, with its position where the same stands elsewhere too. */
export function placed(tokens: readonly string[], pos: number): string {
  const token = tokens[pos];
  if (token === undefined) return `#${pos}`;
  const isAlone = tokens.indexOf(token) === tokens.lastIndexOf(token);
  return isAlone ? shown(token) : `${shown(token)}\u00a0@${pos}`;
}

/** A number with its sign, as text. */
export function signed(value: number, digits = 2): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** A number with a minus that is as wide as a plus. */
export function plain(value: number, digits = 2): string {
  return value.toFixed(digits).replace("-", "−");
}
