/** Exports ONNX files for other programs: the lowering without anything specific to this machine or to ONNX Runtime. */

import type { Graph } from "../../ir/graph.ts";
import type { Weights } from "../executor.ts";
import { lower } from "./lower.ts";
import { otherRules } from "./lower-others.ts";
import { encodeModel } from "./onnx.ts";

/**
 * The bytes of an ONNX model (opset 18) of an inference graph with its weights, for any batch size. Batch norm should
 * be folded before.
 * @param metadata stored as the model's metadata_props
 */
export function encodeOnnx(
  graph: Graph,
  weights: Weights,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const { model } = lower(graph, { weights, dynamicBatch: true, portable: true, rules: otherRules });
  return encodeModel({ ...model, metadata });
}
