/** Weights and pictures from the formula of golden/formula.py, so that golden files need not contain them. */

import type { Graph, Parameter } from "../src/ir/graph.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../src/tensor.ts";

/** One of `count` values in [0, 1): murmur3's finaliser over the stream's number and the place. */
export function uniform(stream: number, place: number): number {
  let h = (place + Math.imul(stream, 0x9e3779b1)) | 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return (h >>> 0) / 2 ** 32;
}

/** A parameter with this role in the network. */
export function formulaTensor(role: Parameter["role"], shape: Shape, stream: number): Tensor {
  const bound = Math.sqrt(6 / sizeOf(shape.slice(1)));
  const value = (u: number) =>
    role === "weight"
      ? (2 * u - 1) * bound
      : role === "gamma"
        ? 0.25 + 0.5 * u
        : role === "variance"
          ? 0.5 + u
          : 0.2 * (u - 0.5);
  return tensor(
    shape,
    filled(sizeOf(shape), (i) => value(uniform(stream, i))),
  );
}

/** Like `Float32Array.from({ length }, ...)`, which would take a second for SE-ResNet-50. */
function filled(length: number, value: (place: number) => number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = value(i);
  return values;
}

/** All parameters of a graph; the stream's number is the parameter's index among the names in code-point order. */
export function formulaWeights(graph: Graph): Map<string, Tensor> {
  const sorted = graph.parameters.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(
    sorted.map((parameter, stream) => [parameter.name, formulaTensor(parameter.role, parameter.type.shape, stream)]),
  );
}

/** `[batch, 3, side, side]`, between -1.7 and 1.7. */
export function formulaPictures(batch: number, side: number, stream: number): Tensor {
  const length = batch * 3 * side * side;
  return tensor(
    [batch, 3, side, side],
    filled(length, (i) => 3.4 * (uniform(10_000 + stream, i) - 0.5)),
  );
}

export function formulaLabels(batch: number, classes: number, stream: number): Tensor {
  return tensor(
    [batch],
    Int32Array.from({ length: batch }, (_, i) => Math.floor(uniform(20_000 + stream, i) * classes)),
  );
}
