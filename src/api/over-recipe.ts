/** A configuration that starts from a recipe. */

import { recipe, recipeStart } from "../recipes/recipes.ts";
import type { TrainingConfig } from "../train/config.ts";
import { withRecipeBatch } from "../train/rank-batches.ts";
import type { WithBatch } from "../train/smaller-batch.ts";

type Values = Readonly<Record<string, unknown>>;

export interface OverRecipe {
  /** The recipe's settings, overridden by the given values. */
  readonly values: Values;
  /**
   * Values to compare with the configuration of a run to resume; these include the recipe's settings, with its rate
   * scaled to its batch.
   */
  readonly besides: (saved: Pick<TrainingConfig, "recipe">) => Values;
  /** Absent without a recipe. */
  readonly withBatch?: WithBatch;
}

/**
 * Overrides the recipe that the given values name, if any, with the given values. `NAME@VERSION` only notes that a
 * configuration already has the recipe's settings.
 * @throws SenetError `usage` for an unknown recipe
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
