/** Strict loading: a file must have exactly a model's weights; otherwise an error lists all differences. */

import { SenetError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { sameShape, type Tensor } from "../tensor.ts";

/**
 * Picks the weights of `graph` from named tensors.
 * @throws SenetError `weights`, listing every missing, unexpected and misshapen tensor
 */
export function loadWeights(
  graph: Pick<Graph, "name" | "parameters">,
  tensors: ReadonlyMap<string, Tensor>,
  where: string,
): Map<string, Tensor> {
  const faults: string[] = [];
  const weights = new Map<string, Tensor>();
  for (const { name, type } of graph.parameters) {
    const found = tensors.get(name);
    if (found === undefined) faults.push(`missing     ${name} [${type.shape.join(", ")}]`);
    else if (!sameShape(found.shape, type.shape) || found.dtype !== type.dtype) {
      const expected = `${type.dtype}[${type.shape.join(", ")}]`;
      faults.push(`misshapen   ${name}: the model has ${expected}, the file ${found.dtype}[${found.shape.join(", ")}]`);
    } else weights.set(name, found);
  }
  const known = new Set(graph.parameters.map(({ name }) => name));
  for (const name of tensors.keys()) if (!known.has(name)) faults.push(`unexpected  ${name}`);
  if (faults.length === 0) return weights;

  throw new SenetError("weights", `these are not the weights of ${graph.name}`, {
    where,
    expected: `${graph.parameters.length} tensors by name and shape`,
    found: [`${faults.length} ${faults.length === 1 ? "fault" : "faults"}`, ...faults],
    hint: "name the model that the file was made with",
  });
}
