/** Element-wise operations, and those that only fill or copy. */

import type { Op } from "../../ir/ops.ts";
import type { Kernel } from "./kernel.ts";

type ElementwiseOp = Extract<
  Op,
  | "relu"
  | "reluBackward"
  | "sigmoid"
  | "sigmoidBackward"
  | "silu"
  | "siluBackward"
  | "mish"
  | "mishBackward"
  | "add"
  | "multiply"
  | "dropout"
  | "concat"
  | "channelSlice"
  | "flatten"
  | "flattenBackward"
  | "after"
  | "fill"
>;

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x));
/** `ln(1 + eˣ)` without overflow. */
const softplusOf = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export const elementwiseKernels: { readonly [K in ElementwiseOp]: Kernel<K> } = {
  relu([x], [y]) {
    // Unlike a comparison, Math.max keeps a NaN.
    for (let i = 0; i < y.data.length; i++) y.data[i] = Math.max(x.data[i]!, 0);
  },
  reluBackward([y, dy], [dx]) {
    for (let i = 0; i < dx.data.length; i++) dx.data[i] = y.data[i]! <= 0 ? 0 : dy.data[i]!;
  },
  sigmoid([x], [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = sigmoidOf(x.data[i]!);
  },
  sigmoidBackward([y, dy], [dx]) {
    for (let i = 0; i < dx.data.length; i++) dx.data[i] = dy.data[i]! * y.data[i]! * (1 - y.data[i]!);
  },
  silu([x], [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = x.data[i]! * sigmoidOf(x.data[i]!);
  },
  siluBackward([x, dy], [dx]) {
    for (let i = 0; i < dx.data.length; i++) {
      const s = sigmoidOf(x.data[i]!);
      dx.data[i] = dy.data[i]! * s * (1 + x.data[i]! * (1 - s));
    }
  },
  mish([x], [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = x.data[i]! * Math.tanh(softplusOf(x.data[i]!));
  },
  mishBackward([x, dy], [dx]) {
    for (let i = 0; i < dx.data.length; i++) {
      const t = Math.tanh(softplusOf(x.data[i]!));
      dx.data[i] = dy.data[i]! * (t + x.data[i]! * sigmoidOf(x.data[i]!) * (1 - t * t));
    }
  },
  add([a, b], [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = a.data[i]! + b.data[i]!;
  },
  multiply([x], [y], { factor }) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = factor * x.data[i]!;
  },
  dropout([x, keep], [y]) {
    for (let i = 0; i < y.data.length; i++) y.data[i] = x.data[i]! * keep.data[i]!;
  },
  concat(inputs, [y]) {
    const batch = y.shape[0]!;
    let place = 0;
    for (let n = 0; n < batch; n++) {
      for (const { data } of inputs) {
        const size = data.length / batch;
        y.data.set(data.subarray(n * size, (n + 1) * size), place);
        place += size;
      }
    }
  },
  channelSlice([x], [y], { start, length }) {
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const plane = height * width;
    for (let n = 0; n < batch; n++) {
      const from = (n * channels + start) * plane;
      y.data.set(x.data.subarray(from, from + length * plane), n * length * plane);
    }
  },
  flatten([x], [y]) {
    y.data.set(x.data);
  },
  flattenBackward([dy], [dx]) {
    dx.data.set(dy.data);
  },
  after([x], [y]) {
    y.data.set(x.data);
  },
  fill(_inputs, [y], { value }) {
    y.data.fill(value);
  },
};
