/** Batch norm, and the ReLU behind it, as one primitive in both directions. */

import type { FusedNode } from "./fusion.ts";
import type { Rule } from "./lowering.node.ts";
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
  const { plan, api } = lowering;
  const [x, gamma, mean, variance, dy] = node.inputs;
  const [dx, dgamma, dbeta] = node.outputs;
  const [src, diffDst] = [lowering.get(x!), lowering.get(dy!)];
  const spec = { primitive: "batchNorm", data: src.desc, eps: node.attrs.eps, relu: false } as const;
  const hint = api.primitive(node.name, { ...spec, pass: "inference" });
  const primitive = api.primitive(node.name, { ...spec, pass: "frozenBackward" }, hint);
  const diffSrc = lowering.make(dx!);
  const reads = {
    [Arg.src]: src,
    [Arg.mean]: lowering.plain(mean!),
    [Arg.variance]: lowering.plain(variance!),
    [Arg.scale]: lowering.plain(gamma!),
    [Arg.shift]: api.wantsShift ? lowering.plain(gamma!) : undefined,
    [Arg.diffDst]: diffDst,
  };
  const writes = {
    [Arg.diffSrc]: diffSrc,
    [Arg.diffScale]: lowering.makePlain(dgamma!),
    [Arg.diffShift]: lowering.makePlain(dbeta!),
  };
  plan.run(node.name, primitive, reads, writes, { of: diffSrc, from: [diffDst] });
};

export const batchNormBackward: Rule<"batchNormBackward"> = (lowering, node) => {
  const { plan, api, prepared } = lowering;
  const [x, gamma, mean, variance, dy] = node.inputs;
  const src = lowering.get(x!);
  const relu = node.activation === "relu";
  const spec = { primitive: "batchNorm", data: src.desc, eps: node.attrs.eps, relu } as const;
  const forward = node.forward && prepared.forwards.get(node.forward);
  const hint = forward?.primitive ?? api.primitive(node.name, { ...spec, pass: "forward" });
  const primitive = api.primitive(node.name, { ...spec, pass: "backward" }, hint);
  const diffDst = lowering.get(dy!);
  const [dx, dgamma, dbeta] = node.outputs;
  const diffSrc = lowering.make(dx!);
  const reads = {
    [Arg.src]: src,
    [Arg.mean]: lowering.plain(mean!),
    [Arg.variance]: lowering.plain(variance!),
    [Arg.scale]: lowering.plain(gamma!),
    // Not needed for the gradient, and any vector does.
    [Arg.shift]: api.wantsShift ? lowering.plain(gamma!) : undefined,
    [Arg.diffDst]: diffDst,
    [Arg.workspace]: forward?.workspace,
  };
  const writes = {
    [Arg.diffSrc]: diffSrc,
    [Arg.diffScale]: lowering.makePlain(dgamma!),
    [Arg.diffShift]: lowering.makePlain(dbeta!),
  };
  plan.run(node.name, primitive, reads, writes, { of: diffSrc, from: [diffDst] });
};
