/**
 * Pre-activation residual blocks, whose batch norms and ReLUs come before the convolutions (He, Zhang, Ren, Sun:
 * Identity mappings in deep residual networks, arXiv 1603.05027). Nothing follows the sum, so the shortcut passes
 * through all blocks unchanged.
 */

import type { Value } from "../ir/graph.ts";
import { addPadded } from "./blocks.ts";
import { batchNorm, type ConvOptions, conv2d, relu } from "./layers.ts";
import type { Scope } from "./scope.ts";
import { addShortcut, type SqueezeExcitation, scaleChannels } from "./se.ts";

export interface PreactOptions {
  readonly block: "basic" | "bottleneck";
  /** Channels of the block's output, and of a bottleneck's 3×3 convolution. */
  readonly out: number;
  readonly width: number;
  readonly stride: number;
  readonly strideOn: "1x1" | "3x3";
  readonly se: SqueezeExcitation | undefined;
  /** Probability of dropping the branch for a picture in training (drop-path.ts). */
  readonly drop: number;
  /** Whether the input is already normalised and activated; the block then has no first batch norm. */
  readonly isActive: boolean;
  /** Whether to project the shortcut even if the shape stays the same. */
  readonly projects: boolean;
  /**
   * What a projected shortcut starts from: the input, the activated input that the branch uses, or a batch norm of its
   * own.
   */
  readonly shortcut: "raw" | "activated" | "own";
  /** A 1×1 convolution, or zeros after the existing channels. */
  readonly projection: 1 | "padEnd";
  /** Whether the branch's convolutions have biases. */
  readonly bias: boolean;
  /** Padding of the 3×3 convolutions; default: one pixel on every side. */
  readonly pad?: "same";
}

const normedRelu = (scope: Scope, n: number | string, x: Value): Value =>
  relu(scope.at(`relu${n}`), batchNorm(scope.at(`bn${n}`), x));

/** `bn1`, ReLU, `conv1`, ...; then squeeze and excitation of the last convolution's output, and the sum. */
export function preactBlock(scope: Scope, x: Value, options: PreactOptions): Value {
  const { out, stride, se, drop, isActive, projects, shortcut, projection } = options;
  const active = isActive ? x : normedRelu(scope, 1, x);
  const branch = convolutionsOf(options).reduce((y, convolution, i) => {
    const input = i === 0 ? y : normedRelu(scope, i + 1, y);
    return conv2d(scope.at(`conv${i + 1}`), input, { ...convolution, bias: options.bias });
  }, active);
  if (!projects && stride === 1 && x.type.shape[1] === out) return addShortcut(scope, branch, x, se, drop);
  const at = scope.at("downsample");
  const from = { raw: () => x, activated: () => active, own: () => normedRelu(at, "", x) }[shortcut]();
  if (projection === "padEnd")
    return addPadded(scope, scaleChannels(scope, branch, se, drop), from, stride, projection);
  return addShortcut(scope, branch, conv2d(at.at(0), from, { out, kernel: 1, stride }), se, drop);
}

function convolutionsOf({ block, out, width, stride, strideOn, pad }: PreactOptions): readonly ConvOptions[] {
  const padding = pad && { pad };
  if (block === "basic") {
    return [
      { out, kernel: 3, stride, ...padding },
      { out, kernel: 3, ...padding },
    ];
  }
  const [first, second] = strideOn === "1x1" ? [stride, 1] : [1, stride];
  return [
    { out: width, kernel: 1, stride: first },
    { out: width, kernel: 3, stride: second, ...padding },
    { out, kernel: 1 },
  ];
}
