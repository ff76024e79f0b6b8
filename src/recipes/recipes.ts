/** The table of recipes; a new one is its file and its row here. */

import { SenetError } from "../errors.ts";
import { graphCost } from "../ir/cost.ts";
import { nearestNames } from "../names.ts";
import { type TrainingConfig, trainingConfig } from "../train/config.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { bruinxiong } from "./bruinxiong.ts";
import { bruinxiongCifar } from "./bruinxiong-cifar.ts";
import { imagenette5 } from "./imagenette-5.ts";
import { imagenette20 } from "./imagenette-20.ts";
import { lars16k } from "./lars-16k.ts";
import { moskomuleCifar } from "./moskomule-cifar.ts";
import { moskomuleImagenet } from "./moskomule-imagenet.ts";
import { nutszebra } from "./nutszebra.ts";
import { paper2017 } from "./paper-2017.ts";
import type { Recipe } from "./recipe.ts";
import { senet154 } from "./senet-154.ts";
import { senet2018 } from "./senet-2018.ts";
import { shicai } from "./shicai.ts";
import { strikesBackA2 } from "./strikes-back-a2.ts";
import { taki0112 } from "./taki0112.ts";
import { taki0112Exact } from "./taki0112-exact.ts";
import { tensorpack } from "./tensorpack.ts";
import { timmRa2 } from "./timm-ra2.ts";

export const recipes = {
  "senet-2018": senet2018,
  "paper-2017": paper2017,
  "senet-154": senet154,
  shicai,
  tensorpack,
  taki0112,
  "taki0112-exact": taki0112Exact,
  bruinxiong,
  "bruinxiong-cifar": bruinxiongCifar,
  "moskomule-imagenet": moskomuleImagenet,
  "moskomule-cifar": moskomuleCifar,
  nutszebra,
  "timm-ra2": timmRa2,
  "strikes-back-a2": strikesBackA2,
  "lars-16k": lars16k,
  "imagenette-5": imagenette5,
  "imagenette-20": imagenette20,
} as const satisfies Readonly<Record<string, Recipe>>;

export type RecipeName = keyof typeof recipes;
export const recipeNames = Object.keys(recipes) as readonly RecipeName[];

const isRecipe = (name: string): name is RecipeName => Object.hasOwn(recipes, name);

/** Looks up a recipe. @throws SenetError `usage`, with the nearest names, where there is no such recipe */
export function recipe(name: string): Recipe {
  if (isRecipe(name)) return recipes[name];
  throw new SenetError("usage", `there is no recipe "${name}"`, {
    hint: `${nearestNames(name, recipeNames).join(", ")} (senet recipes lists all)`,
  });
}

/** The configuration keys that a recipe sets, plus its name and version, which the run keeps. */
export function recipeStart(name: string): Readonly<Record<string, unknown>> {
  const { config, version } = recipe(name);
  return { ...config, recipe: `${name}@${version}` };
}

/** The complete configuration that a recipe stands for. */
export const recipeConfig = (name: string): TrainingConfig => trainingConfig(recipeStart(name), `recipe ${name}`);

export interface RecipeCost {
  /** Number of pictures processed, over all epochs. */
  readonly pictures: number;
  /** Forward and backward, three times the forward pass. */
  readonly multiplyAdds: number;
}

/** The cost of a recipe on the data that it was made for. */
export function recipeCost(name: string): RecipeCost {
  const { data } = recipe(name);
  const { model: network, epochs, maxSteps, batchSize, imageSize } = recipeConfig(name);
  const pictures = Math.min(epochs * data.pictures, (maxSteps ?? Number.POSITIVE_INFINITY) * batchSize);
  const graph = inferenceGraph(model(network, data.classes), { batch: 1, imageSize });
  return { pictures, multiplyAdds: 3 * pictures * graphCost(graph).multiplyAdds };
}
