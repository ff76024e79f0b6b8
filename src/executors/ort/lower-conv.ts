/** Convolution, batch norm, and the classifier's layers. */

import type { Value } from "../../ir/graph.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { type Padding, pairOf, shortExtent, shortPadding, sidesOf } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import type { Attributes } from "./onnx.ts";
import type { Lowering, Rules } from "./rules.ts";

export const convRules: Rules<"conv2d" | "batchNorm" | "flatten" | "linear" | "softmax"> = {
  conv2d: (l, { inputs, attrs }) => {
    const [x, w, b] = inputs as [Value, Value, Value?];
    // Other programs expect the gates' layers as convolutions, and not all of them support Unsqueeze.
    const isMatrix = !l.isPortable && isPointwise(w.type.shape, attrs) && isOnePixel(x.type.shape);
    if (isMatrix) return [pointwiseOnPixel(l, x, w, b)];
    const names = inputs.map((input) => l.get(input));
    return [l.emit.node("Conv", names, convAttributes(w.type.shape, attrs))];
  },

  batchNorm: (l, { inputs, attrs }) => [
    l.emit.node(
      "BatchNormalization",
      inputs.map((input) => l.get(input)),
      { epsilon: { float: attrs.eps } },
    ),
  ],

  flatten: (l, { inputs }) => [l.emit.node("Flatten", [l.get(inputs[0]!)], { axis: { int: 1 } })],

  linear: (l, { inputs }) => [
    l.emit.node(
      "Gemm",
      inputs.map((input) => l.get(input)),
      { transB: { int: 1 } },
    ),
  ],

  softmax: (l, { inputs }) => [l.emit.node("Softmax", [l.get(inputs[0]!)], { axis: { int: 1 } })],
};

export const isPointwise = (weight: Shape, { stride, pad, groups }: ConvAttrs): boolean =>
  weight[2] === 1 && weight[3] === 1 && shortExtent(stride) === 1 && shortPadding(pad) === 0 && groups === 1;

export const isOnePixel = (shape: Shape): boolean => shape[2] === 1 && shape[3] === 1;

/** The two layers of squeeze and excitation: a matrix product. */
function pointwiseOnPixel(l: Lowering, x: Value, w: Value, b: Value | undefined): string {
  const inputs = [flat(l, x), matrix(l, w), ...(b === undefined ? [] : [l.get(b)])];
  const y = l.emit.node("Gemm", inputs, { transB: { int: 1 } });
  return l.emit.node("Unsqueeze", [y, l.emit.ints(2, 3)]);
}

/** `[N,C,1,1] → [N,C]` */
export const flat = (l: Lowering, x: Value): string => l.emit.node("Flatten", [l.get(x)], { axis: { int: 1 } });

/** `[O,I,1,1] → [O,I]` */
export const matrix = (l: Lowering, w: Value): string => l.emit.node("Flatten", [l.get(w)], { axis: { int: 1 } });

/** In ONNX's order: first all starts, then all ends. */
export const padsOf = (pad: Padding): readonly [number, number, number, number] => {
  const { top, left, bottom, right } = sidesOf(pad);
  return [top, left, bottom, right];
};

/**
 * All attributes are explicit, even where the weight or the standard implies them: OpenCV and the WebGPU engine do not
 * infer them.
 */
export function convAttributes(weight: Shape, { stride, pad, groups }: ConvAttrs): Attributes {
  return {
    kernel_shape: { ints: weight.slice(2) },
    dilations: { ints: [1, 1] },
    strides: { ints: pairOf(stride) },
    pads: { ints: padsOf(pad) },
    group: { int: groups },
  };
}
