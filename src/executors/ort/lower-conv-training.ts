/** Gradients of convolutions and linear layers. */

import type { Value } from "../../ir/graph.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { type AxisWindow, convAxes, overhangOf } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import { product } from "./emit-others.ts";
import type { Emitter } from "./emitter.ts";
import { convAttributes, flat, isOnePixel, isPointwise, matrix, padsOf } from "./lower-conv.ts";
import type { Attributes } from "./onnx.ts";
import type { Rules } from "./rules.ts";

export const convTrainingRules: Rules<
  "conv2dBackwardInput" | "conv2dBackwardWeight" | "channelSum" | "linearBackwardInput" | "linearBackwardWeight"
> = {
  conv2dBackwardInput: (l, { inputs, attrs }) => {
    const [dy, w] = inputs as [Value, Value];
    const [n, i] = [attrs.inputShape[0]!, w.type.shape[1]!];
    if (isPointwise(w.type.shape, attrs) && isOnePixel(attrs.inputShape)) {
      const dx = l.emit.node("MatMul", [flat(l, dy), matrix(l, w)]);
      return [l.emit.node("Reshape", [dx, l.emit.ints(n, i, 1, 1)])];
    }
    const [rows, columns] = convAxes(attrs, w.type.shape);
    const isPlain = ({ kernel, stride, before, after }: AxisWindow) => stride === 1 && Math.max(before, after) < kernel;
    if (attrs.groups === 1 && isPlain(rows) && isPlain(columns)) {
      const opposite = [rows, columns].map(({ kernel, before }) => kernel - 1 - before);
      const ends = [rows, columns].map(({ kernel, after }) => kernel - 1 - after);
      return [
        l.emit.node("Conv", [l.get(dy), transposedKernel(l.emit, l.get(w))], {
          kernel_shape: { ints: [rows.kernel, columns.kernel] },
          pads: { ints: [...opposite, ...ends] },
        }),
      ];
    }
    const attributes = transposedAttributes(w.type.shape, dy.type.shape, attrs);
    return [l.emit.node("ConvTranspose", [l.get(dy), l.get(w)], attributes)];
  },

  conv2dBackwardWeight: (l, { inputs, attrs }) => {
    const [x, dy] = inputs as [Value, Value];
    if (isPointwise(attrs.weightShape, attrs) && isOnePixel(x.type.shape)) {
      const dw = product(l.emit, flat(l, dy), flat(l, x), 2, "left");
      return [l.emit.node("Reshape", [dw, l.emit.ints(...attrs.weightShape)])];
    }
    return [weightGradient(l.emit, l.get(x), l.get(dy), x.type.shape, dy.type.shape, attrs)];
  },

  channelSum: (l, { inputs }) => {
    const [x] = inputs as [Value];
    const axes = x.type.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
    return [l.emit.node("ReduceSum", [l.get(x), l.emit.ints(...axes)], { keepdims: { int: 0 } })];
  },

  linearBackwardInput: (l, { inputs }) => [
    l.emit.node(
      "MatMul",
      inputs.map((input) => l.get(input)),
    ),
  ],

  linearBackwardWeight: (l, { inputs }) => {
    const [x, dy] = inputs as [Value, Value];
    return [product(l.emit, l.get(dy), l.get(x), 2, "left")];
  },
};

/**
 * Attributes of the ConvTranspose for an input gradient. It drops the rows that the stride never reached; output
 * padding restores them.
 */
export function transposedAttributes(
  weight: Shape,
  output: Shape,
  attrs: ConvAttrs & { readonly inputShape: Shape },
): Attributes {
  const missing = convAxes(attrs, weight).map(
    (axis, i) => axis.after - overhangOf(attrs.inputShape[i + 2]!, output[i + 2]!, axis),
  );
  return { ...convAttributes(weight, attrs), output_padding: { ints: missing } };
}

/** `[O,I,KH,KW] → [I,O,KH,KW]`, rotated by 180 degrees: the kernel of an input gradient. */
function transposedKernel(emit: Emitter, w: string): string {
  const flipped = emit.node("Slice", [
    w,
    emit.ints(-1, -1),
    emit.ints(-9999, -9999),
    emit.ints(2, 3),
    emit.ints(-1, -1),
  ]);
  return emit.node("Transpose", [flipped], { perm: { ints: [1, 0, 2, 3] } });
}

/**
 * The gradient of a weight as matrix products over the pixels: for each tap of the kernel, the output's gradient times
 * the input under the tap, summed over all positions.
 */
export function weightGradient(
  emit: Emitter,
  x: string,
  dy: string,
  inputShape: Shape,
  outputShape: Shape,
  attrs: ConvAttrs & { readonly weightShape: Shape },
): string {
  const { groups, weightShape } = attrs;
  const [o, i, kernelHeight, kernelWidth] = weightShape as [number, number, number, number];
  const [n, , outHeight, outWidth] = outputShape as [number, number, number, number];
  const taps = kernelHeight * kernelWidth;
  const pixels = outHeight * outWidth;
  let tapped: string;
  if (groups === 1 && o * i * taps > pixels * (o + i * taps)) {
    // With few pixels, a product per sample would be larger than the activations; uses one product over all samples.
    const channelsFirst = (name: string) => emit.node("Transpose", [name], { perm: { ints: [1, 0, 2, 3] } });
    const rows = emit.node("Reshape", [channelsFirst(dy), emit.ints(o, n * pixels)]);
    const products = shiftedInputs(emit, channelsFirst(x), inputShape, outputShape, attrs).map((tap) => {
      const columns = emit.node("Reshape", [tap, emit.ints(i, n * pixels)]);
      return emit.node("Reshape", [product(emit, rows, columns, 2, "right"), emit.ints(o, 1, i)]);
    });
    tapped = taps === 1 ? products[0]! : emit.node("Concat", products, { axis: { int: 1 } });
  } else {
    const seen = shiftedInputs(emit, x, inputShape, outputShape, attrs).map((tap) =>
      emit.node("Reshape", [tap, emit.ints(n, groups, i, pixels)]),
    );
    const columns = taps === 1 ? seen[0]! : emit.node("Concat", seen, { axis: { int: 2 } });
    const rows = emit.node("Reshape", [dy, emit.ints(n, groups, o / groups, pixels)]);
    const products = product(emit, rows, columns, 4, "right");
    const sum = n === 1 ? products : emit.node("ReduceSum", [products, emit.ints(0)], { keepdims: { int: 0 } });
    tapped = emit.node("Reshape", [sum, emit.ints(o, taps, i)]);
  }
  const dw = taps === 1 ? tapped : emit.node("Transpose", [tapped], { perm: { ints: [0, 2, 1] } });
  return emit.node("Reshape", [dw, emit.ints(...weightShape)]);
}

/**
 * For each tap of the kernel in row order, the input under it at every output position. Works on the last two of four
 * axes.
 */
function shiftedInputs(
  emit: Emitter,
  x: string,
  inputShape: Shape,
  outputShape: Shape,
  attrs: ConvAttrs & { readonly weightShape: Shape },
): string[] {
  const [, , height, width] = inputShape as [number, number, number, number];
  const [, , outHeight, outWidth] = outputShape as [number, number, number, number];
  const [rows, columns] = convAxes(attrs, attrs.weightShape);
  if (isPointwise(attrs.weightShape, { ...attrs, groups: 1 })) return [x];
  const [top, left, bottom, right] = padsOf(attrs.pad);
  const isPadded = top + left + bottom + right > 0;
  const padded = isPadded ? emit.node("Pad", [x, emit.ints(0, 0, top, left, 0, 0, bottom, right)]) : x;
  const taps: string[] = [];
  for (let row = 0; row < rows.kernel; row++) {
    for (let column = 0; column < columns.kernel; column++) {
      const starts = emit.ints(row, column);
      const ends = emit.ints(
        Math.min(row + (outHeight - 1) * rows.stride + 1, height + top + bottom),
        Math.min(column + (outWidth - 1) * columns.stride + 1, width + left + right),
      );
      taps.push(emit.node("Slice", [padded, starts, ends, emit.ints(2, 3), emit.ints(rows.stride, columns.stride)]));
    }
  }
  return taps;
}
