/** Weight files from the network or the user's disk, and those that are kept for the next visit. */

import { SenetError } from "../errors.ts";
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
    found = cause instanceof Error ? cause.message : String(cause);
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
    const found = cause instanceof Error ? cause.message : String(cause);
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

/** Copies of one address in the browser's own files (OPFS): one folder for each address, one file for each version. */
class Cache {
  readonly #folder: FileSystemDirectoryHandle;

  private constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  /** `undefined` where the browser keeps no files, as in some private windows. */
  static async open(address: string): Promise<Cache | undefined> {
    try {
      const root = await navigator.storage.getDirectory();
      const all = await root.getDirectoryHandle(folderName, { create: true });
      return new Cache(await all.getDirectoryHandle(await digest(address), { create: true }));
    } catch {
      return undefined;
    }
  }

  /** The copy of that version. */
  async find(mark: string): Promise<Blob | undefined> {
    // Without a tag, a date or a size nothing tells whether it is still the same.
    if (mark === "\0") return undefined;
    try {
      const file = await (await this.#folder.getFileHandle(await digest(mark))).getFile();
      return file.size > 0 ? file : undefined;
    } catch {
      return undefined;
    }
  }

  /** The copy that was made last. */
  async newest(): Promise<Blob | undefined> {
    let newest: File | undefined;
    try {
      for await (const handle of this.#handles()) {
        const file = await handle.getFile();
        if (file.size > 0 && (newest === undefined || file.lastModified > newest.lastModified)) newest = file;
      }
    } catch {
      return undefined;
    }
    return newest;
  }

  /** Writes a copy, in the place of older ones; whoever reads meanwhile finds a whole one or none. */
  async keep(mark: string, bytes: Uint8Array, say: (line: string) => void): Promise<void> {
    if (mark === "\0") return;
    const name = await digest(mark);
    try {
      const handle = await this.#folder.getFileHandle(name, { create: true });
      const writing = await handle.createWritable();
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
    } catch (error) {
      await this.#folder.removeEntry(name).catch(() => {});
      const { name: kind, message } = error as DOMException;
      const isFull = kind === "QuotaExceededError";
      const why = isFull ? "the browser's store is full" : `the browser does not store them (${kind}: ${message})`;
      say(`the weights are not kept for the next visit: ${why}`);
      return;
    }
    for await (const handle of this.#handles()) {
      if (handle.name !== name) await this.#folder.removeEntry(handle.name).catch(() => {});
    }
  }

  async *#handles(): AsyncGenerator<FileSystemFileHandle, void, undefined> {
    const folder = this.#folder as unknown as { values(): AsyncIterable<FileSystemHandle> };
    for await (const handle of folder.values()) {
      if (handle.kind === "file") yield handle as FileSystemFileHandle;
    }
  }
}
