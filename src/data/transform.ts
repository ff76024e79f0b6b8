/** What turns a decoded picture into a network's input, as plain data that a worker thread can be given. */

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
  /** `centre` by default. */
  readonly views?: Views;
}

/** In the place of pixels come facts about the picture (`Fact`). */
export interface InspectionTransform {
  readonly kind: "inspect";
}

export type ImageTransform = TrainingTransform | EvaluationTransform | InspectionTransform;

/** The side of the squares that come out. */
export function sizeOfTransform(transform: ImageTransform): number {
  if (transform.kind === "inspect") return Fact.side;
  return transform.kind === "train" ? transform.size : transform.preprocessing.crop;
}

/** What is done in an epoch: the same, but for the sides of squares that change. */
export const transformAt = (transform: ImageTransform, epoch: number): ImageTransform =>
  transform.kind === "train" && transform.sizes !== undefined
    ? { ...transform, size: sizeAt(transform, epoch) }
    : transform;

/** How many planes each square has. */
export function planesOfTransform(transform: ImageTransform): 1 | 3 {
  if (transform.kind === "inspect") return 1;
  return planesOf(transform.kind === "train" ? transform.normalization : transform.preprocessing);
}

/** How many squares come out of one picture. */
export function viewsOfTransform(transform: ImageTransform): number {
  return transform.kind === "evaluate" ? viewCounts[transform.views ?? "centre"] : 1;
}

/** @throws SenetError `usage` naming the field */
export function checkTransform(transform: ImageTransform): void {
  if (transform.kind === "inspect") return;
  if (transform.kind === "train") {
    checkTraining(transform);
    return;
  }
  checkPreprocessing(transform.preprocessing);
  checkViews(transform.views ?? "centre", transform.preprocessing);
}

/** Writes `[views, planes, size, size]` into `into`. `random` is asked only by training transforms. */
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
