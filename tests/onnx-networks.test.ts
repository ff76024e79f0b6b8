/** ONNX networks by their graphs: PyTorch's exports, ours, values beside the model; and models in several files. */

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { SenetError } from "../src/errors.ts";
import { ortExecutor } from "../src/executors/ort/executor.node.ts";
import { encodeOnnx } from "../src/executors/ort/export.ts";
import { encodeSafetensors } from "../src/formats/safetensors-write.ts";
import { inferencePasses, runPasses } from "../src/passes/index.ts";
import type { Tensor } from "../src/tensor.ts";
import type { Checkpoint } from "../src/weights/checkpoint.ts";
import { openPaths, openWeights } from "../src/weights/open.node.ts";
import { openFiles } from "../src/weights/open.ts";
import { inferenceGraph, inputName, type Model, model, withAct } from "../src/zoo/index.ts";
import { temporaryFolder } from "./command.ts";
import { formulaPictures, formulaWeights } from "./formula.ts";
import { assertClose, golden } from "./support.ts";
import { bytesOf, floats, pickle, proto, refused, torchArchive } from "./weights.ts";

async function logitsOf(network: Model, weights: ReadonlyMap<string, Tensor>, pictures: Tensor): Promise<number[]> {
  const [batch, , side] = pictures.shape as [number, number, number];
  const graph = inferenceGraph(network, { batch, imageSize: side });
  const executable = await ortExecutor.compile(graph, weights);
  const outputs = await executable.run(new Map([[inputName, pictures]]));
  await executable.dispose();
  return Array.from([...outputs.values()][0]!.data);
}

interface Exported {
  readonly side: number;
  readonly logits: readonly number[];
}
const exported: Readonly<Record<string, Exported>> = JSON.parse(readFileSync(golden("onnx.json"), "utf8"));

for (const [name, { side, logits }] of Object.entries(exported)) {
  test(`golden/weights/onnx-${name}.onnx gives what PyTorch gave before the export`, async () => {
    const { checkpoint, preprocessingFrom } = await openPaths(golden("weights", `onnx-${name}.onnx`));
    assert.equal(checkpoint.model.classes, 5);
    assert.equal(checkpoint.preprocessing.crop, side);
    assert.match(preprocessingFrom, /usual for PyTorch/);
    const found = await logitsOf(checkpoint.model, checkpoint.weights, formulaPictures(2, side, 0));
    const largest = Math.max(...logits.map(Math.abs));
    assertClose(found, logits, 1e-5 * largest, name);
  });
}

test("our own exports open, with labels and pre-processing, and give what they were made of", async () => {
  const preprocessing = {
    ...({ channels: "bgr", scale: 1, mean: [1, 2, 3], std: [4, 5, 6] } as const),
    ...({ resize: 40, crop: 36, interpolation: "bicubic" } as const),
  };
  const network = model("se-resnet-20", 3);
  const side = 36;
  const graph = inferenceGraph(network, { batch: 1, imageSize: side });
  const weights = formulaWeights(graph);
  const program = runPasses({ graph, weights }, inferencePasses);
  const metadata = {
    model: JSON.stringify(network),
    labels: JSON.stringify(["cat", "dog", "newt"]),
    preprocessing: JSON.stringify({ ...preprocessing, crop: side }),
  };
  const bytes = encodeOnnx(program.graph, program.weights, metadata);
  const { checkpoint } = await openFiles([{ bytes, where: "own.onnx" }]);
  assert.equal(checkpoint.model.name, "se-resnet-20");
  assert.deepEqual(checkpoint.labels, ["cat", "dog", "newt"]);
  assert.deepEqual(checkpoint.preprocessing, { ...preprocessing, crop: side });
  const pictures = formulaPictures(1, side, 1);
  const truth = await logitsOf(network, weights, pictures);
  const found = await logitsOf(checkpoint.model, checkpoint.weights, pictures);
  assertClose(found, truth, 1e-5, "logits");
});

test("Mish comes back from softplus, tanh and a product; these by themselves are refused", async () => {
  const network = withAct(model("se-resnet-8", 3), "mish");
  const side = 16;
  const graph = inferenceGraph(network, { batch: 1, imageSize: side });
  const weights = formulaWeights(graph);
  const bytes = encodeOnnx(graph, weights, {});
  const { checkpoint } = await openFiles([{ bytes, where: "mish.onnx" }]);
  assert.match(JSON.stringify(checkpoint.model.config), /"kind":"mish"/);
  const pictures = formulaPictures(1, side, 1);
  const truth = await logitsOf(network, weights, pictures);
  const largest = Math.max(...truth.map(Math.abs));
  assertClose(await logitsOf(checkpoint.model, checkpoint.weights, pictures), truth, 1e-5 * largest, "logits");

  /** The first node of one operation as one of another. */
  const renamed = (from: string, to: string) => {
    const changed = Buffer.from(bytes);
    const field = (operation: string) => Buffer.from(`\x22${String.fromCharCode(operation.length)}${operation}`);
    const at = changed.indexOf(field(from));
    assert.ok(at > 0 && from.length === to.length);
    changed.set(field(to), at);
    return openFiles([{ bytes: changed, where: "mish.onnx" }]);
  };
  await assert.rejects(renamed("Tanh", "Relu"), /softplus, which is known within Mish only/);
  await assert.rejects(renamed("Softplus", "Identity"), /the tanh of a softplus, within Mish[\s\S]*another tanh/);
});

test("SiLU comes back from a product with its own sigmoid, gates stay gates", async () => {
  const network = withAct(model("se-resnet-8", 3), "silu");
  const graph = inferenceGraph(network, { batch: 1, imageSize: 16 });
  const weights = formulaWeights(graph);
  const { checkpoint } = await openFiles([{ bytes: encodeOnnx(graph, weights, {}), where: "silu.onnx" }]);
  const { config } = checkpoint.model;
  assert.ok(config.family === "layers");
  const count = (wanted: string) => config.layers.filter(({ kind }) => kind === wanted).length;
  const ops = (wanted: string) => graph.nodes.filter(({ op }) => op === wanted).length;
  assert.deepEqual([count("silu"), count("sigmoid")], [ops("silu"), ops("sigmoid")]);
  const pictures = formulaPictures(1, 16, 1);
  const truth = await logitsOf(network, weights, pictures);
  const largest = Math.max(...truth.map(Math.abs));
  assertClose(await logitsOf(checkpoint.model, checkpoint.weights, pictures), truth, 1e-5 * largest, "logits");
});

/** As exporters write it that fold nothing: batch norms, and the weights under the names that PyTorch gave them. */
function unfolded(network: Model, side: number): { bytes: Uint8Array; weights: Map<string, Tensor> } {
  const graph = inferenceGraph(network, { batch: 1, imageSize: side });
  const weights = formulaWeights(graph);
  return { bytes: encodeOnnx(graph, weights, {}), weights };
}

test("a graph whose tensors bear a known network's names is that network only where it computes the same", async () => {
  const zoo = model("se-resnet-20", 3);
  const { bytes } = unfolded(zoo, 36);
  const { checkpoint, naming, notes } = await openFiles([{ bytes, where: "net.onnx" }]);
  assert.deepEqual([checkpoint.model, naming, notes], [zoo, "timm", []]);

  // The same tensors, but with a ReLU before the gates.
  const other: Model = { ...zoo, config: { ...zoo.config, branchRelu: true } as Model["config"] };
  const otherwise = unfolded(other, 36);
  const opened = await openFiles([{ bytes: otherwise.bytes, where: "net.onnx" }]);
  assert.deepEqual(opened.notes, ["its graph differs from se-resnet-20: its graph is used"]);
  const pictures = formulaPictures(1, 36, 1);
  const truth = await logitsOf(other, otherwise.weights, pictures);
  const found = await logitsOf(opened.checkpoint.model, opened.checkpoint.weights, pictures);
  assertClose(found, truth, 1e-5 * Math.max(...truth.map(Math.abs)), "by its graph");
});

test("networks of grey pictures open by their graph", async () => {
  const config = { ...model("se-resnet-20").config, channels: 1 } as Model["config"];
  const network: Model = { name: "grey", config, classes: 3 };
  const graph = inferenceGraph(network, { batch: 1, imageSize: 36 });
  const weights = formulaWeights(graph);
  const program = runPasses({ graph, weights }, inferencePasses);
  const bytes = encodeOnnx(program.graph, program.weights, {});
  const { checkpoint } = await openFiles([{ bytes, where: "net.onnx" }]);
  assert.equal(checkpoint.preprocessing.channels, "grey");
  const { data } = formulaPictures(1, 36, 1);
  const pictures: Tensor = { dtype: "float32", shape: [1, 1, 36, 36], data: data.slice(0, 36 * 36) };
  const truth = await logitsOf(network, weights, pictures);
  const found = await logitsOf(checkpoint.model, checkpoint.weights, pictures);
  assertClose(found, truth, 1e-5 * Math.max(...truth.map(Math.abs)), "grey");
});

type Node = readonly [
  op: string,
  inputs: readonly string[],
  output: string,
  attributes?: Readonly<Record<string, readonly number[]>>,
];

/** A model of these nodes that takes `[1, 3, 8, 8]`. */
function onnx(
  nodes: readonly Node[],
  initialisers: readonly Uint8Array[],
  output: string,
  input = [1, 3, 8, 8],
): Uint8Array {
  const dims = input.map((extent) => [1, [[1, extent]]] as const);
  return proto([
    [1, 8],
    [
      7,
      [
        ...nodes.map(
          ([op, inputs, output, attributes = {}]) =>
            [
              1,
              [
                ...inputs.map((input) => [1, input] as const),
                [2, output] as const,
                [4, op] as const,
                ...Object.entries(attributes).map(
                  ([name, numbers]) =>
                    [
                      5,
                      [
                        [1, name],
                        [8, { packed: numbers }],
                        [20, 7],
                      ],
                    ] as const,
                ),
              ],
            ] as const,
        ),
        ...initialisers.map((bytes) => [5, bytes] as const),
        [
          11,
          [
            [1, "x"],
            [2, [[1, [[2, dims]]]]],
          ],
        ],
        [12, [[1, output]]],
      ],
    ],
  ] as never);
}
const initialiser = (name: string, shape: readonly number[], values: readonly number[]) =>
  proto([
    [1, { packed: shape }],
    [2, 1],
    [8, name],
    [9, floats(...values)],
  ]);

test("what a graph does beyond our layers is refused by its node", async () => {
  const open = (bytes: Uint8Array) => openFiles([{ bytes, where: "net.onnx" }]);
  const weights = initialiser("w", [2, 3], [1, 2, 3, 4, 5, 6]);
  const head: readonly Node[] = [
    ["GlobalAveragePool", ["a"], "b"],
    ["Flatten", ["b"], "c"],
    ["MatMul", ["c", "m"], "y"],
  ];
  const matrix = initialiser("m", [3, 2], [1, 4, 2, 5, 3, 6]);
  const plain = (op: string, ...inputs: string[]) =>
    onnx([[op, ["x", ...inputs], "a"], ...head], [matrix, weights], "y");
  const plainNodes: readonly Node[] = [["Relu", ["x"], "a"], ...head];
  const { checkpoint } = await open(plain("Relu"));
  assert.deepEqual(Array.from(checkpoint.weights.get("y.weight")!.data), [1, 2, 3, 4, 5, 6]);
  await refused(() => open(plain("Elu")), 'node "a"', '"Elu" cannot be imported', "Relu");
  for (const op of ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger"]) {
    await refused(
      () => open(plain(op)),
      'node "a"',
      "in eight bits",
      `found:    ${op}`,
      "senet quantize wrote is read",
    );
  }
  await refused(
    () => open(plain("Relu", "nowhere")).then(() => open(plain("Add", "nowhere"))),
    'node "a"',
    "nothing before it produces",
    '"nowhere"',
  );
  await refused(() => open(plain("Add", "w")), 'node "a"', "a number for each channel");
  await refused(() => open(plain("Mul", "x")), 'node "a"', "a gate");
  // Zeros that nothing has put there yet are not forgotten.
  const pads = (...numbers: number[]) => initialiser("p", [8], numbers);
  for (const [op, zeros, what] of [
    ["Add", pads(0, 0, 1, 0, 0, 0, 0, 0), "padded with zeros"],
    ["Concat", pads(0, 0, 0, 0, 0, 0, 1, 1), "padded with zeros"],
    ["Relu", pads(0, 1, 0, 0, 0, 1, 0, 0), "channels of zeros"],
    ["Add", pads(0, 1, 0, 0, 0, 1, 0, 0), "a sum of equal shapes"],
  ] as const) {
    const nodes: readonly Node[] = [["Pad", ["x", "p"], "q"], [op, ["q", "x"], "a"], ...head];
    await refused(() => open(onnx(nodes, [matrix, zeros], "y")), 'node "a"', what);
  }
  await refused(() => open(plain("Softmax")), "as the graph's output");
  await refused(() => open(onnx([["Relu", ["x"], "a"]], [], "z")), "no output");
  for (const extents of [
    [1, 3, 8, 9],
    [1, 8, 9, 3],
    [1, 3, 8],
  ]) {
    const bytes = onnx([["Relu", ["x"], "a"]], [], "a", extents);
    await refused(() => open(bytes), "not a square picture", `[${extents.join(", ")}]`);
  }
  const sigmoid: Node = ["Sigmoid", ["y"], "z"];
  await refused(() => open(onnx([...plainNodes, sigmoid], [matrix], "z")), "a yes or no for each class");
  await refused(
    () =>
      open(
        onnx(
          [
            ["Relu", ["x"], "a"],
            ["Relu", ["x"], "a"],
          ],
          [],
          "a",
        ),
      ),
    "two nodes",
    '"a"',
  );
});

test("pictures with their channels last, as TensorFlow has them, are transposed at once", async () => {
  const [toFirst, toLast] = [{ perm: [0, 3, 1, 2] }, { perm: [0, 2, 3, 1] }];
  const kernel = initialiser("k", [4, 3, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const [down, up] = [initialiser("d", [4, 1], [0.1, 0.2, 0.3, 0.4]), initialiser("u", [1, 4], [1, -1, 2, -2])];
  const matrix = initialiser("m", [4, 2], [1, 0, 0, 1, 1, 1, 2, 2]);
  const axes = (name: string, ...numbers: number[]) =>
    proto([
      [1, numbers.length],
      [2, 7],
      [8, name],
      [7, { packed: numbers }],
    ]);
  const head = (from: string): readonly Node[] => [
    ["GlobalAveragePool", [from], "b"],
    ["Squeeze", ["b", "s"], "c"],
    ["MatMul", ["c", "m"], "y"],
  ];
  // The gate as Keras has it, [N, 1, 1, C].
  const gated: readonly Node[] = [
    ["Transpose", ["x"], "t", toFirst],
    ["Conv", ["t", "k"], "a"],
    ["GlobalAveragePool", ["a"], "g"],
    ["Transpose", ["g"], "h", toLast],
    ["MatMul", ["h", "d"], "i"],
    ["Relu", ["i"], "j"],
    ["MatMul", ["j", "u"], "l"],
    ["Sigmoid", ["l"], "n"],
    ["Transpose", ["n"], "o", toFirst],
    ["Mul", ["a", "o"], "z"],
    ...head("z"),
  ];
  const plain: readonly Node[] = [
    ["Conv", ["x", "k"], "a"],
    ["GlobalAveragePool", ["a"], "g"],
    ["Flatten", ["g"], "h"],
    ["MatMul", ["h", "d"], "i"],
    ["Relu", ["i"], "j"],
    ["MatMul", ["j", "u"], "l"],
    ["Sigmoid", ["l"], "n"],
    ["Reshape", ["n", "r"], "o"],
    ["Mul", ["a", "o"], "z"],
    ...head("z"),
  ];
  const squeeze = axes("s", 2, 3);
  const open = (bytes: Uint8Array) => openFiles([{ bytes, where: "net.onnx" }]);
  const last = await open(onnx(gated, [kernel, down, up, matrix, squeeze], "y", [1, 8, 8, 3]));
  const first = await open(onnx(plain, [kernel, down, up, matrix, squeeze, axes("r", -1, 4, 1, 1)], "y"));
  assert.equal(last.checkpoint.preprocessing.crop, 8);
  const pictures = formulaPictures(2, 8, 0);
  const truth = await logitsOf(first.checkpoint.model, first.checkpoint.weights, pictures);
  assert.deepEqual(await logitsOf(last.checkpoint.model, last.checkpoint.weights, pictures), truth);

  const means: readonly Node[] = [
    ["ReduceMean", ["x"], "c", { axes: [1, 2], keepdims: [0] }],
    ["MatMul", ["c", "w"], "y"],
  ];
  const small = initialiser("w", [3, 2], [1, 2, 3, 4, 5, 6]);
  const reduced = await open(onnx(means, [small], "y", [1, 8, 8, 3]));
  const pooled: readonly Node[] = [
    ["ReduceMean", ["x"], "c", { axes: [2, 3], keepdims: [0] }],
    ["MatMul", ["c", "w"], "y"],
  ];
  const same = await open(onnx(pooled, [small], "y"));
  assert.deepEqual(reduced.checkpoint.model.config, same.checkpoint.model.config);

  await refused(() => open(onnx([["Relu", ["x"], "a"], ...head("a")], [matrix], "y", [1, 8, 8, 3])), "channels last");
  const across: Node = ["Transpose", ["x"], "a", { perm: [0, 1, 3, 2] }];
  await refused(() => open(onnx([across, ...head("a")], [matrix], "y")), "transposes axes", "0,1,3,2");
  const flat: readonly Node[] = [
    ["Transpose", ["x"], "a", toLast],
    ["Flatten", ["a"], "y"],
  ];
  await refused(() => open(onnx(flat, [], "y")), "channels last");
});

test("a bias of zeros that the exporter computes from a kernel's shape is a constant", async () => {
  // As torch.onnx.export(dynamo=True, optimize=False) writes convolutions without bias.
  const kernel = initialiser("k", [2, 3, 1, 1], [1, 2, 3, -4, 5, 6]);
  const constants = [kernel, initialiser("zero", [], [0]), initialiser("one", [1], [1])];
  const graph = (extents: Readonly<Record<string, readonly number[]>>): readonly Node[] => [
    ["Shape", ["k"], "s", extents],
    ["Expand", ["s", "one"], "t"],
    ["CastLike", ["zero", "x"], "z"],
    ["Expand", ["z", "t"], "b"],
    ["Conv", ["x", "k", "b"], "a"],
    ["GlobalAveragePool", ["a"], "p"],
    ["Flatten", ["p"], "y"],
  ];
  const open = (nodes: readonly Node[], more: readonly (typeof kernel)[] = []) =>
    openFiles([{ bytes: onnx(nodes, [...constants, ...more], "y"), where: "net.onnx" }]);
  const { weights } = (await open(graph({ start: [0], end: [1] }))).checkpoint;
  assert.deepEqual(Array.from(weights.get("a.weight")!.data), [1, 2, 3, -4, 5, 6]);
  assert.deepEqual(Array.from(weights.get("a.bias")?.data ?? [0, 0]), [0, 0]);
  // With all four dimensions it is no bias.
  await refused(() => open(graph({})), "net.onnx");
  const huge = initialiser("huge", [2], [2 ** 30, 2 ** 20]);
  const large: readonly Node[] = [["Expand", ["zero", "huge"], "b"], ...graph({}).slice(4)];
  await refused(() => open(large, [huge]), "net.onnx", "far more memory");
});

test("what a graph does to the picture itself is pre-processing", async () => {
  const kernel = initialiser("k", [2, 3, 1, 1], [1, 2, 3, -4, 5, 6]);
  const layers: readonly Node[] = [
    ["Conv", ["p", "k"], "a"],
    ["GlobalAveragePool", ["a"], "b"],
    ["Flatten", ["b"], "y"],
  ];
  const [mean, std] = [
    initialiser("mean", [1, 3, 1, 1], [0.485, 0.456, 0.406]),
    initialiser("std", [3, 1, 1], [0.229, 0.224, 0.225]),
  ];
  const [white, half, two] = [
    initialiser("white", [], [255]),
    initialiser("half", [1], [0.5]),
    initialiser("two", [1], [2]),
  ];
  const open = (nodes: readonly Node[], output = "y", input = [1, 3, 8, 8]) =>
    openFiles([{ bytes: onnx(nodes, [kernel, mean, std, white, half, two], output, input), where: "net.onnx" }]);
  const imagenet = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const bytes = { scale: 1, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };
  const normalized: readonly Node[] = [["Sub", ["x", "mean"], "c"], ["Div", ["c", "std"], "p"], ...layers];
  for (const [nodes, expected] of [
    [normalized, imagenet],
    [[["Div", ["x", "white"], "d"], ["Sub", ["d", "mean"], "c"], ["Div", ["c", "std"], "p"], ...layers], bytes],
    [
      [["Mul", ["two", "x"], "c"], ["Sub", ["c", "half"], "p"], ...layers],
      { scale: 255, mean: [0.25, 0.25, 0.25], std: [0.5, 0.5, 0.5] },
    ],
    [
      [["Cast", ["x"], "c"], ["Div", ["c", "white"], "p"], ...layers],
      { scale: 1, mean: [0, 0, 0], std: [255, 255, 255] },
    ],
  ] as const) {
    const { checkpoint, preprocessingFrom, notes } = await open(nodes);
    const { scale, mean, std } = checkpoint.preprocessing;
    assert.deepEqual({ scale, mean, std }, expected);
    assert.match(preprocessingFrom, /^its graph, and the rest from/);
    assert.match(notes.join(), /by a deviation itself/);
    assert.deepEqual(Array.from(checkpoint.weights.get("a.weight")!.data), [1, 2, 3, -4, 5, 6]);
  }
  // With channels last, their axis is the last.
  const wide = initialiser("wide", [3], [1, 2, 3]);
  const last: readonly Node[] = [
    ["Sub", ["x", "wide"], "c"],
    ["Transpose", ["c"], "p", { perm: [0, 3, 1, 2] }],
    ...layers,
  ];
  const tensorflow = await openFiles([{ bytes: onnx(last, [kernel, wide], "y", [1, 8, 8, 3]), where: "net.onnx" }]);
  assert.deepEqual(tensorflow.checkpoint.preprocessing.mean, [1, 2, 3]);
  await refused(
    () => openFiles([{ bytes: onnx([["Sub", ["x", "wide"], "p"], ...layers], [kernel, wide], "y"), where: "n" }]),
    "subtracts",
  );

  await refused(() => open([["Sub", ["half", "x"], "p"], ...layers]), "subtracts");
  await refused(
    () => open([...normalized.slice(0, -1), ["Div", ["b", "two"], "e"], ["Flatten", ["e"], "y"]]),
    "divides",
  );
  for (const [op, number] of [
    ["Mul", -1],
    ["Sub", Number.NaN],
  ] as const) {
    const by = initialiser("by", [1], [number]);
    await refused(
      () => openFiles([{ bytes: onnx([[op, ["x", "by"], "p"], ...layers], [kernel, by], "y"), where: "n" }]),
      "more than a mean and a deviation",
    );
  }
  const both: readonly Node[] = [
    ["Conv", ["x", "k"], "q"],
    ...normalized.slice(0, 3),
    ["Add", ["q", "a"], "s"],
    ["GlobalAveragePool", ["s"], "b"],
    ["Flatten", ["b"], "y"],
  ];
  await refused(() => open(both), 'node "a"', "normalised differently");
});

test("values beside an ONNX model are read from its folder, and from nowhere else", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "model", "sub"), { recursive: true });
  const values = floats(9, 1, 2, 3, 4, 5, 6);
  for (const file of ["secret", "model/data", "model/sub/data"]) writeFileSync(join(folder, file), values);
  symlinkSync(join(folder, "secret"), join(folder, "model", "link"));
  symlinkSync(join(folder, "model", "data"), join(folder, "model", "near"));
  const head: readonly Node[] = [
    ["GlobalAveragePool", ["x"], "b"],
    ["Flatten", ["b"], "c"],
    ["MatMul", ["c", "m"], "y"],
  ];
  const path = join(folder, "model", "net.onnx");
  const open = (entries: Readonly<Record<string, string>>) => {
    const external = Object.entries(entries).map(
      ([key, value]) =>
        [
          13,
          [
            [1, key],
            [2, value],
          ],
        ] as const,
    );
    const m = proto([[1, { packed: [3, 2] }], [2, 1], [8, "m"], ...external, [14, 1]] as never);
    writeFileSync(path, onnx(head, [m], "y"));
    return openWeights(path);
  };
  for (const location of ["data", "sub/data", "./data", "near"]) {
    const { weights } = await open({ location, offset: "4", length: "24" });
    assert.deepEqual(Array.from(weights.get("y.weight")!.data), [1, 3, 5, 2, 4, 6], location);
  }
  for (const location of [
    "../secret",
    join(folder, "secret"),
    "link",
    "sub/../../secret",
    "..\\secret",
    "C:/secret",
    "",
  ]) {
    await refused(() => open({ location, offset: "4" }), "not in its folder");
  }
  for (const [offset, length] of [
    ["8", "24"],
    ["4", "20"],
    ["-4", "24"],
    ["1e3", "24"],
    ["99999999999999999999", "24"],
  ] as const) {
    await refused(
      () => open({ location: "data", offset, length }),
      'initialiser "m"',
      "not in the file",
      `from ${offset}`,
    );
  }
  await assert.rejects(open({ location: "none" }), (error) => error instanceof SenetError && error.code === "io");
  await refused(() => open({ location: "sub" }), "not a file");
  await refused(() => openFiles([{ bytes: bytesOf(path), where: "net.onnx" }]), "which is missing");
});

test("values of an ONNX model that are given with it are taken, in a page too", async () => {
  const head: readonly Node[] = [
    ["GlobalAveragePool", ["x"], "b"],
    ["Flatten", ["b"], "c"],
    ["MatMul", ["c", "m"], "y"],
  ];
  const location = [
    [1, "location"],
    [2, "net.onnx.data"],
  ];
  const model = onnx(
    head,
    [
      proto([
        [1, { packed: [3, 2] }],
        [2, 1],
        [8, "m"],
        [13, location],
        [14, 1],
      ] as never),
    ],
    "y",
  );
  const data = floats(1, 2, 3, 4, 5, 6);
  const [folder, other] = [temporaryFolder(), temporaryFolder()];
  const paths = [join(folder, "net.onnx"), join(other, "net.onnx.data")];
  writeFileSync(paths[0]!, model);
  writeFileSync(paths[1]!, data);
  const given = [
    { bytes: data, where: "net.onnx.data" },
    { bytes: model, where: "net.onnx" },
  ];
  for (const { weights } of [(await openFiles(given)).checkpoint, await openWeights(paths)]) {
    assert.deepEqual(Array.from(weights.get("y.weight")!.data), [1, 3, 5, 2, 4, 6]);
  }
});

test("a model in several files opens by its index, by any of them, by all, and as PyTorch's", async () => {
  const folder = temporaryFolder();
  const network = model("se-resnet-20", 3);
  const weights = [...formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }))];
  const half = Math.floor(weights.length / 2);
  const parts = [new Map(weights.slice(0, half)), new Map(weights.slice(half))];
  const names = parts.map((_, i) => `model-0000${i + 1}-of-00002.safetensors`);
  const paths = names.map((name) => join(folder, name));
  parts.forEach((part, i) => {
    writeFileSync(paths[i]!, Buffer.concat(encodeSafetensors(part, new Map())));
  });
  const index = join(folder, "model.safetensors.index.json");
  const map = Object.fromEntries(parts.flatMap((part, i) => [...part.keys()].map((key) => [key, names[i]])));
  writeFileSync(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
  const isWhole = ({ model: found, weights: read }: Checkpoint) => {
    assert.equal(found.name, "se-resnet-20");
    for (const [name, { data }] of weights) assert.deepEqual(read.get(name)!.data, data);
  };
  for (const given of [index, paths[0]!, paths[1]!, paths, [index, ...paths]]) isWhole(await openWeights(given));
  // As a page has them: bytes with names.
  const inMemory = (...files: readonly string[]) =>
    files.map((file) => ({ bytes: bytesOf(file), where: basename(file) }));
  for (const given of [paths, [index, ...paths], [...paths, index], paths.toReversed()])
    isWhole((await openFiles(inMemory(...given))).checkpoint);
  await refused(() => openFiles(inMemory(index)), "2 of the 2 files", "give all of them");
  await refused(() => openFiles(inMemory(paths[1]!)), "1 of the 2 files", names[0]!);
  const odd = inMemory(...paths).map((file, i) => ({ ...file, where: ["b.safetensors", "a.safetensors"][i]! }));
  const oddMap = Object.fromEntries(Object.entries(map).map(([key, file]) => [key, odd[names.indexOf(file!)]!.where]));
  const oddIndex = { bytes: Buffer.from(JSON.stringify({ weight_map: oddMap })), where: "my.safetensors.index.json" };
  for (const given of [
    [...odd, oddIndex],
    [oddIndex, ...odd],
  ])
    isWhole((await openFiles(given)).checkpoint);
  writeFileSync(index, JSON.stringify({ weight_map: { ...map, "fc.scale": names[1] } }));
  await refused(() => openWeights(index), "lack 1 of the tensors", '"fc.scale"');
  writeFileSync(index, JSON.stringify({ weight_map: { ...map, "fc.bias": "model-00003-of-00003.safetensors" } }));
  await refused(() => openWeights(index), "1 of the 3 files", "model-00003-of-00003.safetensors", "fetch");
  for (const file of ["../secret.safetensors", "sub/x.safetensors"]) {
    writeFileSync(index, JSON.stringify({ weight_map: { a: file } }));
    await refused(() => openWeights(index), "missing");
  }
  writeFileSync(index, "{}");
  await refused(() => openWeights(index), "weight_map");
  const lone = join(folder, "other-00001-of-00003.safetensors");
  writeFileSync(lone, bytesOf(paths[0]!));
  await refused(() => openWeights(lone), "2 of the 3 files", "other-00002-of-00003.safetensors");

  parts.forEach((part, i) => {
    writeFileSync(join(folder, `pytorch_model-0000${i + 1}-of-00002.bin`), torchStateDict(part));
  });
  const torchMap = Object.fromEntries(
    parts.flatMap((part, i) => [...part.keys()].map((key) => [key, `pytorch_model-0000${i + 1}-of-00002.bin`])),
  );
  const torchIndex = join(folder, "pytorch_model.bin.index.json");
  writeFileSync(torchIndex, JSON.stringify({ weight_map: torchMap }));
  const fc = new Map(weights).get("fc.weight")!.data;
  assert.deepEqual((await openWeights(torchIndex)).weights.get("fc.weight")!.data, fc);

  // A folder is its index, whatever that is called; byte order marks do not count.
  for (const name of ["pytorch_model.bin.index.json", "mine.bin.index.json", "model.bin.index.fp16.json"]) {
    const alone = temporaryFolder();
    for (const part of new Set(Object.values(torchMap))) copyFileSync(join(folder, part), join(alone, part));
    writeFileSync(join(alone, name), `\ufeff${JSON.stringify({ weight_map: torchMap })}`);
    for (const path of [alone, join(alone, name)]) {
      assert.deepEqual((await openWeights(path)).weights.get("fc.weight")!.data, fc, name);
    }
  }
});

function torchStateDict(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const entries = [...tensors].map(([name, { shape, data }], i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((size, extent) => size * extent, 1));
    return { name, shape, strides, key: `${i}`, bytes: new Uint8Array(data.slice().buffer), length: data.length };
  });
  const value = pickle.dict(
    entries.map(({ name, shape, strides, key, length }) => [
      name,
      pickle.tensor(pickle.storage("FloatStorage", key, length), 0, shape, strides),
    ]),
  );
  return torchArchive(value, Object.fromEntries(entries.map(({ key, bytes }) => [key, bytes])));
}
