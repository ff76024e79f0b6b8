/**
 * The error that every layer of the project throws on bad input.
 *
 * A message answers five questions: what went wrong, where, what was expected, what was found, and what to try. Callers
 * pass names and texts from files as they are; this file alone makes them safe for a terminal and shortens them, so that
 * a message has at most 2,000 characters and fits a screen (24 lines of 80).
 */

import { cut, fitted, rowsOf } from "./text.ts";

/** The kind of fault. The command line maps it to an exit code; tests match on it. */
export type ErrorCode =
  | "usage" // the command line or an option is wrong
  | "shape" // shapes or types do not fit
  | "graph" // a graph breaks an invariant
  | "data" // a picture or a data folder is unusable
  | "weights" // a weight file is damaged or belongs to another model
  | "training" // the run cannot go on (not a number, ...)
  | "executor" // no engine can run this graph
  | "io"; // disk full, permission, ...

/** Options that messages refer to, by their names in the library; the command line replaces each by its flag. */
export type OptionKey =
  | "acceptChanges"
  | "act"
  | "allowMissing"
  | "batchSize"
  | "cache"
  | "data"
  | "dropPath"
  | "epochs"
  | "executor"
  | "force"
  | "freeze"
  | "from"
  | "imageSize"
  | "inChans"
  | "journal"
  | "labels"
  | "learningRate"
  | "list"
  | "listOrder"
  | "mean"
  | "model"
  | "offline"
  | "out"
  | "precision"
  | "pretrained"
  | "recompute"
  | "recursive"
  | "resume"
  | "state"
  | "syncBn"
  | "valList"
  | "valSplit"
  | "warmupEpochs"
  | "weights"
  | "workers";

/** The message of whatever was thrown, whether it is an `Error` or not. */
export function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // From version 22 on, Node's streams wrap zlib's errors in ones without a message.
  return cause.message || (cause.cause === undefined ? cause.name : causeText(cause.cause));
}

/** An option's name in backticks, for messages; the command line shows its flag instead (cli/flags.ts). */
export const option = (key: OptionKey): string => `\`${key}\``;

export interface ErrorDetails {
  /** The file, node, option or parameter at fault. */
  readonly where?: string;
  /** One text, or lines, of which as many are shown as fit. */
  readonly expected?: string | readonly string[];
  readonly found?: string | readonly string[];
  /** What the user can try. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class SenetError extends Error {
  override readonly name = "SenetError";
  readonly code: ErrorCode;
  /** What went wrong, without the details that `message` adds. */
  readonly what: string;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    super(messageOf(what, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.what = what;
    this.details = details;
  }
}

const screenRows = 24;

function messageOf(what: string, { where, expected, found, hint }: ErrorDetails): string {
  const first = where === undefined ? cut(what, 320) : `${cut(where, 240)}: ${cut(what, 320)}`;
  const parts: {
    readonly label: string;
    readonly text: string | readonly string[] | undefined;
    readonly limit: number;
  }[] = [
    { label: "  expected: ", text: expected, limit: 300 },
    { label: "  found:    ", text: found, limit: 300 },
    { label: "  try:      ", text: hint, limit: 400 },
  ];
  const texts = parts.map(({ label, text, limit }) =>
    typeof text === "string" ? `${label}${cut(text, limit)}` : undefined,
  );
  // The command line puts the program's name before the first line.
  const fixed = [`senet: ${first}`, ...texts.filter((line) => line !== undefined)];
  const left = screenRows - fixed.reduce((sum, line) => sum + rowsOf(line), 0);
  const lists = parts.filter(({ text }) => Array.isArray(text)).length;
  const lines = parts.flatMap(({ label, text }, i) => {
    if (text === undefined) return [];
    if (typeof text === "string") return [texts[i]!];
    return fitted(text, Math.floor(left / lists), label.length).map(
      (line, n) => (n === 0 ? label : " ".repeat(label.length)) + line,
    );
  });
  return [first, ...lines].join("\n");
}
