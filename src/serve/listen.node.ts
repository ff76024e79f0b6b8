/** The server as a whole: networks in threads, a port, a look at the files now and then, and an end without losses. */

import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { availableMemory } from "../memory.node.ts";
import type { Fetcher } from "../pull/bytes.node.ts";
import { createApp } from "./app.node.ts";
import type { Receiving } from "./handlers.node.ts";
import { Models, type NamedSource } from "./models.node.ts";
import { Pool } from "./pool.node.ts";
import { listenAt, type Port } from "./port.node.ts";
import { ThreadHand } from "./thread.node.ts";
import type { Hand } from "./work.node.ts";

export interface ServeOptions extends Port {
  readonly models: readonly NamedSource[];
  readonly workers: number;
  /** Pictures that may wait. */
  readonly queue: number;
  readonly timeoutMs: number;
  /** Within which a request has to come; default: 10 s for its headers, a minute for all of it. */
  readonly receiving?: Receiving;
  readonly bodyBytes: number;
  readonly mostPixels: number;
  /** Pictures in one request. */
  readonly mostPictures: number;
  /** Milliseconds between looks at the networks' files; absent: they are read once. */
  readonly watchMs: number | undefined;
  readonly fetcher: Fetcher | undefined;
  /** Origins of pages that may read the answers; `*`: all; default: none. */
  readonly allowedOrigins?: readonly string[];
  /** Of the package. */
  readonly version: string;
  readonly say: (line: string) => void;
  readonly log: ((line: string) => void) | undefined;
  /** Who does the work; default: threads. */
  readonly open?: () => Hand;
}

export interface Listening {
  /** `http://127.0.0.1:8080` */
  readonly origin: string;
  /** Answers what was taken, takes nothing more, and ends. A second time is fine. */
  stop(): Promise<void>;
}

/** Who sends slower has no connection to us, or none in mind; longer than a client waits for its answer, at least. */
const usualReceiving: Receiving = { headersMs: 10_000, allMs: 60_000 };

/** Bodies that are here at once may take so much, or a quarter of the memory that is left, but always a few of them. */
const mostHeldBytes = 512 * 2 ** 20;
const leastBodies = 2;

/** @throws SenetError where a network cannot be opened, or the port is taken */
export async function serve(options: ServeOptions): Promise<Listening> {
  const { say, workers, queue, bodyBytes, mostPixels } = options;
  const pool = new Pool({ hands: workers, queue, say, open: options.open ?? (() => new ThreadHand({ mostPixels })) });
  try {
    const models = await Models.open(pool, options.models, say);
    const allBytes = Math.max(leastBodies * bodyBytes, Math.min(mostHeldBytes, availableMemory() / 4));
    const { version, mostPictures, timeoutMs, receiving = usualReceiving, allowedOrigins = [], fetcher, log } = options;
    const limits = { bodyBytes, allBytes, mostPictures, timeoutMs, receiving };
    const settings = { version, ...limits, allowedOrigins, fetcher, say, log };
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
      // Whoever has not read its answer by then never will.
      const late = new AbortController();
      const cut = sleep(timeoutMs + 1000, undefined, { signal: late.signal }).then(
        () => server.closeAllConnections(),
        () => {},
      );
      await closed;
      late.abort();
      await cut;
      // A network that is being opened is left, with its thread.
      await pool.close();
      await watching;
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
