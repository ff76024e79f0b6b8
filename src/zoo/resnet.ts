/** ResNets, ResNeXts and SENet-154, with and without squeeze and excitation: one function of a config. */

import type { Value } from "../ir/graph.ts";
import { basicBlock, bottleneck, type Projection } from "../nn/blocks.ts";
import { batchNorm, type ConvOptions, conv2d, linear, relu } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import type { SqueezeExcitation } from "../nn/se.ts";

export interface ResNetConfig {
  /** `imagenet`: 7×7 stride 2, then max pooling; `deep`: three 3×3 instead of the 7×7; `cifar`: one 3×3 at full size. */
  readonly stem: "imagenet" | "deep" | "cifar";
  /** `caffe`: no padding, rounded up (the released models); `padded`: padding 1, rounded down (torchvision, timm). */
  readonly pool: "caffe" | "padded";
  readonly block: "basic" | "bottleneck";
  /** Blocks in each stage. */
  readonly depths: readonly number[];
  /** Channels of each stage's 3×3 convolutions. */
  readonly widths: readonly number[];
  /** A block puts out so many times its width. */
  readonly expansion: number;
  /** The first 1×1 of a bottleneck has so large a part of the width; 1/2 in SENet-154. */
  readonly reduce: number;
  /** Groups of a bottleneck's 3×3 convolution. */
  readonly groups: number;
  /** Which convolution of a bottleneck has the stride. */
  readonly strideOn: "1x1" | "3x3";
  /** What shortcuts do where the shape changes. */
  readonly projection: Projection;
  /** Part of the features that is dropped before the classifier when training. */
  readonly dropout: number;
  readonly se?: SeConfig | undefined;
  /** Channels of the pictures; default: 3. */
  readonly channels?: number;
  /** Whether the branch of a basic block ends in a ReLU, before the gate (timm's legacy SE-ResNets). */
  readonly branchRelu?: boolean;
}

/** Squeeze and excitation of a whole network. */
export interface SeConfig {
  readonly reduction: number;
  readonly bias: boolean;
  /** Units of the hidden layers, block by block, where they are not C/reduction. */
  readonly hidden?: readonly number[];
}

/** That of the block of this number. */
export function seOfBlock(se: SeConfig | undefined, block: number): SqueezeExcitation | undefined {
  if (se === undefined) return undefined;
  const { hidden: all, ...both } = se;
  const hidden = all?.[block];
  return hidden === undefined ? both : { ...both, hidden };
}

/** `image [N,channels,H,W] → logits [N,classes]`; any H and W that leave one position after the last stride. */
export function resnet(scope: Scope, image: Value, config: ResNetConfig, classes: number): Value {
  const { depths, widths, expansion, groups, strideOn, projection, branchRelu = false } = config;
  let x = stem(scope, image, config);
  let blocks = 0;
  depths.forEach((depth, stage) => {
    const width = widths[stage]!;
    for (let block = 0; block < depth; block++) {
      const at = scope
        .at(`layer${stage + 1}`)
        .at(block)
        .asBlock(stage + 1);
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const options = { out: width * expansion, stride, projection, se: seOfBlock(config.se, blocks++) };
      x =
        config.block === "basic"
          ? basicBlock(at, x, { ...options, branchRelu })
          : bottleneck(at, x, { ...options, reduce: width * config.reduce, width, groups, strideOn });
    }
  });
  return head(scope, x, config.dropout, classes);
}

/** The input that tells dropout what to keep, `[N, features]`; training graphs of networks with dropout have it. */
export const keepName = "dropout.keep";

/** Global average, dropout when training, classifier. Global, for pictures of any size (docs/networks.md, trap 13). */
export function head(scope: Scope, x: Value, dropout: number, classes: number): Value {
  const pooled = scope.at("pool").apply("globalAvgPool", [x], {});
  let features = scope.at("flatten").tagged("features").apply("flatten", [pooled], {});
  if (dropout > 0 && scope.mode.training) {
    const keep = scope.graph.input(keepName, features.type.shape, scope.mode.dtype);
    features = scope.at("dropout").apply("dropout", [features, keep], {});
  }
  return linear(scope.at("fc").tagged("head"), features, classes);
}

/** `convN`, `bnN`, ReLU: the unit that stems and Inception modules are made of. */
export function normedRelu(scope: Scope, n: string, x: Value, options: ConvOptions): Value {
  return relu(scope.at(`relu${n}`), batchNorm(scope.at(`bn${n}`), conv2d(scope.at(`conv${n}`), x, options)));
}

function stem(scope: Scope, image: Value, { stem, pool, widths }: ResNetConfig): Value {
  if (stem === "cifar") return normedRelu(scope, "1", image, { out: widths[0]!, kernel: 3 });
  let x = image;
  if (stem === "imagenet") x = normedRelu(scope, "1", x, { out: 64, kernel: 7, stride: 2 });
  else {
    x = normedRelu(scope.at("stem"), "1", x, { out: 64, kernel: 3, stride: 2 });
    x = normedRelu(scope.at("stem"), "2", x, { out: 64, kernel: 3 });
    x = normedRelu(scope.at("stem"), "3", x, { out: 128, kernel: 3 });
  }
  // Both paddings give the same size at 224; the other one shifts every window by a pixel (docs/networks.md, trap 2).
  const window = pool === "caffe" ? { pad: 0, ceil: true } : { pad: 1, ceil: false };
  return scope.at("maxpool").apply("maxPool", [x], { kernel: 3, stride: 2, ...window });
}
