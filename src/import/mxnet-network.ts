/**
 * Imports a network from MXNet's graph, node by node. The operators and their defaults are defined in
 * https://github.com/apache/mxnet/tree/master/src/operator/nn.
 */

import { type FailWhole, shownName } from "../formats/bytes.ts";
import type { MxnetNode, MxnetSymbol } from "../formats/mxnet-symbol.ts";
import { imagenetPreprocessing, type Preprocessing } from "../images/preprocess.ts";
import { axesOf, pairOf } from "../ir/window.ts";
import { type Shape, sizeOf, type Tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import { cannotImport, Draft, type Drafted, filled, isSinglePosition } from "./draft.ts";
import { MxnetOptions } from "./mxnet-options.ts";

export interface MxnetImport extends Drafted {
  readonly notes: readonly string[];
}

/**
 * @param params the arrays of its `.params`, named as in the file or without `arg:` and `aux:`; if empty, the network
 * has no weights
 * @param where the graph's file, for errors
 * @param imageSize side of its pictures, which graphs do not contain; default: one that fits
 * @throws SenetError `weights`, naming the node and its operator, where one is not supported, and where weights are
 * missing or do not fit
 */
export function importMxnet(
  symbol: MxnetSymbol,
  params: ReadonlyMap<string, Tensor> | undefined,
  where: string,
  imageSize?: number,
): MxnetImport {
  const plain = params && new Map([...params].map(([name, tensor]) => [name.replace(/^(?:arg|aux):/, ""), tensor]));
  const translated = (side: number) => new Translation(symbol, plain, where, side);
  if (imageSize !== undefined) return { ...translated(imageSize).finish(), notes: [] };
  const [side, translation] = fitting(translated);
  const notes = [`the graph does not say how large its pictures are; ${side} by ${side} pixels are assumed`];
  return { ...translation.finish(), notes };
}

/** Pre-processing if only the side is known: raw bytes, which is usual if a batch norm comes first. */
export const usualMxnet = (imageSize: number): Preprocessing => ({
  ...imagenetPreprocessing,
  ...{ scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
  resize: imageSize < 64 ? imageSize : Math.round((imageSize * 256) / 224),
  crop: imageSize,
});

/** Usual sides: ImageNet's, CIFAR's, digits', and others. */
const usualSides = [224, 32, 28, 299, 227, 64, 96, 112, 128, 256];
/**
 * Smallest final map, at 224 pixels, of a network for small pictures: those for large ones leave less, small ones 56.
 */
const fewest = 28;

/** The first side at which all layers fit; 32 if 224 leaves large maps and 32 fits too. */
function fitting(translated: (side: number) => Translation): readonly [number, Translation] {
  let large: Translation | undefined;
  let first: unknown;
  for (const side of usualSides) {
    try {
      const translation = translated(side);
      if (side !== 224 || translation.smallest <= fewest) return [side, translation];
      large = translation;
    } catch (error) {
      first ??= error;
    }
    if (side === 32 && large !== undefined) return [224, large];
  }
  throw first;
}

/** A node's output: our layer, and whether MXNet has flattened it while ours still has maps. */
interface Made {
  readonly layer: string;
  readonly isFlat: boolean;
}

class Translation {
  readonly draft: Draft;
  /** Smallest side of any map with more than one position. */
  smallest: number;
  readonly #symbol: MxnetSymbol;
  readonly #params: ReadonlyMap<string, Tensor> | undefined;
  readonly #where: string;
  readonly #made = new Map<number, Made>();
  readonly #last: Made;
  #picture: number | undefined;

  constructor(symbol: MxnetSymbol, params: ReadonlyMap<string, Tensor> | undefined, where: string, side: number) {
    this.#symbol = symbol;
    this.#params = params;
    this.#where = where;
    this.smallest = side;
    const { nodes, heads } = symbol;
    const [head] = heads;
    const fail = cannotImport(where);
    if (heads.length > 1) {
      fail("a network of several outputs cannot be imported", { expected: "1 head", found: `${heads.length}` });
    }
    const needed = [...neededBy(symbol, head!.node)].sort((a, b) => a - b);
    this.draft = new Draft("network", side, this.#channels(needed));
    const classifier = needed.findLast((place) => !isPassing(nodes[place]!.op));
    for (const place of needed) if (nodes[place]!.op !== "null") this.#take(place, place === classifier);
    this.#last =
      this.#made.get(head!.node) ?? fail("the graph is a variable alone", { expected: "layers", found: "none" });
  }

  finish = (): Drafted => this.draft.finish(this.#last.layer, this.#where);

  /** Input channels: as many as the first weights take. */
  #channels(needed: readonly number[]): number {
    for (const place of needed) {
      const { op, inputs } = this.#symbol.nodes[place]!;
      const weight = inputs[1] && this.#params?.get(this.#symbol.nodes[inputs[1].node]!.name);
      if (weight === undefined || (op !== "Convolution" && op !== "BatchNorm")) continue;
      return (op === "Convolution" ? weight.shape[1] : weight.shape[0]) || 3;
    }
    return 3;
  }

  #take(place: number, isClassifier: boolean): void {
    const node = this.#symbol.nodes[place]!;
    const fail = cannotImport(`${this.#where}: node ${shownName(node.name)} (${shownName(node.op)})`);
    const rule = Object.hasOwn(rules, node.op) ? rules[node.op] : undefined;
    if (rule === undefined) {
      fail("nodes of this operator cannot be imported", {
        expected: Object.keys(rules).join(", "),
        found: shownName(node.op),
        hint: "export the network as ONNX in MXNet (mx.onnx.export_model), or give its weights alone under known names",
      });
    }
    const options = new MxnetOptions(node.options, fail);
    const step = new Step(this, node, options, fail, isClassifier);
    const made = rule!(step);
    options.finish();
    const shape = this.draft.shapeOf(made.layer);
    if (!isSinglePosition(shape) && shape.length === 4) this.smallest = Math.min(this.smallest, shape[2]!, shape[3]!);
    this.#made.set(place, made);
  }

  /** A node's output: a layer's value, or the picture. */
  valueOf(place: number, fail: FailWhole): Made {
    const made = this.#made.get(place);
    if (made !== undefined) return made;
    const { name } = this.#symbol.nodes[place]!;
    if (this.#picture !== undefined && this.#picture !== place) {
      fail("a network of several inputs cannot be imported", {
        expected: "one, the pictures",
        found: `${shownName(this.#symbol.nodes[this.#picture]!.name)} and ${shownName(name)}`,
      });
    }
    this.#picture = place;
    return { layer: inputName, isFlat: false };
  }

  nodeAt = (place: number): MxnetNode => this.#symbol.nodes[place]!;

  /** A variable's array; undefined if the network has no weights. */
  arrayOf(name: string, fail: FailWhole): Tensor | undefined {
    if (this.#params === undefined) return undefined;
    const found = this.#params.get(name);
    if (found !== undefined) return found;
    return fail("the weights do not have its array", {
      expected: shownName(name),
      found: [...this.#params.keys()].slice(0, 3).map(shownName).join(", ") || "none",
      hint: "give the .params that was saved with this graph",
    });
  }
}

/** All nodes that a node's output depends on, including itself. Labels only go into losses. */
function neededBy({ nodes }: MxnetSymbol, last: number): Set<number> {
  const needed = new Set<number>();
  const next = [last];
  for (let place = next.pop(); place !== undefined; place = next.pop()) {
    if (needed.has(place)) continue;
    needed.add(place);
    const { op, inputs } = nodes[place]!;
    for (const { node } of isEnd(op) ? inputs.slice(0, 1) : inputs) next.push(node);
  }
  return needed;
}

const isEnd = (op: string): boolean => /^(?:SoftmaxOutput|Softmax|softmax|SoftmaxActivation|log_softmax)$/.test(op);

/** Operators after a classifier that do not change its values and their order. */
const isPassing = (op: string): boolean => isEnd(op) || /^(?:null|Dropout|identity|_copy|BlockGrad|Flatten)$/.test(op);

/** A node being converted. */
class Step {
  readonly options: MxnetOptions;
  readonly fail: FailWhole;
  readonly isClassifier: boolean;
  readonly #net: Translation;
  readonly #node: MxnetNode;

  constructor(net: Translation, node: MxnetNode, options: MxnetOptions, fail: FailWhole, isClassifier: boolean) {
    this.#net = net;
    this.#node = node;
    this.options = options;
    this.fail = fail;
    this.isClassifier = isClassifier;
  }

  get name(): string {
    return this.#node.name;
  }

  get draft(): Draft {
    return this.#net.draft;
  }

  get inputs(): number {
    return this.#node.inputs.length;
  }

  /** The value of an input, which must be a node's first output. */
  value(i: number): Made {
    const input = this.#node.inputs[i];
    if (input === undefined) {
      return this.fail("an input is missing", { expected: `${i + 1} or more`, found: `${this.inputs} inputs` });
    }
    if (input.output !== 0) {
      this.fail("only first outputs are supported", { expected: "output 0", found: `output ${input.output}` });
    }
    return this.#net.valueOf(input.node, this.fail);
  }

  /** The layer of an input that has maps. */
  maps(i: number): string {
    const { layer, isFlat } = this.value(i);
    return isFlat
      ? this.fail("values in a row are not supported here", { expected: "maps", found: "values behind a Flatten" })
      : layer;
  }

  /** The array of this input, a variable; if the input is missing, as in files of 0.8, by its usual name. */
  array(i: number, suffix: string): Tensor | undefined {
    const input = this.#node.inputs[i];
    if (input === undefined) return this.#net.arrayOf(`${this.name}_${suffix}`, this.fail);
    const { op, name } = this.#net.nodeAt(input.node);
    return op === "null"
      ? this.#net.arrayOf(name, this.fail)
      : this.fail("weights that are computed are not supported", {
          expected: "a variable",
          found: `${shownName(name)} (${shownName(op)})`,
        });
  }

  counts(...expected: readonly number[]): void {
    if (!expected.includes(this.inputs)) {
      this.fail("it has other inputs", { expected: expected.join(" or "), found: `${this.inputs}` });
    }
  }

  set(layer: string, parameter: string, tensor: Tensor | undefined, shape: Shape): void {
    if (tensor !== undefined) this.draft.set(layer, parameter, tensor, shape, this.fail);
  }
}

/** Converts a node. */
type Rule = (step: Step) => Made;

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

const rules: Readonly<Record<string, Rule>> = {
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
