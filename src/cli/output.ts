/**
 * Printing: tables for people, a live line while something runs. Results go to standard output, messages to standard
 * error, both only from here: text from outside (labels, file names) is made safe for a terminal, and a result that
 * cannot be written ends the command with its own exit code.
 */

import { fstatSync, writeSync } from "node:fs";
import { causeText, SenetError } from "../errors.ts";
import { cut, oneLine } from "../text.ts";
import { jsonText, ownLines } from "../text-output.ts";
import { withFlags } from "./flags.ts";

/** Prints one line of results; line breaks within it are escaped. */
export const print = (line = ""): void => write(`${oneLine(line)}\n`);

/** Prints several lines of results, such as a `table`. */
export const printLines = (lines: string): void => write(`${ownLines(lines)}\n`);

/** Prints a result as JSON, with the exact values. */
export const printJson = (value: unknown, indent?: number): void => write(`${jsonText(value, indent)}\n`);

/** A JSON array whose values are written as they come; the whole reads as from `printJson(values, 2)`. */
export class JsonList {
  #length = 0;

  add(value: unknown): void {
    const text = jsonText([value], 2).slice("[".length, -"\n]".length);
    write(this.#length++ === 0 ? `[${text}` : `,${text}`);
  }

  end(): void {
    write(this.#length === 0 ? "[]\n" : "\n]\n");
  }
}

/** Longest message, in characters; more would not fit a screen. */
const mostTalk = 1900;

let isQuiet = false;

/** From now on only faults are printed to standard error: with several processes only one talks. */
export function beQuiet(): void {
  isQuiet = true;
}

/** Prints a line to standard error. If nobody listens any more (a closed terminal), that is ignored. */
export const say = (line: string): void => {
  if (!isQuiet) talk(`${cut(withFlags(line), mostTalk)}\n`);
};

/** Prints several lines to standard error, such as an error's message. */
export const sayLines = (lines: string): void => talk(`${ownLines(withFlags(lines))}\n`);

/** The reader of standard output is gone, as with `| head`. */
export class OutputClosed extends Error {}

function outputFault(cause: unknown): Error {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "EPIPE") return new OutputClosed();
  const found = code === "ENOSPC" ? "no space is left" : causeText(cause);
  return new SenetError("io", "the result cannot be written", { where: "standard output", found, cause });
}

let isWatched = false;

export interface Collected {
  stdout: string;
  stderr: string;
}

let collected: Collected | undefined;

/** Collects what is printed while `work` runs, instead of writing it to the process's streams; not reentrant. */
export async function collectOutput(work: () => Promise<void>): Promise<Collected> {
  const own: Collected = { stdout: "", stderr: "" };
  collected = own;
  try {
    await work();
    return own;
  } finally {
    collected = undefined;
  }
}

function write(text: string): void {
  if (collected !== undefined) collected.stdout += text;
  else if (isWrittenWhole()) {
    const bytes = Buffer.from(text);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
    } catch (cause) {
      throw outputFault(cause);
    }
  } else process.stdout.write(text);
}

/** Whether standard output is a file or device, where Node does not check that all bytes were written. */
function isWrittenWhole(): boolean {
  if (process.stdout.isTTY) return false;
  try {
    const kind = fstatSync(1);
    return kind.isFile() || kind.isCharacterDevice();
  } catch {
    return false; // Windows does not say it of everything
  }
}

/**
 * A standard output that was closed from the start (`>&-`) fails nowhere: Node opens /dev/null in its place before any
 * code runs, which cannot be told from a caller's `stdio: "ignore"`.
 *
 * Calls `end` as soon as standard output fails: with `OutputClosed`, or with the error. Failures of standard error are
 * ignored: a run continues without a listener.
 */
export function watchOutput(end: (error: Error) => void): void {
  if (isWatched) return;
  isWatched = true;
  process.stdout.on("error", (cause) => end(outputFault(cause)));
  process.stderr.on("error", () => {});
}

function talk(text: string): void {
  if (collected !== undefined) collected.stderr += text;
  else process.stderr.write(text);
}

/** Formats a table: columns as wide as their widest cell, numbers right-aligned. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map(oneLine));
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const isNumber = (cell: string) => /^[-+]?[\d.,]+\s?(%|ms|MiB|G|M|GiB|x)?$/.test(cell);
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (isNumber(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(all[0]!), widths.map((width) => "-".repeat(width)).join("  "), ...all.slice(1).map(line)].join("\n");
}

/** `28,088,024` */
export const grouped = (n: number): string => n.toLocaleString("en-US");

/** `1:02:03` or `2:03` from seconds. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? `${part}` : `${part}`.padStart(2, "0"))).join(":");
}

/** A line on stderr that is redrawn in place; if stderr is not a terminal, an ordinary line now and then. */
export class LiveLine {
  readonly #isTerminal = process.stderr.isTTY === true && collected === undefined;
  readonly #everyMs: number;
  #last = 0;

  constructor(plainEverySeconds = 30) {
    this.#everyMs = this.#isTerminal ? 100 : plainEverySeconds * 1000;
  }

  /** Shows the text; `text` is only called if it will be shown. */
  show(text: () => string): void {
    const now = performance.now();
    if (isQuiet || now - this.#last < this.#everyMs) return;
    this.#last = now;
    const line = cut(text(), mostTalk);
    if (this.#isTerminal) talk(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    else talk(`${line}\n`);
  }

  /** Replaces the live line by `text` for good. */
  print(text: string): void {
    if (isQuiet) return;
    const line = cut(withFlags(text), mostTalk);
    talk(this.#isTerminal ? `\r\u001b[K${line}\n` : `${line}\n`);
  }
}

/** `logits differ by 1.2e-7, relative` */
export const shownDifference = (difference: number | undefined): string =>
  difference === undefined ? "not checked" : `logits differ by ${difference.toExponential(1)}, relative`;
