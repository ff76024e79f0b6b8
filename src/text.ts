/** Makes text from outside (names, labels, paths, other programs' messages) safe and short enough to show to a person. */

/**
 * Characters that move a terminal's cursor, change its colours or title, or reorder the text around them: control
 * characters (including ESC, line breaks, C1 and DEL), line and paragraph separators, zero-width and direction marks.
 */
export const unprintable =
  /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The UTF-16 units of a character as JavaScript and JSON write them: `\u001b`. */
export const escaped = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");

/** The text on one line, safe for a terminal: unprintable characters become escapes (`\n`, `\u001b`). */
export const oneLine = (text: string): string =>
  text.replace(unprintable, (character) => short[character] ?? escaped(character));

/** Shortens the text to one line of at most `limit` characters; the middle is replaced by the text's length. */
export function cut(text: string, limit: number): string {
  // Only the ends are cleaned: a text may be as long as a file.
  const line = text.length > 4 * limit ? undefined : oneLine(text);
  if (line !== undefined && line.length <= limit) return line;
  const gone = ` ... (${text.length} characters) ... `;
  const head = Math.ceil((limit - gone.length) / 2);
  const tail = Math.floor((limit - gone.length) / 2);
  const start = oneLine(text.slice(0, limit)).slice(0, head);
  const end = oneLine(text.slice(-limit)).slice(-tail);
  // No half of a surrogate pair at the seams.
  return `${start.replace(/[\ud800-\udbff]$/, "")}${gone}${end.replace(/^[\udc00-\udfff]/, "")}`;
}

/** `a, b, c and 997 more` */
export function listed(names: Iterable<string>, most = 10): string {
  const all = [...names];
  const shown = all.slice(0, most).map((name) => cut(name, 60));
  return all.length > shown.length ? `${shown.join(", ")} and ${all.length - shown.length} more` : shown.join(", ");
}

/** How many rows of an 80-column terminal the line takes. */
export const rowsOf = (line: string): number => Math.max(1, Math.ceil(line.length / 80));

/** The lines that fit into `rows` rows of a terminal; a last line counts the rest. */
export function fitted(lines: readonly string[], rows: number, indent: number): string[] {
  const shown = lines.slice(0, rows).map((line) => cut(line, 2 * 80 - indent));
  const taken = shown.map((line) => rowsOf(" ".repeat(indent) + line));
  const fits = (n: number, spare: number) =>
    taken.slice(0, n).reduce((sum, rowsTaken) => sum + rowsTaken, spare) <= rows;
  if (shown.length === lines.length && fits(lines.length, 0)) return shown;
  let n = shown.length;
  while (n > 1 && !fits(n, 1)) n--;
  return [...shown.slice(0, n), `and ${lines.length - n} more`];
}

const mostShown = 80;

/** The value's JSON for an error message, cut off where it is long. */
export function shownValue(value: unknown): string {
  const text = value === undefined ? "nothing" : startOfJson(value, mostShown);
  return text.length > mostShown ? `${text.slice(0, mostShown)}...` : text;
}

/**
 * Stops once there are more than `room` characters. `JSON.stringify` would first write all of a hostile value, which may
 * be cyclic or not fit into memory: from version 26 on Node has no limit to how deeply it goes.
 */
function startOfJson(value: unknown, room: number): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, room + 1));
  if (typeof value === "number") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  let text = "";
  const add = (name: string, item: unknown) => {
    text += `${text === "" ? "" : ","}${name}`;
    text += startOfJson(item, room - text.length - 1);
  };
  // By index, since `in` would first list all of an array's.
  if (Array.isArray(value)) for (let i = 0; i < value.length && text.length < room; i++) add("", value[i]);
  else
    for (const key in value) {
      if (text.length >= room) break;
      add(`${startOfJson(key, room)}:`, value[key as keyof typeof value]);
    }
  return Array.isArray(value) ? `[${text}]` : `{${text}}`;
}
