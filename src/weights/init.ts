/** Fresh weights for a graph. */

import type { Graph, Parameter } from "../ir/graph.ts";
import { createRandom } from "../random.ts";
import { sizeOf, type Tensor, zeros } from "../tensor.ts";

/**
 * He et al.'s initialisation ("msra" in Caffe, which the authors used: docs/networks.md, 3.1): normal with variance
 * 2 / fan-in for convolutions, normal 0.01 for the classifier, gamma 1, everything else 0; unless the network says it.
 * Each parameter draws from a stream of its own, so that a changed layer leaves the others as they were.
 */
export function initialWeights(graph: Graph, seed: number): Map<string, Tensor> {
  return new Map(graph.parameters.map((parameter, i) => [parameter.name, initialTensor(parameter, seed, i)]));
}

function initialTensor({ role, type, initial }: Parameter, seed: number, index: number): Tensor {
  const result = zeros(type.dtype, type.shape);
  if (initial !== undefined) result.data.fill(initial);
  else if (role === "gamma" || role === "variance") result.data.fill(1);
  else if (role === "weight") {
    const isConvolution = type.shape.length === 4;
    const deviation = isConvolution ? Math.sqrt(2 / sizeOf(type.shape.slice(1))) : 0.01;
    const random = createRandom(seed, index);
    for (let i = 0; i < result.data.length; i++) result.data[i] = deviation * random.normal();
  }
  return result;
}
