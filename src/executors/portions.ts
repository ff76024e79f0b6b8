/** Inputs of another batch than the graph's: an executable with fixed shapes takes them in portions. */

import { SenetError } from "../errors.ts";
import type { AnyNode, Graph } from "../ir/graph.ts";
import type { Op } from "../ir/ops.ts";
import { type Tensor, zeros } from "../tensor.ts";

/** Operations whose first output keeps the batch of their first input in front, whatever it is. */
const batchKeeping: ReadonlySet<Op> = new Set<Op>([
  "conv2d",
  "linear",
  "batchNorm",
  "relu",
  "sigmoid",
  "silu",
  "mish",
  "add",
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
  // Of parameters, which have no batch.
  "dequantizeWeight",
]);

/** Whether nothing in the graph depends on how large its batch is: an inference graph. */
export function isBatchFree(graph: Graph): boolean {
  const batch = graph.inputs[0]?.type.shape[0];
  return (
    graph.inputs.every(({ type }) => type.shape.length > 0 && type.shape[0] === batch) &&
    graph.nodes.every((node: AnyNode) => batchKeeping.has(node.op))
  );
}

type Tensors = ReadonlyMap<string, Tensor>;

/**
 * Runs inputs of any batch through `runAtOnce`, which takes the graph's batch; the last portion is filled up with zeros.
 * @param runAtOnce may give the same memory each time
 * @returns fresh tensors
 * @throws SenetError `shape` where the inputs differ in batch
 */
export async function runInPortions(
  graph: Graph,
  inputs: Tensors,
  runAtOnce: (inputs: Tensors) => Promise<Tensors>,
): Promise<Tensors> {
  const batch = commonBatch(graph, inputs);
  const portion = graph.inputs[0]?.type.shape[0] ?? batch;
  const results = new Map(
    [...graph.outputs].map(([name, { type }]) => [name, zeros(type.dtype, [batch, ...type.shape.slice(1)])]),
  );
  for (let start = 0; start < batch; start += portion) {
    const rows = Math.min(portion, batch - start);
    for (const [name, { data }] of await runAtOnce(slices(inputs, start, portion))) {
      const row = data.length / portion;
      results.get(name)!.data.set(data.subarray(0, rows * row), start * row);
    }
  }
  return results;
}

/** The batch of these inputs, which is one for all of them. */
export function commonBatch(graph: Graph, inputs: Tensors): number {
  const batches = [...new Set([...inputs.values()].map(({ shape }) => shape[0]!))];
  if (batches.length === 1) return batches[0]!;
  throw new SenetError("shape", "the inputs differ in batch", { where: graph.name, found: batches.join(", ") });
}

/** `count` samples of each input from `start` on, filled up with zeros where there are fewer. */
function slices(inputs: Tensors, start: number, count: number): Tensors {
  return new Map(
    [...inputs].map(([name, { dtype, shape, data }]) => {
      const row = data.length / shape[0]!;
      const part = data.subarray(start * row, (start + count) * row);
      const portion = [count, ...shape.slice(1)];
      if (part.length === count * row) return [name, { dtype, shape: portion, data: part }];
      const filled = zeros(dtype, portion);
      filled.data.set(part);
      return [name, filled];
    }),
  );
}
