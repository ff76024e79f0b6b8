/** Converts MatConvNet's parameters to the form used by namings. */

import type { McnNetwork } from "../formats/matconvnet.ts";
import type { Tensor } from "../tensor.ts";
import type { WeightSource } from "./rename.ts";

/** Contents of batch norm's `[C, 2]`: means, and deviations sigma = sqrt(variance + eps). */
export interface Moments {
  readonly mean: Float32Array;
  readonly sigma: Float32Array;
}

/** Undefined if the tensor does not have that shape. */
export function momentsIn({ shape, data }: Tensor): Moments | undefined {
  const [channels = 0, columns] = shape;
  if (shape.length !== 2 || columns !== 2) return undefined;
  const column = (at: number) => Float32Array.from({ length: channels }, (_, i) => data[2 * i + at]!);
  return { mean: column(0), sigma: column(1) };
}

/** The variance without `eps`. Deviations below eps alone are rounding errors. */
export const varianceOf = ({ sigma }: Moments, eps: number): Float32Array =>
  sigma.map((value) => Math.max(0, value * value - eps));

/**
 * The parameters by name, with moments split: `X_moments` into `X_mean` and `X_variance`.
 * @param eps the eps of our batch norm
 */
export function matconvnetSource({ params }: McnNetwork, eps: number): WeightSource {
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of params) {
    const moments = name.endsWith("_moments") ? momentsIn(tensor) : undefined;
    if (moments === undefined) {
      tensors.set(name, tensor);
      continue;
    }
    const shape = [moments.mean.length];
    const base = name.slice(0, -"moments".length);
    tensors.set(`${base}mean`, { dtype: "float32", shape, data: moments.mean });
    tensors.set(`${base}variance`, { dtype: "float32", shape, data: varianceOf(moments, eps) });
  }
  return { kind: "tensors", tensors };
}
