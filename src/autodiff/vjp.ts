/**
 * One reverse rule per operation: from the gradient of its output to those of its inputs.
 *
 * Rules emit ordinary operations, so a gradient graph is printed, verified, costed and lowered like any other.
 */

import type { GraphBuilder, Outputs } from "../ir/builder.ts";
import type { Node, Value } from "../ir/graph.ts";
import type { Attrs, Op } from "../ir/ops.ts";

/** What a rule can use. */
export interface Backward {
  /** Emits an operation named after the forward node, with a suffix: `layer1.0.conv1.backward.input`. */
  emit<K extends Op>(op: K, suffix: string, inputs: readonly Value[], attrs: Attrs[K]): Outputs<K>;
  /** Whether this input's gradient is needed; otherwise it is not computed. */
  needs(input: Value): boolean;
}

/** Gradients of the inputs, in order; `undefined` where there is none. */
export type VjpRule<K extends Op> = (back: Backward, node: Node<K>, dy: Value) => readonly (Value | undefined)[];

/** Operations of the backward pass, of inference and of bookkeeping cannot be differentiated. */
const notDifferentiable = null;

export type VjpRules = { readonly [K in Op]: VjpRule<K> | null };

export const vjpRules: VjpRules = {
  conv2d: (back, { inputs, attrs }, dy) => {
    const [x, w, b] = inputs as [Value, Value, Value?];
    return [
      back.needs(x)
        ? back.emit("conv2dBackwardInput", "input", [dy, w], { ...attrs, inputShape: x.type.shape })
        : undefined,
      back.needs(w)
        ? back.emit("conv2dBackwardWeight", "weight", [x, dy], { ...attrs, weightShape: w.type.shape })
        : undefined,
      biasGradient(back, b, dy),
    ];
  },
  linear: (back, { inputs }, dy) => {
    const [x, w, b] = inputs as [Value, Value, Value?];
    return [
      back.needs(x) ? back.emit("linearBackwardInput", "input", [dy, w], {}) : undefined,
      back.needs(w) ? back.emit("linearBackwardWeight", "weight", [x, dy], {}) : undefined,
      biasGradient(back, b, dy),
    ];
  },
  batchNormTraining: (back, { inputs, outputs, attrs }, dy) => {
    const [x, gamma] = inputs as [Value, Value];
    const [, mean, variance] = outputs as [Value, Value, Value];
    return back.emit("batchNormBackward", "", [x, gamma, mean, variance, dy], attrs);
  },
  batchNorm: (back, { inputs, attrs }, dy) => {
    const [x, gamma, , mean, variance] = inputs as [Value, Value, Value, Value, Value];
    return back.emit("batchNormFrozenBackward", "", [x, gamma, mean, variance, dy], attrs);
  },
  relu: (back, { outputs }, dy) => [back.emit("reluBackward", "", [outputs[0]!, dy], {})],
  sigmoid: (back, { outputs }, dy) => [back.emit("sigmoidBackward", "", [outputs[0]!, dy], {})],
  silu: (back, { inputs }, dy) => [back.emit("siluBackward", "", [inputs[0]!, dy], {})],
  mish: (back, { inputs }, dy) => [back.emit("mishBackward", "", [inputs[0]!, dy], {})],
  add: (_back, _node, dy) => [dy, dy],
  multiply: (back, { attrs }, dy) => [back.emit("multiply", "", [dy], attrs)],
  maxPool: (back, { inputs, attrs }, dy) => [back.emit("maxPoolBackward", "", [inputs[0]!, dy], attrs)],
  avgPool: (back, { inputs, attrs }, dy) => [
    back.emit("avgPoolBackward", "", [dy], { ...attrs, inputShape: inputs[0]!.type.shape }),
  ],
  globalAvgPool: (back, { inputs }, dy) => [
    back.emit("globalAvgPoolBackward", "", [dy], { inputShape: inputs[0]!.type.shape }),
  ],
  seScaleAdd: (back, { inputs }, dy) => {
    const [gate, branch] = inputs as [Value, Value];
    return [...back.emit("seScaleBackward", "", [gate, branch, dy], {}), dy];
  },
  seScale: (back, { inputs }, dy) => back.emit("seScaleBackward", "", [...inputs, dy], {}),
  dropout: (back, { inputs, attrs }, dy) => [back.emit("dropout", "", [dy, inputs[1]!], attrs)],
  concat: (back, { inputs }, dy) => {
    let start = 0;
    return inputs.map((input, i) => {
      const length = input.type.shape[1]!;
      const slice = back.needs(input) ? back.emit("channelSlice", `${i}`, [dy], { start, length }) : undefined;
      start += length;
      return slice;
    });
  },
  channelSlice: (back, { inputs, attrs: { start, length } }, dy) => {
    const { dtype, shape } = inputs[0]!.type;
    const [n, channels, height, width] = shape as [number, number, number, number];
    const zeros = (suffix: string, count: number): Value[] => {
      const shape = [n, count, height, width];
      return count === 0 ? [] : [back.emit("fill", suffix, [], { value: 0, shape, dtype })];
    };
    const parts = [...zeros("before", start), dy, ...zeros("after", channels - start - length)];
    return [back.emit("concat", "", parts, {})];
  },
  flatten: (back, { inputs }, dy) => [back.emit("flattenBackward", "", [dy], { inputShape: inputs[0]!.type.shape })],
  softmaxCrossEntropy: (back, { inputs }, dy) => [back.emit("softmaxCrossEntropyBackward", "", [...inputs, dy], {})],
  binaryCrossEntropy: (back, { inputs }, dy) => [back.emit("binaryCrossEntropyBackward", "", [...inputs, dy], {})],

  runningAverage: notDifferentiable,
  softmax: notDifferentiable,
  after: notDifferentiable,
  fill: notDifferentiable,
  channelSum: notDifferentiable,
  quantize: notDifferentiable,
  dequantize: notDifferentiable,
  dequantizeWeight: notDifferentiable,
  conv2dBackwardInput: notDifferentiable,
  conv2dBackwardWeight: notDifferentiable,
  linearBackwardInput: notDifferentiable,
  linearBackwardWeight: notDifferentiable,
  batchNormBackward: notDifferentiable,
  batchNormFrozenBackward: notDifferentiable,
  reluBackward: notDifferentiable,
  sigmoidBackward: notDifferentiable,
  siluBackward: notDifferentiable,
  mishBackward: notDifferentiable,
  maxPoolBackward: notDifferentiable,
  avgPoolBackward: notDifferentiable,
  globalAvgPoolBackward: notDifferentiable,
  seScaleBackward: notDifferentiable,
  flattenBackward: notDifferentiable,
  softmaxCrossEntropyBackward: notDifferentiable,
  binaryCrossEntropyBackward: notDifferentiable,
};

const biasGradient = (back: Backward, bias: Value | undefined, dy: Value): Value | undefined =>
  bias !== undefined && back.needs(bias) ? back.emit("channelSum", "bias", [dy], {}) : undefined;

/** The gradients of a node's inputs; `undefined` if the operation has no reverse rule. */
export function inputGradients<K extends Op>(
  builder: GraphBuilder,
  node: Node<K>,
  dy: Value,
  needs: (input: Value) => boolean,
  rules: VjpRules,
): readonly (Value | undefined)[] | undefined {
  const rule: VjpRule<K> | null = rules[node.op];
  if (rule === null) return undefined;
  const emit: Backward["emit"] = (op, suffix, inputs, attrs) =>
    builder.apply(op, `${node.name}.backward${suffix === "" ? "" : `.${suffix}`}`, inputs, attrs);
  return rule({ emit, needs }, node, dy);
}
