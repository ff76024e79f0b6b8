/** Brace patterns, as shells and WebDataset write them: `train-{0000..0146}.tar`, `{train,val}-0.tar`. */

import { SenetError } from "../errors.ts";

/** More than the number of files in any data set. */
const mostFiles = 100_000;

export const hasBraces = (text: string): boolean => groupIn(text) !== undefined;

/**
 * Expands a pattern, in order. `{a,b}` are alternatives, which may contain braces; `{8..11}` are numbers, and
 * `{008..011}` numbers of that many digits; any other text stands for itself.
 * @throws SenetError `usage` where there are more than 100,000 results
 */
export function expandBraces(pattern: string): string[] {
  const group = groupIn(pattern);
  if (group === undefined) return [pattern];
  const ends = expandBraces(group.after);
  const found: string[] = [];
  for (const alternative of group.alternatives.flatMap((one) => numbersOf(one, pattern) ?? expandBraces(one))) {
    if (found.length + ends.length > mostFiles) throw tooMany(pattern);
    for (const end of ends) found.push(`${group.before}${alternative}${end}`);
  }
  return found;
}

interface Group {
  readonly before: string;
  /** For a range, a single one: the range with its braces. */
  readonly alternatives: readonly string[];
  readonly after: string;
}

/** The first pair of braces that contains a comma or a range. */
function groupIn(text: string): Group | undefined {
  for (let start = text.indexOf("{"); start >= 0; start = text.indexOf("{", start + 1)) {
    const commas: number[] = [];
    let depth = 0;
    for (let at = start; at < text.length; at++) {
      if (text[at] === "{") depth++;
      else if (text[at] === "," && depth === 1) commas.push(at);
      else if (text[at] === "}" && --depth === 0) {
        const inside = text.slice(start + 1, at);
        if (commas.length === 0 && !rangePattern.test(inside)) break;
        const bounds = [start, ...commas, at];
        return {
          before: text.slice(0, start),
          alternatives:
            commas.length === 0 ? [`{${inside}}`] : bounds.slice(1).map((end, i) => text.slice(bounds[i]! + 1, end)),
          after: text.slice(at + 1),
        };
      }
    }
  }
  return undefined;
}

const rangePattern = /^(\d+)\.\.(\d+)$/;

/** The numbers of a range in braces; `undefined` for anything else. */
function numbersOf(text: string, pattern: string): string[] | undefined {
  const range = text.startsWith("{") && text.endsWith("}") ? rangePattern.exec(text.slice(1, -1)) : null;
  if (range === null) return undefined;
  const [first, last] = [Number(range[1]), Number(range[2])];
  const isPadded = /^0\d/.test(range[1]!) || /^0\d/.test(range[2]!);
  const digits = isPadded ? Math.max(range[1]!.length, range[2]!.length) : 0;
  const count = Math.abs(last - first) + 1;
  if (count > mostFiles) throw tooMany(pattern);
  const step = first <= last ? 1 : -1;
  return Array.from({ length: count }, (_, i) => `${first + step * i}`.padStart(digits, "0"));
}

const tooMany = (pattern: string): SenetError =>
  new SenetError("usage", "this pattern stands for too many files", {
    where: pattern,
    expected: `at most ${mostFiles}`,
  });
