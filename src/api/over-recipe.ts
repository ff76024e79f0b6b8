/** A configuration that begins as a recipe. */

import { recipe, recipeStart } from "../recipes/recipes.ts";
import type { TrainingConfig } from "../train/config.ts";
import { withRecipeBatch } from "../train/rank-batches.ts";
import type { WithBatch } from "../train/smaller-batch.ts";

type Values = Readonly<Record<string, unknown>>;

export interface OverRecipe {
  /** What was given, over the recipe's settings. */
  readonly values: Values;
  /** What to compare with the configuration of a run to resume, which has the recipe's settings, its rate scaled to its batch. */
  readonly besides: (saved: Pick<TrainingConfig, "recipe">) => Values;
  /** Absent without a recipe. */
  readonly withBatch?: WithBatch;
}

/**
 * Puts what was given over the recipe that it names, if it names one. `NAME@VERSION` is a note in a configuration that has
 * the recipe's settings already.
 * @throws SenetError `usage` where there is no such recipe
 */
export function overRecipe(given: Values): OverRecipe {
  const { recipe: name, ...others } = given;
  if (typeof name !== "string" || name.includes("@")) return { values: given, besides: () => given };
  const start = recipeStart(name);
  const values = { ...start, ...others };
  return {
    values,
    besides: (saved) => (saved.recipe === start.recipe ? others : values),
    withBatch: withRecipeBatch(recipe(name).config, {
      keys: new Set(Object.keys(values)),
      flags: new Set(Object.keys(others)),
    }),
  };
}
