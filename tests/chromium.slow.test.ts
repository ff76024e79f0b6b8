/** The executors' suite on ONNX Runtime for browsers, in Chromium: on WebAssembly with one thread and with two, and on WebGPU. */

import { existsSync } from "node:fs";
import { test } from "node:test";
import { executorIn, needsWebRuntime } from "./chromium.ts";
import { conformance } from "./conformance.ts";
import { openPage, swiftShader } from "./page.ts";

const tolerance = 1e-5;
const dtypes = ["float32"] as const;

if (needsWebRuntime.skip !== false) test("in Chromium", needsWebRuntime, () => {});
else {
  const plain = await openPage();
  const one = await executorIn(plain, { entry: "ort.wasm.min.mjs", provider: "wasm", threads: 1 });
  conformance({ name: "Chromium, WebAssembly", executor: one, tolerance, dtypes });

  const isolated = await openPage({ isIsolated: true });
  const two = await executorIn(isolated, { entry: "ort.wasm.min.mjs", provider: "wasm", threads: 2 });
  conformance({ name: "Chromium, WebAssembly with two threads", executor: two, tolerance, dtypes, part: "quick" });

  // Without a device it is SwiftShader that computes: correct, and a hundred times slower.
  const skip = existsSync(swiftShader) ? false : "SwiftShader is absent";
  if (skip !== false) test("Chromium, WebGPU", { skip }, () => {});
  else {
    const drawn = await openPage({ hasWebGpu: true });
    const gpu = await executorIn(drawn, { entry: "ort.jspi.min.mjs", provider: "webgpu", threads: 1 });
    conformance({ name: "Chromium, WebGPU", executor: gpu, tolerance, dtypes, part: "quick" });
  }
}
