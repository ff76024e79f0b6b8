import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { asMatconvnet, listedNames, matSources, releasedLists } from "../../tests/matconvnet.ts";
import { type MatSource, matlab5 } from "../../tests/ports.ts";
import { assertClose, isThorough, needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused } from "../../tests/weights.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { matconvnetIn } from "../formats/matconvnet.ts";
import { parseMatlab5 } from "../formats/matlab5.ts";
import { parseMatlab73 } from "../formats/matlab73.ts";
import { imagenetLabels } from "../import/imagenet-classes.ts";
import { importMatconvnet } from "../import/matconvnet-network.ts";
import { namingByName, torchName } from "../import/rename.ts";
import type { Tensor } from "../tensor.ts";
import { inferenceGraph, inputName, type Model, model, parametersOf } from "../zoo/index.ts";
import { openFiles } from "./open.ts";

const open = (bytes: Uint8Array) => openFiles([{ bytes, where: "net.mat" }]);

async function logitsOf(model: Model, weights: ReadonlyMap<string, Tensor>, side: number) {
  const graph = inferenceGraph(model, { batch: 1, imageSize: side });
  const network = await referenceExecutor.compile(graph, weights);
  try {
    return (await network.run(new Map([[inputName, formulaPictures(1, side, 0)]]))).get("logits")!.data.slice();
  } finally {
    await network.dispose();
  }
}

const small = model("se-resnet-20", 1000);
const smallWeights = formulaWeights(inferenceGraph(small, { batch: 1, imageSize: 32 }));

test("a file of MatConvNet's opens as the zoo's network, red first, with the challenge's order of classes", async () => {
  const bytes = matlab5(matSources(asMatconvnet(small, smallWeights, 32)), true);
  const { checkpoint, naming, format, notes, preprocessingFrom } = await open(bytes);
  assert.deepEqual(
    [checkpoint.model.name, naming, format, preprocessingFrom, notes],
    ["se-resnet-20", "matconvnet", "matlab", "the file", []],
  );
  assert.deepEqual(checkpoint.preprocessing, {
    channels: "rgb",
    scale: 1,
    mean: [123, 117, 104],
    std: [1, 1, 1],
    resize: 32,
    crop: 32,
    interpolation: "bicubic",
  });
  // Whatever meta.classes says.
  assert.deepEqual(checkpoint.labels, imagenetLabels("devkit"));
  const logits = await logitsOf(checkpoint.model, checkpoint.weights, 32);
  // Sigma squared is rounded otherwise than the variance.
  assertClose(logits, await logitsOf(small, smallWeights, 32), 1e-5, "logits");
});

test("the layers are obeyed where they are others than the zoo's", async () => {
  const net = asMatconvnet(small, smallWeights, 32);
  const changed = net.layers.map((layer) =>
    layer.type === "dagnn.Axpy" ? { ...layer, inputs: [layer.inputs[0]!, layer.inputs[2]!, layer.inputs[1]!] } : layer,
  );
  const { checkpoint, notes } = await open(matlab5(matSources({ ...net, layers: changed })));
  assert.equal(checkpoint.model.config.family, "layers");
  assert.match(notes.join(), /its layers differ from se-resnet-20: its layers are used/);
  assert.deepEqual(checkpoint.labels, imagenetLabels("devkit"));
});

test("an unknown type of layer is named", async () => {
  const net = asMatconvnet(small, smallWeights, 32);
  const layers = net.layers.map((layer) =>
    layer.name === "conv2_1_relu" || layer.type === "dagnn.Sigmoid" ? { ...layer, type: "dagnn.LRN" } : layer,
  );
  await refused(() => open(matlab5(matSources({ ...net, layers }))), "(dagnn.LRN)", "cannot be imported", "dagnn.Conv");
});

test("a network that ends before its classifier is called a part", async () => {
  const net = asMatconvnet(small, smallWeights, 32);
  const first = net.layers.slice(
    0,
    net.layers.findIndex(({ type }) => type === "dagnn.GlobalPooling"),
  );
  const bytes = matlab5(matSources({ ...net, layers: first }));
  await refused(() => open(bytes), "a part of a network, which ends before its classifier", "[1, 16, 32, 32]");
});

test("a chain of a SimpleNN: means without the padding, a window that differs by side", async () => {
  const conv = (weights: MatSource, more: Readonly<Record<string, MatSource>> = {}): MatSource => ({
    structs: [{ type: { text: "conv" }, weights: { cell: [weights] }, ...more }],
  });
  const ones = (...shape: number[]): MatSource => ({
    numbers: new Array<number>(shape.reduce((a, b) => a * b)).fill(1),
    shape,
    single: true,
  });
  const layers: MatSource = {
    cell: [
      conv(ones(1, 3, 3, 2), { pad: { numbers: [0, 0, 1, 1] } }),
      {
        structs: [
          { type: { text: "pool" }, method: { text: "avg" }, pool: { numbers: [3, 3] }, pad: { numbers: [1] } },
        ],
      },
      { structs: [{ type: { text: "pool" }, method: { text: "avg" }, pool: { numbers: [4, 4] } }] },
      conv(ones(1, 1, 2, 2)),
      { structs: [{ type: { text: "softmaxloss" } }] },
    ],
  };
  const meta: MatSource = { structs: [{ normalization: { structs: [{ imageSize: { numbers: [4, 4, 3] } }] } }] };
  const variables = { net: { structs: [{ layers, meta }] } } as const;
  const { checkpoint } = await open(matlab5(variables));
  const { config } = checkpoint.model;
  assert.ok(config.family === "layers");
  assert.deepEqual(
    config.layers.map(({ kind }) => kind),
    ["conv", "avgPool", "globalAvgPool", "flatten", "linear"],
  );
  // Of pictures of ones each row is 6, 9, 9, 6; the means of rows of those without the padding are 7.5, 8, 8, 7.5.
  const graph = inferenceGraph(checkpoint.model, { batch: 1, imageSize: 4 });
  const network = await referenceExecutor.compile(graph, checkpoint.weights);
  const picture: Tensor = { dtype: "float32", shape: [1, 3, 4, 4], data: new Float32Array(48).fill(1) };
  const { data } = (await network.run(new Map([[inputName, picture]]))).get("logits")!;
  assertClose(data, [15.5, 15.5], 1e-6, "logits");
  await network.dispose();
});

test("a SimpleNN says the size of its pictures in one of several places; their channels its first filters know too", async () => {
  const filters: MatSource = { numbers: new Array<number>(4 * 4 * 3).fill(0.5), shape: [4, 4, 1, 3], single: true };
  const biases: MatSource = { numbers: [1, 2, 3], single: true };
  const none: MatSource = { numbers: [], shape: [0, 0] };
  const struct = (fields: Readonly<Record<string, MatSource>>): MatSource => ({ structs: [fields] });
  const loss = struct({ type: { text: "softmaxloss" } });
  const net = (layer: MatSource, more: Readonly<Record<string, MatSource>>, ...others: MatSource[]) =>
    matlab5({ net: struct({ layers: { cell: [layer, ...others, loss] }, ...more }) });
  const size = (...numbers: number[]): MatSource => ({ numbers });
  const conv = (fields: Readonly<Record<string, MatSource>>) => struct({ type: { text: "conv" }, ...fields });
  const withBias = conv({ weights: { cell: [filters, biases] } });
  for (const [what, bytes, hasBias] of [
    ["meta.inputSize", net(withBias, { meta: struct({ inputSize: size(4, 4, 1) }) }), true],
    ["meta.inputs", net(withBias, { meta: struct({ inputs: struct({ size: size(4, 4, 1, 10) }) }) }), true],
    ["no channels", net(withBias, { meta: struct({ inputSize: size(4, 4) }) }), true],
    [
      "no biases",
      net(conv({ weights: { cell: [filters, none] } }), {
        meta: struct({ normalization: struct({ imageSize: size(4, 4, 1) }) }),
      }),
      false,
    ],
    ["before 2015", net(conv({ filters, biases }), { normalization: struct({ imageSize: size(4, 4) }) }), true],
  ] as const) {
    const { checkpoint, notes } = await open(bytes);
    const { config } = checkpoint.model;
    assert.ok(config.family === "layers", what);
    assert.deepEqual([config.imageSize, config.channels, checkpoint.preprocessing.crop, notes], [4, 1, 4, []], what);
    assert.equal(checkpoint.model.classes, 3);
    assert.equal(
      [...checkpoint.weights.keys()].some((name) => name.endsWith(".bias")),
      hasBias,
      what,
    );
  }
  // Of a network that says nothing at all, one thing is assumed, which is told.
  const each: MatSource = { numbers: [1, 2, 3], shape: [1, 1, 1, 3], single: true };
  const pool = struct({ type: { text: "pool" }, method: { text: "avg" }, pool: size(224, 224) });
  const untold = net(conv({ weights: { cell: [each] } }), {}, pool);
  const found = importMatconvnet(matconvnetIn(await parseMatlab5(untold, "f"), "f"), "f");
  assert.ok(found.model.config.family === "layers");
  assert.deepEqual([found.model.config.channels, found.imageSize], [1, 224]);
  assert.match(found.notes.join(), /224 by 224 pixels are assumed/);
});

const pyramid = ["ports", "matconvnet", "net_91_167.mat"];
// A second to unpack.
if (isThorough) {
  test("a real network that is no classifier names what is not understood", needsShared(...pyramid), async () => {
    const net = matconvnetIn(await parseMatlab73(bytesOf(sharedData(...pyramid)), "net"), "net.mat");
    await refused(() => importMatconvnet(net, "net.mat"), "net.mat: layer");
  });
}

for (const { ours, theirs, options, read } of releasedLists) {
  test(`${theirs}: each parameter has its name in MatConvNet's file`, options, () => {
    const listed = listedNames(read()).map((name) => name.replace(/_moments$/, "_mean"));
    const naming = namingByName("matconvnet");
    const named = parametersOf(model(ours))
      .filter(({ role }) => role !== "variance")
      .map(({ name, role }) => (naming.style === "torch" ? torchName(naming, name, role) : undefined));
    assert.deepEqual(named.sort(), listed.sort());
  });
}
