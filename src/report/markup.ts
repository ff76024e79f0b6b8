/**
 * Injection-safe HTML and SVG: everything inserted into a template is escaped, unless it is markup itself.
 *
 * Class names come from folder names and may contain anything; this makes it impossible to forget escaping one.
 */

/** Text known to be well-formed markup. Only `html` and `raw` create it. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Values in a template: text (escaped), numbers, markup, lists of these; `undefined` gives nothing. */
export type Content = string | number | Markup | undefined | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for use between tags and inside quoted attributes. Control characters, which HTML forbids, become `�`. */
const escapeText = (text: string): string =>
  text
    .replace(/[&<>"']/g, (character) => entities[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be replaced
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd");

/** A template of markup: html`<b>${name}</b>` */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + render(values[i - 1]) + part));
}

/** Marks our own text (a style sheet) as markup. Never for text from outside. */
export const raw = (text: string): Markup => new Markup(text);

function render(content: Content): string {
  if (content === undefined) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "number") return String(content);
  if (typeof content === "string") return escapeText(content);
  return content.map(render).join("");
}
