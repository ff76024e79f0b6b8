/** The residual blocks: a branch of convolutions, then squeeze and excitation, then the sum with the shortcut, then ReLU. */

import type { Value } from "../ir/graph.ts";
import { batchNorm, conv2d, relu } from "./layers.ts";
import type { Scope } from "./scope.ts";
import { addShortcut, type SqueezeExcitation } from "./se.ts";

export interface BlockOptions {
  /** Channels of the block's output. */
  readonly out: number;
  readonly stride: number;
  readonly se: SqueezeExcitation | undefined;
}

export interface BottleneckOptions extends BlockOptions {
  /** Channels of the 3×3 convolution. */
  readonly width: number;
  /** Which convolution has the stride: the first 1×1 (the released SE-ResNets) or the 3×3 (timm, torchvision). */
  readonly strideOn: "1x1" | "3x3";
}

/** The input itself, or its 1×1 projection where the shape changes. */
function projectShortcut(scope: Scope, x: Value, { out, stride }: BlockOptions): Value {
  if (stride === 1 && x.type.shape[1] === out) return x;
  const at = scope.at("downsample");
  return batchNorm(at.at(1), conv2d(at.at(0), x, { out, kernel: 1, stride }));
}

/** Two 3×3 convolutions (ResNet-18, -34 and the CIFAR family); the stride is on the first. */
export function basicBlock(scope: Scope, x: Value, options: BlockOptions): Value {
  const { out, stride, se } = options;
  let branch = batchNorm(scope.at("bn1"), conv2d(scope.at("conv1"), x, { out, kernel: 3, stride }));
  branch = relu(scope.at("relu1"), branch);
  branch = batchNorm(scope.at("bn2"), conv2d(scope.at("conv2"), branch, { out, kernel: 3 }));
  return relu(scope.at("relu"), addShortcut(scope, branch, projectShortcut(scope, x, options), se));
}

/** 1×1 reduce, 3×3, 1×1 increase (ResNet-50 and deeper). */
export function bottleneck(scope: Scope, x: Value, options: BottleneckOptions): Value {
  const { out, width, stride, strideOn, se } = options;
  const [stride1, stride2] = strideOn === "1x1" ? [stride, 1] : [1, stride];
  let branch = batchNorm(scope.at("bn1"), conv2d(scope.at("conv1"), x, { out: width, kernel: 1, stride: stride1 }));
  branch = relu(scope.at("relu1"), branch);
  branch = batchNorm(scope.at("bn2"), conv2d(scope.at("conv2"), branch, { out: width, kernel: 3, stride: stride2 }));
  branch = relu(scope.at("relu2"), branch);
  branch = batchNorm(scope.at("bn3"), conv2d(scope.at("conv3"), branch, { out, kernel: 1 }));
  return relu(scope.at("relu"), addShortcut(scope, branch, projectShortcut(scope, x, options), se));
}
