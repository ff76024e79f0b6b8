/**
 * A folder with decoded pictures, for later epochs and runs.
 *
 * Each picture is a file, written under a temporary name and renamed, so that it is complete or absent, whoever else writes
 * and whenever a process ends. Its name is a hash of the picture's path, size and time, and of what it is decoded for, so
 * an outdated one is never found. A run looks only once for each picture: changes during a run are seen by the next run.
 */

import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { makeFoldersSync, reasonOf, writeError } from "../files/files.node.ts";
import { PictureFault } from "../images/fault.ts";
import type { Box, Picture } from "../images/resize.ts";
import type { PictureView } from "../images/view.ts";
import type { Source } from "./dataset.ts";
import { nameBytes } from "./ring.ts";

/** Raised when decoding changes pixels. */
const version = 2;

/**
 * `SNPX`: starts the header (with width and height), and is repeated after the pixels, in the last bytes to reach the
 * disk.
 */
const mark = 0x58504e53;
const headBytes = 12;
const tailBytes = 4;

/** Temporary files older than this were abandoned. */
const abandonedMs = 3_600_000;

/** Creates the folder, and removes what killed processes left in it. @throws SenetError `io` */
export function preparePictureCache(folder: string): void {
  try {
    makeFoldersSync(folder);
    for (const name of readdirSync(folder)) {
      if (!name.endsWith(".part")) continue;
      const file = join(folder, name);
      if (Date.now() - statSync(file).mtimeMs > abandonedMs) rmSync(file, { force: true });
    }
  } catch (cause) {
    throw writeError("pictures cannot be kept here", folder, cause, "another folder");
  }
}

export class PictureCache {
  readonly #folder: string;
  readonly #recipe: string;
  readonly #onFault: (reason: string) => void;
  #isFull = false;
  /** Buffer for reading; it only grows, since allocating takes longer than filling. */
  #bytes = new Uint8Array(0);

  /**
   * @param folder made by `preparePictureCache`
   * @param recipe describes what pictures are decoded for; other recipes get other files
   * @param onFault called once when writing fails; pictures in the folder are still read
   */
  constructor(folder: string, recipe: string, onFault: (reason: string) => void) {
    this.#folder = folder;
    this.#recipe = recipe;
    this.#onFault = onFault;
  }

  /** The name of the picture's file here; `undefined` for raw pixels, which need no decoding. */
  nameOf(source: Source): string | undefined {
    if (source.kind === "pixels") return undefined;
    const found = statSync(source.file, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return undefined;
    const part = source.kind === "range" ? [source.start, source.length] : [];
    const facts = [version, this.#recipe, resolve(source.file), `${found.size}`, `${found.mtimeNs}`, ...part];
    return createHash("sha256")
      .update(JSON.stringify(facts))
      .digest("hex")
      .slice(0, 2 * nameBytes);
  }

  /** Reads a picture, into memory that the next read overwrites. */
  read(name: string): Picture | undefined {
    let handle: number | undefined;
    try {
      handle = openSync(this.#fileOf(name), "r");
      const { size } = fstatSync(handle);
      if (this.#bytes.length < size) this.#bytes = new Uint8Array(size);
      const bytes = this.#bytes.subarray(0, size);
      if (readSync(handle, bytes) !== size || size < headBytes + tailBytes) return undefined;
      const view = new DataView(bytes.buffer);
      const [width, height] = [view.getUint32(4, true), view.getUint32(8, true)];
      const end = headBytes + 3 * width * height;
      const isWhole =
        end + tailBytes === bytes.length && view.getUint32(0, true) === mark && view.getUint32(end, true) === mark;
      return isWhole ? { width, height, data: bytes.subarray(headBytes, end) } : undefined;
    } catch {
      // It is decoded instead.
      return undefined;
    } finally {
      if (handle !== undefined) closeSync(handle);
    }
  }

  /** A picture known to be complete and of this size; only what is asked for is read. */
  view(name: string, { width, height }: Pick<Picture, "width" | "height">): PictureView {
    const part = (box: Box) => {
      const data = this.#rows(name, 3 * width, box);
      if (data === undefined) throw new PictureFault("it is here no longer");
      return { picture: { width, height: box.height, data }, box: { ...box, top: 0 } };
    };
    return { width, height, part };
  }

  #rows(name: string, rowBytes: number, { top, height }: Box): Uint8Array | undefined {
    let handle: number | undefined;
    try {
      handle = openSync(this.#fileOf(name), "r");
      const length = rowBytes * height;
      if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
      const isWhole = readSync(handle, this.#bytes, 0, length, headBytes + rowBytes * top) === length;
      return isWhole ? this.#bytes.subarray(0, length) : undefined;
    } catch {
      // It is decoded instead.
      return undefined;
    } finally {
      if (handle !== undefined) closeSync(handle);
    }
  }

  /** @returns whether the picture is in the folder now */
  write(name: string, { width, height, data }: Picture): boolean {
    if (this.#isFull) return false;
    const file = this.#fileOf(name);
    const aside = join(this.#folder, `${randomBytes(8).toString("hex")}.part`);
    const head = new Uint8Array(headBytes);
    const view = new DataView(head.buffer);
    for (const [i, word] of [mark, width, height].entries()) view.setUint32(4 * i, word, true);
    try {
      makeFoldersSync(join(file, ".."));
      const handle = openSync(aside, "wx");
      try {
        for (const bytes of [head, data.subarray(0, 3 * width * height), head.subarray(0, tailBytes)]) {
          for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
        }
      } finally {
        closeSync(handle);
      }
      renameSync(aside, file);
      return true;
    } catch (cause) {
      this.#isFull = true;
      rmSync(aside, { force: true });
      this.#onFault(reasonOf(cause));
      return false;
    }
  }

  /** Files are spread over 256 folders: some file systems are slow with a million names in one. */
  #fileOf(name: string): string {
    return join(this.#folder, name.slice(0, 2), name.slice(2));
  }
}
