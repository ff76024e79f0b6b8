/** The type of recipes: described trainings, as data. Each is a file; recipes.ts has the table. */

import type * as z from "../schema.ts";
import type { trainingConfigSchema } from "../train/config.ts";

/** Keys of the training configuration; the others have their defaults. */
export type RecipeConfig = Partial<z.input<typeof trainingConfigSchema>> & {
  readonly model: string;
  readonly epochs: number;
  readonly batchSize: number;
};

/** The data that a recipe was made for. */
export interface RecipeData {
  readonly name: string;
  /** Number of training pictures. */
  readonly pictures: number;
  readonly classes: number;
}

export interface Recipe {
  /** Raised when its numbers change: runs record name and version. */
  readonly version: number;
  /** One line of description. */
  readonly title: string;
  /** Sources of its numbers: a paper's section, a repository's file, an issue. */
  readonly source: readonly string[];
  readonly data: RecipeData;
  /** The result that its authors report. */
  readonly reached?: string;
  /** Reported or measured duration on a machine. */
  readonly hours?: string;
  /** What is done differently from the source, and why; and what the source leaves open. */
  readonly differences: readonly string[];
  readonly config: RecipeConfig;
}

export const imagenet: RecipeData = { name: "ImageNet", pictures: 1_281_167, classes: 1000 };
export const cifar10: RecipeData = { name: "CIFAR-10", pictures: 50_000, classes: 10 };
export const imagenette: RecipeData = { name: "Imagenette", pictures: 9_469, classes: 10 };
