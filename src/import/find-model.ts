/** Finds the network whose weights are a file's tensors, by their shapes. */

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
import { extraTensorsHint } from "./extra-tensors.ts";
import type { Naming } from "./naming.ts";
import { caffePlace, countFaults, detectNaming, nameIn, renameTensors, shapeIn, type WeightSource } from "./rename.ts";

export interface FoundModel {
  readonly model: Model;
  readonly parameters: readonly Parameter[];
  /** Zoo networks whose files look the same; only the user can tell them apart. */
  readonly alike?: readonly string[];
}

export interface Candidate extends FoundModel {
  /** Number of settings that differ from the zoo's model. */
  readonly differences: number;
  readonly faults: number;
}

/**
 * The model whose parameters are exactly the file's tensors: a zoo model with the naming's structure, and with the
 * file's squeeze and excitation and number of classes. A model that differs from the zoo gets a name that says how,
 * such as `se-resnet-50-stride3x3`.
 * @param name the zoo model to use; default: the one that fits
 * @throws SenetError `usage` for a name that is not in the zoo; `weights` where none fits, with the nearest and its
 * faults
 */
export function findModel(source: WeightSource, naming: Naming, where: string, name?: string): FoundModel {
  const has = (conv: string) => shapeIn(source, naming, { name: `${conv}.weight`, role: "weight" }) !== undefined;
  // Among networks whose files look alike, a port's naming only selects its own.
  const names = name === undefined ? namesUnder(naming, [...zoo.keys(), ...namesIn(has)]) : [name];
  // Pre-selects networks that can fit or nearly fit: comparing with all takes too long.
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
    // For usual networks, names distinguish them.
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

/** A port's own networks first, if it also has usual ones. */
function namesUnder({ port, networks }: Naming, names: readonly string[]): string[] {
  const own = names.filter((name) => portOf(name) === port);
  const usual = port !== undefined && networks !== undefined ? names.filter((name) => portOf(name) === undefined) : [];
  return [...own, ...usual];
}

/** Candidates by number of faults, then by similarity to the zoo's. */
function candidatesOf(names: readonly string[], source: WeightSource, naming: Naming): readonly Candidate[] {
  return names
    .map((name) => candidateOf(source, naming, name))
    .sort((a, b) => a.faults - b.faults || a.differences - b.differences);
}

function candidateOf(source: WeightSource, naming: Naming, name: string): Candidate {
  return modelLike({ name, ...zooEntry(name) }, source, naming);
}

/** A network with the same depths and widths, adapted to the file and its naming. */
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

/** Which convolution of a bottleneck has the stride, according to a Caffe file's definitions, if any. */
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

/**
 * Reduction and biases from the last and widest hidden layer; all hidden sizes if they do not follow that reduction.
 */
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
  // If some are missing, the others are used; the missing ones will be faults.
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

/** With as many input channels as the first convolution takes. */
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

/** The differences, as words that fit into a name. */
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
      : (extraTensorsHint(source, naming, parameters) ??
        (name === undefined
          ? naming.style === "caffe"
            ? "its deploy prototxt is needed: give it with the weights"
            : "senet models lists the known networks"
          : "without a model's name, the one that fits is looked for"));
  const what =
    name === undefined
      ? `no known network has these weights; the nearest is ${model.name}, as ${naming.name} names it`
      : `these are not the weights of ${model.name} under the names of ${naming.name}`;
  const faults = faultsOf(() => renameTensors(source, { name: model.name, parameters }, naming, where));
  throw new SenetError("weights", what, { where, hint, ...(faults !== undefined && { found: faults }) });
}

/** What an almost complete file lacks: names if the rest fits and is the larger part, otherwise empty. */
function lackingIn(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): readonly string[] {
  const lacking = parameters.filter((parameter) => shapeIn(source, naming, parameter) === undefined);
  const isNearlyWhole = 4 * lacking.length < parameters.length;
  if (!isNearlyWhole || countFaults(source, naming, parameters) > lacking.length) return [];
  return lacking.map((parameter) => nameIn(naming, parameter));
}

/** Whether all unfitting weights would fit in the other order of axes, TensorFlow's or PyTorch's. */
function isTurned(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): boolean {
  const weights = parameters.flatMap((parameter) => {
    const shape = parameter.role === "weight" ? shapeIn(source, naming, parameter) : undefined;
    return shape === undefined || shape.length !== 4 ? [] : [{ shape, wanted: parameter.type.shape }];
  });
  const misfits = weights.filter(({ shape, wanted }) => !sameShape(shape, wanted));
  // In both directions, whichever order the naming has.
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
  // The first one determined the number of input channels.
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
