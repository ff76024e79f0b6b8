import { imagenet, type Recipe } from "./recipe.ts";

export const shicai: Recipe = {
  version: 3,
  title: "shicai/SENet-Caffe: SE-ResNet-50 by a straight line of rates",
  source: [
    "shicai/SENet-Caffe, issue 1: batch 256, base_lr 0.1, lr_policy poly with power 1, max_iter 500,000, momentum 0.9, weight_decay 1e-4",
    "shicai/SENet-Caffe, deploy file: 225 pixels, He's initialisation everywhere, epsilon 1e-4; biases do not decay",
    "shicai/SENet-Caffe, README: pixels minus 103.94, 116.78, 123.68, times 0.017; shorter side 256",
  ],
  data: imagenet,
  reached: "top-1 78.01 %, top-5 94.21 %",
  differences: [
    "500,000 steps, of which the hundredth and last epoch of ImageNet has 4604; 100 epochs of fewer pictures",
    "Caffe's Scale layers have the usual multipliers: gamma and beta decay",
    "biases learn at the usual rate, not twice as fast",
    "pictures are red, green, blue; theirs are blue first. Mean and factor are the same",
    "the augmentation is not published; here crop and mirror, as the authors of SENet",
  ],
  config: {
    model: "shicai-se-resnet-50",
    epochs: 100,
    maxSteps: 500_000,
    batchSize: 256,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    rateInVelocity: true,
    learningRate: 0.1,
    schedule: "poly",
    polyPower: 1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    decayOn: ["weight", "gamma", "beta"],
    cropScale: 0.08,
    mirror: true,
    mean: [123.68 / 255, 116.78 / 255, 103.94 / 255],
    // The difference times 0.017, in bytes.
    std: [1 / (0.017 * 255), 1 / (0.017 * 255), 1 / (0.017 * 255)],
    evaluationResize: 256,
  },
};
