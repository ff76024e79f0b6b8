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

/** Quantises weights `[O, ...]` to int8, with a scale for each row. */
export function quantizedRows({ shape, data }: Tensor): { readonly quantized: Tensor; readonly scale: Tensor } {
  const rows = shape[0]!;
  const length = data.length / rows;
  const quantized = new Int8Array(data.length);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * length, (row + 1) * length);
    let largest = 0;
    for (const value of values) largest = Math.max(largest, Math.abs(value));
    // A row of zeros may have any scale.
    scale[row] = largest === 0 ? 1 : largest / levels(true);
    for (let i = 0; i < length; i++) quantized[row * length + i] = Math.round(values[i]! / scale[row]!);
  }
  return { quantized: tensor(shape, quantized), scale: tensor([rows], scale) };
}
