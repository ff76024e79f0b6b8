/** Similarity of two pictures by their grey values, whatever their sizes. */

import { type Picture, resize } from "./resize.ts";

/** Side of the reduced picture in pixels. */
const sketchSide = 24;
/** A smaller standard deviation (of 255) counts as uniform grey. */
const leastDeviation = 1;
/** Largest difference between similar uniform pictures. */
const mostDifference = 2;

/** The picture reduced to `[24 · 24]` greys, 0 to 255. */
export function greysOf(picture: Picture): Float64Array {
  const { data } = resize(picture, sketchSide, sketchSide, "bilinear");
  return Float64Array.from(
    { length: sketchSide * sketchSide },
    (_, i) => 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!,
  );
}

/** Correlation of two pictures' greys, −1 to 1; independent of brightness and contrast. */
export function likenessOf(a: Float64Array, b: Float64Array): number {
  const [ofA, ofB] = [momentsOf(a), momentsOf(b)];
  if (ofA.deviation < leastDeviation || ofB.deviation < leastDeviation) {
    const isFlat = ofA.deviation < leastDeviation && ofB.deviation < leastDeviation;
    return isFlat && Math.abs(ofA.mean - ofB.mean) <= mostDifference ? 1 : 0;
  }
  const product = a.reduce((sum, value, i) => sum + (value - ofA.mean) * (b[i]! - ofB.mean), 0) / a.length;
  return product / (ofA.deviation * ofB.deviation);
}

function momentsOf(values: Float64Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square) };
}
