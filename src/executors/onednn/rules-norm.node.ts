/** Batch norm with the ReLU after it, as one primitive in both directions. */

import { combinedMoments } from "../moments.ts";
import type { Primitive } from "./api.node.ts";
import type { FusedNode } from "./fused.ts";
import type { Lowering, Rule } from "./lowering.node.ts";
import type { Place } from "./plan.node.ts";
import { Arg, type PostOp, Query } from "./spec.ts";
import type { Forward, Target } from "./target.node.ts";

export const batchNorm: Rule<"batchNorm"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [x, gamma, beta, mean, variance] = node.inputs;
  const src = lowering.get(x!);
  const relu = node.activation === "relu";
  const spec = { primitive: "batchNorm", pass: "inference", data: src.desc, eps: node.attrs.eps, relu } as const;
  const primitive = api.primitive(node.name, spec);
  const dst = lowering.make(node.outputs[0]!);
  const reads = {
    [Arg.src]: src,
    [Arg.scale]: lowering.plain(gamma!),
    [Arg.shift]: lowering.plain(beta!),
    [Arg.mean]: lowering.plain(mean!),
    [Arg.variance]: lowering.plain(variance!),
  };
  plan.run(node.name, primitive, reads, { [Arg.dst]: dst }, { of: dst, from: [src] });
};

/** With a ReLU, its workspace records where values passed. */
export function normForward(target: Target, node: FusedNode<"batchNormTraining">): Forward {
  const { api, plan } = target;
  const data = target.descOf(node.inputs[0]!.type.shape);
  const relu = node.activation === "relu";
  const { eps, ranks } = node.attrs;
  const pass = ranks === undefined ? "forward" : "forwardByGiven";
  const primitive = api.primitive(node.name, { primitive: "batchNorm", pass, data, eps, relu });
  const kept = relu ? api.query(primitive, Query.workspace, data) : undefined;
  return { primitive, workspace: kept && plan.place(kept) };
}

export const batchNormTraining: Rule<"batchNormTraining"> = (lowering, node) => {
  const { plan, prepared } = lowering;
  const [x, gamma, beta] = node.inputs;
  const [y, mean, variance] = node.outputs;
  const { primitive, workspace } = prepared.forwards.get(node)!;
  const reads = {
    [Arg.src]: lowering.get(x!),
    [Arg.scale]: lowering.plain(gamma!),
    [Arg.shift]: lowering.plain(beta!),
  };
  const dst = { [Arg.dst]: lowering.make(y!) };
  const [means, variances] = [lowering.makePlain(mean!), lowering.makePlain(variance!)];
  const moments = { [Arg.mean]: means, [Arg.variance]: variances };
  const { ranks } = node.attrs;
  if (ranks === undefined) {
    plan.run(node.name, primitive, reads, { ...dst, ...moments, [Arg.workspace]: workspace });
    return;
  }
  // Computes the batch's own statistics first, which the library only provides together with normalising.
  const spec = { primitive: "batchNorm", data: reads[Arg.src]!.desc, eps: node.attrs.eps, relu: false } as const;
  const own = lowering.api.primitive(node.name, { ...spec, pass: "forward" });
  plan.run(node.name, own, reads, { ...dst, ...moments });
  const [m, v] = [plan.array(means), plan.array(variances)];
  const sum = lowering.sumOverRanks!;
  plan.wait(node.name, [means, variances], [means, variances], () => combinedMoments(m.data, v.data, ranks, sum));
  plan.run(node.name, primitive, { ...reads, ...moments }, { ...dst, [Arg.workspace]: workspace });
};

export const batchNormFrozenBackward: Rule<"batchNormFrozenBackward"> = (lowering, node) => {
  const { api } = lowering;
  const src = lowering.get(node.inputs[0]!);
  const spec = { primitive: "batchNorm", data: src.desc, eps: node.attrs.eps, relu: false } as const;
  const hint = api.primitive(node.name, { ...spec, pass: "inference" });
  runBackward(lowering, node, src, api.primitive(node.name, { ...spec, pass: "frozenBackward" }, hint));
};

export const batchNormBackward: Rule<"batchNormBackward"> = (lowering, node) => {
  const { api, prepared } = lowering;
  const src = lowering.get(node.inputs[0]!);
  const relu = node.activation === "relu";
  const spec = { primitive: "batchNorm", data: src.desc, eps: node.attrs.eps, relu } as const;
  const forward = node.forward && prepared.forwards.get(node.forward);
  const { ranks } = node.attrs;
  const [there, back] =
    ranks === undefined ? (["forward", "backward"] as const) : (["forwardByGiven", "frozenBackward"] as const);
  const hint = forward?.primitive ?? api.primitive(node.name, { ...spec, pass: there });
  const primitive = api.primitive(node.name, { ...spec, pass: back }, hint);
  runBackward(lowering, node, src, primitive, forward?.workspace);
  if (ranks !== undefined) addFromStatistics(lowering, node, src, ranks);
};

/**
 * The statistics' contribution to dx with several processes, added to dx for constant statistics: with M values per
 * channel, dx += −γ/σ² · Σ(dy · x̂)/M · (x − mean) − γ/σ · Σdy/M, in one pass.
 */
function addFromStatistics(
  lowering: Lowering,
  { name, inputs, outputs, attrs }: FusedNode<"batchNormBackward">,
  src: Place,
  ranks: number,
): void {
  const { plan, api } = lowering;
  const [x, gamma, mean, variance] = inputs;
  const [dx, dgamma, dbeta] = outputs;
  const { shape } = x!.type;
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const count = ranks * batch * height * width;
  const desc = plan.describe([1, channels, 1, 1], "f32", plan.layoutOf(shape));
  const [centre, slope, offset] = [plan.place(desc), plan.place(desc), plan.place(desc)];
  const statistics = [gamma, mean, variance, dgamma, dbeta].map((value) => lowering.plain(value!));
  const [g, m, v, dg, db] = statistics.map((place) => plan.array(place)) as Float32View[];
  const [c, s, o] = [centre, slope, offset].map((place) => plan.array(place)) as Float32View[];
  const sum = lowering.sumOverRanks!;
  plan.wait(name, statistics, [centre, slope, offset], async () => {
    const sums = new Float64Array(2 * channels);
    sums.set(dg!.data);
    sums.set(db!.data, channels);
    await sum(sums);
    for (let i = 0; i < channels; i++) {
      const inverse = 1 / Math.sqrt(v!.data[i]! + attrs.eps);
      const scale = (-g!.data[i]! * inverse) / count;
      c!.data[i] = -m!.data[i]!;
      s!.data[i] = scale * inverse * sums[i]!;
      o!.data[i] = scale * sums[channels + i]!;
    }
  });
  const into = lowering.get(dx!);
  const postOps: readonly PostOp[] = [
    { kind: "mul", operand: desc },
    { kind: "add", operand: desc },
    { kind: "sum", scale: 1 },
  ];
  const spec = {
    primitive: "binary",
    algorithm: "add",
    src: src.desc,
    operand: desc,
    dst: into.desc,
    postOps,
  } as const;
  const reads = {
    [Arg.src]: src,
    [Arg.operand]: centre,
    [api.postOpArg(0)]: slope,
    [api.postOpArg(1)]: offset,
  };
  plan.run(name, api.primitive(name, spec), reads, { [Arg.dst]: into });
}

interface Float32View {
  readonly data: Float32Array;
}

/** `x, gamma, mean, variance, dy → dx, dgamma, dbeta`, with the batch's statistics or given ones. */
function runBackward(
  lowering: Lowering,
  { name, inputs, outputs }: Pick<FusedNode, "name" | "inputs" | "outputs">,
  src: Place,
  primitive: Primitive,
  workspace?: Place,
): void {
  const { plan, api } = lowering;
  const [, gamma, mean, variance, dy] = inputs;
  const [dx, dgamma, dbeta] = outputs;
  const diffDst = lowering.get(dy!);
  const diffSrc = lowering.make(dx!);
  const reads = {
    [Arg.src]: src,
    [Arg.mean]: lowering.plain(mean!),
    [Arg.variance]: lowering.plain(variance!),
    [Arg.scale]: lowering.plain(gamma!),
    // Not used by the gradient, so any vector will do.
    [Arg.shift]: api.wantsShift ? lowering.plain(gamma!) : undefined,
    [Arg.diffDst]: diffDst,
    [Arg.workspace]: workspace,
  };
  const writes = {
    [Arg.diffSrc]: diffSrc,
    [Arg.diffScale]: lowering.makePlain(dgamma!),
    [Arg.diffShift]: lowering.makePlain(dbeta!),
  };
  plan.run(name, primitive, reads, writes, { of: diffSrc, from: [diffDst] });
}
