/** Which network a file's tensors are the weights of, by their shapes. */

import { SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import { allOf, oneOf } from "../formats/prototxt.ts";
import type { Parameter } from "../ir/graph.ts";
import { hiddenOf } from "../nn/se.ts";
import { sameShape, sizeOf } from "../tensor.ts";
import { channelsOf } from "../zoo/built.ts";
import { familyOf, type ModelConfig, seOf, takingChannels, withSe } from "../zoo/families.ts";
import type { Structure } from "../zoo/family.ts";
import { type Model, namesIn, parametersOf, portOf, zoo, zooEntry } from "../zoo/index.ts";
import type { SeConfig } from "../zoo/parts.ts";
import type { Naming } from "./naming.ts";
import { caffePlace, countFaults, detectNaming, nameIn, renameTensors, shapeIn, type WeightSource } from "./rename.ts";

export interface FoundModel {
  readonly model: Model;
  readonly parameters: readonly Parameter[];
  /** Networks of the zoo whose files look the same: only who knows the file can tell them apart. */
  readonly alike?: readonly string[];
}

export interface Candidate extends FoundModel {
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
  const has = (conv: string) => shapeIn(source, naming, { name: `${conv}.weight`, role: "weight" }) !== undefined;
  // Of networks whose files look alike, a port's are only those of its own naming.
  const names = name === undefined ? namesUnder(naming, [...zoo.keys(), ...namesIn(has)]) : [name];
  // Only they can fit, or be near; few do, and to look at all takes its time.
  const likely = names.filter((name) => {
    const { config } = zooEntry(name);
    return familyOf(config).isIn(config, has);
  });
  const [best, ...others] = candidatesOf(likely.length > 0 ? likely : names, source, naming) as [
    Candidate,
    ...Candidate[],
  ];
  if (best.faults > 0) return refuse(best, source, naming, where, name);
  if (naming.networks === undefined || naming.networks(best.model.config)) {
    // Of the usual networks the names tell which it is.
    const alike = others.filter(({ faults, differences }) => faults === 0 && differences === best.differences);
    return { ...best, alike: naming.networks === undefined ? alike.map(({ model }) => model.name) : [] };
  }
  throw new SenetError(
    "weights",
    "no network of this kind is known under these names, so what it computes is not known",
    {
      where,
      expected: `the networks of ${naming.name}: ${naming.description}`,
      found: `the tensors of ${best.model.name}`,
      hint: "export it as ONNX where it was trained, or rename its tensors to those of a naming that has such networks",
    },
  );
}

/** A port's own networks before the usual ones, where it has those too. */
function namesUnder({ port, networks }: Naming, names: readonly string[]): string[] {
  const own = names.filter((name) => portOf(name) === port);
  const usual = port !== undefined && networks !== undefined ? names.filter((name) => portOf(name) === undefined) : [];
  return [...own, ...usual];
}

/** Those with the fewest faults before others, then those that are most like the zoo's. */
function candidatesOf(names: readonly string[], source: WeightSource, naming: Naming): readonly Candidate[] {
  return names
    .map((name) => candidateOf(source, naming, name))
    .sort((a, b) => a.faults - b.faults || a.differences - b.differences);
}

function candidateOf(source: WeightSource, naming: Naming, name: string): Candidate {
  return modelLike({ name, ...zooEntry(name) }, source, naming);
}

/** A network of the same depths and widths, with whatever else the file and its naming have of their own. */
export function modelLike(like: Model, source: WeightSource, naming: Naming): Candidate {
  const { name } = like;
  const structure = { ...naming.structure, ...strideIn(source, naming) };
  const config = familyOf(like.config).withStructure(like.config, structure);
  const plain = parametersOf({ name, config, classes: like.classes });
  const classes = classesIn(source, naming, plain) ?? like.classes;
  const found = withChannelsIn(withSeIn(config, source, naming, plain), source, naming, plain);
  const changes = changesOf(like.config, found);
  const model: Model = { name: [name, ...changes].join("-"), config: found, classes };
  const isPlain = classes === like.classes && found === config;
  const parameters = isPlain ? plain : parametersOf(model);
  return { model, parameters, differences: changes.length, faults: countFaults(source, naming, parameters) };
}

/** Which convolution of a bottleneck has the stride, by the definitions of a Caffe file, where it has them. */
function strideIn(source: WeightSource, naming: Naming): Structure {
  if (source.kind !== "layers" || naming.style !== "caffe") return {};
  const hasStride = (conv: string) => {
    const place = caffePlace(naming, { name: `layer2.0.${conv}.weight`, role: "weight" });
    const layer = place !== undefined && "layer" in place ? source.layers.get(place.layer) : undefined;
    const options = layer && oneOf(layer.definition, "convolution_param", "message", undefined);
    return options !== undefined && allOf(options, "stride", "number")[0] === 2;
  };
  return hasStride("conv1") ? { strideOn: "1x1" } : hasStride("conv2") ? { strideOn: "3x3" } : {};
}

/** Reduction and biases by the last, and so widest, of the hidden layers; all of them where they have not that reduction. */
function squeezeExcitationIn(
  source: WeightSource,
  naming: Naming,
  parameters: readonly Parameter[],
): SeConfig | undefined {
  const layers = parameters.flatMap((parameter) => {
    if (!parameter.name.endsWith(".se.fc1.weight")) return [];
    const channels = parameter.type.shape[1]!;
    const shape = shapeIn(source, naming, parameter);
    return [{ name: parameter.name, channels, units: shape && sizeOf(shape) / channels }];
  });
  // Where some are missing, the others tell; that they are missing will be a fault.
  const last = layers.findLast(({ units }) => units !== undefined);
  if (last === undefined || !layers.every(({ units = 1 }) => Number.isInteger(units) && units > 0)) return undefined;
  const reduction = Math.max(1, Math.floor(last.channels / last.units!));
  const bias = shapeIn(source, naming, { name: last.name.replace(/weight$/, "bias"), role: "bias" }) !== undefined;
  const usual = layers.map(({ channels }) => hiddenOf(channels, { reduction, bias }));
  const besideIt = (channels: number) =>
    layers.find((other) => other.units !== undefined && other.channels === channels);
  const hidden = layers.map(({ units, channels }, i) => units ?? besideIt(channels)?.units ?? usual[i]!);
  return { reduction, bias, ...(hidden.some((units, i) => units !== usual[i]) && { hidden }) };
}

/** As many as the first convolution takes. */
function withChannelsIn(
  config: ModelConfig,
  source: WeightSource,
  naming: Naming,
  parameters: readonly Parameter[],
): ModelConfig {
  const shape = shapeIn(source, naming, parameters[0]!);
  const channels = shape?.length === 4 ? shape[1]! : 3;
  return channels === 0 ? config : (takingChannels(config, channels) ?? config);
}

function classesIn(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): number | undefined {
  const classifier = parameters.find(({ name }) => name === "fc.weight")!;
  const shape = shapeIn(source, naming, classifier);
  if (shape === undefined) return undefined;
  const classes = sizeOf(shape) / classifier.type.shape[1]!;
  return Number.isInteger(classes) && classes > 0 ? classes : undefined;
}

function withSeIn(
  config: ModelConfig,
  source: WeightSource,
  naming: Naming,
  parameters: readonly Parameter[],
): ModelConfig {
  const [before, se] = [seOf(config), squeezeExcitationIn(source, naming, parameters)];
  if (before === undefined || se === undefined) return config;
  const isSame = before.reduction === se.reduction && before.bias === se.bias && se.hidden === undefined;
  return isSame ? config : withSe(config, { ...se, ...(before.linear && { linear: true }) });
}

/** What is different, in words that a name can have. */
function changesOf(from: ModelConfig, to: ModelConfig): string[] {
  const changes = [...familyOf(from).changes(from, to)];
  if (channelsOf(from) !== channelsOf(to)) changes.push(`${channelsOf(to)}channels`);
  const [before, after] = [seOf(from), seOf(to)];
  if (after?.hidden !== undefined) changes.push(`hidden${[...new Set(after.hidden)].slice(0, 8).join(".")}`);
  else if (before?.reduction !== after?.reduction) changes.push(`r${after?.reduction}`);
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
  const lacking = lackingIn(source, naming, parameters);
  if (lacking.length > 0) {
    throw new SenetError("weights", `this file is incomplete: all that it has is of ${model.name}`, {
      where,
      expected: `${parameters.length} tensors`,
      found: `${parameters.length - lacking.length}, without ${lacking.slice(0, 5).map(shownName).join(", ")}${lacking.length > 5 ? ", ..." : ""}`,
      hint: "save it again where it was trained, with all of the network's state",
    });
  }
  const detected = detectNaming(source, where);
  const hint = isTurned(source, naming, parameters)
    ? `its weights seem to be in another order of axes: these are to be ${naming.axes} (O out, I in, H height, W width)`
    : detected.name !== naming.name
      ? `the names look like those of ${detected.name} (${detected.description})`
      : name === undefined
        ? naming.style === "caffe"
          ? "its deploy prototxt is needed: give it with the weights"
          : "senet models lists the known networks"
        : "without a model's name, the one that fits is looked for";
  const what =
    name === undefined
      ? `no known network has these weights; the nearest is ${model.name}, as ${naming.name} names it`
      : `these are not the weights of ${model.name} under the names of ${naming.name}`;
  const faults = faultsOf(() => renameTensors(source, { name: model.name, parameters }, naming, where));
  throw new SenetError("weights", what, { where, hint, ...(faults === undefined ? {} : { found: faults }) });
}

/** What a file lacks of which all the rest is there and fits, and most is; else nothing. */
function lackingIn(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): readonly string[] {
  const lacking = parameters.filter((parameter) => shapeIn(source, naming, parameter) === undefined);
  const isNearlyWhole = 4 * lacking.length < parameters.length;
  if (!isNearlyWhole || countFaults(source, naming, parameters) > lacking.length) return [];
  return lacking.map((parameter) => nameIn(naming, parameter));
}

/** Whether all weights that do not fit would in TensorFlow's order of axes, or in PyTorch's. */
function isTurned(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): boolean {
  const weights = parameters.flatMap((parameter) => {
    const shape = parameter.role === "weight" ? shapeIn(source, naming, parameter) : undefined;
    return shape === undefined || shape.length !== 4 ? [] : [{ shape, wanted: parameter.type.shape }];
  });
  const misfits = weights.filter(({ shape, wanted }) => !sameShape(shape, wanted));
  // There and back, whichever of the two the naming has.
  const turns = [
    [3, 2, 0, 1],
    [2, 3, 1, 0],
  ];
  const fits = (turn: readonly number[]) =>
    misfits.filter(({ shape, wanted }) =>
      sameShape(
        turn.map((at) => shape[at]!),
        wanted,
      ),
    ).length;
  // From the first one it was guessed how many channels pictures have.
  return misfits.length > 1 && turns.some((turn) => fits(turn) >= misfits.length - 1);
}

function faultsOf(rename: () => unknown): SenetError["details"]["found"] {
  try {
    rename();
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    return error.details.found;
  }
  return undefined;
}
