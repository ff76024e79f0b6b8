/** One node of an ONNX graph as a rule sees it that makes layers of it. */

import type { Fail } from "../formats/bytes.ts";
import type { OnnxNode } from "../formats/onnx-graph.ts";
import type { AxisWindow, Sides } from "../ir/window.ts";
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
  /** Zeros around the picture that are still to be put there, by the convolution or the pooling that follows. */
  readonly pad?: Sides;
  /** Whether ONNX sees `[1, N·C, H, W]`: some engines multiply by gates only so. */
  readonly isMerged?: boolean;
  /** What ONNX has made of our layer's value on the way to Mish, `x · tanh(softplus(x))`. */
  readonly made?: "softplus" | "tanh of softplus";
}

export type Nameless<T> = T extends unknown ? Omit<T, "name" | "inputs"> : never;

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
    const value = this.value(input);
    return value.kind === "flow"
      ? value
      : this.fail(`input ${input} of the node is a constant, which no layer here accepts`);
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
  window(kernel: readonly number[], { pad }: Flow): readonly [rows: AxisWindow, columns: AxisWindow] {
    const padding = this.node.strings.get("auto_pad") ?? "NOTSET";
    const [strides, dilations] = [this.numbers("strides", [1, 1]), this.numbers("dilations", [1, 1])];
    // Above, left, below, right.
    const pads = padding === "VALID" ? [0, 0, 0, 0] : this.numbers("pads", [0, 0, 0, 0]);
    const isWhole = (numbers: readonly number[], length: number, least: number) =>
      numbers.length === length && numbers.every((number) => Number.isInteger(number) && number >= least);
    this.demand(
      isWhole(kernel, 2, 1) &&
        isWhole(strides, 2, 1) &&
        isWhole(pads, 4, 0) &&
        dilations.every((dilation) => dilation === 1) &&
        /^(?:NOTSET|VALID)$/.test(padding),
      "a window of rows and columns without dilation, with explicit padding",
      `kernel ${kernel.join(" ")}, strides ${strides.join(" ")}, pads ${pads.join(" ")}, dilations ${dilations.join(" ")}, ${padding}`,
    );
    const [top, left, bottom, right] = pads as [number, number, number, number];
    const zeros = pad ?? { top: 0, left: 0, bottom: 0, right: 0 };
    const [[height, width], [down, across]] = [kernel, strides] as [[number, number], [number, number]];
    return [
      { kernel: height, stride: down, before: top + zeros.top, after: bottom + zeros.bottom },
      { kernel: width, stride: across, before: left + zeros.left, after: right + zeros.right },
    ];
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
