/** Builds ResNets, ResNeXts and SENet-154: one function of a configuration. Their names are in resnet.ts. */

import type { Value } from "../ir/graph.ts";
import { basicBlock, bottleneck } from "../nn/blocks.ts";
import { dropPathAt } from "../nn/drop-path.ts";
import { batchNorm, conv2d } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import type { Built } from "./family.ts";
import { head, normedAct, poolStem, seOfBlock } from "./parts.ts";
import { type ResNetConfig, resnetSchema } from "./resnet-config.ts";

/** Works for any height and width that leave one position after the last stride. */
function build(start: Scope, image: Value, config: ResNetConfig, classes: number): Value {
  const { depths, widths, expansion, outs, groups, strideOn, projection, pool, projectFirst = false } = config;
  const { branchRelu = false, lastGamma = 1, act = "relu", classifierBias } = config;
  const scope = start.styled(config);
  let x = stem(scope, config.inputNorm ? batchNorm(scope.at("bn0"), image, { fixedGamma: true }) : image, config);
  const pad = pool === "same" && ({ pad: "same" } as const);
  // Glorot's rule uses the fans of the original convolutions: in taki0112's code, each group is a separate one.
  const paths = config.init === "glorot" ? groups : 1;
  const total = depths.reduce((sum, depth) => sum + depth, 0);
  let blocks = 0;
  depths.forEach((depth, stage) => {
    const width = widths[stage]!;
    for (let block = 0; block < depth; block++) {
      const at = scope
        .at(`layer${stage + 1}`)
        .at(block)
        .asBlock(stage + 1);
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const drop = dropPathAt(scope, blocks, total);
      const se = seOfBlock(config.se, blocks++);
      const options = {
        out: outs?.[stage] ?? width * expansion,
        stride,
        projection,
        se,
        drop,
        act,
        ...pad,
        ...(projectFirst && block === 0 && { projects: true }),
        ...(lastGamma !== 1 && { lastGamma }),
      };
      x =
        config.block === "basic"
          ? basicBlock(at, x, { ...options, branchRelu })
          : bottleneck(at, x, { ...options, reduce: width * config.reduce, width, groups, strideOn, paths });
    }
  });
  return head(scope, x, config.dropout, classes, classifierBias);
}

function stem(scope: Scope, image: Value, config: ResNetConfig): Value {
  const { stem, stemWidths = [64, 64, 128], pool, widths, act = "relu" } = config;
  const first = { out: config.stemWidth ?? widths[0]!, kernel: 3 };
  if (stem === "cifar") {
    return config.stemBare ? conv2d(scope.at("conv1"), image, first) : normedAct(scope, "1", image, first, act);
  }
  const pad = pool === "same" && ({ pad: "same" } as const);
  let x = image;
  if (stem === "imagenet") x = normedAct(scope, "1", x, { out: 64, kernel: 7, stride: 2, ...pad }, act);
  else {
    for (const [i, out] of stemWidths.entries()) {
      x = normedAct(scope.at("stem"), `${i + 1}`, x, { out, kernel: 3, stride: i === 0 ? 2 : 1, ...pad }, act);
    }
  }
  return poolStem(scope, x, pool);
}

export const builtResnet: Built<typeof resnetSchema> = {
  schema: resnetSchema,
  build,
  imageSize: () => 64,
  fewestTensors: ({ depths }) => depths.reduce((sum, depth) => sum + depth, 0),
};
