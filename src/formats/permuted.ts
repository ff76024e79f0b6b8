/** Permutes tensors' axes. */

import { dtypeOf, type Shape, sizeOf, type Tensor, type TensorData } from "../tensor.ts";

/** Axis k of the result is axis `from[k]` of the tensor. */
export function permuted({ dtype, shape, data }: Tensor, from: readonly number[]): Tensor {
  const steps = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const result = from.map((axis) => shape[axis]!);
  const resultSteps = from.map((axis) => steps[axis]!);
  const moved = data.slice();
  const position = result.map(() => 0);
  let at = 0;
  for (let i = 0; i < moved.length; i++) {
    moved[i] = data[at]!;
    for (let axis = result.length - 1; axis >= 0; axis--) {
      at += resultSteps[axis]!;
      if (++position[axis]! < result[axis]!) break;
      at -= resultSteps[axis]! * result[axis]!;
      position[axis] = 0;
    }
  }
  return { dtype, shape: result, data: moved };
}

/** Converts from column-major order (Fortran's, MATLAB's) to ours. */
export function fromColumns(shape: Shape, data: TensorData): Tensor {
  const axes = shape.map((_, axis) => shape.length - 1 - axis);
  return permuted({ dtype: dtypeOf(data), shape: shape.toReversed(), data }, axes);
}
