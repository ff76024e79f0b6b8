/** What a page says of the engine. */

import type { EngineChoice } from "../executors/select.web.ts";
import type { SentEngine } from "./calls.web.ts";
import type { WorkerSource } from "./connection.web.ts";
import { type Kinds, wrong } from "./given.web.ts";
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

/** What each of them has to be. */
export const engineKinds = {
  engine: "text",
  threads: "number",
  runtime: "object",
  worker: "any",
} as const satisfies Kinds<EngineOptions>;

const engines: readonly string[] = ["auto", "webgpu", "wasm", "reference"] satisfies readonly EngineChoice[];

/** @throws SenetError `usage` where there is no such engine */
export function sentEngine({ engine = "auto", threads, runtime }: EngineOptions): SentEngine {
  if (engines.includes(engine)) return { engine, threads, runtime: sentRuntime(runtime) };
  throw wrong("engine", "there is no such engine in a browser", engines.join(", "), engine);
}
