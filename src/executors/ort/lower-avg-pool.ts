/** Average pooling. */

import type { Value } from "../../ir/graph.ts";
import type { AvgPoolAttrs, PoolAttrs } from "../../ir/ops.ts";
import { axesOf, countsOf, overhangOf, pairOf } from "../../ir/window.ts";
import type { Shape } from "../../tensor.ts";
import { poolAttributes } from "./lower-pool.ts";
import type { Lowering, Rules } from "./rules.ts";

export const avgPoolRules: Rules<"avgPool"> = {
  avgPool: (l, { inputs, outputs, attrs }) => {
    const x = inputs[0]!;
    const y = outputs[0]!;
    // If padding does not count, both divide by the number of pixels.
    if (attrs.countPad === false) return [meanOf(l, x, y, attrs)];
    const mean = l.isPortable ? meanOfPadded(l, x, y, attrs) : meanOf(l, x, y, attrs);
    // ONNX divides by the whole window even if it overhangs the padded input; Caffe divides by the part inside.
    if (hasWholeWindows(x.type.shape, y.type.shape, attrs)) return [mean];
    const { shape, data } = windowShares(x.type.shape, y.type.shape, attrs);
    const [kernelHeight, kernelWidth] = pairOf(attrs.kernel);
    const corrections = data.map((share) => share * kernelHeight * kernelWidth);
    if (!l.isPortable) return [l.emit.node("Mul", [mean, l.emit.tensor(shape, corrections)])];
    const channels = y.type.shape[1]!;
    const all = new Float32Array(channels * corrections.length);
    for (let channel = 0; channel < channels; channel++) all.set(corrections, channel * corrections.length);
    return [l.emit.node("Mul", [mean, l.emit.tensor([1, channels, ...shape], all)])];
  },
};

/** The mean over each window. */
const meanOf = (l: Lowering, x: Value, y: Value, attrs: AvgPoolAttrs): string =>
  l.emit.node("AveragePool", [l.get(x)], avgPoolAttributes(x.type.shape, y.type.shape, attrs));

/** The same with an explicit Pad: OpenCV never counts padding, whatever the attribute says. */
function meanOfPadded(l: Lowering, x: Value, y: Value, attrs: PoolAttrs): string {
  const { pads, ...window } = poolAttributes(x.type.shape, y.type.shape, attrs);
  const [top, left, bottom, right] = pads.ints;
  const isPadded = pads.ints.some((pad) => pad > 0);
  const padded = isPadded
    ? l.emit.node("Pad", [l.get(x), l.emit.ints(0, 0, top, left, 0, 0, bottom, right)])
    : l.get(x);
  return l.emit.node("AveragePool", [padded], window);
}

export const avgPoolAttributes = (input: Shape, output: Shape, attrs: AvgPoolAttrs) => ({
  ...poolAttributes(input, output, attrs),
  count_include_pad: { int: attrs.countPad === false ? 0 : 1 },
});

/** Whether ONNX's divisor is right: no window that counts padding overhangs the padded input. */
export function hasWholeWindows(input: Shape, output: Shape, attrs: AvgPoolAttrs): boolean {
  if (attrs.countPad === false) return true;
  return axesOf(attrs).every((axis, i) => overhangOf(input[i + 2]!, output[i + 2]!, axis) <= axis.after);
}

/** The reciprocal of each window's divisor, `[OH,OW]`. */
export function windowShares(input: Shape, output: Shape, attrs: AvgPoolAttrs) {
  const counts = axesOf(attrs).map((axis, i) =>
    countsOf(input[i + 2]!, output[i + 2]!, axis, attrs.countPad ?? true),
  ) as [number[], number[]];
  const data = Float32Array.from(counts[0].flatMap((height) => counts[1].map((width) => 1 / (height * width))));
  return { shape: output.slice(2), data };
}
