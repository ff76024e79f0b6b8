import { cifar10, type Recipe } from "./recipe.ts";

export const taki0112: Recipe = {
  version: 2,
  title: "taki0112/SENet-Tensorflow on CIFAR-10",
  source: ["taki0112/SENet-Tensorflow at 41b12c4: SE_ResNeXt.py, cifar10.py", "taki0112/SENet-Tensorflow, issue 15"],
  data: cifar10,
  reached: "SE-ResNeXt-29 (8x64d): 94.87 % (a user, issue 15)",
  differences: [
    "test pictures are normalised like training pictures, not by their own mean; each epoch has a new order; statistics are updated once a step, not twice",
    "mirrored pictures do not stay so; theirs do, which comes to the same: a picture is mirrored in any epoch with a chance of one half, whatever it was before",
    "running means begin at 0 and are not corrected for it in the first steps",
    "391 steps an epoch, of which the last has 80 pictures, are 390 whole ones here",
  ],
  config: {
    model: "taki0112-se-resnext-29",
    epochs: 100,
    batchSize: 128,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: true,
    learningRate: 0.1,
    schedule: "step",
    // Its code counts epochs from 1: from the 30th, 60th and 90th on.
    stepEpochs: [29, 59, 89],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 5e-4,
    decayOn: ["weight", "bias", "gamma", "beta"],
    pad: 4,
    padFill: "zero",
    mirror: true,
    // Mean of the training pictures.
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.247, 0.2435, 0.2616],
    evaluationResize: 32,
  },
};
