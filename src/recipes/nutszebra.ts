import { cifar10, type Recipe } from "./recipe.ts";

export const nutszebra: Recipe = {
  version: 2,
  title: "nutszebra/SENets on CIFAR-10",
  source: [
    "nutszebra/SENets at 2a5a0b3: README",
    "nutszebra/trainer at a4d556a and 9359c6e",
    "Chainer 1.24: MomentumSGD",
  ],
  data: cifar10,
  reached: "SE-ResNet-164: 95.91 % (r = 16), 95.69 % (r = 8); plain 95.48 %",
  differences: [
    "each picture is seen once an epoch; theirs are 781 batches drawn independently of each other",
    "three of SciPy's four resamplings: nearest, bilinear, bicubic (its cubic is bicubic again)",
  ],
  config: {
    model: "nutszebra-se-resnet-164-r16",
    epochs: 250,
    batchSize: 64,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    rateInVelocity: true,
    learningRate: 0.1,
    schedule: "step",
    stepEpochs: [150, 200],
    stepFactor: 0.1,
    warmup: "constant",
    warmupEpochs: 1,
    warmupLr: 0.01,
    weightDecay: 1e-4,
    decayOn: ["weight", "bias", "gamma", "beta"],
    augmentation: [
      {
        kind: "resizeCrop",
        sides: [32, 36],
        interpolations: ["nearest", "bilinear", "bicubic", "bicubic"],
        mirror: 0.5,
      },
      { kind: "cutout", side: 16, probability: 0.5 },
    ],
    byPicture: 10,
    evaluationResize: 32,
  },
};
