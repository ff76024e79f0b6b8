/** Configuration keys for augmentation, and the steps that they stand for. */

import { configKey } from "../../config-key.ts";
import { SenetError } from "../../errors.ts";
import * as z from "../../schema.ts";
import { interpolations } from "../resize.ts";
import type { SizeFrom } from "../sizes.ts";
import { colorJitterSchema, photometricSchema } from "./color.ts";
import { cropSchema } from "./crop.ts";
import { cutoutSchema, eraseModes, eraseSchema, pixelJitterSchema } from "./noise.ts";
import { padCropSchema } from "./place.ts";
import { randAugmentText } from "./rand-augment.ts";
import { color, range, rate } from "./step.ts";
import { type AugmentationStep, augmentationSteps } from "./steps.ts";

/** A colour as `R,G,B`. */
const colorText = z.convert(
  z.string(),
  (text, refuse) => color.safeParse(text.split(",").map(Number)).data ?? refuse("R,G,B"),
);

/** Image sizes by epoch as `SIZE:EPOCH,SIZE:EPOCH`. */
const sizesText = z.convert(z.string(), (text, refuse): readonly SizeFrom[] => {
  const sizes = text.split(",").map((part) => {
    const [, size, epoch] = /^(\d{1,5}):(\d{1,9})$/.exec(part) ?? [];
    return { size: Number(size), epoch: Number(epoch) };
  });
  const rises = sizes.every(({ size, epoch }, i) => size > 0 && (i === 0 ? epoch === 0 : epoch > sizes[i - 1]!.epoch));
  return rises ? sizes : refuse("SIZE:EPOCH,SIZE:EPOCH with rising epochs, the first 0");
});

/** The expectation that a schema reports for a text, if any. */
const asBy = (schema: z.Schema) =>
  z.finding((text: string | null) => (text === null ? undefined : schema.safeParse(text).error?.issues[0]?.expected));

/** Parses a schedule of sizes. */
export const sizesOf = (progressive: string): readonly SizeFrom[] => sizesText.parse(progressive);

/** Keys that stand for steps, named as in timm if it has them. By default there are only a random crop and a mirror. */
const shorthand = {
  /** 8 % in the paper. */
  cropScale: configKey(z._default(rate.check(z.gt(0)), 0.25), "smallest part of the area that a random crop keeps"),
  cropRatio: configKey(
    z._default(range(1e-3, 1e3), [3 / 4, 4 / 3]),
    "its smallest and largest ratio of width to height",
  ),
  /** 10 in the authors' recipe. */
  rotate: configKey(z._default(z.number().check(z.gte(0), z.lte(45)), 0), "rotate pictures by up to this angle", {
    value: "degrees",
  }),
  mirror: configKey(z._default(z.boolean(), true), "do not mirror pictures at random"),
  /** 4 for CIFAR. */
  pad: configKey(
    z._default(z.int().check(z.gte(0), z.lte(1024)), 0),
    "instead of that crop: pad the picture by n pixels and crop a random square (CIFAR: 4)",
  ),
  padFill: configKey(
    z._default(
      z
        .string()
        .check(
          z.refine(
            (text) => ["zero", "reflect"].includes(text) || colorText.safeParse(text).success,
            "zero, reflect or R,G,B",
          ),
        ),
      "zero",
    ),
    "the padding: zero in the network's input, reflect, or a colour such as 127,127,127",
    { value: "fill" },
  ),
  /** For brightness, contrast and saturation together, or for each of them and hue. */
  colorJitter: configKey(
    z._default(
      z.array(z.number().check(z.gte(0))).check(
        z.maxLength(4),
        z.refine(([, , , hue = 0]) => hue <= 0.5, "hue of at most 0.5"),
      ),
      [],
    ),
    "brightness, contrast, saturation[, hue], or one value for the first three; default: none",
  ),
  /** In timm's notation; replaces `colorJitter`, as there. */
  aa: configKey(
    z._default(z.nullable(z.string()), null).check(asBy(randAugmentText)),
    "RandAugment, such as rand-m9-mstd0.5-inc1, in place of the colour jitter",
    { value: "text" },
  ),
  /** 0.1 in AlexNet. */
  lighting: configKey(
    z._default(z.number().check(z.gte(0)), 0),
    "noise along ImageNet's principal colours (0.1 is usual)",
    {
      value: "deviation",
    },
  ),
  /** 20 in the authors' recipe. */
  pixelJitter: configKey(
    z._default(z.int().check(z.gte(0), z.lte(255)), 0),
    "add random noise from -n to n to each value",
  ),
  cutout: configKey(z._default(z.int().check(z.gte(0)), 0), "side of a square that is blanked, in pixels"),
  reprob: configKey(z._default(rate, 0), "probability of random erasing", { value: "p" }),
  remode: configKey(z._default(z.enum(eraseModes), "pixel"), "what it fills in: zeros, a colour, or noise"),
  recount: configKey(z._default(z.int().check(z.gt(0), z.lte(100)), 1), "largest number of erased rectangles"),
};

export const augmentationKeys = {
  ...shorthand,
  interpolation: configKey(z._default(z.enum(interpolations), "bilinear"), "how pictures are scaled"),
  decode: configKey(
    z._default(z.enum(["exact", "fast"]), "fast"),
    "fast: decode JPEGs at 1/2, 1/4 or 1/8 if they are at least twice as large as the smallest crop needs",
    { value: "way" },
  ),
  /** The steps themselves, instead of the keys above. */
  augmentation: z._default(z.nullable(augmentationSteps), null),
  augRepeats: configKey(
    z._default(z.int().check(z.gte(0), z.lte(100)), 0),
    "repeat each picture n times in a row, with fewer pictures in an epoch; 0 and 1: once",
  ),
  /** Each side from its epoch on; validation always uses the image size. */
  progressive: configKey(
    z._default(z.nullable(z.string()), null).check(asBy(sizesText)),
    "SIDE:EPOCH pairs: train at these sizes from these epochs, such as 96:0,112:3,128:5; validate at the image size",
    { value: "list" },
  ),
  mixup: configKey(
    z._default(z.number().check(z.gte(0)), 0),
    "mixup: mix pairs of pictures and their labels (0.2 is usual)",
    {
      value: "alpha",
    },
  ),
  cutmix: configKey(
    z._default(z.number().check(z.gte(0)), 0),
    "CutMix: paste a part of one picture into another (1 is usual)",
    {
      value: "alpha",
    },
  ),
  mixupProb: configKey(z._default(rate, 1), "share of the batches that are mixed", { value: "p" }),
  mixupSwitchProb: configKey(z._default(rate, 0.5), "share of CutMix if both are on", { value: "p" }),
  mixupOffEpoch: configKey(
    z._default(z.int().check(z.gte(0)), 0),
    "epoch from which batches are no longer mixed; 0: never",
  ),
};

const augmentationSchema = z.object(augmentationKeys);
export type AugmentationConfig = z.output<typeof augmentationSchema>;

/**
 * The steps that a config asks for.
 * @throws SenetError `usage` where both steps and keys that stand for steps are given
 */
export function augmentationOf(config: AugmentationConfig): readonly AugmentationStep[] {
  const { interpolation, augmentation } = config;
  if (augmentation !== null) {
    const usual: Readonly<Record<string, unknown>> = augmentationSchema.parse({});
    const keys = Object.keys(shorthand) as (keyof typeof shorthand)[];
    const also = keys.filter((key) => JSON.stringify(config[key]) !== JSON.stringify(usual[key]));
    if (also.length === 0) return augmentation;
    throw new SenetError("usage", "the augmentation is given twice: as steps, and by other options", {
      where: "augmentation",
      found: also,
      hint: "change the steps themselves, or leave them out",
    });
  }
  const mirror = config.mirror ? 0.5 : 0;
  const { cropScale, cropRatio: ratio, rotate, pad, padFill, colorJitter, aa, lighting } = config;
  const { pixelJitter, cutout, reprob, remode, recount } = config;
  const fill = padFill === "zero" || padFill === "reflect" ? padFill : colorText.parse(padFill);
  const steps: AugmentationStep[] = [
    pad > 0
      ? padCropSchema.parse({ kind: "padCrop", pad, fill, mirror, interpolation })
      : cropSchema.parse({ kind: "crop", scale: [cropScale, 1], ratio, rotate, mirror, interpolation }),
  ];
  const [brightness = 0, contrast = brightness, saturation = brightness, hue = 0] = colorJitter;
  const strongest = Math.max(brightness, contrast, saturation, hue);
  if (aa !== null) steps.push(randAugmentText.parse(aa));
  else if (strongest > 0) {
    steps.push(colorJitterSchema.parse({ kind: "colorJitter", brightness, contrast, saturation, hue }));
  }
  if (lighting > 0) steps.push(photometricSchema.parse({ kind: "photometric", lighting }));
  if (pixelJitter > 0) steps.push(pixelJitterSchema.parse({ kind: "pixelJitter", amplitude: pixelJitter }));
  if (cutout > 0) steps.push(cutoutSchema.parse({ kind: "cutout", side: cutout }));
  if (reprob > 0) steps.push(eraseSchema.parse({ kind: "erase", probability: reprob, mode: remode, count: recount }));
  return steps;
}
