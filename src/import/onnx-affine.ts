/** Arithmetic on the picture before an ONNX network's first layer: normalisation that the graph does itself. */

import type { Tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import type { Affine, Flow, Step } from "./onnx-step.ts";
import { type MeanAndDeviation, normalizationBy } from "./own-normalization.ts";

/** The picture, plus, minus, times or divided by constants for its channels; undefined for anything else. */
export function onPicture(step: Step, op: "Add" | "Sub" | "Mul" | "Div"): Flow | undefined {
  const values = [step.value(0), step.value(1)] as const;
  const at = values[0].kind === "flow" ? 0 : 1;
  const [flow, constant] = [values[at], values[1 - at]!];
  if (flow.kind !== "flow" || constant.kind !== "constant" || flow.layer !== inputName) return undefined;
  const { pad, beside, every, made, isFlat, isChannelsLast = false } = flow;
  const isPlain = pad === undefined && beside === undefined && every === undefined && made === undefined && !isFlat;
  // A constant minus the picture is no normalisation.
  if (!isPlain || (at === 1 && (op === "Sub" || op === "Div"))) return undefined;
  const numbers = perChannel(constant.tensor, step.shape(flow)[1]!, isChannelsLast);
  if (numbers === undefined) return undefined;
  const { scale, shift } = flow.affine ?? { scale: numbers.map(() => 1), shift: numbers.map(() => 0) };
  const applied = {
    Add: { scale, shift: shift.map((b, i) => b + numbers[i]!) },
    Sub: { scale, shift: shift.map((b, i) => b - numbers[i]!) },
    Mul: { scale: scale.map((a, i) => a * numbers[i]!), shift: shift.map((b, i) => b * numbers[i]!) },
    Div: { scale: scale.map((a, i) => a / numbers[i]!), shift: shift.map((b, i) => b / numbers[i]!) },
  };
  return { ...flow, affine: applied[op] };
}

/** A number for each channel: one for all, or as many, on the axis of the channels. */
function perChannel({ shape, data }: Tensor, channels: number, isLast: boolean): readonly number[] | undefined {
  if (data.length === 1) return new Array<number>(channels).fill(data[0]!);
  const fromEnd = shape.length - shape.indexOf(channels);
  return data.length === channels && fromEnd === (isLast ? 1 : 3) ? Array.from(data) : undefined;
}

/** The mean and deviation of `x · scale + shift`; undefined if no pre-processing can do that. */
export function normalizationOf({ scale, shift }: Affine): MeanAndDeviation | undefined {
  // Undoes the rounding of float32 and of the division: 0.485; and no -0.
  const rounded = (value: number) => Number(value.toPrecision(6)) + 0;
  return normalizationBy(
    scale.map((a, i) => rounded(-shift[i]! / a)),
    scale.map((a) => rounded(1 / a)),
  );
}
