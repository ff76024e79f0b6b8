/** Checks pre-processing that came from an option. */

import {
  decodeMeanImage,
  largestMean,
  largestStd,
  type Normalization,
  type Preprocessing,
  smallestStd,
  unusable,
} from "./preprocess.ts";
import { interpolations } from "./resize.ts";

/**
 * Replaces what is given. A mean also replaces the mean image and normalisation by picture, which would take its place.
 * @throws SenetError `usage` naming the field that cannot be used
 */
export function overridden(spec: Preprocessing, given: Partial<Preprocessing>): Preprocessing {
  const { meanImage: _, byPicture: __, ...byChannel } = spec;
  const result = { ...(given.mean === undefined ? spec : byChannel), ...given };
  checkPreprocessing(result);
  return result;
}

/**
 * Checks a specification from a file or an option.
 * @throws SenetError `usage` naming the field
 */
export function checkPreprocessing(spec: Preprocessing): void {
  checkNormalization(spec);
  const { resize, crop, meanImage } = spec;
  if (resize !== "none") for (const side of [resize].flat()) checkSize("resize", side);
  checkSize("crop", crop);
  checkInterpolation(spec.interpolation);
  if (meanImage !== undefined && spec.byPicture !== undefined) unusable("meanImage", "none beside byPicture", "one");
  if (meanImage !== undefined && spec.channels === "grey") unusable("meanImage", "none for grey pictures", "one");
  if (meanImage !== undefined && decodeMeanImage(meanImage).length !== 3 * crop * crop) {
    unusable("meanImage", `a mean for each pixel of the crop: 3 times ${crop} by ${crop}`, "of another size");
  }
}

export function checkNormalization({ channels, scale, mean, std, byPicture }: Normalization): void {
  if (byPicture !== undefined && !(byPicture >= smallestStd && byPicture <= largestStd)) {
    unusable("byPicture", `a number between ${smallestStd} and ${largestStd}`, byPicture);
  }
  if (!["rgb", "bgr", "grey"].includes(channels)) unusable("channels", '"rgb", "bgr" or "grey"', channels);
  if (scale !== 255 && scale !== 1) unusable("scale", "255 or 1", scale);
  if (mean.length !== 3 || !mean.every((value) => Math.abs(value) <= largestMean)) {
    unusable("mean", `three numbers between -${largestMean} and ${largestMean}`, mean);
  }
  if (std.length !== 3 || !std.every((value) => value >= smallestStd && value <= largestStd)) {
    unusable("std", `three numbers between ${smallestStd} and ${largestStd}`, std);
  }
}

export function checkSize(field: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value > 65_535) unusable(field, "a whole number from 1 to 65535", value);
}

function checkInterpolation(value: string): void {
  if (!(interpolations as readonly string[]).includes(value)) {
    unusable("interpolation", interpolations.map((name) => `"${name}"`).join(", "), value);
  }
}
