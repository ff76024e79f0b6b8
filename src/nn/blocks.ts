/** The residual blocks: a branch of convolutions, then squeeze and excitation, then the sum with the shortcut, then ReLU. */

import { SenetError } from "../errors.ts";
import type { Value } from "../ir/graph.ts";
import { type Activation, activate, batchNorm, type ConvOptions, conv2d } from "./layers.ts";
import type { Scope } from "./scope.ts";
import { addShortcut, type SqueezeExcitation, scaleChannels } from "./se.ts";

/**
 * The kernel of the shortcut's convolution where it has a stride (3 in SENet-154), or `pad`: no convolution, but every
 * stride-th position, and zeros for the channels that are new (option A of He et al., which the CIFAR networks have).
 * `average`: the mean of 2×2 positions, then a 1×1 convolution, so that none is left out (He, T. et al., arXiv 1812.01187).
 * `averagePad`: that mean, and zeros as in `pad`. `padEnd`: as `pad`, with all zeros behind the channels that are there.
 */
export type Projection = 1 | 3 | "pad" | "average" | "averagePad" | "padEnd";

export interface BlockOptions {
  /** Channels of the block's output. */
  readonly out: number;
  readonly stride: number;
  readonly se: SqueezeExcitation | undefined;
  /** What the shortcut does where the shape changes; default 1. */
  readonly projection?: Projection;
  /** Whether it does so even where the shape stays; default: no. */
  readonly projects?: boolean;
  /** Padding of the 3×3 convolutions; default: a pixel on every side. */
  readonly pad?: "same";
  /** What gamma of the branch's last batch norm begins with; default 1. With 0 a fresh block passes its shortcut on. */
  readonly lastGamma?: number;
  /** How often the branch is left out for a picture, when training (drop-path.ts); default: never. */
  readonly drop?: number;
  /** Between the layers and behind the sum, except within squeeze and excitation; default ReLU. */
  readonly act?: Activation;
}

export interface BasicOptions extends BlockOptions {
  /** Whether the branch ends in a ReLU, before the gate: so in timm's legacy SE-ResNets, and nowhere else. */
  readonly branchRelu?: boolean;
}

export interface BottleneckOptions extends BlockOptions {
  /** Channels of the first 1×1 convolution; default: the width. SENet-154 halves it. */
  readonly reduce?: number;
  /** Channels of the 3×3 convolution. */
  readonly width: number;
  /** Groups of the 3×3 convolution, the cardinality of a ResNeXt; default 1. */
  readonly groups?: number;
  /** So many convolutions side by side that the first 1×1 stands for, where its weight begins as theirs; default 1. */
  readonly paths?: number;
  /** Which convolution has the stride: the first 1×1 (the released SE-ResNets) or the 3×3 (all others). */
  readonly strideOn: "1x1" | "3x3";
}

/** A convolution and the batch norm that follows it: `conv1` and `bn1`. */
export function normed(scope: Scope, n: number, x: Value, options: ConvOptions, gamma?: number): Value {
  return batchNorm(scope.at(`bn${n}`), conv2d(scope.at(`conv${n}`), x, options), gamma === undefined ? {} : { gamma });
}

/** What both blocks end in: squeeze and excitation, the sum with the shortcut, the activation. */
function joinShortcut(scope: Scope, branch: Value, x: Value, options: BlockOptions): Value {
  const { out, stride, se, drop, projection = 1, projects = false, act = "relu" } = options;
  const isSame = !projects && stride === 1 && x.type.shape[1] === out;
  let sum: Value;
  if (isSame) sum = addShortcut(scope, branch, x, se, drop);
  else if (isPadding(projection)) sum = addPadded(scope, scaleChannels(scope, branch, se, drop), x, stride, projection);
  else sum = addShortcut(scope, branch, projected(scope.at("downsample"), x, out, stride, projection), se, drop);
  return activate(scope.at(act), sum, act);
}

/** The shortcut in the branch's shape. Its layers are numbered as in PyTorch's files, where the pooling is one of them. */
function projected(at: Scope, x: Value, out: number, stride: number, projection: 1 | 3 | "average"): Value {
  if (projection !== "average") {
    return batchNorm(at.at(1), conv2d(at.at(0), x, { out, kernel: stride === 1 ? 1 : projection, stride }));
  }
  const window = { kernel: stride, stride, pad: 0, ceil: true };
  const pooled = stride === 1 ? x : at.at(0).apply("avgPool", [x], window);
  return batchNorm(at.at(2), conv2d(at.at(1), pooled, { out, kernel: 1 }));
}

type PaddingProjection = "pad" | "averagePad" | "padEnd";
export const isPadding = (projection: Projection): projection is PaddingProjection =>
  typeof projection === "string" && projection !== "average";

/** Zeros beside the shortcut's channels: only some of the branch's channels have something to add. */
export function addPadded(scope: Scope, branch: Value, x: Value, stride: number, projection: PaddingProjection): Value {
  const at = scope.at("shortcut");
  const window = { stride, pad: 0, ceil: false };
  const kept =
    projection === "averagePad"
      ? at.at("average").apply("avgPool", [x], { kernel: stride, ...window })
      : stride === 1
        ? x
        : at.at("subsample").apply("maxPool", [x], { kernel: 1, ...window });
  const [out, channels] = [branch.type.shape[1]!, x.type.shape[1]!];
  if (out < channels) {
    throw new SenetError("shape", "a shortcut that is padded with zeros cannot lose channels", {
      where: scope.path,
      expected: `at most ${out} channels, as the block gives`,
      found: `${channels}`,
      hint: "a shortcut with a convolution can: projection 1",
    });
  }
  if (out === channels) return scope.at("sum").apply("add", [branch, kept], {});
  const before = projection === "padEnd" ? 0 : Math.floor((out - channels) / 2);
  const slice = (name: string, start: number, end: number): Value[] =>
    start === end ? [] : [at.at(name).apply("channelSlice", [branch], { start, length: end - start })];
  const middle = slice("middle", before, before + channels);
  const sum = scope.at("sum").apply("add", [...middle, kept], {});
  const parts = [...slice("before", 0, before), sum, ...slice("after", before + channels, out)];
  return scope.at("concat").apply("concat", parts, {});
}

/** Two 3×3 convolutions (ResNet-18, -34 and the CIFAR family); the stride is on the first. */
export function basicBlock(scope: Scope, x: Value, options: BasicOptions): Value {
  const { out, stride, branchRelu = false, lastGamma, act = "relu", ...rest } = options;
  const pad = rest.pad && { pad: rest.pad };
  const first = activate(scope.at(`${act}1`), normed(scope, 1, x, { out, kernel: 3, stride, ...pad }), act);
  const second = normed(scope, 2, first, { out, kernel: 3 }, lastGamma);
  return joinShortcut(scope, branchRelu ? activate(scope.at(`${act}2`), second, act) : second, x, options);
}

/** 1×1 reduce, 3×3, 1×1 increase (ResNet-50 and deeper, ResNeXts, SENet-154). */
export function bottleneck(scope: Scope, x: Value, options: BottleneckOptions): Value {
  const { out, width, reduce = width, groups = 1, stride, strideOn, lastGamma, act = "relu" } = options;
  const { paths = 1 } = options;
  const pad = options.pad && { pad: options.pad };
  const [stride1, stride2] = strideOn === "1x1" ? [stride, 1] : [1, stride];
  const first = activate(
    scope.at(`${act}1`),
    normed(scope, 1, x, { out: reduce, kernel: 1, stride: stride1, paths }),
    act,
  );
  const middle = normed(scope, 2, first, { out: width, kernel: 3, stride: stride2, groups, ...pad });
  const second = activate(scope.at(`${act}2`), middle, act);
  const branch = normed(scope, 3, second, { out, kernel: 1 }, lastGamma);
  return joinShortcut(scope, branch, x, options);
}
