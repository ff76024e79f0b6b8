/** Live weights, which each run reads and updates, for training. */

import { SenetError } from "../../errors.ts";
import type { Graph, Parameter } from "../../ir/graph.ts";
import { type Tensor, zeros } from "../../tensor.ts";
import type { Weights } from "../executor.ts";
import type { OnnxTensor, OnnxTensors } from "./runtime.ts";

export interface BoundWeights {
  readonly feeds: OnnxTensors;
  readonly fetches: OnnxTensors;
  /** New values that cannot overwrite the old ones while the graph still reads these. */
  readonly aside: readonly (readonly [from: Tensor, to: Tensor])[];
}

/**
 * @param updates name in the model of each parameter's new value
 * @param inputNames the model's input names
 */
export function bound(
  graph: Graph,
  weights: Weights,
  updates: ReadonlyMap<Parameter, string>,
  inputNames: readonly string[],
  tensorOf: (value: Tensor) => OnnxTensor,
): BoundWeights {
  const feeds: OnnxTensors = {};
  for (const { name } of graph.parameters) {
    if (inputNames.includes(name)) feeds[name] = tensorOf(weights.get(name)!);
  }
  const fetches: OnnxTensors = {};
  const aside: (readonly [from: Tensor, to: Tensor])[] = [];
  for (const [parameter, name] of updates) {
    const target = weights.get(parameter.name)!;
    const inPlace = canUpdateInPlace(graph, parameter);
    const output = inPlace ? target : zeros(target.dtype, target.shape);
    if (!inPlace) aside.push([output, target]);
    fetches[name] = tensorOf(output);
  }
  return { feeds, fetches, aside };
}

/**
 * Whether a parameter's new value may overwrite it directly: only the running average that computes the new value reads
 * it, element-wise.
 */
function canUpdateInPlace(graph: Graph, parameter: Parameter): boolean {
  const next = graph.updates.get(parameter)!;
  if ([...graph.outputs.values(), ...graph.updates.values()].some((value) => value === parameter)) return false;
  return graph.nodes
    .filter((node) => node.inputs.includes(parameter))
    .every((node) => node.op === "runningAverage" && node.outputs[0] === next && node.inputs[1] !== parameter);
}

/** Rejects weights in shared memory: Node's bindings cannot access it, and a copy would not be live. */
export function rejectSharedMemory(graph: Graph, weights: Weights): void {
  const shared = graph.parameters.find(({ name }) => !(weights.get(name)!.data.buffer instanceof ArrayBuffer));
  if (shared === undefined) return;
  throw new SenetError("executor", "live weights cannot be in shared memory", {
    where: shared.name,
    expected: "an array over an ArrayBuffer",
    found: "one over a SharedArrayBuffer",
  });
}
