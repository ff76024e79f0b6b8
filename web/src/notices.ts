/** What the page has to say: faults with what to try, and remarks. */

import { type ErrorCode, SenetError } from "senet/web";
import { nextId } from "./pictures.ts";

export interface Notice {
  readonly id: number;
  readonly kind: "fault" | "remark";
  readonly title: string;
  /** `found: ...`, `try: ...` */
  readonly lines: readonly (readonly [word: string, text: string])[];
}

export const remark = (title: string): Notice => ({ id: nextId(), kind: "remark", title, lines: [] });

/** What is of no use here: options, commands and documents that the library's messages speak of. */
const elsewhere = /`\w+`|\bsenet [a-z]+\b|\bnpm\b|docs\//;

/** A message of the library without what it says of these; `undefined` where nothing is left. */
export function forPage(text: string): string | undefined {
  const parts = text.replace(/ \([^()]*\)/g, (whole) => (elsewhere.test(whole) ? "" : whole)).split(/(; |,? or )/);
  const kept = parts.filter((part, i) => i % 2 === 0 && !elsewhere.test(part));
  // What joined them stands again between those that are left, if all are.
  return kept.length === (parts.length + 1) / 2 ? parts.join("") : kept.join("; ") || undefined;
}

/** What to try here, where the library only knows of what is elsewhere. */
const hints: Readonly<Partial<Record<ErrorCode, string>>> = {
  training: "Train again: other pictures, more of them, or only the last layer",
  executor: "a smaller network, or close other tabs and programs",
  usage: "Train, which begins anew",
};

/** @param doing what was under way, for faults that are not the library's own */
export function fault(error: unknown, doing: string): Notice {
  const made = { id: nextId(), kind: "fault" } as const;
  if (!(error instanceof SenetError)) {
    const found = error instanceof Error ? error.message : String(error);
    return { ...made, title: `${doing}: ${found}`, lines: [] };
  }
  const { where, expected, found, hint } = error.details;
  const told = (text: string | readonly string[] | undefined) =>
    text === undefined ? undefined : forPage([text].flat().join(", "));
  const lines = { expected: told(expected), found: told(found), try: told(hint) ?? hints[error.code] };
  return {
    ...made,
    title: where === undefined || elsewhere.test(where) ? error.what : `${where}: ${error.what}`,
    lines: Object.entries(lines).filter((line): line is [string, string] => line[1] !== undefined),
  };
}
