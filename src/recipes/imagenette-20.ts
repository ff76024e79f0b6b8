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
  reached: "92.1 % top-1 (seed 1)",
  hours: "28 minutes on two cores of an AMD EPYC (family 26) that others used too, in bf16 with oneDNN",
  differences: [],
  config: { ...imagenetteConfig, epochs: 20, cropScale: 0.35 },
};
