/** Batch norm of blocked activations, and its gradient. */

import type { Value } from "../../ir/graph.ts";
import { affine, type BlockedRules, channelVector, meanOf, meanProductOf } from "./blocked-rule.ts";
import { extentsOf, type Vector } from "./blocked-values.ts";
import { inverseDeviation } from "./lower-norm-training.ts";

export const blockedNorms: BlockedRules<"batchNorm" | "batchNormTraining" | "batchNormBackward"> = {
  batchNorm: (b, l, { inputs, attrs }) => {
    const { emit } = b;
    const [x] = inputs as [Value];
    if (!b.holds(x)) return undefined;
    const [gamma, beta, mean, variance] = inputs.slice(1).map((vector) => b.row(l.get(vector))) as [
      Vector,
      Vector,
      Vector,
      Vector,
    ];
    const inverse = { name: inverseDeviation(emit, variance.name, attrs.eps), perSample: false };
    const scale = b.multiply(gamma, inverse);
    const shiftOf = (old: Vector | undefined): Vector => {
      const centred = old ? emit.node("Sub", [old.name, mean.name]) : emit.node("Neg", [mean.name]);
      return b.add(b.multiply({ name: centred, perSample: Boolean(old?.perSample) }, scale), beta);
    };
    const convolution = b.takeBare(x);
    if (convolution !== undefined) {
      const bias = convolution.bias === undefined ? undefined : b.row(convolution.bias);
      return [
        {
          ...convolution,
          weight: b.weights.scaleRows(convolution.weight, scale),
          bias: channelVector(l, shiftOf(bias)),
        },
      ];
    }
    const { base, scale: before, shift } = affine(b, x);
    return [{ base, scale: b.multiply(scale, before), shift: shiftOf(shift) }];
  },

  batchNormTraining: (b, l, { inputs, outputs, attrs }) => {
    const { emit } = b;
    const [x, gamma, beta] = inputs as [Value, Value, Value];
    if (!b.holds(x)) return undefined;
    const extents = extentsOf(x);
    const base = b.dense(x);
    const sampleMeans: Vector = { name: b.mean(base, extents), perSample: true };
    const mean = b.overSamples(sampleMeans);
    // From here on, centred values replace x, so that sums of squares and products lose no digits.
    const minusMean: Vector = { name: emit.node("Neg", [mean.name]), perSample: false };
    const centred = b.evaluate({ base, shift: minusMean }, extents);
    b.know(centredKey(x, outputs[1]!), centred);
    b.know(`mean ${centred}`, b.add(sampleMeans, minusMean).name);
    const variance = b.overSamples({ name: b.meanProduct(centred, centred, extents), perSample: true });
    const inverse: Vector = { name: inverseDeviation(emit, variance.name, attrs.eps), perSample: false };
    b.know(inverseKey(outputs[2]!, attrs.eps), inverse.name);
    const y = { base: centred, scale: b.multiply(b.row(l.get(gamma)), inverse), shift: b.row(l.get(beta)) };
    return [y, channelVector(l, mean), channelVector(l, variance)];
  },

  batchNormBackward: (b, l, { inputs, attrs }) => {
    const { emit } = b;
    const [x, gamma, mean, variance, dy] = inputs as [Value, Value, Value, Value, Value];
    if (!b.holds(x)) return undefined;
    const extents = extentsOf(x);
    const [n, , height, width] = extents;
    const centred = b.memo(centredKey(x, mean), () => {
      const shift = { name: emit.node("Neg", [b.row(l.get(mean)).name]), perSample: false };
      return b.evaluate({ base: b.dense(x), shift }, extents);
    });
    const inverse: Vector = {
      name: b.memo(inverseKey(variance, attrs.eps), () =>
        inverseDeviation(emit, b.row(l.get(variance)).name, attrs.eps),
      ),
      perSample: false,
    };
    // dx = γ·σ⁻¹ · (dy − mean(dy) − (x − μ)·σ⁻²·mean(dy·(x − μ)))
    const meanDy = b.overSamples(meanOf(b, dy));
    const meanProduct = b.overSamples(meanProductOf(b, dy, centred));
    const count = n * height * width;
    const dgamma = channelVector(l, b.multiply(meanProduct, inverse), count);
    const dbeta = channelVector(l, meanDy, count);
    const negate = ({ name, perSample }: Vector): Vector => ({ name: emit.node("Neg", [name]), perSample });
    const slope = negate(b.multiply(b.multiply(meanProduct, inverse), inverse));
    const { base, scale, shift } = affine(b, dy);
    const rest = { base: centred, scale: slope, shift: b.add(negate(meanDy), shift) };
    const sum =
      scale === undefined
        ? b.evaluate({ ...rest, plus: base }, extents)
        : b.evaluate({ base, scale, plus: b.evaluate(rest, extents) }, extents);
    return [{ base: sum, scale: b.multiply(b.row(l.get(gamma)), inverse) }, dgamma, dbeta];
  },
};

/** Key of the centred values that a batch norm leaves for its backward pass. */
const centredKey = (x: Value, mean: Value): string => `${x.name} − ${mean.name}`;
const inverseKey = (variance: Value, eps: number): string => `1/√(${variance.name} + ${eps})`;
