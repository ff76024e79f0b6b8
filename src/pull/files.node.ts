/** Downloads any files by their addresses into folders; keeps existing files and resumes partial ones. */

import { dirname } from "node:path";
import { SenetError } from "../errors.ts";
import { makeFolder } from "../files/files.node.ts";
import { addressOf } from "./address.node.ts";
import { download } from "./download.node.ts";
import { proxied } from "./fetch.node.ts";
import { Part } from "./part.node.ts";
import { isFile } from "./pull.node.ts";
import { AddressFailure, defaultTiming, Refusal, type Timing } from "./request.node.ts";

export interface FileToFetch {
  readonly address: string;
  /** Target path. */
  readonly path: string;
}

export interface FetchFilesOptions {
  /** Checks the complete file. @returns what is wrong with it, in words */
  readonly faultOf: (path: string) => string | undefined;
  /** Largest file. */
  readonly mostBytes: number;
  /** Is told of each finished file and of failures. */
  readonly say?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

/** Simultaneous downloads: more do not help, and servers dislike it. */
const sideBySide = 3;

/**
 * Downloads the files that do not exist yet. Broken connections are resumed, as are interrupted calls by the next one.
 * Obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
 * @throws SenetError `io`, with the address and what is wrong; the signal's reason
 */
export async function fetchFiles(files: readonly FileToFetch[], options: FetchFilesOptions): Promise<void> {
  const { say = () => {} } = options;
  const wanted: FileToFetch[] = [];
  for (const file of files) if (!(await isFile(file.path))) wanted.push(file);
  if (wanted.length === 0) return;
  const dispatcher = proxied();
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let file = wanted[next++]; file !== undefined; file = wanted[next++]) {
      signal.throwIfAborted();
      await fetchOne(file, { ...options, say, signal, dispatcher });
      say(`fetched ${addressOf(new URL(file.address)).url}, ${++done} of ${wanted.length}`);
    }
  };
  try {
    await Promise.all(
      Array.from({ length: sideBySide }, () =>
        work().catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
  } finally {
    await dispatcher.destroy();
  }
}

type One = Required<Pick<FetchFilesOptions, "faultOf" | "mostBytes">> & {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  readonly timing?: Partial<Timing> | undefined;
  readonly dispatcher: ReturnType<typeof proxied>;
};

async function fetchOne({ address, path }: FileToFetch, options: One): Promise<void> {
  const from = addressOf(new URL(address));
  await makeFolder(dirname(path), "another folder: SENET_CACHE");
  const part = await Part.claim(path);
  try {
    const { dispatcher, say, signal, mostBytes } = options;
    const timing = { ...defaultTiming, ...options.timing };
    await download(from, part, { dispatcher, timing, say, signal, mostBytes, isChecked: false, onProgress: () => {} });
    const fault = options.faultOf(part.path);
    if (fault !== undefined) {
      // The partial file is useless; start again.
      await part.restart({ address: from.url });
      throw new AddressFailure(fault);
    }
    await part.finish(path);
  } catch (cause) {
    if (!(cause instanceof AddressFailure)) throw cause;
    throw new SenetError("io", "could not be fetched", {
      where: from.url,
      found: cause.message,
      hint:
        cause instanceof Refusal
          ? "look whether the address is right, and whether the server lets you have the file"
          : "run the same command again to continue; behind a proxy, set HTTPS_PROXY",
      cause,
    });
  } finally {
    await part.release();
  }
}
