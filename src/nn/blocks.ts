/** The residual blocks: a branch of convolutions, then squeeze and excitation, then the sum with the shortcut, then ReLU. */

import type { Value } from "../ir/graph.ts";
import { batchNorm, type ConvOptions, conv2d, relu } from "./layers.ts";
import type { Scope } from "./scope.ts";
import { addShortcut, type SqueezeExcitation } from "./se.ts";

export interface BlockOptions {
  /** Channels of the block's output. */
  readonly out: number;
  readonly stride: number;
  readonly se: SqueezeExcitation | undefined;
  /** Kernel of the shortcut's projection where it has a stride: 3 in SENet-154; default 1. */
  readonly projection?: 1 | 3;
}

export interface BottleneckOptions extends BlockOptions {
  /** Channels of the first 1×1 convolution; default: the width. SENet-154 halves it. */
  readonly reduce?: number;
  /** Channels of the 3×3 convolution. */
  readonly width: number;
  /** Groups of the 3×3 convolution, the cardinality of a ResNeXt; default 1. */
  readonly groups?: number;
  /** Which convolution has the stride: the first 1×1 (the released SE-ResNets) or the 3×3 (all others). */
  readonly strideOn: "1x1" | "3x3";
}

/** A convolution and the batch norm that follows it: `conv1` and `bn1`. */
function normed(scope: Scope, n: number, x: Value, options: ConvOptions): Value {
  return batchNorm(scope.at(`bn${n}`), conv2d(scope.at(`conv${n}`), x, options));
}

/** The input itself, or its projection where the shape changes. */
function projectShortcut(scope: Scope, x: Value, { out, stride, projection = 1 }: BlockOptions): Value {
  if (stride === 1 && x.type.shape[1] === out) return x;
  const at = scope.at("downsample");
  const kernel = stride === 1 ? 1 : projection;
  return batchNorm(at.at(1), conv2d(at.at(0), x, { out, kernel, stride }));
}

/** Two 3×3 convolutions (ResNet-18, -34 and the CIFAR family); the stride is on the first. */
export function basicBlock(scope: Scope, x: Value, options: BlockOptions): Value {
  const { out, stride, se } = options;
  const first = relu(scope.at("relu1"), normed(scope, 1, x, { out, kernel: 3, stride }));
  const branch = normed(scope, 2, first, { out, kernel: 3 });
  return relu(scope.at("relu"), addShortcut(scope, branch, projectShortcut(scope, x, options), se));
}

/** 1×1 reduce, 3×3, 1×1 increase (ResNet-50 and deeper, ResNeXts, SENet-154). */
export function bottleneck(scope: Scope, x: Value, options: BottleneckOptions): Value {
  const { out, width, reduce = width, groups = 1, stride, strideOn, se } = options;
  const [stride1, stride2] = strideOn === "1x1" ? [stride, 1] : [1, stride];
  const first = relu(scope.at("relu1"), normed(scope, 1, x, { out: reduce, kernel: 1, stride: stride1 }));
  const second = relu(scope.at("relu2"), normed(scope, 2, first, { out: width, kernel: 3, stride: stride2, groups }));
  const branch = normed(scope, 3, second, { out, kernel: 1 });
  return relu(scope.at("relu"), addShortcut(scope, branch, projectShortcut(scope, x, options), se));
}
