/**
 * Several views of one picture, over which the network's probabilities are averaged: the field's ways to measure beyond
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
 * `centre`: the centre crop. `mirror`: that of the picture and that of its mirror image. `ten-crop`: the four corners
 * and the centre of both, as Krizhevsky et al. (2012) tested.
 */
export type Views = "centre" | "mirror" | "ten-crop";

/** How many inputs each picture becomes. */
export const viewCounts: Readonly<Record<Views, number>> = { centre: 1, mirror: 2, "ten-crop": 10 };

/** @throws SenetError `usage` where the corners would overhang the picture */
export function checkViews(views: Views, { resize, crop }: Preprocessing): void {
  const shorter = resize === "none" ? crop : typeof resize === "number" ? resize : Math.min(...resize);
  if (views === "ten-crop" && crop > shorter)
    unusable("crop", `at most ${shorter}, the shorter side, for ten crops`, crop);
}

/** A square of the resized picture; with `mirror`, left and right change places in it. */
interface View {
  readonly columns: Span;
  readonly rows: Span;
  readonly mirror: boolean;
}

/**
 * The views of a picture resized to `width · height`, in the order of torchvision's `TenCrop`: upper left, upper right,
 * lower left, lower right, centre, then the same of the mirror image.
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
  // A place in the mirror image, in the picture's own columns. The centre may move by a pixel: halves round to even.
  const reflected = ({ columns: { from, to, count }, rows }: View): View => ({
    columns: { from: width - from - count, to: crop - to - count, count },
    rows,
    mirror: true,
  });
  return [...upright, ...upright.map(reflected)];
}

/**
 * The network's inputs for one picture, `[views, planes, crop, crop]`, equal to torchvision's.
 * @param into where to write them; fresh memory by default
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
    // Most squares are wanted twice: upright and mirrored.
    const place = `${columns.from} ${columns.to} ${rows.from}`;
    const square = squares.get(place) ?? cropResized(seen, columns, rows, spec);
    squares.set(place, square);
    normalize(square, spec, into.subarray(i * length, (i + 1) * length), mirror);
  }
  return into;
}
