/** Rules for operations on blocked activations (blocks.ts). If one does not apply, the plain rule is used. */

import type { Node, Value } from "../../ir/graph.ts";
import type { ConvAttrs, Op } from "../../ir/ops.ts";
import { convAxes, pairOf } from "../../ir/window.ts";
import { type Convolution, type Expression, type Extents, extentsOf, type Vector } from "./blocked-values.ts";
import { Blocks } from "./blocks.ts";
import { type Emitter, nchwc } from "./emitter.ts";
import { avgPoolAttributes, hasWholeWindows } from "./lower-avg-pool.ts";
import { padsOf } from "./lower-conv.ts";
import { weightGradient } from "./lower-conv-training.ts";
import { mishBackward, siluBackward, step, waitFor } from "./lower-elementwise-training.ts";
import { inverseDeviation } from "./lower-norm-training.ts";
import { poolAttributes } from "./lower-pool.ts";
import { mish, silu } from "./lower-unusual.ts";
import type { Lowering } from "./rules.ts";

/** A blocked result is an expression or a convolution; a plain one is a name. */
type Result = Expression | Convolution | string | undefined;
type BlockedRule<K extends Op> = (b: Blocks, l: Lowering, node: Node<K>) => readonly Result[] | undefined;

/** Passed to `lower` to block values. */
export interface BlockedLayout {
  begin(emit: Emitter, plain: (value: Value) => string, uses: (value: Value) => number): Blocks;
  /** Undefined if the plain rule applies. */
  lowerNode<K extends Op>(blocks: Blocks, lowering: Lowering, node: Node<K>): readonly Result[] | undefined;
}

/** @param size number of channels in a block */
export const blockedLayout = (size: number): BlockedLayout => ({
  begin: (emit, plain, uses) => new Blocks(size, emit, plain, uses),
  lowerNode: (blocks, lowering, node) => blockedRules[node.op]?.(blocks, lowering, node),
});

const blockedRules: { readonly [K in Op]?: BlockedRule<K> } = {
  conv2d: (b, l, { inputs, outputs, attrs }) => {
    const [x, w, bias] = inputs as [Value, Value, Value?];
    const isNarrow = x.type.shape[1]! < b.size;
    if (!b.fits(outputs[0]!.type) || !(isNarrow ? attrs.groups === 1 : b.fits(x.type))) return undefined;
    const grouped = isNarrow ? { weight: l.get(w), shape: extentsOf(w), groups: 1 } : groupedWeight(b, l, w, attrs);
    if (grouped === undefined) return undefined;
    return [
      {
        scope: b.emit.scope,
        x: isNarrow ? l.get(x) : b.dense(x),
        ...grouped,
        backward: false,
        ...(bias && { bias: l.get(bias) }),
        strides: pairOf(attrs.stride),
        pads: padsOf(attrs.pad),
      },
    ];
  },

  conv2dBackwardInput: (b, l, { inputs, outputs, attrs }) => {
    const [dy, w] = inputs as [Value, Value];
    const [n, channels, height, width] = extentsOf(outputs[0]!);
    const [, o, outHeight, outWidth] = extentsOf(dy);
    const axes = convAxes(attrs, w.type.shape);
    const [rows, columns] = axes;
    if (!b.fits(outputs[0]!.type) || !b.fits(dy.type)) return undefined;
    const isPointwise = axes.every(({ kernel, before, after }) => kernel === 1 && before === 0 && after === 0);
    const strides = pairOf(attrs.stride);
    const hasStride = strides.some((stride) => stride > 1);
    if (hasStride && !isPointwise && attrs.groups === 1) return undefined;
    if (axes.some(({ kernel, before, after }) => kernel <= Math.max(before, after))) return undefined;
    const grouped = groupedWeight(b, l, w, attrs);
    if (grouped === undefined) return undefined;
    const { base, scale } = scaled(b, dy);
    const [top, left] = [rows.kernel - 1 - rows.before, columns.kernel - 1 - columns.before];
    const [bottom, right] = [rows.kernel - 1 - rows.after, columns.kernel - 1 - columns.after];
    const dx: Convolution = {
      scope: b.emit.scope,
      x: base,
      ...grouped,
      weight: scale ? b.weights.scaleRows(grouped.weight, scale) : grouped.weight,
      backward: true,
      strides: [1, 1],
      pads: [top, left, bottom, right],
    };
    if (!hasStride) return [dx];
    if (isPointwise) {
      const from: Extents = [n, channels, outHeight, outWidth];
      return [{ base: b.insertZeros(b.convolve(dx), from, [n, channels, height, width], strides) }];
    }
    // Groups are so narrow that convolving the zeros as well costs less than ONNX Runtime's ConvTranspose.
    const spread: Extents = [n, o, height - bottom + rows.before, width - right + columns.before];
    return [{ ...dx, x: b.insertZeros(base, extentsOf(dy), spread, strides) }];
  },

  conv2dBackwardWeight: (b, l, { inputs, attrs }) => {
    const [x, dy] = inputs as [Value, Value];
    if (!b.holds(dy)) return undefined;
    const { base, scale } = scaled(b, dy);
    const { groups } = attrs;
    const shape = attrs.weightShape as unknown as Extents;
    const kernel = shape.slice(2);
    const [n, o] = extentsOf(dy);
    const merged = groups === 1 ? 1 : b.weights.groupsToMerge(shape, groups);
    let dw: string;
    if (merged !== undefined && kernel.some((extent) => extent > 1) && n > b.size / 2) {
      const options = { groups: groups / merged, axes: convAxes(attrs, shape) };
      const whole = b.weightGradient(l.get(x), base, extentsOf(x), extentsOf(dy), options);
      dw = b.weights.splitGroups(whole, shape, groups, merged);
    } else {
      dw = weightGradient(l.emit, l.get(x), b.unblock(base, o), x.type.shape, dy.type.shape, attrs);
    }
    return [scale ? b.weights.scaleRows(dw, scale) : dw];
  },

  channelSum: (b, l, { inputs }) => {
    const [x] = inputs as [Value];
    if (!b.holds(x)) return undefined;
    const [n, , height, width] = extentsOf(x);
    return [channelVector(l, b.overSamples(meanOf(b, x)), n * height * width)];
  },

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

  after: (b, l, node) => {
    const x = node.inputs[0]!;
    return b.holds(x) ? [{ base: waitFor(l, node, b.dense(x)) }] : undefined;
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

  relu: (b, _l, { inputs }) => {
    const [x] = inputs as [Value];
    if (!b.holds(x)) return undefined;
    const convolution = b.take(x);
    return [{ base: convolution ? b.convolve(convolution, true) : b.evaluate(b.expression(x), extentsOf(x), true) }];
  },

  reluBackward: (b, _l, { inputs }) => {
    const [y, dy] = inputs as [Value, Value];
    if (!b.holds(y)) return undefined;
    const mask = step(b.emit, b.dense(y));
    const { base, shift, plus } = b.expression(dy);
    // A gradient that is constant per channel is the mask, scaled.
    if (base === undefined && plus === undefined) return [{ base: mask, scale: shift! }];
    return [{ base: b.emit.node("Mul", [mask, b.dense(dy)]) }];
  },

  silu: (b, _l, { inputs: [x] }) => (b.holds(x!) ? [{ base: silu(b.emit, b.dense(x!)) }] : undefined),

  siluBackward: (b, _l, { inputs: [x, dy] }) =>
    b.holds(x!) ? [{ base: siluBackward(b.emit, b.dense(x!), b.dense(dy!)) }] : undefined,

  mish: (b, _l, { inputs: [x] }) => (b.holds(x!) ? [{ base: mish(b.emit, b.dense(x!)) }] : undefined),

  mishBackward: (b, _l, { inputs: [x, dy] }) =>
    b.holds(x!) ? [{ base: mishBackward(b.emit, b.dense(x!), b.dense(dy!)) }] : undefined,

  add: (b, _l, { inputs }) => {
    const [x, y] = inputs as [Value, Value];
    if (!b.holds(x) && !b.holds(y)) return undefined;
    for (const [one, other] of [
      [x, y],
      [y, x],
    ] as const) {
      const convolution = b.takeBare(one);
      if (convolution !== undefined) return [{ ...convolution, plus: b.dense(other) }];
    }
    for (const [one, other] of [
      [b.expression(x), y],
      [b.expression(y), x],
    ] as const) {
      if (one.base === undefined) {
        const rest = b.expression(other);
        return [{ ...rest, shift: b.add(one.shift!, rest.shift) }];
      }
      if (one.plus === undefined && (one.scale !== undefined || one.shift !== undefined)) {
        return [{ ...one, plus: b.dense(other) }];
      }
    }
    return [{ base: b.dense(x), plus: b.dense(y) }];
  },

  maxPool: (b, _l, { inputs, outputs, attrs }) => {
    const x = inputs[0]!;
    const y = outputs[0]!;
    if (!b.holds(x) || !b.fits(y.type)) return undefined;
    return [{ base: b.emit.node("MaxPool", [b.dense(x)], poolAttributes(x.type.shape, y.type.shape, attrs), nchwc) }];
  },

  avgPool: (b, _l, { inputs, outputs, attrs }) => {
    const x = inputs[0]!;
    const y = outputs[0]!;
    if (!b.holds(x) || !b.fits(y.type) || !hasWholeWindows(x.type.shape, y.type.shape, attrs)) return undefined;
    const attributes = avgPoolAttributes(x.type.shape, y.type.shape, attrs);
    return [{ base: b.emit.node("AveragePool", [b.dense(x)], attributes, nchwc) }];
  },

  concat: (b, _l, { inputs }) => {
    if (!inputs.every((input) => b.fits(input.type)) || !inputs.some((input) => b.holds(input))) return undefined;
    const names = inputs.map((input) => b.dense(input));
    return [{ base: b.emit.node("Concat", names, { axis: { int: 1 } }) }];
  },

  globalAvgPool: (b, _l, { inputs, outputs }) => {
    const x = inputs[0]!;
    if (!b.holds(x)) return undefined;
    const [n, c] = extentsOf(x);
    const means = b.expand(meanOf(b, x), n, c);
    return [b.emit.node("Reshape", [means, b.emit.ints(...outputs[0]!.type.shape)])];
  },

  globalAvgPoolBackward: (b, l, { inputs, outputs, attrs }) => {
    const [dy] = inputs as [Value];
    if (!b.fits(outputs[0]!.type)) return undefined;
    const [n, c, height, width] = attrs.inputShape as unknown as Extents;
    const flat = b.emit.node("Reshape", [l.get(dy), b.emit.ints(n, c)]);
    return [{ shift: { name: b.emit.node("Mul", [flat, b.emit.float(1 / (height * width))]), perSample: true } }];
  },

  seScale: (b, l, { inputs }) => {
    const [gate, branch] = inputs as [Value, Value];
    return b.holds(branch) ? [gated(b, l, gate, branch)] : undefined;
  },

  seScaleAdd: (b, l, { inputs }) => {
    const [gate, branch, shortcut] = inputs as [Value, Value, Value];
    return b.holds(branch) ? [{ ...gated(b, l, gate, branch), plus: b.dense(shortcut) }] : undefined;
  },

  seScaleBackward: (b, l, { inputs }) => {
    const [gate, branch, dy] = inputs as [Value, Value, Value];
    if (!b.holds(branch) || !b.holds(dy)) return undefined;
    const [n, c, height, width] = extentsOf(branch);
    const dyBase = b.dense(dy);
    const sums = b.multiply(meanProductOf(b, branch, dyBase), { name: b.emit.float(height * width), perSample: false });
    const dgate = b.emit.node("Reshape", [b.expand(sums, n, c), b.emit.ints(n, c, 1, 1)]);
    return [dgate, { base: dyBase, scale: gateOf(b, l, gate) }];
  },
};

/** Key of the centred values that a batch norm leaves for its backward pass. */
const centredKey = (x: Value, mean: Value): string => `${x.name} − ${mean.name}`;
const inverseKey = (variance: Value, eps: number): string => `1/√(${variance.name} + ${eps})`;

/** A vector `[1,C]`, times a number, as a value `[C]`. */
function channelVector({ emit }: Lowering, { name }: Vector, factor = 1): string {
  const product = factor === 1 ? name : emit.node("Mul", [name, emit.float(factor)]);
  return emit.node("Reshape", [product, emit.ints(-1)]);
}

/** A gate `[N,C,1,1]`. */
function gateOf(b: Blocks, l: Lowering, gate: Value): Vector {
  const [n, c] = extentsOf(gate);
  const name = l.get(gate);
  return { name: b.memo(`gate ${name}`, () => b.emit.node("Reshape", [name, b.emit.ints(n, c)])), perSample: true };
}

/** A value times its gate. */
function gated(b: Blocks, l: Lowering, gate: Value, branch: Value): Expression {
  const factors = gateOf(b, l, gate);
  const { base, scale, shift } = affine(b, branch);
  return { base, scale: b.multiply(factors, scale), ...(shift && { shift: b.multiply(factors, shift) }) };
}

/** A convolution's weight with groups merged until they fill blocks; undefined if they never do. */
function groupedWeight(
  b: Blocks,
  l: Lowering,
  w: Value,
  { groups }: ConvAttrs,
): Pick<Convolution, "weight" | "shape" | "groups"> | undefined {
  const shape = extentsOf(w);
  const merged = b.weights.groupsToMerge(shape, groups);
  if (merged === undefined) return undefined;
  const [o, i, ...kernel] = shape;
  const weight = b.weights.mergeGroups(l.get(w), shape, groups, merged);
  return { weight, shape: [o, i * merged, ...kernel], groups: groups / merged };
}

/** A value as `scale·base + shift`. */
function affine(b: Blocks, value: Value): Expression & { readonly base: string } {
  const { base, plus, ...rest } = b.expression(value);
  return base === undefined || plus !== undefined ? { base: b.dense(value) } : { base, ...rest };
}

/** A value as `scale·base` with one factor for each channel. */
function scaled(b: Blocks, value: Value): { readonly base: string; readonly scale: Vector | undefined } {
  const { base, scale, shift } = affine(b, value);
  return shift !== undefined || scale?.perSample ? { base: b.dense(value), scale: undefined } : { base, scale };
}

/** The mean over the pixels of each sample's channel. */
function meanOf(b: Blocks, value: Value): Vector {
  const held = b.expression(value);
  if (held.base === undefined && held.plus === undefined) return held.shift!;
  const { base, scale, shift } = affine(b, value);
  return b.add(b.multiply({ name: b.mean(base, extentsOf(value)), perSample: true }, scale), shift);
}

/** The mean of a value times a blocked tensor, over the pixels of each sample's channel. */
function meanProductOf(b: Blocks, value: Value, factor: string): Vector {
  const extents = extentsOf(value);
  const { base, scale, shift } = affine(b, value);
  const product = b.multiply({ name: b.meanProduct(base, factor, extents), perSample: true }, scale);
  if (shift === undefined) return product;
  return b.add(product, b.multiply({ name: b.mean(factor, extents), perSample: true }, shift));
}
