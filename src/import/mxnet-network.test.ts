import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formulaPictures, formulaTensor } from "../../tests/formula.ts";
import { listedOps, type MxnetOp, mxnetSymbol } from "../../tests/mxnet-symbol.ts";
import {
  asParams,
  listedBy,
  needsPorts,
  portGolden,
  portList,
  portLogits,
  portTensors,
  readList,
} from "../../tests/port-files.ts";
import { assertClose, needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused } from "../../tests/weights.ts";
import { parseMxnetParams } from "../formats/mxnet.ts";
import { parseMxnetSymbol } from "../formats/mxnet-symbol.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { openFiles } from "../weights/open.ts";
import { inferenceGraph, model, parametersOf } from "../zoo/index.ts";
import { importMxnet } from "./mxnet-network.ts";
import { namingByName, torchName } from "./rename.ts";
import { computesTheSame } from "./same-network.ts";

const pair = (value: number) => `(${value}, ${value})`;
const conv = (
  name: string,
  from: string,
  out: number,
  kernel: number,
  more: Readonly<Record<string, string>> = {},
): MxnetOp => ({
  name,
  op: "Convolution",
  inputs: [from],
  options: { num_filter: `${out}`, kernel: pair(kernel), ...more },
});
const act = (name: string, from: string, type = "relu"): MxnetOp => ({
  ...{ name, op: "Activation", inputs: [from] },
  options: { act_type: type },
});
const dense = (name: string, from: string, out: number): MxnetOp => ({
  ...{ name, op: "FullyConnected", inputs: [from] },
  options: { num_hidden: `${out}` },
});
const end: MxnetOp = { name: "softmax", op: "SoftmaxOutput", inputs: ["fc"] };

/** One of each operator: squeeze and excitation, a kernel that differs by side, a tenth, a join. */
const ops: readonly MxnetOp[] = [
  { name: "bn_data", op: "BatchNorm", inputs: ["data"], options: { eps: "2e-05" } },
  conv("stem", "bn_data", 4, 3, { stride: "(2, 2)", pad: "(1, 1)", no_bias: "True" }),
  { name: "bn", op: "BatchNorm", inputs: ["stem"], options: { fix_gamma: "False", eps: "0.001" } },
  act("relu0", "bn"),
  {
    name: "pool",
    op: "Pooling",
    inputs: ["relu0"],
    options: { kernel: pair(3), stride: pair(2), pool_type: "max", pooling_convention: "full" },
  },
  conv("tall", "pool", 6, 1, { kernel: "(3, 1)", pad: "(1, 0)", num_group: "2" }),
  {
    name: "mean",
    op: "Pooling",
    inputs: ["pool"],
    options: { kernel: pair(3), pad: pair(1), pool_type: "avg", count_include_pad: "False" },
  },
  conv("side", "mean", 2, 1),
  { name: "join", op: "Concat", inputs: ["tall", "side"], options: { num_args: "2", dim: "1" } },
  {
    name: "squeeze",
    op: "Pooling",
    inputs: ["join"],
    options: { kernel: pair(7), global_pool: "True", pool_type: "avg" },
  },
  { name: "flat", op: "Flatten", inputs: ["squeeze"] },
  dense("one", "flat", 3),
  act("relu1", "one"),
  dense("two", "relu1", 8),
  act("gate", "two", "sigmoid"),
  { name: "shaped", op: "Reshape", inputs: ["gate"], options: { shape: "(-1, 8, 1, 1)" } },
  { name: "scaled", op: "broadcast_mul", inputs: ["join", "shaped"] },
  { name: "tenth", op: "_mul_scalar", inputs: ["scaled"], options: { scalar: "0.1" } },
  { name: "sum", op: "elemwise_add", inputs: ["tenth", "join"] },
  { name: "drop", op: "Dropout", inputs: ["sum"], options: { p: "0.2" } },
  dense("fc", "drop", 5),
  end,
];
const shapes: Readonly<Record<string, readonly number[]>> = {
  "arg:bn_data_gamma": [3],
  "arg:bn_data_beta": [3],
  "aux:bn_data_moving_mean": [3],
  "aux:bn_data_moving_var": [3],
  "arg:stem_weight": [4, 3, 3, 3],
  "arg:bn_gamma": [4],
  "arg:bn_beta": [4],
  "aux:bn_moving_mean": [4],
  "aux:bn_moving_var": [4],
  "arg:tall_weight": [6, 2, 3, 1],
  "arg:tall_bias": [6],
  "arg:side_weight": [2, 4, 1, 1],
  "arg:side_bias": [2],
  "arg:one_weight": [3, 8],
  "arg:one_bias": [3],
  "arg:two_weight": [8, 3],
  "arg:two_bias": [8],
  "arg:fc_weight": [5, 8 * 4 * 4],
  "arg:fc_bias": [5],
};
const arrays = new Map(
  Object.entries(shapes).map(([name, shape], i): [string, Tensor] => [
    name,
    formulaTensor(name.endsWith("_var") ? "variance" : name.endsWith("weight") ? "weight" : "beta", shape, i),
  ]),
);
const symbolOf = (all: readonly MxnetOp[], version?: "0.8" | "0.11" | "1") =>
  parseMxnetSymbol(mxnetSymbol(all, version), "net-symbol.json");

/** The network above by plain loops. */
function expected(picture: Tensor): number[] {
  const data = (name: string) => arrays.get(name)!.data;
  const at = (name: string, i: number) => data(name)[i]!;
  type Map3 = number[][][];
  const map = (c: number, h: number, w: number, f: (c: number, y: number, x: number) => number): Map3 =>
    Array.from({ length: c }, (_, i) =>
      Array.from({ length: h }, (_, y) => Array.from({ length: w }, (_, x) => f(i, y, x))),
    );
  const norm = (value: number, name: string, eps: number, c: number, gamma: number) =>
    ((value - at(`aux:${name}_moving_mean`, c)) / Math.sqrt(at(`aux:${name}_moving_var`, c) + eps)) * gamma +
    at(`arg:${name}_beta`, c);
  const side = picture.shape[2]!;
  const image = map(3, side, side, (c, y, x) => norm(picture.data[(c * side + y) * side + x]!, "bn_data", 2e-5, c, 1));
  const get = (from: Map3, c: number, y: number, x: number) => from[c]![y]?.[x] ?? 0;
  const half = side / 2;
  const stem = map(4, half, half, (o, y, x) => {
    let sum = 0;
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < 3; i++)
        for (let j = 0; j < 3; j++)
          sum += get(image, c, 2 * y + i - 1, 2 * x + j - 1) * at("arg:stem_weight", ((o * 3 + c) * 3 + i) * 3 + j);
    return Math.max(0, norm(sum, "bn", 1e-3, o, at("arg:bn_gamma", o)));
  });
  const quarter = half / 2;
  const pool = map(4, quarter, quarter, (c, y, x) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++) most = Math.max(most, stem[c]![2 * y + i]?.[2 * x + j] ?? most);
    return most;
  });
  const join = map(8, quarter, quarter, (o, y, x) => {
    if (o < 6) {
      let sum = at("arg:tall_bias", o);
      for (let c = 0; c < 2; c++)
        for (let i = 0; i < 3; i++)
          sum += get(pool, Math.floor(o / 3) * 2 + c, y + i - 1, x) * at("arg:tall_weight", (o * 2 + c) * 3 + i);
      return sum;
    }
    let sum = at("arg:side_bias", o - 6);
    for (let c = 0; c < 4; c++) {
      let [mean, count] = [0, 0];
      for (let i = -1; i < 2; i++)
        for (let j = -1; j < 2; j++) {
          const value = pool[c]![y + i]?.[x + j];
          if (value === undefined) continue;
          mean += value;
          count++;
        }
      sum += (mean / count) * at("arg:side_weight", (o - 6) * 4 + c);
    }
    return sum;
  });
  const squeeze = join.map((plane) => plane.flat().reduce((sum, value) => sum + value, 0) / quarter ** 2);
  const layer = (name: string, from: readonly number[], out: number) =>
    Array.from({ length: out }, (_, o) =>
      from.reduce(
        (sum, value, i) => sum + value * at(`arg:${name}_weight`, o * from.length + i),
        at(`arg:${name}_bias`, o),
      ),
    );
  const gate = layer(
    "two",
    layer("one", squeeze, 3).map((value) => Math.max(0, value)),
    8,
  ).map((value) => 1 / (1 + Math.exp(-value)));
  return layer("fc", map(8, quarter, quarter, (c, y, x) => join[c]![y]![x]! * (0.1 * gate[c]! + 1)).flat(2), 5);
}

test("a network of every operator computes what its graph says, in the form of three versions", async () => {
  for (const version of ["0.8", "0.11", "1"] as const) {
    const { model, weights, imageSize } = importMxnet(symbolOf(ops, version), arrays, "net-symbol.json", 16);
    assert.deepEqual([model.classes, imageSize, model.config.family], [5, 16, "layers"]);
    const [logits] = await portLogits({ model, weights }, [1, 3, 16]);
    assertClose(logits!, expected(formulaPictures(1, 16, 0)), 1e-5, version);
  }
});

test("where its classifier takes whole maps they tell the side of its pictures", () => {
  const lenet: readonly MxnetOp[] = [
    conv("conv1", "data", 2, 5, { stride: "(3, 3)" }),
    { name: "flat", op: "Flatten", inputs: ["conv1"] },
    dense("fc", "flat", 3),
  ];
  const of = (...shape: number[]) => tensor(shape, new Float32Array(sizeOf(shape)));
  const sized = (side: number, planes = 3) => {
    const map = Math.floor((side - 5) / 3) + 1;
    const params = {
      conv1_weight: of(2, planes, 5, 5),
      conv1_bias: of(2),
      fc_weight: of(3, 2 * map * map),
      fc_bias: of(3),
    };
    return importMxnet(symbolOf(lenet), new Map(Object.entries(params)), "net");
  };
  for (const side of [224, 32, 28, 64]) assert.equal(sized(side).imageSize, side);
  const { model, notes } = sized(28, 1);
  assert.ok(model.config.family === "layers" && model.config.channels === 1);
  assert.match(notes.join(), /28 by 28 pixels are assumed/);
});

/** What makes the network above another, and what is then said. */
const refusals: readonly (readonly [what: string, change: (op: MxnetOp) => MxnetOp, ...words: string[]])[] = [
  [
    "an operator",
    (op) => (op.name === "relu1" ? { ...op, op: "LeakyReLU" } : op),
    '"relu1" ("LeakyReLU")',
    "cannot be imported",
    "Convolution",
  ],
  ["dilation", (op) => with_(op, "stem", { dilate: "(2, 2)" }), '"stem"', "dilate", "(1, 1)"],
  ["an option", (op) => with_(op, "stem", { twist: "1" }), "twist", "not known"],
  ["a kernel of three axes", (op) => with_(op, "stem", { kernel: "(3, 3, 3)" }), "kernel", "(ROWS, COLUMNS)"],
  [
    "no kernel",
    (op) => (op.name === "stem" ? { ...op, options: { num_filter: "4", no_bias: "True" } } : op),
    "kernel is missing",
  ],
  ["tanh", (op) => with_(op, "gate", { act_type: "tanh" }), "relu, sigmoid", '"tanh"'],
  ["a sum of pools", (op) => with_(op, "pool", { pool_type: "sum" }), "pool_type", '"sum"'],
  ["another axis", (op) => with_(op, "join", { dim: "2" }), "dim", '"2"'],
  [
    "a product of maps",
    (op) => (op.name === "scaled" ? { ...op, inputs: ["join", "join"] } : op),
    "one number for each channel",
  ],
  [
    "a sum of two shapes",
    (op) => (op.name === "sum" ? { ...op, inputs: ["tenth", "shaped"] } : op),
    "one shape",
    "[1, 8, 1, 1]",
  ],
  ["a reshape of maps", (op) => (op.name === "shaped" ? { ...op, inputs: ["join"] } : op), "one position"],
  ["groups that do not fit", (op) => with_(op, "stem", { num_group: "2" }), '"stem"', "does not fit"],
];
function with_(op: MxnetOp, name: string, options: Readonly<Record<string, string>>): MxnetOp {
  return op.name === name ? { ...op, options: { ...op.options, ...options } } : op;
}

for (const [what, change, ...words] of refusals) {
  test(`refused: ${what}`, async () => {
    await refused(
      () => importMxnet(symbolOf(ops.map(change)), arrays, "net-symbol.json", 16),
      "net-symbol.json",
      ...words,
    );
  });
}

test("weights that are not there, or of another shape, are named", async () => {
  const without = new Map(arrays);
  without.delete("arg:two_bias");
  await refused(() => importMxnet(symbolOf(ops), without, "net", 16), '"two"', '"two_bias"');
  const other = new Map(arrays).set("arg:two_weight", tensor([8, 4], new Float32Array(32)));
  await refused(() => importMxnet(symbolOf(ops), other, "net", 16), '"two"', "[8, 3]", "[8, 4]");
});

test("a graph that is damaged", async () => {
  const text = (json: unknown) => new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));
  const node = (inputs: unknown, more: object = {}) => ({
    nodes: [
      { op: "null", name: "data", inputs: [] },
      { op: "Flatten", name: "x", inputs, ...more },
    ],
    heads: [[1, 0]],
  });
  for (const [json, ...words] of [
    ["{", "not JSON"],
    [[1], "the graph is not an object"],
    [{ nodes: [] }, "no nodes"],
    [{ nodes: [{ op: "null", name: "x", inputs: [] }] }, "has no outputs", "heads"],
    [{ ...node([[0, 0]]), heads: [[7, 0]] }, "a head is not an earlier node", "7"],
    [node([[1, 0]]), '"x" ("Flatten")', "an input is not an earlier node"],
    [node([["0", 0]]), "an input cannot be read"],
    [node([[0, 0]], { attrs: { a: 1 } }), 'option "a" is not a text'],
    [node([[0, 0]], { attrs: [] }), "is not an object"],
    [{ nodes: [{ op: "null", name: 1, inputs: [] }], heads: [[0, 0]] }, "node 0 cannot be read"],
  ] as const) {
    await refused(() => parseMxnetSymbol(text(json), "net-symbol.json"), "net-symbol.json", ...words);
  }
});

test("labels, and what nothing needs, are left out; two networks in one are not imported", async () => {
  const graph = mxnetSymbol([...ops, { name: "aside", op: "Custom", inputs: ["join"] }]);
  const json = JSON.parse(new TextDecoder().decode(graph)) as { heads: number[][]; nodes: { name: string }[] };
  const place = (name: string) => json.nodes.findIndex((node) => node.name === name);
  const headed = (...names: string[]) =>
    parseMxnetSymbol(
      new TextEncoder().encode(JSON.stringify({ ...json, heads: names.map((name) => [place(name), 0, 0]) })),
      "net",
    );
  assert.equal(importMxnet(headed("softmax"), arrays, "net", 16).model.classes, 5);
  await refused(() => importMxnet(headed("softmax", "aside"), arrays, "net", 16), "several outputs");
});

const released = ["ports", "mxnet", "se-resnext-imagenet-50-0-symbol.json"];
test("the released graph is the zoo's SE-ResNeXt-50 of 64 groups", needsShared(...released), () => {
  const symbol = parseMxnetSymbol(bytesOf(sharedData(...released)), "symbol.json");
  const alone = importMxnet(symbol, undefined, "symbol.json", 224);
  const own = model("bruinxiong-se-resnext-50");
  const { parameters } = inferenceGraph(alone.model, { batch: 1, imageSize: 224 });
  const count = (isStatistics: boolean) =>
    parameters.filter(({ role }) => (role === "mean" || role === "variance") === isStatistics).length;
  assert.deepEqual([count(false), count(true), alone.weights.size], [227, 108, 0]);
  const naming = namingByName("bruinxiong");
  assert.ok(naming.style === "torch");
  const ground = new Float32Array(2 ** 22);
  const weights = new Map(
    parametersOf(own).map(({ name, role, frozen, type: { shape } }, i): [string, Tensor] => {
      const size = sizeOf(shape);
      // Each its own numbers, so that none can stand for another.
      const data =
        frozen && role === "gamma" ? new Float32Array(size).fill(1) : ground.slice(0, size).fill(i + 1, 0, 1);
      return [name, tensor(shape, data)];
    }),
  );
  const params = new Map(
    parametersOf(own).map(({ name, role }) => [torchName(naming, name, role)!, weights.get(name)!]),
  );
  const network = importMxnet(symbol, params, "symbol.json", 224);
  const graph = (of: typeof own) => inferenceGraph(of, { batch: 1, imageSize: 224 });
  assert.ok(computesTheSame({ graph: graph(own), weights }, { graph: graph(network.model), weights: network.weights }));
});

test("MXNet's own file of 0.8 is read", needsShared("ports", "mxnet", "save_000800.json"), () => {
  const path = ["ports", "mxnet", "save_000800.json"];
  const { nodes, heads } = parseMxnetSymbol(bytesOf(sharedData(...path)), "save.json");
  assert.deepEqual([nodes.length, heads], [17, [{ node: 16, output: 0 }]]);
  assert.equal(nodes.find(({ name }) => name === "fc1")!.options.get("num_hidden"), "128");
  assert.deepEqual(nodes[0]!.options, new Map());
});

const samplenet = ["ports", "mxnet", "samplenet-0000.params"];
test("a real network opens by its graph and its weights", needsShared(...samplenet), async () => {
  const file = (name: string) => ({ where: name, bytes: bytesOf(sharedData("ports", "mxnet", name)) });
  const { checkpoint, format, naming } = await openFiles([
    file("samplenet-symbol.json"),
    file("samplenet-0000.params"),
  ]);
  assert.deepEqual([format, naming, checkpoint.model.classes], ["mxnet", undefined, 10]);
  assert.equal(checkpoint.preprocessing.crop, 32);
  const arrays = parseMxnetParams(file("samplenet-0000.params").bytes, "params");
  assert.equal(checkpoint.weights.size, arrays.size);
});

for (const [list, ops, key, zoo] of [
  [
    "mxnet-cifar-se-resnet-20",
    "mxnet-cifar-se-resnet-20.ops",
    "cifar se-resnet-20 preact",
    "bruinxiong-se-resnet-20-cifar",
  ],
  [
    "mxnet-cifar-se-resnext-20",
    "mxnet-cifar-se-resnext-20.ops",
    "cifar se-resnext-20",
    "bruinxiong-se-resnext-20-cifar",
  ],
] as const) {
  test(`${ops} computes what MXNet computes, and is known as ${zoo}`, needsPorts(ops), async () => {
    const symbol = {
      where: "net-symbol.json",
      bytes: mxnetSymbol(listedOps(readFileSync(portList(ops), "utf8")), "0.11"),
    };
    const tensors = portTensors(readList(list), "OIHW");
    const network = importMxnet(parseMxnetSymbol(symbol.bytes, symbol.where), tensors, symbol.where, 32);
    const { input, logits } = portGolden("bruinxiong", key);
    const found = await portLogits(network, input);
    for (const [i, row] of logits.entries()) assertClose(found[i]!.slice(0, row.length), row, 1e-4, key);
    const { checkpoint, notes } = await openFiles([symbol, asParams(tensors, 2)]);
    assert.deepEqual([checkpoint.model.name, notes], [zoo, []]);
  });
}

const ops20 = "mxnet-cifar-se-resnet-20.ops";
const opsOf20 = () => listedOps(readFileSync(portList(ops20), "utf8"));
test("a graph that differs from the zoo's network is obeyed", needsPorts(ops20), async () => {
  const own = model("bruinxiong-se-resnet-20-cifar");
  const tensors = portTensors(listedBy(own, "bruinxiong"), "OIHW");
  const ops = opsOf20().map((op) => with_(op, "stage2_unit1_conv1", { stride: "(1, 1)" }));
  const other = ops.map((op) => with_(op, "stage2_unit1_sc", { stride: "(1, 1)" }));
  const symbol = { where: "net-symbol.json", bytes: mxnetSymbol(other, "0.11") };
  const { checkpoint, notes } = await openFiles([symbol, asParams(tensors, 1)]);
  assert.equal(checkpoint.model.config.family, "layers");
  assert.match(notes.join(), /its graph differs from bruinxiong-se-resnet-20-cifar: its graph is used/);
  // With a name that is asked for, the names count.
  const asked = await openFiles([symbol, asParams(tensors, 1)], { model: own.name });
  assert.equal(asked.checkpoint.model.name, own.name);
  // An operator that is not known leaves the names.
  const odd = opsOf20().map((op) => (op.name === "relu1" ? { ...op, op: "LeakyReLU" } : op));
  const named = await openFiles([{ ...symbol, bytes: mxnetSymbol(odd) }, asParams(tensors, 1)]);
  assert.equal(named.checkpoint.model.name, own.name);
  assert.match(named.notes.join(), /"LeakyReLU".*opened as bruinxiong-se-resnet-20-cifar, by its names/);
});
