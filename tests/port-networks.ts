/**
 * What ports call our parameters, and their networks' weights by the formula: a stream is a parameter's place among the
 * port's own names, so that logits of their code are there to be met (shared/reference/ports/golden).
 */

import type { Graph, Parameter } from "../src/ir/graph.ts";
import { type Tensor, tensor } from "../src/tensor.ts";
import { formulaTensor } from "./formula.ts";

/** Rows of ours and theirs, the first that fits; `#1` is the first number in ours, `#1+1` the next one. */
interface PortNames {
  readonly modules: readonly (readonly [ours: RegExp, theirs: string])[];
  /** What stands behind a module's name, for a weight and for the parts of a batch norm. */
  readonly parts: Readonly<Record<Parameter["role"], string>>;
}

const tensorpackParts = {
  ...{ weight: "/W", bias: "/b", gamma: "/bn/gamma", beta: "/bn/beta" },
  ...{ mean: "/bn/mean/EMA", variance: "/bn/variance/EMA" },
};
const tensorpackEnds: PortNames["modules"] = [
  [/^layer(\d+)\.(\d+)\.conv(\d)$/, "group#1-1/block#2/conv#3"],
  [/^layer(\d+)\.(\d+)\.downsample\.[01]$/, "group#1-1/block#2/convshortcut"],
  [/^layer(\d+)\.(\d+)\.se\.fc(\d)$/, "group#1-1/block#2/fc#3"],
  [/^(?:conv|bn)1$/, "conv0"],
  [/^fc$/, "linear"],
];
const tensorpackPreact: PortNames["modules"] = [
  [/^layer(\d+)\.(\d+)\.bn1$/, "group#1-1/block#2/preact"],
  [/^layer(\d+)\.(\d+)\.bn(\d)$/, "group#1-1/block#2/conv#3-1"],
  [/^norm$/, "bnlast"],
  ...tensorpackEnds,
];

const mxnetParts = {
  ...{ weight: "_weight", bias: "_bias", gamma: "_gamma", beta: "_beta" },
  ...{ mean: "_moving_mean", variance: "_moving_var" },
};
const mxnetUnits: PortNames["modules"] = [
  [/^layer(\d+)\.(\d+)\.(conv|bn)(\d)$/, "stage#1_unit#2+1_#3#4"],
  [/^layer(\d+)\.(\d+)\.se\.fc(\d)$/, "stage#1_unit#2+1_excitation#3"],
  [/^layer(\d+)\.(\d+)\.downsample\.0$/, "stage#1_unit#2+1_sc"],
  [/^layer(\d+)\.(\d+)\.downsample\.1$/, "stage#1_unit#2+1_sc_bn"],
  [/^bn0$/, "bn_data"],
  [/^conv1$/, "conv0"],
  [/^bn1$/, "bn0"],
  [/^norm$/, "bn1"],
  [/^fc$/, "fc1"],
];

export const portNames = {
  tensorpack: {
    modules: [[/^layer(\d+)\.(\d+)\.bn(\d)$/, "group#1-1/block#2/conv#3"], ...tensorpackEnds],
    parts: tensorpackParts,
  },
  tensorpackPreact: { modules: tensorpackPreact, parts: tensorpackParts },
  /** Since 29 August 2017 a group ends in the batch norm that the next one began with. */
  tensorpackEnds: {
    modules: [[/^layer(\d+)\.0\.bn1$/, "group#1-2/bnlast"], [/^norm$/, "group3/bnlast"], ...tensorpackPreact],
    parts: tensorpackParts,
  },
  bruinxiong: { modules: mxnetUnits, parts: mxnetParts },
  moskomule: {
    modules: [
      [/^(layer\d+\.\d+\.downsample)\.0$/, "#1"],
      [/^norm$/, "bn1"],
      [/^(.*)$/, "#1"],
    ],
    parts: {
      ...{ weight: ".weight", bias: ".bias", gamma: ".weight", beta: ".bias" },
      ...{ mean: ".running_mean", variance: ".running_var" },
    },
  },
  nutszebra: {
    modules: [
      [/^conv1$/, "conv1"],
      [/^layer(\d+)\.(\d+)\.conv(\d)$/, "res_block#1/bn_relu_conv#3_#2+1/conv"],
      [/^layer(\d+)\.(\d+)\.bn(\d)$/, "res_block#1/bn_relu_conv#3_#2+1/bn"],
      [/^layer(\d+)\.(\d+)\.downsample\.bn$/, "res_block#1/skip_bn"],
      [/^layer(\d+)\.(\d+)\.se\.fc(\d)$/, "res_block#1/se_block_#2+1/f#3"],
      [/^norm$/, "bn_relu_conv/bn"],
      [/^fc$/, "bn_relu_conv/conv"],
    ],
    parts: {
      ...{ weight: "/W", bias: "/b", gamma: "/gamma", beta: "/beta" },
      ...{ mean: "/avg_mean", variance: "/avg_var" },
    },
  },
} as const satisfies Record<string, PortNames>;

/** What the port calls it. */
export function theirName({ name, role }: Parameter, { modules, parts }: PortNames): string {
  const module = name.slice(0, name.lastIndexOf("."));
  for (const [ours, theirs] of modules) {
    const found = ours.exec(module);
    if (found === null) continue;
    const filled = theirs.replace(/#(\d)([+-]\d)?/g, (_, group: string, step: string | undefined) =>
      step === undefined ? found[Number(group)]! : `${Number(found[Number(group)]) + Number(step)}`,
    );
    return filled + parts[role];
  }
  throw new Error(`${name} has no name there`);
}

/** Every parameter of a graph by the formula; a gamma that is fixed is 1. */
export function portWeights(graph: Graph, names: PortNames): Map<string, Tensor> {
  const named = graph.parameters.map((parameter) => ({ parameter, theirs: theirName(parameter, names) }));
  const sorted = named.toSorted((a, b) => (a.theirs < b.theirs ? -1 : 1));
  return new Map(
    sorted.map(({ parameter: { name, role, type, frozen } }, stream) => [
      name,
      frozen ? tensor(type.shape, new Float32Array(type.shape[0]!).fill(1)) : formulaTensor(role, type.shape, stream),
    ]),
  );
}
