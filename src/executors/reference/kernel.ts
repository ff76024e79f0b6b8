/** What a kernel of the reference executor is. */

import type { Attrs, Op } from "../../ir/ops.ts";
import type { Shape, Tensor } from "../../tensor.ts";

/** As many as the operation has (optional ones may be absent); shape inference has checked them. */
export type Operands = readonly [Tensor, Tensor, Tensor, Tensor, Tensor];

/**
 * Computes one operation. Shapes are the tensors', so that any batch size works; dtype is the tensors' too: sums are
 * taken in float64 and rounded once, when stored. Outputs come as zeros, and inputs are never written.
 */
export type Kernel<K extends Op> = (inputs: Operands, outputs: Operands, attrs: Attrs[K]) => void;

export const nchw = (shape: Shape): [number, number, number, number] =>
  shape as unknown as [number, number, number, number];

/** Batch, channels, and elements of one channel of one image, for `[N, C, ...]`. */
export function planes(shape: Shape): { batch: number; channels: number; size: number } {
  let size = 1;
  for (let axis = 2; axis < shape.length; axis++) size *= shape[axis]!;
  return { batch: shape[0]!, channels: shape[1]!, size };
}
