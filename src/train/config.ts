/**
 * The training configuration: everything that determines a run's result, with defaults. Stored in `config.json` and in
 * every checkpoint.
 */

import { configKey } from "../config-key.ts";
import { SenetError } from "../errors.ts";
import { augmentationKeys } from "../images/augment/config.ts";
import { activations } from "../nn/layers.ts";
import { optimizers, rateFactor } from "../optim/optimizers.ts";
import type { OptimizerConfig } from "../optim/rule.ts";
import * as z from "../schema.ts";
import { zooEntry } from "../zoo/index.ts";
import { averagingKeys } from "./averaging.ts";
import { clippingKeys } from "./clipping.ts";
import { fineTuningKeys } from "./fine-tuning.ts";
import { optimizerKeys } from "./learning.ts";
import { keyOfOtherName } from "./other-names.ts";
import { pictureKeys } from "./pictures.ts";
import { scheduleKeys } from "./schedule.ts";
import { lossKeys } from "./targets.ts";
import { togetherKeys } from "./together.ts";

const count = z.int().check(z.gte(0));
const positive = z.int().check(z.gt(0));

const defaultModel = "se-resnet-18";

/** Raised when the meaning of an older configuration changes; `upToDate` converts those. */
const version = 3;

const runKeys = {
  /** The recipe (with version) from which the other keys started; for information, since they are all stored. */
  recipe: z._default(
    z.nullable(
      z.string().check(z.regex(/^[\w-]+@\d+$/, "NAME@VERSION, as returned by recipeStart with the recipe's settings")),
    ),
    null,
  ),
  model: configKey(z._default(z.string(), defaultModel), "a model of the zoo (senet models lists them)", {
    value: "name",
  }),
  /** `null`: the network's own. */
  act: configKey(
    z._default(z.nullable(z.enum(activations)), null),
    "activation of a residual network, outside of squeeze and excitation; default: relu",
  ),
  epochs: configKey(z._default(positive, 20), "passes over the training pictures"),
  /** Like Caffe's `max_iter`; the last epoch may then be shorter. `null`: as many steps as the epochs have. */
  maxSteps: configKey(
    z._default(z.nullable(positive), null),
    "stop after this many steps if the epochs have more; without epochs, train exactly that long",
  ),
  batchSize: configKey(z._default(positive, 64), "pictures per step; auto: as many as fit into memory", {
    value: "n|auto",
    auto: true,
  }),
  /** Computes the gradients for this many pictures at a time and sums them; `null`: for the whole batch at once. */
  microBatch: configKey(
    z._default(z.nullable(positive), null),
    "pictures computed at a time, a part of the batch: less memory, same gradients; default: the batch",
  ),
  shuffle: configKey(
    z._default(z.enum(["anew", "once"]), "anew"),
    "shuffle anew in each epoch, or once for all epochs",
  ),
  lastBatch: configKey(
    z._default(z.enum(["leave", "keep"]), "leave"),
    "an incomplete last batch of an epoch: leave it out (other pictures each time), or keep it as a smaller batch",
  ),
  /** `twice`, as in taki0112's code: a second pass over the same batch with the new weights; doubles the time. */
  runningStatistics: z._default(z.enum(["once", "twice"]), "once"),
  /** Side of the training pictures in pixels; default: the model's own. */
  imageSize: configKey(positive, "side in pixels; default: the model's own"),
  seed: configKey(z._default(count, 0), "seed of weights, order and augmentation"),
  /**
   * About which part of each class is kept back for validation, chosen by the seed (`holdOut`); `null`: the data has a
   * validation part.
   */
  valSplit: configKey(
    z._default(z.nullable(z.number().check(z.gt(0), z.lt(1))), null),
    "validate on this part of each class (0.1: a tenth), for data without val/; chosen by the seed and the pictures' names",
    { value: "part" },
  ),
  /** As SENet-154 was trained (docs/networks.md, 3.1). */
  freezeBnEpochs: configKey(
    z._default(count, 0),
    "number of last epochs in which batch norm uses its running statistics, unchanged",
  ),
  /** Stochastic depth, Huang et al., arXiv 1603.09382, as in timm (nn/drop-path.ts). */
  dropPath: configKey(
    z._default(z.number().check(z.gte(0), z.lt(1)), 0),
    "stochastic depth: probability of skipping the last residual block for a picture, smaller for earlier blocks",
    { value: "rate" },
  ),
  patience: configKey(
    z._default(z.nullable(positive), null),
    "stop after this many epochs without improvement; default: never",
  ),
};

/**
 * All keys, grouped by concern and declared in the file that uses them; the command line groups them the same way
 * (cli/train-config.ts).
 */
export const trainingKeys = {
  Run: runKeys,
  "Fine-tuning": fineTuningKeys,
  "Learning rate": scheduleKeys,
  Optimizer: { ...optimizerKeys, ...clippingKeys },
  "Average of the weights": averagingKeys,
  Loss: lossKeys,
  Augmentation: augmentationKeys,
  Pictures: pictureKeys,
  "Several processes": togetherKeys,
};

/** Unknown keys are errors: a misspelt option must not be silently ignored. */
export const trainingConfigSchema = z
  .strictObject({
    version: z._default(z.literal(version), version),
    ...trainingKeys.Run,
    ...trainingKeys["Fine-tuning"],
    ...trainingKeys["Learning rate"],
    ...trainingKeys.Optimizer,
    ...trainingKeys["Average of the weights"],
    ...trainingKeys.Loss,
    ...trainingKeys.Augmentation,
    ...trainingKeys.Pictures,
    ...trainingKeys["Several processes"],
  })
  .check(
    z.refine(
      ({ batchSize, microBatch }) => batchSize % (microBatch ?? batchSize) === 0,
      "a divisor of the batch size",
      ["microBatch"],
    ),
    z.refine(
      ({ batchSize, microBatch, lastBatch, runningStatistics }) =>
        (microBatch ?? batchSize) === batchSize || (lastBatch === "leave" && runningStatistics === "once"),
      "the whole batch where last batches are kept, or statistics move twice",
      ["microBatch"],
    ),
    z.refine(
      ({ bceLoss, classWeights }) => !bceLoss || classWeights === "none",
      "none with binary cross-entropy, whose classes are yes or no each",
      ["classWeights"],
    ),
    z.refine(
      ({ bceLoss, bceTargetThresh }) => bceLoss || bceTargetThresh === null,
      "binary cross-entropy too, since the targets of softmax add up to 1",
      ["bceTargetThresh"],
    ),
  );

export type TrainingConfig = z.output<typeof trainingConfigSchema>;

type Given = Readonly<Record<string, unknown>>;
const isObject = (given: unknown): given is Given =>
  typeof given === "object" && given !== null && !Array.isArray(given);

/** Converts a configuration of an older version. */
const upToDate = (given: unknown): unknown => (isObject(given) ? fromVersion2(fromVersion1(given)) : given);

/** Files of version 1 are complete: either only weights decayed or everything did, and JPEGs were always decoded exactly. */
function fromVersion1(given: Given): Given {
  if (!("decayAll" in given) || (given.version ?? 1) !== 1) return given;
  const { decayAll, ...rest } = given;
  const decayOn = decayAll === true ? ["weight", "bias", "gamma", "beta"] : ["weight"];
  return { decode: "exact", ...rest, decayOn, version: 2 };
}

/** Usual rates for 256 pictures before version 3, proportional to the batch; those of other optimisers are the same. */
const ratesOfVersion2: Readonly<Record<string, number>> = { adamw: 2.5e-4, radam: 2.5e-4, muon: 2.5e-4, lamb: 6.25e-4 };

function fromVersion2(given: Given): Given {
  if (given.version !== 2) return given;
  const { version: _, ...rest } = given;
  const { learningRate = null, optimizer, batchSize = 64 } = rest;
  const usual = typeof optimizer === "string" ? ratesOfVersion2[optimizer] : undefined;
  if (learningRate !== null || usual === undefined || typeof batchSize !== "number") return rest;
  return { ...rest, learningRate: (usual * batchSize) / 256 };
}

/** If only the number of steps is given, epochs are as many: each has at least one step. */
function withEpochs(given: unknown): unknown {
  if (!isObject(given) || typeof given.maxSteps !== "number" || given.epochs !== undefined) return given;
  return { ...given, epochs: given.maxSteps };
}

/**
 * Limits the epochs to those that the steps need.
 * @param stepsPerEpoch steps in one epoch of the training pictures
 */
export function withinSteps(config: TrainingConfig, stepsPerEpoch: number): TrainingConfig {
  const { epochs, maxSteps } = config;
  return maxSteps === null ? config : { ...config, epochs: Math.min(epochs, Math.ceil(maxSteps / stepsPerEpoch)) };
}

/** Fills in the model's own image size if none is given. @throws SenetError `usage` where there is no such model */
function withImageSize(given: unknown): unknown {
  if (!isObject(given)) return given;
  const { model = defaultModel, imageSize } = given;
  if (imageSize !== undefined) return given;
  return { ...given, imageSize: zooEntry(typeof model === "string" ? model : defaultModel).imageSize };
}

/**
 * Checks a configuration and fills in the defaults.
 * @param nameOf the user's name for a key: the flag typed, or the key itself
 * @throws SenetError `usage` where there is no such model, or listing every fault, with the nearest known keys for
 * unknown ones
 */
export function trainingConfig(
  given: unknown,
  where = "training options",
  nameOf: (key: string) => string = (key) => key,
): TrainingConfig {
  const result = trainingConfigSchema.safeParse(withEpochs(withImageSize(upToDate(given))));
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => renamedLine(issue) ?? z.issueLine(issue, nameOf));
  throw new SenetError("usage", "cannot be used", { where, found: faults });
}

/** For an unknown key that other programs have, what it is called here. */
function renamedLine({ path: [key], known = [] }: z.Issue): string | undefined {
  const meant = keyOfOtherName(`${key}`);
  return meant !== undefined && known.includes(meant) ? `"${key}" is unknown: here it is ${meant}` : undefined;
}

/** The learning rate used: the given one, or the optimiser's usual one scaled by the batch size. */
export const learningRateOf = ({ learningRate, batchSize, optimizer }: TrainingConfig): number =>
  learningRate ?? optimizers[optimizer].usualRate * rateFactor(optimizer, batchSize / 256);

/** The optimiser with those of its settings that are keys of the configuration. */
export function optimizerOf(config: TrainingConfig): OptimizerConfig {
  const { optimizer: name, schedule, lookahead, lookaheadSteps: steps, lookaheadAlpha: alpha } = config;
  const options: Readonly<Record<string, unknown>> = { ...config, momentumCycles: schedule === "one-cycle" };
  const settings = Object.keys(optimizers[name].config.shape).filter((key) => (options[key] ?? null) !== null);
  return {
    name,
    ...Object.fromEntries(settings.map((key) => [key, options[key]])),
    ...(lookahead && { lookahead: { steps, alpha } }),
  };
}
