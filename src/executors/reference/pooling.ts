/** Pooling over windows, and over whole planes (the squeeze). */

import type { AvgPoolAttrs, Op } from "../../ir/ops.ts";
import { type AxisWindow, axesOf, countsOf } from "../../ir/window.ts";
import type { Shape, TensorData } from "../../tensor.ts";
import { type Kernel, nchw, planes } from "./kernel.ts";

type PoolingOp = Extract<
  Op,
  "maxPool" | "maxPoolBackward" | "avgPool" | "avgPoolBackward" | "globalAvgPool" | "globalAvgPoolBackward"
>;

/** One window along one axis. */
interface Window {
  /** The real pixels in it: `from` inclusive, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** Divisor of an average along this axis. */
  readonly count: number;
}

/** The windows of `outputs` positions along an axis of `n` pixels. */
function windows(n: number, outputs: number, axis: AxisWindow, countPad: boolean): Window[] {
  return countsOf(n, outputs, axis, countPad).map((count, o) => {
    const start = o * axis.stride - axis.before;
    return { from: Math.max(start, 0), to: Math.min(start + axis.kernel, n), count };
  });
}

/** Calls `visit` for each output with its window, its plane's start in the input, and the input's width. */
function forEachWindow(
  x: Shape,
  y: Shape,
  attrs: AvgPoolAttrs,
  visit: (output: number, start: number, width: number, row: Window, column: Window) => void,
): void {
  const [batch, channels, height, width] = nchw(x);
  const [, , outHeight, outWidth] = nchw(y);
  const { countPad = true } = attrs;
  const [down, across] = axesOf(attrs);
  const rows = windows(height, outHeight, down, countPad);
  const columns = windows(width, outWidth, across, countPad);
  let output = 0;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (const row of rows) {
      for (const column of columns) visit(output++, plane * height * width, width, row, column);
    }
  }
}

/** Index of the first maximum of a window in row order; NaN counts as largest. −1 if there is no real pixel. */
function largest(x: TensorData, start: number, width: number, row: Window, column: Window): number {
  let best = -1;
  for (let h = row.from; h < row.to; h++) {
    for (let w = column.from; w < column.to; w++) {
      const at = start + h * width + w;
      if (best < 0 || x[at]! > x[best]! || (Number.isNaN(x[at]) && !Number.isNaN(x[best]))) best = at;
    }
  }
  return best;
}

export const poolingKernels: { readonly [K in PoolingOp]: Kernel<K> } = {
  maxPool([x], [y], attrs) {
    forEachWindow(x.shape, y.shape, attrs, (output, ...window) => {
      const at = largest(x.data, ...window);
      y.data[output] = at < 0 ? -Infinity : x.data[at]!;
    });
  },

  maxPoolBackward([x, dy], [dx], attrs) {
    const result = new Float64Array(dx.data.length);
    forEachWindow(x.shape, dy.shape, attrs, (output, ...window) => {
      const at = largest(x.data, ...window);
      if (at >= 0) result[at]! += dy.data[output]!;
    });
    dx.data.set(result);
  },

  avgPool([x], [y], attrs) {
    forEachWindow(x.shape, y.shape, attrs, (output, start, width, row, column) => {
      let sum = 0;
      for (let h = row.from; h < row.to; h++) {
        for (let w = column.from; w < column.to; w++) sum += x.data[start + h * width + w]!;
      }
      y.data[output] = sum / (row.count * column.count);
    });
  },

  avgPoolBackward([dy], [dx], attrs) {
    const result = new Float64Array(dx.data.length);
    forEachWindow(dx.shape, dy.shape, attrs, (output, start, width, row, column) => {
      const share = dy.data[output]! / (row.count * column.count);
      for (let h = row.from; h < row.to; h++) {
        for (let w = column.from; w < column.to; w++) result[start + h * width + w]! += share;
      }
    });
    dx.data.set(result);
  },

  globalAvgPool([x], [y]) {
    const { size } = planes(x.shape);
    for (let plane = 0; plane < y.data.length; plane++) {
      let sum = 0;
      for (let i = plane * size; i < (plane + 1) * size; i++) sum += x.data[i]!;
      y.data[plane] = sum / size;
    }
  },

  globalAvgPoolBackward([dy], [dx]) {
    const { size } = planes(dx.shape);
    for (let plane = 0; plane < dy.data.length; plane++) {
      dx.data.fill(dy.data[plane]! / size, plane * size, (plane + 1) * size);
    }
  },
};
