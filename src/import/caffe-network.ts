/**
 * Imports a network from Caffe's definition, layer by layer, for networks that are not in the zoo.
 *
 * Supports the layer types of the seven released prototxts and of residual networks in general; docs/networks.md, 1.1
 * to 1.7, says what each does. Imports the test phase, without losses and metrics.
 */

import { SenetError } from "../errors.ts";
import { failAt, shownName } from "../formats/bytes.ts";
import { batchNormStatistics, type CaffeLayer } from "../formats/caffemodel.ts";
import { allOf, type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import { shortExtent, shortPadding } from "../ir/window.ts";
import { type Shape, sameShape, sizeOf, type Tensor } from "../tensor.ts";
import { checkDemands } from "../zoo/demands.ts";
import { inferenceGraph, inputName, layerBuilder, type Model } from "../zoo/index.ts";
import type { LayerConfig } from "../zoo/layer.ts";
import { type CaffeInput, type CaffeMean, inputOf, meanSize } from "./caffe-input.ts";
import { type Network, picture, resolveLayers, type Step, wasTraining } from "./caffe-layers.ts";
import { checkClassified } from "./draft.ts";

export interface CaffeImport {
  /** A model of family `layers`, with the definition's name; `config.imageSize` is the side of its pictures. */
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  /** What the definition says about its pictures, if anything. */
  readonly input: CaffeInput | undefined;
  readonly imageSize: number;
  /** What was guessed, one line each. */
  readonly notes: readonly string[];
}

export interface CaffeImportOptions {
  /** Side of the pictures, for definitions without it. */
  readonly imageSize?: number;
  /** The contents of the definition's mean file, which also gives the size of the pictures. */
  readonly mean?: CaffeMean | undefined;
}

/**
 * @param definition a prototxt (prototxt.ts), or the definition in a caffemodel
 * @param layers the weights, by layer name; layers that the definition lacks are ignored, as by Caffe
 * @param where the definition's file, for errors
 * @throws SenetError `weights`, naming the layer and its line, where a layer has an unsupported type or field, layers
 * do not fit each other, or weights are missing or do not fit
 */
export function importCaffeNetwork(
  definition: CaffeMessage,
  layers: readonly CaffeLayer[],
  where: string,
  options: CaffeImportOptions = {},
): CaffeImport {
  const network = resolveLayers(definition, where, Object.keys(rules));
  const input = network.source && inputOf(network.source);
  const name = oneOf(definition, "name", "string", "") || "network";
  const said = options.imageSize ?? input?.side ?? meanSide(options.mean);
  if (said !== undefined)
    return { ...translate(network, name, said, layers, where), input, imageSize: said, notes: [] };
  let first: unknown;
  for (const side of guessedSides(network, where)) {
    try {
      const notes = [`the definition does not say how large test pictures are; ${side} by ${side} pixels are assumed`];
      return { ...translate(network, name, side, layers, where), input, imageSize: side, notes };
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

function translate(network: Network, name: string, side: number, layers: readonly CaffeLayer[], where: string) {
  const translation = new Translation(name, side, network, layers);
  for (const step of network.steps) translation.take(step);
  const { config, classes } = translation.finish(network.logits);
  const model: Model = { name, config: { family: "layers", imageSize: side, layers: config }, classes };
  const graph = inferenceGraph(model, { batch: 1, imageSize: side });
  checkDemands(graph, where);
  return { model, weights: translation.weights(graph.parameters, where) };
}

/** The side of a square mean image. */
function meanSide(mean: CaffeMean | undefined): number | undefined {
  if (mean === undefined) return undefined;
  const [width, height] = meanSize(mean, failAt(mean.where));
  return width === height && width > 1 ? width : undefined;
}

/** Usual sides of small pictures, and of ImageNet in Caffe's databases. */
const usualSides = [32, 64, 96, 256];

/**
 * For test phases without crop: candidate sides, at least as large as the training phase's crop, which itself is not
 * the answer.
 */
function guessedSides({ trainingSource }: Network, where: string): readonly number[] {
  const crop = trainingSource && inputOf(trainingSource).side;
  const sides = crop === undefined ? [] : usualSides.filter((side) => side >= crop);
  if (sides.length > 0) return sides;
  return failAt(where)("the definition does not say how large its pictures are", {
    expected: "input_dim, an Input layer's shape, or the crop_size of the data layer that is used for testing",
    hint: "the deploy form of the prototxt",
  });
}

// --- conversion of each layer ---

/** `Omit` that distributes over unions. */
type Nameless<T> = T extends unknown ? Omit<T, "name" | "inputs"> : never;

/** Builds our layers from Caffe's, with their weights. */
class Translation {
  readonly #builder: ReturnType<typeof layerBuilder>;
  /** All layers of each name. */
  readonly #caffe = new Map<string, CaffeLayer[]>();
  /** Number of layers of each name in the definition. */
  readonly #counts = new Map<string, number>();
  readonly #layers: LayerConfig[] = [];
  /** Tensors by our parameters' names. */
  readonly #tensors = new Map<string, Tensor>();
  /** Names of our layers, by step. */
  readonly #placed = new Map<Step, string>();
  readonly #shapes = new Map<string, Shape>();
  readonly #missing: string[] = [];

  constructor(name: string, imageSize: number, network: Network, layers: readonly CaffeLayer[]) {
    this.#builder = layerBuilder(name, imageSize);
    for (const layer of layers) {
      if (layer.blobs.length === 0) continue;
      const same = this.#caffe.get(layer.name);
      if (same === undefined) this.#caffe.set(layer.name, [layer]);
      else same.push(layer);
    }
    for (const { given, nth } of network.steps) this.#counts.set(given, nth + 1);
    this.#shapes.set(inputName, [1, 3, imageSize, imageSize]);
  }

  take(step: Step): void {
    this.#placed.set(step, rules[step.type]!(step, this));
  }

  /** The name of our layer for `step`. */
  nameOf(step: Step): string {
    if (step.type === picture) return inputName;
    return this.#placed.get(step) ?? step.fail("its output is neither a picture nor made from one");
  }

  /** `[1,C,H,W]` */
  shapeOf(name: string): readonly [number, number, number, number] {
    return this.#shapes.get(name) as unknown as readonly [number, number, number, number];
  }

  /** Adds a layer and returns its name. */
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

  /** The layer's weights, with one of the given numbers of blobs; recorded as missing if there are none. */
  blobsOf(step: Step, ...counts: readonly number[]): CaffeLayer | undefined {
    const layer = this.#layerOf(step);
    if (layer === undefined) this.#missing.push(`${step.name} (${step.type}), ${counts[0]} blobs`);
    else if (!counts.includes(layer.blobs.length)) {
      step.fail("the weights are not this layer's", {
        expected: `${counts.join(" or ")} blobs`,
        found: `${layer.blobs.length} in ${layer.definition.where}`,
      });
    }
    return layer;
  }

  /**
   * Layers with the same name have their weights in order. If the file has more, Caffe uses the last one (as if a layer
   * was saved for both phases).
   */
  #layerOf({ given, nth }: Step): CaffeLayer | undefined {
    const all = this.#caffe.get(given);
    if (all === undefined) return undefined;
    return all.length === this.#counts.get(given) ? all[nth] : nth === 0 ? all.at(-1) : undefined;
  }

  /** Scale layers merged into batch norms. */
  readonly merged = new Map<Step, Step>();

  /** @param shape the expected shape, ignoring dimensions of 1 */
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

  /** Returns the layers, ending in logits. */
  finish(logits: Step): { readonly config: readonly LayerConfig[]; readonly classes: number } {
    const last = this.nameOf(logits);
    checkClassified(this.shapeOf(last), last, logits.fail);
    // In the form that Softmax takes.
    if (this.shapeOf(last).length > 2) this.add(logits, { kind: "flatten" }, [last], `${last}/flatten`);
    const classes = this.#shapes.get(this.#layers.at(-1)!.name)![1]!;
    return { config: this.#layers, classes };
  }

  /** All weights, in our shapes. */
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

/** Converts a layer; returns the name of our layer with its output. */
type Rule = (step: Step, net: Translation) => string;

const rules: Readonly<Record<string, Rule>> = {
  Convolution: (step, net) => {
    const p = parameterOf(step, "convolution_param");
    const out = whole(step, p, "num_output", 0, 1);
    const kernel = pair(step, p, ["kernel_size", "kernel_h", "kernel_w"], 0, 1);
    const stride = shortExtent(pair(step, p, ["stride", "stride_h", "stride_w"], 1, 1));
    const pad = around(pair(step, p, ["pad", "pad_h", "pad_w"], 0, 0));
    const groups = whole(step, p, "group", 1, 1);
    const bias = oneOf(p, "bias_term", "boolean", true);
    const dilation = pair(step, p, ["dilation", "dilation_h", "dilation_w"], 1, 1);
    mustBeChannels(step, p, "axis");
    const input = net.nameOf(only(step));
    return convolution(step, net, input, { kind: "conv", out, kernel, stride, pad, groups, bias }, dilation);
  },

  InnerProduct: (step, net) => {
    const p = parameterOf(step, "inner_product_param");
    const out = whole(step, p, "num_output", 0, 1);
    const bias = oneOf(p, "bias_term", "boolean", true);
    mustBeChannels(step, p, "axis");
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
    // Inside a network it is a convolution with a window as large as the map, so that later layers still get maps.
    const kernel = shortExtent([height, width]);
    return net.add(step, { kind: "conv", out, kernel, stride: 1, pad: 0, groups: 1, bias }, [input]);
  },

  BatchNorm: (step, net) => {
    const p = parameterOf(step, "batch_norm_param");
    const eps = oneOf(p, "eps", "number", 1e-5);
    if (!(eps > 0 && eps <= 1)) step.fail("this eps is not supported", { found: `${eps}` });
    // A setting saved during training says nothing about the test phase.
    if (!oneOf(p, "use_global_stats", "boolean", true) && !wasTraining(step.message)) {
      step.fail("a batch norm by the statistics of the batch itself is not supported", {
        expected: "use_global_stats: true, or not given",
        found: "use_global_stats: false",
      });
    }
    const layer = net.blobsOf(step, ...(oneOf(p, "scale_bias", "boolean", false) ? [5] : [3, 5]));
    const isFused = layer?.blobs.length === 5;
    const scale = isFused ? undefined : scaleAfter(step);
    const scaleLayer = scale && net.blobsOf(scale, scaleBlobs(scale));
    if (scale !== undefined) net.merged.set(scale, step);
    const input = net.nameOf(only(step));
    const known = layer !== undefined && (scale === undefined || scaleLayer !== undefined) ? layer : undefined;
    const statistics = known && batchNormStatistics(known, scaleLayer);
    // NVIDIA's layer enforces a minimum eps.
    const name = net.add(step, { kind: "batchNorm", eps: isFused ? Math.max(eps, 1e-5) : eps }, [input]);
    if (statistics !== undefined) {
      const { mean, variance, gamma, beta } = statistics;
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
      // One number per picture and channel: squeeze and excitation without a shortcut.
      must(step, "axis", [oneOf(p, "axis", "number", 1)], 0);
      if (oneOf(p, "bias_term", "boolean", false)) step.fail("a bias on a scale of two inputs is not supported");
      return net.add(step, { kind: "seScale" }, [second, first]);
    }
    if (net.merged.has(step)) return first;
    // A Scale on its own: a convolution in which each channel is a group.
    checkScale(step);
    const channels = net.shapeOf(first)[1];
    const bias = scaleBlobs(step) === 2;
    const options = { kind: "conv", out: channels, kernel: [1, 1], stride: 1, pad: 0, groups: channels, bias } as const;
    return convolution(step, net, first, options);
  },

  ReLU: (step, net) => {
    must(step, "negative_slope", allOf(parameterOf(step, "relu_param"), "negative_slope", "number"), 0);
    return net.add(step, { kind: "relu" }, [net.nameOf(only(step))]);
  },

  Sigmoid: (step, net) => {
    if (step.readers.length === 0) step.fail("a yes or no for each class is not supported: the output must be logits");
    return net.add(step, { kind: "sigmoid" }, [net.nameOf(only(step))]);
  },

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
    const kernel = isGlobal ? ([height, width] as const) : pair(step, p, ["kernel_size", "kernel_h", "kernel_w"], 0, 1);
    const stride = shortExtent(pair(step, p, ["stride", "stride_h", "stride_w"], 1, 1));
    const pad = around(pair(step, p, ["pad", "pad_h", "pad_w"], 0, 0));
    if (isGlobal && (pad !== 0 || stride !== 1 || p.fields.has("kernel_size") || p.fields.has("kernel_h"))) {
      step.fail("global pooling has no window of its own", { expected: "neither kernel, stride nor pad" });
    }
    // A window as large as the map is meant to be global, and is so at other picture sizes (docs/networks.md, trap 13).
    const seesAll = kernel[0] === height && kernel[1] === width && pad === 0;
    if (seesAll && method === "AVE") return net.add(step, { kind: "globalAvgPool" }, [input]);
    const ceil = roundsUp(step, p);
    const kind = method === "MAX" ? "maxPool" : "avgPool";
    return net.add(step, { kind, kernel: shortExtent(kernel), stride, pad, ceil }, [input]);
  },

  Eltwise: (step, net) => {
    const p = parameterOf(step, "eltwise_param");
    const operation = oneOf(p, "operation", "string", "SUM");
    must(step, "coeff", allOf(p, "coeff", "number"), 1);
    if (step.inputs.length < 2) wrongInputs(step, "at least 2");
    const inputs = step.inputs.map((input) => net.nameOf(input));
    if (operation === "SUM") return net.add(step, { kind: "add" }, inputs);
    const [, , height, width] = net.shapeOf(inputs[0]!);
    // A gate has a single position.
    if (operation === "PROD" && inputs.length === 2 && height * width === 1) {
      return net.add(step, { kind: "seScale" }, inputs);
    }
    return step.fail(`the operation ${shownName(operation)} is not supported here`, {
      expected: "SUM; PROD of two inputs of one position",
    });
  },

  Concat: (step, net) => {
    const p = parameterOf(step, "concat_param");
    mustBeChannels(step, p, "axis");
    must(step, "concat_dim", allOf(p, "concat_dim", "number"), 1);
    if (step.inputs.length === 0) wrongInputs(step, "at least 1");
    return net.add(
      step,
      { kind: "concat" },
      step.inputs.map((input) => net.nameOf(input)),
    );
  },

  /** The authors' own layer: gate · branch + shortcut. */
  Axpy: (step, net) => {
    if (step.inputs.length !== 3) wrongInputs(step, "3");
    return net.add(
      step,
      { kind: "seScaleAdd" },
      step.inputs.map((input) => net.nameOf(input)),
    );
  },

  // Our values keep four axes up to the logits, in the same order.
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

/** Whether pooling rounds up: by default, unless disabled by Caffe's option or those of others. */
function roundsUp(step: Step, p: CaffeMessage): boolean {
  const [mode = "CEIL"] = p.fields.get("round_mode") ?? [];
  if (!["CEIL", "FLOOR", 0, 1].includes(mode as string | number)) {
    step.fail("this round_mode is not supported", { expected: "CEIL or FLOOR", found: shownName(String(mode)) });
  }
  return (mode === "CEIL" || mode === 0) && oneOf(p, "ceil_mode", "boolean", true);
}

function convolution(
  step: Step,
  net: Translation,
  input: string,
  options: Nameless<LayerConfig> & { kind: "conv"; kernel: readonly [number, number] },
  dilation: readonly [number, number] = [1, 1],
) {
  const { out, kernel, groups, bias } = options;
  const spread = kernel.map((extent, axis) => dilation[axis]! * (extent - 1) + 1) as [number, number];
  const name = net.add(step, { ...options, kernel: shortExtent(spread) }, [input]);
  const layer = net.blobsOf(step, bias ? 2 : 1);
  const planes = [out, net.shapeOf(input)[1] / groups];
  const weight = layer?.blobs[0];
  net.set(step, "weight", weight, [...planes, ...kernel]);
  if (weight !== undefined && dilation.some((each) => each > 1)) {
    const shape = [...planes, ...spread];
    net.set(step, "weight", { dtype: "float32", shape, data: dilated(step, weight, kernel, dilation) }, shape);
  }
  if (bias) net.set(step, "bias", layer?.blobs[1], [out]);
  return name;
}

/** Limits on zeros added to weights: a number, and a multiple of their size. */
const [mostZeros, mostTimes] = [2 ** 22, 16];

/**
 * Converts the weights of a dilated convolution to a plain one: a larger window, with zeros between the taps. The
 * result is the same, but slower.
 */
function dilated(
  step: Step,
  weight: Tensor,
  [height, width]: readonly [number, number],
  [down, across]: readonly [number, number],
): Float32Array {
  const [rows, columns] = [down * (height - 1) + 1, across * (width - 1) + 1];
  const planes = sizeOf(weight.shape) / (height * width);
  const size = planes * rows * columns;
  if (size > Math.max(mostZeros, mostTimes * weight.data.length)) {
    step.fail("this dilation is too large", { found: `${down} by ${across}, for a window of ${height} by ${width}` });
  }
  const data = new Float32Array(size);
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const to = (plane * rows + y * down) * columns + x * across;
        data[to] = weight.data[(plane * height + y) * width + x]!;
      }
    }
  }
  return data;
}

/** The Scale that is the only reader of a batch norm, with which it forms one normalisation. */
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

/** Checks that an axis is the channels', counted from either end of four. */
function mustBeChannels(step: Step, p: CaffeMessage, option: string): void {
  must(
    step,
    option,
    [oneOf(p, option, "number", 1)].map((axis) => (axis === -3 ? 1 : axis)),
    1,
  );
}

/** Checks that an option has only this value. */
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

/** Values for rows and columns: one for both, one each, or separate fields. */
function pair(
  step: Step,
  message: CaffeMessage,
  [both, high, wide]: readonly [string, string, string],
  fallback: number,
  least: number,
): readonly [height: number, width: number] {
  const given = allOf(message, both, "number");
  const [heights, widths] = [high, wide].map((field) => allOf(message, field, "number"));
  const isSplit = message.fields.has(high) || message.fields.has(wide);
  const values = isSplit ? [...heights!, ...widths!] : given.length === 0 ? [fallback] : given;
  const [height, width = height] = values;
  const isFine =
    values.length <= 2 &&
    (!isSplit || (heights!.length === 1 && widths!.length === 1 && given.length === 0)) &&
    values.every((value) => isWhole(value, least));
  return isFine
    ? [height!, width!]
    : step.fail(`this ${both} is not supported`, {
        expected: `a number of at least ${least}, or one for the height and one for the width`,
        found: [...given, ...heights!, ...widths!].join(", "),
      });
}

/** Symmetric padding from rows and columns. */
const around = ([rows, columns]: readonly [number, number]) =>
  shortPadding({ top: rows, left: columns, bottom: rows, right: columns });
