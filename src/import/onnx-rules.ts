/** Rules that convert ONNX operations to our layers. */

import type { AvgPoolAttrs } from "../ir/ops.ts";
import { type AxisWindow, poolExtent, shortExtent, shortPadding } from "../ir/window.ts";
import { sameShape, type Tensor, withoutOnes } from "../tensor.ts";
import type { UnplacedLayer } from "../zoo/layer.ts";
import { onPicture } from "./onnx-affine.ts";
import { isOnes, list, type Rule, shapeRules } from "./onnx-shape-rules.ts";
import type { Flow, Step } from "./onnx-step.ts";

const same: Rule = (step) => step.value(0);

/** A rule for operations with one input and an output of the same shape. */
const elementwise =
  (layer: UnplacedLayer): Rule =>
  (step) => {
    const x = step.flow(0);
    return step.layer(layer, [x], {}, x.isFlat);
  };

/** A final softmax, which is left out. */
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

/** Rules by operation. */
export const onnxRules: Readonly<Record<string, Rule>> = {
  Conv(step) {
    const x = step.padded(0);
    const weight = step.constant(1);
    const bias = step.optional(2);
    const { shape } = weight;
    step.demand(!x.isFlat && shape.length === 4, "a kernel [O, I, H, W]", `[${shape.join(", ")}]`);
    const window = step.window(shape.slice(2), x);
    const options = { out: shape[0]!, ...shortWindow(window), groups: step.number("group", 1) };
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
    return linear(step, step.number("transB", 0) === 1 ? weight : step.transposed(weight), step.optional(2));
  },

  MatMul: (step) => linear(step, step.transposed(step.constant(1))),

  BatchNormalization(step) {
    const x = step.flow(0);
    step.demand(
      !x.isFlat && step.number("training_mode", 0) === 0,
      "running statistics, one for each channel",
      "something else",
    );
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
  Sigmoid(step) {
    step.demand(
      !step.isLast,
      "logits, or their softmax, as the graph's output",
      "a sigmoid: a yes or no for each class",
    );
    const x = step.flow(0);
    return { ...step.layer({ kind: "sigmoid" }, [x], {}, x.isFlat), sigmoidOf: x.layer };
  },

  Add(step) {
    const normalized = onPicture(step, "Add");
    if (normalized !== undefined) return normalized;
    const [first, second] = [step.value(0), step.value(1)];
    if (first.kind !== "flow") return biased(step, step.flow(1), 0);
    if (second.kind !== "flow") return biased(step, step.flow(0), 1);
    if (first.beside !== undefined) return addedWithin(step, step.flow(1), first, first.beside);
    if (second.beside !== undefined) return addedWithin(step, step.flow(0), second, second.beside);
    const [a, b] = [step.flow(0), step.flow(1)];
    const [shapeA, shapeB] = [step.shape(a), step.shape(b)];
    step.demand(
      sameShape(shapeA, shapeB) && a.isFlat === b.isFlat,
      "a sum of equal shapes",
      `[${shapeA.join(", ")}] and [${shapeB.join(", ")}]`,
    );
    return step.layer({ kind: "add" }, [a, b], {}, a.isFlat);
  },

  Mish: elementwise({ kind: "mish" }),
  // Exporters write Mish as several operations.
  Softplus: (step) => ({ ...step.flow(0), made: "softplus" }),
  Tanh(step) {
    const x = step.made(0);
    step.demand(x.made === "softplus", "the tanh of a softplus, within Mish", "another tanh");
    return { ...x, made: "tanh of softplus" };
  },

  Sub: (step) => onPicture(step, "Sub") ?? step.fail("the node subtracts, which is known of the picture itself only"),
  Div: (step) => onPicture(step, "Div") ?? step.fail("the node divides, which is known of the picture itself only"),

  Mul(step) {
    const normalized = onPicture(step, "Mul");
    if (normalized !== undefined) return normalized;
    const [first, second] = [step.made(0), step.made(1)];
    const isMish = [first.made, second.made].includes("tanh of softplus") && first.layer === second.layer;
    if (isMish && first.made !== second.made) {
      const x = first.made === undefined ? step.flow(0) : step.flow(1);
      return step.layer({ kind: "mish" }, [x], {}, x.isFlat);
    }
    const [a, b] = [step.merged(0), step.merged(1)];
    if (a.sigmoidOf === b.layer || b.sigmoidOf === a.layer) {
      const x = a.sigmoidOf === b.layer ? step.flow(1) : step.flow(0);
      return step.layer({ kind: "silu" }, [x], {}, x.isFlat);
    }
    const isMerged = a.isMerged === true;
    step.demand(isMerged === (b.isMerged === true), "pictures and gates of the same layout", "only one of them merged");
    const [gate, x] = isOnes(step.shape(a)) ? [a, b] : [b, a];
    const [gateShape, shape] = [step.shape(gate), step.shape(x)];
    const fits = isOnes(gateShape) && shape.length === 4 && gateShape[1] === shape[1] && gate.isFlat === x.isFlat;
    step.demand(fits, "a gate [N, C, 1, 1] of channels", `[${gateShape.join(", ")}] and [${shape.join(", ")}]`);
    return { ...step.layer({ kind: "seScale" }, [gate, x], {}, x.isFlat), isMerged };
  },

  Concat(step) {
    const values = step.node.inputs.map((_, i) => step.value(i));
    const flows = values.flatMap((value, i) => (value.kind === "flow" ? [step.flow(i)] : []));
    const constants = values.flatMap((value) => (value.kind === "constant" ? [value.tensor] : []));
    if (constants.length === values.length && constants.every(({ shape }) => shape.length === 1)) {
      const numbers = values.flatMap((_, i) => step.extents(i).map(Number));
      step.demand(numbers.length <= 64, "a list of dimensions", `${numbers.length} numbers`);
      return list(numbers, [numbers.length]);
    }
    if (flows.length === 0) {
      const extents = values.flatMap((_, i) => step.extents(i));
      step.demand(extents.length <= 64, "a shape", `${extents.length} extents`);
      return { kind: "extents", extents };
    }
    const isPlain =
      flows.length === values.length && flows.every(({ isFlat }) => !isFlat) && step.number("axis", 1) === 1;
    step.demand(isPlain, "pictures joined along their channels", "something else");
    return step.layer({ kind: "concat" }, flows);
  },

  MaxPool: (step) => pooled(step, "maxPool"),
  AveragePool: (step) => pooled(step, "avgPool"),

  GlobalAveragePool: (step) => step.layer({ kind: "globalAvgPool" }, [step.flow(0)]),

  ReduceMean(step) {
    const x = step.laid(0);
    const isLast = x.isChannelsLast === true;
    const axes = step.axes(4);
    const whole = isLast ? "1,2" : "2,3";
    step.demand(!x.isFlat && axes.join() === whole, "the mean over a whole picture", `axes ${axes.join(" ")}`);
    return step.layer(
      { kind: "globalAvgPool" },
      [isLast ? x : step.flow(0)],
      {},
      isLast || step.number("keepdims", 1) === 0,
    );
  },

  Pad(step) {
    const x = step.flow(0);
    const pads = step.has(1) ? step.extents(1).map(Number) : step.numbers("pads", []);
    const value = step.has(2) ? step.constant(2).data[0] : step.number("value", 0);
    const mode = step.node.strings.get("mode") ?? "constant";
    const [batch = 0, channels = 0, top = 0, left = 0, batchEnd = 0, channelsEnd = 0, bottom = 0, right = 0] = pads;
    const isAround =
      pads.length === 8 && pads.every((zeros) => zeros >= 0) && batch + channels + batchEnd + channelsEnd === 0;
    const isNone = pads.every((zeros) => zeros === 0);
    const isBeside = pads.length === 8 && channels + channelsEnd > 0 && pads.every((n, i) => n === 0 || i % 4 === 1);
    if (isBeside && Math.min(channels, channelsEnd) >= 0 && value === 0 && mode === "constant" && !x.isFlat) {
      return { ...x, beside: [channels, channelsEnd] };
    }
    step.demand(
      isNone || (isAround && value === 0 && mode === "constant" && !x.isFlat),
      "zeros around a picture, or channels of zeros beside its own",
      `${mode} ${value}, pads ${pads.join(" ")}`,
    );
    return isNone ? x : { ...x, pad: { top, left, bottom, right } };
  },

  Identity: same,
  Dropout: same,
  Cast: same,
  CastLike: same,
  Softmax: atTheEnd,
  LogSoftmax: atTheEnd,

  ...shapeRules,
};

/** The sum with a zero-padded picture, which only changes some channels. */
function addedWithin(step: Step, whole: Flow, padded: Flow, [before, behind]: readonly [number, number]): Flow {
  const x = step.taken(padded);
  const [shape, own] = [step.shape(whole), step.shape(x)];
  const channels = own[1]!;
  const fits = shape[1] === before + channels + behind && sameShape(shape.slice(2), own.slice(2)) && !whole.isFlat;
  step.demand(
    fits,
    "a sum of equal shapes",
    `[${shape.join(", ")}] and [${own.join(", ")}] with ${before} and ${behind} channels of zeros`,
  );
  const part = (suffix: string, start: number, length: number) =>
    step.layer({ kind: "channelSlice", start, length }, [whole], {}, false, suffix);
  const sum = step.layer({ kind: "add" }, [part(".middle", before, channels), x], {}, false, ".sum");
  const front = before === 0 ? [] : [part(".before", 0, before)];
  const back = behind === 0 ? [] : [part(".after", before + channels, behind)];
  return step.layer({ kind: "concat" }, [...front, sum, ...back]);
}

/** A linear layer; on a squeezed picture a convolution, so that a gate stays `[N, C, 1, 1]`. */
function linear(step: Step, weight: Tensor, bias?: Tensor): Flow {
  const x = step.flow(0);
  const shape = step.shape(x);
  step.demand(x.isFlat || shape.length === 2, "[N, features]", `[${shape.join(", ")}]`);
  const weights = { weight, ...(bias && { bias }) };
  const options = { out: weight.shape[0]!, bias: bias !== undefined };
  if (isOnes(shape) && !step.isLast) {
    return step.layer({ kind: "conv", ...options, kernel: 1, stride: 1, pad: 0, groups: 1 }, [x], weights, true);
  }
  const flat = shape.length === 2 ? x : step.layer({ kind: "flatten" }, [x], {}, false, ".flatten");
  return step.layer({ kind: "linear", ...options }, [flat], weights);
}

/** A constant added to channels: the bias of the preceding convolution if possible, otherwise of a new one. */
function biased(step: Step, x: Flow, input: 0 | 1): Flow {
  const shape = step.shape(x);
  const bias = step.constant(input);
  const channels = shape[1]!;
  const isPerChannel = bias.data.length === channels && withoutOnes(bias.shape).length <= 1;
  const axis = bias.shape.length - bias.shape.indexOf(channels);
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
  return step.fail("a constant is added to something that is not a picture");
}

function pooled(step: Step, kind: "maxPool" | "avgPool"): Flow {
  const x = kind === "avgPool" ? step.padded(0) : step.flow(0);
  step.demand(!x.isFlat, "pictures", "rows of features");
  const windows = step.window(step.numbers("kernel_shape", []), x);
  const [, , ...sides] = step.shape(x) as [number, number, number, number];
  const isCeil = step.number("ceil_mode", 0) === 1;
  const round = isCeil ? Math.ceil : Math.floor;
  const extents = windows.map(
    ({ kernel, stride, before, after }, axis) => round((sides[axis]! + before + after - kernel) / stride) + 1,
  );
  const isPooling = (shape: Pick<AvgPoolAttrs, "ceil">, padded: readonly AxisWindow[]) =>
    padded.every((axis, i) => poolExtent(sides[i]!, axis, shape.ceil) === extents[i]);
  // Uses symmetric padding with rounding if that gives as many windows, since it also works at other sizes.
  const even = windows.map((axis) => ({ ...axis, after: axis.before })) as [AxisWindow, AxisWindow];
  const ceil = [false, true].find((ceil) => isPooling({ ceil }, even));
  const isWhole = windows.every(({ kernel, stride, before }, axis) => {
    return (extents[axis]! - 1) * stride + kernel <= sides[axis]! + 2 * before;
  });
  const hasPadding = windows.some(({ before, after }) => before + after > 0);
  const own = step.hasPads(windows, x);
  // Zeros from a Pad count like other numbers.
  const countPad = !own || step.number("count_include_pad", 0) === 1;
  step.demand(countPad || x.pad === undefined, "means that count all padding, or none", "some of both");
  const mean = kind === "avgPool" && hasPadding && !countPad && { countPad };
  if (ceil !== undefined && (kind === "maxPool" || isWhole)) {
    return step.layer({ kind, ...shortWindow(even), ceil, ...mean }, [x]);
  }
  const isPlain = isPooling({ ceil: isCeil }, windows) && (kind === "maxPool" || !isCeil);
  step.demand(
    isPlain,
    "windows placed as in PyTorch or Caffe",
    `kernel ${windows.map(({ kernel }) => kernel).join(" ")}, pads ${step.numbers("pads", []).join(" ")} of ${sides.join(" by ")} pixels`,
  );
  return step.layer({ kind, ...shortWindow(windows), ceil: isCeil, ...mean }, [x]);
}

/** In a layer's form: one number if rows and columns, or all sides, are equal. */
const shortWindow = ([rows, columns]: readonly [AxisWindow, AxisWindow]) => ({
  kernel: shortExtent([rows.kernel, columns.kernel]),
  stride: shortExtent([rows.stride, columns.stride]),
  pad: shortPadding({ top: rows.before, left: columns.before, bottom: rows.after, right: columns.after }),
});
