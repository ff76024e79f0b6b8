/** Augmentation of training pictures, so that no two epochs see the same ones. Pure functions of a seeded generator. */

import type { Random } from "../random.ts";
import type * as z from "../schema.ts";
import { cropSchema, type RandomCrop } from "./augment/crop.ts";
import type { PixelStep, Placed, PlacingStep, StepContext, ValueStep } from "./augment/step.ts";
import { type AugmentationStep, augmentationSteps, augmentations } from "./augment/steps.ts";
import { checkNormalization, checkSize } from "./check-preprocessing.ts";
import type { Reduction } from "./jpeg.ts";
import { type Normalization, normalize, planesOf, unusable } from "./preprocess.ts";
import type { Box, Picture } from "./resize.ts";
import type { SizeFrom } from "./sizes.ts";
import { type PictureView, viewOf, viewSeenAs } from "./view.ts";

export interface TrainingTransform {
  readonly kind: "train";
  /** Side of the network's input; the largest if it changes between epochs. */
  readonly size: number;
  /** Sides by epoch: each from its epoch on, the first from 0 on; default: always `size`. */
  readonly sizes?: readonly SizeFrom[];
  /**
   * First the step that cuts out the square, then those that change its pixels, then those that change the input's
   * values.
   */
  readonly steps: readonly AugmentationStep[];
  readonly normalization: Normalization;
  /**
   * `fast` (default): JPEGs at least twice as large as the smallest crop needs are decoded at a half, a quarter or an
   * eighth of their size, in the inverse DCT. `exact`: always at full size.
   */
  readonly decode?: "exact" | "fast";
}

/** The usual training transform for photographs: a random crop, mirrored half of the time. */
export function standardTraining(
  size: number,
  normalization: Normalization,
  crop: Partial<Omit<RandomCrop, "kind">> = {},
): TrainingTransform {
  return { kind: "train", size, steps: [cropSchema.parse({ kind: "crop", ...crop })], normalization };
}

/** Checks a transform. @throws SenetError `usage` naming the field */
export function checkTraining({ size, sizes = [], steps, normalization }: TrainingTransform): void {
  checkSize("size", size);
  for (const [i, from] of sizes.entries()) {
    checkSize(`sizes.${i}`, from.size);
    const isNext = i === 0 ? from.epoch === 0 : from.epoch > sizes[i - 1]!.epoch;
    if (from.size > size || !isNext)
      unusable(`sizes.${i}`, "sizes up to `size`, from rising epochs, the first 0", from);
  }
  checkNormalization(normalization);
  const issue = augmentationSteps.safeParse(steps).error?.issues[0];
  if (issue === undefined) return;
  const value = issue.path.reduce<unknown>((from, key) => (from as Record<PropertyKey, unknown>)[key], steps);
  unusable(["steps", ...issue.path].join("."), issue.expected, value);
}

/** By how much a picture may be reduced when decoding, such that even the smallest crop has the pixels it needs. */
export function reductionFor(
  { decode, steps, size }: TrainingTransform,
  of: Pick<Picture, "width" | "height">,
): Reduction {
  const [first] = steps;
  const row = first && rowOf(first);
  if (decode === "exact" || row?.phase !== "place" || row.leastSide === undefined) return 1;
  const least = row.leastSide(of, first as never);
  // Rounded to whole pixels, as crops are.
  return reductions.find((reduction) => Math.round(least / reduction) >= size) ?? 1;
}

const reductions = [8, 4, 2] as const;

/** Identifies the settings that determine the reduction of pictures. */
export const decodedFor = ({ decode, steps, size }: TrainingTransform): string =>
  decode === "exact" ? "exact" : JSON.stringify([size, steps[0]]);

/** Writes the network's input for one training picture, `[planes, size, size]`, to `into`. */
export function augment(
  picture: Picture | PictureView,
  transform: TrainingTransform,
  random: Random,
  into: Float32Array,
): void {
  const { size, steps, normalization } = transform;
  const context: StepContext = { random, size, normalization };
  const seen = viewSeenAs("part" in picture ? picture : viewOf(picture), normalization);
  let placed: Placed | undefined;
  for (const step of steps) {
    const row = rowOf(step);
    // A cast: each row gets only steps of its own kind.
    if (row.phase === "place") placed = row.apply(seen, step as never, context);
    else if (row.phase === "pixels") row.apply(placed!.pixels, step as never, context);
  }
  const { pixels, mirror, covered } = placed!;
  normalize(pixels, normalization, into, mirror);
  if (covered !== undefined) clearAround(into, covered, mirror, size, planesOf(normalization));
  for (const step of steps) {
    const row = rowOf(step);
    if (row.phase === "values") row.apply(into, step as never, context);
  }
}

type AnyRow = PlacingStep<z.Schema, never> | PixelStep<z.Schema, never> | ValueStep<z.Schema, never>;
const rowOf = ({ kind }: AugmentationStep): AnyRow => augmentations[kind];

/** Zeros outside the picture, in a square that may be mirrored. */
function clearAround(into: Float32Array, box: Box, mirror: boolean, size: number, planes: number): void {
  const left = mirror ? size - box.left - box.width : box.left;
  for (let row = 0; row < planes * size; row++) {
    const y = row % size;
    const values = into.subarray(row * size, (row + 1) * size);
    if (y < box.top || y >= box.top + box.height) values.fill(0);
    else values.fill(0, 0, left).fill(0, left + box.width);
  }
}
