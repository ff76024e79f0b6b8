/** Initial weights for a graph. */

import type { Graph, Initial, Parameter } from "../ir/graph.ts";
import { createRandom, type Random } from "../random.ts";
import { type Shape, sizeOf, type Tensor, type TensorData, zeros } from "../tensor.ts";

/**
 * He et al.'s initialisation ("msra" in Caffe, as used by the authors: docs/networks.md, 3.1): normal with variance 2 /
 * fan-in for convolutions, normal with deviation 0.01 for the classifier, gamma 1, everything else 0; unless the
 * network specifies another. Each parameter has its own random stream, so that changing a layer does not affect the
 * others.
 */
export function initialWeights(graph: Graph, seed: number): Map<string, Tensor> {
  return new Map(graph.parameters.map((parameter, i) => [parameter.name, initialTensor(parameter, seed, i)]));
}

function initialTensor({ role, type, initial }: Parameter, seed: number, index: number): Tensor {
  const result = zeros(type.dtype, type.shape);
  const start = initial ?? usual(role, type.shape);
  if (typeof start === "number") result.data.fill(start);
  else draw(result.data, type.shape, start, createRandom(seed, index));
  return result;
}

function usual(role: Parameter["role"], shape: Shape): Initial {
  if (role === "gamma" || role === "variance") return 1;
  if (role !== "weight") return 0;
  return { kind: "normal", deviation: shape.length === 4 ? Math.sqrt(2 / sizeOf(shape.slice(1))) : 0.01 };
}

/** Standard deviation of a normal distribution truncated at two deviations. */
const cutDeviation = 0.879_625_661_034_239_8;

function draw(data: TensorData, shape: Shape, initial: Exclude<Initial, number>, random: Random): void {
  if (initial.kind === "orthonormal") {
    orthonormal(data, shape, initial.deviation, random);
    return;
  }
  const next = {
    normal: () => random.normal(),
    cutNormal: () => {
      let value = random.normal();
      while (Math.abs(value) > 2) value = random.normal();
      return value / cutDeviation;
    },
    uniform: () => 2 * random.uniform() - 1,
  }[initial.kind];
  const scale = initial.kind === "uniform" ? initial.bound : initial.deviation;
  for (let i = 0; i < data.length; i++) data[i] = scale * next();
}

/**
 * For each output, a random orthonormal matrix of inputs by kernel positions; all are then normalised to mean 0 and the
 * given deviation (nutszebra/trainer). Uses the Gram-Schmidt process, which gives the same distribution as the
 * original's SVD.
 */
function orthonormal(data: TensorData, [outputs = 1, inputs = 1, ...kernel]: Shape, deviation: number, random: Random) {
  const positions = sizeOf(kernel);
  const [vectors, length] = inputs < positions ? [inputs, positions] : [positions, inputs];
  for (let output = 0; output < outputs; output++) {
    const basis: Float64Array[] = [];
    while (basis.length < vectors) {
      const vector = Float64Array.from({ length }, () => random.normal());
      for (const other of basis) {
        const along = dot(vector, other);
        for (let i = 0; i < length; i++) vector[i]! -= along * other[i]!;
      }
      const norm = Math.sqrt(dot(vector, vector));
      basis.push(vector.map((value) => value / norm));
    }
    for (let i = 0; i < inputs * positions; i++) {
      const [input, position] = [Math.floor(i / positions), i % positions];
      data[output * inputs * positions + i] = inputs < positions ? basis[input]![position]! : basis[position]![input]!;
    }
  }
  let [sum, squares] = [0, 0];
  for (const value of data) sum += value;
  const mean = sum / data.length;
  for (const value of data) squares += (value - mean) ** 2;
  const scale = squares === 0 ? 1 : deviation / Math.sqrt(squares / data.length);
  for (let i = 0; i < data.length; i++) data[i] = (data[i]! - mean) * scale;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
