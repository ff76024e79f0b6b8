/** Errors on their way from a worker to its page: a clone of one keeps neither its class nor its fields. */

import { type ErrorCode, type ErrorDetails, SenetError } from "../errors.ts";
import { pageHint, pageLine } from "./page-words.ts";

/** A plain object, as messages between threads can hold. */
export type SentError =
  | { readonly kind: "senet"; readonly code: ErrorCode; readonly what: string; readonly details: ErrorDetails }
  | { readonly kind: "other"; readonly name: string; readonly message: string; readonly stack: string | undefined };

/** What caused it stays behind: it may be anything. */
export function sentError(error: unknown): SentError {
  if (error instanceof SenetError) {
    const { cause: _, hint: given, ...details } = error.details;
    const hint = given === undefined ? undefined : pageHint(given);
    return {
      kind: "senet",
      code: error.code,
      what: pageLine(error.what),
      details: { ...details, ...(hint && { hint }) },
    };
  }
  if (error instanceof Error) return { kind: "other", name: error.name, message: error.message, stack: error.stack };
  return { kind: "other", name: "Error", message: String(error), stack: undefined };
}

export function receivedError(sent: SentError): Error {
  if (sent.kind === "senet") return new SenetError(sent.code, sent.what, sent.details);
  const { name, message, stack } = sent;
  return Object.assign(new Error(message), { name }, stack === undefined ? {} : { stack });
}
