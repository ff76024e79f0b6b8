import { cifar10, type Recipe } from "./recipe.ts";

export const moskomuleCifar: Recipe = {
  version: 1,
  title: "moskomule/senet.pytorch on CIFAR-10",
  source: ["moskomule/senet.pytorch at 8cb2669: cifar.py"],
  data: cifar10,
  reached: "SE-ResNet-20 (r = 4 or 8): 93 %; ResNet-20: 92 %",
  differences: [
    "squeeze and excitation has biases, and r = 16",
    "each picture is seen once an epoch; theirs are drawn with replacement",
  ],
  config: {
    model: "se-resnet-20",
    epochs: 200,
    batchSize: 64,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    learningRate: 0.1,
    schedule: "step",
    stepEpochs: [80, 160],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    decayOn: ["weight", "bias", "gamma", "beta"],
    pad: 4,
    padFill: "reflect",
    mirror: true,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2023, 0.1994, 0.201],
    evaluationResize: 32,
  },
};
