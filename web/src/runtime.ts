/** ONNX Runtime, as files of this page: the build with WebGPU if there is a GPU, otherwise the small one. */

import jspiModule from "onnxruntime-web/jspi?url";
import jspiEngine from "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url";
import wasmEngine from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import wasmModule from "onnxruntime-web/wasm?url";
import type { EngineOptions } from "senet/web";

/** Determined once. A device emulated by the processor does not count. */
let hasDevice = false;

export async function findDevice(): Promise<void> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } }).gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
  // The engine suspends WebAssembly to wait for the device, which not every browser supports.
  hasDevice = adapter != null && adapter.info?.isFallbackAdapter !== true && "Suspending" in WebAssembly;
}

interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

export const engineRuntime = (): EngineOptions => ({
  runtime: hasDevice ? { module: jspiModule, wasm: jspiEngine } : { module: wasmModule, wasm: wasmEngine },
});
