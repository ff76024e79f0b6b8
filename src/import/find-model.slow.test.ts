import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { caffeLayers } from "../../tests/caffe.ts";
import { isThorough, needsShared, sharedData } from "../../tests/support.ts";
import { refused } from "../../tests/weights.ts";
import { SenetError } from "../errors.ts";
import { parsePrototxt } from "../formats/prototxt.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { inferenceGraph, type Model, type ModelConfig, model, zoo } from "../zoo/index.ts";
import { findModel } from "./find-model.ts";
import { caffeSource, namingByName, torchName, type WeightSource, withDefinitions } from "./rename.ts";

/** Memory that all tensors share: only names and shapes matter here. */
const ground = new Float32Array(2 ** 25);
const anyTensor = (shape: Shape): Tensor => tensor(shape, ground.subarray(0, sizeOf(shape)));

function sourceOf(network: Model, naming: string, shaped: (shape: Shape) => Shape = (shape) => shape): WeightSource {
  const graph = inferenceGraph(network, { batch: 1, imageSize: 64 });
  const names = namingByName(naming);
  if (names.style === "caffe") return caffeSource(caffeLayers(graph, names, (shape) => anyTensor(shaped(shape))));
  const tensors = new Map(
    graph.parameters.map(({ name, role, type }) => [torchName(names, name, role)!, anyTensor(shaped(type.shape))]),
  );
  tensors.set("bn1.num_batches_tracked", tensor([], new Int32Array(1)));
  return { kind: "tensors", tensors };
}

function changed(name: string, config: Partial<Extract<ModelConfig, { family: "resnet" }>>, classes?: number): Model {
  const plain = model(name, classes);
  return { ...plain, config: { ...plain.config, ...config } as ModelConfig };
}

const find = (source: WeightSource, naming: string, name?: string): Model =>
  findModel(source, namingByName(naming), "file", name).model;

/** Hidden layers of at least eight units, as timm's. */
const eights = { se: { reduction: 8, bias: true, hidden: new Array<number>(9).fill(8) } };
const hidden34 = [3, 4, 6, 3].flatMap((depth, i) => new Array<number>(depth).fill([8, 8, 16, 32][i]!));
const eights34 = { se: { reduction: 16, bias: true, hidden: hidden34 } };
const nobias = { se: { reduction: 16, bias: false } };

/** Under each naming: the network that a file is made of, and the name of the one that is found. */
const released: readonly (readonly [naming: string, made: Model, found: string])[] = [
  ...[...zoo].filter(([, { published }]) => published).map(([name]) => ["caffe", model(name), name] as const),
  ...["se-resnet-50", "se-resnet-101", "se-resnet-152", "se-resnext-50", "se-resnext-101", "senet-154"].map(
    (name) => ["cadene", model(name), name] as const,
  ),
  // timm's legacy ones that it trained itself.
  ["cadene", changed("se-resnet-18", { branchRelu: true }), "se-resnet-18-branchrelu"],
  ["cadene", changed("se-resnet-34", { branchRelu: true }), "se-resnet-34-branchrelu"],
  ...["se-resnet-50-modern", "se-resnet-101-modern", "se-resnet-152-modern", "resnet-50-modern"].map(
    (name) => ["timm", model(name), name] as const,
  ),
  ["timm", changed("se-resnext-50", { pool: "padded" }), "se-resnext-50-paddedpool"],
  ["timm", changed("se-resnext-101", { pool: "padded" }), "se-resnext-101-paddedpool"],
  ["timm", changed("senet-154", { pool: "padded" }), "senet-154-paddedpool"],
  ["timm", model("se-resnet-20"), "se-resnet-20"],
  ...["se-resnet-18-d", "se-resnet-34-d", "se-resnet-50-d", "resnet-50-d"].map(
    (name) => ["timm", model(name), name] as const,
  ),
  ["timm", changed("se-resnet-34-d", eights34), "se-resnet-34-d-hidden8.16.32"],
  ["senet", model("se-resnet-50-d"), "se-resnet-50-d"],
  // Those that the list of the zoo leaves out; 50 and 152 layers are ImageNet's networks there.
  ["timm", model("se-resnet-44"), "se-resnet-44"],
  ["timm", model("resnet-8"), "resnet-8"],
  ["akamaster", changed("resnet-1202", { projection: "pad" }), "resnet-1202-padshortcut"],
  ["timm", model("resnet-50-cifar"), "resnet-50-cifar"],
  ["timm", model("se-resnet-152-cifar"), "se-resnet-152-cifar"],
  ["timm", changed("se-resnet-20", eights), "se-resnet-20-hidden8"],
  ["timm", changed("se-resnet-34", { pool: "padded", ...eights34 }), "se-resnet-34-paddedpool-hidden8.16.32"],
  ["timm", changed("resnet-20", { channels: 1 }), "resnet-20-1channels"],
  ["cadene", changed("se-resnet-50", { channels: 4 }), "se-resnet-50-4channels"],
  ["mmcls", model("se-resnet-50-modern"), "se-resnet-50-modern"],
  ["moskomule", model("moskomule-se-resnet-50"), "moskomule-se-resnet-50"],
  ["moskomule", model("moskomule-se-resnet-20-r8"), "moskomule-se-resnet-20-r8"],
  ["moskomule", changed("se-resnet-44", { se: { reduction: 8, bias: false } }), "se-resnet-44-r8-nobias"],
  ["shicai", model("shicai-se-resnet-50"), "shicai-se-resnet-50"],
  ["shicai", changed("se-resnet-101", { strideOn: "3x3" }), "se-resnet-101-stride3x3"],
  ["akamaster", changed("resnet-56", { projection: "pad" }), "resnet-56-padshortcut"],
  ["senet", model("se-bn-inception"), "se-bn-inception"],
];

/** The deep ones have the names of others, many times: the fast tests go without. */
const isAsked = (name: string) => isThorough || !/101|152|1202/.test(name);

for (const [naming, made, name] of released.filter(([, , name]) => isAsked(name))) {
  test(`${naming}: a file of ${name} is known by its shapes, for 1,000 and for 10 classes`, () => {
    for (const classes of [1000, 10]) {
      const found = find(sourceOf({ ...made, classes }, naming), naming);
      assert.deepEqual(found, { name, config: made.config, classes });
    }
  });
}

test("old files have all shapes with four axes", () => {
  const four = (shape: Shape) => [...new Array(4 - shape.length).fill(1), ...shape];
  assert.equal(find(sourceOf(model("se-resnet-50"), "caffe", four), "caffe").name, "se-resnet-50");
  assert.equal(find(sourceOf(model("se-bn-inception", 7), "caffe", four), "caffe").classes, 7);
});

test("where a Caffe file says which convolution has the stride, it is that one", () => {
  const prototxt = (conv: string) =>
    parsePrototxt(
      new TextEncoder().encode(
        `layer { name: "${conv}" type: "Convolution" convolution_param { num_output: 128 stride: 2 } }`,
      ),
      "net.prototxt",
    );
  const named = (naming: string, conv: string) =>
    find(withDefinitions(sourceOf(model("se-resnet-50"), naming), prototxt(conv)), naming).name;
  assert.equal(named("caffe", "conv3_1_1x1_reduce"), "se-resnet-50");
  assert.equal(named("caffe", "conv3_1_3x3"), "se-resnet-50-stride3x3");
  assert.equal(named("shicai", "conv3_1/x1"), "se-resnet-50");
  assert.equal(named("caffe", "conv4_2_3x3"), "se-resnet-50");
});

test("with the original prototxts, the released networks are what they are", needsShared("caffe"), () => {
  for (const [name, { published }] of zoo) {
    if (published === undefined) continue;
    const file = name.replace("senet", "SENet").replace("se-", "SE-").replace("resn", "ResN").replace("ext", "eXt");
    const path = sharedData("caffe", `${file.replace("bn-inc", "BN-Inc")}.prototxt`);
    const prototxt = parsePrototxt(new Uint8Array(readFileSync(path)), path);
    assert.deepEqual(find(withDefinitions(sourceOf(model(name), "caffe"), prototxt), "caffe"), model(name));
  }
});

test("a model that is asked for is taken if it fits, with what its file has of its own", async () => {
  const source = sourceOf(model("se-resnet-50", 12), "caffe");
  const asked = find(source, "caffe", "se-resnet-50");
  assert.deepEqual(asked, model("se-resnet-50", 12));
  await refused(
    () => find(source, "caffe", "se-resnet-101"),
    "not the weights of se-resnet-101 under the names of caffe",
  );
  assert.throws(
    () => find(source, "caffe", "se-resnet50"),
    (error) => error instanceof SenetError && error.code === "usage" && error.message.includes("se-resnet-50"),
  );
});

test("where a layer is missing, it alone is at fault", async () => {
  const source = sourceOf(changed("se-resnet-20", eights), "timm");
  assert.ok(source.kind === "tensors");
  const tensors = new Map(source.tensors);
  tensors.delete("layer2.1.se.fc1.weight");
  const error = await refused(
    () => find({ ...source, tensors }, "timm"),
    "incomplete: all that it has is of se-resnet-20-hidden8",
    "expected: 143 tensors",
    'found:    142, without "layer2.1.se.fc1.weight"',
  );
  assert.ok(!error.message.includes("layer1"), error.message);
  // With another fault as well, both are told.
  tensors.set("layer1.0.conv1.weight", tensor([16, 16, 1, 1], new Float32Array(256)));
  await refused(
    () => find({ ...source, tensors }, "timm"),
    "2 faults",
    "missing     layer2.1.se.fc1.weight",
    "misshapen",
  );
});

test("weights in TensorFlow's order of axes, or in PyTorch's where the other is known, say so", async () => {
  for (const [name, naming, turn, order] of [
    ["se-resnet-20", "timm", [2, 3, 1, 0], "OIHW"],
    // Which the file has in ours, as `sourceOf` makes it.
    ["tensorpack-resnet-18", "tensorpack", [0, 1, 2, 3], "HWIO"],
  ] as const) {
    const source = sourceOf(model(name), naming);
    assert.ok(source.kind === "tensors");
    const turned = [...source.tensors].map(([name, { shape, data }]): [string, Tensor] => {
      const isConv = shape.length === 4;
      return [name, tensor(isConv ? turn.map((axis) => shape[axis]!) : shape, data as Float32Array)];
    });
    await refused(() => find({ kind: "tensors", tensors: new Map(turned) }, naming), "another order of axes", order);
  }
});

test("a network that is not in the zoo: the nearest, and what is wrong with it", async () => {
  const source = sourceOf(changed("se-resnet-50", { depths: [3, 4, 7, 3] }), "cadene");
  await refused(
    () => find(source, "cadene"),
    "the nearest is se-resnet-50, as cadene names it",
    'unexpected  "layer3.6.conv1.weight"',
    "senet models",
  );
  const grouped = sourceOf(changed("se-resnet-50", { groups: 2 }), "cadene");
  await refused(() => find(grouped, "cadene"), "the nearest is se-resnet-50", "16 faults", "misshapen");
});

test("names that are not those that were said", async () => {
  const source = sourceOf(model("se-resnet-50"), "cadene");
  await refused(() => find(source, "timm"), "missing     conv1.weight", "the names look like those of cadene");
});

test("tensors of a network that nobody has under these names are not given a meaning", async () => {
  await refused(() => find(sourceOf(model("resnet-50"), "cadene"), "cadene"), "what it computes is not known");
  const wide = changed("se-resnet-50-modern", { groups: 1, stem: "imagenet", ...nobias });
  assert.equal(find(sourceOf(wide, "moskomule"), "moskomule").name, "moskomule-se-resnet-50");
  await refused(
    () => find(sourceOf(changed("se-resnext-50", nobias), "moskomule"), "moskomule"),
    "what it computes is not known",
  );
});
