import { imagenet, type Recipe } from "./recipe.ts";

export const strikesBackA2: Recipe = {
  version: 1,
  title: "ResNet strikes back's procedure A2: LAMB with batches of 2048, for many processes",
  source: [
    "Wightman, Touvron, Jégou: ResNet strikes back (arXiv 2110.00476), table 2, column A2: 300 epochs at 224, batch 2048, LAMB, rate 5e-3, cosine, decay 0.02, five epochs of warm-up, binary cross-entropy, RandAugment 7/0.5, mixup 0.1, CutMix 1.0, repeated augmentation, test crop ratio 0.95",
    "You et al.: Large Batch Optimization for Deep Learning (arXiv 1904.00962): LAMB, whose rate goes with the root of the batch",
  ],
  data: imagenet,
  reached: "ResNet-50: top-1 79.8 % at 224 pixels, by its authors",
  differences: [
    "stochastic depth (0.05) is not done",
    "with binary cross-entropy targets of mixed pictures stay shares; the authors set every one above 0 to 1",
  ],
  config: {
    model: "se-resnet-50-modern",
    epochs: 300,
    batchSize: 2048,
    imageSize: 224,
    optimizer: "lamb",
    learningRate: 5e-3,
    schedule: "cosine",
    warmupEpochs: 5,
    weightDecay: 0.02,
    bceLoss: true,
    labelSmoothing: 0,
    aa: "rand-m7-mstd0.5-inc1",
    augRepeats: 3,
    mixup: 0.1,
    cutmix: 1,
    cropScale: 0.08,
    mirror: true,
    interpolation: "bicubic",
    evaluationResize: 236,
  },
};
