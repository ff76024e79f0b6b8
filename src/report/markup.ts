/**
 * HTML and SVG text that cannot be broken into: whatever is put into a template is escaped, unless it is markup itself.
 *
 * Class names come from folder names and may hold anything; with this, forgetting to escape one is not possible.
 */

/** Text that is known to be well-formed markup. Only `html` and `raw` make it. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What a template takes: text (escaped), numbers, markup, lists of these; nothing for `undefined`. */
export type Content = string | number | Markup | undefined | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for use between tags and inside quoted attributes. Control characters, which HTML forbids, become `�`. */
export const escapeText = (text: string): string =>
  text
    .replace(/[&<>"']/g, (character) => entities[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be replaced
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "\ufffd");

/** A template of markup: html`<b>${name}</b>` */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.reduce((text, part, i) => text + render(values[i - 1]) + part));
}

/** Marks text of our own (a style sheet) as markup. Never for text from outside. */
export const raw = (text: string): Markup => new Markup(text);

function render(content: Content): string {
  if (content === undefined) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "number") return String(content);
  if (typeof content === "string") return escapeText(content);
  return content.map(render).join("");
}
