import type { Recipe } from "./recipe.ts";
import { taki0112 } from "./taki0112.ts";

/** taki0112's training including what its code does by mistake. */
export const taki0112Exact: Recipe = {
  ...taki0112,
  version: 1,
  title: "taki0112/SENet-Tensorflow on CIFAR-10, with the errors of its code",
  differences: [
    "here as there, and not in taki0112: the test pictures are normalised by their own mean and deviation; all epochs have one order, with a last batch of 80; batch norm's statistics move twice a step, the second time by the new weights",
    "a picture is mirrored in any epoch with a chance of one half; there the mirrored picture stays, and is mirrored again or not, which is the same chance, whatever it was before",
    "running means begin at 0 and are not corrected for it in the first steps",
  ],
  config: {
    ...taki0112.config,
    shuffle: "once",
    lastBatch: "keep",
    runningStatistics: "twice",
    // Mean of CIFAR-10's 10,000 test pictures.
    validationMean: [0.4942, 0.4851, 0.4504],
    validationStd: [0.2467, 0.2429, 0.2616],
  },
};
