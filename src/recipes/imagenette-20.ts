import { imagenetteConfig } from "./imagenette-5.ts";
import { imagenette, type Recipe } from "./recipe.ts";

export const imagenette20: Recipe = {
  version: 2,
  title: "Imagenette from scratch in twenty epochs, 128 pixels",
  source: [
    "this project: imagenette-5, with smaller crops for the longer run",
    "fastai/imagenette, README: the board that it stands beside (xresnet50, 91.57 %)",
  ],
  data: imagenette,
  differences: [],
  config: { ...imagenetteConfig, epochs: 20, cropScale: 0.35 },
};
