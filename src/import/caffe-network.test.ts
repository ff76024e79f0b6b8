import assert from "node:assert/strict";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { bytesOf, refused } from "../../tests/weights.ts";
import { differentiate, gradientOf } from "../autodiff/differentiate.ts";
import type { CaffeLayer } from "../formats/caffemodel.ts";
import { parsePrototxt } from "../formats/prototxt.ts";
import { isTrainable } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { createRandom } from "../random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { encodeCheckpoint } from "../weights/checkpoint-write.ts";
import { decodeCheckpoint } from "../weights/decode-checkpoint.ts";
import { inferenceGraph, lossGraph } from "../zoo/index.ts";
import { type CaffeImportOptions, importCaffeNetwork } from "./caffe-network.ts";

const layer = (name: string, ...shapes: Shape[]): CaffeLayer => {
  const blobs = shapes.map((shape, k): Tensor => {
    return tensor(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => 1 + k + i / 8),
    );
  });
  return { name, type: "", bottoms: [], tops: [], blobs, definition: { where: `layer "${name}"`, fields: new Map() } };
};

const load = (text: string, layers: readonly CaffeLayer[] = [], options: CaffeImportOptions = {}) =>
  importCaffeNetwork(parsePrototxt(new TextEncoder().encode(text), "net.prototxt"), layers, "net.prototxt", options);

const input = (side = 8) =>
  `name: "net" input: "data" input_dim: 1 input_dim: 3 input_dim: ${side} input_dim: ${side}\n`;
/** A layer of the definition, from the blob `data` to a blob of its own name. */
const line = (name: string, type: string, more = "", bottom = "data") =>
  `layer { name: "${name}" type: "${type}" bottom: "${bottom}" top: "${name}" ${more} }\n`;
const conv = (name: string, parameters: string, bottom = "data") =>
  line(name, "Convolution", `convolution_param { ${parameters} }`, bottom);
const fc = (name: string, bottom: string, out = 2) =>
  line(name, "InnerProduct", `inner_product_param { num_output: ${out} }`, bottom);

const operations = (...args: Parameters<typeof load>) => {
  const { model } = load(...args);
  assert.ok(model.config.family === "layers");
  const lines = printGraph(inferenceGraph(model, { batch: 1, imageSize: model.config.imageSize })).split("\n");
  return lines.filter((line) => line.includes(" = ") && !line.includes("output")).map((line) => line.trim());
};

test("layers in place follow one another, and a batch norm takes the scale after it", () => {
  const text = `${input()}${conv("c", "num_output: 2 kernel_size: 1 bias_term: false")}
    layer { name: "bn" type: "BatchNorm" bottom: "c" top: "c" batch_norm_param { eps: 0.5 } }
    layer { name: "s" type: "Scale" bottom: "c" top: "c" scale_param { bias_term: true } }
    layer { name: "r" type: "ReLU" bottom: "c" top: "c" }${fc("fc", "c")}`;
  const layers = [
    layer("c", [2, 3, 1, 1]),
    layer("bn", [2], [2], [1]),
    layer("s", [2], [2]),
    layer("fc", [2, 128], [2]),
  ];
  assert.deepEqual(operations(text, layers), [
    "c: float32[1, 2, 8, 8] = conv2d(image, c.weight) {stride: 1, pad: 0, groups: 1}",
    "bn: float32[1, 2, 8, 8] = batchNorm(c, bn.weight, bn.bias, bn.running_mean, bn.running_var) {eps: 0.5}",
    "r: float32[1, 2, 8, 8] = relu(bn)",
    "fc/flatten: float32[1, 128] = flatten(r) #features",
    "fc: float32[1, 2] = linear(fc/flatten, fc.weight, fc.bias) #head",
  ]);
  const { weights } = load(text, layers);
  // The third blob, 3, divides the first two; gamma and beta are the scale's.
  const values = (name: string) => [...weights.get(name)!.data].map((value) => Math.round(value * 1000) / 1000);
  assert.deepEqual(values("bn.running_mean"), [0.333, 0.375]);
  assert.deepEqual(values("bn.running_var"), [0.667, 0.708]);
  assert.deepEqual(
    [values("bn.weight"), values("bn.bias")],
    [
      [1, 1.125],
      [2, 2.125],
    ],
  );
});

test("a batch norm that others read too keeps to itself, and a scale on its own is a convolution of each channel", () => {
  const text = `${input()}${line("bn", "BatchNorm")}${line("s", "Scale", "", "bn")}
    layer { name: "sum" type: "Eltwise" bottom: "s" bottom: "bn" top: "sum" }`;
  const [norm, scale, sum] = operations(text, [layer("bn", [3], [3], [1]), layer("s", [3])]);
  assert.match(norm!, /^bn: .* batchNorm\(image/);
  assert.match(scale!, /^s: .* conv2d\(bn, s.weight\) \{stride: 1, pad: 0, groups: 3\}/);
  assert.match(sum!, /add\(s, bn\)/);
});

test("Axpy is gate · branch + shortcut, and a scale of two inputs gate · x", () => {
  const gate = `${line("squeeze", "Pooling", "pooling_param { pool: AVE global_pooling: true }")}
    ${line("gate", "Sigmoid", "", "squeeze")}${line("branch", "ReLU")}`;
  const axpy = 'layer { name: "axpy" type: "Axpy" bottom: "gate" bottom: "branch" bottom: "data" top: "axpy" }';
  assert.match(operations(input() + gate + axpy)[3]!, /seScaleAdd\(gate, branch, image\)/);
  const scale = `${line("flat", "Reshape", "reshape_param { shape { dim: 0 dim: 0 } }", "gate")}
    layer { name: "s" type: "Scale" bottom: "branch" bottom: "flat" top: "s" scale_param { axis: 0 } }`;
  assert.match(operations(input() + gate + scale)[3]!, /seScale\(gate, branch\)/);
});

test("pooling rounds up unless told otherwise, and averages over the whole map are global", () => {
  const pooling = (parameters: string) =>
    operations(input(8) + line("p", "Pooling", `pooling_param { ${parameters} }`))[0]!;
  assert.match(pooling("kernel_size: 3 stride: 2"), /p: float32\[1, 3, 4, 4\] = maxPool.* ceil: true/);
  assert.match(pooling("kernel_size: 3 stride: 2 round_mode: FLOOR"), /\[1, 3, 3, 3\] = maxPool.* ceil: false/);
  assert.match(pooling("pool: AVE kernel_h: 8 kernel_w: 8"), /\[1, 3, 1, 1\] = globalAvgPool/);
  assert.match(pooling("pool: MAX global_pooling: true"), /\[1, 3, 1, 1\] = maxPool.* \{kernel: 8, /);
});

test("logits have two axes, whatever gives them", () => {
  const pooled = line("p", "Pooling", "pooling_param { pool: AVE global_pooling: true }");
  const { model } = load(input() + pooled);
  assert.equal(model.classes, 3);
  assert.match(operations(input() + pooled)[1]!, /p\/flatten: float32\[1, 3\] = flatten\(p\)/);
});

test("the test phase is taken; sources, the loss and what measures are left out", () => {
  const data = (phase: string, transform: string) =>
    `layer { name: "d" type: "Data" top: "x" top: "y" include { phase: ${phase} } transform_param { ${transform} } }\n`;
  const rest = `${line("r", "ReLU", "", "x")}${line("noise", "Dropout", "exclude { phase: TEST }", "r")}
    ${line("late", "ReLU", 'include { stage: "deploy" }', "r")}
    layer { name: "fc" type: "InnerProduct" bottom: "r" top: "fc" inner_product_param { num_output: 2 } }
    layer { name: "copy" type: "Split" bottom: "fc" top: "fc1" top: "fc2" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc1" bottom: "y" top: "loss" }
    layer { name: "right" type: "Accuracy" bottom: "fc2" bottom: "y" top: "right" include { phase: TEST } }`;
  const text =
    data("TRAIN", "crop_size: 4 mean_value: 9") +
    data("TEST", "crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.5") +
    rest;
  const { model, input: said, imageSize } = load(text, [layer("fc", [2, 192], [2])]);
  assert.ok(model.config.family === "layers");
  assert.deepEqual(
    model.config.layers.map(({ name }) => name),
    ["r", "fc/flatten", "fc"],
  );
  assert.deepEqual([model.config.imageSize, imageSize, said?.side], [8, 8, 8]);
  const { normalization, isData } = said!;
  assert.deepEqual([normalization, isData], [{ scale: 0.5, means: [1, 2, 3] }, true]);
  const named = load(text.replace(/(?:mean_value: [123] )+scale: 0.5/, 'mean_file: "m"'), [layer("fc", [2, 192], [2])]);
  assert.equal(named.input?.normalization?.meanFile, "m");
});

const shape = "shape { dim: 4 dim: 3 dim: 9 dim: 9 }";
const sizes = "channels: 3 height: 9 width: 9";
const sources: readonly (readonly [what: string, definition: string])[] = [
  ["input_dim", 'input: "data" input_dim: 4 input_dim: 3 input_dim: 9 input_dim: 9'],
  ["input_shape", `input: "data" input_${shape}`],
  ["Input", `layer { name: "d" type: "Input" top: "data" input_param { ${shape} } }`],
  [
    "DummyData",
    `layer { name: "d" type: "DummyData" top: "data" top: "label" dummy_data_param { ${shape} ${shape} } }`,
  ],
  ["DummyData of old", `layer { name: "d" type: "DummyData" top: "data" dummy_data_param { num: 4 ${sizes} } }`],
  ["MemoryData", `layer { name: "d" type: "MemoryData" top: "data" memory_data_param { batch_size: 4 ${sizes} } }`],
];
for (const [what, definition] of sources) {
  test(`pictures of ${what} are as large as it says, and square and coloured`, async () => {
    const pooled = `${definition}\n${line("p", "Pooling", "pooling_param { pool: AVE global_pooling: true }")}`;
    assert.equal(load(pooled).imageSize, 9);
    const oblong = pooled.replace(/9( \}| width: 9|$)/m, (_, after: string) => `8${after}`);
    assert.notEqual(oblong, pooled);
    await refused(() => load(oblong), "as high as wide");
    await refused(() => load(pooled.replace(/(dim: |channels: )3/, "$11")), "three channels");
  });
}

test("definitions of before 2014 are read too", () => {
  const text = `input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 4
    layers { name: "fc" type: INNER_PRODUCT bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
    layers { name: "r" type: RELU bottom: "fc" top: "fc" }
    layers { name: "loss" type: SOFTMAX_LOSS bottom: "fc" bottom: "data" top: "l" }`;
  const [product, relu, flatten] = operations(text, [layer("fc", [1, 1, 2, 48], [1, 1, 1, 2])]);
  assert.match(product!, /fc: float32\[1, 2, 1, 1\] = conv2d\(image, fc.weight, fc.bias\)/);
  assert.match(relu!, /relu\(fc\)/);
  assert.match(flatten!, /flatten\(r\)/);
});

test("what is not supported is refused by layer, type and line", async () => {
  await refused(() => load(input() + line("g", "Sigmoid")), 'layer "g"', "a yes or no for each class");
  const only = (text: string, ...parts: string[]) => refused(() => load(input() + text), "net.prototxt:2", ...parts);
  await only(line("up", "Deconvolution"), '"up"', '"Deconvolution"', "Convolution, InnerProduct", "Axpy");
  await only(line("odd", "constructor"), '"odd"', '"constructor"');
  await only(conv("c", "num_output: 2 kernel_size: 3 dilation: 2 dilation: 0"), '"c"', "dilation");
  await only(conv("c", "num_output: 2 kernel_size: 3 dilations: 2"), '"c"', '"convolution_param.dilations"');
  await only(line("r", "ReLU", "relu_parm { negative_slope: 0.1 }"), '"r"', '"relu_parm"');
  await only(line("b", "BatchNorm", "batch_norm_param { use_global_stats: false }"), '"b"', "use_global_stats");
  await only(line("p", "Pooling", "pooling_param { global_pooling: true kernel_size: 8 }"), '"p"', "global");
  await only(line("p", "Pooling", "pooling_param { kernel_size: 2 round_mode: NEAREST }"), '"p"', "NEAREST");
  await only(line("d", "Dropout", "dropout_param { scale_train: false }"), '"d"', "scale_train");
  await only(conv("c", "num_output: 2 kernel_size: 3 kernel_h: 3 kernel_w: 1"), '"c"', "kernel_size", "3, 3, 1");
  await only(conv("c", "num_output: 2 kernel_size: 3 kernel_size: 1 kernel_size: 1"), '"c"', "kernel_size", "3, 1, 1");
  await only(conv("c", "num_output: 2 kernel_h: 3"), '"c"', "kernel_size");
  await only(conv("c", "num_output: 2"), '"c"', "kernel_size");
  await only(conv("c", "num_output: 2 kernel_size: 1.5"), '"c"', "kernel_size");
  await only(conv("c", "kernel_size: 1"), '"c"', "num_output");
  await only(conv("c", "num_output: 2 kernel_size: 1 group: 2"), '"c"', "groups");
  await only(conv("c", "num_output: 2 kernel_size: 9"), '"c"', "does not fit");
  await only(line("r", "ReLU", "relu_param { negative_slope: 0.1 }"), '"r"', "negative_slope");
  await only(line("p", "Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 }"), '"p"', "STOCHASTIC");
  await only(line("p", "Pooling", "pooling_param { kernel_size: 2 pad: 2 }"), '"p"', "padding");
  await only(line("c", "Concat", "concat_param { axis: 2 }"), '"c"', "axis");
  await only(line("e", "Eltwise"), '"e"', "at least 2");
  await only(line("a", "Axpy"), '"a"', "3 bottoms");
  await only(line("r", "ReLU", "", "nothing"), '"r"', '"nothing"');
  await only(line("f", "Reshape", "reshape_param { shape { dim: 0 dim: 0 } }"), '"f"', "dim: 0 dim: 0");
  await only(line("image", "ReLU"), '"image"', "name");
  await only('layer { name: "r" type: "ReLU" bottom: "data" bottom: "data" top: "r" }', '"r"', "1 bottoms");
  await only('layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" }', '"s"', '"Slice"');
  const product =
    'layer { name: "e" type: "Eltwise" bottom: "data" bottom: "data" top: "e" eltwise_param { operation: PROD } }';
  await only(product, '"e"', "PROD");
  await only(product.replace("PROD", "SUM coeff: 1 coeff: -1"), '"e"', "coeff", "-1");
  await refused(() => load(`${input()}${line("a", "ReLU")}${line("b", "ReLU")}`), "several outputs", '"a", "b"');
  await refused(() => load(input()), "no layer");
  await refused(() => load(line("a", "ReLU")), '"data"');
  await refused(() => load(`${input().replace("input_dim: 3", "input_dim: 1")}${line("a", "ReLU")}`), "[1, 1, 8, 8]");
  const unsized = `layer { name: "d" type: "Data" top: "data" top: "label" }${line("a", "ReLU")}`;
  await refused(() => load(unsized), "how large");
  assert.equal(load(unsized, [], { imageSize: 16 }).model.classes, 3 * 16 * 16);
  await refused(
    () => load(unsized.replace('bottom: "data"', 'bottom: "label"'), [], { imageSize: 16 }),
    "neither a picture",
  );
  const doubled = Array.from({ length: 40 }, (_, i) => {
    const bottom = `bottom: "${i === 0 ? "data" : `c${i - 1}`}"`;
    return `layer { name: "c${i}" type: "Concat" ${bottom} ${bottom} top: "c${i}" }`;
  });
  await refused(() => load(input() + doubled.join("\n")), "too large");
});

test("weights that are missing, or another layer's, are refused", async () => {
  const text = `${input()}${conv("a", "num_output: 2 kernel_size: 1")}${conv("b", "num_output: 2 kernel_size: 1", "a")}`;
  await refused(() => load(text), "2 missing", "a (Convolution), 2 blobs", "b (Convolution)");
  const a = layer("a", [2, 3, 1, 1], [2]);
  await refused(() => load(text, [a]), "1 missing", "b (Convolution)");
  await refused(() => load(text, [a, layer("b", [2, 2, 1, 1])]), 'layer "b"', "2 blobs");
  await refused(() => load(text, [a, layer("b", [2, 3, 1, 1], [2])]), 'layer "b"', "[2, 2, 1, 1]", "[2, 3, 1, 1]");
  const { weights } = load(text, [a, layer("b", [2, 2, 1, 1], [1, 1, 1, 2]), layer("more", [1])]);
  assert.deepEqual(weights.get("b.bias")!.shape, [2]);
});

const text = new TextDecoder().decode(bytesOf(golden("foreign.prototxt")));
const { layers: shapes } = JSON.parse(new TextDecoder().decode(bytesOf(golden("foreign.json"))))[
  "foreign.prototxt"
] as {
  layers: { name: string; shapes: Shape[] }[];
};
const all = shapes.map(({ name, shapes }) => layer(name, ...shapes));

test("an imported network can be trained, and saved and read as any other", () => {
  const { model, weights } = load(text, all);
  const graph = differentiate(lossGraph(model, { batch: 2, imageSize: 13 }));
  assert.ok(graph.inputs.some(({ name }) => name === "drop.keep"));
  const rates = graph.nodes.flatMap(({ op, attrs }) => (op === "dropout" ? [attrs.rate] : []));
  assert.deepEqual(rates, [0.5, 0.5], "forward and backward");
  for (const parameter of graph.parameters.filter(isTrainable)) {
    const gradient = graph.outputs.get(gradientOf(parameter.name))!;
    assert.deepEqual(gradient.type, parameter.type);
    assert.ok(!gradient.name.endsWith(".zero"), parameter.name);
  }
  const preprocessing = {
    ...({ channels: "bgr", scale: 1, mean: [1, 2, 3], std: [1, 1, 1] } as const),
    ...({ resize: 13, crop: 13, interpolation: "bilinear" } as const),
  };
  const labels = ["a", "b", "c", "d", "e"];
  const bytes = new Uint8Array(Buffer.concat(encodeCheckpoint({ model, labels, preprocessing, weights })));
  const found = decodeCheckpoint(bytes, "small.safetensors");
  assert.deepEqual(found.model, model);
  assert.deepEqual(new Map(found.weights), new Map([...found.weights.keys()].map((name) => [name, weights.get(name)])));
});

test("a definition that was tampered with ends in an error of ours, or in a network", () => {
  const random = createRandom(1, 2);
  const words = text.split(/(?<=\s)/);
  let imported = 0;
  for (let i = 0; i < 400; i++) {
    const changed = [...words];
    for (let k = 0; k < 1 + random.below(3); k++) {
      changed[random.below(words.length)] = words[random.below(words.length)]!;
    }
    try {
      load(changed.join(""), all);
      imported++;
    } catch (error) {
      assert.ok(
        error instanceof Error && error.name === "SenetError",
        `${error instanceof Error ? error.stack : error}`,
      );
      assert.equal((error as Error & { code: string }).code, "weights", error.message);
    }
  }
  assert.ok(imported > 0);
});
