/** Errors sent from a worker to its page: structured cloning keeps neither their class nor their fields. */

import { type ErrorCode, type ErrorDetails, SenetError } from "../errors.ts";

/** An error as a plain object, which messages can contain. */
export type SentError =
  | { readonly kind: "senet"; readonly code: ErrorCode; readonly what: string; readonly details: ErrorDetails }
  | { readonly kind: "other"; readonly name: string; readonly message: string; readonly stack: string | undefined };

export function receivedError(sent: SentError): Error {
  if (sent.kind === "senet") return new SenetError(sent.code, sent.what, sent.details);
  const { name, message, stack } = sent;
  return Object.assign(new Error(message), { name }, stack === undefined ? {} : { stack });
}
