/** Pooling. */

import type { Value } from "../../ir/graph.ts";
import type { AvgPoolAttrs, PoolAttrs } from "../../ir/ops.ts";
import { axesOf, countsOf, overhangOf, pairOf } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import type { FusedNode } from "./fused.ts";
import type { Lowering, Rule } from "./lowering.node.ts";
import type { Place } from "./plan.node.ts";
import { Arg, meanOverPositions, Query, type Window, wholePicture } from "./spec.ts";
import type { Forward, Target } from "./target.node.ts";

/** The padding at the end is whatever the last window needs. */
export function poolWindow(attrs: PoolAttrs, from: Shape, to: Shape): Window {
  const [rows, columns] = axesOf(attrs);
  const [bottom, right] = [overhangOf(from[2]!, to[2]!, rows), overhangOf(from[3]!, to[3]!, columns)];
  return {
    strides: [rows.stride, columns.stride],
    padLow: [rows.before, columns.before],
    padHigh: [Math.max(bottom, 0), Math.max(right, 0)],
  };
}

/** Records the position of each window's maximum if a backward node needs it. */
export function maxPoolForward(target: Target, node: FusedNode<"maxPool">): Forward {
  const { plan, api } = target;
  const [from, to] = [node.inputs[0]!.type.shape, node.outputs[0]!.type.shape];
  const { kernel, workspace } = node.attrs;
  const dst = target.descOf(to);
  const primitive = api.primitive(node.name, {
    primitive: "pooling",
    pass: workspace ? "forward" : "inference",
    algorithm: "max",
    src: target.descOf(from),
    dst,
    kernel: pairOf(kernel),
    window: poolWindow(node.attrs, from, to),
  });
  const kept = workspace ? api.query(primitive, Query.workspace, dst) : undefined;
  return { primitive, workspace: kept && plan.place(kept) };
}

export const maxPool: Rule<"maxPool"> = (lowering, node) => {
  const { primitive, workspace } = lowering.prepared.forwards.get(node)!;
  const reads = { [Arg.src]: lowering.get(node.inputs[0]!) };
  const dst = lowering.make(node.outputs[0]!);
  lowering.plan.run(node.name, primitive, reads, { [Arg.dst]: dst, [Arg.workspace]: workspace });
};

export const maxPoolBackward: Rule<"maxPoolBackward"> = (lowering, node) => {
  const { plan, api, prepared } = lowering;
  const [x, dy] = node.inputs;
  const { kernel } = node.attrs;
  const window = poolWindow(node.attrs, x!.type.shape, dy!.type.shape);
  const src = lowering.descOf(x!.type.shape);
  const diffDst = lowering.get(dy!);
  const spec = {
    primitive: "pooling",
    algorithm: "max",
    src,
    dst: diffDst.desc,
    kernel: pairOf(kernel),
    window,
  } as const;
  const forward = node.forward && prepared.forwards.get(node.forward);
  let hint = forward?.primitive;
  let workspace = forward?.workspace;
  if (hint === undefined || workspace === undefined) {
    // Without the forward primitive, the maxima are found again.
    hint = api.primitive(node.name, { ...spec, pass: "forward" });
    workspace = plan.place(api.query(hint, Query.workspace, diffDst.desc)!);
    const unused = plan.place(diffDst.desc);
    const reads = { [Arg.src]: lowering.get(x!) };
    plan.run(node.name, hint, reads, { [Arg.dst]: unused, [Arg.workspace]: workspace });
  }
  const dx = lowering.make(node.outputs[0]!);
  const primitive = api.primitive(node.name, { ...spec, pass: "backward" }, hint);
  plan.run(node.name, primitive, { [Arg.diffDst]: diffDst, [Arg.workspace]: workspace }, { [Arg.diffSrc]: dx });
};

/**
 * Factors that correct averages: the library divides by the whole window. Where less of it counts, as for a last window
 * that overhangs or at a border whose padding does not count, its averages are too small by a factor that depends only
 * on the position.
 */
function shortfall(attrs: AvgPoolAttrs, from: Shape, to: Shape): Float32Array | undefined {
  const [rows, columns] = axesOf(attrs).map((axis, i) =>
    countsOf(from[i + 2]!, to[i + 2]!, axis, attrs.countPad ?? true).map((count) => axis.kernel / count),
  ) as [number[], number[]];
  if ([...rows, ...columns].every((factor) => factor === 1)) return undefined;
  return Float32Array.from(rows.flatMap((row) => columns.map((column) => row * column)));
}

/** Multiplies the value by those factors. */
function corrected(lowering: Lowering, name: string, x: Place, shape: Shape, factors: Float32Array): Place {
  const { plan, api } = lowering;
  const plane = plan.fixed(plan.describe([1, 1, shape[2]!, shape[3]!], "f32", "plain"), factors);
  const spec = { primitive: "binary", algorithm: "mul", src: x.desc, operand: plane.desc, dst: x.desc } as const;
  const result = plan.place(x.desc);
  plan.run(name, api.primitive(name, spec), { [Arg.src]: x, [Arg.operand]: plane }, { [Arg.dst]: result });
  return result;
}

export const avgPool: Rule<"avgPool"> = (lowering, node) => {
  const [input, output] = [node.inputs[0]!, node.outputs[0]!];
  const src = lowering.get(input);
  const dst = lowering.make(output);
  const [from, to] = [input.type.shape, output.type.shape];
  const primitive = lowering.api.primitive(node.name, {
    primitive: "pooling",
    pass: "inference",
    algorithm: "avg",
    src: src.desc,
    dst: dst.desc,
    kernel: pairOf(node.attrs.kernel),
    window: poolWindow(node.attrs, from, to),
  });
  lowering.plan.run(node.name, primitive, { [Arg.src]: src }, { [Arg.dst]: dst });
  const factors = shortfall(node.attrs, from, to);
  if (factors !== undefined) lowering.set(output, corrected(lowering, node.name, dst, to, factors));
};

export const avgPoolBackward: Rule<"avgPoolBackward"> = (lowering, node) => {
  const [dy, dx] = [node.inputs[0]!, node.outputs[0]!];
  const { attrs } = node;
  const window = poolWindow(attrs, attrs.inputShape, dy.type.shape);
  const factors = shortfall(attrs, attrs.inputShape, dy.type.shape);
  const gradient = lowering.get(dy);
  const diffDst = factors === undefined ? gradient : corrected(lowering, node.name, gradient, dy.type.shape, factors);
  averageBackward(lowering, node.name, diffDst, dx, pairOf(attrs.kernel), window);
};

export const globalAvgPool: Rule<"globalAvgPool"> = (lowering, node) => {
  const [input, output] = [node.inputs[0]!, node.outputs[0]!];
  const { plan, api } = lowering;
  const src = lowering.get(input);
  const dst = lowering.make(output);
  const mean = plan.describe(output.type.shape, src.desc.type, plan.layoutOf(input.type.shape));
  const channels = lowering.asChannels(dst, input.type.shape);
  const primitive = api.primitive(node.name, meanOverPositions(src.desc, mean));
  plan.run(node.name, primitive, { [Arg.src]: src }, { [Arg.dst]: channels });
};

export const globalAvgPoolBackward: Rule<"globalAvgPoolBackward"> = (lowering, node) => {
  const [dy, dx] = [node.inputs[0]!, node.outputs[0]!];
  const [, , height, width] = node.attrs.inputShape as [number, number, number, number];
  const diffDst = lowering.asChannels(lowering.get(dy), node.attrs.inputShape);
  averageBackward(lowering, node.name, diffDst, dx, [height, width], wholePicture(height, width));
};

/** One number per channel for all its positions; the sum that it is added to broadcasts it. */
export const share: Rule<"share"> = (lowering, node) => {
  const { plan, api } = lowering;
  const from = lowering.get(node.inputs[0]!);
  const into = lowering.make(node.outputs[0]!);
  const alpha = 1 / node.attrs.positions;
  const spec = { primitive: "eltwise", pass: "forward", algorithm: "linear", data: from.desc, alpha } as const;
  plan.run(node.name, api.primitive(node.name, spec), { [Arg.src]: from }, { [Arg.dst]: into });
};

function averageBackward(
  lowering: Lowering,
  name: string,
  diffDst: Place,
  dx: Value,
  kernel: readonly [number, number],
  window: Window,
): void {
  const diffSrc = lowering.make(dx);
  const spec = {
    primitive: "pooling",
    algorithm: "avg",
    src: diffSrc.desc,
    dst: diffDst.desc,
    kernel,
    window,
  } as const;
  const hint = lowering.api.primitive(name, { ...spec, pass: "forward" });
  const primitive = lowering.api.primitive(name, { ...spec, pass: "backward" }, hint);
  lowering.plan.run(name, primitive, { [Arg.diffDst]: diffDst }, { [Arg.diffSrc]: diffSrc });
}
