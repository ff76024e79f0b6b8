/**
 * The start of a page's worker. A custom worker file is just `startWorker()`, or `startWorker({ runtime })` with the
 * module of onnxruntime-web.
 */

/// <reference lib="esnext.disposable" preserve="true" />

import type { WebRuntime } from "../executors/select.web.ts";
import type { WorkerOptions } from "./answering.web.ts";

export type { WebRuntime, WorkerOptions };

/**
 * Starts answering the page. To be called once, when the worker starts.
 *
 * Everything else is imported dynamically, so that bundlers put nothing into the worker's first file that other files
 * import: WebKit (2.50) would then evaluate that file a second time, and two workers would answer.
 */
export function startWorker(options: WorkerOptions = {}): void {
  import("./answering.web.ts").then(({ answerPage }) => answerPage(options), reportError);
}
