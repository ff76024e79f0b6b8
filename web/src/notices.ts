/** What the page has to say: faults with what to try, and remarks. */

import { SenetError } from "senet/web";
import { nextId } from "./pictures.ts";

export interface Notice {
  readonly id: number;
  readonly kind: "fault" | "remark";
  readonly title: string;
  /** `found: ...`, `try: ...` */
  readonly lines: readonly (readonly [word: string, text: string])[];
}

export const remark = (title: string): Notice => ({ id: nextId(), kind: "remark", title, lines: [] });

/** @param doing what was under way, for faults that are not the library's own */
export function fault(error: unknown, doing: string): Notice {
  const made = { id: nextId(), kind: "fault" } as const;
  if (!(error instanceof SenetError)) {
    const found = error instanceof Error ? error.message : String(error);
    return { ...made, title: `${doing}: ${found}`, lines: [] };
  }
  const { where, expected, found, hint } = error.details;
  const lines = { expected, found, try: hint };
  return {
    ...made,
    title: where === undefined ? error.what : `${where}: ${error.what}`,
    lines: Object.entries(lines).flatMap(([word, text]) =>
      text === undefined ? [] : [[word, [text].flat().join(", ")] as const],
    ),
  };
}
