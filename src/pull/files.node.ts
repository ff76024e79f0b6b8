/** Files of any kind by their addresses, into folders: what is there is kept, what was begun is continued. */

import { dirname } from "node:path";
import { SenetError } from "../errors.ts";
import { makeFolder } from "../files/files.node.ts";
import { addressOf } from "./address.node.ts";
import { AddressFailure, defaultTiming, download, type Timing } from "./download.node.ts";
import { proxied } from "./fetch.node.ts";
import { Part } from "./part.node.ts";
import { isFile } from "./pull.node.ts";

export interface FileToFetch {
  readonly address: string;
  /** Where it goes. */
  readonly path: string;
}

export interface FetchFilesOptions {
  /** Looks at the file when all of it is there. @returns what is wrong with it, in words */
  readonly faultOf: (path: string) => string | undefined;
  /** Of one file. */
  readonly mostBytes: number;
  /** Told of each file that has come, and of what goes wrong on the way. */
  readonly say?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timing?: Partial<Timing> | undefined;
}

/** At once: more bring nothing, and servers do not like it. */
const SIDE_BY_SIDE = 3;

/**
 * Fetches what is not there yet. A connection that breaks is taken up again where it broke, and so is a call that was
 * ended, by the next one. Obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
 * @throws SenetError `io` with the address and what is wrong with it; the signal's reason
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
      Array.from({ length: SIDE_BY_SIDE }, () =>
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
      // Nothing of it is worth being continued.
      await part.restart({ address: from.url });
      throw new AddressFailure(fault);
    }
    await part.finish(path);
  } catch (cause) {
    if (!(cause instanceof AddressFailure)) throw cause;
    throw new SenetError("io", "could not be fetched", {
      where: from.url,
      found: cause.message,
      hint: "the same command again goes on where it stopped; behind a proxy, set HTTPS_PROXY",
      cause,
    });
  } finally {
    await part.release();
  }
}
