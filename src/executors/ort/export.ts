/** ONNX files for other programs: the lowering without anything of this machine or of ONNX Runtime's own. */

import type { Graph } from "../../ir/graph.ts";
import type { Weights } from "../executor.ts";
import { lower } from "./lower.ts";
import { otherRules } from "./lower-others.ts";
import { encodeModel } from "./onnx.ts";

/**
 * The bytes of an ONNX model (opset 18) of an inference graph, for batches of any size, its weights inside. Fold batch
 * norm before.
 * @param metadata becomes the model's metadata_props
 */
export function encodeOnnx(
  graph: Graph,
  weights: Weights,
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const { model } = lower(graph, { weights, dynamicBatch: true, portable: true, rules: otherRules });
  return encodeModel({ ...model, metadata });
}
