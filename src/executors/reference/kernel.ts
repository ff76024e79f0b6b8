/** The type of the reference executor's kernels. */

import type { Attrs, Op } from "../../ir/ops.ts";
import type { Shape, Tensor } from "../../tensor.ts";

/** The operation's inputs; shape inference has checked their number (optional ones may be absent). */
export type Operands = readonly [Tensor, Tensor, Tensor, Tensor, Tensor];

/**
 * Computes one operation. Shapes and dtypes are the tensors' own, so that any batch size works. Sums are computed in
 * float64 and rounded once, when stored. Outputs are initially zero; inputs are never written.
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
