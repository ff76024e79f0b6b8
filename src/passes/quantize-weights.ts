/** Quantises weights to eight bits, for the graphs of quantize.ts. */

import type { Value } from "../ir/graph.ts";
import { type Tensor, tensor, zeros } from "../tensor.ts";
import type { Program } from "./program.ts";
import { biasName, type Quantization, quantizableLayers, quantizedGraph, scaleName } from "./quantize.ts";
import { removeDead } from "./remove-dead.ts";

/** The largest eight-bit number, signed or unsigned. */
export const levels = (signed: boolean): number => (signed ? 127 : 255);

/**
 * A program with these layers in eight bits; a step of each row of weights is its largest magnitude / 127.
 * @param program batch norm folded, float32
 */
export function quantizeProgram({ graph, weights }: Program, quantization: Quantization): Program {
  const next = new Map(weights);
  const chosen = new Set(quantization.layers);
  for (const layer of quantizableLayers(graph).filter(({ name }) => chosen.has(name))) {
    const [, w, b] = layer.inputs as [Value, Value, Value?];
    const { quantized, scale } = quantizedRows(weights.get(w.name)!);
    next.set(w.name, quantized);
    next.set(scaleName(w), scale);
    if (b === undefined) next.set(biasName(layer), zeros("float32", scale.shape));
  }
  return removeDead({ graph: quantizedGraph(graph, quantization), weights: next });
}

/**
 * A channel whose weights are smaller than this part of the layer's largest carries its bias and nothing else, like those
 * that weight decay has taken out of use.
 */
export const unused = 1e-3;

/** Below this steps would be beyond float32. */
const smallest = 2 ** -100;

/**
 * Quantises weights `[O, ...]` to int8, with a scale for each row. Rows out of use have no finer steps than others need:
 * ONNX Runtime counts a bias in these steps, in 32 bits, which would not be enough.
 */
export function quantizedRows({ shape, data }: Tensor): { readonly quantized: Tensor; readonly scale: Tensor } {
  const rows = shape[0]!;
  const length = data.length / rows;
  const quantized = new Int8Array(data.length);
  const scale = new Float32Array(rows);
  const all = largestOf(data);
  const least = unused * (all > smallest ? all : 1);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * length, (row + 1) * length);
    scale[row] = Math.max(largestOf(values), least) / levels(true);
    for (let i = 0; i < length; i++) quantized[row * length + i] = Math.round(values[i]! / scale[row]!);
  }
  return { quantized: tensor(shape, quantized), scale: tensor([rows], scale) };
}

function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}
