/** Converts each type of Caffe's layers to ours; docs/networks.md, 1.1 to 1.7, says what each computes. */

import { shownName } from "../formats/bytes.ts";
import { batchNormStatistics } from "../formats/caffemodel.ts";
import { allOf, type CaffeMessage, oneOf } from "../formats/prototxt.ts";
import { shortExtent } from "../ir/window.ts";
import { sizeOf, type Tensor } from "../tensor.ts";
import type { UnplacedLayer } from "../zoo/layer.ts";
import { type Step, wasTraining } from "./caffe-layers.ts";
import { around, must, mustBeChannels, only, pair, parameterOf, whole, wrongInputs } from "./caffe-options.ts";
import type { CaffeTranslation } from "./caffe-translation.ts";

/** Converts a layer; returns the name of our layer with its output. */
type CaffeRule = (step: Step, net: CaffeTranslation) => string;

export const caffeRules: Readonly<Record<string, CaffeRule>> = {
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
      step.fail("global pooling cannot have a window", { expected: "neither kernel, stride nor pad" });
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
  net: CaffeTranslation,
  input: string,
  options: UnplacedLayer & { kind: "conv"; kernel: readonly [number, number] },
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
