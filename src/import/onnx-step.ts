/** One node of an ONNX graph as a rule sees it that makes layers of it. */

import type { Fail } from "../formats/bytes.ts";
import type { OnnxNode } from "../formats/onnx-graph.ts";
import { type AxisWindow, type Sides, samePadding, sidesOf } from "../ir/window.ts";
import type { Shape, Tensor } from "../tensor.ts";
import type { LayerConfig } from "../zoo/layer.ts";

/** What a name stands for while the graph is walked. */
export type OnnxValue =
  | { readonly kind: "constant"; readonly tensor: Tensor }
  /** Extents that are computed from shapes; `N` is the batch. */
  | { readonly kind: "extents"; readonly extents: readonly Extent[] }
  | Flow;

export type Extent = number | "N";

/** The value of one of our layers. */
export interface Flow {
  readonly kind: "flow";
  readonly layer: string;
  /** Whether ONNX sees `[N, C·H·W]` where our layer gives `[N, C, H, W]`. */
  readonly isFlat: boolean;
  /** Whether ONNX sees `[N, H, W, C]`, as TensorFlow has pictures. */
  readonly isChannelsLast?: boolean;
  /** Zeros around the picture that are still to be put there, by the convolution or the pooling that follows. */
  readonly pad?: Sides;
  /** Whether ONNX sees `[1, N·C, H, W]`: some engines multiply by gates only so. */
  readonly isMerged?: boolean;
  /** The step of rows and columns at which pixels are still to be taken from the picture. */
  readonly every?: readonly [rows: number, columns: number];
  /** Channels of zeros that are still to be put before and behind the picture's own, by a sum. */
  readonly beside?: readonly [before: number, behind: number];
  /** The layer whose value is in the sigmoid that this is: times that it is SiLU. */
  readonly sigmoidOf?: string;
  /** What ONNX has made of our layer's value on the way to Mish, `x · tanh(softplus(x))`. */
  readonly made?: "softplus" | "tanh of softplus";
}

export type Nameless<T> = T extends unknown ? Omit<T, "name" | "inputs"> : never;

const noZeros: Sides = { top: 0, left: 0, bottom: 0, right: 0 };

/** The part of the network that is there, as a node's rule sees it. */
export interface Surroundings {
  /** What the graph calls its batch where that is a number. */
  readonly batch: number | undefined;
  value(name: string, fail: Fail): OnnxValue;
  isOutput(name: string | undefined): boolean;
  /** Counts numbers that a rule copies. @throws through `fail` where they are far more than the file has */
  spend(numbers: number, fail: Fail): void;
  shapeOf(layer: string): Shape;
  /** Adds a layer of ours with its weights; its name is given back. */
  add(
    name: string,
    layer: Nameless<LayerConfig>,
    inputs: readonly string[],
    weights: Readonly<Record<string, Tensor>>,
    fail: Fail,
  ): string;
}

/** A node, and what its rule may ask. */
export class Step {
  readonly node: OnnxNode;
  readonly fail: Fail;
  readonly #translation: Surroundings;

  constructor(node: OnnxNode, translation: Surroundings, fail: Fail) {
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

  /** `[I, O] → [O, I]` */
  transposed({ shape, data }: Tensor): Tensor {
    const [rows, columns] = shape as [number, number];
    if (shape.length !== 2) return this.fail("the weights are not a matrix", { found: `[${shape.join(", ")}]` });
    this.#translation.spend(data.length, this.fail);
    const turned = new Float32Array(data.length);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) turned[column * rows + row] = data[row * columns + column]!;
    }
    return { dtype: "float32", shape: [columns, rows], data: turned };
  }

  flow(input: number): Flow {
    const flow = this.merged(input);
    return flow.isMerged === true ? this.fail("the node reads pictures that were merged into one") : flow;
  }

  /** As `flow`, of a rule to which it is the same whether pictures are merged. */
  merged(input: number): Flow {
    const flow = this.made(input);
    return flow.made === undefined ? flow : this.fail(`the node reads a ${flow.made}, which is known within Mish only`);
  }

  /** As `merged`, of a rule that Mish is made of. */
  made(input: number): Flow {
    const flow = this.padded(input);
    return flow.pad === undefined ? flow : this.fail("the node reads a picture that was padded with zeros");
  }

  /** As `flow`, of a rule that puts zeros around the picture. */
  padded(input: number): Flow {
    const flow = this.laid(input);
    return flow.isChannelsLast === true ? this.fail("the node reads a picture with its channels last") : flow;
  }

  /** As `padded`, of a rule to which it is the same where the channels are. */
  laid(input: number): Flow {
    const value = this.value(input);
    if (value.kind !== "flow") {
      return this.fail(`input ${input} of the node is a constant, which no layer here accepts`);
    }
    return value.beside === undefined
      ? this.taken(value)
      : this.fail("the node reads channels of zeros beside a picture's own, which only a sum takes here");
  }

  /** With the pixels taken that are still to be. */
  taken(flow: Flow): Flow {
    const { every, ...rest } = flow;
    if (every === undefined) return flow;
    const [rows, columns] = every;
    const stride = rows === columns ? rows : every;
    const subsample = { kind: "maxPool", kernel: 1, stride, pad: 0, ceil: false } as const;
    return { ...rest, ...this.layer(subsample, [flow], {}, false, ".subsample") };
  }

  /** Of our layer; a picture's `[1, C, H, W]`. */
  shape = ({ layer }: Flow): Shape => this.#translation.shapeOf(layer);

  constant(input: number): Tensor {
    const value = this.value(input);
    return value.kind === "constant"
      ? value.tensor
      : this.fail(`input ${input} of the node is computed, but should be a constant`);
  }

  optional = (input: number): Tensor | undefined => (this.has(input) ? this.constant(input) : undefined);

  /** Whole numbers that are constant, or made of shapes. */
  extents(input: number): readonly Extent[] {
    const value = this.value(input);
    if (value.kind === "extents") return value.extents;
    if (value.kind === "constant" && value.tensor.data.length <= 64) return Array.from(value.tensor.data);
    return this.fail(`input ${input} of the node is not a list of dimensions`);
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
    if (!isSo) this.fail("the node does something that no layer here can do", { expected, found });
  }

  /**
   * The window of a convolution or a pooling, along rows and along columns, with the zeros that a Pad before it has put
   * around the picture.
   */
  window(kernel: readonly number[], flow: Flow): readonly [rows: AxisWindow, columns: AxisWindow] {
    const padding = this.node.strings.get("auto_pad") ?? "NOTSET";
    const [strides, dilations] = [this.numbers("strides", [1, 1]), this.numbers("dilations", [1, 1])];
    const pads = this.#pads(kernel, strides, flow, padding);
    const isWhole = (numbers: readonly number[], length: number, least: number) =>
      numbers.length === length && numbers.every((number) => Number.isInteger(number) && number >= least);
    this.demand(
      isWhole(kernel, 2, 1) &&
        isWhole(strides, 2, 1) &&
        isWhole(pads, 4, 0) &&
        dilations.every((dilation) => dilation === 1) &&
        /^(?:NOTSET|VALID|SAME_UPPER|SAME_LOWER)$/.test(padding),
      "a window of rows and columns without dilation, with padding that ONNX knows",
      `kernel ${kernel.join(" ")}, strides ${strides.join(" ")}, pads ${pads.join(" ")}, dilations ${dilations.join(" ")}, ${padding}`,
    );
    const [top, left, bottom, right] = pads as [number, number, number, number];
    const zeros = flow.pad ?? noZeros;
    const [[height, width], [down, across]] = [kernel, strides] as [[number, number], [number, number]];
    return [
      { kernel: height, stride: down, before: top + zeros.top, after: bottom + zeros.bottom },
      { kernel: width, stride: across, before: left + zeros.left, after: right + zeros.right },
    ];
  }

  /** Above, left, below, right, without those of a Pad. SAME depends on the picture's size. */
  #pads(kernel: readonly number[], strides: readonly number[], flow: Flow, padding: string): readonly number[] {
    if (padding === "VALID") return [0, 0, 0, 0];
    if (!padding.startsWith("SAME")) return this.numbers("pads", [0, 0, 0, 0]);
    const [, , height = 0, width = 0] = this.shape(flow);
    const { top, left, bottom, right } = flow.pad ?? noZeros;
    const picture = [1, 1, height + top + bottom, width + left + right];
    const [rows = 1, columns = 1] = kernel;
    const [down = 1, across = 1] = strides;
    const same = sidesOf(samePadding(picture, [rows, columns], [down, across]));
    const upper = [same.top, same.left, same.bottom, same.right];
    // The odd pixel before the picture, rather than behind it.
    return padding === "SAME_UPPER" ? upper : [2, 3, 0, 1].map((side) => upper[side]!);
  }

  /** Whether a pooling's own window has padding, besides that of a Pad. */
  hasPads(windows: readonly AxisWindow[], { pad = noZeros }: Flow): boolean {
    const zeros = pad.top + pad.left + pad.bottom + pad.right;
    return windows.reduce((sum, { before, after }) => sum + before + after, 0) > zeros;
  }

  /** Adds a layer, under the node's name with `suffix`. */
  layer(
    layer: Nameless<LayerConfig>,
    inputs: readonly Flow[],
    weights: Record<string, Tensor> = {},
    isFlat = false,
    suffix = "",
  ): Flow {
    const names = inputs.map((input) => input.layer);
    return {
      kind: "flow",
      layer: this.#translation.add(layerName(this.node) + suffix, layer, names, weights, this.fail),
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
