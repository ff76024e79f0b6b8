/** Renames other programs' tensors to a model's weights. */

import { SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import { batchNormStatistics, type CaffeLayer } from "../formats/caffemodel.ts";
import { allOf, type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import type { Graph, Parameter, Role } from "../ir/graph.ts";
import { nearestNames } from "../names.ts";
import { usualNorm } from "../nn/layers.ts";
import { type Shape, sameShape, sizeOf, type Tensor, tensor, withoutOnes } from "../tensor.ts";
import { ourShape, toOurs } from "./axes.ts";
import type { CaffeNaming, Naming, TorchNaming } from "./naming.ts";
import { namings } from "./namings.ts";

/** Weights in a file: tensors by name, or Caffe's layers with their blobs by the layer's name. */
export type WeightSource =
  | { readonly kind: "tensors"; readonly tensors: ReadonlyMap<string, Tensor> }
  | { readonly kind: "layers"; readonly layers: ReadonlyMap<string, CaffeLayer> };

/** Only the layers with weights. */
export const caffeSource = (layers: readonly CaffeLayer[]): WeightSource => ({
  kind: "layers",
  layers: new Map(layers.filter(({ blobs }) => blobs.length > 0).map((layer) => [layer.name, layer])),
});

/** The same blobs with a prototxt's definitions, by name; layers that it does not define stay unchanged. */
export function withDefinitions(source: WeightSource, prototxt: CaffeMessage): WeightSource {
  if (source.kind !== "layers") return source;
  const messages = ["layer", "layers"].flatMap((field) => allOf(prototxt, field, "message"));
  const definitions = new Map(messages.map((message) => [oneOf(message, "name", "string", ""), message]));
  const layers = new Map<string, CaffeLayer>();
  for (const [name, layer] of source.layers) {
    layers.set(name, { ...layer, definition: definitions.get(name) ?? layer.definition });
  }
  return { ...source, layers };
}

const namesOf = (source: WeightSource): string[] =>
  source.kind === "tensors" ? [...source.tensors.keys()] : [...source.layers.keys()];

/** Looks up a naming. @throws SenetError `usage`, with the nearest names, where there is none */
export function namingByName(name: string): Naming {
  const naming = namings.find((naming) => naming.name === name);
  if (naming !== undefined) return naming;
  const known = namings.map(({ name }) => name);
  throw new SenetError("usage", `there is no naming "${name}"`, { hint: nearestNames(name, known).join(", ") });
}

function namingOf(source: WeightSource): Naming | undefined {
  const names = namesOf(source);
  const style = source.kind === "tensors" ? "torch" : "caffe";
  return namings.find(
    (naming) =>
      naming.style === style &&
      names.some((name) => naming.mark.test(name)) &&
      (naming.besides === undefined || names.includes(naming.besides)),
  );
}

/** Whether the names belong to a known naming. */
export const isKnown = (source: WeightSource): boolean => namingOf(source) !== undefined;

/**
 * Detects the naming.
 * @param hint a hint for unknown names
 * @throws SenetError `weights` where the names are unknown
 */
export function detectNaming(
  source: WeightSource,
  where: string,
  hint = "export the network as ONNX where it was trained: its graph says what it computes",
): Naming {
  const naming = namingOf(source);
  if (naming !== undefined) return naming;
  const names = namesOf(source);
  const style = source.kind === "tensors" ? "torch" : "caffe";
  const known = namings.filter((naming) => naming.style === style).map(({ name }) => name);
  throw new SenetError("weights", "these are not the layers of a known network", {
    where,
    expected: `the names of ${known.join(", ")}`,
    found:
      names.length === 0
        ? "no weights"
        : `${names.length} ${names.length === 1 ? "name" : "names"}: ${names.slice(0, 5).map(shownName).join(", ")}${names.length > 5 ? ", ..." : ""}`,
    hint,
  });
}

/** A row's first column as a regular expression, with placeholders as groups. */
const patterns = new Map<string, RegExp>();
function patternOf(ours: string): RegExp {
  let pattern = patterns.get(ours);
  if (pattern === undefined) {
    pattern = new RegExp(`^${ours.replaceAll(".", "\\.").replace(/\{(\w+)\}/g, "(?<$1>\\w+?)")}$`);
    patterns.set(ours, pattern);
  }
  return pattern;
}

/** The naming's name of our module, and of its Scale layer if it is a Caffe batch norm; undefined if it has none. */
function theirModule(naming: Naming, module: string): readonly [string, string?] | undefined {
  for (const [ours, theirs, scale] of naming.rows) {
    const found = patternOf(ours).exec(module);
    if (found === null) continue;
    const fill = (template: string) =>
      template.replace(/\{(\w+)([+-]1)?\}/g, (_, key: string, step?: string) => {
        const value = found.groups![key]!;
        return step === undefined ? value : `${Number(value) + Number(step)}`;
      });
    return scale === undefined ? [fill(theirs)] : [fill(theirs), fill(scale)];
  }
  return undefined;
}

/** Splits `layer1.0.conv1.weight` into `layer1.0.conv1` and `weight`. */
function split(parameter: string): readonly [module: string, leaf: string] {
  const dot = parameter.lastIndexOf(".");
  return [parameter.slice(0, dot), parameter.slice(dot + 1)];
}

/**
 * A parameter's name in a naming of tensors; undefined if it has none.
 * @param role the parameter's role, for namings that distinguish gamma from other weights
 */
export function torchName(naming: TorchNaming, parameter: string, role: Role = "weight"): string | undefined {
  const [module, leaf] = split(parameter);
  const found = theirModule(naming, module);
  return found && `${found[0]}${naming.leaves?.[role] ?? `.${leaf}`}`;
}

/** The module in that naming. */
export const torchModule = (naming: TorchNaming, parameter: string): string | undefined =>
  theirModule(naming, split(parameter)[0])?.[0];

type Named = Pick<Parameter, "name" | "role">;

/** The place of a parameter in a Caffe network: a blob of a layer, or a part of a BatchNorm and its Scale. */
export type CaffePlace =
  | { readonly layer: string; readonly blob: 0 | 1 }
  | { readonly batchNorm: string; readonly scale: string; readonly part: "mean" | "variance" | "gamma" | "beta" };

export function caffePlace(naming: CaffeNaming, { name, role }: Named): CaffePlace | undefined {
  const found = theirModule(naming, split(name)[0]);
  if (found === undefined) return undefined;
  const [layer, scale] = found;
  if (role === "weight" || role === "bias") return { layer, blob: role === "weight" ? 0 : 1 };
  return { batchNorm: layer, scale: scale!, part: role };
}

/** A parameter's name in this naming, for messages; in Caffe's files, its layer. */
export function nameIn(naming: Naming, parameter: Named): string {
  if (naming.style === "torch") return torchName(naming, parameter.name, parameter.role) ?? parameter.name;
  const place = caffePlace(naming, parameter);
  return place === undefined ? parameter.name : "layer" in place ? place.layer : place.batchNorm;
}

/** Collects all faults of a renaming for one error. */
class Faults {
  readonly #lines: string[] = [];

  add(kind: "missing" | "unmapped" | "unexpected" | "misshapen", what: string): void {
    this.#lines.push(`${kind.padEnd(12)}${what}`);
  }

  throwIfAny(graph: string, naming: string, where: string): void {
    const lines = this.#lines;
    if (lines.length === 0) return;
    throw new SenetError("weights", `these are not the weights of ${graph} under the names of ${naming}`, {
      where,
      found: [`${lines.length} ${lines.length === 1 ? "fault" : "faults"}`, ...lines],
      hint: "name the model that the file was made with",
    });
  }
}

interface Wanted extends Pick<Graph, "name" | "parameters"> {
  /** Eps of its batch norms; default: the usual one. */
  readonly eps?: number;
}

/**
 * The weights of `graph` by our names and in our shapes: converts between fully connected layers and 1×1 convolutions,
 * and float64 to float32. Views stay views.
 * @throws SenetError `weights`, listing every parameter without a name in the naming, and every missing, misshapen and
 * unexpected tensor
 */
export function renameTensors(source: WeightSource, graph: Wanted, naming: Naming, where: string): Map<string, Tensor> {
  const faults = new Faults();
  let weights: Map<string, Tensor>;
  if (naming.style === "torch" && source.kind === "tensors") {
    weights = renameTorch(source.tensors, graph, naming, faults);
  } else if (naming.style === "caffe" && source.kind === "layers") {
    weights = renameCaffe(source.layers, graph, naming, faults);
  } else {
    throw new SenetError("weights", `a file of this kind cannot have the names of ${naming.name}`, {
      where,
      expected: naming.style === "torch" ? "tensors by name" : "layers of a Caffe network",
      found: source.kind === "tensors" ? "tensors by name" : "layers of a Caffe network",
    });
  }
  faults.throwIfAny(graph.name, naming.name, where);
  return weights;
}

function renameTorch(
  tensors: ReadonlyMap<string, Tensor>,
  graph: Wanted,
  naming: TorchNaming,
  faults: Faults,
): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  const used = new Set<string>();
  for (const parameter of graph.parameters) {
    const theirs = torchName(naming, parameter.name, parameter.role);
    if (theirs === undefined) {
      faults.add("unmapped", parameter.name);
      continue;
    }
    const found = tensors.get(theirs);
    used.add(theirs);
    if (found === undefined) faults.add("missing", `${theirs} for ${parameter.name}`);
    // A fixed gamma is 1 whatever the file says: MXNet stores its value from before.
    else if (parameter.role === "gamma" && parameter.frozen) put(weights, parameter, onesLike(found), theirs, faults);
    else put(weights, parameter, ordered(found, parameter, naming), theirs, faults);
  }
  for (const name of tensors.keys()) {
    if (!used.has(name) && !isCounter(name)) faults.add("unexpected", shownName(name));
  }
  return weights;
}

const onesLike = ({ shape }: Tensor) => tensor(shape, new Float32Array(sizeOf(shape)).fill(1));

/** Vectors have only one order. */
const ordered = (found: Tensor, { role }: Named, { axes }: Naming) => (role === "weight" ? toOurs(found, axes) : found);

function renameCaffe(
  layers: ReadonlyMap<string, CaffeLayer>,
  graph: Wanted,
  naming: CaffeNaming,
  faults: Faults,
): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  /** Number of blobs used of each layer. */
  const used = new Map<string, number>();
  const use = (layer: string, blobs: number) => used.set(layer, Math.max(used.get(layer) ?? 0, blobs));
  const statistics = new Map<string, ReturnType<typeof batchNormStatistics>>();
  for (const parameter of graph.parameters) {
    const place = caffePlace(naming, parameter);
    if (place === undefined) {
      faults.add("unmapped", parameter.name);
      continue;
    }
    if ("blob" in place) {
      const found = layers.get(place.layer)?.blobs[place.blob];
      const what = `${place.layer}, blob ${place.blob}`;
      use(place.layer, place.blob + 1);
      if (found === undefined) faults.add("missing", `${what} for ${parameter.name}`);
      else put(weights, parameter, ordered(found, parameter, naming), what, faults);
      continue;
    }
    const { batchNorm, scale, part } = place;
    use(batchNorm, 3);
    use(scale, 2);
    const [batchNormLayer, scaleLayer] = [layers.get(batchNorm), layers.get(scale)];
    if (batchNormLayer === undefined || scaleLayer === undefined) {
      const missing = batchNormLayer === undefined ? batchNorm : scale;
      faults.add("missing", `${missing} for ${parameter.name}`);
      continue;
    }
    let found = statistics.get(batchNorm);
    if (found === undefined) {
      found = batchNormStatistics(batchNormLayer, scaleLayer);
      statistics.set(batchNorm, found);
    }
    const isSaid = batchNormLayer.definition.fields.has("batch_norm_param");
    const extra = (isSaid ? found.eps : naming.eps) - (graph.eps ?? ourEps);
    put(weights, parameter, part === "variance" ? raised(found.variance, extra) : found[part], batchNorm, faults);
  }
  for (const { name, blobs } of layers.values()) {
    const known = used.get(name);
    if (known === undefined) faults.add("unexpected", shownName(name));
    else if (blobs.length > known) faults.add("unexpected", `${shownName(name)}, blob ${known}`);
  }
  return weights;
}

/** Our batch norm's eps. If a file's differs, the difference is added to the variance. */
export const { eps: ourEps } = usualNorm;

export function raised(variance: Tensor, by: number): Tensor {
  if (Math.abs(by) < 1e-12) return variance;
  return { ...variance, data: Float32Array.from(variance.data, (value) => value + by) };
}

/** Whether two shapes are the same except for dimensions of 1, as in old files. */
const isSameTensor = (a: Shape, b: Shape): boolean =>
  sizeOf(a) === sizeOf(b) && sameShape(withoutOnes(a), withoutOnes(b));

/** The file's shape of a parameter, in our order; undefined if the file or the naming lacks it. */
export function shapeIn(source: WeightSource, naming: Naming, parameter: Named): Shape | undefined {
  const shape = theirShape(source, naming, parameter);
  return shape && parameter.role === "weight" ? ourShape(shape, naming.axes) : shape;
}

function theirShape(source: WeightSource, naming: Naming, parameter: Named): Shape | undefined {
  if (source.kind === "tensors") {
    const name = naming.style === "torch" ? torchName(naming, parameter.name, parameter.role) : undefined;
    return name === undefined ? undefined : source.tensors.get(name)?.shape;
  }
  const place = naming.style === "caffe" ? caffePlace(naming, parameter) : undefined;
  if (place === undefined) return undefined;
  const { layers } = source;
  if ("blob" in place) return layers.get(place.layer)?.blobs[place.blob]?.shape;
  const { batchNorm, scale, part } = place;
  if (part === "mean" || part === "variance") return layers.get(batchNorm)?.blobs[part === "mean" ? 0 : 1]?.shape;
  return layers.get(scale)?.blobs[part === "gamma" ? 0 : 1]?.shape;
}

/** Number of `parameters` that the file lacks or has in another shape, plus its unused tensors. */
export function countFaults(source: WeightSource, naming: Naming, parameters: readonly Parameter[]): number {
  let present = 0;
  let fits = 0;
  for (const parameter of parameters) {
    const shape = shapeIn(source, naming, parameter);
    if (shape === undefined) continue;
    present++;
    if (isSameTensor(shape, parameter.type.shape)) fits++;
  }
  return parameters.length - fits + Math.max(0, sizeOfSource(source) - present);
}

function sizeOfSource(source: WeightSource): number {
  if (source.kind === "tensors") return [...source.tensors.keys()].filter((name) => !isCounter(name)).length;
  // A BatchNorm's scale factor is not a parameter.
  return [...source.layers.values()].reduce((sum, { blobs }) => sum + (isFactor(blobs[2]) ? 2 : blobs.length), 0);
}

const isFactor = (blob: Tensor | undefined) => blob !== undefined && blob.data.length === 1;

/** Counters of running averages, which no computation needs. */
export const isCounter = (name: string) => name.endsWith("num_batches_tracked");

function put(weights: Map<string, Tensor>, { name, type }: Parameter, found: Tensor, what: string, faults: Faults) {
  const { shape, data } = found;
  if (!isSameTensor(shape, type.shape)) {
    faults.add("misshapen", `${what}: ${name} is [${type.shape.join(", ")}], the file has [${shape.join(", ")}]`);
    return;
  }
  weights.set(name, {
    dtype: "float32",
    shape: type.shape,
    data: data instanceof Float32Array ? data : Float32Array.from(data),
  });
}
