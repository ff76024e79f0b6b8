/** Transforms from a decoded picture to a network's input, as plain data that can be sent to worker threads. */

import { augment, checkTraining, type TrainingTransform } from "../images/augment.ts";
import { checkPreprocessing } from "../images/check-preprocessing.ts";
import { Fact, writeFacts } from "../images/facts.ts";
import { type Preprocessing, planesOf } from "../images/preprocess.ts";
import { sizeAt } from "../images/sizes.ts";
import type { PictureView } from "../images/view.ts";
import { wholeOf } from "../images/view.ts";
import { checkViews, preprocessViews, type Views, viewCounts } from "../images/views.ts";
import type { Random } from "../random.ts";

export interface EvaluationTransform {
  readonly kind: "evaluate";
  readonly preprocessing: Preprocessing;
  /** Default: `centre`. */
  readonly views?: Views;
}

/** Produces facts about the picture (`Fact`) instead of pixels. */
export interface InspectionTransform {
  readonly kind: "inspect";
}

export type ImageTransform = TrainingTransform | EvaluationTransform | InspectionTransform;

/** Side of the resulting squares. */
export function sizeOfTransform(transform: ImageTransform): number {
  if (transform.kind === "inspect") return Fact.side;
  return transform.kind === "train" ? transform.size : transform.preprocessing.crop;
}

/** The transform of an epoch, whose image size may differ. */
export const transformAt = (transform: ImageTransform, epoch: number): ImageTransform =>
  transform.kind === "train" && transform.sizes !== undefined
    ? { ...transform, size: sizeAt(transform, epoch) }
    : transform;

/** Number of planes of each square. */
export function planesOfTransform(transform: ImageTransform): 1 | 3 {
  if (transform.kind === "inspect") return 1;
  return planesOf(transform.kind === "train" ? transform.normalization : transform.preprocessing);
}

/** Number of squares made from one picture. */
export function viewsOfTransform(transform: ImageTransform): number {
  return transform.kind === "evaluate" ? viewCounts[transform.views ?? "centre"] : 1;
}

/** Checks a transform. @throws SenetError `usage` naming the field */
export function checkTransform(transform: ImageTransform): void {
  if (transform.kind === "inspect") return;
  if (transform.kind === "train") {
    checkTraining(transform);
    return;
  }
  checkPreprocessing(transform.preprocessing);
  checkViews(transform.views ?? "centre", transform.preprocessing);
}

/**
 * Applies the transform and writes `[views, planes, size, size]` into `into`. Only training transforms use `random`.
 */
export function applyTransform(
  picture: PictureView,
  transform: ImageTransform,
  random: () => Random,
  into: Float32Array,
): void {
  if (transform.kind === "inspect") writeFacts(wholeOf(picture), into);
  else if (transform.kind === "train") augment(picture, transform, random(), into);
  else preprocessViews(wholeOf(picture), transform.preprocessing, transform.views ?? "centre", into);
}
