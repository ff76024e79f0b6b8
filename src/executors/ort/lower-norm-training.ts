/** Batch norm over the batch, its gradient, and the running statistics. */

import type { Value } from "../../ir/graph.ts";
import type { Emitter } from "./emitter.ts";
import type { Rules } from "./rules.ts";

export const normTrainingRules: Rules<
  "batchNormTraining" | "batchNormBackward" | "batchNormFrozenBackward" | "runningAverage"
> = {
  batchNormTraining: (l, { inputs, attrs }) => {
    const [x, gamma, beta] = inputs as [Value, Value, Value];
    // Momentum is the weight of the old statistics; with 0, the "running" outputs are the batch's own. ONNX Runtime
    // overwrites the old ones, so they must be tensors of this run and of this node alone. Its optimiser would compute
    // constants only once and merge duplicates; random numbers it leaves alone.
    const old = (vector: Value) => l.emit.node("RandomUniformLike", [l.get(vector)]);
    return l.emit.nodes("BatchNormalization", [l.get(x), l.get(gamma), l.get(beta), old(gamma), old(beta)], 3, {
      epsilon: { float: attrs.eps },
      momentum: { float: 0 },
      training_mode: { int: 1 },
    });
  },

  batchNormBackward: (l, { inputs, attrs }) => {
    const { emit } = l;
    const [x, gamma, mean, variance, dy] = inputs as [Value, Value, Value, Value, Value];
    const [n, c, height, width] = x.type.shape as [number, number, number, number];
    const inverse = inverseDeviation(emit, l.get(variance), attrs.eps);
    const axes = emit.ints(0, 2, 3);
    const perChannel = (vector: string) => emit.node("Reshape", [vector, emit.ints(c, 1, 1)]);
    const centred = emit.node("Sub", [l.get(x), perChannel(l.get(mean))]);
    const dbeta = emit.node("ReduceSum", [l.get(dy), axes], { keepdims: { int: 0 } });
    const products = emit.node("Mul", [centred, l.get(dy)]);
    const sum = emit.node("ReduceSum", [products, axes], { keepdims: { int: 0 } });
    const dgamma = emit.node("Mul", [sum, inverse]);
    // dx = γ·σ⁻¹ · (dy − dβ/M − (x − μ)·σ⁻¹·dγ/M)
    const share = emit.float(1 / (n * height * width));
    const slope = emit.node("Mul", [emit.node("Mul", [dgamma, inverse]), share]);
    const fromDgamma = emit.node("Mul", [centred, perChannel(slope)]);
    const fromDbeta = perChannel(emit.node("Mul", [dbeta, share]));
    const rest = emit.node("Sub", [emit.node("Sub", [l.get(dy), fromDbeta]), fromDgamma]);
    const dx = emit.node("Mul", [rest, perChannel(emit.node("Mul", [l.get(gamma), inverse]))]);
    return [dx, dgamma, dbeta];
  },

  batchNormFrozenBackward: (l, { inputs, outputs, attrs }) => {
    const { emit } = l;
    const [x, gamma, mean, variance, dy] = inputs as [Value, Value, Value, Value, Value];
    const [dx, dgamma, dbeta] = outputs as [Value, Value, Value];
    const perChannel = (vector: string) => emit.node("Reshape", [vector, emit.ints(x.type.shape[1]!, 1, 1)]);
    const sum = (values: string) => emit.node("ReduceSum", [values, emit.ints(0, 2, 3)], { keepdims: { int: 0 } });
    const inverse = inverseDeviation(emit, l.get(variance), attrs.eps);
    const centred = () => emit.node("Sub", [l.get(x), perChannel(l.get(mean))]);
    return [
      l.isUsed(dx) ? emit.node("Mul", [l.get(dy), perChannel(emit.node("Mul", [l.get(gamma), inverse]))]) : undefined,
      l.isUsed(dgamma) ? emit.node("Mul", [sum(emit.node("Mul", [centred(), l.get(dy)])), inverse]) : undefined,
      l.isUsed(dbeta) ? sum(l.get(dy)) : undefined,
    ];
  },

  runningAverage: (l, { inputs, attrs }) => {
    const [running, batch] = inputs as [Value, Value];
    const kept = l.emit.node("Mul", [l.get(running), l.emit.float(attrs.decay)]);
    const added = l.emit.node("Mul", [l.get(batch), l.emit.float((1 - attrs.decay) * attrs.scale)]);
    return [l.emit.node("Add", [kept, added])];
  },
};

/** 1 / √(variance + ε) */
export function inverseDeviation(emit: Emitter, variance: string, eps: number): string {
  return emit.node("Reciprocal", [emit.node("Sqrt", [emit.node("Add", [variance, emit.float(eps)])])]);
}
