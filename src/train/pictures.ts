/** How pictures are transformed for training, and how they are pre-processed for evaluation. */

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
  /** `null`: those of the weights that training starts from, or else ImageNet's. */
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
  /** Mean for validation pictures if they are normalised differently; `null`: as in training, and in any later use. */
  validationMean: byColour(z.number()),
  validationStd: byColour(z.number().check(z.gt(0))),
  /** Shorter side before the centre crop when evaluating; `null`: imageSize / 0.875. */
  evaluationResize: configKey(
    z._default(z.nullable(z.int().check(z.gt(0))), null),
    "shorter side before the centre crop in validation; default: image size / 0.875",
  ),
  /**
   * Normalises each picture by its own mean and deviation; 10 in nutszebra's recipe for CIFAR. `null`: the mean and
   * deviation of all pictures.
   */
  byPicture: configKey(
    z._default(z.nullable(z.number().check(z.gte(smallestStd), z.lte(largestStd))), null),
    "normalise each picture by its own mean and sqrt(variance + x), in bytes; default: off",
  ),
};

type PictureConfig = z.OutputOf<typeof pictureKeys> & {
  readonly imageSize: number;
  readonly interpolation: AugmentationConfig["interpolation"];
};

/** The transform of training pictures. */
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

/** The transform of validation pictures. */
export const validationTransformOf = (
  { validationMean: mean, validationStd: std }: Pick<PictureConfig, "validationMean" | "validationStd">,
  preprocessing: Preprocessing,
): EvaluationTransform => ({
  kind: "evaluate",
  preprocessing: { ...preprocessing, ...(mean !== null && { mean }), ...(std !== null && { std }) },
});

/**
 * The pre-processing for validation, and for any later use of the run's weights.
 * @param base the pre-processing to start from: of the network that is fine-tuned, of the resumed run, or ImageNet's
 */
export function preprocessingOf(
  { imageSize, evaluationResize, interpolation, mean, std, byPicture }: PictureConfig,
  { meanImage: _, ...base }: Preprocessing = imagenetPreprocessing,
): Preprocessing {
  // Random crops cannot use a mean image; the channels' means in `mean` are used instead.
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
