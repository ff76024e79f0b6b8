/** Normalisation inside a network, which subtracts a mean from its pictures and divides by a deviation itself. */

import type { Normalization } from "../images/preprocess.ts";
import type { Tensor } from "../tensor.ts";

export type MeanAndDeviation = Pick<Normalization, "scale" | "mean" | "std">;

export interface OwnNormalization extends MeanAndDeviation {
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
    const own = normalizationBy(valuesOf(tensor), valuesOf(tensors.get(stdName)));
    if (own === undefined) continue;
    if (found !== undefined && found.names.length >= mostNames) return undefined;
    if (found !== undefined && `${[found.mean, found.std]}` !== `${[own.mean, own.std]}`) return undefined;
    found = { ...own, names: [...(found?.names ?? []), name, stdName] };
  }
  return found;
}

/** The values, without float32's rounding: 0.485. */
function valuesOf(tensor: Tensor | undefined): readonly number[] {
  const isFew = tensor !== undefined && tensor.data.length <= 3;
  return isFew ? Array.from(tensor.data, (value) => Number(value.toPrecision(7))) : [];
}

/**
 * Normalisation by these numbers, each one for all channels or three.
 * @returns undefined if no pre-processing can do that
 */
export function normalizationBy(mean: readonly number[], std: readonly number[]): MeanAndDeviation | undefined {
  const [means, deviations] = [threeOf(mean), threeOf(std)];
  if (means === undefined || deviations === undefined) return undefined;
  if (![...means, ...deviations].every(Number.isFinite) || Math.min(...deviations) <= 0) return undefined;
  // Values that are too large for pictures from 0 to 1 are meant for bytes.
  return { scale: Math.max(...means, ...deviations) > 4 ? 1 : 255, mean: means, std: deviations };
}

function threeOf(values: readonly number[]): Normalization["mean"] | undefined {
  const [first, second = first, third = first] = values;
  return values.length === 1 || values.length === 3 ? [first!, second!, third!] : undefined;
}
