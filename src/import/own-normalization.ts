/** Normalisation inside a network: wrappers that subtract a mean and divide by a deviation themselves. */

import type { Preprocessing } from "../images/preprocess.ts";
import type { Tensor } from "../tensor.ts";

export interface OwnNormalization extends Pick<Preprocessing, "scale" | "mean" | "std"> {
  /** Names of the tensors with the mean and deviation. */
  readonly names: readonly string[];
}

/** `0.mean` of a sequence, `normalizer.new_mean`, `data_preprocessor.mean`, `pixel_mean`. */
const meanName = /^((?:.*\.)?(?:new_|pixel_|image_|_)?)mean$/;

/** More than wrappers around wrappers have; beyond it a file only costs time. */
const mostNames = 32;

/**
 * The mean and deviation stored with a network, for each channel or for all. If there are several, they must be equal.
 * @returns undefined if there are none
 */
export function ownNormalization(tensors: ReadonlyMap<string, Tensor>): OwnNormalization | undefined {
  let found: OwnNormalization | undefined;
  for (const [name, tensor] of tensors) {
    const before = meanName.exec(name)?.[1];
    if (before === undefined) continue;
    const stdName = `${before}std`;
    const [mean, std] = [valuesOf(tensor), valuesOf(tensors.get(stdName))];
    if (mean === undefined || std === undefined || std.some((value) => value <= 0)) continue;
    // Values that are too large for pictures from 0 to 1 are meant for bytes.
    const scale = Math.max(...mean, ...std) > 4 ? 1 : 255;
    if (found !== undefined && found.names.length >= mostNames) return undefined;
    if (found !== undefined && `${[found.mean, found.std]}` !== `${[mean, std]}`) return undefined;
    found = { scale, mean, std, names: [...(found?.names ?? []), name, stdName] };
  }
  return found;
}

function valuesOf(tensor: Tensor | undefined): Preprocessing["mean"] | undefined {
  if (tensor?.data.length !== 1 && tensor?.data.length !== 3) return undefined;
  // Undoes float32's rounding: 0.485.
  const values = Array.from(tensor.data, (value) => Number(value.toPrecision(7)));
  const [first, second = first, third = first] = values;
  return values.every((value) => Number.isFinite(value)) ? [first!, second!, third!] : undefined;
}
