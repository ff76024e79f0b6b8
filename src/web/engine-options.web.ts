/** What a page says of the engine. */

import type { EngineChoice } from "../executors/select.web.ts";
import type { SentEngine } from "./calls.web.ts";
import type { WorkerSource } from "./connection.web.ts";
import { type RuntimeAddress, sentRuntime } from "./sources.web.ts";

/** What computes, and where it runs. */
export interface EngineOptions {
  /** Default: `auto`, the fastest that there is here: `network.engine` says which it is, and why. */
  readonly engine?: EngineChoice | undefined;
  /** Of WebAssembly, where the page is cross-origin isolated; default 1, since more waste a busy machine's time. */
  readonly threads?: number | undefined;
  /** ONNX Runtime for browsers (npm `onnxruntime-web`), as addresses; without it the slow engine of plain JavaScript runs. */
  readonly runtime?: RuntimeAddress | undefined;
  /** Where the worker is had from; default: the library's own file. */
  readonly worker?: WorkerSource | undefined;
}

export const sentEngine = ({ engine = "auto", threads, runtime }: EngineOptions): SentEngine => ({
  engine,
  threads,
  runtime: sentRuntime(runtime),
});
