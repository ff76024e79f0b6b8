/** What a recipe is: a training that somebody has described, as data. One file each; recipes.ts has the table. */

import type * as z from "../schema.ts";
import type { trainingConfigSchema } from "../train/config.ts";

/** Keys of the training config; what is left out has its default. */
export type RecipeConfig = Partial<z.input<typeof trainingConfigSchema>> & {
  readonly model: string;
  readonly epochs: number;
  readonly batchSize: number;
};

/** The pictures that a recipe was made for. */
export interface RecipeData {
  readonly name: string;
  /** Of training. */
  readonly pictures: number;
  readonly classes: number;
}

export interface Recipe {
  /** Raised when its numbers change: a run says by name and version which it had. */
  readonly version: number;
  /** One line for people. */
  readonly title: string;
  /** Where its numbers stand: a paper and its section, a repository's file, an issue. */
  readonly source: readonly string[];
  readonly data: RecipeData;
  /** What its authors got with it. */
  readonly reached?: string;
  /** Hours on a machine, where somebody has said or measured them. */
  readonly hours?: string;
  /** What of the source is not done here, or otherwise, and why; and what the source leaves open. */
  readonly differences: readonly string[];
  readonly config: RecipeConfig;
}

export const imagenet: RecipeData = { name: "ImageNet", pictures: 1_281_167, classes: 1000 };
export const cifar10: RecipeData = { name: "CIFAR-10", pictures: 50_000, classes: 10 };
export const imagenette: RecipeData = { name: "Imagenette", pictures: 9_469, classes: 10 };
