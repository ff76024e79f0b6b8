/** Training with several ranks: what a configuration means for each rank and for all together. */

import { option, SenetError } from "../errors.ts";
import { rateFactor } from "../optim/optimizers.ts";
import type { Ranks } from "../ranks.ts";
import { plain } from "../text-output.ts";
import type { TrainingConfig } from "./config.ts";
import type { Given } from "./resume.ts";
import type { WithBatch } from "./smaller-batch.ts";

/**
 * Which keys were given, and which of them by flags. A configuration's batch is that of all ranks together, so that a
 * configuration (or recipe, or file) describes the same curve for any number of ranks; a flag gives the batch per rank,
 * as in timm.
 */
export interface Asked {
  /** Keys given by flags. */
  readonly flags: ReadonlySet<string>;
  /** All keys given. */
  readonly keys: ReadonlySet<string>;
}

/** @param given the given keys; the user's name for a key starts with `--` if it was a flag */
export function askedBy({ values, nameOf }: Given): Asked {
  const keys = Object.keys(values);
  return { keys: new Set(keys), flags: new Set(keys.filter((key) => nameOf(key).startsWith("--"))) };
}

/** The configuration of a new run on all ranks. The default batch is also per rank. */
export function forAllRanks(
  config: TrainingConfig,
  { flags, keys }: Asked,
  { count }: Pick<Ranks, "count">,
): TrainingConfig {
  const { batchSize, microBatch } = config;
  const isOfEach = (key: string) => flags.has(key) || !keys.has(key);
  return {
    ...config,
    batchSize: isOfEach("batchSize") ? count * batchSize : batchSize,
    microBatch: microBatch !== null && isOfEach("microBatch") ? count * microBatch : microBatch,
  };
}

/** The keys given for a resumed run, converted from per rank to all ranks. */
export function givenForAllRanks(given: Given, { count }: Pick<Ranks, "count">): Given {
  const { flags } = askedBy(given);
  const changed = ["batchSize", "microBatch"].flatMap((key) => {
    const value = given.values[key];
    return flags.has(key) && typeof value === "number" ? [[key, count * value] as const] : [];
  });
  return { ...given, values: { ...given.values, ...Object.fromEntries(changed) } };
}

/** The keys of a recipe that concern the rate. */
interface RecipeRate {
  readonly batchSize: number;
  readonly learningRate?: number | null | undefined;
  readonly warmupEpochs?: number | undefined;
}

/** Warm-up epochs when the batch is larger than the recipe's: five of ninety or more, the same part of a shorter run. */
const largeBatchWarmup = (epochs: number): number => Math.min(5, epochs / 18);

/**
 * Adapts a recipe to another batch size: its rate scales with the batch (`rateFactor`), and larger batches warm up for
 * five epochs of ninety (Goyal et al., arXiv 1706.02677, section 2).
 * @param recipe the recipe's keys; nothing changes if it sets no rate or a rate was given
 * @param say is told what was changed
 */
export function withRecipeScaled(
  config: TrainingConfig,
  recipe: RecipeRate | undefined,
  { flags }: Asked,
  say: (line: string) => void,
): TrainingConfig {
  const rate = recipe?.learningRate ?? null;
  if (recipe === undefined || rate === null || config.batchSize === recipe.batchSize) return config;
  if (flags.has("learningRate") || config.learningRate !== rate) return config;
  const factor = config.batchSize / recipe.batchSize;
  const learningRate = rate * rateFactor(config.optimizer, factor);
  const isRecipes = !flags.has("warmupEpochs") && config.warmupEpochs === (recipe.warmupEpochs ?? config.warmupEpochs);
  const longer = largeBatchWarmup(config.epochs);
  const isLonger = factor > 1 && isRecipes && config.warmupEpochs < longer;
  const warmupEpochs = isLonger ? longer : config.warmupEpochs;
  say(
    `batches of ${config.batchSize} instead of the recipe's ${recipe.batchSize}: a rate of ${plain(learningRate)} instead of ${plain(rate)}` +
      (isLonger ? `, after ${plain(warmupEpochs, 2)} epochs of warm-up` : ""),
  );
  return { ...config, learningRate, warmupEpochs };
}

/**
 * Adapts a recipe's number of steps to another batch size, so that it sees the same number of pictures.
 * @param recipe the recipe's keys; nothing changes if flags give the number of steps
 */
export function withRecipeSteps(
  config: TrainingConfig,
  recipe: { readonly batchSize: number; readonly maxSteps?: number | null | undefined } | undefined,
  { flags }: Asked,
  say: (line: string) => void,
): TrainingConfig {
  const steps = recipe?.maxSteps ?? null;
  if (recipe === undefined || steps === null || flags.has("maxSteps") || config.batchSize === recipe.batchSize) {
    return config;
  }
  const maxSteps = Math.round((steps * recipe.batchSize) / config.batchSize);
  say(`the recipe's ${steps} steps of ${recipe.batchSize} pictures are ${maxSteps} of ${config.batchSize}`);
  return { ...config, maxSteps };
}

/** Adapts to its batch a configuration that begins as a recipe: its rate, warm-up and steps. */
export const withRecipeBatch =
  (recipe: (RecipeRate & { readonly maxSteps?: number | null | undefined }) | undefined, asked: Asked): WithBatch =>
  (config, say = () => {}) =>
    withRecipeSteps(withRecipeScaled(config, recipe, asked, say), recipe, asked, say);

/**
 * @throws SenetError `usage` where the ranks cannot share the batch evenly, or an option needs the whole batch in one
 * process
 */
export function checkShares(config: TrainingConfig, { count }: Pick<Ranks, "count">): void {
  if (count === 1) return;
  const { batchSize, microBatch, lastBatch, runningStatistics } = config;
  if (lastBatch === "keep" || runningStatistics === "twice") {
    throw new SenetError("usage", "this training is one of a single process", {
      where: lastBatch === "keep" ? "lastBatch" : "runningStatistics",
      expected: lastBatch === "keep" ? "leave" : "once",
      found: `${lastBatch === "keep" ? lastBatch : runningStatistics}, and ${count} processes`,
      hint: "one process, or whole batches and statistics that move once",
    });
  }
  const together = microBatch ?? batchSize;
  const hint = `as many processes as divide ${together}, or a new run`;
  if (together % count !== 0) {
    throw new SenetError("usage", "the batch cannot be divided among the processes", {
      where: option("batchSize"),
      expected: `a multiple of ${count}, the number of processes`,
      found: `${together} pictures at a time`,
      hint,
    });
  }
  const isMixed = config.mixup > 0 || config.cutmix > 0;
  if (isMixed && (together / count) % 2 !== 0) {
    throw new SenetError("usage", "pictures are mixed two by two, on the process that has both", {
      where: option("batchSize"),
      expected: "an even number of pictures for each process",
      found: `${together / count}`,
      hint: `an even ${option("batchSize")}, or no mixup and cutmix`,
    });
  }
}
