/** Heat maps of what counts in a picture, and how to draw them. */

import type { Picture } from "../images/resize.ts";

/** How much each position of the network's input speaks for a class; negative values speak against it. */
export interface Heat {
  readonly width: number;
  readonly height: number;
  /** `values[y · width + x]` */
  readonly values: Float32Array;
}

/**
 * Resizes a map, linearly between the centres of its cells and constant beyond the outermost ones, like PyTorch's
 * `interpolate(mode="bilinear", align_corners=False)`.
 */
export function enlarged({ width, height, values }: Heat, wide: number, high: number): Heat {
  const columns = neighbours(width, wide);
  const rows = neighbours(height, high);
  const result = new Float32Array(wide * high);
  rows.forEach(([top, bottom, down], y) => {
    columns.forEach(([left, right, across], x) => {
      const row = (start: number) =>
        values[start * width + left]! * (1 - across) + values[start * width + right]! * across;
      result[y * wide + x] = row(top) * (1 - down) + row(bottom) * down;
    });
  });
  return { width: wide, height: high, values: result };
}

/** For each position of the new axis, the two old ones around it and the distance from the first. */
const neighbours = (from: number, to: number) =>
  Array.from({ length: to }, (_, i): [number, number, number] => {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const first = Math.floor(at);
    return [first, Math.min(from - 1, first + 1), at - first];
  });

/** The quantile of a map that is shown as the maximum. */
const brightest = 0.99;

/**
 * The positive part, scaled to 0 … 1 and clipped at the highest hundredth, so that a single position does not darken
 * the rest.
 */
export function shares({ values }: Heat): Float32Array {
  const sorted = Float32Array.from(values).sort();
  const top = sorted[Math.floor(brightest * (sorted.length - 1))]!;
  const most = top > 0 ? top : sorted.at(-1)!;
  return values.map((value) => (most > 0 ? Math.min(1, Math.max(0, value / most)) : 0));
}

/** Colours from nothing to most, of increasing brightness, so that they also read in grey. */
const ramp = [
  [13, 8, 84],
  [126, 3, 168],
  [204, 71, 120],
  [248, 149, 64],
  [240, 249, 33],
] as const;

function colour(share: number): readonly [number, number, number] {
  const at = share * (ramp.length - 1);
  const [from, to] = [ramp[Math.floor(at)]!, ramp[Math.ceil(at)]!];
  const part = at - Math.floor(at);
  return [0, 1, 2].map((i) => from[i]! + (to[i]! - from[i]!) * part) as [number, number, number];
}

/** How much of the picture shows through at the lowest and at the highest values of the map. */
const through = { least: 0.35, most: 0.75 };

/** The picture in grey with the map's colours over it. */
export function overlaid(picture: Picture, heat: Heat): Picture {
  const { width, height, data } = picture;
  const share = shares(enlarged(heat, width, height));
  const result = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const grey = 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!;
    const shown = through.most - (through.most - through.least) * share[i]!;
    colour(share[i]!).forEach((value, c) => {
      result[3 * i + c] = Math.round(shown * grey + (1 - shown) * value);
    });
  }
  return { width, height, data: result };
}
