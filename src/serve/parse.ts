/** What clients send, checked; and what is wrong with it, in words. */

import { nearestNames } from "../names.ts";
import type * as z from "../zod.ts";
import { badRequest, type Refusal } from "./refusal.ts";

/** @throws Refusal 400 */
export function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw badRequest("the body is not JSON", { found: cause instanceof Error ? cause.message.slice(0, 200) : "" });
  }
}

/** @param what is checked, for the message @throws Refusal 400 */
export function parsed<T>(schema: z.ZodMiniType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw refusalBy(result.error.issues[0]!, schema, what);
}

function refusalBy(issue: z.core.$ZodIssue, schema: z.ZodMiniType, what: string): Refusal {
  const where = issue.path.length === 0 ? what : issue.path.join(".").slice(0, 200);
  if (issue.code !== "unrecognized_keys")
    return badRequest(`${where} is not as it has to be`, { found: issue.message.slice(0, 300) });
  const known = "shape" in schema ? Object.keys(schema.shape as object) : [];
  const key = issue.keys[0]!.slice(0, 100);
  return badRequest(`${where} has a parameter that is not known`, {
    found: key,
    ...(known.length > 0 && { expected: known.join(", "), hint: nearestNames(key, known, 1).join() }),
  });
}
