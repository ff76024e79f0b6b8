/** ONNX Runtime in browsers: loaded from its address, or passed in by a custom worker. */

import { causeText, SenetError } from "../../errors.ts";
import type { Executor } from "../executor.ts";
import { Uses } from "../uses.ts";
import { createOrtExecutor } from "./executor.ts";
import type { OnnxRuntime, OnnxSession } from "./runtime.ts";

/** The parts of the module `onnxruntime-web` that are used. */
export interface WebRuntime extends OnnxRuntime {
  readonly env: {
    logLevel?: string;
    readonly versions?: { readonly web?: string };
    readonly wasm: { numThreads?: number; wasmPaths?: unknown };
  };
}

/** Addresses of its module, and of its WebAssembly if that is not next to it. */
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
 * The executor on one of its engines. All sessions run in turn: the runtime has only one stack.
 * @param threads number of WebAssembly threads, fixed for a worker by its first session
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
      // Given output tensors come back as zeros, so its own outputs are used.
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

/**
 * Recognises a failure to fetch the WebAssembly, which happens with the first session and is not the network's fault.
 */
function withoutWasm(cause: unknown, { env }: WebRuntime): SenetError | undefined {
  const text = causeText(cause);
  if (!/no available backend/i.test(text) || !/wasm/i.test(text)) return undefined;
  if (/SIMD is not supported/.test(text)) {
    return new SenetError("executor", "ONNX Runtime needs WebAssembly with SIMD, which this browser lacks", {
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
