/** Pooling. */

import type { PoolAttrs } from "../../ir/ops.ts";
import { axesOf, overhangOf } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import type { Rules } from "./rules.ts";

export const poolRules: Rules<"maxPool" | "globalAvgPool"> = {
  maxPool: (l, { inputs, outputs, attrs }) => [
    l.emit.node("MaxPool", [l.get(inputs[0]!)], poolAttributes(inputs[0]!.type.shape, outputs[0]!.type.shape, attrs)),
  ],

  globalAvgPool: (l, { inputs }) => [l.emit.node("GlobalAveragePool", [l.get(inputs[0]!)])],
};

/** The end padding is whatever the last window needs, which includes rounding up. */
export function poolAttributes(input: Shape, output: Shape, attrs: PoolAttrs) {
  const [rows, columns] = axesOf(attrs);
  const [bottom, right] = [overhangOf(input[2]!, output[2]!, rows), overhangOf(input[3]!, output[3]!, columns)];
  return {
    kernel_shape: { ints: [rows.kernel, columns.kernel] },
    strides: { ints: [rows.stride, columns.stride] },
    pads: { ints: [rows.before, columns.before, Math.max(bottom, 0), Math.max(right, 0)] as const },
  };
}
