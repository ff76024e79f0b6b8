/**
 * The error that every layer of the project throws on bad input.
 *
 * A message answers five questions: what went wrong, where, what was expected, what was found, and what to try. Names
 * and texts from files go into it as they are: here, once for all, they are made harmless to a terminal and cut, so
 * that a message is at most 2,000 characters and a screen (24 lines of 80) long.
 */

import { cut, fitted, rowsOf } from "./text.ts";

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

/** What a user can set, by its name in the library. The command line has flags for them, of other names. */
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

/** What was thrown says, whether it is an error or not. */
export const causeText = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** An option in a message, in backticks; where the command line shows the message, its flag stands there (cli/flags.ts). */
export const option = (key: OptionKey): string => `\`${key}\``;

export interface ErrorDetails {
  /** The file, node, option or parameter at fault. */
  readonly where?: string;
  /** One text, or lines of which those are shown that fit. */
  readonly expected?: string | readonly string[];
  readonly found?: string | readonly string[];
  /** What the user can do now. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class SenetError extends Error {
  override readonly name = "SenetError";
  readonly code: ErrorCode;
  /** What went wrong; the message tells the details too. */
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
  // Before the first line stands the program's name.
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
