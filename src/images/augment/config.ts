/** The keys of a training config that say what is done to its pictures, and the steps that they stand for. */

import * as z from "zod";
import { SenetError } from "../../errors.ts";
import { interpolations } from "../resize.ts";
import type { SizeFrom } from "../sizes.ts";
import { colorJitterSchema, photometricSchema } from "./color.ts";
import { cropSchema } from "./crop.ts";
import { cutoutSchema, eraseModes, eraseSchema, pixelJitterSchema } from "./noise.ts";
import { padCropSchema } from "./place.ts";
import { randAugmentText } from "./rand-augment.ts";
import { color, range, rate } from "./step.ts";
import { type AugmentationStep, augmentationSteps } from "./steps.ts";

/** `R,G,B`, as a colour. */
const colorText = z
  .string()
  .transform((text): unknown => text.split(",").map(Number))
  .pipe(color);

/** `SIZE:EPOCH,SIZE:EPOCH`, as sizes from epochs on. */
const sizesText = z.string().transform((text, context): readonly SizeFrom[] => {
  const sizes = text.split(",").map((part) => {
    const [, size, epoch] = /^(\d{1,5}):(\d{1,9})$/.exec(part) ?? [];
    return { size: Number(size), epoch: Number(epoch) };
  });
  const rises = sizes.every(({ size, epoch }, i) => size > 0 && (i === 0 ? epoch === 0 : epoch > sizes[i - 1]!.epoch));
  if (rises) return sizes;
  context.addIssue({ code: "custom", message: "SIZE:EPOCH,SIZE:EPOCH with rising epochs, the first 0" });
  return z.NEVER;
});

/** The sizes of a schedule as it stands in a config. */
export const sizesOf = (progressive: string): readonly SizeFrom[] => sizesText.parse(progressive);

/** What stands for steps; names as in timm, where it has one. Of what is not said only the crop and the mirror are done. */
const shorthand = {
  /** Smallest part of a picture's area that a random crop keeps (8 % in the paper). */
  cropScale: rate.positive().default(0.25),
  /** Width to height of that part, smallest and largest. */
  cropRatio: range(1e-3, 1e3).default([3 / 4, 4 / 3]),
  /** Turns pictures by up to so many degrees to either side (10 in the authors' recipe). */
  rotate: z.number().min(0).max(45).default(0),
  mirror: z.boolean().default(true),
  /** Instead of the random crop: the picture with so many pixels around it, of which a random square is taken (4 for CIFAR). */
  pad: z.number().int().min(0).max(1024).default(0),
  /** What they are: zeros in the network's input, the picture mirrored at its edge, or a colour `R,G,B`. */
  padFill: z
    .string()
    .refine((text) => ["zero", "reflect"].includes(text) || colorText.safeParse(text).success, "zero, reflect or R,G,B")
    .default("zero"),
  /** Of brightness, contrast and saturation, or of each by itself and hue; 0 and none: nothing. */
  colorJitter: z
    .array(z.number().min(0))
    .max(4)
    .refine(([, , , hue = 0]) => hue <= 0.5, "hue of at most 0.5")
    .default([]),
  /** RandAugment, as timm writes it; in the place of `colorJitter`, as there. */
  aa: z
    .string()
    .nullable()
    .default(null)
    .superRefine((text, context) => {
      const issue = text === null ? undefined : randAugmentText.safeParse(text).error?.issues[0];
      if (issue !== undefined) context.addIssue({ code: "custom", message: issue.message });
    }),
  /** Deviation of the noise along the principal colours of ImageNet (0.1 in AlexNet's). */
  lighting: z.number().min(0).default(0),
  /** Adds to each byte a number of its own, up to so much in either direction (20 in the authors' recipe). */
  pixelJitter: z.number().int().min(0).max(255).default(0),
  /** Side of a square that is lost, in pixels. */
  cutout: z.number().int().min(0).default(0),
  /** The probability of random erasing. */
  reprob: rate.default(0),
  remode: z.enum(eraseModes).default("pixel"),
  recount: z.number().int().positive().max(100).default(1),
};

export const augmentationKeys = {
  ...shorthand,
  interpolation: z.enum(interpolations).default("bilinear"),
  /** `fast`: JPEGs at least twice as large as their smallest crop needs are decoded at a reduced size. */
  decode: z.enum(["exact", "fast"]).default("fast"),
  /** The steps themselves, in the place of those that the keys above stand for. */
  augmentation: augmentationSteps.nullable().default(null),
  /** How often each picture of an epoch comes, augmented anew each time, in epochs of as many pictures as ever; 0 and 1: once. */
  augRepeats: z.number().int().min(0).max(100).default(0),
  /** Sides of the pictures by epoch, `96:0,112:3,128:5`: each from its epoch on. They are validated at the image size. */
  progressive: z
    .string()
    .nullable()
    .default(null)
    .superRefine((text, context) => {
      const issue = text === null ? undefined : sizesText.safeParse(text).error?.issues[0];
      if (issue !== undefined) context.addIssue({ code: "custom", message: issue.message });
    }),
  /** α of mixup; 0: none (0.2 is usual). */
  mixup: z.number().min(0).default(0),
  /** α of CutMix; 0: none (1 is usual). */
  cutmix: z.number().min(0).default(0),
  /** The part of the batches that are mixed. */
  mixupProb: rate.default(1),
  /** Where both are on: the part that CutMix gets. */
  mixupSwitchProb: rate.default(0.5),
  /** The epoch from which no batch is mixed; 0: none. */
  mixupOffEpoch: z.number().int().min(0).default(0),
};

const augmentationSchema = z.object(augmentationKeys);
export type AugmentationConfig = z.output<typeof augmentationSchema>;

/**
 * The steps that a config asks for.
 * @throws SenetError `usage` where it has steps and also keys that stand for some
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
