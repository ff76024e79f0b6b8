/** Checks clients' input and reports what is wrong. */

import { causeText } from "../errors.ts";
import { nearestNames } from "../names.ts";
import type * as z from "../schema.ts";
import { shownValue } from "../text.ts";
import { badRequest, type Refusal } from "./refusal.ts";

/** @throws Refusal 400 */
export function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw badRequest("the body is not JSON", { found: causeText(cause).slice(0, 200) });
  }
}

/** @param what names the input, for the message @throws Refusal 400 */
export function parsed<T>(schema: z.Schema<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw refusalBy(result.error.issues[0]!, what);
}

function refusalBy({ path, expected, found, known }: z.Issue, what: string): Refusal {
  const nameOf = (steps: z.Path) => (steps.length === 0 ? what : steps.join(".").slice(0, 200));
  if (known === undefined)
    return badRequest(`${nameOf(path)} is not as it has to be`, { expected, found: shownValue(found) });
  const key = `${path.at(-1)}`.slice(0, 100);
  return badRequest(`${nameOf(path.slice(0, -1))} has a parameter that is not known`, {
    found: key,
    expected: known.join(", "),
    hint: `the nearest: ${nearestNames(key, known, 1).join()}`,
  });
}
