/**
 * How the worker of a page begins. A worker file of one's own is `startWorker()`, or `startWorker({ runtime })` with the
 * module of onnxruntime-web.
 */

import type { WebRuntime } from "../executors/select.web.ts";
import type { WorkerOptions } from "./answering.web.ts";

export type { WebRuntime, WorkerOptions };

/**
 * Answers the page from now on. To be called once, when the worker begins.
 *
 * All else is loaded apart, so that bundlers put nothing into the worker's first file that others want from it: where one
 * imports that file, WebKit evaluates it a second time (2.50), and two workers would answer.
 */
export function startWorker(options: WorkerOptions = {}): void {
  import("./answering.web.ts").then(({ answerPage }) => answerPage(options), reportError);
}
