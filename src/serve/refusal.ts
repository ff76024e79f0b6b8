/** What a client is told where there is no answer: a status, and an error in words. */

import { type ErrorCode, SenetError } from "../errors.ts";
import { cut } from "../text.ts";

/** The `error` of a response's body. */
export interface Fault {
  /** For programs. */
  readonly code: string;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly hint?: string;
}

/** The same in one text. */
export const faultText = ({ message, expected, found, hint }: Fault): string =>
  [message, expected && `expected ${expected}`, found && `found ${found}`, hint].filter(Boolean).join("; ");

export interface RefusalDetails extends Omit<Fault, "code" | "message"> {
  /** Seconds after which another try may go better. */
  readonly retryAfter?: number;
}

/** Ends a request with a status below 500, or with 503. */
export class Refusal extends Error {
  readonly status: number;
  readonly fault: Fault;
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, { retryAfter, ...details }: RefusalDetails = {}) {
    super(message);
    this.status = status;
    this.fault = { code, message, ...details };
    this.retryAfter = retryAfter;
  }
}

export const badRequest = (message: string, details: RefusalDetails = {}): Refusal =>
  new Refusal(400, "bad_request", message, details);

export const tooLarge = (message: string, details: RefusalDetails = {}): Refusal =>
  new Refusal(413, "too_large", message, details);

/** The status, and the code for programs, of each kind of fault; of the others the server is at fault. */
const statuses: Partial<Readonly<Record<ErrorCode, readonly [number, string]>>> = {
  data: [422, "unusable_picture"],
  shape: [400, "bad_request"],
  usage: [400, "bad_request"],
};

/** What the client has done wrong, by the error that it led to; nothing where the server is at fault. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (!(error instanceof SenetError)) return undefined;
  const known = statuses[error.code];
  if (known === undefined) return undefined;
  const [status, code] = known;
  const { expected, found, hint } = error.details;
  const first = error.message.split("\n")[0]!;
  const text = (key: "expected" | "found" | "hint", value: string | readonly string[] | undefined) =>
    value === undefined ? {} : { [key]: cut([value].flat().join("; "), 400) };
  return new Refusal(status, code, first, {
    ...text("expected", expected),
    ...text("found", found),
    // Of pictures they speak to whoever has them in a folder.
    ...(code !== "unusable_picture" && text("hint", hint)),
  });
}

/** Where the server is at fault, which says no more of itself. */
export const internalFault: Fault = { code: "internal", message: "the server is at fault; its log says why" };
