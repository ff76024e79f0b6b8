/** Batch norm, and the ReLU behind it, as one primitive in both directions. */

import type { Primitive } from "./api.node.ts";
import type { FusedNode } from "./fused.ts";
import type { Lowering, Rule } from "./lowering.node.ts";
import type { Place } from "./plan.node.ts";
import { Arg, Query } from "./spec.ts";
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

/** With a ReLU it keeps where that has let something through. */
export function normForward(target: Target, node: FusedNode<"batchNormTraining">): Forward {
  const { api, plan } = target;
  const data = target.descOf(node.inputs[0]!.type.shape);
  const relu = node.activation === "relu";
  const { eps } = node.attrs;
  const primitive = api.primitive(node.name, { primitive: "batchNorm", pass: "forward", data, eps, relu });
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
  plan.run(node.name, primitive, reads, {
    [Arg.dst]: lowering.make(y!),
    [Arg.mean]: lowering.makePlain(mean!),
    [Arg.variance]: lowering.makePlain(variance!),
    [Arg.workspace]: workspace,
  });
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
  const hint = forward?.primitive ?? api.primitive(node.name, { ...spec, pass: "forward" });
  const primitive = api.primitive(node.name, { ...spec, pass: "backward" }, hint);
  runBackward(lowering, node, src, primitive, forward?.workspace);
};

/** `x, gamma, mean, variance, dy → dx, dgamma, dbeta`, by the batch's statistics or by given ones. */
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
    // Not needed for the gradient, and any vector does.
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
