/** ONNX Runtime for browsers: brought from its address, or handed in by a worker of one's own. */

import { causeText, SenetError } from "../../errors.ts";
import type { Executor } from "../executor.ts";
import { Uses } from "../uses.ts";
import { createOrtExecutor } from "./executor.ts";
import type { OnnxRuntime, OnnxSession } from "./runtime.ts";

/** As much of the module `onnxruntime-web` as is used. */
export interface WebRuntime extends OnnxRuntime {
  readonly env: {
    logLevel?: string;
    readonly versions?: { readonly web?: string };
    readonly wasm: { numThreads?: number; wasmPaths?: unknown };
  };
}

/** Where it is: its module, and its WebAssembly where that does not stand beside it. */
export interface RuntimeFiles {
  readonly module: string;
  readonly wasm?: string | undefined;
}

/** @throws SenetError `executor` where it does not load */
export async function loadRuntime({ module, wasm }: RuntimeFiles): Promise<WebRuntime> {
  try {
    const runtime = (await import(/* @vite-ignore */ /* webpackIgnore: true */ module)) as WebRuntime;
    if (wasm !== undefined) runtime.env.wasm.wasmPaths = { wasm };
    return runtime;
  } catch (cause) {
    throw new SenetError("executor", "ONNX Runtime does not load", {
      where: module,
      found: causeText(cause),
      hint: "the address of ort.wasm.bundle.min.mjs of onnxruntime-web, on an origin that the page may load scripts from",
      cause,
    });
  }
}

const titles = { wasm: "WebAssembly", webgpu: "WebGPU" } as const;

/**
 * The executor on one of its engines. What one session does keeps all others waiting: the runtime has one stack.
 * @param threads of WebAssembly, the same for all that a worker makes: it is what the first session says
 */
export function webExecutor(runtime: WebRuntime, engine: "wasm" | "webgpu", threads: number): Executor {
  runtime.env.wasm.numThreads = threads;
  runtime.env.logLevel = "fatal";
  const uses = usesOf(runtime);
  const create = async (model: Uint8Array, options?: object): Promise<OnnxSession> => {
    const session = await uses
      .inTurn(() => runtime.InferenceSession.create(model, options))
      .catch((cause) => {
        throw withoutWasm(cause, runtime) ?? cause;
      });
    return {
      inputNames: session.inputNames,
      // What a run is asked to write into comes back as zeros: its own outputs are taken.
      run: (feeds) => uses.inTurn(() => session.run(feeds)),
      release: () => uses.inTurn(() => session.release()),
    };
  };
  return createOrtExecutor({
    runtime: () => ({ InferenceSession: { create }, Tensor: runtime.Tensor }),
    description: () => `ONNX Runtime ${runtime.env.versions?.web ?? ""} for browsers, on ${titles[engine]}`,
    session: () => ({ executionProviders: [engine], graphOptimizationLevel: "all" }),
    writesInPlace: false,
    hint: "a smaller network or picture size; or `engine` reference, which is slow",
    dialect: engine === "webgpu" ? "webgpu" : "cpu",
  });
}

/** Its WebAssembly is fetched with the first session: where that fails, nothing is wrong with the network. */
function withoutWasm(cause: unknown, { env }: WebRuntime): SenetError | undefined {
  const text = causeText(cause);
  if (!/no available backend/i.test(text) || !/wasm/i.test(text)) return undefined;
  if (/SIMD is not supported/.test(text)) {
    return new SenetError("executor", "ONNX Runtime wants WebAssembly with SIMD, which is not to be had here", {
      hint: "another browser, or `engine` reference, which is slow",
      cause,
    });
  }
  const { wasm } = (env.wasm.wasmPaths ?? {}) as { readonly wasm?: string };
  return new SenetError("executor", "the WebAssembly of ONNX Runtime does not load", {
    where: wasm ?? "beside its module",
    found: text.replace(/^.*?ERR: /, "").slice(0, 300),
    hint: "`runtime.wasm`: the address of the .wasm that comes with the module, of the same version",
    cause,
  });
}

const known = new WeakMap<WebRuntime, Uses>();

function usesOf(runtime: WebRuntime): Uses {
  const uses = known.get(runtime) ?? new Uses("ONNX Runtime");
  known.set(runtime, uses);
  return uses;
}
