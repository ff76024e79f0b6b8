import { imagenet, type Recipe } from "./recipe.ts";

export const senet154: Recipe = {
  version: 1,
  title: "SENet-154, what won ILSVRC 2017",
  source: [
    "arXiv 1709.01507, appendix (Details of SENet-154): 8 servers (64 GPUs), batch 2048, rate 1.0, label smoothing, dropout 0.2 before the classifier, all batch norms frozen in the last few epochs",
  ],
  data: imagenet,
  reached: "top-1 error 18.68 %, top-5 4.47 % (crop of 224)",
  hours: "64 GPUs; hours not published",
  differences: [
    "epochs and cuts are not published; here 100, cut at 30, 60 and 90, as the paper's other networks",
    "nor is the number of epochs with frozen batch norms; here the last 5",
    "label smoothing 0.1 as in Szegedy et al., whom the paper cites for it",
    "weight decay is not stated; 1e-4",
  ],
  config: {
    model: "senet-154",
    epochs: 100,
    batchSize: 2048,
    optimizer: "sgd",
    momentum: 0.9,
    nesterov: false,
    learningRate: 1,
    schedule: "step",
    stepEpochs: [30, 60, 90],
    stepFactor: 0.1,
    warmupEpochs: 0,
    weightDecay: 1e-4,
    labelSmoothing: 0.1,
    freezeBnEpochs: 5,
    cropScale: 0.08,
    mirror: true,
  },
};
