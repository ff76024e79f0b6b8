/** Quantisation and dequantisation. */

import type { Op } from "../../ir/ops.ts";
import type { Kernel } from "./kernel.ts";

type QuantizationOp = Extract<Op, "quantize" | "dequantize" | "dequantizeWeight">;

export const quantizationKernels: { readonly [K in QuantizationOp]: Kernel<K> } = {
  quantize([x], [q], { scale, signed }) {
    const [lowest, highest] = signed ? [-127, 127] : [0, 255];
    for (let i = 0; i < q.data.length; i++) {
      q.data[i] = Math.min(Math.max(halfToEven(x.data[i]! / scale), lowest), highest);
    }
  },
  dequantize([q], [y], { scale }) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = q.data[i]! * scale;
  },
  dequantizeWeight([w, scale], [y]) {
    const row = w.data.length / scale.data.length;
    for (let i = 0; i < y.data.length; i++) y.data[i] = w.data[i]! * scale.data[Math.floor(i / row)]!;
  },
};

/** Rounds halves to even, as processors and ONNX do. */
function halfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
