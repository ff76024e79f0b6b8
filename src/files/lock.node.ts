/** Lock files: one process at a time, and a dead process does not keep its lock. */

import { linkSync, lstatSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SenetError } from "../errors.ts";
import * as z from "../schema.ts";
import { codeOf, writeError } from "./files.node.ts";
import { isOver, self } from "./owner.node.ts";
import { asideIn } from "./replace.node.ts";

const holderSchema = z.object({
  host: z.string(),
  pid: z.int().check(z.gt(0)),
  start: z.nullable(z.string()),
  since: z.string(),
});
type Holder = z.output<typeof holderSchema>;

/**
 * How often a holder touches its lock; a lock of another machine that has not been touched for ten times as long is
 * stale.
 */
const beatMs = 60_000;
const silentMs = 10 * beatMs;
/** On file systems without links, a new lock is empty for a moment. */
const unfinishedMs = 10_000;

/**
 * A lock, held until `release` or the end of this process: a small file with the process's number, start time and
 * machine. If two processes want it at the same time, one gets it. A killed process's lock is taken over: at once on
 * the same machine, after ten minutes without a sign of life on another.
 */
export class Lock {
  readonly #path: string;
  readonly #text: string;
  readonly #beat: NodeJS.Timeout;
  readonly #atExit = () => this.#remove();

  /**
   * @param path path of the lock file
   * @param what describes the conflict, for the error: "this folder has a run under way"
   * @param hint what to try if it is held
   * @throws SenetError `usage` where another process (or this one) holds it; `io` where it cannot be written
   */
  constructor(path: string, what: string, hint: string) {
    this.#path = path;
    this.#text = `${JSON.stringify({ ...self, since: new Date().toISOString() } satisfies Holder)}\n`;
    try {
      while (!create(path, this.#text)) takeOver(path, what, hint);
    } catch (cause) {
      if (cause instanceof SenetError) throw cause;
      throw writeError("cannot be written", path, cause);
    }
    this.#beat = setInterval(() => touch(path), beatMs).unref();
    process.once("exit", this.#atExit);
  }

  release(): void {
    clearInterval(this.#beat);
    process.off("exit", this.#atExit);
    this.#remove();
  }

  #remove(): void {
    // Does not remove a lock that another process has created since, for example after somebody deleted ours.
    if (textOf(this.#path) === this.#text) rmSync(this.#path, { force: true });
  }
}

/**
 * Creates the lock; false if there is one already. It is written under another name and then linked, so that readers
 * always see it complete.
 */
function create(path: string, text: string): boolean {
  const aside = asideIn(dirname(path));
  try {
    writeFileSync(aside, text, { flag: "wx" });
    try {
      linkSync(aside, path);
    } finally {
      rmSync(aside, { force: true });
    }
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(codeOf(error))) throw error;
  }
  // Some file systems have no links.
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Removes a stale lock. @throws SenetError `usage` where it is held */
function takeOver(path: string, what: string, hint: string): void {
  const text = textOf(path);
  const silent = silenceOf(path);
  if (silent === undefined) return; // released just now
  const holder = holderOf(text ?? "");
  const isStale = holder === undefined ? silent > unfinishedMs : (isOver(holder) ?? silent > silentMs);
  if (!isStale) {
    const here = holder?.host === self.host;
    throw new SenetError("usage", what, {
      where: dirname(path),
      found:
        holder === undefined
          ? `${path}, made just now`
          : `process ${holder.pid}${here ? "" : ` on ${holder.host}`}, running since ${holder.since}`,
      hint: here ? hint : `${hint}; or, where that process is gone, delete ${path}`,
    });
  }
  // Another process may have been faster, so that this is its new lock: then it is put back.
  const aside = asideIn(dirname(path));
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  try {
    if (textOf(aside) !== text) linkSync(aside, path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function holderOf(text: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function silenceOf(path: string): number | undefined {
  try {
    return Date.now() - lstatSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // Somebody deleted it, so nothing is left to put back.
  }
}
