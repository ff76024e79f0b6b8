/** Rules that convert ONNX operations to our layers. */

import { attributeTensor } from "../formats/onnx-initialisers.ts";
import type { AvgPoolAttrs } from "../ir/ops.ts";
import { type AxisWindow, poolExtent, shortExtent, shortPadding } from "../ir/window.ts";
import { type Shape, sameShape, sizeOf, type Tensor } from "../tensor.ts";
import type { UnplacedLayer } from "../zoo/layer.ts";
import { onPicture } from "./onnx-affine.ts";
import type { Flow, OnnxValue, Step } from "./onnx-step.ts";

const withoutOnes = (shape: Shape) => shape.filter((extent) => extent !== 1);
const isOnes = (shape: Shape) => shape.length === 4 && shape[2] === 1 && shape[3] === 1;

type Rule = (step: Step) => OnnxValue;

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

  Flatten(step) {
    const x = step.value(0);
    step.demand(step.number("axis", 1) === 1, "the batch axis left as it is", `axis ${step.number("axis", 1)}`);
    if (x.kind !== "constant") return flattened(step, step.flow(0));
    const [first = 1, ...rest] = x.tensor.shape;
    return constant(x.tensor, [first, sizeOf(rest)]);
  },

  Reshape(step) {
    const x = step.value(0);
    const target = step.extents(1);
    if (x.kind === "constant") return constant(x.tensor, reshaped(x.tensor.shape, target.map(Number), step));
    const flow = step.merged(0);
    const shape = step.shape(flow);
    const [batch, ...rest] = target;
    const size = sizeOf(shape.slice(1));
    const refuse = (): never =>
      step.fail("the node does something that no layer here can do", {
        expected: `[N, ${size}], or [N, C, 1, 1] of gates`,
        found: `[${target.join(", ")}] of [N, ${shape.slice(1).join(", ")}]`,
      });
    const isPicture = rest.length === 3 && shape.length === 4 && rest[1] === shape[2] && rest[2] === shape[3];
    if (batch === 1 && step.batch !== 1 && isPicture && rest[0] === -1 && !flow.isFlat)
      return { ...flow, isMerged: true };
    const isBatch = batch === 0 || batch === "N" || batch === -1 || batch === (step.batch ?? 1);
    if (!isBatch || (flow.isMerged === true && !(isPicture && rest[0] === shape[1]))) return refuse();
    const plain: Flow = { ...flow, isMerged: false };
    const known = rest.filter((extent) => extent !== -1);
    const extents = rest.map((extent, i) =>
      extent === 0 ? shape[i + 1]! : extent === -1 ? size / sizeOf(known.map(Number)) : Number(extent),
    );
    if (sizeOf(extents) !== size || known.length < rest.length - 1) return refuse();
    if (rest.length === 1) return flattened(step, plain);
    // A gate as TensorFlow has it, [N, 1, 1, C].
    if (isOnes(shape) && sameShape(extents, [1, 1, size])) return { ...plain, isFlat: true };
    return sameShape(extents, shape.slice(1)) ? { ...plain, isFlat: false } : refuse();
  },

  Squeeze(step) {
    const x = step.value(0);
    if (x.kind === "extents") return x;
    if (x.kind === "constant") return constant(x.tensor, squeezed(x.tensor.shape, step.axes(x.tensor.shape.length)));
    // One axis after the other, or both at once.
    const axes = step.axes(4);
    const own = x.isFlat ? [1, 2] : [2, 3];
    const isWhole = isOnes(step.shape(x)) && axes.every((axis) => own.includes(axis));
    step.demand(isWhole, "[N, C] of [N, C, 1, 1]", `axes ${axes.join(" ")}`);
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
      return constant(step.transposed(x.tensor), x.tensor.shape.toReversed());
    if (x.kind === "flow") return turned(step, step.numbers("perm", []).join());
    return step.fail("the node transposes axes, which no layer here can do");
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
      .map((index) => extents.at(Number(index)) ?? step.fail("the node reads a dimension that does not exist"));
    return { kind: "extents", extents: picked };
  },

  ConstantOfShape(step) {
    const shape = step.extents(0).map(Number);
    const size = sizeOf(shape);
    const value = step.node.tensors.get("value");
    const filling = value === undefined ? undefined : attributeTensor(value, step.fail);
    const isZero = filling === undefined || (typeof filling === "object" && filling.data.every((each) => each === 0));
    step.demand(isZero && size >= 0 && size <= 64, "at most 64 zeros", `${size} of something`);
    return list(new Array<number>(size).fill(0), shape);
  },

  Slice(step) {
    const bound = (input: number, name: string, otherwise: number) =>
      step.has(input) ? Number(step.extents(input)[0]) : step.number(name, otherwise);
    const rows = step.value(0);
    if (rows.kind === "constant" && rows.tensor.shape.length === 2) return turnedOver(step, rows.tensor);
    const of = step.value(0);
    const steps = step.has(4) ? step.extents(4).map(Number) : [];
    if (of.kind === "flow" && steps.some((each) => each !== 1)) return subsampled(step, of, steps);
    step.demand(
      steps.every((each) => each === 1),
      "consecutive dimensions",
      "steps between them",
    );
    if (of.kind === "flow") {
      const x = step.flow(0);
      const axes = step.axes(4, 3);
      const [, channels] = step.shape(x) as [number, number];
      step.demand(!x.isFlat && axes.join() === "1", "some of a picture's channels", `axes ${axes.join(" ")}`);
      const within = (place: number) => Math.min(Math.max(place < 0 ? place + channels : place, 0), channels);
      const [start, end] = [within(bound(1, "starts", 0)), within(bound(2, "ends", channels))];
      step.demand(start < end, "some channels", `${start} to ${end}`);
      return step.layer({ kind: "channelSlice", start, length: end - start }, [x]);
    }
    const extents = step.extents(0);
    return { kind: "extents", extents: extents.slice(bound(1, "starts", 0), bound(2, "ends", extents.length)) };
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

  /** A gate expanded to all pixels, which its product with a picture does anyway. */
  Expand(step) {
    const x = step.flow(0);
    const shape = step.shape(x);
    const target = step.extents(1);
    step.demand(
      isOnes(shape) && !x.isFlat && target.length === 4 && (target[1] === shape[1] || target[1] === 1),
      "a gate [N, C, 1, 1] of channels",
      `[${shape.join(", ")}] to [${target.join(", ")}]`,
    );
    return x;
  },

  Identity: same,
  Dropout: same,
  Cast: same,
  Softmax: atTheEnd,
  LogSoftmax: atTheEnd,
};

/** A picture whose channels go to another place, or a gate: `[N, 1, 1, C]` has the numbers of `[N, C, 1, 1]` in their order. */
function turned(step: Step, order: string): Flow {
  const x = step.laid(0);
  const isGate = isOnes(step.shape(x));
  if (order === "0,3,1,2" && (x.isChannelsLast === true || (isGate && x.isFlat)))
    return { ...x, isFlat: false, isChannelsLast: false };
  if (order === "0,2,3,1" && !x.isFlat && x.isChannelsLast !== true)
    return isGate ? { ...step.flow(0), isFlat: true } : { ...step.flow(0), isChannelsLast: true };
  return step.fail("the node transposes axes in another way than from channels first to last and back", {
    found: order,
  });
}

/** Numbers that are not weights. */
const list = (numbers: readonly number[], shape: Shape): OnnxValue =>
  constant({ dtype: "int32", shape, data: Int32Array.from(numbers) }, shape);

/** Reverses the rows of a small matrix, as PyTorch does for a picture's padding. */
function turnedOver(step: Step, { shape, data }: Tensor): OnnxValue {
  const [start, end, axis, by] = [1, 2, 3, 4].map((input) => (step.has(input) ? step.extents(input) : []));
  const isAll = `${start}` === "-1" && Number(end?.[0]) < -64 && `${axis}` === "0" && `${by}` === "-1";
  step.demand(isAll && data.length <= 64, "all rows of a matrix, the last one first", `${data.length} numbers`);
  const width = shape[1]!;
  const rows = Array.from({ length: shape[0]! }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
  return list(rows.reverse().flat(), shape);
}

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

/** Subsamples rows and columns, as shortcuts without convolution do. */
function subsampled(step: Step, of: Flow, steps: readonly number[]): Flow {
  const x = of.every === undefined ? step.flow(0) : of;
  const axes = step.axes(4, 3);
  const [starts, ends] = [step.extents(1).map(Number), step.extents(2).map(Number)];
  const [, , height = 0, width = 0] = step.shape(x);
  const isWhole = axes.every((axis, i) => {
    const [by, start, end] = [steps[i] ?? 1, starts[i], ends[i] ?? 0];
    return (axis === 2 || axis === 3) && by > 0 && start === 0 && end >= (axis === 2 ? height : width);
  });
  step.demand(isWhole && !x.isFlat, "every so many rows and columns, from the first to the last", "others");
  const by = (axis: number) => (axes.includes(axis) ? steps[axes.indexOf(axis)]! : 1);
  const [rows, columns] = x.every ?? [1, 1];
  return { ...x, every: [rows * by(2), columns * by(3)] };
}

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

/** Flattens to `[N, C·H·W]`: our layers keep their shape until rows are needed. */
function flattened(step: Step, x: Flow): Flow {
  return step.shape(x).length === 2 ? x : { ...x, isFlat: true };
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
