/** Checks arguments from a page: plain JavaScript is not checked by a compiler. */

import { SenetError } from "../errors.ts";
import { nearestNames } from "../names.ts";

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** Describes a value in a word or two. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (!isObject(value)) return JSON.stringify(value) ?? String(value);
  return (value as { readonly constructor?: { readonly name?: string } }).constructor?.name || "an object";
}

interface Kind {
  readonly words: string;
  readonly is: (value: unknown) => boolean;
}

const is = (type: string) => (value: unknown) => typeof value === type;

const kinds = {
  text: { words: "a text", is: is("string") },
  texts: { words: "a list of texts", is: (value) => Array.isArray(value) && value.every(is("string")) },
  number: { words: "a number", is: is("number") },
  boolean: { words: "true or false", is: is("boolean") },
  function: { words: "a function", is: is("function") },
  object: { words: "an object", is: isObject },
  signal: { words: "an AbortSignal", is: (value) => value instanceof AbortSignal },
  blob: { words: "a File or Blob", is: (value) => value instanceof Blob },
  /** Checked elsewhere. */
  any: { words: "", is: () => true },
} as const satisfies Readonly<Record<string, Kind>>;

/** The type of each option. */
export type Kinds<Options> = { readonly [K in keyof Required<Options>]: keyof typeof kinds };

/**
 * Checks options; `null` counts as none.
 * @param where the function that takes them
 * @throws SenetError `usage` for an unknown option, or one of another type
 */
export function checkedOptions<Options extends object>(
  given: Options | null | undefined,
  known: Kinds<Options>,
  where: string,
): Options {
  if (given === null || given === undefined) return {} as Options;
  if (typeof given !== "object") throw wrong(where, "these are no options", "an object", given);
  const table = known as Readonly<Record<string, keyof typeof kinds>>;
  for (const [key, value] of Object.entries(given)) {
    const kind = table[key];
    if (kind === undefined) {
      throw new SenetError("usage", `there is no option "${key}"`, {
        where,
        hint: `the nearest: ${nearestNames(key, Object.keys(table)).join(", ")}`,
      });
    }
    if (value === undefined) continue;
    const { words, is }: Kind = kinds[kind];
    if (!is(value)) throw wrong(where, `the option "${key}" cannot be used`, words, value);
  }
  return given;
}

/** The error for a wrong argument. */
export const wrong = (where: string, what: string, expected: string, found: unknown): SenetError =>
  new SenetError("usage", what, { where, expected, found: shown(found) });
