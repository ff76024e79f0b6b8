/**
 * Activations in ONNX Runtime's blocked layout (NCHWc): `[N, C/b, H, W, b]`, b channels side by side, for b of 8 or 16.
 *
 * ONNX Runtime has direct convolutions for this layout, one and a half times as fast as its matrix products and far
 * faster than its NCHW convolutions (docs/log.md). It uses them on its own only if weights are constants, in inference.
 * A training graph therefore uses the operators of the domain com.microsoft.nchwc explicitly; the weights, which are
 * small, are converted to the kernel's layout in each run.
 *
 * Element-wise operators do not depend on the layout. Per-channel factors do: they become a depthwise 1×1 convolution,
 * a single pass over memory that can also add another activation and apply a ReLU. So an activation is kept as an
 * expression `scale·base + shift + plus` until its values are needed: batch norm, gate, shortcut and ReLU of a block
 * then cost one pass.
 */

import type { Type, Value } from "../../ir/graph.ts";
import { type AxisWindow, overhangOf } from "../../ir/window.ts";
import { type Convolution, type Expression, type Extents, extentsOf, type Vector } from "./blocked-values.ts";
import { BlockedWeights } from "./blocked-weights.ts";
import { filled } from "./emit-others.ts";
import { type Emitter, nchwc } from "./emitter.ts";
import type { Attributes } from "./onnx.ts";

export class Blocks {
  /** Number of channels in a block. */
  readonly size: number;
  readonly emit: Emitter;
  readonly weights: BlockedWeights;
  readonly #plain: (value: Value) => string;
  readonly #uses: (value: Value) => number;
  readonly #pending = new Map<Value, Convolution>();
  readonly #expressions = new Map<Value, Expression>();
  /** Evaluated expressions. */
  readonly #dense = new Map<Value, string>();
  /** Means, products and masks shared by several rules. */
  readonly #memo = new Map<string, string>();

  /**
   * @param plain gives the NCHW name of a value that is not held here
   * @param uses gives the number of reads of a value
   */
  constructor(size: number, emit: Emitter, plain: (value: Value) => string, uses: (value: Value) => number) {
    this.size = size;
    this.emit = emit;
    this.weights = new BlockedWeights(size, emit);
    this.#plain = plain;
    this.#uses = uses;
  }

  /** Whether a value of this type can be blocked. With one pixel there is no gain: both layouts are the same. */
  fits({ dtype, shape }: Type): boolean {
    return dtype === "float32" && shape.length === 4 && shape[1]! % this.size === 0 && shape[2]! * shape[3]! > 1;
  }

  holds(value: Value): boolean {
    return this.#expressions.has(value) || this.#pending.has(value);
  }

  hold(value: Value, result: Expression | Convolution): void {
    if (!("x" in result)) this.#expressions.set(value, result);
    else if (this.#uses(value) === 1) this.#pending.set(value, result);
    else this.#expressions.set(value, { base: this.convolve(result) });
  }

  /** The deferred convolution that computes this value, if any; the caller becomes its only reader. */
  take(value: Value): Convolution | undefined {
    const convolution = this.#pending.get(value);
    this.#pending.delete(value);
    return convolution;
  }

  /** The same, but only if nothing is added to it yet. */
  takeBare(value: Value): Convolution | undefined {
    return this.#pending.get(value)?.plus === undefined ? this.take(value) : undefined;
  }

  expression(value: Value): Expression {
    const convolution = this.take(value);
    if (convolution !== undefined) this.#expressions.set(value, { base: this.convolve(convolution) });
    return this.#expressions.get(value) ?? { base: this.dense(value) };
  }

  /** A value, evaluated and blocked. */
  dense(value: Value): string {
    let name = this.#dense.get(value);
    if (name === undefined) {
      name = this.holds(value)
        ? this.evaluate(this.expression(value), extentsOf(value))
        : this.emit.node("ReorderInput", [this.#plain(value)], { channels_last: { int: 0 } }, nchwc);
      this.#dense.set(value, name);
      this.#expressions.set(value, { base: name });
    }
    return name;
  }

  /** A blocked tensor of `channels` channels in NCHW. */
  unblock(name: string, channels: number): string {
    return this.memo(`plain ${name}`, () =>
      this.emit.node("ReorderOutput", [name], { channels: { int: channels } }, nchwc),
    );
  }

  memo(key: string, make: () => string): string {
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#memo.set(key, made);
    return made;
  }

  /** Sets the result of later `memo` calls with this key. */
  know(key: string, name: string): void {
    this.#memo.set(key, name);
  }

  /** Evaluates an expression, with a ReLU if requested. */
  evaluate({ base, scale, shift, plus }: Expression, extents: Extents, relu = false): string {
    const { emit } = this;
    const [n, c, height, width] = extents;
    if (base === undefined) {
      // Constant per channel: one pixel's blocks, broadcast.
      const pixel = this.expand(shift!, n, c);
      const blocks = emit.node("Reshape", [pixel, emit.ints(n, c / this.size, 1, this.size)]);
      const spread = emit.node("Expand", [blocks, emit.ints(n, c / this.size, height * width, this.size)]);
      return this.evaluate(
        { base: emit.node("Reshape", [spread, emit.ints(...extents)]), ...(plus && { plus }) },
        extents,
        relu,
      );
    }
    if (scale === undefined && shift === undefined) {
      const sum = plus === undefined ? base : emit.node("Add", [base, plus]);
      return relu ? emit.node("Relu", [sum]) : sum;
    }
    // One filter per channel, or per sample and channel if samples differ.
    const perSample = Boolean(scale?.perSample || shift?.perSample);
    const filters = perSample ? n * c : c;
    // Views the samples' channels as channels of one sample.
    const isView = perSample && n > 1;
    const view = (name: string) => (isView ? emit.node("Reshape", [name, emit.ints(1, filters, height, width)]) : name);
    const spread = (vector: Vector) => (perSample ? this.expand(vector, n, c) : vector.name);
    const weight = scale
      ? emit.node("Reshape", [spread(scale), emit.ints(filters, 1, 1, 1)])
      : filled(emit, [filters, 1, 1, 1], 1);
    const bias = shift ? emit.node("Reshape", [spread(shift), emit.ints(filters)]) : "";
    const inputs = [view(base), weight, bias, plus === undefined ? "" : view(plus)];
    const result = this.conv(inputs, { kernel: [1, 1], groups: filters, relu });
    return isView ? emit.node("Reshape", [result, emit.ints(...extents)]) : result;
  }

  convolve(convolution: Convolution, relu = false): string {
    const { scope, x, weight, shape, groups, backward, bias = "", strides, pads, plus = "" } = convolution;
    return this.emit.within(scope, () => {
      const filters = backward
        ? this.weights.backwardWeight(weight, shape, groups)
        : this.weights.forwardWeight(weight, shape);
      return this.conv([x, filters, bias, plus], { kernel: shape.slice(2), strides, pads, groups, relu });
    });
  }

  /**
   * A convolution of blocked activations with weights in the kernel's layout; inputs are x, w, b?, summand? ("" if
   * omitted).
   */
  conv(
    inputs: readonly string[],
    options: {
      readonly kernel: readonly number[];
      readonly strides?: readonly [number, number];
      readonly dilations?: readonly [number, number];
      readonly pads?: readonly number[];
      readonly groups?: number;
      readonly relu?: boolean;
    },
  ): string {
    const { kernel, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], groups = 1, relu = false } = options;
    const attributes: Attributes = {
      kernel_shape: { ints: kernel },
      strides: { ints: strides },
      pads: { ints: pads },
      dilations: { ints: dilations },
      group: { int: groups },
      ...(relu && { activation: { string: "Relu" } }),
    };
    const last = inputs.findLastIndex((input) => input !== "");
    return this.emit.node("Conv", inputs.slice(0, last + 1), attributes, nchwc);
  }

  // --- statistics over the pixels of each sample's channel: [N,C] ---

  /** The mean of a blocked tensor. */
  mean(base: string, [n, c]: Extents): string {
    return this.memo(`mean ${base}`, () => {
      const pixel = this.emit.node("GlobalAveragePool", [base], {}, nchwc);
      return this.emit.node("Reshape", [pixel, this.emit.ints(n, c)]);
    });
  }

  /** The mean of the product of two blocked tensors. */
  meanProduct(a: string, b: string, extents: Extents): string {
    return this.memo(`mean ${[a, b].sort().join(" · ")}`, () => this.mean(this.emit.node("Mul", [a, b]), extents));
  }

  // --- vectors ---

  /** A parameter `[C]` as a vector. */
  row(name: string): Vector {
    return {
      name: this.memo(`row ${name}`, () => this.emit.node("Unsqueeze", [name, this.emit.ints(0)])),
      perSample: false,
    };
  }

  multiply(a: Vector, b: Vector | undefined): Vector {
    if (b === undefined) return a;
    return { name: this.emit.node("Mul", [a.name, b.name]), perSample: a.perSample || b.perSample };
  }

  add(a: Vector, b: Vector | undefined): Vector {
    if (b === undefined) return a;
    return { name: this.emit.node("Add", [a.name, b.name]), perSample: a.perSample || b.perSample };
  }

  /** The mean over the samples, `[1,C]`. */
  overSamples({ name, perSample }: Vector): Vector {
    if (!perSample) return { name, perSample };
    return { name: this.emit.node("ReduceMean", [name, this.emit.ints(0)]), perSample: false };
  }

  /** `[N,C]` */
  expand({ name, perSample }: Vector, n: number, c: number): string {
    return perSample ? name : this.emit.node("Expand", [name, this.emit.ints(n, c)]);
  }

  // --- convolutions of gradients ---

  /**
   * The gradient of a weight as a convolution: samples, which are summed over, act as channels; the input's channels as
   * samples; and the output's gradient as the weights, dilated by the stride. `x` is NCHW, `dy` blocked; no block may
   * span two groups.
   */
  weightGradient(
    x: string,
    dy: string,
    [, channels, height, width]: Extents,
    [n, o, outHeight, outWidth]: Extents,
    { groups, axes }: { readonly groups: number; readonly axes: readonly [AxisWindow, AxisWindow] },
  ): string {
    const { emit, size } = this;
    const [rows, columns] = axes;
    const i = channels / groups;
    const samples = Math.ceil(n / size) * size;
    // Padded beforehand: the kernel computes border pixels one by one, and here almost all pixels are border.
    const [top, left] = [rows.before, columns.before];
    const bottom = Math.max(overhangOf(height, outHeight, rows), 0);
    const right = Math.max(overhangOf(width, outWidth, columns), 0);
    let input = x;
    if (groups === 1) input = emit.node("Transpose", [input], { perm: { ints: [1, 0, 2, 3] } });
    else {
      const grouped = emit.node("Reshape", [input, emit.ints(n, groups, i, height * width)]);
      const turned = emit.node("Transpose", [grouped], { perm: { ints: [2, 1, 0, 3] } });
      input = emit.node("Reshape", [turned, emit.ints(i * groups, n, height, width)]);
    }
    if (top + left + bottom + right > 0 || samples > n) {
      input = emit.node("Pad", [input, emit.ints(0, 0, top, left, 0, samples - n, bottom, right)]);
    }
    const padded = [height + top + bottom, width + left + right] as const;
    if (groups > 1) {
      input = emit.node("Reshape", [input, emit.ints(i, groups * samples, ...padded)]);
    }
    input = emit.node("ReorderInput", [input], { channels_last: { int: 0 } }, nchwc);

    const pixels = outHeight * outWidth;
    if (samples > n) dy = emit.node("Pad", [dy, emit.ints(0, 0, 0, 0, samples - n, 0, 0, 0)]);
    const blocks = emit.node("Reshape", [dy, emit.ints(samples / size, size, o / size, pixels, size)]);
    const filters = emit.node("Reshape", [
      emit.node("Transpose", [blocks], { perm: { ints: [2, 0, 3, 1, 4] } }),
      emit.ints(o, samples, outHeight, outWidth),
    ]);
    const dilations = [rows.stride, columns.stride] as const;
    const products = this.conv([input, filters], { kernel: [outHeight, outWidth], dilations, groups });
    let dw = emit.node("ReorderOutput", [products], { channels: { int: o } }, nchwc);
    const made = [padded[0] - (outHeight - 1) * rows.stride, padded[1] - (outWidth - 1) * columns.stride] as const;
    const [kernelHeight, kernelWidth] = [rows.kernel, columns.kernel];
    if (made[0] > kernelHeight || made[1] > kernelWidth) {
      // Removes rows at the end that no stride reached.
      dw = emit.node("Slice", [dw, emit.ints(0, 0), emit.ints(kernelHeight, kernelWidth), emit.ints(2, 3)]);
    }
    const turned = emit.node("Reshape", [dw, emit.ints(i, o, kernelHeight * kernelWidth)]);
    return emit.node("Reshape", [
      emit.node("Transpose", [turned], { perm: { ints: [1, 0, 2] } }),
      emit.ints(o, i, kernelHeight, kernelWidth),
    ]);
  }

  /** Inserts `stride − 1` zero rows and columns after each: `[N,C,OH,OW] → extents`. */
  insertZeros(name: string, from: Extents, extents: Extents, strides: readonly [number, number]): string {
    const { emit, size } = this;
    const [down, across] = strides;
    const [n, c, outHeight, outWidth] = from;
    const [, , height, width] = extents;
    const planes = (n * c) / size;
    const view = emit.node("Reshape", [name, emit.ints(planes, outHeight, 1, outWidth, size)]);
    const ends = emit.ints(0, 0, 0, 0, 0, 0, 0, down - 1, 0, (across - 1) * size);
    let grid = emit.node("Reshape", [
      emit.node("Pad", [view, ends]),
      emit.ints(planes, outHeight * down, outWidth * across, size),
    ]);
    if (height < outHeight * down || width < outWidth * across) {
      grid = emit.node("Slice", [grid, emit.ints(0, 0), emit.ints(height, width), emit.ints(1, 2)]);
    }
    const missing = [Math.max(height - outHeight * down, 0), Math.max(width - outWidth * across, 0)] as const;
    if (missing[0] > 0 || missing[1] > 0) {
      grid = emit.node("Pad", [grid, emit.ints(0, 0, 0, 0, 0, missing[0], missing[1], 0)]);
    }
    return emit.node("Reshape", [grid, emit.ints(...extents)]);
  }
}
