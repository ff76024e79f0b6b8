import { cifar10, type Recipe } from "./recipe.ts";

export const bruinxiongCifar: Recipe = {
  version: 1,
  title: "bruinxiong/SENet.mxnet on CIFAR-10",
  source: ["bruinxiong/SENet.mxnet at 5f0b469: train_se_resnet.py, train_se_resnext_w_d.py (data-type cifar10)"],
  data: cifar10,
  differences: [
    "the rate falls after 100 and 150 epochs; theirs is to fall after 220, 260 and 280 of 200, and so never does",
    "an epoch is one of CIFAR-10's; theirs has as many pictures as ImageNet unless given another number",
  ],
  config: {
    model: "bruinxiong-se-resnet-164-cifar",
    epochs: 200,
    batchSize: 256,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: true,
    learningRate: 0.1,
    schedule: "step",
    stepEpochs: [100, 150],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    decayOn: ["weight", "gamma"],
    pad: 4,
    padFill: "127,127,127",
    mirror: true,
    // Raw bytes: the network starts with a batch norm.
    mean: [0, 0, 0],
    std: [1 / 255, 1 / 255, 1 / 255],
    evaluationResize: 32,
  },
};
