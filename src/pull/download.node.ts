/** Downloads from one address over HTTP: resumes partial files, and retries where that may help. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "./address.node.ts";
import type { Part } from "./part.node.ts";
import {
  AddressFailure,
  type Answer,
  type AskOptions,
  failureOf,
  following,
  header,
  Interruption,
  Refusal,
  type Timing,
} from "./request.node.ts";

export interface Progress {
  readonly address: string;
  /** Bytes so far, including earlier attempts. */
  readonly received: number;
  /** Bytes of the whole file, if known. */
  readonly total?: number;
}

export interface DownloadOptions extends AskOptions {
  /** The file's size, if known. */
  readonly bytes?: number;
  /** Largest file. Default: 1 GiB, twice the largest known weight file. */
  readonly mostBytes?: number;
  /** Whether the hash will be checked, so that bytes from another address may be continued with this one's. */
  readonly isChecked: boolean;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
}

/** Default size limit, so that an endless response cannot fill the disk. */
const usualMost = 2 ** 30;
/** An attempt with this much progress is always worth another. */
const worthwhileBytes = 64 * 1024;

/** Checks that an address delivers fast enough: one byte per second never stalls, and never ends. */
export class Pace {
  #since = performance.now();
  #bytes = 0;
  readonly #timing: Timing;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Excludes the time that a server asked to wait. */
  excuse(ms: number): void {
    this.#since += ms;
  }

  /** @throws AddressFailure */
  count(bytes: number): void {
    const { windowMs, leastBytes } = this.#timing;
    this.#bytes += bytes;
    const elapsed = performance.now() - this.#since;
    if (elapsed < windowMs) return;
    if (this.#bytes < leastBytes) {
      throw new AddressFailure(`is too slow: ${this.#bytes} bytes in ${Math.round(elapsed / 1000)} seconds`);
    }
    this.#since = performance.now();
    this.#bytes = 0;
  }
}

/**
 * Downloads the rest of `part` from `address`.
 * @throws AddressFailure; SenetError `io` where the file cannot be written; the signal's reason
 */
export async function download(address: Address, part: Part, options: DownloadOptions): Promise<void> {
  const { timing, say, signal } = options;
  const pace = new Pace(timing);
  let furthest = part.length;
  for (let failed = 0; ; ) {
    try {
      await attempt(address, part, pace, options);
      return;
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      if (part.length >= furthest + worthwhileBytes) {
        failed = 0;
        furthest = part.length;
      }
      failed++;
      if (failed >= timing.attempts) throw new AddressFailure(`${error.message} (${failed} attempts)`);
      const pause = error.waitMs ?? timing.pauseMs * 2 ** (failed - 1);
      if (pause > timing.longestPauseMs) {
        throw new AddressFailure(`${error.message}, and asks to wait for ${Math.round(pause / 1000)} seconds`);
      }
      if (error.waitMs !== undefined) pace.excuse(pause);
      say(`${address.url}: ${error.message}; trying again in ${(pause / 1000).toFixed(1)} seconds`);
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
  }
}

async function attempt(address: Address, part: Part, pace: Pace, options: DownloadOptions): Promise<void> {
  const { origin, length } = part;
  const validator = origin?.address === address.url ? origin.validator : undefined;
  const isContinued = length > 0 && (validator !== undefined || options.isChecked);
  const headers: Record<string, string> = {
    "user-agent": "senet",
    // A compressed response would have other lengths and offsets.
    "accept-encoding": "identity",
    ...(isContinued && { range: `bytes=${length}-` }),
    ...(isContinued && validator !== undefined && { "if-range": validator }),
  };
  const answer = await following(address, headers, options);
  try {
    const total = await accept(answer, address.url, part, isContinued, options);
    if (total === "complete") return;
    await receive(answer, address.url, part, total, pace, options);
  } finally {
    // An unread body must not hold the connection; its errors are irrelevant.
    answer.body.on("error", () => {}).destroy();
  }
}

/**
 * Checks the status and headers, and prepares the part for the bytes to come.
 * @returns the whole file's size, if given; "complete" if nothing is left
 */
async function accept(
  answer: Answer,
  address: string,
  part: Part,
  isContinued: boolean,
  { bytes, mostBytes }: DownloadOptions,
): Promise<number | undefined | "complete"> {
  const { statusCode } = answer;
  const validator = validatorOf(answer);
  const restart = () => part.restart({ address, ...(validator !== undefined && { validator }) });
  if (statusCode === 206 && isContinued) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header(answer, "content-range") ?? "");
    if (range === null || Number(range[1]) !== part.length) {
      await restart();
      throw new Interruption("answers with a different range from the one asked for");
    }
    const total = range[2] === "*" ? undefined : Number(range[2]);
    refuseSize(total, bytes, mostBytes);
    return total;
  }
  if (statusCode === 416 && isContinued) {
    const total = /^bytes \*\/(\d+)$/.exec(header(answer, "content-range") ?? "")?.[1];
    if (Number(total) === part.length) return "complete";
    await restart();
    throw new Interruption("cannot continue from where the last attempt stopped");
  }
  if (statusCode === 200) {
    const encoding = header(answer, "content-encoding") ?? "identity";
    if (encoding !== "identity")
      throw new AddressFailure(`sends the file compressed (${encoding}), which was not asked for`);
    const length = header(answer, "content-length");
    const total = length === undefined ? undefined : Number(length);
    // An error page has another length, too, and is worth reading.
    const isPage = /^text\/html|json/.test(header(answer, "content-type") ?? "");
    refuseSize(total, isPage ? undefined : bytes, mostBytes);
    await restart();
    return total;
  }
  const status = `answers with status ${statusCode}`;
  if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
    throw new Interruption(status, waitOf(header(answer, "retry-after")));
  }
  throw new Refusal(status);
}

function refuseSize(total: number | undefined, bytes: number | undefined, most = usualMost): void {
  if (total === undefined) return;
  if (bytes !== undefined && total !== bytes) {
    throw new AddressFailure(`has a file of ${total} bytes, not of ${bytes}`);
  }
  if (total > most) throw new AddressFailure(`has a file of ${total} bytes; up to ${most} are fetched`);
}

async function receive(
  answer: Answer,
  address: string,
  part: Part,
  total: number | undefined,
  pace: Pace,
  options: DownloadOptions,
): Promise<void> {
  const { onProgress, bytes, mostBytes = usualMost } = options;
  const most = total ?? bytes ?? mostBytes;
  const report = () => onProgress({ address, received: part.length, ...(total !== undefined && { total }) });
  report();
  const chunks = answer.body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      throw failureOf(error, options, `breaks off at byte ${part.length}${total === undefined ? "" : ` of ${total}`}`);
    });
    if (next.done === true) break;
    if (part.length + next.value.length > most) {
      await part.restart({ address });
      throw new AddressFailure(`sends more than ${most} bytes`);
    }
    await part.append(next.value);
    pace.count(next.value.length);
    report();
  }
  // A server may send less of the range than requested.
  if (total !== undefined && part.length < total) throw new Interruption(`stops at byte ${part.length} of ${total}`);
}

/** The validator for `If-Range`: a strong ETag, or a date. */
function validatorOf(answer: Answer): string | undefined {
  const tag = header(answer, "etag");
  return tag !== undefined && !tag.startsWith("W/") ? tag : header(answer, "last-modified");
}

/** `Retry-After`: seconds, or a date. */
function waitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
