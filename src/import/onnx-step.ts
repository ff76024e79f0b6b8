/** An ONNX node, as seen by the rules that convert it. */

import type { Fail } from "../formats/bytes.ts";
import type { OnnxNode } from "../formats/onnx-graph.ts";
import { type AxisWindow, type Sides, samePadding, sidesOf } from "../ir/window.ts";
import type { Shape, Tensor } from "../tensor.ts";
import type { UnplacedLayer } from "../zoo/layer.ts";

/** The meaning of a name during conversion. */
export type OnnxValue =
  | { readonly kind: "constant"; readonly tensor: Tensor }
  /** Dimensions computed from shapes; `N` is the batch size. */
  | { readonly kind: "extents"; readonly extents: readonly Extent[] }
  | Flow;

export type Extent = number | "N";

/** `x · scale + shift`, with a number for each channel. */
export interface Affine {
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

/** The value of one of our layers, with pending changes. */
export interface Flow {
  readonly kind: "flow";
  readonly layer: string;
  /** Whether ONNX has `[N, C·H·W]` where our layer has `[N, C, H, W]`. */
  readonly isFlat: boolean;
  /** Whether ONNX sees `[N, H, W, C]`, as TensorFlow has pictures. */
  readonly isChannelsLast?: boolean;
  /** What ONNX has made of the picture itself; our networks get it from pre-processing. */
  readonly affine?: Affine;
  /** Pending padding, to be done by the following convolution or pooling. */
  readonly pad?: Sides;
  /** Whether ONNX has `[1, N·C, H, W]`, the only form in which some engines can multiply by gates. */
  readonly isMerged?: boolean;
  /** Pending subsampling of rows and columns. */
  readonly every?: readonly [rows: number, columns: number];
  /** Pending zero channels before and after, to be done by a sum. */
  readonly beside?: readonly [before: number, behind: number];
  /** Set if this is the sigmoid of a layer's value: their product is SiLU. */
  readonly sigmoidOf?: string;
  /** Partial results of Mish, `x · tanh(softplus(x))`. */
  readonly made?: "softplus" | "tanh of softplus";
}

const noZeros: Sides = { top: 0, left: 0, bottom: 0, right: 0 };

/** The converted part of the network, as seen by rules. */
export interface Surroundings {
  /** The graph's batch size, if it is fixed. */
  readonly batch: number | undefined;
  value(name: string, fail: Fail): OnnxValue;
  isOutput(name: string | undefined): boolean;
  /** Counts copied numbers. @throws through `fail` where they are far more than in the file */
  spend(numbers: number, fail: Fail): void;
  shapeOf(layer: string): Shape;
  /** Notes what a layer reads. @throws through `fail` where another one reads the picture normalised differently */
  reads(flow: Flow, fail: Fail): void;
  /** Adds a layer with its weights and returns its name. */
  add(
    name: string,
    layer: UnplacedLayer,
    inputs: readonly string[],
    weights: Readonly<Record<string, Tensor>>,
    fail: Fail,
  ): string;
}

/** A node, with helpers for its rule. */
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

  /** Accounts for numbers made from the file's, and refuses far more of them than it has. */
  spend(numbers: number): void {
    this.#translation.spend(numbers, this.fail);
  }

  /** `[I, O] → [O, I]` */
  transposed({ shape, data }: Tensor): Tensor {
    const [rows, columns] = shape as [number, number];
    if (shape.length !== 2) return this.fail("the weights are not a matrix", { found: `[${shape.join(", ")}]` });
    this.spend(data.length);
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

  /** As `flow`, for rules that also work on merged pictures. */
  merged(input: number): Flow {
    const flow = this.made(input);
    return flow.made === undefined ? flow : this.fail(`the node reads a ${flow.made}, which is known within Mish only`);
  }

  /** As `merged`, for the rules of Mish's parts. */
  made(input: number): Flow {
    const flow = this.padded(input);
    return flow.pad === undefined ? flow : this.fail("the node reads a picture that was padded with zeros");
  }

  /** As `flow`, for rules that handle pending padding. */
  padded(input: number): Flow {
    const flow = this.laid(input);
    return flow.isChannelsLast === true ? this.fail("the node reads a picture with its channels last") : flow;
  }

  /** Like `padded`, for a rule that does not depend on the channels' position. */
  laid(input: number): Flow {
    const value = this.value(input);
    if (value.kind !== "flow") {
      return this.fail(`input ${input} of the node is a constant, which no layer here accepts`);
    }
    return value.beside === undefined
      ? this.taken(value)
      : this.fail("the node reads channels of zeros beside a picture's own, which only a sum takes here");
  }

  /** Carries out pending subsampling. */
  taken(flow: Flow): Flow {
    const { every, ...rest } = flow;
    if (every === undefined) return flow;
    const [rows, columns] = every;
    const stride = rows === columns ? rows : every;
    const subsample = { kind: "maxPool", kernel: 1, stride, pad: 0, ceil: false } as const;
    return { ...rest, ...this.layer(subsample, [flow], {}, false, ".subsample") };
  }

  /** Shape of our layer's value; `[1, C, H, W]` for pictures. */
  shape = ({ layer }: Flow): Shape => this.#translation.shapeOf(layer);

  constant(input: number): Tensor {
    const value = this.value(input);
    return value.kind === "constant"
      ? value.tensor
      : this.fail(`input ${input} of the node is computed, but should be a constant`);
  }

  optional = (input: number): Tensor | undefined => (this.has(input) ? this.constant(input) : undefined);

  /** Whole numbers that are constant or computed from shapes. */
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

  /** Axes, an attribute in old files and an input in new ones; negative ones count from `rank`. */
  axes(rank: number, input = 1): readonly number[] {
    const given = this.has(input) ? this.extents(input).map(Number) : (this.node.numbers.get("axes") ?? []);
    return given.map((axis) => (axis < 0 ? axis + rank : axis)).toSorted((a, b) => a - b);
  }

  /** Refuses the node unless `isSo`. */
  demand(isSo: boolean, expected: string, found: string): void {
    if (!isSo) this.fail("the node does something that no layer here can do", { expected, found });
  }

  /** The window of a convolution or pooling along rows and columns, including pending padding. */
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

  /** Padding above, left, below, right, without that of a Pad. SAME depends on the picture's size. */
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
    // The odd pixel at the start rather than at the end.
    return padding === "SAME_UPPER" ? upper : [2, 3, 0, 1].map((side) => upper[side]!);
  }

  /** Whether a pooling has padding of its own, besides that of a Pad. */
  hasPads(windows: readonly AxisWindow[], { pad = noZeros }: Flow): boolean {
    const zeros = pad.top + pad.left + pad.bottom + pad.right;
    return windows.reduce((sum, { before, after }) => sum + before + after, 0) > zeros;
  }

  /** Adds a layer named after the node, with `suffix`. */
  layer(
    layer: UnplacedLayer,
    inputs: readonly Flow[],
    weights: Record<string, Tensor> = {},
    isFlat = false,
    suffix = "",
  ): Flow {
    for (const input of inputs) this.#translation.reads(input, this.fail);
    const names = inputs.map((input) => input.layer);
    return {
      kind: "flow",
      layer: this.#translation.add(layerName(this.node) + suffix, layer, names, weights, this.fail),
      isFlat,
    };
  }
}

/**
 * A layer's name from PyTorch's node name: `layer1.0.conv1` from `/layer1/layer1.0/conv1/Conv`, which repeats the path
 * at each step.
 */
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
