/** Loads ONNX Runtime, if it is installed. */

import { cpus } from "node:os";
import { option, SenetError } from "../../errors.ts";
import { machineThreads, usableThreads } from "../../machine.node.ts";
import { lazily } from "../../packages.node.ts";
import type { Tensor, TensorData } from "../../tensor.ts";
import { type OnnxRuntime, type OrtHost, runModel } from "./runtime.ts";
import { refuseTelemetry } from "./telemetry.node.ts";

const load = lazily<typeof import("onnxruntime-node")>(
  "onnxruntime-node",
  (found, cause) =>
    new SenetError("executor", "ONNX Runtime does not load here", {
      where: "onnxruntime-node",
      found,
      hint: `${option("executor")} onednn, or npm install onnxruntime-node (it needs Linux with glibc, macOS or Windows)`,
      cause,
    }),
);

/** @throws SenetError `executor` with the reason where it does not load */
export function onnxRuntime(): typeof import("onnxruntime-node") {
  refuseTelemetry();
  return load();
}

function session(wanted: number | undefined): object {
  const threads = Math.min(wanted ?? usableThreads(), machineThreads());
  return {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    // A memory pattern allocates another block of the whole size, in addition to the first run's memory (docs/log.md).
    enableMemPattern: false,
    // With the whole machine its own default is better: one thread per core, pinned.
    ...(wanted === undefined && threads === cpus().length ? {} : { intraOpNumThreads: threads }),
  };
}

/** onnxruntime-node on the CPU. */
export const nodeHost: OrtHost = {
  runtime: onnxRuntime as () => OnnxRuntime,
  description: () => `ONNX Runtime ${onnxRuntime().env.versions.node} on the CPU`,
  session,
  writesInPlace: true,
};

/** Runs an ONNX file once and returns its outputs. @throws SenetError `executor` */
export const runOnnx = (
  onnx: Uint8Array,
  inputs: ReadonlyMap<string, Tensor>,
  where: string,
): Promise<ReadonlyMap<string, TensorData>> => runModel(nodeHost, onnx, inputs, where);
