/**
 * Imports a network from MatConvNet's description, layer by layer. The types are documented at
 * https://www.vlfeat.org/matconvnet/mfiles/ (`+dagnn`); Axpy, GlobalPooling and the two-input Scale are from albanie's
 * mcnExtraLayers.
 */

import { type FailWhole, shownName } from "../formats/bytes.ts";
import type { McnLayer, McnNetwork } from "../formats/matconvnet.ts";
import { numbersIn, textIn } from "../formats/matconvnet.ts";
import { permuted } from "../formats/permuted.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { type AxisWindow, axesOf, type Extent, type Padding, shortExtent, shortPadding } from "../ir/window.ts";
import type { Tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import { cannotImport, Draft, type Drafted, isSinglePosition } from "./draft.ts";
import { momentsIn, varianceOf } from "./matconvnet.ts";

export interface MatconvnetImport extends Drafted {
  /** The pre-processing that the network specifies. */
  readonly preprocessing: Preprocessing;
  readonly notes: readonly string[];
}

/**
 * @param where the file, for errors
 * @throws SenetError `weights`, naming the layer and its type, where one is not supported
 */
export function importMatconvnet(network: McnNetwork, where: string): MatconvnetImport {
  const [height, width, planes = planesOf(network)] = network.inputSize;
  const side = height !== undefined && height === width && height > 0 ? height : undefined;
  const translation = new Translation(network, side ?? 224, planes, where);
  for (const layer of network.layers) translation.take(layer);
  const notes = side === undefined ? ["it does not say how large its pictures are; 224 by 224 pixels are assumed"] : [];
  return { ...translation.finish(), preprocessing: preprocessingOf(network, side ?? 224), notes };
}

/** Number of input channels if not specified: as many as the first filters take. */
function planesOf({ layers, params }: McnNetwork): number {
  const first = layers.find(({ type }) => type === "dagnn.Conv")?.params[0];
  const filter = first === undefined ? undefined : params.get(first);
  return filter === undefined ? 3 : (filter.shape[2] ?? 1);
}

/** `meta.normalization`: RGB, a mean in byte values, no deviation. */
function preprocessingOf({ normalization }: McnNetwork, side: number): Preprocessing {
  const image = normalization.get("averageImage");
  const mean = numbersIn(image);
  const planes = image?.kind === "numbers" ? (image.shape[2] ?? 1) : 1;
  // For a mean image, the mean of each colour.
  const each = mean.length / 3;
  const means =
    mean.length > 3 && planes === 3 ? [0, 1, 2].map((k) => average(mean.slice(k * each, k * each + each))) : mean;
  const [border = 0] = numbersIn(normalization.get("border"));
  const [part = 0] = numbersIn(normalization.get("cropSize"));
  const usual = side < 64 ? side : Math.round((side * 256) / 224);
  return {
    channels: "rgb",
    scale: 1,
    mean: means.length === 3 ? (means as [number, number, number]) : [0, 0, 0],
    std: [1, 1, 1],
    resize: border > 0 ? side + border : part > 0.5 && part < 1 ? Math.round(side / part) : usual,
    crop: side,
    interpolation: textIn(normalization.get("interpolation")) === "bicubic" ? "bicubic" : "bilinear",
  };
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

class Translation {
  readonly draft: Draft;
  readonly #network: McnNetwork;
  readonly #where: string;
  /** Our layer for each of their variables. */
  readonly #values = new Map<string, string>();
  readonly #classifier: string | undefined;
  #last: string = inputName;

  constructor(network: McnNetwork, side: number, channels: number, where: string) {
    this.draft = new Draft("network", side, channels);
    this.#network = network;
    this.#where = where;
    // Losses do not change their inputs.
    const ends = network.layers.filter(({ type }) => !isEnd(type));
    this.#classifier = ends.at(-1)?.name;
    const made = new Set(network.layers.flatMap(({ outputs }) => outputs));
    const pictures = network.layers.flatMap(({ inputs }) => inputs).filter((input) => !made.has(input));
    // Another input may be a label.
    if (pictures[0] !== undefined) this.#values.set(pictures[0], inputName);
  }

  take(layer: McnLayer): void {
    const { name, type, inputs, outputs } = layer;
    const fail = cannotImport(`${this.#where}: layer ${shownName(name)} (${type})`);
    if (isEnd(type)) {
      // A loss passes on its first input.
      const of = this.#values.get(inputs[0] ?? "");
      if (of !== undefined) for (const output of outputs) this.#values.set(output, of);
      return;
    }
    const rule = Object.hasOwn(rules, type) ? rules[type] : undefined;
    if (rule === undefined) {
      fail("layers of this type cannot be imported", {
        expected: Object.keys(rules).join(", "),
        found: shownName(type),
      });
    }
    const from = inputs.map(
      (input) =>
        this.#values.get(input) ??
        fail("its input is made by no layer before it", { expected: "an output before it", found: shownName(input) }),
    );
    const own = layer.params.map(
      (param) =>
        this.#network.params.get(param) ??
        fail("the file has no such parameter", {
          expected: shownName(param),
          found: `${this.#network.params.size} others`,
        }),
    );
    const [output] = outputs;
    if (output === undefined || outputs.length > 1) {
      fail("layers of several outputs cannot be imported", { expected: "1 output", found: `${outputs.length}` });
    }
    this.#last = rule!({
      layer,
      inputs: from,
      params: own,
      fail,
      draft: this.draft,
      isLast: name === this.#classifier,
    });
    this.#values.set(output!, this.#last);
  }

  finish = (): Drafted => this.draft.finish(this.#last, this.#where);
}

const isEnd = (type: string): boolean => /^(?:dagnn\.)?(?:\w*Loss|SoftMax|Softmax\w*)$/.test(type);

interface Step {
  readonly layer: McnLayer;
  /** Names of our layers, its inputs. */
  readonly inputs: readonly string[];
  readonly params: readonly Tensor[];
  readonly fail: FailWhole;
  readonly draft: Draft;
  readonly isLast: boolean;
}

/** Converts a layer; returns the name of our layer with its output. */
type Rule = (step: Step) => string;

const rules: Readonly<Record<string, Rule>> = {
  "dagnn.Conv": (step) => {
    const { layer, params, fail, draft, isLast } = step;
    const input = only(step);
    const [filter, bias] = params;
    if (filter === undefined || params.length > 2) {
      return fail("it has other parameters", { expected: "filter, bias", found: `${params.length}` });
    }
    // Trailing dimensions of 1 are not stored.
    const [height = 1, width = 1, into = 1, out = 1] = filter.shape;
    const weight = permuted({ ...filter, shape: [height, width, into, out] }, [3, 2, 0, 1]);
    const channels = draft.shapeOf(input)[1]!;
    const groups = channels / into;
    if (!Number.isInteger(groups))
      fail("the filters do not fit the channels", { expected: `a part of ${channels}`, found: `${into}` });
    const dilation = numbersIn(layer.block.get("dilate"));
    if (dilation.some((d) => d !== 1)) {
      fail("dilation is not supported", { expected: "1", found: `[${dilation.join(" ")}]` });
    }
    const window = { kernel: shortExtent([height, width]), stride: pairIn(step, "stride", 1), pad: padIn(step) };
    const options = { out, bias: bias !== undefined };
    const isLinear = isLast && height * width === 1 && groups === 1 && isSinglePosition(draft.shapeOf(input));
    const name = isLinear
      ? draft.add(
          layer.name,
          { kind: "linear", ...options },
          [draft.add(`${layer.name}.flatten`, { kind: "flatten" }, [input], fail)],
          fail,
        )
      : draft.add(layer.name, { kind: "conv", ...options, ...window, groups }, [input], fail);
    draft.set(name, "weight", weight, [out, into, height, width], fail);
    if (bias !== undefined) draft.set(name, "bias", bias, [out], fail);
    return name;
  },

  "dagnn.BatchNorm": (step) => {
    const { layer, params, fail, draft } = step;
    const [gamma, beta, last] = params;
    const moments = last && momentsIn(last);
    if (gamma === undefined || beta === undefined || moments === undefined) {
      return fail("it has other parameters", {
        expected: "multipliers, biases and moments [C, 2]",
        found: params.map(({ shape }) => `[${shape.join(", ")}]`).join(", ") || "none",
      });
    }
    const [eps = 1e-5] = numbersIn(layer.block.get("epsilon"));
    if (!(eps > 0 && eps <= 1))
      fail("this epsilon is not supported", { expected: "above 0, at most 1", found: `${eps}` });
    const input = only(step);
    const name = draft.add(layer.name, { kind: "batchNorm", eps }, [input], fail);
    const shape = [draft.shapeOf(input)[1]!];
    const tensor = (data: Float32Array): Tensor => ({ dtype: "float32", shape: [data.length], data });
    draft.set(name, "weight", gamma, shape, fail);
    draft.set(name, "bias", beta, shape, fail);
    draft.set(name, "running_mean", tensor(moments.mean), shape, fail);
    draft.set(name, "running_var", tensor(varianceOf(moments, eps)), shape, fail);
    return name;
  },

  "dagnn.ReLU": (step) => {
    const { layer, fail, draft } = step;
    const [leak = 0] = numbersIn(layer.block.get("leak"));
    if (leak !== 0) fail("leaky ReLUs are not supported", { expected: "leak 0", found: `${leak}` });
    return draft.add(layer.name, { kind: "relu" }, [only(step)], fail);
  },

  "dagnn.Sigmoid": (step) => step.draft.add(step.layer.name, { kind: "sigmoid" }, [only(step)], step.fail),

  "dagnn.Pooling": (step) => {
    const { layer, fail, draft } = step;
    const input = only(step);
    const method = textIn(layer.block.get("method")) ?? "max";
    const [kernel, stride, pad] = [pairIn(step, "poolSize", 1), pairIn(step, "stride", 1), padIn(step)];
    const [, , height = 0, width = 0] = draft.shapeOf(input);
    const [rows, columns] = axesOf({ kernel, stride, pad });
    if (method === "avg") {
      const isWhole = pad === 0 && rows.kernel === height && columns.kernel === width;
      if (isWhole) return draft.add(layer.name, { kind: "globalAvgPool" }, [input], fail);
      return draft.add(
        layer.name,
        { kind: "avgPool", kernel, stride, pad, ceil: false, countPad: false },
        [input],
        fail,
      );
    }
    if (method !== "max") fail("this method is not supported", { expected: "max, avg", found: shownName(method) });
    // One more row and column of padding at the end emulates Caffe's rounding up: the same windows, if there are as
    // many.
    const isCaffes = [rows, columns].every(({ before, after }) => before === rows.before && after === before + 1);
    const size = (extent: number, { kernel, stride, before, after }: AxisWindow) =>
      Math.floor((extent + before + after - kernel) / stride) + 1;
    const rounded = (extent: number, { kernel, stride, before }: AxisWindow) =>
      Math.ceil((extent + 2 * before - kernel) / stride) + 1;
    if (isCaffes && size(height, rows) === rounded(height, rows) && size(width, columns) === rounded(width, columns)) {
      return draft.add(layer.name, { kind: "maxPool", kernel, stride, pad: rows.before, ceil: true }, [input], fail);
    }
    return draft.add(layer.name, { kind: "maxPool", kernel, stride, pad, ceil: false }, [input], fail);
  },

  "dagnn.GlobalPooling": (step) => {
    const { layer, fail, draft } = step;
    const method = textIn(layer.block.get("method")) ?? "avg";
    if (method !== "avg") fail("only averages are supported", { expected: "avg", found: shownName(method) });
    return draft.add(layer.name, { kind: "globalAvgPool" }, [only(step)], fail);
  },

  "dagnn.DropOut": (step) => {
    const [rate = 0.5] = numbersIn(step.layer.block.get("rate"));
    if (!(rate >= 0 && rate < 1))
      step.fail("this rate is not supported", { expected: "from 0 to below 1", found: `${rate}` });
    return step.draft.add(step.layer.name, { kind: "dropout", rate }, [only(step)], step.fail);
  },

  "dagnn.Axpy": ({ layer, inputs, fail, draft }) => draft.add(layer.name, { kind: "seScaleAdd" }, inputs, fail),

  "dagnn.Scale": ({ layer, inputs, params, fail, draft }) => {
    const [first, second] = inputs;
    if (first === undefined || second === undefined || params.length > 0) {
      return fail("a scale with parameters of its own is not supported", {
        expected: "two inputs",
        found: `${inputs.length}, and ${params.length} parameters`,
      });
    }
    // The input with one number per channel is the gate.
    const isFirst = isSinglePosition(draft.shapeOf(first)) && !isSinglePosition(draft.shapeOf(second));
    return draft.add(layer.name, { kind: "seScale" }, isFirst ? [first, second] : [second, first], fail);
  },

  /** For a gate, which already has the right shape. */
  "dagnn.Reshape": (step) => {
    const input = only(step);
    const shape = step.draft.shapeOf(input);
    if (isSinglePosition(shape)) return input;
    return step.fail("only single positions are supported", {
      expected: "[1, C, 1, 1]",
      found: `[${shape.join(", ")}]`,
    });
  },

  "dagnn.Concat": ({ layer, inputs, fail, draft }) => {
    const [axis = 3] = numbersIn(layer.block.get("dim"));
    if (axis !== 3) fail("only channels are supported", { expected: "dim 3", found: `${axis}` });
    return draft.add(layer.name, { kind: "concat" }, inputs, fail);
  },

  "dagnn.Sum": ({ layer, inputs, fail, draft }) => draft.add(layer.name, { kind: "add" }, inputs, fail),
};

function only({ inputs, fail }: Step): string {
  const [input] = inputs;
  return input !== undefined && inputs.length === 1
    ? input
    : fail("it has other inputs", { expected: "1", found: `${inputs.length}` });
}

/** A setting for rows and columns, or for both; default if absent. */
function pairIn({ layer, fail }: Step, key: string, usual: number): Extent {
  const [height = usual, width = height, ...more] = numbersIn(layer.block.get(key));
  const isFine = more.length === 0 && [height, width].every((value) => Number.isInteger(value) && value > 0);
  return isFine
    ? shortExtent([height, width])
    : fail(`this ${key} is not supported`, { expected: "whole numbers from 1 up", found: `[${height} ${width}]` });
}

/** MatConvNet's order: above, below, left, right. */
function padIn({ layer, fail }: Step): Padding {
  const pads = numbersIn(layer.block.get("pad"));
  const [top = 0, bottom = top, left = top, right = top] = pads;
  const isFine = [0, 1, 4].includes(pads.length) && pads.every((pad) => Number.isInteger(pad) && pad >= 0);
  return isFine
    ? shortPadding({ top, left, bottom, right })
    : fail("this pad is not supported", { expected: "1 or 4 whole numbers", found: `[${pads.join(" ")}]` });
}
