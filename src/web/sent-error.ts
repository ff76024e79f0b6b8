/** Errors on their way from a worker to its page: a clone of one keeps neither its class nor its fields. */

import { type ErrorCode, type ErrorDetails, SenetError } from "../errors.ts";

/** A plain object, as messages between threads can hold. */
export type SentError =
  | { readonly kind: "senet"; readonly code: ErrorCode; readonly what: string; readonly details: ErrorDetails }
  | { readonly kind: "other"; readonly name: string; readonly message: string; readonly stack: string | undefined };

export function receivedError(sent: SentError): Error {
  if (sent.kind === "senet") return new SenetError(sent.code, sent.what, sent.details);
  const { name, message, stack } = sent;
  return Object.assign(new Error(message), { name }, stack === undefined ? {} : { stack });
}
