/** Finds the operation in which a value first became NaN or infinite. */

import { option } from "../errors.ts";
import type { Executor, Weights } from "../executors/executor.ts";
import { type Graph, isTrainable, type Value } from "../ir/graph.ts";
import { removeDead } from "../passes/remove-dead.ts";
import { allFinite, type Tensor } from "../tensor.ts";

/** What to try when values grow without bound. */
export const divergedHint = `a lower learning rate (${option("learningRate")}), or a longer warm-up (${option("warmupEpochs")}), in another ${option("out")}`;

/**
 * Names the first input, weight or operation, in graph order, that holds a value that is not finite; `undefined` if all
 * are finite this time.
 *
 * Runs the graph again with a group of nodes exposed as outputs at a time, so that memory stays bounded. Each group
 * needs a fresh compile: slow, but only done once, after a failure. The weights are not changed.
 * @param ranks the number of ranks that share the batch; the others are not run, but assumed to have the same pictures
 */
export async function firstNonFinite(
  executor: Executor,
  graph: Graph,
  weights: Weights,
  inputs: ReadonlyMap<string, Tensor>,
  ranks = 1,
): Promise<string | undefined> {
  const sumOverRanks = async (values: Float64Array) => {
    for (let i = 0; i < values.length; i++) values[i] = ranks * values[i]!;
  };
  for (const [name, value] of inputs) if (!allFinite(value)) return `the input "${name}"`;
  // Without the running statistics, which the failed step has already updated.
  for (const { name } of graph.parameters.filter(isTrainable)) {
    if (!allFinite(weights.get(name)!)) return `the weight "${name}", as the step before left it`;
  }

  const groupSize = 16;
  for (let start = 0; start < graph.nodes.length; start += groupSize) {
    const group = graph.nodes.slice(start, start + groupSize);
    const exposed = new Map<string, Value>(group.flatMap((node) => node.outputs.map((value) => [value.name, value])));
    const probe = removeDead({ graph: { ...graph, outputs: exposed, updates: new Map() }, weights });
    const executable = await executor.compile(probe.graph, probe.weights, { weights: "live", sumOverRanks });
    try {
      const outputs = await executable.run(inputs);
      const culprit = group.find((node) => node.outputs.some(({ name }) => !allFinite(outputs.get(name)!)));
      if (culprit !== undefined) return `${culprit.name} (${culprit.op})`;
    } finally {
      await executable.dispose();
    }
  }
  return undefined;
}
