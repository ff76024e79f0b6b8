import { cifar10, type Recipe } from "./recipe.ts";

export const taki0112: Recipe = {
  version: 1,
  title: "taki0112/SENet-Tensorflow on CIFAR-10",
  source: ["taki0112/SENet-Tensorflow at 41b12c4: SE_ResNeXt.py, cifar10.py", "taki0112/SENet-Tensorflow, issue 15"],
  data: cifar10,
  reached: "SE-ResNeXt-29 (8x64d): 94.87 % (a user, issue 15)",
  differences: [
    "SE-ResNet-20 instead of SE-ResNeXt-29, which is not in the zoo",
    "the test pictures are normalised as those of training, not by their own mean; the order is drawn anew in each epoch; mirrored pictures do not stay so; statistics move once a step, not twice",
    "391 steps an epoch, of which the last has 80 pictures, are 390 whole ones here",
    "initialisation is He's by fan-in, not Glorot's",
  ],
  config: {
    model: "se-resnet-20",
    epochs: 100,
    batchSize: 128,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: true,
    learningRate: 0.1,
    schedule: "step",
    // Counted from 1 there: from the 30th, 60th and 90th on.
    stepEpochs: [29, 59, 89],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 5e-4,
    decayOn: ["weight", "bias", "gamma", "beta"],
    pad: 4,
    padFill: "zero",
    mirror: true,
    evaluationResize: 32,
  },
};
