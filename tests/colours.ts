/**
 * A network with known answers, for tests of everything between files and errors: it recognises red, green and blue.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { imagenetPreprocessing, type Preprocessing } from "../src/images/preprocess.ts";
import type { Checkpoint } from "../src/weights/checkpoint.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { initialWeights } from "../src/weights/init.ts";
import { inferenceGraph, type Model, type ModelConfig } from "../src/zoo/index.ts";

/**
 * The classes of red, green and blue pictures: kit fox, English setter and Siberian husky, 0 to 2 in the list's order.
 */
export const colourClasses = ["n02119789", "n02100735", "n02110185"] as const;

const config: ModelConfig = {
  family: "resnet",
  stem: "cifar",
  pool: "caffe",
  block: "basic",
  depths: [1],
  widths: [4],
  expansion: 1,
  reduce: 1,
  groups: 1,
  strideOn: "1x1",
  projection: 1,
  dropout: 0,
};

/** Crops of 8 from 16 pixels, pre-processed as for PyTorch (RGB, mean and deviation) or Caffe (BGR, means). */
export const colourInput: Readonly<Record<"rgb" | "bgr", Preprocessing>> = {
  rgb: { ...imagenetPreprocessing, resize: 16, crop: 8 },
  bgr: {
    ...{ channels: "bgr", scale: 1, mean: [104, 117, 123], std: [1, 1, 1] },
    ...{ resize: 16, crop: 8, interpolation: "bilinear" },
  },
};

/**
 * The probability of each colour's class rises with the mean of its channel. `colourClasses` are looked up in the
 * labels; the order of channels is that of the pre-processing.
 */
export function colourNetwork(labels: readonly string[], preprocessing: Preprocessing, name = "colours"): Checkpoint {
  const model: Model = { name, config, classes: labels.length };
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const weights = initialWeights(graph, 0);
  const dataOf = (parameter: string) => weights.get(parameter)!.data;
  // The centre of the first convolution passes the three channels on; the block adds nothing; the classifier decides.
  for (const convolution of ["conv1", "layer1.0.conv1", "layer1.0.conv2"]) dataOf(`${convolution}.weight`).fill(0);
  for (let channel = 0; channel < 3; channel++) dataOf("conv1.weight")[(channel * 3 + channel) * 9 + 4] = 1;
  dataOf("fc.weight").fill(0);
  dataOf("fc.bias").fill(-1);
  for (const [colour, id] of colourClasses.entries()) {
    const label = labels.findIndex((text) => text.startsWith(id));
    const channel = preprocessing.channels === "rgb" ? colour : 2 - colour;
    dataOf("fc.weight")[label * 4 + channel] = 1;
    dataOf("fc.bias")[label] = 0;
  }
  return { model, labels, preprocessing, weights };
}

export function writeCheckpoint(path: string, checkpoint: Checkpoint): void {
  writeFileSync(path, Buffer.concat(encodeCheckpoint(checkpoint)));
}

type Colour = readonly [number, number, number];

/** A PNG of one colour, with a square of another colour in its centre if `middle` is given. */
export async function drawPicture(path: string, colour: Colour, middle: Colour = colour): Promise<void> {
  const [width, height] = [26, 20];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isMiddle = Math.abs(x - 12.5) < 6 && Math.abs(y - 9.5) < 6;
      data.set(isMiddle ? middle : colour, (y * width + x) * 3);
    }
  }
  mkdirSync(dirname(path), { recursive: true });
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
}

/**
 * `count` pictures of each colour: in `root`, one folder a class; the same in `root/../flat`, with `list.txt` beside
 * that has their labels in the challenge's own order.
 */
export async function drawColours(root: string, count: number): Promise<void> {
  const lines: string[] = [];
  for (const [colour, id] of colourClasses.entries()) {
    for (let i = 0; i < count; i++) {
      const shade: [number, number, number] = [10, 10, 10];
      shade[colour] = 200 + (i % 50);
      await drawPicture(join(root, id, `${i}.png`), shade);
      await drawPicture(join(root, "..", "flat", `${colour}-${i}.png`), shade);
      lines.push(`${colour}-${i}.png ${colour}\n`);
    }
  }
  writeFileSync(join(root, "..", "list.txt"), lines.join(""));
}
