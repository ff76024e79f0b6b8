/** Rules for operations on blocked activations (blocks.ts). If one does not apply, the plain rule is used. */

import type { Node, Value } from "../../ir/graph.ts";
import type { Op } from "../../ir/ops.ts";
import { affine, type BlockedRules, channelVector, meanOf, meanProductOf, type Result } from "./blocked-rule.ts";
import { type Expression, type Extents, extentsOf, type Vector } from "./blocked-values.ts";
import { Blocks } from "./blocks.ts";
import { type Emitter, nchwc } from "./emitter.ts";
import { avgPoolAttributes, hasWholeWindows } from "./lower-avg-pool.ts";
import { blockedConvolutions } from "./lower-blocked-conv.ts";
import { blockedNorms } from "./lower-blocked-norm.ts";
import { mishBackward, siluBackward, step, waitFor } from "./lower-elementwise-training.ts";
import { poolAttributes } from "./lower-pool.ts";
import { mish, silu } from "./lower-unusual.ts";
import type { Lowering } from "./rules.ts";

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

const blockedRules: Partial<BlockedRules> = {
  ...blockedConvolutions,
  ...blockedNorms,

  channelSum: (b, l, { inputs }) => {
    const [x] = inputs as [Value];
    if (!b.holds(x)) return undefined;
    const [n, , height, width] = extentsOf(x);
    return [channelVector(l, b.overSamples(meanOf(b, x)), n * height * width)];
  },

  after: (b, l, node) => {
    const x = node.inputs[0]!;
    return b.holds(x) ? [{ base: waitFor(l, node, b.dense(x)) }] : undefined;
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
