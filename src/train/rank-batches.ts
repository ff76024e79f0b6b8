/** A training by several ranks: what a configuration means for each, and for all. */

import { option, SenetError } from "../errors.ts";
import type { Ranks } from "../ranks.ts";
import { plain } from "../text-output.ts";
import type { TrainingConfig } from "./config.ts";
import type { Given } from "./resume.ts";

/**
 * What was asked for, by flags above all. A configuration's batches are those of all ranks together, so that it says the same
 * of the curve however many there are, as do a recipe and a file; a flag says what each is to have (as timm's does).
 */
export interface Asked {
  /** Keys that flags said. */
  readonly flags: ReadonlySet<string>;
  /** Keys that anything said. */
  readonly keys: ReadonlySet<string>;
}

/** @param given what the user calls a key begins with `--` where it was a flag */
export function askedBy({ values, nameOf }: Given): Asked {
  const keys = Object.keys(values);
  return { keys: new Set(keys), flags: new Set(keys.filter((key) => nameOf(key).startsWith("--"))) };
}

/** The configuration of a new run. A batch that nobody has said is each rank's, too. */
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

/** What is asked of a run that goes on. */
export function givenForAllRanks(given: Given, { count }: Pick<Ranks, "count">): Given {
  const { flags } = askedBy(given);
  const changed = ["batchSize", "microBatch"].flatMap((key) => {
    const value = given.values[key];
    return flags.has(key) && typeof value === "number" ? [[key, count * value] as const] : [];
  });
  return { ...given, values: { ...given.values, ...Object.fromEntries(changed) } };
}

/** What a recipe may say of the rate. */
interface RecipeRate {
  readonly batchSize: number;
  readonly learningRate?: number | null | undefined;
  readonly warmupEpochs?: number | undefined;
}

/** Epochs of warm-up with a batch that is larger than the recipe's. */
const largeBatchWarmup = 5;

/**
 * A recipe's training with another batch than its own: its rate grows with the batch, with LAMB by the root (You et al., arXiv
 * 1904.00962), and larger batches warm up for five epochs (Goyal et al., arXiv 1706.02677, section 2).
 * @param recipe what it has; nothing changes where it says no rate, or somebody says another one
 * @param say told what was changed
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
  const learningRate = rate * (config.optimizer === "lamb" ? Math.sqrt(factor) : factor);
  const isRecipes = !flags.has("warmupEpochs") && config.warmupEpochs === (recipe.warmupEpochs ?? config.warmupEpochs);
  const isLonger = factor > 1 && isRecipes && config.warmupEpochs < largeBatchWarmup;
  const warmupEpochs = isLonger ? largeBatchWarmup : config.warmupEpochs;
  say(
    `batches of ${config.batchSize} instead of the recipe's ${recipe.batchSize}: a rate of ${plain(learningRate)} instead of ${plain(rate)}` +
      (isLonger ? `, after ${largeBatchWarmup} epochs of warm-up` : ""),
  );
  return { ...config, learningRate, warmupEpochs };
}

/**
 * A recipe's steps with another batch than its own: as many pictures as there.
 * @param recipe what it has; nothing changes where flags say how many steps
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

/** @throws SenetError `usage` where the ranks cannot share the batch evenly, or each batch is to be whole on one of them */
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
