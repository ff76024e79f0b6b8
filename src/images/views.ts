/**
 * Several views of a picture, over which the network's probabilities are averaged: the usual ways to evaluate besides
 * the single centre crop.
 */

import {
  centered,
  cropResized,
  halfOf,
  normalize,
  type Preprocessing,
  planesOf,
  resizedSize,
  type Span,
  seenAs,
  unusable,
} from "./preprocess.ts";
import type { Picture } from "./resize.ts";

/**
 * `centre`: the centre crop. `mirror`: also its mirror image. `ten-crop`: four corners and centre, and their mirror
 * images, as in Krizhevsky et al. (2012).
 */
export type Views = "centre" | "mirror" | "ten-crop";

/** Number of inputs per picture. */
export const viewCounts: Readonly<Record<Views, number>> = { centre: 1, mirror: 2, "ten-crop": 10 };

/** @throws SenetError `usage` where the corner crops would not fit into the picture */
export function checkViews(views: Views, { resize, crop }: Preprocessing): void {
  const shorter = resize === "none" ? crop : typeof resize === "number" ? resize : Math.min(...resize);
  if (views === "ten-crop" && crop > shorter)
    unusable("crop", `at most ${shorter}, the shorter side, for ten crops`, crop);
}

/** A square of the resized picture, mirrored if `mirror`. */
interface View {
  readonly columns: Span;
  readonly rows: Span;
  readonly mirror: boolean;
}

/**
 * The views of a picture resized to `width × height`, in the order of torchvision's `TenCrop`: upper left, upper right,
 * lower left, lower right, centre, then the same in the mirror image.
 */
export function viewsOf(
  width: number,
  height: number,
  crop: number,
  views: Views,
  half?: (x: number) => number,
): View[] {
  const middle = { columns: centered(width, crop, half), rows: centered(height, crop, half), mirror: false };
  if (views === "centre") return [middle];
  const start = { from: 0, to: 0, count: crop };
  const corners = [start, { ...start, from: height - crop }].flatMap((rows) =>
    [start, { ...start, from: width - crop }].map((columns): View => ({ columns, rows, mirror: false })),
  );
  const upright = views === "mirror" ? [middle] : [...corners, middle];
  // Converts a position in the mirror image to the picture's columns. The centre may move by a pixel, since halves
  // round to even.
  const reflected = ({ columns: { from, to, count }, rows }: View): View => ({
    columns: { from: width - from - count, to: crop - to - count, count },
    rows,
    mirror: true,
  });
  return [...upright, ...upright.map(reflected)];
}

/**
 * The network's inputs for one picture, `[views, planes, crop, crop]`, equal to torchvision's.
 * @param into where to write them; default: newly allocated
 */
export function preprocessViews(
  picture: Picture,
  spec: Preprocessing,
  views: Views,
  into: Float32Array = new Float32Array(viewCounts[views] * planesOf(spec) * spec.crop * spec.crop),
): Float32Array {
  const { width, height } = resizedSize(picture, spec);
  const length = planesOf(spec) * spec.crop * spec.crop;
  const seen = seenAs(picture, spec);
  const squares = new Map<string, Picture>();
  for (const [i, { columns, rows, mirror }] of viewsOf(width, height, spec.crop, views, halfOf(spec)).entries()) {
    // Most squares are used twice, as they are and mirrored.
    const place = `${columns.from} ${columns.to} ${rows.from}`;
    const square = squares.get(place) ?? cropResized(seen, columns, rows, spec);
    squares.set(place, square);
    normalize(square, spec, into.subarray(i * length, (i + 1) * length), mirror);
  }
  return into;
}
