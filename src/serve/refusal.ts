/** Error responses: a status, and an error for people and programs. */

import { type ErrorCode, SenetError } from "../errors.ts";
import { cut } from "../text.ts";

/** The `error` of a response's body. */
export interface Fault {
  /** Code for programs. */
  readonly code: string;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly hint?: string;
}

/** The error as one text. */
export const faultText = ({ message, expected, found, hint }: Fault): string =>
  [message, expected && `expected ${expected}`, found && `found ${found}`, hint].filter(Boolean).join("; ");

export interface RefusalDetails extends Omit<Fault, "code" | "message"> {
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
}

/** Ends a request with a status below 500, or 503. */
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

/** @param found its length, as far as it is known */
export const tooLargeBody = (most: number, found: string | undefined): Refusal =>
  tooLarge("the body is too large", {
    expected: `at most ${most} bytes`,
    ...(found !== undefined && { found: `${found.slice(0, 40)} bytes` }),
    hint: "send smaller pictures, or fewer at once",
  });

/** Status and code of each kind of fault that is the client's; others are the server's. */
const statuses: Partial<Readonly<Record<ErrorCode, readonly [number, string]>>> = {
  data: [422, "unusable_picture"],
  shape: [400, "bad_request"],
  usage: [400, "bad_request"],
};

/** The client's fault behind an error; `undefined` if the server is at fault. */
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
    // Hints about pictures assume that they are in a folder.
    ...(code !== "unusable_picture" && text("hint", hint)),
  });
}

/** The response if the server is at fault, without details. */
export const internalFault: Fault = { code: "internal", message: "the server is at fault; its log says why" };
