/** One thread of the server: opens networks and does the work sent to it, one message after another. */

import { readlinkSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { type ErrorDetails, SenetError } from "../errors.ts";
import { Host } from "./host.node.ts";
import type { Fault } from "./refusal.ts";
import type { ModelSource, Outcome, Work } from "./work.node.ts";

export interface WorkerSettings {
  readonly mostPixels: number;
}

export type Order =
  | { readonly kind: "load"; readonly key: string; readonly source: ModelSource }
  | { readonly kind: "drop"; readonly key: string }
  | { readonly kind: "answer"; readonly key: string; readonly works: readonly Work[] };

/** Errors lose their class between threads, so they are sent as data. */
export type SentOutcome = { readonly answer: unknown } | { readonly status: number; readonly fault: Fault };

export type Reply =
  | { readonly value: unknown }
  | { readonly outcomes: readonly SentOutcome[] }
  | { readonly error: { readonly code: SenetError["code"]; readonly what: string; readonly details: ErrorDetails } }
  | { readonly failure: string };

export interface Numbered<T> {
  readonly number: number;
  readonly body: T;
}

/**
 * Lowered priority of a thread: one step is enough, and more would give processor time to other programs (docs/log.md).
 */
const niceness = 1;

// This file is only run as a thread; the main thread imports only its types.
stepBack();
const { mostPixels } = workerData as WorkerSettings;
const host = new Host(mostPixels);
const port = parentPort!;
let last: Promise<void> = Promise.resolve();
port.on("message", ({ number, body }: Numbered<Order>) => {
  last = last.then(async () => port.postMessage({ number, body: await replyTo(body) } satisfies Numbered<Reply>));
});

async function replyTo(order: Order): Promise<Reply> {
  try {
    if (order.kind === "load") return { value: await host.load(order.key, order.source) };
    if (order.kind === "answer") return { outcomes: (await host.answer(order.key, order.works)).map(sent) };
    await host.drop(order.key);
    return { value: undefined };
  } catch (error) {
    if (!(error instanceof SenetError))
      return { failure: error instanceof Error ? (error.stack ?? error.message) : `${error}` };
    const { cause: _, ...details } = error.details;
    return { error: { code: error.code, what: whatOf(error), details } };
  }
}

const sent = (outcome: Outcome): SentOutcome =>
  "answer" in outcome ? outcome : { status: outcome.refusal.status, fault: outcome.refusal.fault };

/** What went wrong, without the place. */
function whatOf({ message, details: { where } }: SenetError): string {
  const first = message.split("\n")[0]!;
  return where !== undefined && first.startsWith(`${where}: `) ? first.slice(where.length + 2) : first;
}

/**
 * Lowers the thread's priority, so that the main thread, which answers health checks, goes first. Only Linux has
 * priorities per thread. Compared with other programs on the machine, this counts as much as `nice` does: nothing in a
 * container or a systemd service.
 */
function stepBack(): void {
  try {
    const thread = Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1]);
    if (thread > 0) setPriority(thread, Math.min(19, getPriority(thread) + niceness));
  } catch {
    // Not available or not allowed.
  }
}
