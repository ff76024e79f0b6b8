/** Downloads from one address over HTTP: follows redirects, resumes partial files, and retries where that may help. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Dispatcher, request } from "undici";
import type { Address } from "./address.node.ts";
import type { Part } from "./part.node.ts";

/** A failure of one address; another one may work. */
export class AddressFailure extends Error {}

/** The server has no such file, or does not give it away: to try again changes nothing. */
export class Refusal extends AddressFailure {}

/** A temporary failure; a retry may work. */
export class Interruption extends Error {
  /** Wait requested by the server. */
  readonly waitMs: number | undefined;

  constructor(message: string, waitMs?: number) {
    super(message);
    this.waitMs = waitMs;
  }
}

export interface Timing {
  /** Most consecutive attempts without progress. */
  readonly attempts: number;
  /** Pause before the second attempt; doubles each time. */
  readonly pauseMs: number;
  /** Longest wait that a server may request. */
  readonly longestPauseMs: number;
  /** Longest time without a response or a byte. */
  readonly stallMs: number;
  /** In each window of this length an address must deliver `leastBytes`, or it is abandoned. */
  readonly windowMs: number;
  readonly leastBytes: number;
}

/** Requires one KiB per second, a seventh of an old modem's speed. */
export const defaultTiming: Timing = {
  attempts: 4,
  pauseMs: 1000,
  longestPauseMs: 60_000,
  stallMs: 30_000,
  windowMs: 60_000,
  leastBytes: 60 * 1024,
};

export interface Progress {
  readonly address: string;
  /** Bytes so far, including earlier attempts. */
  readonly received: number;
  /** Bytes of the whole file, if known. */
  readonly total?: number;
}

export interface DownloadOptions {
  readonly dispatcher: Dispatcher;
  readonly timing: Timing;
  /** The file's size, if known. */
  readonly bytes?: number;
  /** Largest file. Default: 1 GiB, twice the largest known weight file. */
  readonly mostBytes?: number;
  /** Whether the hash will be checked, so that bytes from another address may be continued with this one's. */
  readonly isChecked: boolean;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

const mostRedirects = 10;
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

type Answer = Dispatcher.ResponseData;

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

/** The options of a single request. */
export type AskOptions = Pick<DownloadOptions, "dispatcher" | "timing" | "signal">;

/** The response after all redirects. @throws AddressFailure, Interruption; the signal's reason */
export async function following(
  { url: from, authorization }: Address,
  headers: Record<string, string>,
  options: AskOptions,
): Promise<Answer> {
  let url = new URL(from);
  const { origin } = url;
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    // Credentials are only sent to the host that they were given for.
    const own = authorization !== undefined && url.origin === origin ? { authorization } : {};
    const answer = await ask(url, { ...headers, ...own }, options);
    if (![301, 302, 303, 307, 308].includes(answer.statusCode)) return answer;
    answer.body.on("error", () => {}).destroy();
    url = redirected(url, header(answer, "location"));
  }
  throw new AddressFailure(`redirects more than ${mostRedirects} times`);
}

/**
 * The target of a redirect. @throws AddressFailure where it is invalid, or leads from an encrypted connection to an
 * open one
 */
export function redirected(from: URL, location: string | undefined): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new AddressFailure(`redirects to ${location === undefined ? "nowhere" : "something that is not an address"}`);
  }
  const to = new URL(location, from);
  if (to.protocol !== "https:" && (to.protocol !== "http:" || from.protocol === "https:")) {
    // Without the query, which may contain a key.
    throw new AddressFailure(`redirects to ${to.protocol}//${to.host}, which is not encrypted as ${from.origin} is`);
  }
  to.username = "";
  to.password = "";
  return to;
}

/**
 * Bytes of an answer that may wait to be read. undici 7 ends the process where they are more and the server closes the
 * connection meanwhile (nodejs/undici#5360), as Python's does after every file; version 8 needs Node 22.
 */
const mostWaiting = 2 ** 26;

async function ask(url: URL, headers: Record<string, string>, options: AskOptions): Promise<Answer> {
  const { dispatcher, timing, signal } = options;
  const late = new AbortController();
  // The client's own timeout restarts with each byte of the headers.
  const timer = setTimeout(
    () => late.abort(new Interruption(`nothing was received for ${timing.stallMs / 1000} seconds`)),
    timing.stallMs,
  );
  try {
    return await request(url, {
      dispatcher,
      headers,
      headersTimeout: 2 * timing.stallMs,
      bodyTimeout: timing.stallMs,
      highWaterMark: mostWaiting,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    });
  } catch (error) {
    if (error instanceof Interruption) throw error;
    throw failureOf(error, options);
  } finally {
    clearTimeout(timer);
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

function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
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

/** Codes of temporary errors. Without a network, or for an unknown host, retrying is useless. */
const passing = new Set([
  ...["ECONNRESET", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"],
  "UND_ERR_CONNECT_TIMEOUT",
]);

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: "the host is not found",
  EAI_AGAIN: "no name server answers",
  ECONNREFUSED: "the connection is refused",
  ENETUNREACH: "that network cannot be reached",
  ECONNRESET: "the connection was lost",
  UND_ERR_SOCKET: "the connection was lost",
  UND_ERR_CONNECT_TIMEOUT: "no connection could be made",
};

function failureOf(error: unknown, { signal, timing }: AskOptions, what?: string): unknown {
  if (signal?.aborted || !(error instanceof Error)) return signal?.reason ?? error;
  const code = codeOf(error);
  const isStall = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT";
  const why = isStall ? `nothing was received for ${timing.stallMs / 1000} seconds` : (words[code] ?? error.message);
  const message = what === undefined ? why : `${what}: ${why}`;
  return passing.has(code) ? new Interruption(message) : new AddressFailure(message);
}

/** If a host has several addresses, the error combines those of each, which have their own codes. */
function codeOf(error: Error): string {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  return (first as { code?: string } | undefined)?.code ?? "";
}
