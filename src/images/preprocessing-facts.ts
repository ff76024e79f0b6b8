/** Compares, converts and describes pre-processing, without pictures. */

import type { Normalization, Preprocessing, Resize } from "./preprocess.ts";

/** Compares by value, whatever the order of the fields. */
export function samePreprocessing(a: Preprocessing, b: Preprocessing): boolean {
  const valuesOf = ({ channels, scale, mean, std, resize, crop, interpolation, meanImage, byPicture }: Preprocessing) =>
    JSON.stringify([channels, scale, mean, std, resize, crop, interpolation, meanImage, byPicture]);
  return valuesOf(a) === valuesOf(b);
}

/** The normalisation for grey pictures: one mean and one deviation, averages of the colours'. */
export function asGrey<T extends Normalization>(spec: T): T {
  const middle = (values: readonly number[]) => {
    const value = Number(((values[0]! + values[1]! + values[2]!) / 3).toPrecision(12));
    return [value, value, value] as const;
  };
  return { ...spec, channels: "grey", mean: middle(spec.mean), std: middle(spec.std) };
}

/** A description: `256`, `256 by 256` or `their own size`. */
export const shownResize = (resize: Resize): string =>
  resize === "none" ? "their own size" : [resize].flat().join(" by ");

/** Encodes a mean image as text for a specification. */
export function encodeMeanImage(values: Float32Array): string {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
}
