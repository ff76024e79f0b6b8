/** OpenCV's `warpAffine` on bytes, and MXNet's augmentation by one such warp. */

import * as z from "../../schema.ts";
import type { AffineMap, Color } from "../affine.ts";
import { shorterSideTo } from "../preprocess.ts";
import { type Box, type Picture, resize } from "../resize.ts";
import { wholeOf } from "../view.ts";
import { between, color, type Placed, placing, range, rate, squareBytes } from "./step.ts";

/** OpenCV's sub-pixel positions; also the fixed point of its coordinates and weights. */
const places = 32;
const placeBits = 10;
const weightBits = 15;

/**
 * A window of `cv2.warpAffine(picture, map, flags=INTER_LINEAR, borderValue=fill)`, bit for bit: linear between the
 * nearest pixels, at multiples of 1/32. No antialiasing.
 * @param map from the result to the picture, in OpenCV's coordinates, in which pixel centres are whole numbers
 */
export function warpOpenCv(picture: Picture, map: AffineMap, window: Box, fill: Color, into: Uint8Array): Picture {
  const { width, height, data } = picture;
  const scale = 1 << placeBits;
  const half = scale / places / 2;
  for (let v = 0, out = 0; v < window.height; v++) {
    const line = window.top + v;
    const x0 = roundEven((map.b * line + map.c) * scale) + half;
    const y0 = roundEven((map.e * line + map.f) * scale) + half;
    for (let u = 0; u < window.width; u++, out += 3) {
      const column = window.left + u;
      const x = (x0 + roundEven(map.a * column * scale)) >> (placeBits - 5);
      const y = (y0 + roundEven(map.d * column * scale)) >> (placeBits - 5);
      const left = x >> 5;
      const top = y >> 5;
      const [fx, fy] = [x & (places - 1), y & (places - 1)];
      // Products of thirty-seconds are 1,024ths, which are exact in 15 bits.
      const weights = [(places - fx) * (places - fy), fx * (places - fy), (places - fx) * fy, fx * fy] as const;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 1 << (weightBits - 1);
        for (let corner = 0; corner < 4; corner++) {
          const px = left + (corner & 1);
          const py = top + (corner >> 1);
          const isWithin = px >= 0 && px < width && py >= 0 && py < height;
          sum += (isWithin ? data[3 * (py * width + px) + channel]! : fill[channel]!) * weights[corner]! * 32;
        }
        into[out + channel] = sum >> weightBits;
      }
    }
  }
  return { width: window.width, height: window.height, data: into };
}

/** C's `lrint`. */
function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

export const warpSchema = z.strictObject({
  kind: z.literal("warp"),
  /** Shorter side to resize pictures to first, as in MXNet's records; default: no resizing. */
  resize: z.optional(z.int().check(z.gt(0), z.lte(65_535))),
  /** Smallest and largest scale of the whole picture. */
  scale: z._default(range(0.01, 10), [1, 1]),
  /** Largest change of the aspect ratio, in either direction. */
  aspect: z._default(z.number().check(z.gte(0), z.lt(1)), 0),
  /** Largest rotation in whole degrees, in either direction. */
  rotate: z._default(z.int().check(z.gte(0), z.lte(180)), 0),
  shear: z._default(z.number().check(z.gte(0), z.lte(1)), 0),
  /** Colour outside the picture. */
  fill: z._default(color, [127, 127, 127]),
  mirror: z._default(rate, 0.5),
});

/** The random choices of a warp. */
export interface DrawnWarp {
  readonly shear: number;
  readonly degrees: number;
  readonly scale: number;
  /** Ratio of the vertical to the horizontal scale. */
  readonly ratio: number;
}

/** Size of the warped picture, and the map to it, `[m00, m01, m02, m10, m11, m12]`, in OpenCV's form. */
export function warpOf(
  { width, height }: Pick<Picture, "width" | "height">,
  { shear, degrees, scale, ratio }: DrawnWarp,
): { readonly width: number; readonly height: number; readonly matrix: readonly number[] } {
  const f = Math.fround;
  const cos = Math.cos((degrees / 180) * Math.PI);
  const sin = Math.sin((degrees / 180) * Math.PI);
  const horizontal = (2 * scale) / (1 + ratio);
  const vertical = ratio * horizontal;
  const m00 = f(horizontal * cos - shear * sin * vertical);
  const m01 = f(horizontal * sin + shear * cos * vertical);
  const m10 = f(-sin * vertical);
  const m11 = f(cos * vertical);
  // Both pictures' centres coincide.
  const m02 = f((scale * width - (m00 * width + m01 * height)) / 2);
  const m12 = f((scale * height - (m10 * width + m11 * height)) / 2);
  return {
    width: Math.trunc(scale * width),
    height: Math.trunc(scale * height),
    matrix: [m00, m01, m02, m10, m11, m12],
  };
}

/** Inverts a map as OpenCV does. */
export function inverted(matrix: readonly number[]): AffineMap {
  const [m00, m01, m02, m10, m11, m12] = matrix as [number, number, number, number, number, number];
  const determinant = m00 * m11 - m01 * m10;
  const by = determinant === 0 ? 0 : 1 / determinant;
  const a = m11 * by;
  const e = m00 * by;
  const b = m01 * -by;
  const d = m10 * -by;
  return { a, b, c: -a * m02 - b * m12, d, e, f: -d * m02 - e * m12 };
}

export const warp = placing({
  schema: warpSchema,
  docs: "scale, aspect, rotation and shear in one warp by OpenCV, then a random square (MXNet's ImageRecordIter)",
  apply(given, step, { random, size }): Placed {
    const whole = wholeOf(given);
    const records = shorterSideTo(whole.width, whole.height, step.resize ?? Math.min(whole.width, whole.height));
    const picture = records.width === whole.width ? whole : resize(whole, records.width, records.height, "bilinear");
    const shear = between([-step.shear, step.shear], random);
    const degrees = random.below(2 * step.rotate + 1) - step.rotate;
    // MXNet refuses pictures that would become smaller than the square; here they are enlarged to it.
    const least = (size + 0.5) / Math.min(picture.width, picture.height);
    const scale = Math.max(least, between(step.scale, random));
    const ratio = between([1 - step.aspect, 1 + step.aspect], random);
    const { width, height, matrix } = warpOf(picture, { shear, degrees, scale, ratio });
    const top = random.below(height - size + 1);
    const left = random.below(width - size + 1);
    const mirror = random.uniform() < step.mirror;
    const window = { left, top, width: size, height: size };
    return { pixels: warpOpenCv(picture, inverted(matrix), window, step.fill, squareBytes(size)), mirror };
  },
});
