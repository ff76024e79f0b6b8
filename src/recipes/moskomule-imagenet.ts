import { imagenet, type Recipe } from "./recipe.ts";

export const moskomuleImagenet: Recipe = {
  version: 2,
  title: "moskomule/senet.pytorch on ImageNet",
  source: ["moskomule/senet.pytorch at 8cb2669: imagenet.py"],
  data: imagenet,
  reached: "SE-ResNet-50: 77.06 %",
  hours: "8 GPUs; hours not published",
  differences: ["the script's rate is 0.6 for 1024 pictures; with its batch of 128 that is 0.075"],
  config: {
    model: "moskomule-se-resnet-50",
    epochs: 90,
    batchSize: 128,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    learningRate: 0.075,
    schedule: "step",
    stepEpochs: [50, 70],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    decayOn: ["weight", "bias", "gamma", "beta"],
    cropScale: 0.08,
    mirror: true,
  },
};
