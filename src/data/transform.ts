/** What turns a decoded picture into a network's input, as plain data that a worker thread can be given. */

import { augment, checkTraining, type TrainingTransform } from "../images/augment.ts";
import { checkPreprocessing, type Preprocessing, preprocess } from "../images/preprocess.ts";
import type { Picture } from "../images/resize.ts";
import type { Random } from "../random.ts";

export interface EvaluationTransform {
  readonly kind: "evaluate";
  readonly preprocessing: Preprocessing;
}

export type ImageTransform = TrainingTransform | EvaluationTransform;

/** The side of the square that comes out. */
export function sizeOfTransform(transform: ImageTransform): number {
  return transform.kind === "train" ? transform.size : transform.preprocessing.crop;
}

/** @throws SenetError `usage` naming the field */
export function checkTransform(transform: ImageTransform): void {
  if (transform.kind === "train") checkTraining(transform);
  else checkPreprocessing(transform.preprocessing);
}

/** Writes `[3, size, size]` into `into`. `random` is asked only by training transforms. */
export function applyTransform(
  picture: Picture,
  transform: ImageTransform,
  random: () => Random,
  into: Float32Array,
): void {
  if (transform.kind === "train") augment(picture, transform, random(), into);
  else preprocess(picture, transform.preprocessing, into);
}
