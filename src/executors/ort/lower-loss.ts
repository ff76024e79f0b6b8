/** Losses and their gradients. */

import type { Value } from "../../ir/graph.ts";
import { sizeOf } from "../../tensor.ts";
import type { Lowering, Rules } from "./rules.ts";

export const lossRules: Rules<
  | "flattenBackward"
  | "softmaxCrossEntropy"
  | "softmaxCrossEntropyBackward"
  | "binaryCrossEntropy"
  | "binaryCrossEntropyBackward"
> = {
  flattenBackward: (l, { inputs, attrs }) => [
    l.emit.node("Reshape", [l.get(inputs[0]!), l.emit.ints(...attrs.inputShape)]),
  ],

  softmaxCrossEntropy: (l, { inputs }) => {
    const { emit } = l;
    const [logits, targets] = inputs as [Value, Value];
    const logProbabilities = emit.node("LogSoftmax", [l.get(logits)], { axis: { int: 1 } });
    const products = emit.node("Mul", [l.get(targets), logProbabilities]);
    const rows = emit.node("ReduceSum", [products, emit.ints(1)], { keepdims: { int: 0 } });
    return [emit.node("Neg", [emit.node("ReduceMean", [rows, emit.ints(0)], { keepdims: { int: 0 } })])];
  },

  softmaxCrossEntropyBackward: (l, { inputs }) => {
    const { emit } = l;
    const [logits, targets, dloss] = inputs as [Value, Value, Value];
    const probabilities = emit.node("Softmax", [l.get(logits)], { axis: { int: 1 } });
    const totals = emit.node("ReduceSum", [l.get(targets), emit.ints(1)], { keepdims: { int: 1 } });
    const excess = emit.node("Sub", [emit.node("Mul", [probabilities, totals]), l.get(targets)]);
    return [share(l, excess, dloss, logits.type.shape[0]!)];
  },

  binaryCrossEntropy: (l, { inputs }) => {
    const { emit } = l;
    const [logits, targets] = inputs as [Value, Value];
    const products = emit.node("Mul", [l.get(targets), l.get(logits)]);
    const each = emit.node("Sub", [emit.node("Softplus", [l.get(logits)]), products]);
    return [emit.node("ReduceMean", [each, emit.ints(0, 1)], { keepdims: { int: 0 } })];
  },

  binaryCrossEntropyBackward: (l, { inputs }) => {
    const { emit } = l;
    const [logits, targets, dloss] = inputs as [Value, Value, Value];
    const excess = emit.node("Sub", [emit.node("Sigmoid", [l.get(logits)]), l.get(targets)]);
    return [share(l, excess, dloss, sizeOf(logits.type.shape))];
  },
};

/** `values · dloss / count`: the gradient of a mean's terms. */
function share({ emit, get }: Lowering, values: string, dloss: Value, count: number): string {
  return emit.node("Mul", [values, emit.node("Mul", [get(dloss), emit.float(1 / count)])]);
}
