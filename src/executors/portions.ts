/** Runs inputs of another batch size in portions, for executables with fixed shapes. */

import type { Graph } from "../ir/graph.ts";
import { type Tensor, zeros } from "../tensor.ts";
import { commonBatch } from "./batch.ts";

type Tensors = ReadonlyMap<string, Tensor>;

/**
 * Runs inputs of any batch size through `runAtOnce`, which takes the graph's; the last portion is padded with zeros.
 * @param runAtOnce may return the same memory each time
 * @returns newly allocated tensors
 * @throws SenetError `shape` where the inputs differ in batch size
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

/** `count` samples of each input from `start` on, padded with zeros if there are fewer. */
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
