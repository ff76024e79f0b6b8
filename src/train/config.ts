/** Everything that decides a training run, with defaults; kept in `config.json` and inside every checkpoint. */

import * as z from "zod";
import { SenetError } from "../errors.ts";
import { augmentationKeys } from "../images/augment/config.ts";
import { nearestNames } from "../names.ts";
import { optimizerNames, optimizers } from "../optim/optimizers.ts";
import type { OptimizerConfig } from "../optim/rule.ts";
import { zooEntry } from "../zoo/index.ts";
import { fineTuningKeys } from "./fine-tuning.ts";

const positive = z.number().int().positive();
const rate = z.number().min(0).max(1);

const defaultModel = "se-resnet-18";

/** Unknown keys are errors: a misspelt option must not be silently ignored. */
export const trainingConfigSchema = z.strictObject({
  model: z.string().default(defaultModel),
  epochs: positive.default(20),
  batchSize: positive.default(64),
  /** Side of the training pictures in pixels; default: the one that the model was designed for. */
  imageSize: positive,
  seed: z.number().int().min(0).default(0),
  /** About how much of each class is kept back to validate with, by the seed (`holdOut`); `null`: the data has a part for it. */
  valSplit: z.number().gt(0).lt(1).nullable().default(null),

  /** The highest learning rate; `null` scales the optimiser's usual rate for 256 pictures (0.1 for `sgd`) linearly. */
  learningRate: z.number().positive().nullable().default(null),
  schedule: z.enum(["cosine", "step"]).default("cosine"),
  warmupEpochs: z.number().min(0).default(1),
  stepEpochs: z.array(z.number().positive()).default([30, 60, 90]),
  stepFactor: rate.default(0.1),

  optimizer: z.enum(optimizerNames).default("sgd"),
  /** Of `sgd` and `rmsprop`. */
  momentum: z.number().min(0).lt(1).default(0.9),
  /** Of `sgd`. */
  nesterov: z.boolean().default(true),
  weightDecay: z.number().min(0).default(5e-5),
  decayAll: z.boolean().default(false),
  labelSmoothing: z.number().min(0).lt(1).default(0),

  ...fineTuningKeys,
  ...augmentationKeys,
  /** Shorter side before the centre crop when evaluating; `null`: imageSize / 0.875. */
  evaluationResize: positive.nullable().default(null),
});

export type TrainingConfig = z.infer<typeof trainingConfigSchema>;

/** The model's own size of pictures, where none is given. @throws SenetError `usage` where there is no such model */
function withImageSize(given: unknown): unknown {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return given;
  const { model = defaultModel, imageSize }: { readonly model?: unknown; readonly imageSize?: unknown } = given;
  if (imageSize !== undefined) return given;
  return { ...given, imageSize: zooEntry(typeof model === "string" ? model : defaultModel).imageSize };
}

/**
 * A config with the defaults filled in.
 * @param nameOf what the user calls a key: the flag that was typed, or the key itself
 * @throws SenetError `usage`: where there is no such model; with every fault and, for unknown keys, the nearest known ones
 */
export function trainingConfig(
  given: unknown,
  where = "training options",
  nameOf: (key: string) => string = (key) => key,
): TrainingConfig {
  const result = trainingConfigSchema.safeParse(withImageSize(given));
  if (result.success) return result.data;
  const known = Object.keys(trainingConfigSchema.shape);
  const faults = result.error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => `"${key}" is unknown (nearest: ${nearestNames(key, known).join(", ")})`);
    }
    const [key = "", ...within] = issue.path.map(String);
    if (key === "") return [`expected an object, found ${shown(given)}`];
    const value = issue.path.reduce<unknown>((from, step) => (from as Record<PropertyKey, unknown>)?.[step], given);
    return [`${[nameOf(key), ...within].join(".")}: expected ${expectedBy(issue)}, found ${shown(value)}`];
  });
  throw new SenetError("usage", "cannot be used", { where, found: faults });
}

/** What a value was to be, in words. */
function expectedBy(issue: z.core.$ZodIssue): string {
  const kinds: Readonly<Record<string, string>> = {
    ...{ int: "a whole number", number: "a number", boolean: "true or false", string: "a text", array: "a list" },
  };
  if (issue.code === "too_small") return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
  if (issue.code === "too_big") return `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
  if (issue.code === "invalid_value") return issue.values.join(" or ");
  if (issue.code === "invalid_type") return kinds[issue.expected] ?? issue.expected;
  return issue.message;
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 80);

/** The rate that is used: the given one, or what is usual for the optimiser, by the number of pictures in a batch. */
export const learningRateOf = ({ learningRate, batchSize, optimizer }: TrainingConfig): number =>
  learningRate ?? (optimizers[optimizer].usualRate * batchSize) / 256;

/** The optimiser with what is set of it: those of its settings that are options of training too. */
export function optimizerOf(config: TrainingConfig): OptimizerConfig {
  const options: Readonly<Record<string, unknown>> = config;
  const settings = Object.keys(optimizers[config.optimizer].config.shape).filter((key) => key in options);
  return { name: config.optimizer, ...Object.fromEntries(settings.map((key) => [key, options[key]])) };
}
