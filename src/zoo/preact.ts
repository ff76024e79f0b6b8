/** Pre-activation residual networks (nn/preact.ts), as in four ports. */

import type { Value } from "../ir/graph.ts";
import { dropPathAt } from "../nn/drop-path.ts";
import { batchNorm, conv2d, relu } from "../nn/layers.ts";
import { preactBlock } from "../nn/preact.ts";
import type { Scope } from "../nn/scope.ts";
import type { Family } from "./family.ts";
import { head, poolStem, seOfBlock } from "./parts.ts";
import { type PreactConfig, preactSchema } from "./preact-config.ts";
import { nutszebraNamed, nutszebraNames, preactPorts } from "./preact-ports.ts";

function build(start: Scope, image: Value, config: PreactConfig, classes: number): Value {
  const { depths, widths, expansion, strideOn, shortcut, projection, bias, block: kind } = config;
  const scope = start.styled(config);
  let x = stem(scope, image, config);
  const pad = config.pool === "same" && ({ pad: "same" } as const);
  const total = depths.reduce((sum, depth) => sum + depth, 0);
  let blocks = 0;
  for (const [stage, depth] of depths.entries()) {
    for (let block = 0; block < depth; block++) {
      const at = scope
        .at(`layer${stage + 1}`)
        .at(block)
        .asBlock(stage + 1);
      x = preactBlock(at, x, {
        ...{
          block: kind,
          out: widths[stage]! * expansion,
          width: widths[stage]!,
          strideOn,
          shortcut,
          projection,
          bias,
        },
        ...pad,
        stride: stage > 0 && block === 0 ? 2 : 1,
        isActive: config.activeStem && blocks === 0,
        projects: config.projectFirst && block === 0,
        drop: dropPathAt(scope, blocks, total),
        se: seOfBlock(config.se, blocks++),
      });
    }
  }
  if (config.head === "conv") return convHead(scope, x, classes);
  return head(scope, relu(scope.at("relu"), batchNorm(scope.at("norm"), x)), 0, classes);
}

function stem(scope: Scope, image: Value, { stem, stemWidth, stemEnd, inputNorm, pool, bias }: PreactConfig): Value {
  const input = inputNorm ? batchNorm(scope.at("bn0"), image, { fixedGamma: true }) : image;
  const pad = pool === "same" && ({ pad: "same" } as const);
  const window = stem === "imagenet" ? { kernel: 7, stride: 2, ...pad } : { kernel: 3 };
  let x = conv2d(scope.at("conv1"), input, { out: stemWidth, ...window, bias });
  if (stemEnd === "norm") x = batchNorm(scope.at("bn1"), x);
  if (stemEnd !== "bare") x = relu(scope.at("relu1"), x);
  return stem === "imagenet" ? poolStem(scope, x, pool) : x;
}

function convHead(scope: Scope, x: Value, classes: number): Value {
  const active = relu(scope.at("relu"), batchNorm(scope.at("norm"), relu(scope.at("relu0"), x)));
  const maps = conv2d(scope.at("fc").tagged("head"), active, {
    out: classes,
    kernel: 1,
    bias: true,
    part: "classifier",
  });
  return scope.at("flatten").apply("flatten", [scope.at("pool").apply("globalAvgPool", [maps], {})], {});
}

export const preact: Family<typeof preactSchema> = {
  schema: preactSchema,
  networks: preactPorts,
  networkNamed: nutszebraNamed,
  build,
  imageSize: () => 64,
  fewestTensors: ({ depths }) => depths.reduce((sum, depth) => sum + depth, 0),
  hasOurNames: true,
  isIn: ({ depths }, has) =>
    depths.every((depth, i) => has(`layer${i + 1}.${depth - 1}.conv1`) && !has(`layer${i + 1}.${depth}.conv1`)),
  namesIn: nutszebraNames,
  withStructure: (config) => config,
  withChannels: (config, channels) => ({ ...config, channels }),
  changes: () => [],
};
