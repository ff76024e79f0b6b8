/** Errors by class, as CSV. */

import { dusted } from "../text-output.ts";
import { type Errors, errorsOf } from "./evaluate.ts";

export interface ClassErrors extends Errors {
  /** Name of the class. */
  readonly label: string;
}

/** Errors of each class, in order; classes without pictures are left out. */
export function errorsByClass(
  outcomes: readonly { readonly label: number; readonly rank: number }[],
  classes: readonly string[],
): ClassErrors[] {
  const groups = classes.map((): { rank: number }[] => []);
  for (const { label, rank } of outcomes) groups[label]!.push({ rank });
  return classes.flatMap((label, i) =>
    groups[i]!.length === 0 ? [] : [{ label, ...errorsOf(groups[i]!, classes.length) }],
  );
}

/**
 * A table as in RFC 4180: cells with commas, quotes or line breaks are quoted. Text that a spreadsheet would run as a
 * formula is prefixed with an apostrophe, as OWASP advises; numbers are left as they are.
 */
export function csv(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number) => {
    if (typeof value === "number") return `${dusted(value)}`;
    const text = /^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}
