/** What training does to a picture so that no two epochs see the same one. Pure functions of a seeded generator. */

import type { Random } from "../random.ts";
import {
  checkInterpolation,
  checkNormalization,
  checkSize,
  type Normalization,
  normalize,
  roundHalfEven,
  seenAs,
  unusable,
} from "./preprocess.ts";
import { type Box, type Interpolation, type Picture, resize } from "./resize.ts";

export interface RandomCrop {
  /** The part of the picture's area that is kept, smallest and largest; the Inception recipe's is [0.08, 1]. */
  readonly scale: readonly [number, number];
  /** Width to height of the part, smallest and largest; [3/4, 4/3]. */
  readonly ratio: readonly [number, number];
}

export interface TrainingTransform extends RandomCrop {
  readonly kind: "train";
  /** The side of the square that the network sees. */
  readonly size: number;
  readonly interpolation: Interpolation;
  /** The probability that left and right change places. */
  readonly mirror: number;
  readonly normalization: Normalization;
}

/** The usual training transform for photographs, at this size. */
export function standardTraining(size: number, normalization: Normalization): TrainingTransform {
  const interpolation = "bilinear";
  return { kind: "train", size, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], interpolation, mirror: 0.5, normalization };
}

/** @throws SenetError `usage` naming the field */
export function checkTraining(transform: TrainingTransform): void {
  const { size, scale, ratio, mirror } = transform;
  checkSize("size", size);
  checkInterpolation(transform.interpolation);
  checkNormalization(transform.normalization);
  if (!(scale[0] > 0 && scale[0] <= scale[1] && scale[1] <= 1)) unusable("scale", "0 < smallest ≤ largest ≤ 1", scale);
  if (!(ratio[0] > 0 && ratio[0] <= ratio[1] && ratio[1] < Infinity)) {
    unusable("ratio", "0 < smallest ≤ largest", ratio);
  }
  if (!(mirror >= 0 && mirror <= 1)) unusable("mirror", "a probability from 0 to 1", mirror);
}

/**
 * A part of a picture of random area and aspect, after torchvision's `RandomResizedCrop.get_params`: ten tries, then the
 * largest centred part within the bounds of the ratio. The same distribution, not the same draws.
 */
export function randomCrop(width: number, height: number, { scale, ratio }: RandomCrop, random: Random): Box {
  const logRatio = [Math.log(ratio[0]), Math.log(ratio[1])] as const;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * between(scale, random);
    const aspect = Math.exp(between(logRatio, random));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = random.below(height - h + 1);
      return { left: random.below(width - w + 1), top, width: w, height: h };
    }
  }
  const found = width / height;
  let w = width;
  let h = height;
  if (found < ratio[0]) h = Math.max(1, roundHalfEven(width / ratio[0]));
  else if (found > ratio[1]) w = Math.max(1, roundHalfEven(height * ratio[1]));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

const between = ([low, high]: readonly [number, number], random: Random): number =>
  low + (high - low) * random.uniform();

let scratch = new Uint8Array(0);

/** The network's input for one picture of a training epoch, `[planes, size, size]`, written into `into`. */
export function augment(picture: Picture, transform: TrainingTransform, random: Random, into: Float32Array): void {
  const { size, interpolation, normalization } = transform;
  const box = randomCrop(picture.width, picture.height, transform, random);
  const mirror = random.uniform() < transform.mirror;
  const bytes = size * size * 3;
  if (scratch.length < bytes) scratch = new Uint8Array(bytes);
  normalize(
    resize(seenAs(picture, normalization), size, size, interpolation, { box, into: scratch }),
    normalization,
    into,
    mirror,
  );
}
