/** Arguments of the library's functions from callers without TypeScript. */

import { SenetError } from "./errors.ts";

/**
 * Refuses what is not a text with at least one character.
 * @param name the argument's name
 * @param expected what it should be, in words
 * @throws SenetError `usage`
 */
export function needsText(value: unknown, name: string, expected: string): asserts value is string {
  if (typeof value === "string" && value !== "") return;
  throw new SenetError("usage", `\`${name}\` is not a text`, { expected, found: shownKind(value) });
}

/** What a value is, in a few words: `undefined`, `a number`, `URL`. */
export function shownKind(value: unknown): string {
  if (value === undefined || value === null) return `${value}`;
  if (value === "") return "an empty text";
  if (typeof value !== "object") return `a ${typeof value}`;
  return Object.getPrototypeOf(value)?.constructor?.name ?? "an object";
}
