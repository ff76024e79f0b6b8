/**
 * Squeeze and excitation (Hu, Shen, Albanie, Sun, Wu: arXiv 1709.01507, section 3).
 *
 * A convolution mixes channels only within its small window. The SE block lets the whole picture decide how much each
 * channel counts:
 *
 *     squeeze      z = mean of each channel over all positions           [N,C,H,W] → [N,C,1,1]   (eq. 2)
 *     excitation   s = sigmoid(W2 · relu(W1 · z))                        C → C/r → C             (eq. 3)
 *     scale        each channel of the branch times its gate s           [N,C,1,1] × [N,C,H,W]   (eq. 4)
 *
 * In a residual network the scaled branch is then added to the shortcut. The authors fused the two into one layer,
 * Axpy, since each alone is a pass over memory with almost no arithmetic; here it is one operation, `seScaleAdd`.
 */

import type { Value } from "../ir/graph.ts";
import { dropPath } from "./drop-path.ts";
import { conv2d, relu } from "./layers.ts";
import type { Scope } from "./scope.ts";

export interface SqueezeExcitation {
  /** The paper's r: the hidden layer has C/r units. 16 in every released model. */
  readonly reduction: number;
  /** The two layers have biases in the released models, but not in the paper's ablations (docs/networks.md, trap 5). */
  readonly bias: boolean;
  /** Units of the hidden layer, if not C/reduction: timm and others round to a multiple of eight. */
  readonly hidden?: number;
  /** Whether the ReLU between the two layers is missing, as by mistake in tensorpack until 27 August 2017. */
  readonly linear?: boolean;
}

/** Units of the hidden layer of a gate for `channels` channels. */
export const hiddenOf = (channels: number, { reduction, hidden }: SqueezeExcitation): number =>
  hidden ?? Math.max(1, Math.floor(channels / reduction));

/** The gate of each channel of `branch`, between 0 and 1: `[N,C,H,W] → [N,C,1,1]`. */
export function gate(scope: Scope, branch: Value, se: SqueezeExcitation): Value {
  const { bias } = se;
  const channels = branch.type.shape[1]!;
  const squeezed = scope.at("squeeze").tagged("se.squeeze").apply("globalAvgPool", [branch], {});
  // On a single position, a 1×1 convolution equals a fully connected layer; the released files store it as one.
  const hidden = conv2d(scope.at("fc1"), squeezed, { out: hiddenOf(channels, se), kernel: 1, bias, part: "gate" });
  const between = se.linear ? hidden : relu(scope.at("relu"), hidden);
  const excited = conv2d(scope.at("fc2"), between, { out: channels, kernel: 1, bias, part: "gate" });
  return scope.at("gate").tagged("se.gate").apply("sigmoid", [excited], {});
}

/**
 * The end of a residual block: `gate(branch) · branch + shortcut`, or the plain sum without `se`.
 * @param drop probability of dropping the branch for a picture (drop-path.ts)
 */
export function addShortcut(
  scope: Scope,
  branch: Value,
  shortcut: Value,
  se: SqueezeExcitation | undefined,
  drop: number = 0,
): Value {
  const factor = factorOf(scope, branch, se, drop);
  if (factor === undefined) return scope.at("sum").apply("add", [branch, shortcut], {});
  return scope.at("axpy").apply("seScaleAdd", [factor, branch, shortcut], {});
}

/** For blocks without a shortcut (SE-BN-Inception): `gate(x) · x`, or `x` itself without `se`. @param drop as above */
export function scaleChannels(scope: Scope, x: Value, se: SqueezeExcitation | undefined, drop: number = 0): Value {
  const factor = factorOf(scope, x, se, drop);
  return factor === undefined ? x : scope.at("scale").apply("seScale", [factor, x], {});
}

/** The factor of each channel; `undefined`: none. */
function factorOf(scope: Scope, branch: Value, se: SqueezeExcitation | undefined, drop: number): Value | undefined {
  return dropPath(scope.at("drop_path"), branch, se && gate(scope.at("se"), branch, se), drop);
}
