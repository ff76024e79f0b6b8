import { imagenette, type Recipe } from "./recipe.ts";

export const imagenette20: Recipe = {
  version: 1,
  title: "Imagenette from scratch in twenty epochs, 128 pixels",
  source: [
    "this project: imagenette-5, with smaller crops for the longer run",
    "fastai/imagenette, README: the board that it stands beside (xresnet50, 91.57 %)",
  ],
  data: imagenette,
  differences: ["nobody has run it yet"],
  config: {
    model: "se-resnet-18-d",
    epochs: 20,
    batchSize: 32,
    imageSize: 128,
    optimizer: "adamw",
    betas: [0.9, 0.99],
    eps: 1e-6,
    learningRate: 2.5e-3,
    schedule: "cosine",
    warmupEpochs: 1,
    weightDecay: 0.05,
    labelSmoothing: 0.1,
    cropScale: 0.35,
    mirror: true,
  },
};
