/** Reads picture files. Refuses pipes and devices, which might never end. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { causeText, SenetError } from "../errors.ts";
import { readFlags } from "../files/files.node.ts";
import { formatBytes, formatOf } from "./format.ts";

/** No supported picture is larger, compressed or not. */
const mostBytes = 2 ** 30;

/** Whether a file starts like a supported picture; false if it cannot be read. */
export function startsAsPicture(file: string): boolean {
  let handle: number | undefined;
  try {
    handle = openSync(file, readFlags);
    if (!fstatSync(handle).isFile()) return false;
    const start = new Uint8Array(formatBytes);
    return formatOf(start.subarray(0, readSync(handle, start))) !== undefined;
  } catch {
    return false;
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** Allocates memory for a number of bytes. */
export type Room = (bytes: number) => Uint8Array;
const fresh: Room = (bytes) => new Uint8Array(bytes);

/** Larger pictures get their own memory. */
const mostKept = 2 ** 22;

/**
 * Reuses the same memory, for callers that finish a picture before reading the next: allocating each time keeps the
 * garbage collector busy.
 */
export function sameRoom(): Room {
  let kept: Uint8Array = new Uint8Array(0);
  return (bytes) => {
    if (bytes > mostKept) return fresh(bytes);
    if (kept.length < bytes) kept = fresh(Math.min(mostKept, 2 * bytes));
    return kept.subarray(0, bytes);
  };
}

/**
 * The bytes of a picture file; only the first ones if it does not start like a picture. Synchronous: for most pictures,
 * asynchronous calls take longer than reading.
 * @throws SenetError `data` where it cannot be read, is not a regular file, or is too large
 */
export function readPicture(file: string, room: Room = fresh): Uint8Array {
  let handle: number | undefined;
  try {
    handle = openSync(file, readFlags);
    const found = fstatSync(handle);
    if (!found.isFile()) throw unreadable(file, found.isDirectory() ? "a folder" : "a pipe, a socket or a device");
    if (found.size > mostBytes) throw unreadable(file, `${found.size} bytes, where ${mostBytes} are the most`);
    const bytes = room(found.size);
    let length = 0;
    for (const end of [Math.min(firstBytes, bytes.length), bytes.length]) {
      while (length < end) {
        const count = readSync(handle, bytes, length, end - length, length);
        if (count === 0) return bytes.subarray(0, length);
        length += count;
      }
      if (formatOf(bytes) === undefined) break;
    }
    return bytes.subarray(0, length);
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    throw unreadable(file, reasonOf(cause), cause);
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}

/** Enough to read most pictures of a data set at once. */
const firstBytes = 2 ** 18;

/** An open file that contains many pictures. */
export class PictureContainer {
  readonly #path: string;
  readonly #handle: number;
  readonly size: number;

  /** @throws SenetError `data` where it cannot be read, or is no file */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#handle = openSync(path, readFlags);
    } catch (cause) {
      throw unreadable(path, reasonOf(cause), cause, "the file of pictures cannot be read");
    }
    const found = fstatSync(this.#handle);
    this.size = found.size;
    if (found.isFile()) return;
    this.close();
    throw unreadable(path, found.isDirectory() ? "a folder" : "a pipe, a socket or a device");
  }

  /** @throws SenetError `data` where the range is outside the file, or larger than any picture */
  read(start: number, length: number, room: Room = fresh): Uint8Array {
    if (length > mostBytes) throw unreadable(this.#path, `${length} bytes, where ${mostBytes} are the most`);
    const bytes = room(length);
    for (let done = 0; done < length; ) {
      const count = this.#readInto(bytes, done, start + done);
      if (count === 0) {
        throw unreadable(
          this.#path,
          `the file ends after ${start + done} bytes, where the picture goes to ${start + length}`,
        );
      }
      done += count;
    }
    return bytes;
  }

  #readInto(bytes: Uint8Array, offset: number, position: number): number {
    try {
      return readSync(this.#handle, bytes, offset, bytes.length - offset, position);
    } catch (cause) {
      throw unreadable(this.#path, reasonOf(cause), cause);
    }
  }

  close(): void {
    closeSync(this.#handle);
  }
}

function unreadable(where: string, found: string, cause?: unknown, what = "the picture cannot be read"): SenetError {
  return new SenetError("data", what, { where, found, cause });
}

function reasonOf(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file, or a link that leads nowhere (ENOENT)";
  if (code === "ELOOP") return "a link that leads to itself (ELOOP)";
  if (code === "EACCES" || code === "EPERM") return `permission denied (${code})`;
  // Opening a socket, or a device without a driver.
  if (code === "ENXIO") return "a pipe, a socket or a device";
  return causeText(cause);
}
