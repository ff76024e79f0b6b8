/** Errors class by class, as CSV. */

import { type Errors, errorsOf } from "./evaluate.ts";

export interface ClassErrors extends Errors {
  /** The name of the class. */
  readonly label: string;
}

/** In the order of the classes; classes without pictures are left out. */
export function errorsByClass(
  outcomes: readonly { readonly label: number; readonly rank: number }[],
  classes: readonly string[],
): ClassErrors[] {
  const groups = classes.map((): { rank: number }[] => []);
  for (const { label, rank } of outcomes) groups[label]!.push({ rank });
  return classes.flatMap((label, i) => (groups[i]!.length === 0 ? [] : [{ label, ...errorsOf(groups[i]!) }]));
}

/** A table as RFC 4180 has it: cells with commas, quotes or line breaks are quoted. */
export function csv(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cell = (value: string | number) =>
    /[",\r\n]/.test(`${value}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`;
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}
