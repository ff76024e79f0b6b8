/** Noise on pixels, and erased parts. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import { jitterFast } from "../kernels-augment.ts";
import { planesOf, roundHalfEven } from "../preprocess.ts";
import type { Box } from "../resize.ts";
import { between, color, meanColor, onPixels, onValues, range, rate } from "./step.ts";

export const pixelJitterSchema = z.strictObject({
  kind: z.literal("pixelJitter"),
  /** Noise is a whole number from −this to this, each equally likely. */
  amplitude: z._default(z.int().check(z.gte(0), z.lte(255)), 20),
});

/**
 * Adds to each byte a separate whole number from −amplitude to amplitude, clamped to 0 … 255. The numbers are a hash of
 * the byte's position, so that any part can be computed on its own.
 * @param keys 32 bits each
 */
export function jitterPixels(data: Uint8Array, amplitude: number, keys: readonly [number, number]): void {
  if (jitterFast(data, amplitude, keys)) return;
  const [key, second] = keys;
  const levels = 2 * amplitude + 1;
  for (let i = 0; i < data.length; i += 2) {
    // Two multiplications and three shifts spread every bit over all others (C. Wellons' hash prospector, 2018).
    let word = (Math.imul(i >>> 1, 0x9e3779b9) + key) | 0;
    word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15) ^ second, 0x735a2d97);
    word ^= word >>> 15;
    const low = data[i]! + (((word & 0xffff) * levels) >>> 16) - amplitude;
    data[i] = low < 0 ? 0 : low > 255 ? 255 : low;
    if (i + 1 === data.length) break;
    const high = data[i + 1]! + (((word >>> 16) * levels) >>> 16) - amplitude;
    data[i + 1] = high < 0 ? 0 : high > 255 ? 255 : high;
  }
}

const two32 = 2 ** 32;

export const pixelJitter = onPixels({
  schema: pixelJitterSchema,
  docs: "an independent uniform number for each pixel and channel (the authors of SENet, hujie-frank/SENet#38)",
  apply({ data }, { amplitude }, { random }) {
    jitterPixels(data, amplitude, [random.below(two32), random.below(two32)]);
  },
});

export const cutoutSchema = z.strictObject({
  kind: z.literal("cutout"),
  /** Side of the erased square, in pixels of the network's input. */
  side: z.int().check(z.gt(0)),
  probability: z._default(rate, 1),
  /** Default: the colour that becomes 0. */
  fill: z.optional(color),
});

export const cutout = onPixels({
  schema: cutoutSchema,
  docs: "a square of one colour, wholly inside (DeVries and Taylor, arXiv 1708.04552)",
  apply({ width, height, data }, { side, probability, fill }, { random, normalization }) {
    if (random.uniform() >= probability) return;
    const [columns, rows] = [Math.min(side, width), Math.min(side, height)];
    const left = random.below(width - columns + 1);
    const top = random.below(height - rows + 1);
    const bytes = fill ?? meanColor(normalization);
    for (let y = top; y < top + rows; y++) {
      for (let x = left; x < left + columns; x++) data.set(bytes, (y * width + x) * 3);
    }
  },
});

export const eraseModes = ["const", "rand", "pixel"] as const;

export const eraseSchema = z.strictObject({
  kind: z.literal("erase"),
  probability: z._default(rate, 0.25),
  /** Replacement: zeros, a normal random number per channel, or one per pixel and channel. */
  mode: z._default(z.enum(eraseModes), "pixel"),
  /** At most this many rectangles, which share the area. */
  count: z._default(z.int().check(z.gt(0), z.lte(100)), 1),
  /** Smallest and largest erased share of the input's area. */
  area: z._default(range(0, 1), [0.02, 1 / 3]),
  /** Ratio of height to width. */
  aspect: z._default(range(1e-3, 1e3), [0.3, 1 / 0.3]),
});

export type Erase = z.output<typeof eraseSchema>;

/** Draws the rectangles to erase, as timm's `RandomErasing` does. The same distribution, not the same draws. */
export function drawErased(size: number, step: Erase, random: Random): Box[] {
  if (random.uniform() >= step.probability) return [];
  const count = 1 + random.below(step.count);
  const logAspect = [Math.log(step.aspect[0]), Math.log(step.aspect[1])] as const;
  const boxes: Box[] = [];
  for (let i = 0; i < count; i++) {
    for (let attempt = 0; attempt < 10; attempt++) {
      const area = (between(step.area, random) * size * size) / count;
      const aspect = Math.exp(between(logAspect, random));
      const height = roundHalfEven(Math.sqrt(area * aspect));
      const width = roundHalfEven(Math.sqrt(area / aspect));
      if (width >= size || height >= size) continue;
      const top = random.below(size - height + 1);
      boxes.push({ left: random.below(size - width + 1), top, width, height });
      break;
    }
  }
  return boxes;
}

export const erase = onValues({
  schema: eraseSchema,
  docs: "random erasing after normalisation (Zhong et al., arXiv 1708.04896, and timm)",
  apply(values, step, { random, size, normalization }) {
    const planes = planesOf(normalization);
    for (const { left, top, width, height } of drawErased(size, step, random)) {
      for (let plane = 0; plane < planes; plane++) {
        const same = step.mode === "rand" ? random.normal() : 0;
        for (let y = top; y < top + height; y++) {
          const start = (plane * size + y) * size + left;
          const row = values.subarray(start, start + width);
          if (step.mode === "pixel") for (let x = 0; x < width; x++) row[x] = random.normal();
          else row.fill(same);
        }
      }
    }
  },
});
