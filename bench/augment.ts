/**
 * Processor time of each augmentation, in milliseconds a picture, from a photograph of 500 by 375 pixels to
 * the network's input, the random crop and normalisation included.
 *
 * `node dist/bench/augment.js [--size 224] [STEP ...]`, after `npm run build`. The last line is one JSON object.
 */

import { parseArgs } from "node:util";
import { randAugmentText } from "../src/images/augment/rand-augment.ts";
import { type AugmentationStep, augmentationStep } from "../src/images/augment/steps.ts";
import { augment, standardTraining } from "../src/images/augment.ts";
import { imagenetPreprocessing } from "../src/images/preprocess.ts";
import { createRandom } from "../src/random.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { size: { type: "string", default: "224" } },
});
const size = Number(values.size);

const random = createRandom(0);
const [width, height] = [500, 375];
const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => 128 + 60 * Math.sin(i / 900) + random.below(40));
const picture = { width, height, data };
const into = new Float32Array(3 * size * size);

const [crop] = standardTraining(size, imagenetPreprocessing).steps;
const after = (step: object): readonly AugmentationStep[] => [crop!, augmentationStep.parse(step)];
const some = [0.6, 1.4];
const cases: Readonly<Record<string, readonly AugmentationStep[]>> = {
  crop: [crop!],
  rotate: standardTraining(size, imagenetPreprocessing, { rotate: 10 }).steps,
  pixelJitter: after({ kind: "pixelJitter" }),
  colorJitter: after({ kind: "colorJitter", brightness: 0.4, contrast: 0.4, saturation: 0.4 }),
  photometric: after({ kind: "photometric", brightness: some, contrast: some, saturation: some, lighting: 0.1 }),
  hls: after({ kind: "hls", hue: 36, lightness: 50, saturation: 50 }),
  randAugment: [crop!, randAugmentText.parse("rand-m9-mstd0.5-inc1")],
  cutout: after({ kind: "cutout", side: Math.round(size / 4) }),
  erase: after({ kind: "erase", probability: 0.25 }),
  warp: [augmentationStep.parse({ kind: "warp", scale: [0.7, 1], aspect: 0.25, rotate: 10, shear: 0.1 })],
};

const found: Record<string, number> = {};
for (const [name, steps] of Object.entries(cases)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const transform = { ...standardTraining(size, imagenetPreprocessing), steps };
  // The first of six rounds warms up the compiler; the fastest of the others counts, to exclude other load on the
  // machine.
  let least = Infinity;
  for (let round = 0; round < 6; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < 40; i++) augment(picture, transform, createRandom(1, i), into);
    const { user, system } = process.cpuUsage(start);
    if (round > 0) least = Math.min(least, (user + system) / 1000 / 40);
  }
  found[name] = Number(least.toFixed(2));
  console.log(`${name.padEnd(12)} ${least.toFixed(2)} ms`);
}
console.log(JSON.stringify({ size, milliseconds_per_image: found }));
