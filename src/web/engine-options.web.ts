/** Engine options of a page. */

import type { EngineChoice } from "../executors/select.web.ts";
import type { SentEngine } from "./calls.web.ts";
import type { WorkerSource } from "./connection.web.ts";
import { type Kinds, wrong } from "./given.web.ts";
import { type RuntimeAddress, sentRuntime } from "./sources.web.ts";

/** Options about the engine and the worker. */
export interface EngineOptions {
  /** Default: `auto`, the fastest available; `network.engine` says which it is, and why. */
  readonly engine?: EngineChoice | undefined;
  /**
   * Number of WebAssembly threads, if the page is cross-origin isolated; default 1, since more waste time on a busy
   * machine.
   */
  readonly threads?: number | undefined;
  /**
   * Addresses of ONNX Runtime for browsers (npm `onnxruntime-web`); without it, the slow engine in plain JavaScript is
   * used.
   */
  readonly runtime?: RuntimeAddress | undefined;
  /** The source of the worker; default: the library's own file. */
  readonly worker?: WorkerSource | undefined;
}

/** The type of each option. */
export const engineKinds = {
  engine: "text",
  threads: "number",
  runtime: "object",
  worker: "any",
} as const satisfies Kinds<EngineOptions>;

const engines: readonly string[] = ["auto", "webgpu", "wasm", "reference"] satisfies readonly EngineChoice[];

/** Checks the options. @throws SenetError `usage` where there is no such engine */
export function sentEngine({ engine = "auto", threads, runtime }: EngineOptions): SentEngine {
  if (engines.includes(engine)) return { engine, threads, runtime: sentRuntime(runtime) };
  throw wrong("engine", "there is no such engine in a browser", engines.join(", "), engine);
}
