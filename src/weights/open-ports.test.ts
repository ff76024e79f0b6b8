/** Files of the ports open as their networks without flags, and give what the ports' own code gives. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { mxnetSymbol } from "../../tests/mxnet-symbol.ts";
import {
  asNpz,
  asParams,
  type Listed,
  listedBy,
  needsPorts,
  portGolden,
  portLogits,
  portTensors,
  readList,
} from "../../tests/port-files.ts";
import { assertPortFacts } from "../../tests/ports.ts";
import { assertClose, needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, refused } from "../../tests/weights.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { parseNumpy } from "../formats/numpy.ts";
import { parseTorch } from "../formats/torch.ts";
import { findModel } from "../import/find-model.ts";
import { namingByName } from "../import/rename.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { Scope } from "../nn/scope.ts";
import { gate } from "../nn/se.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { epsOf } from "../zoo/families.ts";
import { model } from "../zoo/index.ts";
import { openFiles } from "./open.ts";

for (const [list, key, name, version] of [
  ["mxnet-cifar-se-resnet-20", "cifar se-resnet-20 preact", "bruinxiong-se-resnet-20-cifar", 0],
  ["mxnet-cifar-se-resnext-20", "cifar se-resnext-20", "bruinxiong-se-resnext-20-cifar", 1],
] as const) {
  test(`${name}: a .params opens, and gives MXNet's logits`, needsPorts(list), async () => {
    const { checkpoint, naming, notes } = await openFiles([asParams(portTensors(readList(list), "OIHW"), version)]);
    assert.deepEqual([checkpoint.model.name, naming, notes], [name, "bruinxiong", []]);
    assert.deepEqual(checkpoint.labels.slice(0, 2), ["airplane", "automobile"]);
    const { scale, mean, std, crop } = checkpoint.preprocessing;
    assert.deepEqual([scale, mean, std, crop], [1, [0, 0, 0], [1, 1, 1], 32]);
    // Whatever the file says: that gamma is fixed.
    assert.deepEqual([...checkpoint.weights.get("bn0.weight")!.data], [1, 1, 1]);
    const { input, logits } = portGolden("bruinxiong", key);
    const found = await portLogits(checkpoint, input);
    for (const [i, row] of logits.entries()) assertClose(found[i]!.slice(0, row.length), row, 1e-4, key);
  });
}

const nutszebra = "nutszebra-se-resnet-11";
const nutszebraTensors = () => portTensors(listedBy(model(nutszebra), "nutszebra"), "OIHW");

test(
  "nutszebra's npz opens with as many units as it has, and gives Chainer's logits",
  needsPorts("taki-se-resnext-29"),
  async () => {
    for (const [name, key] of [
      [nutszebra, "nutszebra-se-resnet n=1 r=4"],
      ["nutszebra-resnet-20", "nutszebra-resnet n=2"],
    ] as const) {
      const { checkpoint, naming } = await openFiles([asNpz(portTensors(listedBy(model(name), "nutszebra"), "OIHW"))]);
      assert.deepEqual([checkpoint.model.name, naming], [name, "nutszebra"]);
      const { input, logits } = portGolden("nutszebra", key);
      const found = await portLogits(checkpoint, input);
      for (const [i, row] of logits.entries()) assertClose(found[i]!, row, 1e-4, key);
    }
  },
);

test("pictures and classes of nutszebra's networks", async () => {
  const { checkpoint } = await openFiles([asNpz(nutszebraTensors())]);
  const { byPicture, crop, resize, scale } = checkpoint.preprocessing;
  assert.deepEqual([byPicture, crop, resize, scale], [10, 32, 32, 1]);
  assert.deepEqual(checkpoint.labels.slice(-2), ["ship", "truck"]);
  assert.equal(epsOf(checkpoint.model.config), 2e-5);
});

const trained = ["ports", "chainer", "nutszebra-n1-r8-60steps.model"];
test("a file that Chainer wrote opens, and gives Chainer's logits", needsShared(...trained), async () => {
  const { checkpoint, naming } = await openFiles([{ where: "net.model", bytes: bytesOf(sharedData(...trained)) }]);
  assert.deepEqual([checkpoint.model.name, naming], ["nutszebra-se-resnet-11-r8", "nutszebra"]);
  const golden = readFileSync(sharedData(...trained).replace(/model$/, "json"), "utf8");
  const { logits } = JSON.parse(golden) as { logits: readonly (readonly number[])[] };
  const found = await portLogits(checkpoint, [2, 3, 32]);
  for (const [i, row] of logits.entries()) assertClose(found[i]!, row, 1e-4, "logits");
});

const optimizer = ["ports", "chainer", "nutszebra-n1-r8-60steps.optimizer"];
test("the optimiser beside it is no network", needsShared(...optimizer), async () => {
  const bytes = bytesOf(sharedData(...optimizer));
  await refused(() => openFiles([{ where: "net.optimizer", bytes }]), "the state of an optimiser", ".model");
});

test("the snapshot of Chainer's trainer opens as its network", async () => {
  const inside = new Map([...nutszebraTensors()].map(([name, tensor]) => [`updater/model:main/${name}`, tensor]));
  const others = [...inside].map(([name, tensor]) => [name.replace("model", "optimizer"), tensor] as const);
  const { checkpoint } = await openFiles([asNpz(new Map([...inside, ...others]))]);
  assert.equal(checkpoint.model.name, nutszebra);
});

test("of a snapshot with several networks the main one is taken, with a word; two that are alike are refused", async () => {
  const under = (prefix: string) => [...nutszebraTensors()].map(([name, tensor]) => [prefix + name, tensor] as const);
  const teacher = new Map([...under("updater/model:main/predictor/"), ...under("updater/model:teacher/predictor/")]);
  const { checkpoint, notes } = await openFiles([asNpz(teacher)]);
  assert.equal(checkpoint.model.name, nutszebra);
  assert.match(
    notes.join(),
    /under "updater\/model:main\/predictor\/", and not the networks "updater\/model:teacher\/"/,
  );
  const two = new Map([...under("updater/model:main/gen/"), ...under("updater/model:main/dis/")]);
  const [name, { shape, data }] = [...two].at(-1)!;
  two.set(
    name,
    tensor(
      shape,
      Float32Array.from(data, (value) => value + 1),
    ),
  );
  await refused(() => openFiles([asNpz(two)]), "more than one network in this file", '"gen/", "dis/"');
  const nested = await openFiles([asNpz(new Map(under("tower0/")))]);
  assert.equal(nested.checkpoint.model.name, nutszebra);
});

test("a checkpoint of Keras's objects says what to do", async () => {
  const leaf = (name: string) => `layer_with_weights-0/${name}/.ATTRIBUTES/VARIABLE_VALUE`;
  const tensors = new Map(["kernel", "bias"].map((name) => [leaf(name), tensor([1], new Float32Array(1))]));
  await refused(() => openFiles([asNpz(tensors)]), "a checkpoint of Keras's objects", "2 variables", "tf2onnx");
});

for (const key of ["legacy", "zip"]) {
  const path = ["ports", "pytorch", `moskomule-se-resnet20-r8-${key}.pkl`];
  test(`moskomule's ${key} pkl opens, and gives PyTorch's logits`, needsShared(...path), async () => {
    const bytes = bytesOf(sharedData(...path));
    assertPortFacts((await parseTorch(bytes, "net.pkl")).tensors, path.at(-1)!);
    const { checkpoint } = await openFiles([{ where: "net.pkl", bytes }]);
    assert.equal(checkpoint.model.name, "moskomule-se-resnet-20-r8");
    const golden = readFileSync(sharedData("ports", "pytorch", "moskomule-se-resnet20-r8.json"), "utf8");
    const { logits } = JSON.parse(golden) as { logits: readonly (readonly number[])[] };
    const found = await portLogits(checkpoint, [2, 3, 32]);
    for (const [i, row] of logits.entries()) assertClose(found[i]!, row, 1e-4, "logits");
  });
}

test("moskomule's networks with the activation first", needsPorts("taki-se-resnext-29"), async () => {
  const name = "moskomule-preact-resnet-20";
  for (const prefix of ["", "module."]) {
    const tensors = portTensors(listedBy(model(name), "moskomule-preact"), "OIHW");
    const source = new Map([...tensors].map(([theirs, tensor]) => [prefix + theirs, tensor]));
    const { checkpoint, naming } = await openFiles([asNpz(source)]);
    assert.deepEqual([checkpoint.model.name, naming], [name, "moskomule-preact"]);
    const { input, logits } = portGolden("moskomule", "moskomule preact_resnet20 (baseline)");
    const found = await portLogits(checkpoint, input);
    for (const [i, row] of logits.entries()) assertClose(found[i]!, row, 1e-4, "logits");
  }
});

test("a name is each parameter's own, in every naming of a port", () => {
  for (const [name, naming] of [
    ["tensorpack-se-resnet-50", "tensorpack"],
    ["tensorpack-resnet-18", "tensorpack"],
    ["tensorpack-se-preact-resnet-50", "tensorpack-preact"],
    ["bruinxiong-se-inception-v4", "bruinxiong-inception-v4"],
    ["bruinxiong-se-inception-resnet-v2", "bruinxiong-inception-resnet-v2"],
    ["taki0112-se-resnext-29", "taki0112"],
    ["taki0112-se-inception-v4", "taki0112-inception-v4"],
    ["taki0112-se-inception-resnet-v2", "taki0112-inception-resnet-v2"],
    ["moskomule-se-preact-resnet-20", "moskomule-preact"],
    ["moskomule-se-inception-v3", "moskomule-inception-v3"],
  ] as const) {
    const listed = listedBy(model(name), naming);
    assert.equal(new Set(listed.map(({ name }) => name)).size, listed.length, name);
    assert.ok(
      listed.every(({ name }) => /^\w+(?:[/.]\w+)*$/.test(name) && !name.includes("undefined")),
      name,
    );
  }
});

/** Names and shapes as their code gives them, in lists. */
for (const [list, name, naming] of [
  ["tensorpack-se-resnet-50", "tensorpack-se-resnet-50", "tensorpack"],
  ["tensorpack-se-preact-resnet-50-july-2017", "tensorpack-se-preact-resnet-50", "tensorpack-preact"],
  ["mxnet-se-resnext-50-g64", "bruinxiong-se-resnext-50", "bruinxiong"],
  ["mxnet-se-resnext-18", "bruinxiong-se-resnext-18", "bruinxiong"],
  ["mxnet-se-resnet-50", "bruinxiong-se-resnet-50", "bruinxiong"],
  ["mxnet-se-inception-v4", "bruinxiong-se-inception-v4", "bruinxiong-inception-v4"],
  ["mxnet-se-inception-resnet-v2", "bruinxiong-se-inception-resnet-v2", "bruinxiong-inception-resnet-v2"],
  ["taki-se-inception-v4", "taki0112-se-inception-v4", "taki0112-inception-v4"],
  ["taki-se-inception-resnet-v2", "taki0112-se-inception-resnet-v2", "taki0112-inception-resnet-v2"],
] as const) {
  test(`${list}: our names for them are theirs, shape by shape`, needsPorts(list), () => {
    const shown = ({ name, shape }: Listed) =>
      `${name.replace(/^(?:arg|aux):/, "")} ${shape.filter((extent) => extent !== 1).join("x")}`;
    assert.deepEqual(listedBy(model(name), naming).map(shown).sort(), readList(list).map(shown).sort());
  });
}

const upscaler = ["ports", "chainer", "waifu2x-upresnet10-anime-scale-rgb"];
test(
  "gates that were really trained, by Chainer, come out as they did there",
  needsShared(`${upscaler.join("/")}.npz`),
  async () => {
    const { tensors } = await parseNumpy(bytesOf(`${sharedData(...upscaler)}.npz`), "upscaler.npz");
    const golden = JSON.parse(readFileSync(`${sharedData(...upscaler)}.golden.json`, "utf8")) as {
      readonly blocks: Readonly<
        Record<string, { readonly squeeze: readonly number[]; readonly gate: readonly number[] }>
      >;
    };
    assert.equal(Object.keys(golden.blocks).length, 5);
    for (const [name, { squeeze, gate: expected }] of Object.entries(golden.blocks)) {
      const builder = new GraphBuilder(name);
      const x = builder.input("x", [1, 64, 1, 1], "float32");
      const scope = new Scope(builder, { training: false, dtype: "float32" });
      builder.output("gate", gate(scope, x, { reduction: 4, bias: true }));
      const graph = builder.build();
      const weights = new Map(
        graph.parameters.map(({ name: own, type: { shape } }): [string, Tensor] => {
          const [layer, part] = own.split(".") as [string, string];
          const theirs = tensors.get(`${name}/${layer}/${part === "weight" ? "W" : "b"}`)!;
          return [own, tensor(shape, theirs.data)];
        }),
      );
      const executable = await referenceExecutor.compile(graph, weights);
      const input = tensor([1, 64, 1, 1], Float32Array.from(squeeze));
      assertClose((await executable.run(new Map([["x", input]]))).get("gate")!.data, expected, 1e-5, name);
      await executable.dispose();
    }
  },
);

test("a symbol.json of another network than the weights' is refused", async () => {
  const weights = asParams(portTensors(listedBy(model("bruinxiong-se-resnet-20-cifar"), "bruinxiong"), "OIHW"), 2);
  const symbol = mxnetSymbol([
    { name: "other", op: "Convolution", inputs: ["data"], options: { num_filter: "8", kernel: "(3, 3)" } },
    { name: "softmax", op: "SoftmaxOutput", inputs: ["other"] },
  ]);
  await assert.rejects(
    openFiles([weights, { where: "other-symbol.json", bytes: symbol }]),
    /the graph and the weights are of two networks.*"other_weight" first/s,
  );
});

test("a list of MXNet's without names is no network", async () => {
  const { bytes } = asParams(new Map([["0", tensor([2, 2], new Float32Array(4))]]), 0);
  await refused(
    () => openFiles([{ where: "list.params", bytes }]),
    "not the layers of a known network",
    '"0"',
    "-symbol.json",
  );
});

test("files of July 2017 and of August look the same, which is told", async () => {
  const name = "tensorpack-se-preact-resnet-50";
  const listed = listedBy(model(name), "tensorpack-preact");
  const ground = new Float32Array(2 ** 22).fill(0.01);
  const tensors = new Map(listed.map(({ name, shape }) => [name, tensor(shape, ground.subarray(0, sizeOf(shape)))]));
  const { model: found, alike } = findModel({ kind: "tensors", tensors }, namingByName("tensorpack-preact"), "net.npz");
  assert.deepEqual([found.name, alike], [name, [`${name}-july`]]);
  const post = listedBy(model("tensorpack-resnet-18"), "tensorpack");
  const others = new Map(post.map(({ name, shape }) => [name, tensor(shape, ground.subarray(0, sizeOf(shape)))]));
  assert.deepEqual(findModel({ kind: "tensors", tensors: others }, namingByName("tensorpack"), "net.npz").alike, []);
});
