/** Errors on their way from a worker to its page: a clone of one keeps neither its class nor its fields. */

import { type ErrorCode, type ErrorDetails, SenetError } from "../errors.ts";
import { pageHint, pageLine } from "./page-words.ts";

/** A plain object, as messages between threads can hold. */
export type SentError =
  | { readonly kind: "senet"; readonly code: ErrorCode; readonly what: string; readonly details: ErrorDetails }
  | { readonly kind: "other"; readonly name: string; readonly message: string; readonly stack: string | undefined };

/** What Chromium, Firefox and Safari say where a part of the program that is loaded when it is needed is not to be had. */
const partIsMissing = /dynamically imported module|importing a module script failed/i;

/** What caused it stays behind: it may be anything. */
export function sentError(error: unknown): SentError {
  if (error instanceof TypeError && partIsMissing.test(error.message)) {
    const hint = "load the page again: the network is away, or there is a newer version of the page";
    return {
      kind: "senet",
      code: "io",
      what: "a part of senet does not load",
      details: { found: error.message, hint },
    };
  }
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
