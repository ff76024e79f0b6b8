import { imagenet, type Recipe } from "./recipe.ts";

export const bruinxiong: Recipe = {
  version: 2,
  title: "bruinxiong/SENet.mxnet: SE-ResNeXt-50 by one affine warp and shifts of colour",
  source: [
    "bruinxiong/SENet.mxnet at 5f0b469: train_se_resnext_w_d.py, run.sh (augmentation level 2)",
    "apache/mxnet 0.11: image_aug_default.cc and the NAG optimiser",
  ],
  data: imagenet,
  reached: "top-1 error near 22.7 % (a curve in the repository); 76.7 %, 93.4 % in knjcode/mxnet-finetuner",
  differences: [
    "pictures are scaled to 480 pixels before the warp; theirs are stored in records at that size, as JPEGs of quality 90",
  ],
  config: {
    model: "bruinxiong-se-resnext-50",
    epochs: 125,
    batchSize: 192,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: true,
    learningRate: 0.1,
    schedule: "step",
    stepEpochs: [30, 60, 90, 95, 110, 120],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    decayOn: ["weight", "gamma"],
    // Raw bytes: the network starts with a batch norm.
    mean: [0, 0, 0],
    std: [1 / 255, 1 / 255, 1 / 255],
    augmentation: [
      { kind: "warp", resize: 480, scale: [0.533, 1], aspect: 0.25, mirror: 0.5 },
      { kind: "hls", hue: 36, lightness: 50, saturation: 50 },
    ],
  },
};
