/**
 * The last step of excitation, fused like the original's Axpy layer: scale each channel by its gate and add the
 * shortcut.
 */

import type { Op } from "../../ir/ops.ts";
import { type Kernel, planes } from "./kernel.ts";

type SeOp = Extract<Op, "seScaleAdd" | "seScale" | "seScaleBackward">;

export const seKernels: { readonly [K in SeOp]: Kernel<K> } = {
  seScaleAdd([gate, branch, shortcut], [y]) {
    const { size } = planes(branch.shape);
    for (let plane = 0; plane < gate.data.length; plane++) {
      const scale = gate.data[plane]!;
      for (let i = plane * size; i < (plane + 1) * size; i++) {
        y.data[i] = scale * branch.data[i]! + shortcut.data[i]!;
      }
    }
  },

  seScale([gate, x], [y]) {
    const { size } = planes(x.shape);
    for (let plane = 0; plane < gate.data.length; plane++) {
      const scale = gate.data[plane]!;
      for (let i = plane * size; i < (plane + 1) * size; i++) y.data[i] = scale * x.data[i]!;
    }
  },

  seScaleBackward([gate, branch, dy], [dgate, dbranch]) {
    const { size } = planes(branch.shape);
    for (let plane = 0; plane < gate.data.length; plane++) {
      const scale = gate.data[plane]!;
      let sum = 0;
      for (let i = plane * size; i < (plane + 1) * size; i++) {
        sum += branch.data[i]! * dy.data[i]!;
        dbranch.data[i] = scale * dy.data[i]!;
      }
      dgate.data[plane] = sum;
    }
  },
};
