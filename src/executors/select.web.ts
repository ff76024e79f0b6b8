/** Chooses the engine in a browser, and says why. */

import { SenetError } from "../errors.ts";
import type { Executor } from "./executor.ts";
import { type WebRuntime, webExecutor } from "./ort/executor.web.ts";

export { loadRuntime, type RuntimeFiles, type WebRuntime } from "./ort/executor.web.ts";

/** Loads the writer of ONNX files on demand. */
export const onnxEncoder = async () => (await import("./ort/export.ts")).encodeOnnx;

export type EngineName = "webgpu" | "wasm" | "reference";

/** `auto`: the fastest available. */
export type EngineChoice = "auto" | EngineName;

/** The chosen engine. */
export interface EngineFacts {
  readonly name: EngineName;
  readonly threads: number;
  /** One line: what it is, and why it was chosen. */
  readonly reason: string;
}

export interface ChosenEngine {
  readonly executor: Executor;
  readonly facts: EngineFacts;
}

export interface EngineWish {
  readonly engine: EngineChoice;
  readonly threads: number | undefined;
  /** Undefined if there is none. */
  readonly runtime: WebRuntime | undefined;
  /** Measures the workload on an engine, in milliseconds; only called if there are two. */
  readonly measure: (executor: Executor) => Promise<number>;
}

/** @throws SenetError `executor` where the requested engine is not available */
export async function selectEngine(wish: EngineWish): Promise<ChosenEngine> {
  const { engine, runtime } = wish;
  if (engine === "reference") return onReference("plain JavaScript, as asked for");
  if (runtime === undefined) {
    if (engine === "auto") return onReference("plain JavaScript, which is slow: no ONNX Runtime was handed in");
    throw new SenetError("executor", "this engine needs ONNX Runtime", {
      where: engine,
      hint: "`runtime`: where the module of onnxruntime-web is (docs/browser.md)",
    });
  }
  const { threads, words } = threadsFor(wish.threads);
  const wasm = webExecutor(runtime, "wasm", threads);
  const onWasm = (why: string): ChosenEngine => ({
    executor: wasm,
    facts: { name: "wasm", threads, reason: `WebAssembly ${words}: ${why}` },
  });
  if (engine === "wasm") return onWasm("as asked for");
  const gpu = await findGpu();
  const webgpu = webExecutor(runtime, "webgpu", threads);
  const onGpu = (why: string): ChosenEngine => ({
    executor: webgpu,
    facts: { name: "webgpu", threads, reason: `WebGPU on ${gpu.title}: ${why}` },
  });
  if (engine === "webgpu") {
    if (gpu.kind !== "absent")
      return onGpu(gpu.kind === "software" ? "a software adapter, as asked for" : "as asked for");
    throw new SenetError("executor", "there is no WebGPU here", { found: gpu.title, hint: "`engine` wasm" });
  }
  if (gpu.kind === "absent") return onWasm(`there is no WebGPU (${gpu.title})`);
  if (gpu.kind === "software") return onWasm(`WebGPU has only a software adapter (${gpu.title})`);
  // Imported on demand, since few pages get here.
  const { faster } = await import("./faster.web.ts");
  return faster(wish.measure, onGpu, onWasm);
}

/** The reference engine, imported on demand, since most pages never need it. */
async function onReference(reason: string): Promise<ChosenEngine> {
  const { referenceExecutor } = await import("./reference/reference.ts");
  return { executor: referenceExecutor, facts: { name: "reference", threads: 1, reason } };
}

/** The number of threads. These need shared memory, which only cross-origin isolated pages have. */
function threadsFor(wanted: number | undefined): { readonly threads: number; readonly words: string } {
  if (wanted !== undefined && !(Number.isInteger(wanted) && wanted >= 1)) {
    throw new SenetError("usage", "this is not a number of threads", {
      where: "threads",
      expected: "a whole number from 1",
      found: `${wanted}`,
    });
  }
  const { crossOriginIsolated: isIsolated } = globalThis;
  const saying = (threads: number, why: string) => {
    const count = threads === 1 ? "with one thread" : `with ${threads} threads`;
    return { threads, words: why === "" ? count : `${count} (${why})` };
  };
  if (wanted === undefined) return saying(1, isIsolated ? "`threads` asks for more" : "");
  if (wanted > 1 && !isIsolated) return saying(1, `${wanted} want a cross-origin isolated page`);
  const most = navigator.hardwareConcurrency || 1;
  return wanted > most ? saying(most, "as many as the machine has processors") : saying(wanted, "");
}

interface Gpu {
  readonly kind: "absent" | "software" | "device";
  /** Its name, or why it is absent. */
  readonly title: string;
}

/** The part of the browser's WebGPU API that is used. */
interface GpuAdapter {
  readonly isFallbackAdapter?: boolean;
  readonly info?: {
    readonly isFallbackAdapter?: boolean;
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
  };
}

const software = /swiftshader|llvmpipe|lavapipe|software|basic render|\bwarp\b/i;

async function findGpu(): Promise<Gpu> {
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(options: object): Promise<GpuAdapter | null> } };
  if (gpu === undefined) return { kind: "absent", title: "the browser has none" };
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (adapter === null) return { kind: "absent", title: "no adapter" };
  const { vendor = "", architecture = "", device = "", description = "" } = adapter.info ?? {};
  const title = [description, vendor, architecture, device].filter((part) => part !== "").join(" ") || "a device";
  const isSoftware = adapter.isFallbackAdapter === true || adapter.info?.isFallbackAdapter === true;
  return { kind: isSoftware || software.test(title) ? "software" : "device", title };
}
