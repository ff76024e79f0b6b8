/** Checks of every executor before it runs: weights and inputs must be those that the graph declares. */

import { SenetError } from "../errors.ts";
import { formatType, type Graph, type Value } from "../ir/graph.ts";
import { nearestNames } from "../names.ts";
import { type Shape, sameShape, sizeOf, type Tensor } from "../tensor.ts";
import type { Weights } from "./executor.ts";

/**
 * Checks that each parameter of the graph has a weight with its name, dtype and shape; extra weights are allowed.
 * @throws SenetError `weights`, listing all parameters that are missing or do not fit
 */
export function checkWeights(graph: Graph, weights: Weights): void {
  const faults = faultsOf(graph.parameters, weights, (value) => value.type.shape);
  if (faults.length === 0) return;
  const absent = graph.parameters.find((parameter) => !weights.has(parameter.name));
  const near = absent === undefined ? [] : nearestNames(absent.name, [...weights.keys()]);
  throw new SenetError("weights", `${faults.length} of ${graph.parameters.length} parameters do not fit`, {
    where: graph.name,
    found: faults,
    hint:
      near.length > 0
        ? `for ${absent!.name} the weights have ${near.join(", ")}`
        : "weights of this very model (name, classes, reduction) and dtype",
  });
}

/**
 * Checks that each input of the graph gets a tensor of its dtype and shape, and that there are no others.
 * @param dynamicBatch whether the batch size may differ from the graph's
 * @throws SenetError `shape`, listing all inputs that are missing, unknown or do not fit
 */
export function checkInputs(graph: Graph, inputs: ReadonlyMap<string, Tensor>, dynamicBatch: boolean): void {
  const faults = faultsOf(graph.inputs, inputs, ({ type: { shape } }, found) =>
    dynamicBatch && shape.length > 0 && found.shape[0]! > 0 ? [found.shape[0]!, ...shape.slice(1)] : shape,
  );
  const known = new Set(graph.inputs.map((input) => input.name));
  for (const name of inputs.keys()) if (!known.has(name)) faults.push(`${name} is not an input of the graph`);
  if (faults.length === 0) return;
  throw new SenetError("shape", "the inputs do not fit the graph", {
    where: graph.name,
    expected: graph.inputs.map((input) => `${input.name} ${formatType(input.type)}`).join(", "),
    found: faults,
  });
}

function faultsOf(
  values: readonly Value[],
  tensors: ReadonlyMap<string, Tensor>,
  shapeFor: (value: Value, found: Tensor) => Shape,
): string[] {
  const faults: string[] = [];
  for (const value of values) {
    const found = tensors.get(value.name);
    if (found === undefined) {
      faults.push(`${value.name} is missing; the graph has ${formatType(value.type)}`);
    } else if (found.dtype !== value.type.dtype || !sameShape(found.shape, shapeFor(value, found))) {
      faults.push(`${value.name} is ${formatType(found)}; the graph has ${formatType(value.type)}`);
    } else if (found.data.length !== sizeOf(found.shape)) {
      faults.push(`${value.name} is ${formatType(found)} but has ${found.data.length} values`);
    }
  }
  return faults;
}
