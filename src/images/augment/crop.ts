/** Random crop, aspect, rotation and mirror, as one resampling. */

import type { Random } from "../../random.ts";
import * as z from "../../schema.ts";
import { resampleAffine, rotatedBox } from "../affine.ts";
import { roundHalfEven } from "../preprocess.ts";
import { type Box, type Picture, resize } from "../resize.ts";
import { wholeOf } from "../view.ts";
import { between, color, interpolation, meanColor, placing, range, rate, squareBytes } from "./step.ts";

/** Smallest allowed share of the area: below it even a large picture has no pixels left. */
const leastArea = 1e-6;
const largestRatio = 1e6;

export const cropSchema = z.strictObject({
  kind: z.literal("crop"),
  /** Smallest and largest share of the picture's area to keep; [0.08, 1] in the Inception recipe. */
  scale: z._default(range(leastArea, 1), [0.08, 1]),
  /** Smallest and largest ratio of width to height. */
  ratio: z._default(range(1 / largestRatio, largestRatio), [3 / 4, 4 / 3]),
  /**
   * How ratios are drawn: with uniform logarithms, as in torchvision; or uniformly and inverted half of the time, as in
   * fb.resnet.torch and tensorpack, which use a centred square if ten tries fail.
   */
  ratioLaw: z._default(z.enum(["logarithmic", "turned"]), "logarithmic"),
  /** The picture is rotated about its centre first, by up to this many degrees in either direction. */
  rotate: z._default(z.number().check(z.gte(0), z.lte(45)), 0),
  /** Colour outside a rotated picture; default: the colour that becomes 0. */
  fill: z.optional(color),
  /** Probability of mirroring left and right. */
  mirror: z._default(rate, 0.5),
  interpolation: z._default(interpolation, "bilinear"),
});

export type RandomCrop = z.output<typeof cropSchema>;

/**
 * Draws a part of a picture with random area and aspect ratio, as torchvision's `RandomResizedCrop.get_params` does:
 * ten tries, then the largest centred part within the bounds of the ratio (or, by `ratioLaw`, as tensorpack's
 * `GoogleNetRandomCropAndResize`). The same distribution, not the same draws.
 */
export function randomCrop(
  width: number,
  height: number,
  { scale, ratio, ratioLaw }: Pick<RandomCrop, "scale" | "ratio"> & Partial<RandomCrop>,
  random: Random,
): Box {
  const isTurned = ratioLaw === "turned";
  const logRatio = [Math.log(ratio[0]), Math.log(ratio[1])] as const;
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * between(scale, random);
    const drawn = isTurned ? between(ratio, random) : Math.exp(between(logRatio, random));
    const aspect = isTurned && random.below(2) === 1 ? 1 / drawn : drawn;
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = random.below(height - h + 1);
      return { left: random.below(width - w + 1), top, width: w, height: h };
    }
  }
  if (isTurned) {
    const side = Math.min(width, height);
    return { left: (width - side) >> 1, top: (height - side) >> 1, width: side, height: side };
  }
  const found = width / height;
  let w = width;
  let h = height;
  if (found < ratio[0]) h = Math.max(1, roundHalfEven(width / ratio[0]));
  else if (found > ratio[1]) w = Math.max(1, roundHalfEven(height * ratio[1]));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/** The random choices of a crop. */
export interface DrawnCrop {
  readonly box: Box;
  readonly mirror: boolean;
  /** Counter-clockwise. */
  readonly degrees: number;
}

export function drawCrop(
  { width, height }: Pick<Picture, "width" | "height">,
  step: RandomCrop,
  random: Random,
): DrawnCrop {
  const box = randomCrop(width, height, step, random);
  const mirror = random.uniform() < step.mirror;
  const degrees = step.rotate === 0 ? 0 : between([-step.rotate, step.rotate], random);
  return { box, mirror, degrees };
}

export const crop = placing({
  schema: cropSchema,
  docs: "random area, aspect and place, turned and mirrored, in one resampling (Szegedy et al., arXiv 1409.4842, and torchvision)",
  apply(picture, step, { random, size, normalization }) {
    const { box, mirror, degrees } = drawCrop(picture, step, random);
    const into = squareBytes(size);
    if (degrees === 0) {
      const part = picture.part(box);
      return { pixels: resize(part.picture, size, size, step.interpolation, { box: part.box, into }), mirror };
    }
    const map = rotatedBox(picture, box, degrees, size);
    const fill = step.fill ?? meanColor(normalization);
    const pixels = resampleAffine(wholeOf(picture), map, size, size, step.interpolation, fill, into);
    return { pixels, mirror };
  },
  leastSide({ width, height }, { scale }) {
    // From the area, since a narrow part is long. If no draw fits, the crop is as wide or as high as the picture.
    return Math.min(width, height, Math.sqrt(width * height * scale[0]));
  },
});
