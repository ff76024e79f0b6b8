/** Maps of what counts in a picture, and how people are shown them. */

import type { Picture } from "../images/resize.ts";

/** How much each place of the network's input speaks for a class; below 0, against it. */
export interface Heat {
  readonly width: number;
  readonly height: number;
  /** `values[y · width + x]` */
  readonly values: Float32Array;
}

/**
 * A map at another size, linear between the middles of its places and constant beyond the outermost ones, as
 * `interpolate(mode="bilinear", align_corners=False)` of PyTorch has it.
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

/** For each place of the new axis the two of the old one around it, and how far it is from the first. */
const neighbours = (from: number, to: number) =>
  Array.from({ length: to }, (_, i): [number, number, number] => {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const first = Math.floor(at);
    return [first, Math.min(from - 1, first + 1), at - first];
  });

/** The part of a map below what is shown as most. */
const brightest = 0.99;

/** What speaks for the class, from 0 to 1, which the highest hundredth reaches: a single place must not darken the rest. */
export function shares({ values }: Heat): Float32Array {
  const sorted = Float32Array.from(values).sort();
  const top = sorted[Math.floor(brightest * (sorted.length - 1))]!;
  const most = top > 0 ? top : sorted.at(-1)!;
  return values.map((value) => (most > 0 ? Math.min(1, Math.max(0, value / most)) : 0));
}

/** From nothing to much, brighter at each step, so that it reads in grey too. */
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

/** How much of the picture shows through where the map says nothing, and where it says most. */
const through = { least: 0.35, most: 0.75 };

/** The picture, in grey, under the map's colours. */
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
