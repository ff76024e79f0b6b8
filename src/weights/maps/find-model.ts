/** Which network a file's tensors are the weights of, by their shapes. */

import { SenetError } from "../../errors.ts";
import type { Parameter } from "../../ir/graph.ts";
import { sizeOf } from "../../tensor.ts";
import { inferenceGraph, type Model, type ModelConfig, zoo, zooEntry } from "../../zoo/index.ts";
import { allOf, oneOf } from "../prototxt.ts";
import { type Naming, type SqueezeExcitation, seOf } from "./namings.ts";
import { caffePlace, countFaults, detectNaming, renameTensors, shapeIn, type WeightSource } from "./rename.ts";

export interface FoundModel {
  readonly model: Model;
  readonly parameters: readonly Parameter[];
}

interface Candidate extends FoundModel {
  /** How many settings differ from the zoo's model. */
  readonly differences: number;
  readonly faults: number;
}

/**
 * The model whose parameters are the file's tensors, one for one: a zoo model with the naming's structure and with the
 * squeeze and excitation and the number of classes that the file has. A model that is not in the zoo as it is gets a
 * name that says what is different, such as `se-resnet-50-stride3x3`.
 * @param name the zoo model to take; absent: the one that fits
 * @throws SenetError `usage` for a name that is not in the zoo, `weights` where none fits, with the nearest and its faults
 */
export function findModel(source: WeightSource, naming: Naming, where: string, name?: string): FoundModel {
  const names = name === undefined ? [...zoo.keys()] : [name];
  // Only they can fit, or be near; few do, and to look at all takes its time.
  const likely = names.filter((name) => hasBlocks(source, naming, zooEntry(name).config));
  const best = bestOf(likely.length > 0 ? likely : names, source, naming)!;
  return best.faults === 0 ? best : refuse(best, source, naming, where, name);
}

/** The one with the fewest faults, then the one that is most like the zoo's, then the first. */
function bestOf(names: readonly string[], source: WeightSource, naming: Naming): Candidate | undefined {
  let best: Candidate | undefined;
  for (const name of names) {
    const candidate = candidateOf(source, naming, name);
    const isBetter =
      best === undefined ||
      candidate.faults < best.faults ||
      (candidate.faults === best.faults && candidate.differences < best.differences);
    if (isBetter) best = candidate;
  }
  return best;
}

/** Whether a residual network's blocks are of the file's kind, and as many. */
function hasBlocks(source: WeightSource, naming: Naming, config: ModelConfig): boolean {
  const has = (conv: string) => shapeIn(source, naming, { name: `${conv}.weight`, role: "weight" }) !== undefined;
  if (config.family !== "resnet") return !has("layer1.0.conv1");
  if (has("layer1.0.conv3") !== (config.block === "bottleneck")) return false;
  return config.depths.every(
    (depth, i) => has(`layer${i + 1}.${depth - 1}.conv1`) && !has(`layer${i + 1}.${depth}.conv1`),
  );
}

function candidateOf(source: WeightSource, naming: Naming, name: string): Candidate {
  const entry = zooEntry(name);
  const config = adapted(entry.config, naming, source);
  const plain = parametersOf({ name, config, classes: entry.classes });
  const classes = classesIn(source, naming, plain) ?? entry.classes;
  const found = withSe(config, squeezeExcitationIn(source, naming, plain));
  const changes = changesOf(entry.config, found);
  const model: Model = { name: [name, ...changes].join("-"), config: found, classes };
  const isPlain =
    classes === entry.classes && changes.every((change) => !change.startsWith("r") && change !== "nobias");
  const parameters = isPlain ? plain : parametersOf(model);
  return { model, parameters, differences: changes.length, faults: countFaults(source, naming, parameters) };
}

/** They do not depend on the picture's size. */
const parametersOf = (model: Model): readonly Parameter[] =>
  inferenceGraph(model, { batch: 1, imageSize: 64 }).parameters;

/** With the structure that the file says or else the naming has, where that has a meaning for the network. */
function adapted(config: ModelConfig, naming: Naming, source: WeightSource): ModelConfig {
  if (config.family !== "resnet") return config;
  const { pool = config.pool, projection = config.projection } = naming.structure;
  const strideOn = strideIn(source, naming) ?? naming.structure.strideOn ?? config.strideOn;
  return {
    ...config,
    projection,
    strideOn: config.block === "bottleneck" ? strideOn : config.strideOn,
    pool: config.stem === "cifar" ? config.pool : pool,
  };
}

/** Which convolution of a bottleneck has the stride, by the definitions of a Caffe file, where it has them. */
function strideIn(source: WeightSource, naming: Naming): "1x1" | "3x3" | undefined {
  if (source.kind !== "layers" || naming.style !== "caffe") return undefined;
  const hasStride = (conv: string) => {
    const place = caffePlace(naming, { name: `layer2.0.${conv}.weight`, role: "weight" });
    const layer = place !== undefined && "layer" in place ? source.layers.get(place.layer) : undefined;
    const options = layer && oneOf(layer.definition, "convolution_param", "message", undefined);
    return options !== undefined && allOf(options, "stride", "number")[0] === 2;
  };
  return hasStride("conv1") ? "1x1" : hasStride("conv2") ? "3x3" : undefined;
}

/** Reduction and biases by the last, and so widest, of the hidden layers. */
function squeezeExcitationIn(
  source: WeightSource,
  naming: Naming,
  parameters: readonly Parameter[],
): SqueezeExcitation | undefined {
  const last = parameters.findLast(({ name }) => name.endsWith(".se.fc1.weight"));
  const shape = last && shapeIn(source, naming, last);
  if (shape === undefined || sizeOf(shape) === 0) return undefined;
  const channels = last!.type.shape[1]!;
  const hidden = sizeOf(shape) / channels;
  const bias: Parameter = { ...last!, name: last!.name.replace(/weight$/, "bias"), role: "bias" };
  const reduction = Math.max(1, Math.floor(channels / hidden));
  return { reduction, bias: shapeIn(source, naming, bias) !== undefined };
}

function classesIn(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): number | undefined {
  const classifier = parameters.find(({ name }) => name === "fc.weight")!;
  const shape = shapeIn(source, naming, classifier);
  if (shape === undefined) return undefined;
  const classes = sizeOf(shape) / classifier.type.shape[1]!;
  return Number.isInteger(classes) && classes > 0 ? classes : undefined;
}

function withSe(config: ModelConfig, se: SqueezeExcitation | undefined): ModelConfig {
  if (config.family === "layers" || config.se === undefined || se === undefined) return config;
  const isSame = config.se.reduction === se.reduction && config.se.bias === se.bias;
  return isSame ? config : { ...config, se };
}

/** What is different, in words that a name can have. */
function changesOf(from: ModelConfig, to: ModelConfig): string[] {
  const changes: string[] = [];
  if (from.family === "resnet" && to.family === "resnet") {
    if (from.strideOn !== to.strideOn) changes.push(`stride${to.strideOn}`);
    if (from.pool !== to.pool) changes.push(`${to.pool}pool`);
    if (from.projection !== to.projection) changes.push(`${to.projection}shortcut`);
  }
  const [before, after] = [seOf(from), seOf(to)];
  if (before?.reduction !== after?.reduction) changes.push(`r${after?.reduction}`);
  if (before?.bias !== after?.bias) changes.push("nobias");
  return changes;
}

function refuse(
  { model, parameters }: Candidate,
  source: WeightSource,
  naming: Naming,
  where: string,
  name: string | undefined,
): never {
  const detected = detectNaming(source, where);
  const hint =
    detected.name !== naming.name
      ? `the names look like those of ${detected.name} (${detected.description})`
      : name === undefined
        ? "senet models lists the networks that are known; another one of Caffe's opens with its prototxt and names of its own"
        : "without a model's name, the one that fits is looked for";
  const what =
    name === undefined
      ? `no network that is known has these weights; the nearest is ${model.name}, as ${naming.name} names it`
      : `these are not the weights of ${model.name} under the names of ${naming.name}`;
  const faults = faultsOf(() => renameTensors(source, { name: model.name, parameters }, naming, where));
  throw new SenetError("weights", what, { where, hint, ...(faults === undefined ? {} : { found: faults }) });
}

function faultsOf(rename: () => unknown): string | undefined {
  try {
    rename();
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    return error.details.found;
  }
  return undefined;
}
