/** Residual blocks: a branch of convolutions, squeeze and excitation, the sum with the shortcut, ReLU. */

import { SenetError } from "../errors.ts";
import type { Value } from "../ir/graph.ts";
import { type Activation, activate, batchNorm, type ConvOptions, conv2d } from "./layers.ts";
import type { Scope } from "./scope.ts";
import { addShortcut, type SqueezeExcitation, scaleChannels } from "./se.ts";

/**
 * How a shortcut changes shape. 1 or 3: a convolution with this kernel (3 in SENet-154, where it has a stride). `pad`:
 * every stride-th position, and zeros for new channels (option A of He et al., in CIFAR networks). `average`: the mean
 * of 2×2 positions, then a 1×1 convolution, so that no position is skipped (He, T. et al., arXiv 1812.01187).
 * `averagePad`: that mean, with zeros as in `pad`. `padEnd`: like `pad`, with all zeros after the existing channels.
 */
export type Projection = 1 | 3 | "pad" | "average" | "averagePad" | "padEnd";

export interface BlockOptions {
  /** Channels of the block's output. */
  readonly out: number;
  readonly stride: number;
  readonly se: SqueezeExcitation | undefined;
  /** How the shortcut changes shape; default 1. */
  readonly projection?: Projection;
  /** Whether to project even if the shape stays the same; default: no. */
  readonly projects?: boolean;
  /** Padding of the 3×3 convolutions; default: one pixel on every side. */
  readonly pad?: "same";
  /** Initial gamma of the branch's last batch norm; default 1. With 0, a fresh block passes on its shortcut. */
  readonly lastGamma?: number;
  /** Probability of dropping the branch for a picture in training (drop-path.ts); default 0. */
  readonly drop?: number;
  /** Activation between layers and after the sum, but not inside squeeze and excitation; default ReLU. */
  readonly act?: Activation;
}

export interface BasicOptions extends BlockOptions {
  /** Whether the branch ends in a ReLU before the gate, as only in timm's legacy SE-ResNets. */
  readonly branchRelu?: boolean;
}

export interface BottleneckOptions extends BlockOptions {
  /** Channels of the first 1×1 convolution; default: the width. SENet-154 halves it. */
  readonly reduce?: number;
  /** Channels of the 3×3 convolution. */
  readonly width: number;
  /** Groups of the 3×3 convolution, the cardinality of a ResNeXt; default 1. */
  readonly groups?: number;
  /** The first 1×1 convolution stands for this many parallel ones, and is initialised as they would be; default 1. */
  readonly paths?: number;
  /** The convolution with the stride: the first 1×1 (the released SE-ResNets) or the 3×3 (all others). */
  readonly strideOn: "1x1" | "3x3";
}

/** A convolution followed by a batch norm: `conv1` and `bn1`. */
export function normed(scope: Scope, n: number, x: Value, options: ConvOptions, gamma?: number): Value {
  return batchNorm(scope.at(`bn${n}`), conv2d(scope.at(`conv${n}`), x, options), gamma === undefined ? {} : { gamma });
}

/** The end of both blocks: squeeze and excitation, the sum with the shortcut, the activation. */
function joinShortcut(scope: Scope, branch: Value, x: Value, options: BlockOptions): Value {
  const { out, stride, se, drop, projection = 1, projects = false, act = "relu" } = options;
  const isSame = !projects && stride === 1 && x.type.shape[1] === out;
  let sum: Value;
  if (isSame) sum = addShortcut(scope, branch, x, se, drop);
  else if (isPadding(projection)) sum = addPadded(scope, scaleChannels(scope, branch, se, drop), x, stride, projection);
  else sum = addShortcut(scope, branch, projected(scope.at("downsample"), x, out, stride, projection), se, drop);
  return activate(scope.at(act), sum, act);
}

/** The shortcut in the branch's shape. Layers are numbered as in PyTorch's files, where the pooling counts as one. */
function projected(at: Scope, x: Value, out: number, stride: number, projection: 1 | 3 | "average"): Value {
  if (projection !== "average") {
    return batchNorm(at.at(1), conv2d(at.at(0), x, { out, kernel: stride === 1 ? 1 : projection, stride }));
  }
  const window = { kernel: stride, stride, pad: 0, ceil: true };
  const pooled = stride === 1 ? x : at.at(0).apply("avgPool", [x], window);
  return batchNorm(at.at(2), conv2d(at.at(1), pooled, { out, kernel: 1 }));
}

type PaddingProjection = "pad" | "averagePad" | "padEnd";
const isPadding = (projection: Projection): projection is PaddingProjection =>
  typeof projection === "string" && projection !== "average";

/** Pads the shortcut with zero channels: only some of the branch's channels get a shortcut. */
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
