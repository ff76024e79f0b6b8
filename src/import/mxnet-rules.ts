/** Converts the operators of MXNet's graphs; https://github.com/apache/mxnet/tree/master/src/operator/nn defines them. */

import { shownName } from "../formats/bytes.ts";
import { axesOf, pairOf } from "../ir/window.ts";
import { sizeOf } from "../tensor.ts";
import { filled, isSinglePosition } from "./draft.ts";
import type { Made, MxnetStep } from "./mxnet-step.ts";

/** Converts a node. */
type Rule = (step: MxnetStep) => Made;

const maps = (layer: string): Made => ({ layer, isFlat: false });

/** A rule for element-wise operators with one input. */
const each =
  (kind: "relu" | "sigmoid"): Rule =>
  (step) => {
    step.counts(1);
    const { layer, isFlat } = step.value(0);
    return { layer: step.draft.add(step.name, { kind }, [layer], step.fail), isFlat };
  };

const sum: Rule = (step) => {
  step.options.ignore("num_args");
  const inputs = Array.from({ length: step.inputs }, (_, i) => step.maps(i));
  const [first] = inputs.map((input) => `${step.draft.shapeOf(input)}`);
  if (inputs.length < 2 || inputs.some((input) => `${step.draft.shapeOf(input)}` !== first)) {
    step.fail("only two or more inputs of one shape can be added", {
      expected: "one shape",
      found: inputs.map((input) => `[${step.draft.shapeOf(input).join(", ")}]`).join(", "),
    });
  }
  return maps(step.draft.add(step.name, { kind: "add" }, inputs, step.fail));
};

/** A product of a gate, one number per channel, with a value. */
const product: Rule = (step) => {
  step.counts(2);
  const [first, second] = [step.maps(0), step.maps(1)];
  const isGate = (layer: string) => isSinglePosition(step.draft.shapeOf(layer));
  const gate = isGate(second) ? second : isGate(first) ? first : undefined;
  if (gate === undefined) {
    return step.fail("only a product with one number for each channel is supported", {
      expected: "[1, C, 1, 1] as one of them",
      found: [first, second].map((layer) => `[${step.draft.shapeOf(layer).join(", ")}]`).join(" and "),
    });
  }
  return maps(step.draft.add(step.name, { kind: "seScale" }, [gate, gate === second ? first : second], step.fail));
};

const scalar: Rule = (step) => {
  step.counts(1);
  step.options.ignore("is_int");
  const factor = step.options.number("scalar", 1);
  const { layer, isFlat } = step.value(0);
  return { layer: step.draft.add(step.name, { kind: "multiply", factor }, [layer], step.fail), isFlat };
};

/** A final loss or softmax, which is left out. */
const end: Rule = (step) => {
  const ofLosses = ["grad_scale", "ignore_label", "multi_output", "normalization", "out_grad", "preserve_shape"];
  step.options.ignore(...ofLosses, "use_ignore", "smooth_alpha", "temperature", "axis", "mode", "use_length");
  return step.value(0);
};

export const mxnetRules: Readonly<Record<string, Rule>> = {
  Convolution: (step) => {
    const { options, fail, draft, name } = step;
    const out = options.whole("num_filter", undefined, 1);
    const kernel = options.extent("kernel", undefined);
    const stride = options.extent("stride", 1);
    const [rows, columns] = options.pair("pad", 0, 0);
    const pad = rows === columns ? rows : { top: rows, bottom: rows, left: columns, right: columns };
    const groups = options.whole("num_group", 1, 1);
    const bias = !options.flag("no_bias", false);
    options.must("layout", "NCHW");
    options.must("dilate", "(1, 1)", "()", "(1,1)", "[1, 1]");
    step.counts(bias ? 3 : 2);
    const input = step.maps(0);
    const channels = draft.shapeOf(input)[1]!;
    draft.add(name, { kind: "conv", out, kernel, stride, pad, groups, bias }, [input], fail);
    step.set(name, "weight", step.array(1, "weight"), [out, channels / groups, ...pairOf(kernel)]);
    if (bias) step.set(name, "bias", step.array(2, "bias"), [out]);
    return maps(name);
  },

  FullyConnected: (step) => {
    const { options, fail, draft, name } = step;
    const out = options.whole("num_hidden", undefined, 1);
    const bias = !options.flag("no_bias", false);
    const flattens = options.flag("flatten", true);
    step.counts(bias ? 3 : 2);
    const { layer } = step.value(0);
    const shape = draft.shapeOf(layer);
    const [, channels = 1, height = 1, width = 1] = shape;
    if (!flattens && !isSinglePosition(shape)) {
      fail("flatten: False is not supported", { expected: "one position", found: `[${shape.join(", ")}]` });
    }
    if (step.isClassifier) {
      const flat = draft.add(`${name}.flatten`, { kind: "flatten" }, [layer], fail);
      draft.add(name, { kind: "linear", out, bias }, [flat], fail);
    } else {
      // Inside a network it is a convolution with a window as large as the map, so that later layers still get maps.
      const kernel = height === width ? height : ([height, width] as const);
      draft.add(name, { kind: "conv", out, kernel, stride: 1, pad: 0, groups: 1, bias }, [layer], fail);
    }
    step.set(name, "weight", step.array(1, "weight"), [out, channels * height * width]);
    if (bias) step.set(name, "bias", step.array(2, "bias"), [out]);
    return maps(name);
  },

  BatchNorm: (step) => {
    const { options, fail, draft, name } = step;
    const eps = options.number("eps", 1e-3);
    if (!(eps > 0 && eps <= 1)) fail("this eps is not supported", { expected: "above 0, at most 1", found: `${eps}` });
    const fixedGamma = options.flag("fix_gamma", true);
    options.ignore("momentum", "use_global_stats", "min_calib_range", "max_calib_range");
    options.must("axis", "1");
    options.must("output_mean_var", "False");
    // Files of 0.8 do not list the running statistics.
    step.counts(5, 3);
    const input = step.maps(0);
    draft.add(name, { kind: "batchNorm", eps, ...(fixedGamma && { fixedGamma }) }, [input], fail);
    const shape = [draft.shapeOf(input)[1]!];
    const gamma = step.array(1, "gamma");
    // A fixed gamma is 1 whatever the file contains.
    step.set(name, "weight", fixedGamma && gamma ? filled(sizeOf(shape), 1) : gamma, shape);
    step.set(name, "bias", step.array(2, "beta"), shape);
    step.set(name, "running_mean", step.array(3, "moving_mean"), shape);
    step.set(name, "running_var", step.array(4, "moving_var"), shape);
    return maps(name);
  },

  Activation: (step) => {
    const type = step.options.word("act_type", "");
    if (type !== "relu" && type !== "sigmoid") {
      step.fail("this activation is not supported", { expected: "relu, sigmoid", found: shownName(type) });
    }
    return each(type as "relu" | "sigmoid")(step);
  },
  relu: each("relu"),
  sigmoid: each("sigmoid"),

  Pooling: (step) => {
    const { options, fail, draft, name } = step;
    const type = options.word("pool_type", "max");
    if (type !== "max" && type !== "avg")
      fail("this pool_type is not supported", { expected: "max, avg", found: shownName(type) });
    const isGlobal = options.flag("global_pool", false);
    options.must("layout", "NCHW");
    const convention = options.word("pooling_convention", "valid");
    if (convention !== "valid" && convention !== "full") {
      fail("this pooling_convention is not supported", { expected: "valid, full", found: shownName(convention) });
    }
    const countPad = options.flag("count_include_pad", true);
    step.counts(1);
    const input = step.maps(0);
    if (isGlobal) {
      options.ignore("kernel", "stride", "pad");
      if (type === "max") fail("a global maximum is not supported", { expected: "pool_type avg", found: "max" });
      return maps(draft.add(name, { kind: "globalAvgPool" }, [input], fail));
    }
    const kernel = options.extent("kernel", undefined);
    const stride = options.extent("stride", 1);
    const [rows, columns] = options.pair("pad", 0, 0);
    const pad = rows === columns ? rows : { top: rows, bottom: rows, left: columns, right: columns };
    const ceil = convention === "full";
    if (ceil) {
      const [, , ...sides] = draft.shapeOf(input);
      for (const [axis, window] of axesOf({ kernel, stride, pad }).entries()) {
        const { kernel: size, stride: step, before } = window;
        const steps = Math.ceil((sides[axis]! + 2 * before - size) / step);
        // Caffe drops such a window; MXNet keeps it.
        if (steps * step >= sides[axis]! + before) {
          fail("a last window of padding alone is not supported", {
            expected: "windows that each see something",
            found: `one from ${steps * step - before} on, of ${sides[axis]}`,
          });
        }
      }
    }
    const window = { kernel, stride, pad, ceil };
    if (type === "max") return maps(draft.add(name, { kind: "maxPool", ...window }, [input], fail));
    return maps(draft.add(name, { kind: "avgPool", ...window, ...(!countPad && { countPad }) }, [input], fail));
  },

  Flatten: (step) => {
    step.counts(1);
    const { layer } = step.value(0);
    return { layer, isFlat: !isSinglePosition(step.draft.shapeOf(layer)) };
  },

  /** For a gate, which already has the right shape. */
  Reshape: (step) => {
    step.counts(1);
    step.options.must("reverse", "False");
    const shape = step.options.word("shape", "()");
    step.options.ignore("target_shape", "keep_highest");
    const input = step.maps(0);
    const [, channels] = step.draft.shapeOf(input);
    const isGates =
      isSinglePosition(step.draft.shapeOf(input)) &&
      [`(-1, ${channels}, 1, 1)`, "(-1, 0, 1, 1)", "(0, -1, 1, 1)", "(0, 0, 1, 1)", `(0, ${channels}, 1, 1)`].includes(
        shape,
      );
    return isGates
      ? maps(input)
      : step.fail("only one position can be reshaped", {
          expected: `(-1, ${channels}, 1, 1)`,
          found: shownName(shape),
        });
  },

  Concat: (step) => {
    step.options.ignore("num_args");
    step.options.must("dim", "1");
    const inputs = Array.from({ length: step.inputs }, (_, i) => step.maps(i));
    return maps(step.draft.add(step.name, { kind: "concat" }, inputs, step.fail));
  },

  Dropout: (step) => {
    step.counts(1);
    const rate = step.options.number("p", 0.5);
    if (!(rate >= 0 && rate < 1))
      step.fail("this p is not supported", { expected: "from 0 to below 1", found: `${rate}` });
    step.options.must("mode", "training");
    step.options.must("axes", "()", "[]");
    const { layer, isFlat } = step.value(0);
    return { layer: step.draft.add(step.name, { kind: "dropout", rate }, [layer], step.fail), isFlat };
  },

  elemwise_add: sum,
  _Plus: sum,
  _plus: sum,
  broadcast_add: sum,
  broadcast_plus: sum,
  add_n: sum,
  ElementWiseSum: sum,
  broadcast_mul: product,
  _mul_scalar: scalar,
  _MulScalar: scalar,
  identity: (step) => step.value(0),
  _copy: (step) => step.value(0),
  BlockGrad: (step) => step.value(0),
  SoftmaxOutput: end,
  Softmax: end,
  softmax: end,
  SoftmaxActivation: end,
  log_softmax: end,
};
