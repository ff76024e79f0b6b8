/**
 * Messages between the main thread and other threads. Errors would lose their class on the way, so their contents are
 * sent.
 */

import type { MessagePort } from "node:worker_threads";
import { type ErrorDetails, SenetError } from "../errors.ts";
import { type Fault, Refusal } from "./refusal.ts";

export interface Numbered<T> {
  readonly number: number;
  readonly body: T;
}

export interface SentRefusal {
  readonly status: number;
  readonly fault: Fault;
}

export type Reply =
  | { readonly value: unknown }
  | { readonly refusal: SentRefusal }
  | { readonly error: { readonly code: SenetError["code"]; readonly what: string; readonly details: ErrorDetails } }
  | { readonly failure: string };

export const sentRefusal = ({ status, fault }: Refusal): SentRefusal => ({ status, fault });

export function receivedRefusal({ status, fault }: SentRefusal): Refusal {
  const { code, message, ...details } = fault;
  return new Refusal(status, code, message, details);
}

/** The value of a reply. @throws what the other thread threw */
export function received(reply: Reply): unknown {
  if ("value" in reply) return reply.value;
  if ("refusal" in reply) throw receivedRefusal(reply.refusal);
  if ("error" in reply) throw new SenetError(reply.error.code, reply.error.what, reply.error.details);
  throw new Error(reply.failure);
}

/** An answer, and the memory to transfer with it. */
export interface Answer {
  readonly value: unknown;
  readonly buffers?: readonly ArrayBuffer[];
}

/** Runs in a worker thread: answers orders one after another. */
export function answerOrders<O>(port: MessagePort, answer: (order: O) => Promise<Answer> | Answer): void {
  let last: Promise<void> = Promise.resolve();
  port.on("message", ({ number, body }: Numbered<O>) => {
    last = last.then(async () => {
      const reply = (body: Reply, buffers: readonly ArrayBuffer[] = []) =>
        port.postMessage({ number, body } satisfies Numbered<Reply>, buffers);
      try {
        const { value, buffers } = await answer(body);
        reply({ value }, buffers);
      } catch (error) {
        reply(replyOf(error));
      }
    });
  });
}

function replyOf(error: unknown): Reply {
  if (error instanceof Refusal) return { refusal: sentRefusal(error) };
  if (!(error instanceof SenetError))
    return { failure: error instanceof Error ? (error.stack ?? error.message) : `${error}` };
  const { cause: _, ...details } = error.details;
  return { error: { code: error.code, what: whatOf(error), details } };
}

/** What went wrong, without the place. */
function whatOf({ message, details: { where } }: SenetError): string {
  const first = message.split("\n")[0]!;
  return where !== undefined && first.startsWith(`${where}: `) ? first.slice(where.length + 2) : first;
}
