/** Turns errors into words and an exit code. */

import { CommanderError } from "commander";
import { SenetError } from "../errors.ts";
import { ioError } from "../files/files.node.ts";
import { fitted } from "../text.ts";
import { OutputClosed, sayLines } from "./output.ts";

/**
 * Says what went wrong, in words where it was foreseen.
 * @param who says it, where several processes talk at once
 * @returns the exit code
 */
export function report(error: unknown, who = "senet"): number {
  if (error instanceof OutputClosed) return 141;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof SenetError) {
    sayLines(`${who}: ${error.message}`);
    return error.code === "usage" ? 2 : 1;
  }
  if (isSystemError(error)) {
    const { path, syscall } = error;
    sayLines(`${who}: ${ioError(`the system does not let it ${syscall}`, path ?? "a file", error).message}`);
    return 1;
  }
  if (isMemoryError(error)) {
    const asked = {
      found: error.message,
      hint: "a smaller --batch-size, smaller pictures, or fewer --workers",
      cause: error,
    };
    sayLines(`${who}: ${new SenetError("usage", "there is not enough memory for this", asked).message}`);
    return 2;
  }
  // Not foreseen: the trace is what a bug report needs.
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  sayLines([`${who}: this is a bug in senet`, ...fitted(trace.split("\n"), 20, 0)].join("\n"));
  return 1;
}

/** V8's messages for an array that is too long, or for which there is no memory. */
const isMemoryError = (error: unknown): error is RangeError =>
  error instanceof RangeError &&
  /^(Invalid typed array length|Invalid array (buffer )?length|Array buffer alloc)/.test(error.message);

/** An error from a system call that no code foresaw: not a bug, so a stack trace would not help. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException & { readonly syscall: string } =>
  error instanceof Error && "syscall" in error && typeof error.syscall === "string" && "code" in error;
