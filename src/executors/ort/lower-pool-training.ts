/** Pooling on the way back. */

import type { Value } from "../../ir/graph.ts";
import { sizeOf } from "../../tensor.ts";
import { poolAttributes } from "./lower-pool.ts";
import type { Rules } from "./rules.ts";

export const poolTrainingRules: Rules<"maxPoolBackward" | "globalAvgPoolBackward"> = {
  maxPoolBackward: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [x, dy] = inputs as [Value, Value];
    // Indices count through the whole of x, batch included.
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

  globalAvgPoolBackward: (l, { inputs, attrs }) => {
    const share = l.emit.float(1 / (attrs.inputShape[2]! * attrs.inputShape[3]!));
    const scaled = l.emit.node("Mul", [l.get(inputs[0]!), share]);
    return [l.emit.node("Expand", [scaled, l.emit.ints(...attrs.inputShape)])];
  },
};
