/**
 * Convolution and its gradients: each image's patches become the rows of a matrix, and the rest is a matrix product
 * (Chellapilla, Puri and Simard, "High performance convolutional neural networks for document processing", 2006).
 */

import type { ConvAttrs, Op } from "../../ir/ops.ts";
import { convAxes } from "../../ir/window.ts";
import type { Shape, TensorData } from "../../tensor.ts";
import { type Kernel, nchw } from "./kernel.ts";
import { matrix, multiplyAdd, transposed } from "./multiply.ts";

type ConvolutionOp = Extract<Op, "conv2d" | "conv2dBackwardInput" | "conv2dBackwardWeight">;

interface Geometry {
  readonly batch: number;
  readonly groups: number;
  /** Output channels and pixels of one group of one image. */
  readonly outputs: number;
  readonly pixels: number;
  /** Elements of one patch: input channels of a group × kernel height × kernel width. */
  readonly patch: number;
  /** Elements of the input channels of one group of one image. */
  readonly image: number;
  /** For each element of each patch, its index in the group's image; −1 in the padding. */
  readonly taps: Int32Array;
}

function geometry(x: Shape, w: Shape, y: Shape, attrs: ConvAttrs) {
  const { groups } = attrs;
  const [batch, , height, width] = nchw(x);
  const [outputs, channels, kernelHeight, kernelWidth] = nchw(w);
  const [, , outHeight, outWidth] = nchw(y);
  const [rows, columns] = convAxes(attrs, w);
  const pixels = outHeight * outWidth;
  const patch = channels * kernelHeight * kernelWidth;
  const taps = new Int32Array(pixels * patch);
  let at = 0;
  for (let oh = 0; oh < outHeight; oh++) {
    for (let ow = 0; ow < outWidth; ow++) {
      for (let c = 0; c < channels; c++) {
        for (let kh = 0; kh < kernelHeight; kh++) {
          const ih = oh * rows.stride - rows.before + kh;
          for (let kw = 0; kw < kernelWidth; kw++) {
            const iw = ow * columns.stride - columns.before + kw;
            const inside = ih >= 0 && ih < height && iw >= 0 && iw < width;
            taps[at++] = inside ? (c * height + ih) * width + iw : -1;
          }
        }
      }
    }
  }
  const image = channels * height * width;
  return { batch, groups, outputs: outputs / groups, pixels, patch, image, taps } satisfies Geometry;
}

/** Copies the patches of one group of one image, which starts at `start`, to `[pixels, patch]`. */
function gather(x: TensorData, start: number, taps: Int32Array, patches: Float64Array): void {
  for (let i = 0; i < taps.length; i++) {
    const tap = taps[i]!;
    patches[i] = tap < 0 ? 0 : x[start + tap]!;
  }
}

/** The adjoint of `gather`: adds each patch's elements to the pixels they came from. */
function scatterAdd(patches: Float64Array, taps: Int32Array, image: Float64Array): void {
  for (let i = 0; i < taps.length; i++) {
    const tap = taps[i]!;
    if (tap >= 0) image[tap]! += patches[i]!;
  }
}

export const convolutionKernels: { readonly [K in ConvolutionOp]: Kernel<K> } = {
  conv2d([x, w, b], [y], attrs) {
    const { batch, groups, outputs, pixels, patch, image, taps } = geometry(x.shape, w.shape, y.shape, attrs);
    const bias = b as typeof b | undefined;
    const weights = Float64Array.from(w.data);
    const patches = new Float64Array(taps.length);
    const result = new Float64Array(outputs * pixels);
    for (let n = 0; n < batch; n++) {
      for (let g = 0; g < groups; g++) {
        gather(x.data, (n * groups + g) * image, taps, patches);
        for (let o = 0; o < outputs; o++) {
          result.fill(bias?.data[g * outputs + o] ?? 0, o * pixels, (o + 1) * pixels);
        }
        const filters = matrix(weights, patch, g * outputs * patch);
        multiplyAdd(outputs, pixels, patch, filters, transposed(matrix(patches, patch)), matrix(result, pixels));
        y.data.set(result, (n * groups + g) * result.length);
      }
    }
  },

  conv2dBackwardInput([dy, w], [dx], attrs) {
    const { batch, groups, outputs, pixels, patch, image, taps } = geometry(dx.shape, w.shape, dy.shape, attrs);
    const weights = Float64Array.from(w.data);
    const incoming = Float64Array.from(dy.data);
    const patches = new Float64Array(taps.length);
    const result = new Float64Array(image);
    for (let n = 0; n < batch; n++) {
      for (let g = 0; g < groups; g++) {
        const gradient = matrix(incoming, pixels, (n * groups + g) * outputs * pixels);
        const filters = matrix(weights, patch, g * outputs * patch);
        patches.fill(0);
        multiplyAdd(pixels, patch, outputs, transposed(gradient), filters, matrix(patches, patch));
        result.fill(0);
        scatterAdd(patches, taps, result);
        dx.data.set(result, (n * groups + g) * image);
      }
    }
  },

  conv2dBackwardWeight([x, dy], [dw], attrs) {
    const { batch, groups, outputs, pixels, patch, image, taps } = geometry(x.shape, dw.shape, dy.shape, attrs);
    const incoming = Float64Array.from(dy.data);
    const patches = new Float64Array(taps.length);
    const result = new Float64Array(dw.data.length);
    for (let n = 0; n < batch; n++) {
      for (let g = 0; g < groups; g++) {
        gather(x.data, (n * groups + g) * image, taps, patches);
        const gradient = matrix(incoming, pixels, (n * groups + g) * outputs * pixels);
        const filters = matrix(result, patch, g * outputs * patch);
        multiplyAdd(outputs, patch, pixels, gradient, matrix(patches, patch), filters);
      }
    }
    dw.data.set(result);
  },
};
