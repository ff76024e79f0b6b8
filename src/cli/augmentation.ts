/** The options of augmentation, which `train` and `data preview` share; each is a key of the training config. */

import type { Command } from "commander";
import { eraseModes } from "../images/augment/noise.ts";
import { choiceOption, count, natural, real, realList } from "./options.ts";

export const addAugmentationOptions = (command: Command): Command =>
  command
    .optionsGroup("Augmentation:")
    .option("--crop-scale <s>", "smallest part of the area that a random crop keeps; default: 0.25", real)
    .option("--crop-ratio <list>", "its width to height, smallest and largest; default: 0.75,1.3333", realList)
    .option("--rotate <degrees>", "turn pictures by up to so much to either side; default: 0", real)
    .option("--no-mirror", "do not mirror pictures at random")
    .addOption(choiceOption("--interpolation <name>", "default: bilinear", ["bilinear", "bicubic"]))
    .addOption(
      choiceOption("--decode <way>", "fast: JPEGs far larger than needed are read at 1/2, 1/4 or 1/8; default: fast", [
        "exact",
        "fast",
      ]),
    )
    .option(
      "--pad <n>",
      "instead of that crop: a random square of the picture with n pixels around it (CIFAR: 4)",
      natural,
    )
    .option("--pad-fill <fill>", "what they are: zero, reflect, or a colour such as 127,127,127; default: zero")
    .option("--color-jitter <list>", "brightness, contrast, saturation[, hue], or one for three; default: 0", realList)
    .option("--aa <text>", "RandAugment, such as rand-m9-mstd0.5-inc1, instead of --color-jitter")
    .option("--lighting <deviation>", "noise along ImageNet's principal colours (0.1 is usual); default: 0", real)
    .option("--pixel-jitter <n>", "add to each byte a number of its own, from -n to n; default: 0", natural)
    .option("--cutout <n>", "side of a square that is lost, in pixels; default: 0", natural)
    .option("--reprob <p>", "probability of random erasing; default: 0", real)
    .addOption(choiceOption("--remode <mode>", "what it leaves: zeros, a colour, or noise; default: pixel", eraseModes))
    .option("--recount <n>", "rectangles that it erases, at most; default: 1", count)
    .option(
      "--aug-repeats <n>",
      "each picture of an epoch n times in a row, of fewer pictures; default: 0, once",
      natural,
    )
    .option("--progressive <list>", "sizes by epoch, such as 96:0,112:3,128:5; validation at the image size")
    .option("--mixup <alpha>", "mix pictures and their labels in pairs; default: 0 (0.2 is usual)", real)
    .option("--cutmix <alpha>", "put a part of one picture into another; default: 0 (1 is usual)", real)
    .option("--mixup-prob <p>", "part of the batches that are mixed; default: 1", real)
    .option("--mixup-switch-prob <p>", "where both are on: the part that CutMix gets; default: 0.5", real)
    .option("--mixup-off-epoch <n>", "epoch from which nothing is mixed; default: 0, never", natural);
