import { imagenet, type Recipe } from "./recipe.ts";

/** The authors' answer to users who could not reproduce their numbers. */
export const senet2018: Recipe = {
  version: 1,
  title: "the re-training behind the released SE-ResNets, by its author",
  source: [
    "hujie-frank/SENet, issue 62: 270 epochs, batch 256, rate 0.1, cut at 125, 200 and 250",
    "hujie-frank/SENet, README: mirror, crop of 8 to 100 % of the area, aspect 3/4 to 4/3, rotation ±10°, pixel jitter ±20",
    "hujie-frank/SENet, issue 38: the jitter is an independent uniform number for each pixel and channel",
    "hujie-frank/SENet, issue 8: He's initialisation; biases and batch norm are not decayed",
  ],
  data: imagenet,
  reached: "SE-ResNet-50: top-1 error 22.20 %, top-5 6.00 % (ResNet-50: 23.21 %, 6.53 %)",
  hours: "8 Titan X; hours not published",
  differences: [
    "weight decay is not stated anywhere; 1e-4 is He et al.'s for ResNets",
    "pictures are red, green, blue with a mean and a deviation; the authors' were blue first and had a mean only",
    "rotation is part of the single resampling, not a separate step in OpenCV",
  ],
  config: {
    model: "se-resnet-50",
    epochs: 270,
    batchSize: 256,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    learningRate: 0.1,
    schedule: "step",
    stepEpochs: [125, 200, 250],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    cropScale: 0.08,
    cropRatio: [3 / 4, 4 / 3],
    rotate: 10,
    pixelJitter: 20,
    mirror: true,
  },
};
