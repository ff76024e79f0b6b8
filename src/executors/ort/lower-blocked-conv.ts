/** Convolutions of blocked activations, and their gradients. */

import type { Value } from "../../ir/graph.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { convAxes, pairOf } from "../../ir/window.ts";
import { type BlockedRules, scaled } from "./blocked-rule.ts";
import { type Convolution, type Extents, extentsOf } from "./blocked-values.ts";
import type { Blocks } from "./blocks.ts";
import { padsOf } from "./lower-conv.ts";
import { weightGradient } from "./lower-conv-training.ts";
import type { Lowering } from "./rules.ts";

export const blockedConvolutions: BlockedRules<"conv2d" | "conv2dBackwardInput" | "conv2dBackwardWeight"> = {
  conv2d: (b, l, { inputs, outputs, attrs }) => {
    const [x, w, bias] = inputs as [Value, Value, Value?];
    const isNarrow = x.type.shape[1]! < b.size;
    if (!b.fits(outputs[0]!.type) || !(isNarrow ? attrs.groups === 1 : b.fits(x.type))) return undefined;
    const grouped = isNarrow ? { weight: l.get(w), shape: extentsOf(w), groups: 1 } : groupedWeight(b, l, w, attrs);
    if (grouped === undefined) return undefined;
    return [
      {
        scope: b.emit.scope,
        x: isNarrow ? l.get(x) : b.dense(x),
        ...grouped,
        backward: false,
        ...(bias && { bias: l.get(bias) }),
        strides: pairOf(attrs.stride),
        pads: padsOf(attrs.pad),
      },
    ];
  },

  conv2dBackwardInput: (b, l, { inputs, outputs, attrs }) => {
    const [dy, w] = inputs as [Value, Value];
    const [n, channels, height, width] = extentsOf(outputs[0]!);
    const [, o, outHeight, outWidth] = extentsOf(dy);
    const axes = convAxes(attrs, w.type.shape);
    const [rows, columns] = axes;
    if (!b.fits(outputs[0]!.type) || !b.fits(dy.type)) return undefined;
    const isPointwise = axes.every(({ kernel, before, after }) => kernel === 1 && before === 0 && after === 0);
    const strides = pairOf(attrs.stride);
    const hasStride = strides.some((stride) => stride > 1);
    if (hasStride && !isPointwise && attrs.groups === 1) return undefined;
    if (axes.some(({ kernel, before, after }) => kernel <= Math.max(before, after))) return undefined;
    const grouped = groupedWeight(b, l, w, attrs);
    if (grouped === undefined) return undefined;
    const { base, scale } = scaled(b, dy);
    const [top, left] = [rows.kernel - 1 - rows.before, columns.kernel - 1 - columns.before];
    const [bottom, right] = [rows.kernel - 1 - rows.after, columns.kernel - 1 - columns.after];
    const dx: Convolution = {
      scope: b.emit.scope,
      x: base,
      ...grouped,
      weight: scale ? b.weights.scaleRows(grouped.weight, scale) : grouped.weight,
      backward: true,
      strides: [1, 1],
      pads: [top, left, bottom, right],
    };
    if (!hasStride) return [dx];
    if (isPointwise) {
      const from: Extents = [n, channels, outHeight, outWidth];
      return [{ base: b.insertZeros(b.convolve(dx), from, [n, channels, height, width], strides) }];
    }
    // Groups are so narrow that convolving the zeros as well costs less than ONNX Runtime's ConvTranspose.
    const spread: Extents = [n, o, height - bottom + rows.before, width - right + columns.before];
    return [{ ...dx, x: b.insertZeros(base, extentsOf(dy), spread, strides) }];
  },

  conv2dBackwardWeight: (b, l, { inputs, attrs }) => {
    const [x, dy] = inputs as [Value, Value];
    if (!b.holds(dy)) return undefined;
    const { base, scale } = scaled(b, dy);
    const { groups } = attrs;
    const shape = attrs.weightShape as unknown as Extents;
    const kernel = shape.slice(2);
    const [n, o] = extentsOf(dy);
    const merged = groups === 1 ? 1 : b.weights.groupsToMerge(shape, groups);
    let dw: string;
    if (merged !== undefined && kernel.some((extent) => extent > 1) && n > b.size / 2) {
      const options = { groups: groups / merged, axes: convAxes(attrs, shape) };
      const whole = b.weightGradient(l.get(x), base, extentsOf(x), extentsOf(dy), options);
      dw = b.weights.splitGroups(whole, shape, groups, merged);
    } else {
      dw = weightGradient(l.emit, l.get(x), b.unblock(base, o), x.type.shape, dy.type.shape, attrs);
    }
    return [scale ? b.weights.scaleRows(dw, scale) : dw];
  },
};

/** A convolution's weight with groups merged until they fill blocks; undefined if they never do. */
function groupedWeight(
  b: Blocks,
  l: Lowering,
  w: Value,
  { groups }: ConvAttrs,
): Pick<Convolution, "weight" | "shape" | "groups"> | undefined {
  const shape = extentsOf(w);
  const merged = b.weights.groupsToMerge(shape, groups);
  if (merged === undefined) return undefined;
  const [o, i, ...kernel] = shape;
  const weight = b.weights.mergeGroups(l.get(w), shape, groups, merged);
  return { weight, shape: [o, i * merged, ...kernel], groups: groups / merged };
}
