/** The classifier's end: flattening, softmax and the loss. */

import type { Value } from "../../ir/graph.ts";
import type { Lowering, Rules } from "./rules.ts";

export const headRules: Rules<
  "flatten" | "flattenBackward" | "softmax" | "softmaxCrossEntropy" | "softmaxCrossEntropyBackward"
> = {
  flatten: (l, { inputs }) => [l.emit.node("Flatten", [l.get(inputs[0]!)], { axis: { int: 1 } })],

  flattenBackward: (l, { inputs, attrs }) => [
    l.emit.node("Reshape", [l.get(inputs[0]!), l.emit.ints(...attrs.inputShape)]),
  ],

  softmax: (l, { inputs }) => [l.emit.node("Softmax", [l.get(inputs[0]!)], { axis: { int: 1 } })],

  softmaxCrossEntropy: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [logits, labels] = inputs as [Value, Value];
    const logProbabilities = emit.node("LogSoftmax", [l.get(logits)], { axis: { int: 1 } });
    const products = emit.node("Mul", [targets(l, labels, logits, attrs.labelSmoothing), logProbabilities]);
    const rows = emit.node("ReduceSum", [products, emit.ints(1)], { keepdims: { int: 0 } });
    return [emit.node("Neg", [emit.node("ReduceMean", [rows, emit.ints(0)], { keepdims: { int: 0 } })])];
  },

  softmaxCrossEntropyBackward: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [logits, labels, dloss] = inputs as [Value, Value, Value];
    const probabilities = emit.node("Softmax", [l.get(logits)], { axis: { int: 1 } });
    const excess = emit.node("Sub", [probabilities, targets(l, labels, logits, attrs.labelSmoothing)]);
    const share = emit.node("Mul", [l.get(dloss), emit.float(1 / logits.type.shape[0]!)]);
    return [emit.node("Mul", [excess, share])];
  },
};

/** The target distributions `[N,K]`: smoothing / K everywhere, and the rest on the label. */
function targets({ emit, get }: Lowering, labels: Value, logits: Value, smoothing: number): string {
  const classes = logits.type.shape[1]!;
  const off = smoothing / classes;
  const indices = emit.node("Cast", [get(labels)], { to: { int: 7 } });
  const values = emit.tensor([2], Float32Array.of(off, 1 - smoothing + off));
  return emit.node("OneHot", [indices, emit.ints(classes), values], { axis: { int: 1 } });
}
