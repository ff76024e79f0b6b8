/** Weight files from the network or the user's disk, and those that are kept for the next visit. */

import { causeText, SenetError } from "../errors.ts";
import type { WeightFile } from "../weights/source.ts";
import { fileNameAt } from "./address.web.ts";
import type { LoadProgress, SentSource } from "./calls.web.ts";

export interface ReadFileOptions {
  /** Whether what comes from an address is kept. */
  readonly cache: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly say: (line: string) => void;
}

/** @throws SenetError `io` where an address gives no file */
export async function readSource(source: SentSource, options: ReadFileOptions): Promise<WeightFile> {
  if (source.kind === "address") {
    const { address } = source;
    return { bytes: await fetched(address, options), where: fileNameAt(address), path: address };
  }
  return { bytes: await bytesOf(source.blob, options), where: source.name };
}

async function bytesOf(blob: Blob, { signal, onProgress }: ReadFileOptions): Promise<Uint8Array> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  signal.throwIfAborted();
  onProgress({ phase: "read", loaded: bytes.length, total: bytes.length });
  return bytes;
}

/**
 * What stands at an address. A copy that was kept serves as long as the server has the same file, by its tag or date and
 * its size; and whatever the server has where it cannot be reached.
 */
async function fetched(address: string, options: ReadFileOptions): Promise<Uint8Array> {
  const { signal } = options;
  const cache = options.cache ? await Cache.open(address) : undefined;
  const asking = new AbortController();
  const leave = () => asking.abort(signal.reason);
  signal.addEventListener("abort", leave);
  try {
    const response = await ask(address, asking.signal, cache, options);
    if (response instanceof Blob) return await bytesOf(response, options);
    const mark = markOf(response);
    const kept = await cache?.find(mark);
    if (kept !== undefined) {
      // Its body is not wanted.
      asking.abort();
      return await bytesOf(kept, options);
    }
    const bytes = await download(response, address, options);
    await cache?.keep(mark, bytes, options.say);
    return bytes;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

async function ask(
  address: string,
  signal: AbortSignal,
  cache: Cache | undefined,
  { say }: ReadFileOptions,
): Promise<Response | Blob> {
  let found: string;
  try {
    const response = await fetch(address, { signal });
    if (response.ok) return response;
    found = `HTTP ${response.status}${response.statusText && ` ${response.statusText}`}`;
  } catch (cause) {
    signal.throwIfAborted();
    const kept = await cache?.newest();
    if (kept !== undefined) {
      say("the server cannot be reached: the weights are those of an earlier visit");
      return kept;
    }
    found = causeText(cause);
  }
  throw new SenetError("io", "the weights cannot be fetched", { where: address, found });
}

async function download(
  response: Response,
  address: string,
  { signal, onProgress }: ReadFileOptions,
): Promise<Uint8Array> {
  const said = Number(response.headers.get("content-length") ?? Number.NaN);
  // Of a compressed answer the length is that of less than what comes out.
  const isPlain = Number.isSafeInteger(said) && !response.headers.has("content-encoding");
  const total = isPlain ? said : undefined;
  const parts: Uint8Array[] = [];
  let loaded = 0;
  try {
    const reader = response.body!.getReader();
    for (;;) {
      onProgress({ phase: "fetch", loaded, total });
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      loaded += value.length;
    }
  } catch (cause) {
    signal.throwIfAborted();
    const found = causeText(cause);
    throw new SenetError("io", "the download breaks off", { where: address, found, cause });
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What tells one file at an address from the next. */
function markOf({ headers }: Response): string {
  const tag = headers.get("etag") ?? headers.get("last-modified") ?? "";
  return `${tag}\0${headers.get("content-length") ?? ""}`;
}

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes.slice(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const folderName = "senet-weights";

/** Of an address with other queries so many copies stay: `?v=7` is all that is wanted where `?v=6` was, mostly. */
const mostOthers = 2;

/**
 * Copies in the browser's own files (OPFS): a folder for each address without its query, a file for each query and version.
 */
class Cache {
  readonly #folder: FileSystemDirectoryHandle;
  /** What the copies of this query are called, up to their version. */
  readonly #query: string;

  private constructor(folder: FileSystemDirectoryHandle, query: string) {
    this.#folder = folder;
    this.#query = query;
  }

  /** `undefined` where the browser keeps no files, as in some private windows. */
  static async open(address: string): Promise<Cache | undefined> {
    try {
      const root = await navigator.storage.getDirectory();
      const all = await root.getDirectoryHandle(folderName, { create: true });
      const { origin, pathname, search } = new URL(address);
      const folder = await all.getDirectoryHandle(await digest(origin + pathname), { create: true });
      return new Cache(folder, `${await digest(search)}-`);
    } catch {
      return undefined;
    }
  }

  /** The copy of that version. */
  async find(mark: string): Promise<Blob | undefined> {
    // Without a tag, a date or a size nothing tells whether it is still the same.
    if (mark === "\0") return undefined;
    try {
      const file = await (await this.#folder.getFileHandle(this.#query + (await digest(mark)))).getFile();
      return file.size > 0 ? file : undefined;
    } catch {
      return undefined;
    }
  }

  /** The copy that was made last. */
  async newest(): Promise<Blob | undefined> {
    try {
      return (await this.#copies()).find((copy) => this.#isOwn(copy) && copy.size > 0);
    } catch {
      return undefined;
    }
  }

  /** Writes a copy, in the place of older ones; whoever reads meanwhile finds a whole one or none. */
  async keep(mark: string, bytes: Uint8Array, say: (line: string) => void): Promise<void> {
    if (mark === "\0") return;
    const name = this.#query + (await digest(mark));
    try {
      await write(this.#folder, name, bytes);
    } catch (error) {
      await this.#folder.removeEntry(name).catch(() => {});
      const { name: kind, message } = error as DOMException;
      // Another tab is at it.
      if (kind === "NoModificationAllowedError") return;
      const isFull = kind === "QuotaExceededError";
      const why = isFull ? "the browser's store is full" : `the browser does not store them (${kind}: ${message})`;
      say(`the weights are not kept for the next visit: ${why}`);
      return;
    }
    const copies = await this.#copies();
    const older = copies.filter((copy) => this.#isOwn(copy) && copy.name !== name);
    const ofOtherQueries = copies.filter((copy) => !this.#isOwn(copy) && !isPart(copy));
    // A part that another tab writes cannot be removed.
    for (const copy of [...older, ...ofOtherQueries.slice(mostOthers), ...copies.filter(isPart)]) {
      await this.#folder.removeEntry(copy.name).catch(() => {});
    }
  }

  #isOwn({ name }: File): boolean {
    return name.startsWith(this.#query);
  }

  /** Of all queries, the newest first. */
  async #copies(): Promise<readonly File[]> {
    const folder = this.#folder as unknown as { values(): AsyncIterable<FileSystemHandle> };
    const files: File[] = [];
    for await (const handle of folder.values()) {
      if (handle.kind === "file") files.push(await (handle as FileSystemFileHandle).getFile());
    }
    return files.sort((a, b) => b.lastModified - a.lastModified);
  }
}

/** What is not whole yet. */
const partMark = "part-";
const isPart = ({ name }: File): boolean => name.startsWith(partMark);

/** As much of what only workers have of a file as is used; in some browsers of before 2023 all of it takes its time. */
interface WorkersFile {
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { readonly at: number }): number;
    truncate(size: number): unknown;
    flush(): unknown;
    close(): unknown;
  }>;
  move(name: string): Promise<void>;
}

/** The file under its name is whole at all times. */
async function write(folder: FileSystemDirectoryHandle, name: string, bytes: Uint8Array): Promise<void> {
  if (!("createWritable" in FileSystemFileHandle.prototype)) return writeInPlace(folder, name, bytes);
  const writing = await (await folder.getFileHandle(name, { create: true })).createWritable();
  try {
    // Asks for the room: where there is none, writing at once may also fail in other words ("Failed to write data to
    // data pipe"), and what the browser says of its quota need not be what it grants.
    await writing.truncate(bytes.length);
    await writing.write(bytes as Uint8Array<ArrayBuffer>);
    await writing.close();
  } catch (error) {
    await writing.abort().catch(() => {});
    throw error;
  }
}

/** For Safari before 26. */
async function writeInPlace(folder: FileSystemDirectoryHandle, name: string, bytes: Uint8Array): Promise<void> {
  const part = partMark + name;
  const file = (await folder.getFileHandle(part, { create: true })) as unknown as WorkersFile;
  const writing = await file.createSyncAccessHandle();
  try {
    await writing.truncate(bytes.length);
    const written = writing.write(bytes, { at: 0 });
    if (written < bytes.length) throw new DOMException(`${written} of ${bytes.length} bytes`, "QuotaExceededError");
    await writing.flush();
  } catch (error) {
    await writing.close();
    await folder.removeEntry(part).catch(() => {});
    throw error;
  }
  await writing.close();
  await file.move(name);
}
