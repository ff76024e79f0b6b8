/** What training does to pictures, and how they are prepared when the network is evaluated. */

import { configKey } from "../config-key.ts";
import type { EvaluationTransform } from "../data/transform.ts";
import { type AugmentationConfig, augmentationOf, sizesOf } from "../images/augment/config.ts";
import type { TrainingTransform } from "../images/augment.ts";
import {
  imagenetPreprocessing,
  largestStd,
  type Normalization,
  type Preprocessing,
  smallestStd,
} from "../images/preprocess.ts";
import * as z from "../schema.ts";

const byColour = <T extends z.Schema<number>>(value: T) => z._default(z.nullable(z.tuple([value, value, value])), null);

export const pictureKeys = {
  /** `null`: ImageNet's, or those of the network that is trained further. */
  mean: configKey(byColour(z.number()), "mean of each colour, in 0 to 1; default: ImageNet's, or the weights' own", {
    value: "r,g,b",
  }),
  std: configKey(
    byColour(z.number().check(z.gt(0))),
    "deviation of each colour; default: ImageNet's, or the weights' own",
    {
      value: "r,g,b",
    },
  ),
  /** Of the pictures to validate with, where they are normalised by themselves; `null`: as those to train on, and as ever after. */
  validationMean: byColour(z.number()),
  validationStd: byColour(z.number().check(z.gt(0))),
  /** Shorter side before the centre crop when evaluating; `null`: imageSize / 0.875. */
  evaluationResize: configKey(
    z._default(z.nullable(z.int().check(z.gt(0))), null),
    "shorter side before the centre crop when validating; default: image size / 0.875",
  ),
  /** 10 in nutszebra's recipe for CIFAR. `null`: the mean and the deviation of all pictures. */
  byPicture: configKey(
    z._default(z.nullable(z.number().check(z.gte(smallestStd), z.lte(largestStd))), null),
    "normalise each picture by itself: minus its mean, by the root of its variance + x, of bytes; default: all alike",
  ),
};

type PictureConfig = z.OutputOf<typeof pictureKeys> & {
  readonly imageSize: number;
  readonly interpolation: AugmentationConfig["interpolation"];
};

/** What is done to a picture before the network learns from it. */
export function trainingTransformOf(
  config: PictureConfig & AugmentationConfig,
  normalization: Normalization = preprocessingOf(config),
): TrainingTransform {
  const { imageSize, decode, progressive } = config;
  const common = { kind: "train", steps: augmentationOf(config), normalization, decode } as const;
  if (progressive === null) return { ...common, size: imageSize };
  const sizes = sizesOf(progressive);
  return { ...common, size: Math.max(...sizes.map(({ size }) => size)), sizes };
}

/** What is done to a picture to validate with. */
export const validationTransformOf = (
  { validationMean: mean, validationStd: std }: Pick<PictureConfig, "validationMean" | "validationStd">,
  preprocessing: Preprocessing,
): EvaluationTransform => ({
  kind: "evaluate",
  preprocessing: { ...preprocessing, ...(mean !== null && { mean }), ...(std !== null && { std }) },
});

/**
 * How pictures are prepared when a run evaluates, and later whenever its weights are used.
 * @param base of the network that is fine-tuned, of the run that goes on, or ImageNet's
 */
export function preprocessingOf(
  { imageSize, evaluationResize, interpolation, mean, std, byPicture }: PictureConfig,
  { meanImage: _, ...base }: Preprocessing = imagenetPreprocessing,
): Preprocessing {
  // What is cut out at random has no mean for each pixel, and that of the channels is in `mean`.
  const proportional = typeof base.resize === "number" ? Math.round((imageSize * base.resize) / base.crop) : undefined;
  const own = base.crop === imageSize ? base.resize : Math.round(imageSize / 0.875);
  const normalization = {
    ...(mean !== null && { mean }),
    ...(std !== null && { std }),
    ...(byPicture !== null && { scale: 1 as const, byPicture }),
  };
  const resize = evaluationResize ?? proportional ?? own;
  return { ...base, ...normalization, resize, crop: imageSize, interpolation };
}
