import { imagenet, type Recipe } from "./recipe.ts";

export const tensorpack: Recipe = {
  version: 2,
  title: "tensorpack's SE-ResNet-50",
  source: ["tensorpack/tensorpack at 1547a54, examples/ResNet: imagenet-resnet.py, imagenet_utils.py, resnet_model.py"],
  data: imagenet,
  reached: "top-1 error 22.64 %, top-5 6.24 % (plain ResNet-50: 23.61 %, 6.85 %)",
  differences: ["bicubic resampling is Pillow's, with antialiasing; theirs is OpenCV's"],
  config: {
    model: "tensorpack-se-resnet-50",
    epochs: 105,
    batchSize: 256,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: true,
    learningRate: 0.1,
    schedule: "step",
    scheduleBy: "epoch",
    stepEpochs: [30, 60, 90, 100],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    decayOn: ["weight"],
    augmentation: [
      {
        kind: "crop",
        scale: [0.08, 1],
        ratio: [3 / 4, 4 / 3],
        ratioLaw: "turned",
        interpolation: "bicubic",
        mirror: 0.5,
      },
      { kind: "photometric", brightness: [0.6, 1.4], contrast: [0.6, 1.4], saturation: [0.6, 1.4], lighting: 0.1 },
    ],
  },
};
