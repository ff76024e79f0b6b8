/** Batch norm, and the ReLU behind it, as one primitive in both directions. */

import type { Rule } from "./lowering.node.ts";
import { Arg, Query } from "./spec.ts";

export const batchNorm: Rule<"batchNorm"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [x, gamma, beta, mean, variance] = node.inputs;
  const relu = lowering.fusion.onlyUser(node.outputs[0]!, "relu");
  const src = lowering.get(x!);
  const { eps } = node.attrs;
  const spec = { primitive: "batchNorm", pass: "inference", data: src.desc, eps, relu: relu !== undefined } as const;
  const primitive = api.primitive(node.name, spec);
  if (relu !== undefined) lowering.done.add(relu);
  const dst = lowering.make((relu ?? node).outputs[0]!);
  const reads = {
    [Arg.src]: src,
    [Arg.scale]: lowering.plain(gamma!),
    [Arg.shift]: lowering.plain(beta!),
    [Arg.mean]: lowering.plain(mean!),
    [Arg.variance]: lowering.plain(variance!),
  };
  plan.run(node.name, primitive, reads, { [Arg.dst]: dst }, { of: dst, from: [src] });
};

export const batchNormTraining: Rule<"batchNormTraining"> = (lowering, node) => {
  const { plan, api } = lowering;
  const [x, gamma, beta] = node.inputs;
  const [y, mean, variance] = node.outputs;
  const relu = lowering.fusion.onlyUser(y!, "relu");
  const src = lowering.get(x!);
  const spec = {
    primitive: "batchNorm",
    pass: "forward",
    data: src.desc,
    eps: node.attrs.eps,
    relu: relu !== undefined,
  } as const;
  const primitive = api.primitive(node.name, spec);
  lowering.forward.set(node, primitive);
  const dst = lowering.make(relu === undefined ? y! : relu.outputs[0]!);
  let workspace: ReturnType<typeof plan.place> | undefined;
  if (relu !== undefined) {
    lowering.done.add(relu);
    // Known by the mean, which the backward operation shares with this one.
    lowering.fusedNorms.set(mean!, relu);
    const desc = api.query(primitive, Query.workspace, src.desc);
    workspace = desc && plan.place(desc);
    if (workspace !== undefined) lowering.workspaces.set(node, workspace);
  }
  const reads = { [Arg.src]: src, [Arg.scale]: lowering.plain(gamma!), [Arg.shift]: lowering.plain(beta!) };
  plan.run(node.name, primitive, reads, {
    [Arg.dst]: dst,
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
  const { plan, api } = lowering;
  const [x, gamma, mean, variance, dy] = node.inputs;
  const through = lowering.throughRelu.get(node);
  const src = lowering.get(x!);
  const relu = through !== undefined;
  const { eps } = node.attrs;
  const forward = lowering.fusion.maker(mean!, "batchNormTraining");
  const spec = { primitive: "batchNorm", data: src.desc, eps, relu } as const;
  const hint =
    forward !== undefined && (lowering.fusedNorms.get(mean!) !== undefined) === relu
      ? lowering.forward.get(forward)!
      : api.primitive(node.name, { ...spec, pass: "forward" });
  const primitive = api.primitive(node.name, { ...spec, pass: "backward" }, hint);
  const diffDst = lowering.get(through ?? dy!);
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
    [Arg.workspace]: relu ? lowering.workspaces.get(forward!) : undefined,
  };
  const writes = {
    [Arg.diffSrc]: diffSrc,
    [Arg.diffScale]: lowering.makePlain(dgamma!),
    [Arg.diffShift]: lowering.makePlain(dbeta!),
  };
  plan.run(node.name, primitive, reads, writes, { of: diffSrc, from: [diffDst] });
};
