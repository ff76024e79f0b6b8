/**
 * A network as plain data, layer by layer: the result of importing other programs' definitions
 * (import/caffe-network.ts).
 */

import { SenetError } from "../errors.ts";
import type { Place, Value } from "../ir/graph.ts";
import type { AvgPoolAttrs } from "../ir/ops.ts";
import { axesOf } from "../ir/window.ts";
import { batchNorm, conv2d, dropout, linear, mish, relu, silu } from "../nn/layers.ts";
import type { Scope } from "../nn/scope.ts";
import * as z from "../schema.ts";
import { sizeOf } from "../tensor.ts";
import { extent, positive } from "./bounds.ts";
import type { ConfigOf, Family } from "./family.ts";
import { type LayerConfig, layerSchema } from "./layer.ts";
import { placesOf } from "./structure.ts";

const schema = z.strictObject({
  family: z.literal("layers"),
  /** Image size that the network was defined for; others work if no layer depends on it. */
  imageSize: extent.check(z.gt(0)),
  /** Input channels; default: 3. */
  channels: z.exactOptional(positive.check(z.lte(1024))),
  /** Topologically sorted; the last layer gives the logits. */
  layers: z.array(layerSchema).check(z.minLength(1), z.maxLength(20_000)),
});

type LayersConfig = ConfigOf<typeof schema>;
type Kind = LayerConfig["kind"];
type Options<K extends Kind> = Extract<LayerConfig, { readonly kind: K }>;

/** `image [N,channels,H,W] → logits [N,classes]`. @throws SenetError `shape` where the layers do not fit each other */
function build(scope: Scope, image: Value, { layers }: LayersConfig, classes: number): Value {
  const builder = new LayerBuilder(scope, image);
  const values = layers.map((layer) => builder.add(layer));
  // The role of a layer follows from the whole network, including the sizes of its values.
  const sizes = new Map(values.map(({ type }, i) => [layers[i]!.name, type.shape[2] ?? 1]));
  for (const [name, place] of placesOf(layers, sizes)) builder.place(name, place);
  const last = values.at(-1) ?? image;
  const { shape } = last.type;
  if (shape.length !== 2 || shape[1] !== classes) {
    unfit(last.name, "the last layer does not give the logits", `[N, ${classes}]`, `[${shape.join(", ")}]`);
  }
  return last;
}

/** Keeps a small file from demanding too much memory: concatenations alone can double the channels each time. */
const largest = 2 ** 31 - 1;

/** Each further input of a sum is an operation; the deepest known networks have some hundreds. */
const mostInputs = 50_000;
const mostSums = 2000;

/** Adds one layer after another. */
export class LayerBuilder {
  #inputs = 0;
  #sums = 0;

  readonly #scope: Scope;
  readonly #values: Map<string, Value>;
  /** The nodes of each layer: index of the first, and after the last. */
  readonly #nodes = new Map<string, readonly [number, number]>();

  constructor(scope: Scope, image: Value) {
    this.#scope = scope;
    this.#values = new Map([[image.name, image]]);
  }

  /** Adds a layer and returns its value. @throws SenetError `shape` where its inputs do not exist or do not fit */
  add(layer: LayerConfig): Value {
    const { name } = layer;
    this.#inputs += layer.inputs.length;
    if (layer.kind === "add") this.#sums += layer.inputs.length - 1;
    if (this.#inputs > mostInputs || this.#sums > mostSums) {
      unfit(name, `the layers before and with it have more than ${mostInputs} inputs, or ${mostSums} in sums`);
    }
    const inputs = layer.inputs.map(
      (input) => this.#values.get(input) ?? unfit(name, `there is no layer "${input}" before this one`),
    );
    if (this.#values.has(name)) unfit(name, "there are two layers of this name");
    const { graph } = this.#scope;
    const first = graph.size;
    const value = buildLayer(this.#scope.at(name), layer, inputs);
    this.#nodes.set(name, [first, graph.size]);
    const size = sizeOf(value.type.shape);
    if (size > largest) unfit(name, "the layer's value is too large", `at most ${largest} numbers`, `${size}`);
    this.#values.set(name, value);
    return value;
  }

  /** Sets the place of an added layer in the network. */
  place(name: string, place: Place): void {
    const [from, to] = this.#nodes.get(name)!;
    this.#scope.graph.place(from, to, place, name);
  }
}

function unfit(where: string, what: string, expected?: string, found?: string): never {
  throw new SenetError("shape", what, {
    where,
    ...(expected !== undefined && { expected }),
    ...(found !== undefined && { found }),
  });
}

/** Number of inputs of each kind of layer; for lists, the minimum. */
const arities: Readonly<Record<Kind, number>> = {
  conv: 1,
  batchNorm: 1,
  relu: 1,
  sigmoid: 1,
  silu: 1,
  mish: 1,
  maxPool: 1,
  avgPool: 1,
  globalAvgPool: 1,
  add: 2,
  multiply: 1,
  concat: 1,
  channelSlice: 1,
  seScale: 2,
  seScaleAdd: 3,
  dropout: 1,
  flatten: 1,
  linear: 1,
};
const takesList = (kind: Kind) => kind === "add" || kind === "concat";

type BuildRule<K extends Kind> = (scope: Scope, inputs: readonly [Value, ...Value[]], options: Options<K>) => Value;

function window({ kernel, stride, pad, ceil, countPad }: AvgPoolAttrs, { path }: Scope): AvgPoolAttrs {
  for (const { kernel: extent, before, after } of axesOf({ kernel, stride, pad })) {
    const most = Math.max(before, after);
    if (most >= extent) unfit(path, "a window of padding alone has no value", `a pad below ${extent}`, `${most}`);
  }
  return { kernel, stride, pad, ceil, ...(countPad !== undefined && { countPad }) };
}

const rules: { readonly [K in Kind]: BuildRule<K> } = {
  conv: (scope, [x], options) => {
    const channels = x.type.shape[1]!;
    if (channels % options.groups !== 0) {
      unfit(scope.path, "channels do not divide into groups", `a multiple of ${options.groups}`, `${channels}`);
    }
    return conv2d(scope, x, options);
  },
  batchNorm: (scope, [x], { eps, fixedGamma = false }) => batchNorm(scope, x, { eps, fixedGamma }),
  relu: (scope, [x]) => relu(scope, x),
  sigmoid: (scope, inputs) => scope.apply("sigmoid", inputs, {}),
  silu: (scope, [x]) => silu(scope, x),
  mish: (scope, [x]) => mish(scope, x),
  maxPool: (scope, inputs, attrs) => scope.apply("maxPool", inputs, window(attrs, scope)),
  avgPool: (scope, inputs, attrs) => scope.apply("avgPool", inputs, window(attrs, scope)),
  globalAvgPool: (scope, inputs) => scope.apply("globalAvgPool", inputs, {}),
  add: (scope, [first, ...others]) => {
    const last = others.pop()!;
    const sum = others.reduce((sum, x, i) => scope.at(i).apply("add", [sum, x], {}), first);
    return scope.apply("add", [sum, last], {});
  },
  multiply: (scope, inputs, { factor }) => scope.apply("multiply", inputs, { factor }),
  concat: (scope, inputs) => scope.apply("concat", inputs, {}),
  channelSlice: (scope, inputs, { start, length }) => scope.apply("channelSlice", inputs, { start, length }),
  seScale: (scope, inputs) => scope.apply("seScale", inputs, {}),
  seScaleAdd: (scope, inputs) => scope.apply("seScaleAdd", inputs, {}),
  dropout: (scope, [x], { rate }) => dropout(scope, x, rate),
  flatten: (scope, inputs) => scope.apply("flatten", inputs, {}),
  linear: (scope, [x], { out, bias }) => linear(scope, x, out, bias),
};

function buildLayer(scope: Scope, layer: LayerConfig, inputs: readonly Value[]): Value {
  const { name, kind } = layer;
  const arity = arities[kind];
  const [first, ...others] = inputs;
  if (first === undefined || (takesList(kind) ? inputs.length < arity : inputs.length !== arity)) {
    return unfit(name, `a layer of kind ${kind} has other inputs`, `${arity}`, `${inputs.length}`);
  }
  const rule = rules[kind] as BuildRule<Kind>;
  return rule(scope, [first, ...others], layer);
}

export const layers: Family<typeof schema> = {
  schema,
  networks: {},
  build,
  imageSize: ({ imageSize }) => imageSize,
  // Layers may have no parameters.
  fewestTensors: () => 0,
  hasOurNames: false,
  isIn: () => false,
  withStructure: (config) => config,
  withClasses,
  changes: () => [],
};

/** Changes the width of the last layer with weights, if all layers after it form a chain. */
function withClasses(config: LayersConfig, classes: number): LayersConfig {
  const byName = new Map(config.layers.map((layer) => [layer.name, layer]));
  let at = config.layers.at(-1);
  while (at !== undefined && at.kind !== "linear" && at.kind !== "conv") {
    at = at.inputs.length === 1 ? byName.get(at.inputs[0]!) : undefined;
  }
  const uses = config.layers.filter(({ inputs }) => at !== undefined && inputs.includes(at.name)).length;
  if (at === undefined || uses > 1 || (at.kind === "conv" && at.groups > 1)) {
    throw new SenetError("usage", "the classifier of this network cannot be exchanged for one of other classes", {
      expected: "a fully connected layer or a convolution that the logits come from",
      found: config.layers.at(-1)!.kind,
    });
  }
  const layers = config.layers.map((layer) => (layer === at ? { ...layer, out: classes } : layer));
  return { ...config, layers };
}
