/** Checks in another process what could end this one: loading a truncated or wrong file, and a library's first computations. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { SenetError } from "../../errors.ts";
import { cacheFolder } from "../../files/cache.node.ts";
import { makeFoldersSync, readFlags } from "../../files/files.node.ts";

/**
 * Loads the library in a separate process first, and remembers success as long as the file stays the same.
 * @throws SenetError `executor` where that process died
 */
export function probe(path: string): void {
  const mark = markOf(path);
  if (mark !== undefined && existsSync(mark)) return;
  const fault = truncationOf(path) ?? faultOfChild(path);
  if (fault !== undefined) {
    throw new SenetError("executor", "this library cannot be used: loading it would end the process", {
      where: path,
      found: fault,
      hint: "a library of oneDNN for this system; or leave the path out",
    });
  }
  if (mark !== undefined) remember(mark);
}

/**
 * Lets a library of version 3 compute in a process of its own (trial.node.ts), once after each start of the system: a
 * virtual machine may have moved to another processor.
 * @returns what is wrong with it, if anything
 */
export function faultOfTrial({ path, version, isa }: Tried): string | undefined {
  if (version.major < 3) return undefined;
  const mark = markFor([path, version, isa, cpus()[0]?.model, process.version, bootOf()]);
  if (existsSync(mark)) return undefined;
  const trial = JSON.stringify(new URL("./trial.node.js", import.meta.url).href);
  const wrong = "senet: wrong results";
  const fault = faultOfChild(
    path,
    `const { isRight } = await import(${trial});
      if (!isRight(api)) (await import("node:fs")).writeSync(1, ${JSON.stringify(wrong)});`,
    wrong,
  );
  if (fault === undefined) remember(mark);
  return fault;
}

/** A loaded library. */
interface Tried {
  readonly path: string;
  readonly version: { readonly major: number; readonly minor: number; readonly patch: number };
  readonly isa: number;
}

/** Identifies this start of the system, on Linux. */
function bootOf(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  } catch {
    return "";
  }
}

/** Path of the cache file that records that this library was loaded; undefined if the path is not a file. */
function markOf(path: string): string | undefined {
  try {
    const file = realpathSync(path);
    const { size, mtimeMs, ino } = statSync(file);
    return markFor([file, size, mtimeMs, ino, process.version]);
  } catch {
    return undefined;
  }
}

const markFor = (key: unknown): string =>
  join(cacheFolder(), `onednn-${createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 32)}`);

function remember(mark: string): void {
  try {
    makeFoldersSync(cacheFolder());
    // Never follows a link or overwrites a file.
    writeFileSync(mark, "", { flag: "wx" });
  } catch {
    // Then the check is repeated next time.
  }
}

const seconds = 20;

/**
 * Loads it, creates an engine and uses it in a child process; returns why that failed. Errors that the library reports
 * itself are left to the actual loading.
 * @param use statements that use `api`
 * @param wrong what they print if its results are wrong
 */
function faultOfChild(path: string, use = "", wrong?: string): string | undefined {
  const [library, engine] = ["./library.node.js", "./engine.node.js"].map(
    (name) => new URL(name, import.meta.url).href,
  );
  const said = "senet: it answers";
  const script = `
    try {
      const { open } = await import(${JSON.stringify(library)});
      const { openApi } = await import(${JSON.stringify(engine)});
      const api = openApi(open(${JSON.stringify(path)}));
      ${use}
      api.dispose();
    } catch {}
    (await import("node:fs")).writeSync(1, ${JSON.stringify(said)});`;
  const { stdout, signal, status, error } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
    // Without this process's flags.
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  if (error !== undefined && "code" in error && error.code === "ETIMEDOUT") return `no answer in ${seconds} seconds`;
  // If no process can be started at all, nothing is known.
  if (error !== undefined) return undefined;
  if (signal !== null) return `a process that loaded it died of ${signal}`;
  if (wrong !== undefined && stdout.includes(wrong)) return "its results are wrong on this processor";
  // It may also crash at exit.
  return stdout.includes(said) && status === 0 ? undefined : `a process that loaded it ended with status ${status}`;
}

/**
 * Whether an ELF file is shorter than its own header requires: reading beyond a file's end kills a process. Cheap
 * enough for every start.
 * @returns undefined for complete files, other formats, and unreadable files
 */
export function truncationOf(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, readFlags);
    const found = fstatSync(file);
    // Loading a pipe would wait forever.
    if (found.isFIFO()) return "it is a pipe";
    const { size } = found;
    const header = read(file, 0, 64);
    if (header.length === 64 && header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1) {
      const [start, entry, count] = [
        Number(header.readBigUInt64LE(32)),
        header.readUInt16LE(54),
        header.readUInt16LE(56),
      ];
      const table = read(file, start, entry * count);
      const isWhole = table.length === entry * count && entry >= 56;
      const ends = isWhole
        ? Array.from({ length: count }, (_, i) => endOf(table.subarray(i * entry)))
        : [start + entry * count];
      const end = Math.max(0, ...ends);
      if (end > size || !isWhole) return `the file is cut off: ${size} of at least ${end} bytes`;
    }
  } catch {
    // An unreadable file is reported when it is loaded.
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return undefined;
}

/** End of a segment in the file; 0 if it is not loaded. */
function endOf(segment: Buffer): number {
  const loaded = 1;
  if (segment.readUInt32LE(0) !== loaded) return 0;
  return Number(segment.readBigUInt64LE(8) + segment.readBigUInt64LE(32));
}

function read(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}
