/**
 * Our weight files: safetensors whose metadata contain everything needed to use them without flags (model, labels,
 * pre-processing), and in `last.safetensors` also the state of the run.
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
  /** Class names by index. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** The model's parameters; with `quantization`, those of the eight-bit network (`eightBitGraph`). */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** How these weights were trained, in files written by a run. */
  readonly training?: TrainedBy;
  /** Set if the network is in eight bits. */
  readonly quantization?: StoredQuantization;
  /** Set in files from which a run can resume. */
  readonly run?: RunState;
}

const trainingSchema = z.strictObject({
  /** `NAME@VERSION`, or `null`. */
  recipe: z.nullable(z.string().check(z.maxLength(1000))),
  seed: z.int().check(z.gte(0)),
  /** Number of epochs of training, of `epochs`. */
  epoch: z.int().check(z.gte(0)),
  epochs: z.int().check(z.gte(0)),
  /** In percent, on the validation pictures. */
  top1Error: z.number().check(z.gte(0), z.lte(100)),
});

/** Facts about the run that produced the weights. */
export type TrainedBy = z.output<typeof trainingSchema>;

/**
 * What training needs to resume. Opaque here, since files know nothing about training; train/state.ts has the types.
 */
export interface RunState {
  readonly config: unknown;
  readonly state: unknown;
  /** Fingerprint of the training pictures; absent in older files. */
  readonly data?: unknown;
  /** The optimiser's tensors by slot and parameter; frozen parameters have none. */
  readonly optimizer: OptimizerState;
  /** The moving average of all parameters, if the run keeps one. */
  readonly average?: ReadonlyMap<string, Tensor>;
}

/** How a network was quantised. */
export interface StoredQuantization extends Quantization {
  /** Method by which ranges of activations were chosen. */
  readonly method: string;
  /** Number of pictures used for that. */
  readonly images: number;
  /**
   * Its float32 source: a path (in a file, relative to that file's folder) or the name of released weights, and a
   * digest of the source's weights.
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
/** Names of the optimiser's slots. */
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

/** Decoders that only some files need (decode-checkpoint.ts). */
export interface Decoding {
  /** The function of the user's own network. */
  readonly build?: NetworkFunction | undefined;
  /** Reads the metadata of an eight-bit network and gives its parameters. */
  readonly eightBits?: (
    model: Model,
    metadata: ReadonlyMap<string, string>,
    where: string,
  ) => { readonly quantization: StoredQuantization; readonly parameters: readonly Parameter[] };
}

/**
 * Decodes a file. @returns undefined if the network is in eight bits and `eightBits` is missing @throws as
 * `decodeCheckpoint`
 */
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
  const parameters = parametersIn(model, tensors.size, where);
  checkPictureSize(model, preprocessing.crop, where);
  const facts = { model, labels, preprocessing };
  const training = metadata.has("training") && { training: read("training", trainingSchema) };
  const load = (parameters: readonly Parameter[]) => {
    const weights = loadWeights({ name: model.name, parameters }, tensors, where);
    checkSound(weights, where);
    return weights;
  };
  if (metadata.has("quantization")) {
    if (eightBits === undefined) return undefined;
    const { quantization, parameters } = eightBits(model, metadata, where);
    return { ...facts, weights: load(parameters), quantization, ...training };
  }
  if (!metadata.has("state")) return { ...facts, weights: load(parameters), ...training };
  return { ...facts, ...resumable(metadata, parameters, read, load) };
}

/** The weights and state of a file from which a run can resume. */
function resumable(
  metadata: ReadonlyMap<string, string>,
  parameters: readonly Parameter[],
  read: <T>(key: string, schema: z.Schema<T>) => T,
  load: (parameters: readonly Parameter[]) => ReadonlyMap<string, Tensor>,
): Pick<Checkpoint, "weights" | "run"> {
  const config = read("config", z.unknown());
  const state = read("state", z.unknown());
  const data = metadata.has("data") ? { data: read("data", z.unknown()) } : {};
  // Files from when SGD was the only optimiser have its one slot under another name.
  const isOld = !metadata.has("optimizer");
  const slots = isOld ? ["velocity"] : read("optimizer", slotsSchema);
  const prefixOf = (slot: string) => (isOld ? `${slot}/` : `${optimizerPrefix}${slot}/`);
  const hasAverage = metadata.has("average") && read("average", z.boolean());
  const frozen = new Set(metadata.has("frozen") ? read("frozen", texts(1_000_000)) : []);
  const learnt = parameters.filter((parameter) => isTrainable(parameter) && !frozen.has(parameter.name));
  // Kinds of tensors kept for parameters, and for which parameters.
  const kept: readonly (readonly [prefix: string, of: readonly Parameter[]])[] = [
    ["", parameters],
    ...slots.map((slot) => [prefixOf(slot), learnt] as const),
    ...(hasAverage ? [[averagePrefix, parameters] as const] : []),
  ];
  const loaded = load(
    kept.flatMap(([prefix, of]) => of.map((parameter) => ({ ...parameter, name: prefix + parameter.name }))),
  );
  const named = (prefix: string, of: readonly Parameter[]) =>
    new Map(of.map((parameter) => [parameter.name, loaded.get(prefix + parameter.name)!]));
  const optimizer = new Map(slots.map((slot) => [slot, named(prefixOf(slot), learnt)]));
  const average = hasAverage ? { average: named(averagePrefix, parameters) } : {};
  return { weights: named("", parameters), run: { config, state, ...data, optimizer, ...average } };
}

/** The weights to use: those of a run's best epochs are the moving average, if it keeps one. */
export function weightsInUse({ weights, run }: Checkpoint, notes: string[]): Checkpoint["weights"] {
  if (run?.average === undefined) return weights;
  notes.push("the moving average of the run's weights is used");
  return run.average;
}

/** @param tensors number of tensors in the file; a network with more cannot be in it, and is not built */
function parametersIn(model: Model, tensors: number, where: string): readonly Parameter[] {
  const fewest = builtBy(model.config).fewestTensors(model.config);
  const fail = unusableMetadata("model", where);
  if (fewest > tensors) fail(`a network of at least ${fewest} tensors in a file of ${tensors}`);
  try {
    return parametersOf(model);
  } catch (cause) {
    if (!(cause instanceof SenetError)) throw cause;
    return fail(cause.message.split("\n"), cause);
  }
}

/**
 * Checks that the image size is plausible for the network.
 * @throws SenetError `weights`
 */
export function checkPictureSize(model: Model, imageSize: number, where: string): void {
  let graph: Graph;
  try {
    graph = inferenceGraph(model, { batch: 1, imageSize });
  } catch (error) {
    // Reported when it is run at this size; others may work.
    if (error instanceof SenetError) return;
    throw error;
  }
  checkDemands(graph, where);
}

/** Refuses a metadata value. */
export const unusableMetadata =
  (key: string, where: string) =>
  (found: string | readonly string[], cause?: unknown): never => {
    throw new SenetError("weights", `the metadata "${key}" cannot be used`, { where, found, cause });
  };

/** Longest metadata value: a million class names, or a mean image of the largest usual size. */
const longestMetadata = 32 * 2 ** 20;
/** Longest model description: four times as many layers as any known network. */
const longestModel = 2 ** 21;

/** Reads and checks a metadata value. @throws SenetError `weights` */
export function readMetadata<T>(
  metadata: ReadonlyMap<string, string>,
  key: string,
  schema: z.Schema<T>,
  where: string,
): T {
  const fail = unusableMetadata(key, where);
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
