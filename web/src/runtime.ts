/** ONNX Runtime, as files of this page: the build with WebGPU where there is a device, else the small one. */

import jspiModule from "onnxruntime-web/jspi?url";
import jspiEngine from "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm?url";
import wasmEngine from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import wasmModule from "onnxruntime-web/wasm?url";
import type { EngineOptions } from "senet/web";

/** Asked for once. A device that is computed by the processor is none. */
let hasDevice = false;

export async function findDevice(): Promise<void> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } }).gpu;
  const adapter = await gpu?.requestAdapter().catch(() => null);
  // Its engine waits for the device in the middle of its work, which not every browser lets it.
  hasDevice = adapter != null && adapter.info?.isFallbackAdapter !== true && "Suspending" in WebAssembly;
}

interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

export const engineRuntime = (): EngineOptions => ({
  runtime: hasDevice ? { module: jspiModule, wasm: jspiEngine } : { module: wasmModule, wasm: wasmEngine },
});
