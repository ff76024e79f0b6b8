/** Crops for small pictures: with padding, or after resizing to a random size. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import type { Color } from "../affine.ts";
import { shorterSideTo } from "../preprocess.ts";
import { type Interpolation, type Picture, resize } from "../resize.ts";
import { wholeOf } from "../view.ts";
import { color, interpolation, type Placed, placing, range, rate, squareBytes } from "./step.ts";

export const padCropSchema = z.strictObject({
  kind: z.literal("padCrop"),
  /** Pixels of padding on each side. */
  pad: z._default(z.int().check(z.gte(0), z.lte(1024)), 4),
  /**
   * The padding: zeros in the network's input, the picture mirrored at its edge (without repeating it), or a colour.
   */
  fill: z._default(z.union([z.enum(["zero", "reflect"]), color]), "zero"),
  mirror: z._default(rate, 0.5),
  /** For pictures whose shorter side is not the network's; others are not resized. */
  interpolation: z._default(interpolation, "bilinear"),
});

/** The picture resized to this shorter side. */
function atShorterSide(picture: Picture, side: number, how: Interpolation): Picture {
  if (Math.min(picture.width, picture.height) === side) return picture;
  const { width, height } = shorterSideTo(picture.width, picture.height, side);
  return resize(picture, width, height, how);
}

/** A random start, from −pad, of `size` pixels in a padded extent. */
const place = (extent: number, size: number, pad: number, random: Random): number =>
  random.below(extent + 2 * pad - size + 1) - pad;

/** The position of a pixel when the picture is mirrored at its edges, repeatedly if necessary. */
export function reflected(at: number, extent: number): number {
  if (extent === 1) return 0;
  const period = 2 * (extent - 1);
  const within = ((at % period) + period) % period;
  return within < extent ? within : period - within;
}

/** A square that may reach beyond the picture's edges. */
export function cutPadded(
  { width, height, data }: Picture,
  { left, top, size }: { readonly left: number; readonly top: number; readonly size: number },
  fill: Color | "reflect",
  into: Uint8Array,
): Picture {
  for (let y = 0, out = 0; y < size; y++) {
    for (let x = 0; x < size; x++, out += 3) {
      const isWithin = top + y >= 0 && top + y < height && left + x >= 0 && left + x < width;
      if (!isWithin && fill !== "reflect") {
        into.set(fill, out);
        continue;
      }
      const from = 3 * (reflected(top + y, height) * width + reflected(left + x, width));
      into[out] = data[from]!;
      into[out + 1] = data[from + 1]!;
      into[out + 2] = data[from + 2]!;
    }
  }
  return { width: size, height: size, data: into };
}

/** The position of the square, and whether it is mirrored. */
export interface DrawnPlace {
  readonly left: number;
  readonly top: number;
  readonly mirror: boolean;
}

export function drawPlace(
  { width, height }: Pick<Picture, "width" | "height">,
  { size, pad, mirror }: { readonly size: number; readonly pad: number; readonly mirror: number },
  random: Random,
): DrawnPlace {
  const top = place(height, size, pad, random);
  return { left: place(width, size, pad, random), top, mirror: random.uniform() < mirror };
}

export const padCrop = placing({
  schema: padCropSchema,
  docs: "a random square of the padded picture (He et al., arXiv 1512.03385, for CIFAR; torchvision's RandomCrop)",
  apply(picture, { pad, fill, mirror, interpolation: how }, { random, size }): Placed {
    const source = atShorterSide(wholeOf(picture), size, how);
    const { width, height } = source;
    const { left, top, mirror: isMirrored } = drawPlace(source, { size, pad, mirror }, random);
    const pixels = cutPadded(source, { left, top, size }, fill === "zero" ? [0, 0, 0] : fill, squareBytes(size));
    const placed = { pixels, mirror: isMirrored };
    if (fill !== "zero") return placed;
    const span = (at: number, extent: number) => ({ from: Math.max(0, -at), to: Math.min(size, extent - at) });
    const [columns, rows] = [span(left, width), span(top, height)];
    const covered = {
      left: columns.from,
      top: rows.from,
      width: columns.to - columns.from,
      height: rows.to - rows.from,
    };
    return { ...placed, covered };
  },
});

const filters = ["nearest", "bilinear", "bicubic", "linear"] as const;

export const resizeCropSchema = z.strictObject({
  kind: z.literal("resizeCrop"),
  /** Smallest and largest shorter side before the crop; each whole number is equally likely. */
  sides: range(1, 65_535).check(z.refine((sides) => sides.every(Number.isInteger), "whole numbers")),
  /** One of them is drawn for each picture; a name may be repeated. */
  interpolations: z.readonly(z._default(z.array(z.enum(filters)).check(z.minLength(1)), ["bilinear"])),
  mirror: z._default(rate, 0.5),
});

/** Pillow's `resize(NEAREST)`. */
export function resizeNearest({ width, height, data }: Picture, toWidth: number, toHeight: number): Picture {
  const result = new Uint8Array(toWidth * toHeight * 3);
  const columns = nearestPlaces(width, toWidth);
  let out = 0;
  for (const row of nearestPlaces(height, toHeight)) {
    for (const column of columns) {
      const from = 3 * (row * width + column);
      result.set(data.subarray(from, from + 3), out);
      out += 3;
    }
  }
  return { width: toWidth, height: toHeight, data: result };
}

/** The pixel for each place, as in Pillow's `ImagingScaleAffine`: summed up, so that ties fall as its rounding has them. */
function nearestPlaces(extent: number, places: number): readonly number[] {
  const step = extent / places;
  let at = step / 2;
  return Array.from({ length: places }, () => {
    const place = Math.trunc(at);
    at += step;
    return place;
  });
}

export function drawResize(
  { sides: [least, most], interpolations }: Pick<z.output<typeof resizeCropSchema>, "sides" | "interpolations">,
  random: Random,
): { readonly side: number; readonly filter: (typeof filters)[number] } {
  const side = least + random.below(most - least + 1);
  return { side, filter: interpolations[random.below(interpolations.length)]! };
}

export const resizeCrop = placing({
  schema: resizeCropSchema,
  docs: "a random square after a random resize (VGG's scale jitter, arXiv 1409.1556; Chainer's recipes for CIFAR)",
  apply(picture, { sides, interpolations, mirror }, { random, size }): Placed {
    const { side, filter } = drawResize({ sides, interpolations }, random);
    const { width, height } = shorterSideTo(picture.width, picture.height, Math.max(size, side));
    const { left, top, mirror: isMirrored } = drawPlace({ width, height }, { size, pad: 0, mirror }, random);
    const window = { left, top, width: size, height: size };
    const data = squareBytes(size);
    if (filter !== "nearest") {
      return { pixels: resize(wholeOf(picture), width, height, filter, { window, into: data }), mirror: isMirrored };
    }
    const whole = resizeNearest(wholeOf(picture), width, height);
    return { pixels: resize(whole, size, size, "bilinear", { box: window, into: data }), mirror: isMirrored };
  },
});
