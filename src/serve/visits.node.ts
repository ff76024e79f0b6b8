/** The requests that are being handled: whether they may come in, what they hold of the memory, and when they leave. */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Metrics } from "./metrics.ts";
import { overloaded, stopping, type Wish } from "./pool.node.ts";
import { Refusal, tooLargeBody } from "./refusal.ts";
import type { Service } from "./service.node.ts";
import { type Coding, codingOf } from "./unpack.node.ts";

/** The client has closed the connection; nothing is sent. */
export class ClientGone extends Error {}

/** Facts about a request while it is being handled. */
interface Visit {
  readonly since: number;
  readonly gone: AbortController;
  /** Memory that its body may take. */
  bytes: number;
  /** How its body is compressed. */
  coding?: Coding;
  isAnswered: boolean;
}

export class Visits {
  readonly #service: Pick<Service, "pool" | "settings">;
  readonly #metrics: Metrics;
  readonly #visits = new Map<FastifyRequest, Visit>();
  /** Bytes that all bodies may take. */
  #held = 0;
  /** Once set, no more work is accepted. */
  isStopping = false;

  constructor(service: Pick<Service, "pool" | "settings">, metrics: Metrics) {
    this.#service = service;
    this.#metrics = metrics;
  }

  /** Number of unanswered requests. */
  get size(): number {
    return this.#visits.size;
  }

  /** Counts a request from the arrival of its headers until its connection has been answered or closed. */
  begin(request: FastifyRequest, reply: FastifyReply): void {
    const visit: Visit = { since: performance.now(), gone: new AbortController(), bytes: 0, isAnswered: false };
    this.#visits.set(request, visit);
    reply.raw.once("finish", () => {
      visit.isAnswered = true;
    });
    reply.raw.once("close", () => this.#end(request, reply, visit));
  }

  /** Reserves the memory for a request's body. @throws Refusal before the body is read */
  admit(request: FastifyRequest): void {
    const { pool, settings } = this.#service;
    const coding = codingOf(request.headers["content-encoding"]);
    if (this.isStopping) throw stopping();
    if (pool.room === 0) throw overloaded(pool.retryAfter);
    const said = request.headers["content-length"];
    // A body of unknown length may have any.
    const sent = said === undefined ? settings.bodyBytes : Number(said);
    if (sent > settings.bodyBytes) throw tooLargeBody(settings.bodyBytes, said);
    const length = coding === undefined ? sent : sent + settings.bodyBytes;
    if (this.#held + length > settings.allBytes) throw overloaded(pool.retryAfter);
    this.#held += length;
    const visit = this.#visits.get(request)!;
    visit.bytes = length;
    if (coding !== undefined) visit.coding = coding;
  }

  /** How an admitted request's body is compressed. */
  codingOf(request: FastifyRequest): Coding | undefined {
    return this.#visits.get(request)!.coding;
  }

  /** @throws Refusal 400 */
  wishOf(request: FastifyRequest): Wish {
    const { since, gone } = this.#visits.get(request)!;
    return { signal: gone.signal, deadline: since + allowedMs(request, this.#service.settings.timeoutMs) };
  }

  #end(request: FastifyRequest, reply: FastifyReply, { since, gone, bytes, isAnswered }: Visit): void {
    this.#held -= bytes;
    this.#visits.delete(request);
    if (!isAnswered) gone.abort(new ClientGone());
    const seconds = (performance.now() - since) / 1000;
    const route = request.routeOptions.url ?? "none";
    // nginx's status for a client that has closed the connection.
    const status = isAnswered ? reply.statusCode : 499;
    this.#metrics.requests.add({ route, method: request.method, status });
    this.#metrics.seconds.observe({ route }, seconds);
    this.#service.settings.log?.(
      `${request.ip} ${request.method} ${request.url.slice(0, 500)} ${status} ${(1000 * seconds).toFixed(1)} ms`,
    );
  }
}

/** Time limit in milliseconds, from the arrival of the headers. @throws Refusal 400 */
function allowedMs({ headers }: FastifyRequest, most: number): number {
  const said = headers["x-request-timeout"];
  if (said === undefined) return most;
  const seconds = Number(said);
  if (said !== "" && seconds > 0) return Math.min(most, 1000 * seconds);
  const found = `${said}`.slice(0, 40);
  throw new Refusal(400, "bad_request", "X-Request-Timeout is not a time", { expected: "seconds, above 0", found });
}
