/**
 * A partially downloaded file. It is in a folder next to the target, `FILE.HOST-PID-N.partial`, with a note of its
 * origin. Only the process in the folder's name may write to it; a part left behind, even by a killed process, belongs
 * to the first process that renames it.
 */

import { randomInt } from "node:crypto";
import { constants, writeSync } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { option } from "../errors.ts";
import { ioError } from "../files/files.node.ts";
import * as z from "../schema.ts";

/** The origin of the bytes. With `If-Range: validator`, a server only continues them if the file is still the same. */
const originSchema = z.object({ address: z.string(), validator: z.optional(z.string()) });
export type Origin = z.output<typeof originSchema>;

/** Parts that have not changed for this long are abandoned, even if a process with the owner's number exists. */
const abandonedAfterMs = 3_600_000;
const ending = ".partial";
const host = hostname().replace(/[^\w.]/g, "_");
/** The folders that this process is using. */
const held = new Set<string>();
/** Random, so that nobody can place a link there in advance. */
let count = randomInt(2 ** 40);

export class Part {
  readonly #folder: string;
  readonly #bytes: FileHandle;
  #length: number;
  #origin: Origin | undefined;

  private constructor(folder: string, bytes: FileHandle, length: number, origin: Origin | undefined) {
    this.#folder = folder;
    this.#bytes = bytes;
    this.#length = length;
    this.#origin = origin;
  }

  /**
   * Takes over an earlier partial download of `path`, or starts an empty one.
   * @throws SenetError `io`
   */
  static async claim(path: string): Promise<Part> {
    const folder = `${path}.${host}-${process.pid}-${count++}${ending}`;
    held.add(folder);
    try {
      // Never follows a link: `mkdir` fails if there is anything.
      if (!(await adopt(path, folder))) await mkdir(folder);
      const origin = await readOrigin(folder);
      // Bytes without a note could be from anything.
      const bytes = await openOwn(bytesIn(folder), origin === undefined ? constants.O_TRUNC : 0);
      return new Part(folder, bytes, (await bytes.stat()).size, origin);
    } catch (cause) {
      held.delete(folder);
      throw ioError("cannot be written", folder, cause, cacheHint);
    }
  }

  get length(): number {
    return this.#length;
  }

  get origin(): Origin | undefined {
    return this.#origin;
  }

  /** Path of the file with the bytes. */
  get path(): string {
    return bytesIn(this.#folder);
  }

  /** Discards all bytes; new ones will come from `origin`. */
  async restart(origin: Origin): Promise<void> {
    await this.#writing(async () => {
      if (this.#length > 0) await this.#bytes.truncate(0);
      this.#length = 0;
      const note = await openOwn(noteIn(this.#folder), constants.O_TRUNC);
      await note.writeFile(JSON.stringify(origin)).finally(() => note.close());
      this.#origin = origin;
    });
  }

  /** Written before it returns: whatever came in must not wait in memory while more comes (`mostWaiting`, request.node.ts). */
  async append(chunk: Uint8Array): Promise<void> {
    await this.#writing(async () => {
      for (let done = 0; done < chunk.length; ) {
        const written = writeSync(this.#bytes.fd, chunk, done, chunk.length - done, this.#length);
        done += written;
        this.#length += written;
      }
    });
  }

  async #writing(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      throw ioError(`cannot be written; the ${this.#length} bytes so far are kept`, this.path, cause, cacheHint);
    }
  }

  /** Moves the complete file to its place, atomically. @throws SenetError `io` */
  async finish(path: string): Promise<void> {
    try {
      await this.#bytes.sync();
      await this.#bytes.close();
      await rename(this.path, path);
      await rm(this.#folder, { recursive: true, force: true });
    } catch (cause) {
      throw ioError("cannot be written", path, cause, cacheHint);
    }
  }

  /** Leaves the part for the next attempt, by any process; an empty one is deleted. */
  async release(): Promise<void> {
    await this.#bytes.close();
    if (this.#length === 0) await rm(this.#folder, { recursive: true, force: true });
    held.delete(this.#folder);
  }
}

const cacheHint = `free some space, or another ${option("cache")} folder; the same command then continues`;
const bytesIn = (folder: string) => join(folder, "bytes");
const noteIn = (folder: string) => join(folder, "origin.json");

/** Opens for reading and writing, creates if missing, and never follows a link. (Windows has no such flag.) */
const openOwn = (path: string, flags: number): Promise<FileHandle> =>
  open(path, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0) | flags, 0o666);

async function readOrigin(folder: string): Promise<Origin | undefined> {
  try {
    await lstat(bytesIn(folder));
    return originSchema.parse(JSON.parse(await readFile(noteIn(folder), "utf8")));
  } catch {
    return undefined; // nothing was left, or it was killed before the note was whole
  }
}

/**
 * Renames the largest abandoned part of `path` to `folder`, if there is one, and deletes the others; ignores those of
 * other users.
 */
async function adopt(path: string, folder: string): Promise<boolean> {
  const start = `${basename(path)}.`;
  const names = await readdir(dirname(path));
  const candidates: { from: string; size: number }[] = [];
  for (const name of names) {
    const owner = /^(.+)-(\d+)-\d+\.partial$/.exec(name.startsWith(start) ? name.slice(start.length) : "");
    if (owner === null) continue;
    const from = join(dirname(path), name);
    const own = await lstat(from).catch(() => undefined);
    if (own?.isDirectory() !== true || own.uid !== (process.getuid?.() ?? own.uid)) continue;
    const file = await lstat(bytesIn(from)).catch(() => undefined);
    const idle = file === undefined ? 0 : Date.now() - file.mtimeMs;
    const isGone = owner[1] === host && !isAtWork(Number(owner[2]), from);
    if (isGone || idle > abandonedAfterMs) candidates.push({ from, size: file?.size ?? 0 });
  }
  candidates.sort((a, b) => b.size - a.size);
  let adopted = false;
  for (const { from } of candidates) {
    if (adopted) await rm(from, { recursive: true, force: true });
    else adopted = await isRenamed(from, folder);
  }
  return adopted;
}

function isAtWork(pid: number, folder: string): boolean {
  if (pid === process.pid) return held.has(folder);
  try {
    process.kill(pid, 0); // asks only
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Renames; false if another process was faster. */
async function isRenamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch {
    return false;
  }
}
