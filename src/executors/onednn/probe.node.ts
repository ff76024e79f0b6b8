/** Whether a library can be loaded without the process dying of it: one that is cut off or not what it says kills it. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, fstatSync, openSync, readSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SenetError } from "../../errors.ts";
import { cacheFolder } from "../../files/cache.node.ts";
import { makeFoldersSync, READ_FLAGS } from "../../files/files.node.ts";

/**
 * Loads the library in a process of its own first, and remembers that it went well as long as the file stays the same.
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

/** The file's name in the cache that says that this very library was loaded; none for what is no file by itself. */
function markOf(path: string): string | undefined {
  try {
    const file = realpathSync(path);
    const { size, mtimeMs, ino } = statSync(file);
    const key = JSON.stringify([file, size, mtimeMs, ino, process.version]);
    return join(cacheFolder(), `onednn-${createHash("sha256").update(key).digest("hex").slice(0, 32)}`);
  } catch {
    return undefined;
  }
}

function remember(mark: string): void {
  try {
    makeFoldersSync(cacheFolder());
    // Never through a link, never over another file.
    writeFileSync(mark, "", { flag: "wx" });
  } catch {
    // Then it is loaded aside the next time, too.
  }
}

const seconds = 20;

/** Loads it and makes an engine. What it refuses in words is refused in the same words here. */
function faultOfChild(path: string): string | undefined {
  const [library, engine] = ["./library.node.js", "./engine.node.js"].map(
    (name) => new URL(name, import.meta.url).href,
  );
  const said = "senet: it answers";
  const script = `
    try {
      const { open } = await import(${JSON.stringify(library)});
      const { openApi } = await import(${JSON.stringify(engine)});
      openApi(open(${JSON.stringify(path)})).dispose();
    } catch {}
    (await import("node:fs")).writeSync(1, ${JSON.stringify(said)});`;
  const { stdout, signal, status, error } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
    // Flags of this process are not the other's.
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  if (error !== undefined && "code" in error && error.code === "ETIMEDOUT") return `no answer in ${seconds} seconds`;
  // Where no process can be started at all, nothing is known.
  if (error !== undefined) return undefined;
  if (signal !== null) return `a process that loaded it died of ${signal}`;
  // Also on the way out.
  return stdout.includes(said) && status === 0 ? undefined : `a process that loaded it ended with status ${status}`;
}

/**
 * How far an ELF file falls short of what its own header asks to be read into memory: reading beyond the end of a file
 * kills a process. Cheap enough for every start.
 * @returns undefined for whole files, those of other formats, and what cannot be read
 */
export function truncationOf(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, READ_FLAGS);
    const found = fstatSync(file);
    // Loading it would wait for ever.
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
    // That it cannot be read is said by whoever loads it.
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return undefined;
}

/** The end of a segment in the file; 0 for one that is not loaded. */
function endOf(segment: Buffer): number {
  const loaded = 1;
  if (segment.readUInt32LE(0) !== loaded) return 0;
  return Number(segment.readBigUInt64LE(8) + segment.readBigUInt64LE(32));
}

function read(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}
