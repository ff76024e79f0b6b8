/** One thread of the server: opens networks and does the work sent to it, one message after another. */

import { parentPort, workerData } from "node:worker_threads";
import { Host } from "./host.node.ts";
import { answerOrders, type SentRefusal, sentRefusal } from "./message.node.ts";
import { stepBack } from "./step-back.node.ts";
import type { ModelSource, Outcome, Work } from "./work.node.ts";

export interface WorkerSettings {
  readonly mostPixels: number;
}

export type Order =
  | { readonly kind: "load"; readonly key: string; readonly source: ModelSource }
  | { readonly kind: "drop"; readonly key: string }
  | { readonly kind: "answer"; readonly key: string; readonly works: readonly Work[] };

export type SentOutcome = { readonly answer: unknown } | SentRefusal;

// This file is only run as a thread; the main thread imports only its types.
stepBack();
const { mostPixels } = workerData as WorkerSettings;
const host = new Host(mostPixels);
answerOrders<Order>(parentPort!, async (order) => {
  if (order.kind === "load") return { value: await host.load(order.key, order.source) };
  if (order.kind === "answer") return { value: (await host.answer(order.key, order.works)).map(sent) };
  return { value: await host.drop(order.key) };
});

const sent = (outcome: Outcome): SentOutcome => ("answer" in outcome ? outcome : sentRefusal(outcome.refusal));
