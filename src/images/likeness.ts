/** How alike two pictures are, whatever their sizes: by their greys, from near. */

import { type Picture, resize } from "./resize.ts";

/** Pixels of a side. */
const SIDE = 24;
/** Of 255: less is one grey all over. */
const LEAST_DEVIATION = 1;
/** Pictures of one grey are alike where their greys are. */
const MOST_DIFFERENCE = 2;

/** The picture in small, `[24 · 24]`, 0 to 255. */
export function greysOf(picture: Picture): Float64Array {
  const { data } = resize(picture, SIDE, SIDE, "bilinear");
  return Float64Array.from(
    { length: SIDE * SIDE },
    (_, i) => 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!,
  );
}

/** The correlation of two pictures' greys, −1 to 1: more or less light and contrast do not change it. */
export function likenessOf(a: Float64Array, b: Float64Array): number {
  const [ofA, ofB] = [momentsOf(a), momentsOf(b)];
  if (ofA.deviation < LEAST_DEVIATION || ofB.deviation < LEAST_DEVIATION) {
    const isFlat = ofA.deviation < LEAST_DEVIATION && ofB.deviation < LEAST_DEVIATION;
    return isFlat && Math.abs(ofA.mean - ofB.mean) <= MOST_DIFFERENCE ? 1 : 0;
  }
  const product = a.reduce((sum, value, i) => sum + (value - ofA.mean) * (b[i]! - ofB.mean), 0) / a.length;
  return product / (ofA.deviation * ofB.deviation);
}

function momentsOf(values: Float64Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square) };
}
