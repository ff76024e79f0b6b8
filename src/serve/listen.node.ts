/** The whole server: threads with networks, a port, reloading of changed files, and a graceful end. */

import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { availableMemory, scriptThreadsThatFit } from "../memory.node.ts";
import type { Fetcher } from "../pull/bytes.node.ts";
import { createApp } from "./app.node.ts";
import { ThreadHand } from "./hand.node.ts";
import { Models, type NamedSource } from "./models.node.ts";
import { Pool } from "./pool.node.ts";
import { listenAt, type Port } from "./port.node.ts";
import { BodyReader } from "./reader.node.ts";
import type { Receiving } from "./service.node.ts";
import type { Hand } from "./work.node.ts";

export interface ServeOptions extends Port {
  readonly models: readonly NamedSource[];
  readonly workers: number;
  /** Most pictures that may wait. */
  readonly queue: number;
  readonly timeoutMs: number;
  /** Time limits for receiving a request; default: 10 s for its headers, a minute in all. */
  readonly receiving?: Receiving;
  /** When the server stops: milliseconds until a request that has not been received completely is refused; default: 2 s. */
  readonly stoppingMs?: number;
  readonly bodyBytes: number;
  readonly mostPixels: number;
  /** Most pictures per request. */
  readonly mostPictures: number;
  /** Milliseconds between checks for changed files; undefined: no checks. */
  readonly watchMs: number | undefined;
  readonly fetcher: Fetcher | undefined;
  /** Origins of pages that may read responses; `*`: all; default: none. */
  readonly allowedOrigins?: readonly string[];
  /** Version of the package. */
  readonly version: string;
  readonly say: (line: string) => void;
  readonly log: ((line: string) => void) | undefined;
  /** Creates a worker; default: a thread. */
  readonly open?: () => Hand;
}

export interface Listening {
  /** `http://127.0.0.1:8080` */
  readonly origin: string;
  /** Stops accepting requests, answers those received, soon refuses those half received, and ends. May be called twice. */
  stop(): Promise<void>;
}

/** Default limits for receiving; at least as long as a client waits for its answer. */
const usualReceiving: Receiving = { headersMs: 10_000, allMs: 60_000 };

/**
 * Limit on bodies in memory: this much, or a quarter of the free memory if that is less, but always enough for a few.
 */
const mostHeldBytes = 512 * 2 ** 20;
const leastBodies = 2;

/** When the server stops: how long requests may still be on their way to it. */
const usualStoppingMs = 2000;

/**
 * Starts the server. @throws SenetError where a network cannot be opened, the port is taken, or `ulimit -v` leaves no
 * room for a thread
 */
export async function serve(options: ServeOptions): Promise<Listening> {
  const { say, queue, bodyBytes, mostPixels } = options;
  const workers = Math.min(options.workers, scriptThreadsThatFit("to serve in"));
  if (workers < options.workers) say(`${workers} of ${options.workers} threads: \`ulimit -v\` leaves no room for more`);
  const pool = new Pool({ hands: workers, queue, say, open: options.open ?? (() => new ThreadHand({ mostPixels })) });
  try {
    const models = await Models.open(pool, options.models, say);
    const allBytes = Math.max(leastBodies * bodyBytes, Math.min(mostHeldBytes, availableMemory() / 4));
    const { version, mostPictures, timeoutMs, receiving = usualReceiving, allowedOrigins = [], fetcher, log } = options;
    const limits = { bodyBytes, allBytes, mostPictures, timeoutMs, receiving };
    const reader = new BodyReader({ bodyBytes, say });
    const settings = { version, ...limits, allowedOrigins, fetcher, reader, say, log };
    const app = createApp({ pool, models, settings });
    const { server } = app.server;
    const origin = await listenAt(
      options,
      () => app.server.listen({ host: options.host, port: options.port }),
      () => server.address() as AddressInfo,
    );
    const watch = new AbortController();
    const watching = options.watchMs === undefined ? Promise.resolve() : look(models, options.watchMs, watch.signal);
    let stopped: Promise<void> | undefined;
    const stop = async () => {
      app.stop();
      watch.abort();
      const closed = app.server.close();
      const late = new AbortController();
      const after = (ms: number, act: () => void) => sleep(ms, undefined, { signal: late.signal }).then(act, () => {});
      const cuts = [
        after(options.stoppingMs ?? usualStoppingMs, () => app.refuseUnreceived()),
        // Clients that have not read their answer by then never will.
        after(timeoutMs + 1000, () => server.closeAllConnections()),
      ];
      await closed;
      late.abort();
      await Promise.all(cuts);
      // Abandons a network being opened, with its thread.
      await pool.close();
      await watching;
      await reader.close();
      await fetcher?.close();
    };
    return {
      origin,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

async function look(models: Models, everyMs: number, signal: AbortSignal): Promise<void> {
  const seen = new Map<string, string>();
  while (!signal.aborted) {
    await models.look(seen);
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
