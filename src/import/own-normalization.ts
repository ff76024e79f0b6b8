/** Normalisation inside a network: wrappers that subtract a mean and divide by a deviation themselves. */

import type { Preprocessing } from "../images/preprocess.ts";
import type { Tensor } from "../tensor.ts";

export interface OwnNormalization extends Pick<Preprocessing, "scale" | "mean" | "std"> {
  /** The tensors that say it. */
  readonly names: readonly string[];
}

/** `0.mean` of a sequence, `normalizer.new_mean`, `data_preprocessor.mean`, `pixel_mean`. */
const meanName = /^(.*?(?:^|\.))((?:new_|pixel_|image_|_)?)mean$/;

/**
 * The mean and the deviation that a file has beside its network, of each channel or of all. Where there are several, they
 * have to be the same.
 * @returns undefined where there is none
 */
export function ownNormalization(tensors: ReadonlyMap<string, Tensor>): OwnNormalization | undefined {
  let found: OwnNormalization | undefined;
  for (const [name, tensor] of tensors) {
    const [, place = "", mark = ""] = meanName.exec(name) ?? [];
    const stdName = `${place}${mark}std`;
    const [mean, std] = [valuesOf(tensor), valuesOf(tensors.get(stdName))];
    if (!meanName.test(name) || mean === undefined || std === undefined || std.some((value) => value <= 0)) continue;
    // Beyond what pictures from 0 to 1 have, they are of bytes.
    const scale = Math.max(...mean, ...std) > 4 ? 1 : 255;
    if (found !== undefined && `${[found.mean, found.std]}` !== `${[mean, std]}`) return undefined;
    found = { scale, mean, std, names: [...(found?.names ?? []), name, stdName] };
  }
  return found;
}

function valuesOf(tensor: Tensor | undefined): Preprocessing["mean"] | undefined {
  // As it was meant: 0.485, of which float32 has another number.
  const values = Array.from(tensor?.data ?? [], (value) => Number(value.toPrecision(7)));
  const [first, second = first, third = first] = values;
  const isSound = (values.length === 1 || values.length === 3) && values.every((value) => Number.isFinite(value));
  return isSound ? [first!, second!, third!] : undefined;
}
