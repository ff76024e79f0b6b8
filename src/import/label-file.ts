/** Reads files with class names, in the common forms. */

import { SenetError } from "../errors.ts";
import { decodeText, linesOf } from "../text-file.ts";

/** More than the number of classes in any data set. */
const mostLabels = 2 ** 20;

/**
 * The names by index. One name per line (`tench`, or `n01440764 tench` with its WordNet id), plain or with numbers
 * (`0,tench`; `tench,0`; `0: 'tench',`; `0 tench`); or JSON: a list, an object keyed by number (with names, or pairs of
 * id and name as in Keras's `imagenet_class_index.json`), or an object of numbers by name (torchvision's
 * `class_to_idx`). Ignores byte order marks, kinds of line endings, and empty lines at the end.
 * @throws SenetError `usage` where the form is unknown, a number or name is missing, or two classes have the same name
 */
export function parseLabels(bytes: Uint8Array, where: string): string[] {
  const text = decodeText(bytes).trim();
  const fail: Fail = (what, found) => {
    throw new SenetError("usage", what, {
      where,
      expected: "one name per line, `0,name` lines, or JSON: a list, or an object by number",
      found: found.slice(0, 200),
    });
  };
  const labels = /^[[{]/.test(text) ? (fromJson(text, fail) ?? fromLines(text, fail)) : fromLines(text, fail);
  if (labels.length > mostLabels) fail("there are more names than classes", `${labels.length} names`);
  const places = new Map<string, number>();
  for (const [i, label] of labels.entries()) {
    if (label === "") fail("a class has no name", `nothing as number ${i}`);
    const before = places.get(label);
    if (before !== undefined && !isTwin(labels, label))
      fail("two classes have the same name", `"${label}", as number ${before} and as number ${i}`);
    places.set(label, i);
  }
  return labels;
}

type Fail = (what: string, found: string) => never;

/**
 * Whether a duplicate is allowed: ImageNet has two cranes and two maillots, whose WordNet ids are added when the file
 * is opened.
 */
const isTwin = (labels: readonly string[], label: string): boolean =>
  labels.length === 1000 && /^(?:crane|maillot)\b/i.test(label);

/** Undefined if it is not JSON, but perhaps a printed Python dict. */
function fromJson(text: string, fail: Fail): string[] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return text.startsWith("{") ? undefined : fail("this is not JSON", text);
  }
  if (Array.isArray(json)) return json.map((entry) => nameOf(entry, fail));
  const entries = Object.entries(json as Record<string, unknown>);
  if (entries.length > 0 && entries.every(([, value]) => typeof value === "number")) {
    return byNumber(
      entries.map(([name, number]) => [number as number, name]),
      fail,
    );
  }
  return byNumber(
    entries.map(([number, value]) => [Number(number), nameOf(value, fail)]),
    fail,
  );
}

/** The name from an entry: a name, or a pair of WordNet id and name. */
function nameOf(entry: unknown, fail: Fail): string {
  if (typeof entry === "string") return entry.trim();
  if (Array.isArray(entry) && entry.length === 2 && entry.every((part) => typeof part === "string")) {
    return entry.join(" ");
  }
  return fail("this is not the name of a class", JSON.stringify(entry) ?? "nothing");
}

/** Forms of lines with numbers; the groups are `i` and `name`. */
const numbered: readonly RegExp[] = [
  /^(?<i>\d+)\s*[,;\t]\s*"?(?<name>.*?)"?$/,
  /^"?(?<name>.*?)"?\s*[,;\t]\s*(?<i>\d+)$/,
  /^\{?\s*(?<i>\d+)\s*:\s*(?<quote>['"]?)(?<name>.*?)\k<quote>\s*,?\s*\}?$/,
  /^(?<i>\d+)\s+(?<name>\S.*)$/,
];

/** Forms of lines without numbers; the group is `name`. */
const marked: readonly RegExp[] = [
  /^-\s+(?<quote>['"]?)(?<name>.*)\k<quote>$/,
  /^(?<quote>['"])(?<name>.*)\k<quote>,?$/,
];

function fromLines(text: string, fail: Fail): string[] {
  const lines = linesOf(text).map((line) => line.trim());
  for (const pattern of numbered) {
    // A table may have a header line.
    for (const rows of [lines, lines.slice(1)]) {
      const found = rows.map((line) => pattern.exec(line)?.groups);
      if (rows.length < 2 || !found.every((groups) => groups !== undefined)) continue;
      const pairs = found.map(({ i, name }): [number, string] => [Number(i), name!.trim()]);
      // In "1 euro", "2 euro" the number is part of the name.
      const isPart = pattern === numbered.at(-1) && firstOf(pairs) === 1;
      if (isWhole(pairs) && !isPart) return byNumber(pairs, fail);
    }
  }
  // YAML may have a key before its list.
  const rows = /^\w+:$/.test(lines[0] ?? "") ? lines.slice(1) : lines;
  for (const pattern of marked) {
    const found = rows.map((line) => pattern.exec(line)?.groups?.name);
    if (rows.length > 0 && found.every((name) => name !== undefined)) return found.map((name) => name.trim());
  }
  return lines;
}

type Pairs = readonly (readonly [number, string])[];

/** The number of the first class: 0, or 1 as MATLAB counts. */
const firstOf = (pairs: Pairs): 0 | 1 => (pairs.some(([number]) => number === 0) ? 0 : 1);

/** Whether the numbers are exactly 0, 1, 2, ..., or 1, 2, 3, ... */
const isWhole = (pairs: Pairs): boolean => {
  const numbers = new Set(pairs.map(([number]) => number));
  return numbers.size === pairs.length && pairs.every(([number]) => number < pairs.length + firstOf(pairs));
};

function byNumber(pairs: Pairs, fail: Fail): string[] {
  const labels = new Array<string>(pairs.length);
  const first = firstOf(pairs);
  for (const [number, name] of pairs) {
    const place = number - first;
    if (!Number.isInteger(place) || place < 0 || place >= pairs.length || labels[place] !== undefined) {
      return fail("the numbers of the classes are not those from 0 up", `${number} among ${pairs.length} classes`);
    }
    labels[place] = name;
  }
  return labels;
}
