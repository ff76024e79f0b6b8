/**
 * Opens HDF5 files with h5wasm, the format's C library as WebAssembly, loaded on demand. It works on a copy of the file
 * in its own memory, so its readers, unlike others, return copies.
 */

import { causeText, SenetError } from "../errors.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import { damagedAt, type FailWhole, shownName } from "./bytes.ts";

type Library = typeof import("h5wasm");
type FileSystem = Awaited<Library["ready"]>["FS"];
export type Hdf5File = InstanceType<Library["File"]>;
export type Hdf5Group = InstanceType<Library["Group"]>;
export type Hdf5Dataset = InstanceType<Library["Dataset"]>;

/**
 * Links may form cycles, and a small file may link to a group many times; real objects take at least this many bytes.
 */
const bytesPerObject = 64;
const mostObjects = 100_000;

let opened = 0;
let isSilent = false;

/** An open file with its remaining allowances. */
export class Hdf5Reading {
  readonly library: Library;
  readonly fail: FailWhole;
  readonly #most: number;
  #objects: number;
  #bytes: number;

  constructor(library: Library, { length }: Uint8Array, fail: FailWhole) {
    this.library = library;
    this.fail = fail;
    this.#most = Math.min(mostObjects, Math.ceil(length / bytesPerObject));
    this.#objects = this.#most;
    this.#bytes = 8 * length;
  }

  /** Counts an object, so that a small file cannot create unlimited ones. */
  takeObject(): void {
    if (--this.#objects >= 0) return;
    this.fail("the file has more objects than it can hold, some of them many times over", {
      expected: `at most ${this.#most}`,
      found: "more",
    });
  }

  /** To be called before reading values: a dataset may claim any size and contain nothing. */
  takeBytes(shape: Shape, bytesEach: number, name: string): void {
    const bytes = sizeOf(shape) * bytesEach;
    if (bytes > this.#bytes) {
      this.fail(`the dataset ${shownName(name)} is larger than the file can hold`, {
        expected: `at most ${this.#bytes} bytes`,
        found: `[${shape.join(", ")}] of ${bytesEach} bytes each`,
      });
    }
    this.#bytes -= bytes;
  }
}

/**
 * @param read its result must not depend on the open file
 * @throws SenetError `weights` (as a rejection) where the file is damaged
 */
export async function readHdf5<T>(
  bytes: Uint8Array,
  where: string,
  read: (file: Hdf5File, reading: Hdf5Reading) => T,
): Promise<T> {
  const fail = damagedAt(where);
  const library = await import("h5wasm");
  const { FS } = await library.ready;
  silence(FS);
  // A unique name, since several files may be open at the same time.
  const path = `senet-${opened++}.h5`;
  let file: Hdf5File | undefined;
  try {
    FS.writeFile(path, bytes);
    file = new library.File(path, "r");
    if (file.file_id < 0n) {
      const found = `${bytes.length} bytes that its library does not open`;
      fail("this is not an HDF5 file, or it is damaged", { expected: "a whole file of HDF5", found });
    }
    return read(file, new Hdf5Reading(library, bytes, fail));
  } catch (cause) {
    if (cause instanceof SenetError) throw cause;
    const found = causeText(cause).slice(0, 160);
    return fail("the file's HDF5 structures are damaged", { expected: "groups and datasets", found, cause });
  } finally {
    close(file);
    // It does not exist if it could not be written.
    if (FS.analyzePath(path).exists) FS.unlink(path);
  }
}

/**
 * Silences the library, which prints a page for every fault; we report it in one line. (Its handler that throws instead
 * leaves the file open, and the library in an inconsistent state.)
 */
function silence(FS: FileSystem): void {
  if (isSilent) return;
  isSilent = true;
  // The library's types lack this function.
  FS.close((FS as FileSystem & { getStream(descriptor: number): Parameters<FileSystem["close"]>[0] }).getStream(2));
  // The lowest free descriptor is the one just closed.
  FS.open("/dev/null", "w");
}

function close(file: { close(): unknown } | undefined): void {
  try {
    file?.close();
  } catch {
    // Closing a damaged file may fail again; that is irrelevant.
  }
}
