/** Gradients of pooling. */

import type { Value } from "../../ir/graph.ts";
import { axesOf, overhangOf } from "../../ir/window.ts";
import { sizeOf } from "../../tensor.ts";
import { filled } from "./emit-others.ts";
import { windowShares } from "./lower-avg-pool.ts";
import { poolAttributes } from "./lower-pool.ts";
import type { Rules } from "./rules.ts";

export const poolTrainingRules: Rules<"maxPoolBackward" | "avgPoolBackward" | "globalAvgPoolBackward"> = {
  maxPoolBackward: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [x, dy] = inputs as [Value, Value];
    // Indices count over all of x, including the batch.
    const [, indices] = emit.nodes("MaxPool", [l.get(x)], 2, poolAttributes(x.type.shape, dy.type.shape, attrs));
    const flat = emit.ints(-1);
    const size = emit.ints(sizeOf(x.type.shape));
    const zeros = emit.node("Expand", [emit.float(0), size]);
    const targets = emit.node("Reshape", [indices!, flat]);
    const sum = emit.node("ScatterElements", [zeros, targets, emit.node("Reshape", [l.get(dy), flat])], {
      axis: { int: 0 },
      reduction: { string: "add" },
    });
    return [emit.node("Reshape", [sum, emit.ints(...x.type.shape)])];
  },

  avgPoolBackward: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [dy] = inputs as [Value];
    const { inputShape } = attrs;
    const shares = windowShares(inputShape, dy.type.shape, attrs);
    const scaled = emit.node("Mul", [l.get(dy), emit.tensor(shares.shape, shares.data)]);
    // Each pixel gets the shares of all windows that contain it: a transposed convolution with ones, channel by
    // channel.
    const [height, width] = dy.type.shape.slice(2) as [number, number];
    const planes = emit.node("Reshape", [scaled, emit.ints(-1, 1, height, width)]);
    const [rows, columns] = axesOf(attrs);
    const overhang = [overhangOf(inputShape[2]!, height, rows), overhangOf(inputShape[3]!, width, columns)];
    const dx = emit.node("ConvTranspose", [planes, filled(emit, [1, 1, rows.kernel, columns.kernel], 1)], {
      strides: { ints: [rows.stride, columns.stride] },
      pads: { ints: [rows.before, columns.before, ...overhang.map((extent) => Math.max(extent, 0))] },
      output_padding: { ints: overhang.map((extent) => Math.max(-extent, 0)) },
    });
    return [emit.node("Reshape", [dx, emit.ints(...inputShape)])];
  },

  globalAvgPoolBackward: (l, { inputs, attrs }) => {
    const share = l.emit.float(1 / (attrs.inputShape[2]! * attrs.inputShape[3]!));
    const scaled = l.emit.node("Mul", [l.get(inputs[0]!), share]);
    return [l.emit.node("Expand", [scaled, l.emit.ints(...attrs.inputShape)])];
  },
};
