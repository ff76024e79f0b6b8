/** The `ort` executor in Node: onnxruntime-node on the CPU. */

import type { Executor } from "../executor.ts";
import { createOrtExecutor } from "./executor.ts";
import { nodeHost, onnxRuntime } from "./library.node.ts";

export const ortExecutor: Executor = createOrtExecutor(nodeHost);

/** @throws SenetError `executor` where ONNX Runtime does not load */
export function loadedOrtExecutor(): Executor {
  onnxRuntime();
  return ortExecutor;
}
