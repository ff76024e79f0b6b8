/** One request over HTTP, through its redirects, and what its failures are. */

import { type Dispatcher, request } from "undici";
import type { Address } from "./address.node.ts";

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

/** The options of a single request. */
export interface AskOptions {
  readonly dispatcher: Dispatcher;
  readonly timing: Timing;
  readonly signal?: AbortSignal | undefined;
}

export type Answer = Dispatcher.ResponseData;

const mostRedirects = 10;

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

/** A header of an answer; of several with its name, the first. */
export function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
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

/** What an error of a request, or of reading its answer, means. @param what what had happened until then */
export function failureOf(error: unknown, { signal, timing }: AskOptions, what?: string): unknown {
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
