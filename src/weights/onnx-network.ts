/**
 * A network out of an ONNX graph, operation by operation, for files whose tensors do not tell by their names what they
 * are: PyTorch's exporter folds batch norms into convolutions and numbers the results, and so does our own.
 *
 * The operations are those that exporters make of residual networks, with and without squeeze and excitation; what each
 * does is in https://github.com/onnx/onnx/blob/main/docs/Operators.md.
 */

import { SenetError } from "../errors.ts";
import { type Shape, sameShape, sizeOf, type Tensor } from "../tensor.ts";
import { inferenceGraph, inputName, layerBuilder, type Model } from "../zoo/index.ts";
import type { LayerConfig } from "../zoo/layers.ts";
import { type Fail, failAt, shownName } from "./bytes.ts";
import type { OnnxInput, OnnxNode } from "./onnx-graph.ts";
import type { OnnxModel } from "./onnx-initialisers.ts";

export interface OnnxImport {
  /** Of the family `layers`; `config.imageSize` is the side of its pictures. */
  readonly model: Model;
  readonly weights: Map<string, Tensor>;
  /** Whether it squeezes and excites. */
  readonly hasGates: boolean;
}

export interface OnnxImportOptions {
  readonly name?: string;
  /** The side of pictures for a graph that takes any. */
  readonly imageSize?: number;
}

/**
 * The network that the graph computes, its Softmax left out.
 * @param where the file, for errors
 * @throws SenetError `weights`, naming the node, where it does what no layer of ours does
 */
export function importOnnxNetwork(onnx: OnnxModel, where: string, options: OnnxImportOptions = {}): OnnxImport {
  const picture = pictureOf(onnx, where);
  const imageSize = sideOf(picture, where) ?? options.imageSize ?? 224;
  const name = options.name ?? "network";
  const translation = new Translation(name, imageSize, picture, onnx, where);
  for (const node of onnx.nodes) translation.take(node);
  const { layers, classes, tensors } = translation.finish(onnx.outputs);
  const model: Model = { name, config: { family: "layers", imageSize, layers }, classes };
  const weights = new Map<string, Tensor>();
  for (const { name, type } of inferenceGraph(model, { batch: 1, imageSize }).parameters) {
    const found = tensors.get(name)!;
    if (!sameShape(withoutOnes(found.shape), withoutOnes(type.shape))) {
      failAt(where)("the graph's weights do not fit its layers", {
        expected: `${name} [${type.shape.join(", ")}]`,
        found: `[${found.shape.join(", ")}]`,
      });
    }
    const data = found.data instanceof Float32Array ? found.data : Float32Array.from(found.data);
    weights.set(name, { dtype: "float32", shape: type.shape, data });
  }
  return { model, weights, hasGates: layers.some(({ kind }) => kind === "seScale") };
}

const withoutOnes = (shape: Shape) => shape.filter((extent) => extent !== 1);

function pictureOf({ inputs }: OnnxModel, where: string): OnnxInput {
  const [picture, ...others] = inputs;
  if (picture !== undefined && others.length === 0) return picture;
  return failAt(where)("the graph does not take a picture alone", {
    expected: "one input",
    found:
      inputs.length === 0
        ? "none"
        : inputs
            .slice(0, 5)
            .map(({ name }) => shownName(name))
            .join(", "),
  });
}

/** Of the picture, where the graph says it. */
function sideOf({ shape }: OnnxInput, where: string): number | undefined {
  const [, channels, height, width] = shape;
  const isPicture = shape.length === 4 && (channels ?? 3) === 3 && height === width && (height ?? 1) > 0;
  if (isPicture) return height;
  return failAt(where)("the graph takes no square picture of three colours", {
    expected: "[N, 3, side, side]",
    found: `[${shape.map((extent) => extent ?? "?").join(", ")}]`,
  });
}

/** What a name stands for while the graph is walked. */
type OnnxValue =
  | { readonly kind: "constant"; readonly tensor: Tensor }
  /** Extents that are computed from shapes; `N` is the batch. */
  | { readonly kind: "extents"; readonly extents: readonly Extent[] }
  | Flow;

type Extent = number | "N";

/** The value of one of our layers. */
interface Flow {
  readonly kind: "flow";
  readonly layer: string;
  /** Whether ONNX sees `[N, C·H·W]` where our layer gives `[N, C, H, W]`. */
  readonly isFlat: boolean;
}

type Nameless<T> = T extends unknown ? Omit<T, "name" | "inputs"> : never;

class Translation {
  readonly #builder: ReturnType<typeof layerBuilder>;
  readonly #values = new Map<string, OnnxValue>();
  readonly #layers: LayerConfig[] = [];
  readonly #shapes = new Map<string, Shape>();
  readonly #unreadable: ReadonlyMap<string, string>;
  readonly #outputs: ReadonlySet<string>;
  readonly #where: string;
  /** What the graph calls its batch where that is a number. */
  readonly batch: number | undefined;
  /** By our parameters' names. */
  readonly tensors = new Map<string, Tensor>();

  constructor(name: string, imageSize: number, picture: OnnxInput, onnx: OnnxModel, where: string) {
    this.#builder = layerBuilder(name, imageSize);
    this.#unreadable = onnx.unreadable;
    this.#outputs = new Set(onnx.outputs);
    this.#where = where;
    this.batch = picture.shape[0];
    for (const [name, tensor] of onnx.tensors) this.#values.set(name, { kind: "constant", tensor });
    this.#values.set(picture.name, { kind: "flow", layer: inputName, isFlat: false });
    this.#shapes.set(inputName, [1, 3, imageSize, imageSize]);
  }

  take(node: OnnxNode): void {
    const step = new Step(node, this, failAt(`${this.#where}: node ${shownName(node.name || node.outputs[0] || "")}`));
    const rule = node.domain === "" && Object.hasOwn(rules, node.op) ? rules[node.op] : undefined;
    if (rule === undefined) {
      step.fail(`the operation ${shownName(node.op)} is none that can be imported`, {
        expected: Object.keys(rules).join(", "),
        hint: "the weights in the format that they were exported from",
      });
    }
    const [output] = node.outputs;
    if (output === undefined) step.fail("the node gives nothing");
    if (this.#values.has(output!)) step.fail("two nodes give one name", { found: shownName(output!) });
    this.#values.set(output!, rule!(step));
  }

  value(name: string, fail: Fail): OnnxValue {
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    const why = this.#unreadable.get(name);
    return fail(why === undefined ? "the node uses a value that is not there" : `a constant cannot be read: ${why}`, {
      found: shownName(name),
    });
  }

  isOutput = (name: string | undefined): boolean => name !== undefined && this.#outputs.has(name);

  shapeOf = (layer: string): Shape => this.#shapes.get(layer)!;

  /** Adds a layer of ours with its weights. */
  add(
    name: string,
    layer: Nameless<LayerConfig>,
    inputs: readonly string[],
    weights: Record<string, Tensor>,
    fail: Fail,
  ): string {
    let unique = name === "" || name === inputName ? `${name}_` : name;
    for (let i = 1; this.#shapes.has(unique); i++) unique = `${name}_${i}`;
    const whole = { ...layer, name: unique, inputs } as LayerConfig;
    try {
      this.#shapes.set(unique, this.#builder.add(whole).type.shape);
    } catch (cause) {
      if (!(cause instanceof SenetError)) throw cause;
      fail("the node does not fit those before it", { found: cause.message, cause });
    }
    this.#layers.push(whole);
    for (const [parameter, tensor] of Object.entries(weights)) this.tensors.set(`${unique}.${parameter}`, tensor);
    return unique;
  }

  /** The layers up to the first output, which are the logits. */
  finish(outputs: readonly string[]): { layers: LayerConfig[]; classes: number; tensors: ReadonlyMap<string, Tensor> } {
    const fail = failAt(this.#where);
    const found = outputs[0] === undefined ? undefined : this.#values.get(outputs[0]);
    if (found?.kind !== "flow" || found.layer === inputName)
      return fail("the graph has no output that is made of its picture");
    let { layer } = found;
    if (this.shapeOf(layer).length > 2) layer = this.add(`${layer}.flatten`, { kind: "flatten" }, [layer], {}, fail);
    const needed = new Set([layer]);
    const layers: LayerConfig[] = [];
    for (const config of this.#layers.toReversed()) {
      if (!needed.has(config.name)) continue;
      layers.unshift(config);
      for (const input of config.inputs) needed.add(input);
    }
    return { layers, classes: this.shapeOf(layer)[1]!, tensors: this.tensors };
  }
}

/** A node, and what its rule may ask. */
class Step {
  readonly node: OnnxNode;
  readonly fail: Fail;
  readonly #translation: Translation;

  constructor(node: OnnxNode, translation: Translation, fail: Fail) {
    this.node = node;
    this.fail = fail;
    this.#translation = translation;
  }

  get isLast(): boolean {
    return this.#translation.isOutput(this.node.outputs[0]);
  }

  get batch(): number | undefined {
    return this.#translation.batch;
  }

  has = (input: number): boolean => (this.node.inputs[input] ?? "") !== "";

  value(input: number): OnnxValue {
    const name = this.node.inputs[input];
    return name === undefined ? this.fail(`the node has no input ${input}`) : this.#translation.value(name, this.fail);
  }

  flow(input: number): Flow {
    const value = this.value(input);
    return value.kind === "flow"
      ? value
      : this.fail(`input ${input} of the node is a constant, which no layer of ours takes`);
  }

  /** Of our layer; a picture's `[1, C, H, W]`. */
  shape = ({ layer }: Flow): Shape => this.#translation.shapeOf(layer);

  constant(input: number): Tensor {
    const value = this.value(input);
    return value.kind === "constant"
      ? value.tensor
      : this.fail(`input ${input} of the node is computed, and not a constant`);
  }

  optional = (input: number): Tensor | undefined => (this.has(input) ? this.constant(input) : undefined);

  /** Whole numbers that are constant, or made of shapes. */
  extents(input: number): readonly Extent[] {
    const value = this.value(input);
    if (value.kind === "extents") return value.extents;
    if (value.kind === "constant" && value.tensor.data.length <= 64) return Array.from(value.tensor.data);
    return this.fail(`input ${input} of the node is no list of extents`);
  }

  numbers(name: string, otherwise: readonly number[]): readonly number[] {
    return this.node.numbers.get(name) ?? otherwise;
  }

  number(name: string, otherwise: number): number {
    return this.numbers(name, [otherwise])[0] ?? otherwise;
  }

  /** Axes, which are an attribute in old files and an input in new ones; those from the end count from `rank` here. */
  axes(rank: number, input = 1): readonly number[] {
    const given = this.has(input) ? this.extents(input).map(Number) : (this.node.numbers.get("axes") ?? []);
    return given.map((axis) => (axis < 0 ? axis + rank : axis)).toSorted((a, b) => a - b);
  }

  /** Refuses the node where an attribute is not what it must be. */
  demand(isSo: boolean, expected: string, found: string): void {
    if (!isSo) this.fail("the node does what no layer of ours does", { expected, found });
  }

  layer(
    layer: Nameless<LayerConfig>,
    inputs: readonly Flow[],
    weights: Record<string, Tensor> = {},
    isFlat = false,
  ): Flow {
    const names = inputs.map((input) => input.layer);
    return {
      kind: "flow",
      layer: this.#translation.add(layerName(this.node), layer, names, weights, this.fail),
      isFlat,
    };
  }
}

/** `layer1.0.conv1` of PyTorch's `/layer1/layer1.0/conv1/Conv`; the path is said again at each step. */
function layerName({ name, op, outputs }: OnnxNode): string {
  const parts = (name || outputs[0] || op).split("/").filter((part) => part !== "");
  if (parts.length > 1 && parts.at(-1)!.replace(/_\d+$/, "") === op) {
    if (/^(?:Conv|Gemm|MatMul|BatchNormalization)$/.test(op)) parts.pop();
  }
  const path: string[] = [];
  for (const part of parts) {
    if (path.length > 0 && part.startsWith(`${path.at(-1)}.`)) path.pop();
    path.push(part);
  }
  return path.join(".").slice(0, 900) || op;
}

const isOnes = (shape: Shape) => shape.length === 4 && shape[2] === 1 && shape[3] === 1;
const allSame = (values: readonly number[]) => values.every((value) => value === values[0]);

type Rule = (step: Step) => OnnxValue;

const same: Rule = (step) => step.value(0);

/** One input, and one output of its shape. */
const elementwise =
  (layer: Nameless<LayerConfig>): Rule =>
  (step) => {
    const x = step.flow(0);
    return step.layer(layer, [x], {}, x.isFlat);
  };

/** A softmax of the logits, which says no more than they do. */
const atTheEnd: Rule = (step) => {
  const x = step.flow(0);
  const axis = step.number("axis", -1);
  const rank = step.shape(x).length === 2 || x.isFlat ? 2 : 4;
  step.demand(
    step.isLast && (axis === 1 || axis + rank === 1),
    "a softmax over the classes, as the graph's output",
    "another",
  );
  return x;
};

const rules: Readonly<Record<string, Rule>> = {
  Conv(step) {
    const x = step.flow(0);
    const weight = step.constant(1);
    const bias = step.optional(2);
    const [out, , height, width] = weight.shape;
    step.demand(
      !x.isFlat && weight.shape.length === 4 && height === width,
      "a square kernel",
      `[${weight.shape.join(", ")}]`,
    );
    const dilations = step.numbers("dilations", [1]);
    step.demand(
      dilations.every((dilation) => dilation === 1),
      "no dilation",
      `[${dilations.join(", ")}]`,
    );
    const padding = step.node.strings.get("auto_pad") ?? "NOTSET";
    step.demand(padding === "NOTSET" || padding === "VALID", "a padding that is said", padding);
    const pads = padding === "VALID" ? [0] : step.numbers("pads", [0]);
    const strides = step.numbers("strides", [1]);
    step.demand(
      allSame(pads) && allSame(strides),
      "one padding and one stride",
      `pads ${pads.join(" ")}, strides ${strides.join(" ")}`,
    );
    const options = { out: out!, kernel: height!, stride: strides[0]!, pad: pads[0]!, groups: step.number("group", 1) };
    const layer = { kind: "conv", ...options, bias: bias !== undefined } as const;
    return step.layer(layer, [x], { weight, ...(bias && { bias }) });
  },

  Gemm(step) {
    const [alpha, beta, transA] = [step.number("alpha", 1), step.number("beta", 1), step.number("transA", 0)];
    step.demand(
      alpha === 1 && beta === 1 && transA === 0,
      "x times weights, plus a bias",
      `alpha ${alpha}, beta ${beta}, transA ${transA}`,
    );
    const weight = step.constant(1);
    return linear(step, step.number("transB", 0) === 1 ? weight : transposed(weight, step.fail), step.optional(2));
  },

  MatMul: (step) => linear(step, transposed(step.constant(1), step.fail)),

  BatchNormalization(step) {
    const x = step.flow(0);
    step.demand(!x.isFlat && step.number("training_mode", 0) === 0, "running statistics of channels", "others");
    const [weight, bias, running_mean, running_var] = [1, 2, 3, 4].map((input) => step.constant(input)) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    return step.layer({ kind: "batchNorm", eps: step.number("epsilon", 1e-5) }, [x], {
      weight,
      bias,
      running_mean,
      running_var,
    });
  },

  Relu: elementwise({ kind: "relu" }),
  Sigmoid: elementwise({ kind: "sigmoid" }),

  Add(step) {
    const [a, b] = [step.value(0), step.value(1)];
    if (a.kind !== "flow" || b.kind !== "flow")
      return biased(step, a.kind === "flow" ? a : step.flow(1), a.kind === "flow" ? 1 : 0);
    const [shapeA, shapeB] = [step.shape(a), step.shape(b)];
    step.demand(
      sameShape(shapeA, shapeB) && a.isFlat === b.isFlat,
      "a sum of equal shapes",
      `[${shapeA.join(", ")}] and [${shapeB.join(", ")}]`,
    );
    return step.layer({ kind: "add" }, [a, b], {}, a.isFlat);
  },

  Mul(step) {
    const [a, b] = [step.flow(0), step.flow(1)];
    const [gate, x] = isOnes(step.shape(a)) ? [a, b] : [b, a];
    const [gateShape, shape] = [step.shape(gate), step.shape(x)];
    const fits = isOnes(gateShape) && shape.length === 4 && gateShape[1] === shape[1] && gate.isFlat === x.isFlat;
    step.demand(fits, "a gate [N, C, 1, 1] of channels", `[${gateShape.join(", ")}] and [${shape.join(", ")}]`);
    return step.layer({ kind: "seScale" }, [gate, x], {}, x.isFlat);
  },

  Concat(step) {
    const values = step.node.inputs.map((_, i) => step.value(i));
    const flows = values.filter((value) => value.kind === "flow");
    if (flows.length === 0) return { kind: "extents", extents: values.flatMap((_, i) => step.extents(i)) };
    const isPlain =
      flows.length === values.length && flows.every(({ isFlat }) => !isFlat) && step.number("axis", 1) === 1;
    step.demand(isPlain, "channels after channels", "others");
    return step.layer({ kind: "concat" }, flows);
  },

  MaxPool: (step) => pooled(step, "maxPool"),
  AveragePool: (step) => pooled(step, "avgPool"),

  GlobalAveragePool: (step) => step.layer({ kind: "globalAvgPool" }, [step.flow(0)]),

  ReduceMean(step) {
    const x = step.flow(0);
    const axes = step.axes(4);
    step.demand(!x.isFlat && axes.join() === "2,3", "the mean over a whole picture", `axes ${axes.join(" ")}`);
    return step.layer({ kind: "globalAvgPool" }, [x], {}, step.number("keepdims", 1) === 0);
  },

  Flatten(step) {
    const x = step.value(0);
    step.demand(step.number("axis", 1) === 1, "the batch is kept", `axis ${step.number("axis", 1)}`);
    if (x.kind !== "constant") return flattened(step, step.flow(0));
    const [first = 1, ...rest] = x.tensor.shape;
    return constant(x.tensor, [first, sizeOf(rest)]);
  },

  Reshape(step) {
    const x = step.value(0);
    const target = step.extents(1);
    if (x.kind === "constant") return constant(x.tensor, reshaped(x.tensor.shape, target.map(Number), step));
    const flow = step.flow(0);
    const shape = step.shape(flow);
    const [batch, ...rest] = target;
    const isBatch =
      batch === 0 || batch === "N" || batch === -1 || batch === step.batch || (batch === 1 && step.batch === undefined);
    const known = rest
      .filter((extent) => extent !== -1)
      .map((extent, i) => (extent === 0 ? shape[i + 1]! : Number(extent)));
    const size = sizeOf(shape.slice(1));
    const isWhole = known.length === rest.length ? sizeOf(known) === size : size % sizeOf(known) === 0;
    step.demand(
      isBatch && isWhole && known.length >= rest.length - 1,
      `[N, ${size}], or one for each channel`,
      `[${target.join(", ")}]`,
    );
    if (rest.length === 1) return flattened(step, flow);
    step.demand(
      rest.length === 3 && isOnes([1, ...rest.map((extent, i) => (i === 0 ? 1 : Number(extent)))]) && isOnes(shape),
      "[N, C, 1, 1]",
      `[${target.join(", ")}]`,
    );
    return { ...flow, isFlat: false };
  },

  Squeeze(step) {
    const x = step.value(0);
    if (x.kind === "extents") return x;
    if (x.kind === "constant") return constant(x.tensor, squeezed(x.tensor.shape, step.axes(x.tensor.shape.length)));
    const axes = step.axes(4);
    step.demand(isOnes(step.shape(x)) && axes.join() === "2,3", "[N, C] of [N, C, 1, 1]", `axes ${axes.join(" ")}`);
    return { ...x, isFlat: true };
  },

  Unsqueeze(step) {
    const x = step.value(0);
    if (x.kind === "extents") return x;
    if (x.kind === "constant") {
      const axes = step.axes(x.tensor.shape.length + 1);
      const rest = [...x.tensor.shape];
      for (const axis of axes) rest.splice(axis, 0, 1);
      return constant(x.tensor, rest);
    }
    // One axis after the other, or both at once.
    const axes = step.axes(4);
    step.demand(
      isOnes(step.shape(x)) && axes.every((axis) => axis === 2 || axis === 3),
      "[N, C, 1, 1] of [N, C]",
      `axes ${axes.join(" ")}`,
    );
    return { ...x, isFlat: false };
  },

  Transpose(step) {
    const x = step.value(0);
    if (x.kind === "constant" && x.tensor.shape.length === 2)
      return constant(transposed(x.tensor, step.fail), x.tensor.shape.toReversed());
    return step.fail("the node turns axes, which no layer of ours does");
  },

  Shape(step) {
    const x = step.flow(0);
    const shape = step.shape(x);
    return { kind: "extents", extents: ["N", ...(x.isFlat ? [sizeOf(shape.slice(1))] : shape.slice(1))] };
  },

  Gather(step) {
    const extents = step.extents(0);
    const picked = step
      .extents(1)
      .map((index) => extents.at(Number(index)) ?? step.fail("the node takes an extent that is not there"));
    return { kind: "extents", extents: picked };
  },

  Slice(step) {
    const extents = step.extents(0);
    const bound = (input: number, name: string, otherwise: number) =>
      step.has(input) ? Number(step.extents(input)[0]) : step.number(name, otherwise);
    step.demand(!step.has(4) || step.extents(4)[0] === 1, "extents one after another", "others");
    return { kind: "extents", extents: extents.slice(bound(1, "starts", 0), bound(2, "ends", extents.length)) };
  },

  Identity: same,
  Dropout: same,
  Cast: same,
  Softmax: atTheEnd,
  LogSoftmax: atTheEnd,
};

const constant = (tensor: Tensor, shape: Shape): OnnxValue => ({ kind: "constant", tensor: { ...tensor, shape } });

const squeezed = (shape: Shape, axes: readonly number[]): Shape =>
  shape.filter((extent, axis) => (axes.length === 0 ? extent !== 1 : !axes.includes(axis)));

/** A constant's shape with -1 and 0 filled in. */
function reshaped(from: Shape, target: readonly number[], step: Step): Shape {
  const kept = target.map((extent, i) => (extent === 0 ? (from[i] ?? 0) : extent));
  const known = sizeOf(kept.filter((extent) => extent !== -1));
  const shape = kept.map((extent) => (extent === -1 ? sizeOf(from) / known : extent));
  step.demand(sizeOf(shape) === sizeOf(from), `${sizeOf(from)} numbers`, `[${target.join(", ")}]`);
  return shape;
}

/** `[I, O] → [O, I]` */
function transposed({ shape, data }: Tensor, fail: Fail): Tensor {
  const [rows, columns] = shape;
  if (shape.length !== 2) return fail("the weights are no matrix", { found: `[${shape.join(", ")}]` });
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows!; row++)
    for (let column = 0; column < columns!; column++) turned[column * rows! + row] = data[row * columns! + column]!;
  return { dtype: "float32", shape: [columns!, rows!], data: turned };
}

/** Rows of features; of a squeezed picture it is a convolution, so that a gate stays `[N, C, 1, 1]`. */
function linear(step: Step, weight: Tensor, bias?: Tensor): Flow {
  const x = step.flow(0);
  const shape = step.shape(x);
  step.demand(x.isFlat || shape.length === 2, "[N, features]", `[${shape.join(", ")}]`);
  const weights = { weight, ...(bias && { bias }) };
  const options = { out: weight.shape[0]!, bias: bias !== undefined };
  if (isOnes(shape) && !step.isLast) {
    return step.layer({ kind: "conv", ...options, kernel: 1, stride: 1, pad: 0, groups: 1 }, [x], weights, true);
  }
  const flat = shape.length === 2 ? x : step.layer({ kind: "flatten" }, [x]);
  return step.layer({ kind: "linear", ...options }, [flat], weights);
}

/** A constant that is added to channels: as a convolution of nothing else, `x + b`, would be one of ours, it is one. */
function biased(step: Step, x: Flow, input: 0 | 1): Flow {
  const shape = step.shape(x);
  const bias = step.constant(input);
  const channels = shape[1]!;
  const isPerChannel = bias.data.length === channels && withoutOnes(bias.shape).length <= 1;
  const axis = bias.shape.length - bias.shape.findIndex((extent) => extent === channels);
  const expected = shape.length === 4 && !x.isFlat ? 3 : 1;
  step.demand(
    isPerChannel && (channels === 1 || axis === expected),
    "a number for each channel",
    `[${bias.shape.join(", ")}]`,
  );
  const ones: Tensor = { dtype: "float32", shape: [channels, 1, 1, 1], data: new Float32Array(channels).fill(1) };
  if (shape.length === 4) {
    const layer = { kind: "conv", out: channels, kernel: 1, stride: 1, pad: 0, groups: channels, bias: true } as const;
    return step.layer(layer, [x], { weight: ones, bias }, x.isFlat);
  }
  return step.fail("a constant is added to what is no picture");
}

/** `[N, C·H·W]`: our layers stay as they are until somebody needs rows. */
function flattened(step: Step, x: Flow): Flow {
  return step.shape(x).length === 2 ? x : { ...x, isFlat: true };
}

function pooled(step: Step, kind: "maxPool" | "avgPool"): Flow {
  const x = step.flow(0);
  const [, , height, width] = step.shape(x) as [number, number, number, number];
  const kernels = step.numbers("kernel_shape", []);
  const strides = step.numbers("strides", [1]);
  const pads = step.numbers("pads", [0, 0, 0, 0]);
  const padding = step.node.strings.get("auto_pad") ?? "NOTSET";
  const dilations = step.numbers("dilations", [1]);
  const [top = 0, left = 0, bottom = 0, right = 0] = padding === "VALID" ? [] : pads;
  const isSquare =
    kernels.length === 2 &&
    allSame(kernels) &&
    allSame(strides) &&
    top === left &&
    bottom === right &&
    height === width;
  step.demand(
    !x.isFlat && isSquare && /^(?:NOTSET|VALID)$/.test(padding) && dilations.every((dilation) => dilation === 1),
    "a square window over a square picture",
    `kernel ${kernels.join(" ")}, strides ${strides.join(" ")}, pads ${pads.join(" ")}, ${padding}`,
  );
  const [kernel, stride] = [kernels[0]!, strides[0]!];
  const round = step.number("ceil_mode", 0) === 1 ? Math.ceil : Math.floor;
  const extent = round((height + top + bottom - kernel) / stride) + 1;
  // Ours pads both ends alike, and rounds up or down: of a maximum only the number of windows matters.
  const ours = (isCeil: boolean) => {
    const windows = (isCeil ? Math.ceil : Math.floor)((height + 2 * top - kernel) / stride) + 1;
    return isCeil && (windows - 1) * stride >= height + top ? windows - 1 : windows;
  };
  const ceil = [false, true].find((isCeil) => ours(isCeil) === extent);
  const isWhole = (extent - 1) * stride + kernel <= height + 2 * top;
  const countsPadding = top === 0 || step.number("count_include_pad", 0) === 1;
  step.demand(
    ceil !== undefined && (kind === "maxPool" || (isWhole && countsPadding)),
    "windows as PyTorch or Caffe lay them, whose mean counts the padding",
    `kernel ${kernel}, stride ${stride}, pads ${pads.join(" ")} of ${height} pixels`,
  );
  return step.layer({ kind, kernel, stride, pad: top, ceil: ceil! }, [x]);
}
