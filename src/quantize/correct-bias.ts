/**
 * Bias correction: rounding weights shifts the mean of a channel; the bias compensates for that (Nagel et al.,
 * "Data-free quantization through weight equalization and bias correction", arXiv 1906.04721, section 4.2).
 */

import type { Value } from "../ir/graph.ts";
import type { Program } from "../passes/index.ts";
import type { Layer } from "../passes/quantize.ts";
import { quantizedRows } from "../passes/quantize-weights.ts";
import { type Tensor, zeros } from "../tensor.ts";

/**
 * The corrected bias of a layer whose weights are in eight bits.
 * @param means means of its input's channels
 */
export function correctedBias({ inputs }: Layer, { weights }: Program, means: Float64Array): Tensor {
  const [, w, b] = inputs as [Value, Value, Value?];
  const weight = weights.get(w.name)!;
  const { quantized, scale } = quantizedRows(weight);
  const [rows, channels] = weight.shape as [number, number];
  const taps = weight.data.length / rows / channels;
  const groups = means.length / channels;
  const bias = zeros("float32", [rows]);
  if (b !== undefined) bias.data.set(weights.get(b.name)!.data);
  for (let o = 0; o < rows; o++) {
    const firstChannel = Math.floor(o / (rows / groups)) * channels;
    let shift = 0;
    for (let c = 0; c < channels; c++) {
      const start = (o * channels + c) * taps;
      let error = 0;
      for (let i = start; i < start + taps; i++) {
        error += quantized.data[i]! * scale.data[o]! - weight.data[i]!;
      }
      shift += error * means[firstChannel + c]!;
    }
    bias.data[o]! -= shift;
  }
  return bias;
}
