/**
 * Quantisation and dequantisation in ONNX's QDQ form, whose pairs ONNX Runtime and other engines fuse into integer
 * operators.
 */

import type { Value } from "../../ir/graph.ts";
import { zeroPoint } from "./emit-others.ts";
import type { Lowering, Rules } from "./rules.ts";

export const quantizationRules: Rules<"quantize" | "dequantize" | "dequantizeWeight"> = {
  quantize: (l, { inputs, outputs, attrs: { scale } }) => [
    l.emit.node("QuantizeLinear", [l.get(inputs[0]!), l.emit.float(scale), zeroOf(l, outputs[0]!)]),
  ],
  dequantize: (l, { inputs: [q], attrs: { scale } }) => [
    l.emit.node("DequantizeLinear", [l.get(q!), l.emit.float(scale), zeroOf(l, q!)]),
  ],
  dequantizeWeight: ({ emit, get }, { inputs }) => {
    const [w, scale] = inputs as [Value, Value];
    return [emit.node("DequantizeLinear", [get(w), get(scale)], { axis: { int: 0 } })];
  },
};

/**
 * Signed values are stored as uint8 around 128, too: ONNX Runtime only has integer convolutions whose input and output
 * have the same type (on x86 uint8, which VNNI takes), and leaves others in float32.
 */
function zeroOf({ emit, isWithin }: Lowering, q: Value): string {
  if (q.type.dtype === "uint8") return zeroPoint(emit, "uint8");
  return isWithin(q) ? zeroPoint(emit, "uint8", 128) : zeroPoint(emit, "int8");
}
