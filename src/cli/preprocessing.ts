/** Options that override the pre-processing and labels of weights, and the description of a pre-processing. */

import { Option } from "commander";
import { SenetError } from "../errors.ts";
import { readBytesSync } from "../files/files.node.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { shownResize } from "../images/preprocessing-facts.ts";
import { interpolations } from "../images/resize.ts";
import { parseLabels } from "../import/label-file.ts";
import { choiceOption, count, realList } from "./options.ts";

export interface PreprocessingOptions {
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly interpolation?: Preprocessing["interpolation"];
  readonly resize?: number;
  readonly crop?: number;
}

export const labelsOption = (): Option =>
  new Option(
    "--labels <file>",
    "class names, one per line, or as JSON or CSV; default: the file's, ImageNet's for 1,000 classes, or numbers",
  );

export const preprocessingOptions = (): Option[] => [
  new Option(
    "--resize <s>",
    "shorter side before the crop; default: the weights' own, in proportion to --crop",
  ).argParser(count),
  new Option("--crop <c>", "side of the crop; default: the weights' own").argParser(count),
  new Option("--mean <numbers>", "means of the channels, such as 0.5,0.5,0.5; default: the weights' own").argParser(
    realList,
  ),
  new Option("--std <numbers>", "deviations of the channels; default: the weights' own").argParser(realList),
  choiceOption("--interpolation <kind>", "how pictures are resized; default: the weights' own", interpolations),
];

/** The class names in a label file. @throws SenetError `io`; `usage` where it cannot be parsed */
export function readLabels(file: string): string[] {
  return parseLabels(readBytesSync(file, "the labels cannot be read"), file);
}

/**
 * Applies the options to the weights' pre-processing. A new crop size scales the side before it in proportion: 320 of
 * 366 for 224 of 256.
 * @throws SenetError `usage` where there are not as many numbers as channels, or they are out of the pictures' range
 */
export function overruled(spec: Preprocessing, options: PreprocessingOptions): Preprocessing {
  const { resize, crop, interpolation } = options;
  // Only a resize of the shorter side has a proportion to the crop.
  const proportional =
    crop === undefined || typeof spec.resize !== "number" ? spec.resize : Math.round((crop * spec.resize) / spec.crop);
  const { meanImage, byPicture, ...plain } = spec;
  return {
    ...plain,
    // A given mean replaces the weights' mean image.
    ...(meanImage !== undefined && options.mean === undefined && { meanImage }),
    ...(byPicture !== undefined && (options.mean ?? options.std) === undefined && { byPicture }),
    resize: resize ?? proportional,
    crop: crop ?? spec.crop,
    mean: perChannel(options.mean, spec.mean, "--mean", spec),
    std: perChannel(options.std, spec.std, "--std", spec),
    interpolation: interpolation ?? spec.interpolation,
  };
}

type Triple = Preprocessing["mean"];

function perChannel(given: readonly number[] | undefined, own: Triple, flag: string, { scale }: Preprocessing): Triple {
  if (given === undefined) return own;
  const fail = (expected: string): never => {
    throw new SenetError("usage", "these numbers do not fit the pictures", {
      where: flag,
      expected,
      found: given.slice(0, 10).join(","),
    });
  };
  const [first, second = first, third = first] = given;
  if (first === undefined || (given.length !== 1 && given.length !== 3))
    return fail("one number, or one for each channel");
  // Catches means such as 123.675 for pictures in 0 to 1.
  if (scale === 255 && given.some((value) => Math.abs(value) > 3))
    fail("numbers for pictures from 0 to 1: divide them by 255");
  if (flag === "--std" && given.some((value) => value < 1e-6)) fail("deviations above 0");
  return [first, second!, third!];
}

const flags = ["mean", "std", "interpolation", "resize", "crop"] as const;

/** `RGB 0-1, mean 0.5 0.5 0.5, deviation 0.5 0.5 0.5, bilinear 35 to 32, from model/config.json beside it, but for --mean` */
export function toldPreprocessing(spec: Preprocessing, from: string, options: PreprocessingOptions): string {
  const given = flags.filter((flag) => options[flag] !== undefined).map((flag) => `--${flag}`);
  return `${shownPreprocessing(spec)}; from ${from}${given.length === 0 ? "" : `, but for ${given.join(", ")}`}`;
}

export function shownPreprocessing(spec: Preprocessing): string {
  const { channels, scale, mean, std, resize, crop, interpolation, meanImage, byPicture } = spec;
  const numbers = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(5))).join(" ");
  const deviation = std.every((value) => value === 1) ? "" : `, deviation ${numbers(std)}`;
  const range = scale === 1 ? "0-255" : "0-1";
  const means = meanImage === undefined ? numbers(mean) : "of each pixel";
  const normalised = byPicture === undefined ? `mean ${means}${deviation}` : "mean and deviation of each picture";
  return `${channels.toUpperCase()} ${range}, ${normalised}, ${interpolation} ${shownResize(resize)} to ${crop}`;
}
