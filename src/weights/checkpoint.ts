/**
 * Our weight files: safetensors whose metadata say all that is needed to use them without flags: the model, the labels,
 * the pre-processing; and in `last.safetensors` the state of the run.
 */

import { SenetError } from "../errors.ts";
import { parseSafetensors } from "../formats/safetensors.ts";
import { largestMean, largestStd, type Preprocessing, smallestStd } from "../images/preprocess.ts";
import { interpolations } from "../images/resize.ts";
import { type Graph, isTrainable, type Parameter } from "../ir/graph.ts";
import type { OptimizerState } from "../optim/rule.ts";
import type { Quantization } from "../passes/quantize.ts";
import * as z from "../schema.ts";
import type { Tensor } from "../tensor.ts";
import { listed } from "../text.ts";
import { extent, positive, texts } from "../zoo/bounds.ts";
import { builtBy } from "../zoo/built.ts";
import { checkDemands } from "../zoo/demands.ts";
import { configSchema, inferenceGraph, type Model, parametersOf } from "../zoo/graphs.ts";
import { type NetworkFunction, withFunction } from "../zoo/own-function.ts";
import { loadWeights } from "./load.ts";
import { checkSound } from "./sound.ts";

export interface Checkpoint {
  readonly model: Model;
  /** Class names, by index. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** The model's parameters; with `quantization`, those of the network in eight bits (`eightBitGraph`). */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** How these weights were learnt, in files that a run wrote. */
  readonly training?: TrainedBy;
  /** Present where the network is in eight bits. */
  readonly quantization?: StoredQuantization;
  /** Present in a file that a run can resume from. */
  readonly run?: RunState;
}

const trainingSchema = z.strictObject({
  /** `NAME@VERSION`, or `null`. */
  recipe: z.nullable(z.string().check(z.maxLength(1000))),
  seed: z.int().check(z.gte(0)),
  /** Those that these weights had, of so many. */
  epoch: z.int().check(z.gte(0)),
  epochs: z.int().check(z.gte(0)),
  /** In percent, of the pictures to validate with. */
  top1Error: z.number().check(z.gte(0), z.lte(100)),
});

/** What is known of the run that weights come from. */
export type TrainedBy = z.output<typeof trainingSchema>;

/** What training needs to go on (train/state.ts gives it its types); opaque here, since files know nothing of training. */
export interface RunState {
  readonly config: unknown;
  readonly state: unknown;
  /** By which pictures it was trained on can be recognised; files from before this was kept have none. */
  readonly data?: unknown;
  /** The optimiser's tensors, by slot and parameter; what is frozen has none. */
  readonly optimizer: OptimizerState;
  /** The moving average of all parameters, in runs that keep one. */
  readonly average?: ReadonlyMap<string, Tensor>;
}

/** How a network came to its eight bits. */
export interface StoredQuantization extends Quantization {
  /** How the ranges of activations were chosen. */
  readonly method: string;
  /** How many pictures they were chosen by. */
  readonly images: number;
  /**
   * What it was made from: a path, in a file as seen from that file's folder, or the name of released weights; and what these
   * weights are told from others by.
   */
  readonly source?: { readonly file: string; readonly digest: string };
}

export const checkpointFormat = "senet-1";
export const optimizerPrefix = "optimizer/";
export const averagePrefix = "average/";

const triple = (number: z.Schema<number, number>) => z.tuple([number, number, number]);
const modelSchema = z.strictObject({
  name: z.string(),
  config: configSchema,
  classes: positive,
});
const side = positive.check(z.lte(65535));
/** The names of what an optimiser keeps for each parameter. */
const slotsSchema = z.array(z.string().check(z.regex(/^[a-z]\w*$/i))).check(z.maxLength(16));
export const labelsSchema = texts(1_000_000);
export const preprocessingSchema = z.strictObject({
  channels: z.enum(["rgb", "bgr", "grey"]),
  scale: z.union([z.literal(1), z.literal(255)]),
  mean: triple(z.number().check(z.gte(-largestMean), z.lte(largestMean))),
  std: triple(z.number().check(z.gte(smallestStd), z.lte(largestStd))),
  resize: z.union([side, z.literal("none"), z.tuple([side, side])]),
  crop: extent.check(z.gt(0)),
  interpolation: z.enum(interpolations),
  byPicture: z.optional(z.number().check(z.gte(smallestStd), z.lte(largestStd))),
  meanImage: z.optional(z.string().check(z.maxLength(16 * 2 ** 20))),
});

/** Whether a safetensors file with this metadata is one of ours. */
export const isCheckpoint = (metadata: ReadonlyMap<string, string>): boolean =>
  metadata.get("format") === checkpointFormat;

/** What only some files want (decode-checkpoint.ts). */
export interface Decoding {
  /** Of a network of somebody's own. */
  readonly build?: NetworkFunction | undefined;
  /** What the metadata say of a network in eight bits, and the parameters that it has then. */
  readonly eightBits?: (
    model: Model,
    metadata: ReadonlyMap<string, string>,
    where: string,
  ) => { readonly quantization: StoredQuantization; readonly parameters: readonly Parameter[] };
}

/** @returns undefined where the network is in eight bits, and `eightBits` is missing @throws as `decodeCheckpoint` */
export function decodeWith({ build, eightBits }: Decoding, bytes: Uint8Array, where: string): Checkpoint | undefined {
  const { tensors, metadata } = parseSafetensors(bytes, where);
  if (!isCheckpoint(metadata)) {
    throw new SenetError("weights", "this safetensors file was not written by senet", {
      where,
      expected: `format "${checkpointFormat}" in its metadata`,
      found: metadata.size === 0 ? "no metadata" : listed(metadata.keys()),
    });
  }
  const read = <T>(key: string, schema: z.Schema<T>): T => readMetadata(metadata, key, schema, where);
  const said: Model = read("model", modelSchema);
  const model = { ...said, config: withFunction(said.config, build, where) };
  const labels = read("labels", labelsSchema);
  if (labels.length !== model.classes) {
    throw new SenetError("weights", "labels do not fit the model", {
      where,
      expected: `${model.classes} labels`,
      found: `${labels.length}`,
    });
  }
  const preprocessing = read("preprocessing", preprocessingSchema);
  const { name } = model;
  const parameters = parametersIn(model, tensors.size, where);
  checkPictureSize(model, preprocessing.crop, where);
  const training = metadata.has("training") && { training: read("training", trainingSchema) };
  if (metadata.has("quantization")) {
    if (eightBits === undefined) return undefined;
    const { quantization, parameters } = eightBits(model, metadata, where);
    const weights = loadWeights({ name, parameters }, tensors, where);
    checkSound(weights, where);
    return { model, labels, preprocessing, weights, quantization, ...training };
  }
  if (!metadata.has("state")) {
    const weights = loadWeights({ name, parameters }, tensors, where);
    checkSound(weights, where);
    return { model, labels, preprocessing, weights, ...training };
  }
  const config = read("config", z.unknown());
  const state = read("state", z.unknown());
  const data = metadata.has("data") ? { data: read("data", z.unknown()) } : {};
  // Files from before there were other optimisers than SGD have its one slot under a name of its own.
  const isOld = !metadata.has("optimizer");
  const slots = isOld ? ["velocity"] : read("optimizer", slotsSchema);
  const prefixOf = (slot: string) => (isOld ? `${slot}/` : `${optimizerPrefix}${slot}/`);
  const hasAverage = metadata.has("average") && read("average", z.boolean());
  const frozen = new Set(metadata.has("frozen") ? read("frozen", texts(1_000_000)) : []);
  const learnt = parameters.filter((parameter) => isTrainable(parameter) && !frozen.has(parameter.name));
  // What is kept for parameters, and for which.
  const kept: readonly (readonly [prefix: string, of: readonly Parameter[]])[] = [
    ...slots.map((slot) => [prefixOf(slot), learnt] as const),
    ...(hasAverage ? [[averagePrefix, parameters] as const] : []),
  ];
  const wanted = kept.flatMap(([prefix, of]) =>
    of.map((parameter) => ({ ...parameter, name: prefix + parameter.name })),
  );
  const loaded = loadWeights({ name, parameters: [...parameters, ...wanted] }, tensors, where);
  checkSound(loaded, where);
  const named = (prefix: string, of: readonly Parameter[]) =>
    new Map(of.map((parameter) => [parameter.name, loaded.get(prefix + parameter.name)!]));
  const optimizer = new Map(slots.map((slot) => [slot, named(prefixOf(slot), learnt)]));
  const average = hasAverage ? { average: named(averagePrefix, parameters) } : {};
  const run = { config, state, ...data, optimizer, ...average };
  return { model, labels, preprocessing, weights: named("", parameters), run };
}

/** @param tensors how many the file has: a network of more is not in it, and is not built */
function parametersIn(model: Model, tensors: number, where: string): readonly Parameter[] {
  const fewest = builtBy(model.config).fewestTensors(model.config);
  const fail = (found: string | readonly string[], cause?: unknown): never => {
    throw new SenetError("weights", 'the metadata "model" cannot be used', { where, found, cause });
  };
  if (fewest > tensors) fail(`a network of at least ${fewest} tensors in a file of ${tensors}`);
  try {
    return parametersOf(model);
  } catch (cause) {
    if (!(cause instanceof SenetError)) throw cause;
    return fail(cause.message.split("\n"), cause);
  }
}

/**
 * Pictures of this size are not more than the network can be meant for.
 * @throws SenetError `weights`
 */
export function checkPictureSize(model: Model, imageSize: number, where: string): void {
  let graph: Graph;
  try {
    graph = inferenceGraph(model, { batch: 1, imageSize });
  } catch (error) {
    // Whoever runs it at this size is told so; it may be run at others.
    if (error instanceof SenetError) return;
    throw error;
  }
  checkDemands(graph, where);
}

/** Of one value: a million names of classes, or a mean of each pixel of the largest pictures that are usual. */
const longestMetadata = 32 * 2 ** 20;
/** Of the model: four times as many layers as any network has that is known. */
const longestModel = 2 ** 21;

/** A value of the metadata, checked. @throws SenetError `weights` */
export function readMetadata<T>(
  metadata: ReadonlyMap<string, string>,
  key: string,
  schema: z.Schema<T>,
  where: string,
): T {
  const fail = (found: string | readonly string[], cause?: unknown): never => {
    throw new SenetError("weights", `the metadata "${key}" cannot be used`, { where, found, cause });
  };
  const text = metadata.get(key);
  if (text === undefined) return fail("nothing");
  if (text.length > (key === "model" ? longestModel : longestMetadata)) return fail(`${text.length} characters`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return fail(text.slice(0, 80), cause);
  }
  const result = schema.safeParse(json);
  return result.success ? result.data : fail(result.error.lines);
}
