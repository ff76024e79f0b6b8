/** The page's messages: errors with hints, and remarks. */

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

/** Options, commands and documents in the library's messages that do not apply to the page. */
const elsewhere = /`\w+`|\bsenet [a-z]+\b|\bnpm\b|docs\//;

/** A message of the library without such parts; `undefined` if nothing is left. */
export function forPage(text: string): string | undefined {
  const parts = text.replace(/ \([^()]*\)/g, (whole) => (elsewhere.test(whole) ? "" : whole)).split(/(; |,? or )/);
  const kept = parts.filter((part, i) => i % 2 === 0 && !elsewhere.test(part));
  // The original separators are used if all parts remain.
  return kept.length === (parts.length + 1) / 2 ? parts.join("") : kept.join("; ") || undefined;
}

/** Hints for the page, where the library's hints do not apply. */
const hints: Readonly<Partial<Record<ErrorCode, string>>> = {
  training: "Train again: other pictures, more of them, or only the last layer",
  executor: "a smaller network, or close other tabs and programs",
  usage: "Train, which begins anew",
};

/** @param doing the activity, for errors that are not the library's */
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
