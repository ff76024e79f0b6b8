/**
 * Workarounds for ONNX Runtime's WebGPU engine (1.30): operators that it lacks, computes wrongly, or runs on the CPU.
 * Found by the conformance suite in Chromium (tests/chromium.slow.test.ts).
 */

import type { Value } from "../../ir/graph.ts";
import { axesOf, overhangOf } from "../../ir/window.ts";
import { filled } from "./emit-others.ts";
import { convTrainingRules, transposedAttributes } from "./lower-conv-training.ts";
import { inverseDeviation } from "./lower-norm-training.ts";
import { poolAttributes } from "./lower-pool.ts";
import type { Rules } from "./rules.ts";

export const webGpuRules: Rules<
  "batchNormTraining" | "maxPoolBackward" | "conv2dBackwardInput" | "softmaxCrossEntropy"
> = {
  /** Its BatchNormalization only supports running statistics. */
  batchNormTraining: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [x, gamma, beta] = inputs as [Value, Value, Value];
    const channels = x.type.shape[1]!;
    const perChannel = (vector: string) => emit.node("Reshape", [vector, emit.ints(channels, 1, 1)]);
    const meanOf = (values: string) => emit.node("ReduceMean", [values, emit.ints(0, 2, 3)], { keepdims: { int: 0 } });
    const mean = meanOf(l.get(x));
    const centred = emit.node("Sub", [l.get(x), perChannel(mean)]);
    const variance = meanOf(emit.node("Mul", [centred, centred]));
    const slope = emit.node("Mul", [l.get(gamma), inverseDeviation(emit, variance, attrs.eps)]);
    const scaled = emit.node("Mul", [centred, perChannel(slope)]);
    return [emit.node("Add", [scaled, perChannel(l.get(beta))]), mean, variance];
  },

  /**
   * Its MaxPool does not return indices. For each tap of the window: if it is the maximum, and no earlier one was, it
   * gets the gradient.
   */
  maxPoolBackward: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [x, dy] = inputs as [Value, Value];
    const [n, c, height, width] = x.type.shape as [number, number, number, number];
    const [outHeight, outWidth] = dy.type.shape.slice(2) as [number, number];
    const [rows, columns] = axesOf(attrs);
    const [bottom, right] = [overhangOf(height, outHeight, rows), overhangOf(width, outWidth, columns)];
    const largest = emit.node("MaxPool", [l.get(x)], poolAttributes(x.type.shape, dy.type.shape, attrs));
    const ends = [Math.max(bottom, 0), Math.max(right, 0)];
    const padded = emit.node("Pad", [
      l.get(x),
      emit.ints(0, 0, rows.before, columns.before, 0, 0, ...ends),
      emit.float(-3.4e38),
    ]);
    const planes = (values: string) => emit.node("Reshape", [values, emit.ints(n * c, 1, outHeight, outWidth)]);
    const hits: string[] = [];
    let free = filled(emit, [1, 1, 1, 1], 1);
    for (let row = 0; row < rows.kernel; row++) {
      for (let column = 0; column < columns.kernel; column++) {
        const starts = emit.ints(row, column);
        const stops = emit.ints(row + (outHeight - 1) * rows.stride + 1, column + (outWidth - 1) * columns.stride + 1);
        const steps = emit.ints(rows.stride, columns.stride);
        const tap = emit.node("Slice", [padded, starts, stops, emit.ints(2, 3), steps]);
        const equal = emit.node("Cast", [emit.node("Equal", [tap, largest])], { to: { int: 1 } });
        const hit = emit.node("Mul", [equal, free]);
        free = emit.node("Sub", [free, hit]);
        hits.push(planes(emit.node("Mul", [hit, l.get(dy)])));
      }
    }
    const taps = hits.length;
    const given = taps === 1 ? hits[0]! : emit.node("Concat", hits, { axis: { int: 1 } });
    // Moves each tap's plane back to the tap's position, by a transposed convolution with a one there.
    const kernel = emit.tensor(
      [taps, 1, rows.kernel, columns.kernel],
      Float32Array.from({ length: taps * taps }, (_, i) => (i % (taps + 1) === 0 ? 1 : 0)),
    );
    const dx = emit.node("ConvTranspose", [given, kernel], {
      kernel_shape: { ints: [rows.kernel, columns.kernel] },
      strides: { ints: [rows.stride, columns.stride] },
      pads: { ints: [rows.before, columns.before, ...ends] },
      output_padding: { ints: [Math.max(-bottom, 0), Math.max(-right, 0)] },
    });
    return [emit.node("Reshape", [dx, emit.ints(n, c, height, width)])];
  },

  /** Its ConvTranspose is wrong if a group has one input and several outputs; uses one group, with zeros. */
  conv2dBackwardInput: (l, node) => {
    const { emit } = l;
    const [dy, w] = node.inputs as [Value, Value];
    const { groups } = node.attrs;
    const [outputs, perGroup] = w.type.shape as [number, number];
    if (groups === 1 || perGroup > 1 || outputs === groups) return convTrainingRules.conv2dBackwardInput(l, node);
    const mask = emit.tensor(
      [outputs, groups, 1, 1],
      Float32Array.from({ length: outputs * groups }, (_, i) =>
        Math.floor((Math.floor(i / groups) * groups) / outputs) === i % groups ? 1 : 0,
      ),
    );
    const whole = emit.node("Mul", [l.get(w), mask]);
    const shape = [outputs, groups, ...w.type.shape.slice(2)];
    const attributes = transposedAttributes(shape, dy.type.shape, { ...node.attrs, groups: 1 });
    return [emit.node("ConvTranspose", [l.get(dy), whole], attributes)];
  },

  /** The engine has no LogSoftmax. */
  softmaxCrossEntropy: (l, { inputs }) => {
    const { emit } = l;
    const [logits, targets] = inputs as [Value, Value];
    const keep = { keepdims: { int: 1 } };
    const moved = emit.node("Sub", [l.get(logits), emit.node("ReduceMax", [l.get(logits), emit.ints(1)], keep)]);
    const sums = emit.node("ReduceSum", [emit.node("Exp", [moved]), emit.ints(1)], keep);
    const logProbabilities = emit.node("Sub", [moved, emit.node("Log", [sums])]);
    const products = emit.node("Mul", [l.get(targets), logProbabilities]);
    const rows = emit.node("ReduceSum", [products, emit.ints(1)], { keepdims: { int: 0 } });
    return [emit.node("Neg", [emit.node("ReduceMean", [rows, emit.ints(0)], { keepdims: { int: 0 } })])];
  },
};
