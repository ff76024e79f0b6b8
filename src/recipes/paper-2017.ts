import { imagenet, type Recipe } from "./recipe.ts";

export const paper2017: Recipe = {
  version: 1,
  title: "the paper's ImageNet experiments",
  source: [
    "Hu, Shen, Albanie, Sun, Wu: Squeeze-and-Excitation Networks (arXiv 1709.01507), section 6.1: synchronous SGD, momentum 0.9, batch 1024, rate 0.6, a tenth every 30 epochs, 100 epochs, He's initialisation, r = 16",
    "the same: random crop to 224 with random area and aspect, mirror, subtraction of the mean",
  ],
  data: imagenet,
  reached: "SE-ResNet-50: top-1 error 23.29 %, top-5 6.62 % (ResNet-50: 24.80 %, 7.48 %)",
  differences: [
    "weight decay is not in the final text; 1e-4 is He et al.'s for ResNets",
    "the data balancing of an early version of the text is not done",
    "pictures are divided by a deviation too",
  ],
  config: {
    model: "se-resnet-50",
    epochs: 100,
    batchSize: 1024,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    learningRate: 0.6,
    schedule: "step",
    stepEpochs: [30, 60, 90],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    cropScale: 0.08,
    mirror: true,
  },
};
