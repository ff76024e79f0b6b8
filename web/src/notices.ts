/** What the page has to say: faults with what to try, and remarks. */

import { nextId } from "./pictures.ts";

export interface Notice {
  readonly id: number;
  readonly kind: "fault" | "remark";
  readonly title: string;
  /** `found: ...`, `try: ...` */
  readonly lines: readonly (readonly [word: string, text: string])[];
}

/** As errors of the library have it; those of the browser have only a message. */
interface Told {
  readonly message: string;
  readonly details?: {
    readonly expected?: string | readonly string[];
    readonly found?: string | readonly string[];
    readonly hint?: string;
  };
}

export const remark = (title: string): Notice => ({ id: nextId(), kind: "remark", title, lines: [] });

export function fault(error: unknown, doing: string): Notice {
  const { message, details } = (error instanceof Error ? error : { message: String(error) }) as Told;
  const text = (value: string | readonly string[]) => [value].flat().join(", ");
  const title = details === undefined ? `${doing}: ${message}` : message.split("\n", 1)[0]!;
  return {
    id: nextId(),
    kind: "fault",
    title,
    lines: [
      ...(details?.expected === undefined ? [] : [["expected", text(details.expected)] as const]),
      ...(details?.found === undefined ? [] : [["found", text(details.found)] as const]),
      ...(details?.hint === undefined ? [] : [["try", details.hint] as const]),
    ],
  };
}
