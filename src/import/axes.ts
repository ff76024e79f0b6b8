/** Orders of weights' axes in files, and conversion to and from ours. */

import { permuted } from "../formats/permuted.ts";
import type { Shape, Tensor } from "../tensor.ts";

/**
 * Axes of a convolution's weight: O output channels, I input channels, H height, W width; a fully connected layer has
 * the first two in the same order. `OIHW` is Caffe's, PyTorch's and ours, `HWIO` TensorFlow's and JAX's.
 */
export type AxisOrder = "OIHW" | "HWIO";

/** For a number of axes, the position in the file of each of our axes. */
const places: { readonly [Order in AxisOrder]: (axes: number) => readonly number[] | undefined } = {
  OIHW: () => undefined,
  HWIO: (axes) => (axes === 4 ? [3, 2, 0, 1] : axes === 2 ? [1, 0] : undefined),
};

/** A weight's shape in our order. */
export function ourShape(shape: Shape, order: AxisOrder): Shape {
  return places[order](shape.length)?.map((place) => shape[place]!) ?? shape;
}

/** Converts a file's weight to our order; unchanged if it already is. */
export function toOurs(tensor: Tensor, order: AxisOrder): Tensor {
  const from = places[order](tensor.shape.length);
  return from === undefined ? tensor : permuted(tensor, from);
}

/** Converts our weight to a file's order. */
export function fromOurs(tensor: Tensor, order: AxisOrder): Tensor {
  const from = places[order](tensor.shape.length);
  if (from === undefined) return tensor;
  return permuted(
    tensor,
    from.map((_, place) => from.indexOf(place)),
  );
}
