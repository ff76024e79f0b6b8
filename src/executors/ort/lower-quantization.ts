/** To eight bits and back: ONNX's QDQ form, whose pairs ONNX Runtime and others fuse into integer operators. */

import type { Value } from "../../ir/graph.ts";
import type { Rules } from "./rules.ts";

export const quantizationRules: Rules<"quantize" | "dequantize" | "dequantizeWeight"> = {
  quantize: ({ emit, get }, { inputs, attrs: { scale, signed } }) => [
    emit.node("QuantizeLinear", [get(inputs[0]!), emit.float(scale), emit.zeroPoint(signed)]),
  ],
  dequantize: ({ emit, get }, { inputs: [q], attrs: { scale } }) => [
    emit.node("DequantizeLinear", [get(q!), emit.float(scale), emit.zeroPoint(q!.type.dtype === "int8")]),
  ],
  dequantizeWeight: ({ emit, get }, { inputs }) => {
    const [w, scale] = inputs as [Value, Value];
    return [emit.node("DequantizeLinear", [get(w), get(scale)], { axis: { int: 0 } })];
  },
};
