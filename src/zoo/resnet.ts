/** ResNets, with and without squeeze and excitation, for ImageNet and for CIFAR: one function of a config. */

import type { Value } from "../ir/graph.ts";
import { basicBlock, bottleneck } from "../nn/blocks.ts";
import { batchNorm, conv2d, linear, relu } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import type { SqueezeExcitation } from "../nn/se.ts";

export interface ResNetConfig {
  /** `imagenet`: 7×7 stride 2, then max pooling; `cifar`: one 3×3 at full size. */
  readonly stem: "imagenet" | "cifar";
  readonly block: "basic" | "bottleneck";
  /** Blocks in each stage. */
  readonly depths: readonly number[];
  /** Channels of each stage's 3×3 convolutions. A bottleneck puts out four times as many. */
  readonly widths: readonly number[];
  /** Which convolution of a bottleneck has the stride. */
  readonly strideOn: "1x1" | "3x3";
  readonly se?: SqueezeExcitation | undefined;
}

const expansion = { basic: 1, bottleneck: 4 } as const;

/** `image [N,3,H,W] → logits [N,classes]`; any H and W that leave one position after the last stride. */
export function resnet(scope: Scope, image: Value, config: ResNetConfig, classes: number): Value {
  let x = stem(scope, image, config);
  config.depths.forEach((depth, stage) => {
    const width = config.widths[stage]!;
    for (let block = 0; block < depth; block++) {
      const at = scope.at(`layer${stage + 1}`).at(block);
      const options = {
        out: width * expansion[config.block],
        stride: stage > 0 && block === 0 ? 2 : 1,
        se: config.se,
      };
      x =
        config.block === "basic"
          ? basicBlock(at, x, options)
          : bottleneck(at, x, { ...options, width, strideOn: config.strideOn });
    }
  });
  const pooled = scope.at("pool").apply("globalAvgPool", [x], {});
  return linear(scope.at("fc"), scope.at("flatten").apply("flatten", [pooled], {}), classes);
}

function stem(scope: Scope, image: Value, { stem, widths }: ResNetConfig): Value {
  const conv = stem === "imagenet" ? { out: 64, kernel: 7, stride: 2 } : { out: widths[0]!, kernel: 3 };
  const x = relu(scope.at("relu"), batchNorm(scope.at("bn1"), conv2d(scope.at("conv1"), image, conv)));
  if (stem === "cifar") return x;
  // Caffe's pooling: no padding, rounded up. Padding 1 gives the same size and shifts every window (architectures.md, trap 2).
  return scope.at("maxpool").apply("maxPool", [x], { kernel: 3, stride: 2, pad: 0, ceil: true });
}
