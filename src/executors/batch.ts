/** Which graphs accept another batch size than they were built for. */

import { SenetError } from "../errors.ts";
import type { AnyNode, Graph } from "../ir/graph.ts";
import type { Op } from "../ir/ops.ts";
import type { Tensor } from "../tensor.ts";

/** Operations whose first output has the same leading batch dimension as their first input. */
const batchKeeping: ReadonlySet<Op> = new Set<Op>([
  "conv2d",
  "linear",
  "batchNorm",
  "relu",
  "sigmoid",
  "silu",
  "mish",
  "add",
  "multiply",
  "maxPool",
  "avgPool",
  "globalAvgPool",
  "seScaleAdd",
  "seScale",
  "concat",
  "channelSlice",
  "flatten",
  "softmax",
  "quantize",
  "dequantize",
  // Applies to parameters, which have no batch.
  "dequantizeWeight",
]);

/** Whether nothing in the graph depends on its batch size, as in inference graphs. */
export function isBatchFree(graph: Graph): boolean {
  const batch = graph.inputs[0]?.type.shape[0];
  return (
    graph.inputs.every(({ type }) => type.shape.length > 0 && type.shape[0] === batch) &&
    graph.nodes.every((node: AnyNode) => batchKeeping.has(node.op))
  );
}

/** The common batch size of these inputs. */
export function commonBatch(graph: Graph, inputs: ReadonlyMap<string, Tensor>): number {
  const batches = [...new Set([...inputs.values()].map(({ shape }) => shape[0]!))];
  if (batches.length === 1) return batches[0]!;
  throw new SenetError("shape", "the inputs differ in batch", { where: graph.name, found: batches.join(", ") });
}
