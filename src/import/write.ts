/** Writes a model's weights with other programs' names: the inverse of rename.ts. */

import { type ErrorDetails, SenetError } from "../errors.ts";
import type { CaffeLayer } from "../formats/caffemodel.ts";
import type { CaffeMessage, CaffeValue } from "../formats/prototxt.ts";
import type { Parameter } from "../ir/graph.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { epsOf, familyOf, type ModelConfig, seOf, withSe } from "../zoo/families.ts";
import { type Model, parametersOf } from "../zoo/index.ts";
import { fromOurs } from "./axes.ts";
import { findModel } from "./find-model.ts";
import { type CaffeNaming, isCifar, type Naming, type TorchNaming } from "./naming.ts";
import { namings } from "./namings.ts";
import { caffePlace, caffeSource, raised, torchModule, torchName, type WeightSource } from "./rename.ts";

export interface NamedModel {
  readonly model: Model;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/**
 * The tensors or layers of a network in `naming`. Values do not change, except that variances absorb a different eps.
 * Gates without biases get zero biases if the naming's have biases.
 * @throws SenetError `usage` where the naming has no names for the network, or its networks are built differently, so
 * that readers would run it wrongly
 */
export function weightsAs(given: NamedModel, naming: Naming): WeightSource {
  if (!familyOf(given.model.config).hasOurNames) {
    return refuse(given, naming, "has no names for a network of its own kind", {});
  }
  const named = naming.seBias === false ? given : withGateBiases(given);
  const source = renamed(named, naming);
  if (typeof source === "string") {
    return refuse(named, naming, "has no names for a part of this network", { found: source });
  }
  const differences = differencesAs(named, naming, source);
  if (differences === undefined) return refuse(named, naming, "has no such network", {});
  if (differences.length === 0) return source;
  return refuse(named, naming, "stands for networks that are built differently", {
    expected: differences.map(({ key, theirs }) => `${key} ${theirs}`).join(", "),
    found: differences.map(({ key, ours }) => `${key} ${ours}`).join(", "),
  });
}

/** Adds zero biases to gates without biases: the same network, for namings whose gates all have biases. */
function withGateBiases(named: NamedModel): NamedModel {
  const { model } = named;
  const se = seOf(model.config);
  if (se === undefined || se.bias) return named;
  const whole = { ...model, config: withSe(model.config, { ...se, bias: true }) };
  const weights = new Map(named.weights);
  for (const { name, type } of parametersOf(whole)) {
    if (!weights.has(name)) weights.set(name, tensor(type.shape, new Float32Array(sizeOf(type.shape))));
  }
  return { model: whole, weights };
}

/** Renames the weights, or returns the name of a parameter without a name in the naming. */
function renamed({ model, weights }: NamedModel, naming: Naming): WeightSource | string {
  const parameters = parametersOf(model);
  const tensorOf = ({ name }: Parameter) => weights.get(name)!;
  return naming.style === "torch"
    ? torchTensors(parameters, tensorOf, naming)
    : caffeLayers(parameters, tensorOf, naming, epsOf(model.config));
}

type TensorOf = (parameter: Parameter) => Tensor;

function torchTensors(
  parameters: readonly Parameter[],
  tensorOf: TensorOf,
  naming: TorchNaming,
): WeightSource | string {
  const tensors = new Map<string, Tensor>();
  for (const parameter of parameters) {
    const name = torchName(naming, parameter.name, parameter.role);
    if (name === undefined) return parameter.name;
    tensors.set(name, shaped(tensorOf(parameter), parameter, naming, torchModule(naming, parameter.name)!));
  }
  return { kind: "tensors", tensors };
}

/** Converts between fully connected layers and 1×1 convolutions, and the order of axes, as the naming needs. */
function shaped(tensor: Tensor, { role }: Parameter, naming: Naming, module: string): Tensor {
  if (role !== "weight") return tensor;
  const [out = 1, into = 1, height = 1, width = 1] = tensor.shape;
  const shape = naming.matrices.test(module) ? [out, into] : [out, into, height, width];
  return fromOurs({ ...tensor, shape }, naming.axes);
}

function caffeLayers(
  parameters: readonly Parameter[],
  tensorOf: TensorOf,
  naming: CaffeNaming,
  eps: number,
): WeightSource | string {
  const layers = new Map<string, { readonly type: string; readonly blobs: Tensor[] }>();
  const blobsOf = (name: string, type: string): Tensor[] => {
    const layer = layers.get(name) ?? { type, blobs: [] };
    layers.set(name, layer);
    return layer.blobs;
  };
  for (const parameter of parameters) {
    const place = caffePlace(naming, parameter);
    if (place === undefined) return parameter.name;
    const tensor = tensorOf(parameter);
    if ("blob" in place) {
      const { layer, blob } = place;
      const type = naming.matrices.test(layer) ? "InnerProduct" : "Convolution";
      blobsOf(layer, type)[blob] = shaped(tensor, parameter, naming, layer);
      continue;
    }
    const statistics = blobsOf(place.batchNorm, "BatchNorm");
    const scale = blobsOf(place.scale, "Scale");
    if (place.part === "gamma") scale[0] = tensor;
    else if (place.part === "beta") scale[1] = tensor;
    else if (place.part === "mean") statistics[0] = tensor;
    else statistics[1] = raised(tensor, eps - naming.eps);
    // The factor by which the other two are divided.
    statistics[2] = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
  }
  return caffeSource(
    [...layers].map(([name, { type, blobs }]): CaffeLayer => {
      const definition = definitionOf(name, type, naming);
      return { name, type, bottoms: [], tops: [], blobs, definition };
    }),
  );
}

/** The definition that readers need to use the layer's blobs. */
function definitionOf(name: string, type: string, { eps }: CaffeNaming): CaffeMessage {
  const where = `layer ${name}`;
  const message = (fields: Record<string, CaffeValue>): CaffeMessage => ({
    where,
    fields: new Map(Object.entries(fields).map(([key, value]) => [key, [value]])),
  });
  if (type === "BatchNorm") return message({ batch_norm_param: message({ use_global_stats: true, eps }) });
  if (type === "Scale") return message({ scale_param: message({ bias_term: true }) });
  return message({});
}

interface Difference {
  readonly key: string;
  readonly ours: string;
  readonly theirs: string;
}

/** Settings that only matter for training. */
const ofTraining: ReadonlySet<string> = new Set(["dropout", "lastGamma", "init"]);

/** How the network that others would recognise differs from this one; undefined if they would recognise none. */
function differencesAs({ model }: NamedModel, naming: Naming, source: WeightSource): Difference[] | undefined {
  const found = unlessRefused(() => findModel(source, naming, model.name));
  if (found === undefined) return undefined;
  const ours = settingsOf(model.config);
  const theirs = settingsOf(found.model.config);
  const differences: Difference[] = [];
  if (naming.seBias === false && seOf(model.config)?.bias === true) {
    differences.push({ key: "SE", ours: "with biases", theirs: "without biases" });
  }
  for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const difference = { key, ours: JSON.stringify(ours[key]), theirs: JSON.stringify(theirs[key]) };
    // In Caffe's files, the variance absorbs a different eps.
    if (key === "norm" && naming.style === "caffe") continue;
    if (!ofTraining.has(key) && difference.ours !== difference.theirs) differences.push(difference);
  }
  return differences;
}

function unlessRefused<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof SenetError) return undefined;
    throw error;
  }
}

function settingsOf(config: ModelConfig): Record<string, unknown> {
  const se = seOf(config);
  // CIFAR stems have no pooling, and basic blocks have no choice of the stride's place.
  const without = {
    ...(isCifar(config) && { pool: "none" }),
    ...("block" in config && config.block === "basic" && { strideOn: "none" }),
  };
  return {
    ...config,
    ...without,
    norm: `eps ${epsOf(config)}`,
    se: se && `r = ${se.hidden ?? se.reduction}, ${se.bias ? "with" : "without"} biases`,
  };
}

function refuse(named: NamedModel, naming: Naming, what: string, details: ErrorDetails): never {
  const isFitting = (other: Naming) => {
    if (other.name === "senet") return true;
    if (other.style === "torch" && other.isForeign === true) return false;
    if (other === naming || !familyOf(named.model.config).hasOurNames) return false;
    const source = renamed(named, other);
    return typeof source !== "string" && differencesAs(named, other, source)?.length === 0;
  };
  throw new SenetError("usage", `the naming ${naming.name} ${what}`, {
    where: named.model.name,
    ...details,
    hint: `another naming: ${namings
      .filter(isFitting)
      .map(({ name }) => name)
      .join(", ")}`,
  });
}
