/** One address, over HTTP: redirects, the rest of a file that is here in part, and second tries where they may help. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Dispatcher, request } from "undici";
import type { Part } from "./part.node.ts";

/** What is wrong with one address; another one may do. */
export class AddressFailure extends Error {}

/** It may go better in a moment. */
class Interruption extends Error {
  /** What the server asks for. */
  readonly waitMs: number | undefined;

  constructor(message: string, waitMs?: number) {
    super(message);
    this.waitMs = waitMs;
  }
}

export interface Timing {
  /** In a row, without a byte more. */
  readonly attempts: number;
  /** Before the second attempt; doubles each time. */
  readonly pauseMs: number;
  /** The longest wait that a server may ask for. */
  readonly longestPauseMs: number;
  /** Without an answer, or without a byte. */
  readonly stallMs: number;
}

export const defaultTiming: Timing = { attempts: 4, pauseMs: 1000, longestPauseMs: 60_000, stallMs: 30_000 };

export interface Progress {
  readonly address: string;
  /** Bytes that are here, those of earlier attempts included. */
  readonly received: number;
  /** Bytes of the whole file; absent where nobody says. */
  readonly total?: number;
}

export interface DownloadOptions {
  readonly dispatcher: Dispatcher;
  readonly timing: Timing;
  /** The file's size, if known. */
  readonly bytes?: number;
  /** Its hash will be checked, so that bytes of another address may be continued with this one's. */
  readonly isChecked: boolean;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

const mostRedirects = 10;
/** No weight file is larger; an endless answer must not fill the disk. */
const mostBytes = 4 * 2 ** 30;

/**
 * Completes `part` from `address`.
 * @throws AddressFailure; SenetError `io` where the part cannot be written; the signal's reason
 */
export async function download(address: string, part: Part, options: DownloadOptions): Promise<void> {
  const { timing, say, signal } = options;
  let furthest = part.length;
  for (let failed = 0; ; ) {
    try {
      await attempt(address, part, options);
      return;
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      if (part.length > furthest) failed = 0;
      furthest = Math.max(furthest, part.length);
      failed++;
      if (failed >= timing.attempts) throw new AddressFailure(`${error.message} (${failed} attempts)`);
      const pause = error.waitMs ?? timing.pauseMs * 2 ** (failed - 1);
      if (pause > timing.longestPauseMs) {
        throw new AddressFailure(`${error.message}, and asks to wait for ${Math.round(pause / 1000)} seconds`);
      }
      say(`${address}: ${error.message}; once more in ${(pause / 1000).toFixed(1)} seconds`);
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
  }
}

type Answer = Dispatcher.ResponseData;

async function attempt(address: string, part: Part, options: DownloadOptions): Promise<void> {
  const { origin, length } = part;
  const validator = origin?.address === address ? origin.validator : undefined;
  const isContinued = length > 0 && (validator !== undefined || options.isChecked);
  const headers: Record<string, string> = {
    "user-agent": "senet",
    // A compressed answer has neither the file's length nor its offsets.
    "accept-encoding": "identity",
    ...(isContinued && { range: `bytes=${length}-` }),
    ...(isContinued && validator !== undefined && { "if-range": validator }),
  };
  const answer = await following(address, headers, options);
  try {
    const total = await accept(answer, address, part, isContinued, options);
    if (total === "complete") return;
    await receive(answer, address, part, total, options);
  } finally {
    // What is not read must not hold the connection; its error has no reader either.
    answer.body.on("error", () => {}).destroy();
  }
}

async function following(address: string, headers: Record<string, string>, options: DownloadOptions): Promise<Answer> {
  let url = new URL(address);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const answer = await ask(url, headers, options);
    if (![301, 302, 303, 307, 308].includes(answer.statusCode)) return answer;
    answer.body.on("error", () => {}).destroy();
    url = redirected(url, header(answer, "location"));
  }
  throw new AddressFailure(`redirects more than ${mostRedirects} times`);
}

/** @throws AddressFailure where the redirect leads nowhere, or from an encrypted connection to an open one */
export function redirected(from: URL, location: string | undefined): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new AddressFailure(`redirects to ${location === undefined ? "nowhere" : JSON.stringify(location)}`);
  }
  const to = new URL(location, from);
  if (to.protocol !== "https:" && (to.protocol !== "http:" || from.protocol === "https:")) {
    throw new AddressFailure(`redirects to ${to.href}, which is not encrypted as ${from.origin} is`);
  }
  return to;
}

async function ask(url: URL, headers: Record<string, string>, options: DownloadOptions): Promise<Answer> {
  const { dispatcher, timing, signal } = options;
  try {
    return await request(url, {
      dispatcher,
      headers,
      headersTimeout: timing.stallMs,
      bodyTimeout: timing.stallMs,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    throw failureOf(error, options);
  }
}

/**
 * Reads the status line and the headers, and makes the part ready for the bytes to come.
 * @returns the whole file's size, if the server says it; "complete" where nothing is left to come
 */
async function accept(
  answer: Answer,
  address: string,
  part: Part,
  isContinued: boolean,
  { bytes }: DownloadOptions,
): Promise<number | undefined | "complete"> {
  const { statusCode } = answer;
  const validator = validatorOf(answer);
  const restart = () => part.restart({ address, ...(validator === undefined ? {} : { validator }) });
  if (statusCode === 206 && isContinued) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header(answer, "content-range") ?? "");
    if (range === null || Number(range[1]) !== part.length) {
      await restart();
      throw new Interruption("answers with another range than was asked for");
    }
    const total = range[2] === "*" ? undefined : Number(range[2]);
    refuseSize(total, bytes);
    return total;
  }
  if (statusCode === 416 && isContinued) {
    const total = /^bytes \*\/(\d+)$/.exec(header(answer, "content-range") ?? "")?.[1];
    if (Number(total) === part.length) return "complete";
    await restart();
    throw new Interruption("has no bytes from where the last attempt stopped");
  }
  if (statusCode === 200) {
    const encoding = header(answer, "content-encoding") ?? "identity";
    if (encoding !== "identity") throw new AddressFailure(`sends the file compressed (${encoding}), unasked`);
    const length = header(answer, "content-length");
    const total = length === undefined ? undefined : Number(length);
    // A page that says what is wrong has another length too, and is worth reading.
    const isPage = /^text\/html|json/.test(header(answer, "content-type") ?? "");
    refuseSize(total, isPage ? undefined : bytes);
    await restart();
    return total;
  }
  const status = `answers with status ${statusCode}`;
  if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
    throw new Interruption(status, waitOf(header(answer, "retry-after")));
  }
  throw new AddressFailure(status);
}

function refuseSize(total: number | undefined, bytes: number | undefined): void {
  if (total === undefined) return;
  if (bytes !== undefined && total !== bytes) {
    throw new AddressFailure(`has a file of ${total} bytes, not of ${bytes}`);
  }
  if (total > mostBytes) throw new AddressFailure(`has a file of ${total} bytes, which no weight file has`);
}

async function receive(
  answer: Answer,
  address: string,
  part: Part,
  total: number | undefined,
  options: DownloadOptions,
): Promise<void> {
  const { onProgress, bytes } = options;
  const most = total ?? bytes ?? mostBytes;
  const report = () => onProgress({ address, received: part.length, ...(total === undefined ? {} : { total }) });
  report();
  const chunks = answer.body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      throw failureOf(error, options, `breaks off at byte ${part.length}${total === undefined ? "" : ` of ${total}`}`);
    });
    if (next.done === true) break;
    await part.append(next.value);
    if (part.length > most) throw new AddressFailure(`sends more than ${most} bytes`);
    report();
  }
  // A server may answer with less of the range than was asked for.
  if (total !== undefined && part.length < total) throw new Interruption(`stops at byte ${part.length} of ${total}`);
}

function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** What `If-Range` takes: an entity tag that means the same bytes, or a date. */
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

/** Codes of errors that may be gone in a moment. Where there is no network, or no such host, waiting is in vain. */
const passing = new Set([
  ...["ECONNRESET", "EPIPE", "ETIMEDOUT", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"],
  "UND_ERR_CONNECT_TIMEOUT",
]);

const words: Readonly<Record<string, string>> = {
  ENOTFOUND: "the host is not found",
  EAI_AGAIN: "no name server answers",
  ECONNREFUSED: "the connection is refused",
  ENETUNREACH: "there is no way to that network",
  ECONNRESET: "the connection is cut",
  UND_ERR_SOCKET: "the connection is cut",
  UND_ERR_CONNECT_TIMEOUT: "no connection comes about",
};

function failureOf(error: unknown, { signal, timing }: DownloadOptions, what?: string): unknown {
  if (signal?.aborted || !(error instanceof Error)) return signal?.reason ?? error;
  const code = codeOf(error);
  const isStall = code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT";
  const why = isStall ? `nothing comes for ${timing.stallMs / 1000} seconds` : (words[code] ?? error.message);
  const message = what === undefined ? why : `${what}: ${why}`;
  return passing.has(code) ? new Interruption(message) : new AddressFailure(message);
}

/** Where a host has several addresses, the error is of all of them, and each has its own code. */
function codeOf(error: Error): string {
  const first = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  return (first as { code?: string } | undefined)?.code ?? "";
}
