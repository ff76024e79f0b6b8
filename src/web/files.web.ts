/** Reads weight files from the network or the user's disk, and keeps downloads for the next visit. */

import { causeText, SenetError } from "../errors.ts";
import type { WeightFile } from "../weights/source.ts";
import { fileNameAt } from "./address.web.ts";
import { bytesOfBlob } from "./blob.web.ts";
import type { LoadProgress, SentSource } from "./calls.web.ts";

export interface ReadFileOptions {
  /** Whether to keep downloads. */
  readonly cache: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly say: (line: string) => void;
}

export interface ReadFile extends WeightFile {
  /** Keeps what came from an address. Call it once the file has opened: a server may have sent a page instead of weights. */
  readonly keep?: (() => Promise<void>) | undefined;
}

/** Reads a source. @throws SenetError `io` where an address gives no file, or a file on the disk cannot be read any more */
export async function readSource(source: SentSource, options: ReadFileOptions): Promise<ReadFile> {
  if (source.kind === "address") {
    const { address } = source;
    return { ...(await fetched(address, options)), where: fileNameAt(address), path: address };
  }
  const { blob, name } = source;
  return { bytes: await bytesOf(blob, name, options), where: name };
}

async function bytesOf(blob: Blob, name: string, { signal, onProgress }: ReadFileOptions): Promise<Uint8Array> {
  const bytes = await bytesOfBlob(blob, name);
  signal.throwIfAborted();
  onProgress({ phase: "read", loaded: bytes.length, total: bytes.length });
  return bytes;
}

/**
 * Fetches an address. A kept copy is used as long as the server has the same file (same ETag or date, and size), or if
 * the server cannot be reached.
 */
async function fetched(address: string, options: ReadFileOptions): Promise<Pick<ReadFile, "bytes" | "keep">> {
  const { signal } = options;
  // `blob:` and `data:` are in the page already.
  const cache = options.cache && address.startsWith("http") ? await Cache.open(address) : undefined;
  const asking = new AbortController();
  const leave = () => asking.abort(signal.reason);
  signal.addEventListener("abort", leave);
  try {
    const response = await ask(address, asking.signal, cache, options);
    if (response instanceof Blob) return { bytes: await bytesOf(response, address, options) };
    const mark = markOf(response);
    const kept = mark && (await cache?.find(mark));
    if (kept) {
      // The body is not needed.
      asking.abort();
      return { bytes: await bytesOf(kept, address, options) };
    }
    const bytes = await download(response, address, options);
    return { bytes, keep: mark && cache ? () => cache.keep(mark, bytes, options.say) : undefined };
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
  let hint = "";
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
    // Browsers do not tell a refusal from a server that is away.
    if (new URL(address).origin !== location.origin) hint = "let the server allow it: Access-Control-Allow-Origin";
  }
  throw new SenetError("io", "the weights cannot be fetched", { where: address, found, ...(hint && { hint }) });
}

async function download(
  response: Response,
  address: string,
  { signal, onProgress }: ReadFileOptions,
): Promise<Uint8Array> {
  const said = Number(response.headers.get("content-length") ?? Number.NaN);
  // The length of a compressed response is not that of the file.
  const isPlain = Number.isSafeInteger(said) && !response.headers.has("content-encoding");
  const parts: Uint8Array[] = [];
  let loaded = 0;
  try {
    const reader = response.body!.getReader();
    for (;;) {
      // Another origin need not tell that it compresses; it has if more comes than it said.
      onProgress({ phase: "fetch", loaded, total: isPlain && loaded <= said ? said : undefined });
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

/**
 * Identifies the version of a file at an address; `undefined` if nothing does, or if it is not to be stored. The size alone does
 * not: a network that was trained further has the same.
 */
function markOf({ headers }: Response): string | undefined {
  const tag = headers.get("etag") ?? headers.get("last-modified");
  const isPrivate = headers.get("cache-control")?.includes("no-store");
  return tag === null || isPrivate ? undefined : `${tag}\0${headers.get("content-length") ?? ""}`;
}

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes.slice(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const folderName = "senet-weights";

/** Number of copies with other queries of the same address to keep: usually a query like `?v=7` replaces `?v=6`. */
const mostOthers = 2;

/**
 * Copies in the browser's private file system (OPFS): a folder per address without query, a file per query and version.
 */
class Cache {
  readonly #folder: FileSystemDirectoryHandle;
  /** File-name prefix of this query's copies. */
  readonly #query: string;

  private constructor(folder: FileSystemDirectoryHandle, query: string) {
    this.#folder = folder;
    this.#query = query;
  }

  /** Opens the cache; `undefined` if the browser keeps no files, as in some private windows. */
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
    try {
      const file = await (await this.#folder.getFileHandle(this.#query + (await digest(mark)))).getFile();
      return file.size > 0 ? file : undefined;
    } catch {
      return undefined;
    }
  }

  /** The most recent copy. */
  async newest(): Promise<Blob | undefined> {
    return (await this.#copies()).find((copy) => this.#isOwn(copy) && copy.size > 0);
  }

  /** Writes a copy and removes older ones. Concurrent readers find a complete file or none. */
  async keep(mark: string, bytes: Uint8Array, say: (line: string) => void): Promise<void> {
    const name = this.#query + (await digest(mark));
    try {
      await write(this.#folder, name, bytes);
    } catch (error) {
      await this.#folder.removeEntry(name).catch(() => {});
      const { name: kind, message } = error as DOMException;
      // Another tab is writing it.
      if (kind === "NoModificationAllowedError") return;
      const isFull = kind === "QuotaExceededError";
      const why = isFull ? "the browser's store is full" : `the browser does not store them (${kind}: ${message})`;
      say(`the weights are not kept for the next visit: ${why}`);
      return;
    }
    const copies = await this.#copies();
    const older = copies.filter((copy) => this.#isOwn(copy) && copy.name !== name);
    const ofOtherQueries = copies.filter((copy) => !this.#isOwn(copy) && !isPart(copy));
    // A partial file that another tab is writing cannot be removed.
    for (const copy of [...older, ...ofOtherQueries.slice(mostOthers), ...copies.filter(isPart)]) {
      await this.#folder.removeEntry(copy.name).catch(() => {});
    }
  }

  #isOwn({ name }: File): boolean {
    return name.startsWith(this.#query);
  }

  /** The copies of all queries, newest first. */
  async #copies(): Promise<readonly File[]> {
    const folder = this.#folder as unknown as { values(): AsyncIterable<FileSystemHandle> };
    const files: File[] = [];
    try {
      for await (const handle of folder.values()) {
        if (handle.kind === "file") files.push(await (handle as FileSystemFileHandle).getFile());
      }
    } catch {
      // Another tab is removing old copies.
    }
    return files.sort((a, b) => b.lastModified - a.lastModified);
  }
}

/** Name prefix of incomplete files. */
const partMark = "part-";
const isPart = ({ name }: File): boolean => name.startsWith(partMark);

/** The file under its name is whole at all times. */
async function write(folder: FileSystemDirectoryHandle, name: string, bytes: Uint8Array): Promise<void> {
  if (!("createWritable" in FileSystemFileHandle.prototype)) {
    const { writeInPlace } = await import("./write-in-place.web.ts");
    return writeInPlace(folder, name, bytes, partMark + name);
  }
  const writing = await (await folder.getFileHandle(name, { create: true })).createWritable();
  try {
    // Reserves the space: without it, writing may fail with other messages ("Failed to write data to data pipe"), and
    // browsers may not grant the quota that they report.
    await writing.truncate(bytes.length);
    await writing.write(bytes as Uint8Array<ArrayBuffer>);
    await writing.close();
  } catch (error) {
    await writing.abort().catch(() => {});
    throw error;
  }
}
