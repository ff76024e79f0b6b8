/**
 * A network out of Caffe's definition, layer by layer, for networks that are none of the zoo's.
 *
 * The layer types are those of the seven released prototxts and of residual networks at large; what each does is in
 * docs/networks.md, 1.1 to 1.7. The test phase of a definition is taken; the loss and what measures are left out.
 */

import { SenetError } from "../errors.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { type Shape, sameShape, type Tensor } from "../tensor.ts";
import { inferenceGraph, inputName, layerBuilder, type Model } from "../zoo/index.ts";
import type { LayerConfig } from "../zoo/layers.ts";
import { type Fail, failAt, shownName } from "./bytes.ts";
import { v1Types } from "./caffe-schema.ts";
import { batchNormStatistics, type CaffeLayer } from "./caffemodel.ts";
import { allOf, type CaffeMessage, oneOf } from "./prototxt.ts";

export interface CaffeImport {
  /** Of the family `layers`, under the definition's name; `config.imageSize` is the side of its pictures. */
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  /** Where the definition's data layer tells it (`transform_param` without a mean file). */
  readonly preprocessing?: Preprocessing;
}

export interface CaffeImportOptions {
  /** The picture's side, for definitions that do not tell it. */
  readonly imageSize?: number;
}

/**
 * @param definition a prototxt (prototxt.ts), or what a caffemodel holds of it
 * @param layers the weights, found by their layers' names; layers that the definition has not are ignored, as Caffe does
 * @param where the definition's file, for errors
 * @throws SenetError `weights`, naming the layer and its line, where a layer is of a type or has an option that is not
 * supported, where layers do not fit each other, and where weights are missing or do not fit
 */
export function importCaffeNetwork(
  definition: CaffeMessage,
  layers: readonly CaffeLayer[],
  where: string,
  options: CaffeImportOptions = {},
): CaffeImport {
  const network = resolve(definition, where);
  const imageSize = options.imageSize ?? network.imageSize ?? unknownSize(where);
  const name = oneOf(definition, "name", "string", "") || "network";
  const translation = new Translation(name, imageSize, layers);
  for (const step of network.steps) translation.take(step);
  const { config, classes } = translation.finish(network.logits);
  const model: Model = { name, config: { family: "layers", imageSize, layers: config }, classes };
  const { parameters } = inferenceGraph(model, { batch: 1, imageSize });
  const weights = translation.weights(parameters, where);
  const preprocessing = preprocessingOf(network.transform, imageSize);
  return { model, weights, ...(preprocessing && { preprocessing }) };
}

function unknownSize(where: string): never {
  return failAt(where)("the definition does not tell how large its pictures are", {
    expected: "input_dim, an Input layer's shape, or a data layer's crop_size",
    hint: "the deploy form of the prototxt",
  });
}

// --- which layers there are, and what each reads ---

/** A layer whose bottoms are no longer names, which layers in place use again and again, but the layers that gave them. */
interface Step {
  readonly name: string;
  readonly type: string;
  readonly message: CaffeMessage;
  readonly inputs: readonly Step[];
  /** Who reads it. */
  readonly readers: Step[];
  readonly fail: Fail;
}

interface Network {
  /** In the definition's order; the picture is not among them. */
  readonly steps: readonly Step[];
  readonly logits: Step;
  readonly imageSize?: number;
  readonly transform?: CaffeMessage;
}

/** At the end of a network, after the logits. */
const leftOut: ReadonlySet<string> = new Set([
  ...["Softmax", "ArgMax", "Accuracy", "Silence", "SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "EuclideanLoss"],
  ...["HingeLoss", "InfogainLoss", "MultinomialLogisticLoss"],
]);

const isSource = (type: string, bottoms: readonly string[]) =>
  bottoms.length === 0 && (type === "Input" || type.endsWith("Data"));

function resolve(definition: CaffeMessage, where: string): Network {
  const messages = layersOf(definition);
  if (messages.length > mostLayers) failAt(where)(`there are more than ${mostLayers} layers`);
  const blobs = new Map<string, Step>();
  const steps: Step[] = [];
  const sourceStep = (name: string, type: string, message: CaffeMessage): Step => ({
    ...{ name, type, message, inputs: [], readers: [] },
    fail: failAt(message.where),
  });
  const [input, ...otherInputs] = allOf(definition, "input", "string");
  let hasPicture = input !== undefined;
  if (input !== undefined) blobs.set(input, sourceStep(input, picture, definition));
  for (const name of otherInputs) blobs.set(name, sourceStep(name, "Data", definition));
  let imageSize = input === undefined ? undefined : declaredSize(definition, where);
  let transform: CaffeMessage | undefined;

  for (const message of messages) {
    const name = oneOf(message, "name", "string", "");
    const type = typeOf(message);
    const bottoms = allOf(message, "bottom", "string");
    const tops = allOf(message, "top", "string");
    const fail = failAt(message.where.includes(shownName(name)) ? message.where : placeOf(message, name));
    const isKept = isInTestPhase(message);
    if (isSource(type, bottoms)) {
      // The training phase's crop is the test phase's size too.
      imageSize ??= sourceSize(message, fail);
      if (!isKept) continue;
      transform ??= oneOf(message, "transform_param", "message", undefined);
      // The first is the picture; the others are labels and the like.
      for (const top of tops) {
        blobs.set(top, sourceStep(top, hasPicture ? type : picture, message));
        hasPicture = true;
      }
      continue;
    }
    if (!isKept || leftOut.has(type)) continue;
    const inputs = bottoms.map(
      (bottom) => blobs.get(bottom) ?? fail(`there is no blob ${shownName(bottom)} before this layer`),
    );
    const step: Step = { name, type, message, inputs, readers: [], fail };
    if (type === "Split") for (const top of tops) blobs.set(top, only(step, inputs));
    else {
      if (!Object.hasOwn(rules, type)) refuseType(step);
      if (tops.length !== 1)
        fail("a layer of this type has one output", { expected: "one top", found: `${tops.length}` });
      for (const input of inputs) input.readers.push(step);
      blobs.set(tops[0]!, step);
      steps.push(step);
    }
  }
  const ends = steps.filter(({ readers }) => readers.length === 0);
  const [logits] = ends;
  if (logits === undefined) return failAt(where)("there is no layer with an output in this definition");
  if (ends.length > 1) {
    failAt(where)("the network has several outputs", {
      expected: "one, the logits",
      found: ends
        .slice(0, 5)
        .map(({ name }) => shownName(name))
        .join(", "),
      hint: "take the other branches out of the definition",
    });
  }
  return {
    ...{ steps, logits },
    ...(imageSize === undefined ? {} : { imageSize }),
    ...(transform === undefined ? {} : { transform }),
  };
}

/** The type of the step that stands for the picture; no layer of Caffe's is called so. */
const picture = "picture";

/** As many as a caffemodel may have (caffemodel.ts), and a file of ours. */
const mostLayers = 20_000;

const placeOf = ({ where }: CaffeMessage, name: string): string => `${where}: layer ${shownName(name)}`;

/** Today's layers, or those of before 2014, whose types are an enum. */
function layersOf(definition: CaffeMessage): readonly CaffeMessage[] {
  const today = allOf(definition, "layer", "message");
  return today.length > 0 ? today : allOf(definition, "layers", "message");
}

const oldTypes: ReadonlyMap<string, string> = new Map([
  ...Object.values(v1Types).map((type): [string, string] => [type.toUpperCase(), type]),
  ["SOFTMAXLOSS", "SoftmaxWithLoss"],
]);

function typeOf(message: CaffeMessage): string {
  const type = oneOf(message, "type", "string", "");
  return (/^[A-Z_0-9]+$/.test(type) ? oldTypes.get(type.replaceAll("_", "")) : undefined) ?? type;
}

/**
 * Whether a layer is part of the network that is tested. In a saved network each layer has its phase: the rules were
 * followed before.
 */
function isInTestPhase(message: CaffeMessage): boolean {
  if (message.fields.has("phase")) return true;
  const includes = allOf(message, "include", "message");
  const excludes = allOf(message, "exclude", "message");
  return includes.length > 0 ? includes.some(meetsTest) : !excludes.some(meetsTest);
}

const meetsTest = (rule: CaffeMessage): boolean =>
  oneOf(rule, "phase", "string", "TEST") === "TEST" &&
  oneOf(rule, "min_level", "number", 0) <= 0 &&
  oneOf(rule, "max_level", "number", 0) >= 0 &&
  !rule.fields.has("stage");

/** The picture's side by the definition's own `input_dim` or `input_shape`. */
function declaredSize(definition: CaffeMessage, where: string): number | undefined {
  const shape = allOf(definition, "input_shape", "message")[0];
  const dims = shape === undefined ? allOf(definition, "input_dim", "number") : allOf(shape, "dim", "number");
  return dims.length === 0 ? undefined : sideOf(dims.slice(0, 4), failAt(where));
}

function sourceSize(message: CaffeMessage, fail: Fail): number | undefined {
  const input = oneOf(message, "input_param", "message", undefined);
  const shape = input && allOf(input, "shape", "message")[0];
  if (shape !== undefined) return sideOf(allOf(shape, "dim", "number"), fail);
  const transform = oneOf(message, "transform_param", "message", undefined);
  const crop = transform && oneOf(transform, "crop_size", "number", undefined);
  return crop === undefined || crop === 0 ? undefined : sideOf([1, 3, crop, crop], fail);
}

function sideOf(dims: readonly number[], fail: Fail): number {
  const [, channels, height, width] = dims;
  if (dims.length === 4 && channels === 3 && height === width && isWhole(height!, 1)) return height!;
  return fail("pictures of this shape are not supported", {
    expected: "[N, 3, S, S]: three channels, as high as wide",
    found: `[${dims.join(", ")}]`,
  });
}

/** A data layer's `transform_param`: `(x − mean_value) · scale`, blue first. */
function preprocessingOf(transform: CaffeMessage | undefined, imageSize: number): Preprocessing | undefined {
  // The values of a mean file are not in the definition.
  if (transform === undefined || transform.fields.has("mean_file")) return undefined;
  const fail = failAt(transform.where);
  const means = allOf(transform, "mean_value", "number");
  const scale = oneOf(transform, "scale", "number", 1);
  if (![0, 1, 3].includes(means.length) || !(scale > 0)) {
    fail("this transform_param is not supported", {
      expected: "one mean_value or three, and a positive scale",
      found: `${means.length} and ${scale}`,
    });
  }
  const [blue = 0, green = blue, red = blue] = means;
  return {
    ...{ channels: "bgr", scale: 1, interpolation: "bilinear" },
    mean: [blue, green, red],
    std: [1 / scale, 1 / scale, 1 / scale],
    // As 224 is cut out of 256.
    resize: Math.round((imageSize * 256) / 224),
    crop: imageSize,
  };
}

// --- what each layer becomes ---

/** Distributes over a union, which `Omit` does not. */
type Nameless<T> = T extends unknown ? Omit<T, "name" | "inputs"> : never;

/** Our layers as they come to be, beside the weights that Caffe's have. */
class Translation {
  readonly #builder: ReturnType<typeof layerBuilder>;
  readonly #caffe: ReadonlyMap<string, CaffeLayer>;
  readonly #layers: LayerConfig[] = [];
  /** By our parameters' names. */
  readonly #tensors = new Map<string, Tensor>();
  /** Our layers' names, and the shapes of their values. */
  readonly #placed = new Map<Step, string>();
  readonly #shapes = new Map<string, Shape>();
  readonly #missing: string[] = [];

  constructor(name: string, imageSize: number, layers: readonly CaffeLayer[]) {
    this.#builder = layerBuilder(name, imageSize);
    this.#caffe = new Map(layers.filter(({ blobs }) => blobs.length > 0).map((layer) => [layer.name, layer]));
    this.#shapes.set(inputName, [1, 3, imageSize, imageSize]);
  }

  take(step: Step): void {
    this.#placed.set(step, rules[step.type]!(step, this));
  }

  /** The name of our layer that gives what `step` gives. */
  nameOf(step: Step): string {
    if (step.type === picture) return inputName;
    return this.#placed.get(step) ?? step.fail("what this gives is no picture and nothing made of one");
  }

  /** `[1,C,H,W]` */
  shapeOf(name: string): readonly [number, number, number, number] {
    return this.#shapes.get(name) as unknown as readonly [number, number, number, number];
  }

  /** Adds a layer of ours; its name is given back. */
  add(step: Step, layer: Nameless<LayerConfig>, inputs: readonly string[], name: string = step.name): string {
    const whole = { ...layer, name, inputs } as LayerConfig;
    try {
      if (name === "" || name === inputName) step.fail("a layer cannot have this name", { found: shownName(name) });
      this.#shapes.set(name, this.#builder.add(whole).type.shape);
    } catch (cause) {
      if (!(cause instanceof SenetError) || cause.code === "weights") throw cause;
      step.fail("the layer does not fit those before it", { found: cause.message.split("\n"), cause });
    }
    this.#layers.push(whole);
    return name;
  }

  /** The layer's weights, so many blobs; noted as missing where there are none. */
  blobsOf(step: Step, count: number): CaffeLayer | undefined {
    const layer = this.#caffe.get(step.name);
    if (layer === undefined) this.#missing.push(`${step.name} (${step.type}), ${count} blobs`);
    else if (layer.blobs.length !== count) {
      step.fail("the weights are not this layer's", {
        expected: `${count} blobs`,
        found: `${layer.blobs.length} in ${layer.definition.where}`,
      });
    }
    return layer;
  }

  /** @param shape what the file should have; extents of 1 do not count */
  set(step: Step, parameter: string, blob: Tensor | undefined, shape: Shape): void {
    if (blob === undefined) return;
    if (!sameShape(withoutOnes(blob.shape), withoutOnes(shape))) {
      step.fail(`the weights do not fit this layer (its ${parameter})`, {
        expected: `[${shape.join(", ")}]`,
        found: `[${blob.shape.join(", ")}]`,
      });
    }
    this.#tensors.set(`${step.name}.${parameter}`, blob);
  }

  /** The layers so far, ending in logits. */
  finish(logits: Step): { readonly config: readonly LayerConfig[]; readonly classes: number } {
    const last = this.nameOf(logits);
    // As Softmax takes them.
    if (this.shapeOf(last).length > 2) this.add(logits, { kind: "flatten" }, [last], `${last}/flatten`);
    const classes = this.#shapes.get(this.#layers.at(-1)!.name)![1]!;
    return { config: this.#layers, classes };
  }

  /** All of them, in our shapes. */
  weights(parameters: ReturnType<typeof inferenceGraph>["parameters"], where: string): Map<string, Tensor> {
    if (this.#missing.length > 0) {
      failAt(where)("the caffemodel has no weights for layers of this definition", {
        found: [`${this.#missing.length} missing`, ...this.#missing],
        hint: "the prototxt that the caffemodel was made with",
      });
    }
    return new Map(
      parameters.map(({ name, type: { shape } }) => {
        const { data } = this.#tensors.get(name)!;
        return [name, { dtype: "float32", shape, data: data instanceof Float32Array ? data : Float32Array.from(data) }];
      }),
    );
  }
}

const withoutOnes = (shape: Shape) => shape.filter((extent) => extent !== 1);

/** Adds what a layer becomes; gives back the name of our layer whose value is the layer's output. */
type Rule = (step: Step, net: Translation) => string;

const rules: Readonly<Record<string, Rule>> = {
  Convolution: (step, net) => {
    const p = parameterOf(step, "convolution_param");
    const out = whole(step, p, "num_output", 0, 1);
    const kernel = square(step, p, ["kernel_size", "kernel_h", "kernel_w"], 0, 1);
    const stride = square(step, p, ["stride", "stride_h", "stride_w"], 1, 1);
    const pad = square(step, p, ["pad", "pad_h", "pad_w"], 0, 0);
    const groups = whole(step, p, "group", 1, 1);
    const bias = oneOf(p, "bias_term", "boolean", true);
    must(step, "dilation", allOf(p, "dilation", "number"), 1);
    must(step, "axis", allOf(p, "axis", "number"), 1);
    const input = net.nameOf(only(step));
    return convolution(step, net, input, { kind: "conv", out, kernel, stride, pad, groups, bias });
  },

  InnerProduct: (step, net) => {
    const p = parameterOf(step, "inner_product_param");
    const out = whole(step, p, "num_output", 0, 1);
    const bias = oneOf(p, "bias_term", "boolean", true);
    must(step, "axis", allOf(p, "axis", "number"), 1);
    if (oneOf(p, "transpose", "boolean", false)) step.fail("transposed weights are not supported");
    const input = net.nameOf(only(step));
    const [, channels, height, width] = net.shapeOf(input);
    const layer = net.blobsOf(step, bias ? 2 : 1);
    net.set(step, "weight", layer?.blobs[0], [out, channels * height * width]);
    if (bias) net.set(step, "bias", layer?.blobs[1], [out]);
    if (step.readers.length === 0) {
      const flat = net.add(step, { kind: "flatten" }, [input], `${step.name}/flatten`);
      return net.add(step, { kind: "linear", out, bias }, [flat]);
    }
    // Inside of a network it is a convolution with a window as large as the map, so that what follows has maps too.
    if (height !== width) step.fail("maps that are not as high as wide are not supported");
    return net.add(step, { kind: "conv", out, kernel: height, stride: 1, pad: 0, groups: 1, bias }, [input]);
  },

  BatchNorm: (step, net) => {
    const eps = oneOf(parameterOf(step, "batch_norm_param"), "eps", "number", 1e-5);
    if (!(eps > 0 && eps <= 1)) step.fail("this eps is not supported", { found: `${eps}` });
    const input = net.nameOf(only(step));
    const name = net.add(step, { kind: "batchNorm", eps }, [input]);
    const scale = scaleAfter(step);
    const layer = net.blobsOf(step, 3);
    const scaleLayer = scale && net.blobsOf(scale, scaleBlobs(scale));
    if (layer !== undefined && (scale === undefined || scaleLayer !== undefined)) {
      const { mean, variance, gamma, beta } = batchNormStatistics(layer, scaleLayer);
      const channels = [net.shapeOf(input)[1]];
      net.set(step, "running_mean", mean, channels);
      net.set(step, "running_var", variance, channels);
      net.set(step, "weight", gamma, channels);
      net.set(step, "bias", beta, channels);
    }
    return name;
  },

  Scale: (step, net) => {
    const [first, second] = step.inputs.map((input) => net.nameOf(input));
    if (first === undefined || step.inputs.length > 2) return wrongInputs(step, "1 or 2");
    const p = parameterOf(step, "scale_param");
    if (second !== undefined) {
      // One number for each picture and channel: squeeze and excitation, where no shortcut follows.
      must(step, "axis", [oneOf(p, "axis", "number", 1)], 0);
      if (oneOf(p, "bias_term", "boolean", false)) step.fail("a bias on a scale of two inputs is not supported");
      return net.add(step, { kind: "seScale" }, [second, first]);
    }
    const [batchNorm] = step.inputs as [Step];
    if (batchNorm.type === "BatchNorm" && scaleAfter(batchNorm) === step) return first;
    // On its own: each channel is a group of one channel.
    checkScale(step);
    const channels = net.shapeOf(first)[1];
    const bias = scaleBlobs(step) === 2;
    const options = { kind: "conv", out: channels, kernel: 1, stride: 1, pad: 0, groups: channels, bias } as const;
    return convolution(step, net, first, options);
  },

  ReLU: (step, net) => {
    must(step, "negative_slope", allOf(parameterOf(step, "relu_param"), "negative_slope", "number"), 0);
    return net.add(step, { kind: "relu" }, [net.nameOf(only(step))]);
  },

  Sigmoid: (step, net) => net.add(step, { kind: "sigmoid" }, [net.nameOf(only(step))]),

  Dropout: (step, net) => {
    const rate = oneOf(parameterOf(step, "dropout_param"), "dropout_ratio", "number", 0.5);
    if (!(rate >= 0 && rate < 1)) step.fail("this dropout_ratio is not supported", { found: `${rate}` });
    return net.add(step, { kind: "dropout", rate }, [net.nameOf(only(step))]);
  },

  Pooling: (step, net) => {
    const p = parameterOf(step, "pooling_param");
    const method = oneOf(p, "pool", "string", "MAX");
    if (method !== "MAX" && method !== "AVE") step.fail(`pooling by ${shownName(method)} is not supported`);
    const input = net.nameOf(only(step));
    const [, , height, width] = net.shapeOf(input);
    const isGlobal = oneOf(p, "global_pooling", "boolean", false);
    if (isGlobal && height !== width) step.fail("maps that are not as high as wide are not supported");
    const kernel = isGlobal ? height : square(step, p, ["kernel_size", "kernel_h", "kernel_w"], 0, 1);
    const stride = square(step, p, ["stride", "stride_h", "stride_w"], 1, 1);
    const pad = square(step, p, ["pad", "pad_h", "pad_w"], 0, 0);
    // A window as large as the map is meant to be global: so it is at other picture sizes (docs/networks.md, trap 13).
    const seesAll = kernel === height && kernel === width && pad === 0;
    if (seesAll && method === "AVE") return net.add(step, { kind: "globalAvgPool" }, [input]);
    const ceil = oneOf(p, "round_mode", "string", "CEIL") === "CEIL";
    const kind = method === "MAX" ? "maxPool" : "avgPool";
    return net.add(step, { kind, kernel, stride, pad, ceil }, [input]);
  },

  Eltwise: (step, net) => {
    const p = parameterOf(step, "eltwise_param");
    const operation = oneOf(p, "operation", "string", "SUM");
    must(step, "coeff", allOf(p, "coeff", "number"), 1);
    if (step.inputs.length < 2) wrongInputs(step, "at least 2");
    const inputs = step.inputs.map((input) => net.nameOf(input));
    if (operation === "SUM") return net.add(step, { kind: "add" }, inputs);
    const [, , height, width] = net.shapeOf(inputs[0]!);
    // One position is what a gate has.
    if (operation === "PROD" && inputs.length === 2 && height * width === 1) {
      return net.add(step, { kind: "seScale" }, inputs);
    }
    return step.fail(`the operation ${shownName(operation)} is not supported here`, {
      expected: "SUM; PROD of two inputs of one position",
    });
  },

  Concat: (step, net) => {
    const p = parameterOf(step, "concat_param");
    must(step, "axis", [...allOf(p, "axis", "number"), ...allOf(p, "concat_dim", "number")], 1);
    if (step.inputs.length === 0) wrongInputs(step, "at least 1");
    return net.add(
      step,
      { kind: "concat" },
      step.inputs.map((input) => net.nameOf(input)),
    );
  },

  /** The authors' own: gate · branch + shortcut. */
  Axpy: (step, net) => {
    if (step.inputs.length !== 3) wrongInputs(step, "3");
    return net.add(
      step,
      { kind: "seScaleAdd" },
      step.inputs.map((input) => net.nameOf(input)),
    );
  },

  // Our maps keep their four axes up to the logits, and the order of the values is the same.
  Flatten: (step, net) => {
    const p = parameterOf(step, "flatten_param");
    must(step, "axis", allOf(p, "axis", "number"), 1);
    must(step, "end_axis", allOf(p, "end_axis", "number"), -1);
    return net.nameOf(only(step));
  },

  Reshape: (step, net) => {
    const p = parameterOf(step, "reshape_param");
    const shape = oneOf(p, "shape", "message", undefined);
    const dims = shape === undefined ? [] : allOf(shape, "dim", "number");
    const input = net.nameOf(only(step));
    const [, channels, height, width] = net.shapeOf(input);
    const [batch, features, ...rest] = dims;
    const size = channels * height * width;
    const keeps = features === -1 || features === size || (features === 0 && size === channels);
    const isFlat = batch === 0 && keeps && [0, 2].includes(rest.length) && rest.every((extent) => extent === 1);
    if (!isFlat || p.fields.has("axis") || p.fields.has("num_axes")) {
      step.fail("this reshape is not supported", {
        expected: "dim: 0 dim: 0, the values of each picture in a row",
        found: `[${dims.join(", ")}] of [1, ${channels}, ${height}, ${width}]`,
      });
    }
    return input;
  },
};

function refuseType(step: Step): never {
  return step.fail(`layers of the type ${shownName(step.type)} are not supported`, {
    expected: [...Object.keys(rules), "Split", "data layers", ...leftOut].join(", "),
    hint: "only a network of these layers can be imported; its weights alone can be read",
  });
}

function convolution(step: Step, net: Translation, input: string, options: Nameless<LayerConfig> & { kind: "conv" }) {
  const { out, kernel, groups, bias } = options;
  const name = net.add(step, options, [input]);
  const layer = net.blobsOf(step, bias ? 2 : 1);
  net.set(step, "weight", layer?.blobs[0], [out, net.shapeOf(input)[1] / groups, kernel, kernel]);
  if (bias) net.set(step, "bias", layer?.blobs[1], [out]);
  return name;
}

/** The Scale that only a batch norm's output goes into: both together are one normalisation. */
function scaleAfter({ readers }: Step): Step | undefined {
  const [scale] = readers;
  if (readers.length !== 1 || scale?.type !== "Scale" || scale.inputs.length !== 1) return undefined;
  checkScale(scale);
  return scale;
}

function checkScale(step: Step): void {
  const p = parameterOf(step, "scale_param");
  must(step, "axis", allOf(p, "axis", "number"), 1);
  must(step, "num_axes", allOf(p, "num_axes", "number"), 1);
}

const scaleBlobs = (step: Step): number =>
  oneOf(parameterOf(step, "scale_param"), "bias_term", "boolean", false) ? 2 : 1;

const parameterOf = ({ message }: Step, field: string): CaffeMessage =>
  oneOf(message, field, "message", { where: message.where, fields: new Map() });

function only(step: Step, inputs: readonly Step[] = step.inputs): Step {
  return inputs.length === 1 ? inputs[0]! : wrongInputs(step, "1");
}

function wrongInputs(step: Step, expected: string): never {
  return step.fail(`a ${step.type} layer with so many inputs is not supported`, {
    expected: `${expected} bottoms`,
    found: `${step.inputs.length}`,
  });
}

/** All values that an option is given must be this one. */
function must(step: Step, option: string, values: readonly number[], value: number): void {
  const other = values.find((found) => found !== value);
  if (other !== undefined) step.fail(`this ${option} is not supported`, { expected: `${value}`, found: `${other}` });
}

const isWhole = (value: number, least: number): boolean => Number.isInteger(value) && value >= least && value < 2 ** 20;

function whole(step: Step, message: CaffeMessage, field: string, fallback: number, least: number): number {
  const value = oneOf(message, field, "number", fallback);
  if (!isWhole(value, least)) {
    step.fail(`the field ${field} is missing or not usable`, { expected: `at least ${least}`, found: `${value}` });
  }
  return value;
}

/** An extent that is the same in height and width: one value, or one for each, or a field for each. */
function square(
  step: Step,
  message: CaffeMessage,
  [both, high, wide]: readonly [string, string, string],
  fallback: number,
  least: number,
): number {
  const values = [both, high, wide].flatMap((field) => allOf(message, field, "number"));
  const given = values.length === 0 ? [fallback] : values;
  const [value] = given as [number];
  const isHalf = message.fields.has(high) !== message.fields.has(wide);
  if (isHalf || given.some((other) => other !== value) || !isWhole(value, least)) {
    step.fail(`this ${both} is not supported`, {
      expected: `a number of at least ${least}, for height and width alike`,
      found: given.join(", "),
    });
  }
  return value;
}
