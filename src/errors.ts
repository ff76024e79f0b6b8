/**
 * The error that every layer of the project throws on bad input.
 *
 * A message answers five questions: what went wrong, where, what was expected, what was found, and what to try.
 */

/** What kind of fault it is; the command line maps it to an exit code, tests match on it. */
export type ErrorCode =
  | "usage" // the command line or an option is wrong
  | "shape" // shapes or types do not fit
  | "graph" // a graph breaks an invariant
  | "data" // a picture or a data folder is unusable
  | "weights" // a weight file is damaged or belongs to another model
  | "training" // the run cannot go on (not a number, ...)
  | "executor" // no engine can run this graph
  | "io"; // disk full, permission, ...

export interface ErrorDetails {
  /** The file, node, option or parameter at fault. */
  readonly where?: string;
  readonly expected?: string;
  readonly found?: string;
  /** What the user can do now. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class SenetError extends Error {
  override readonly name = "SenetError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    const lines = [details.where === undefined ? what : `${details.where}: ${what}`];
    if (details.expected !== undefined) lines.push(`  expected: ${details.expected}`);
    if (details.found !== undefined) lines.push(`  found:    ${details.found}`);
    if (details.hint !== undefined) lines.push(`  try:      ${details.hint}`);
    super(lines.join("\n"), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.details = details;
  }
}
