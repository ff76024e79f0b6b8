import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { initialWeights } from "../weights/init.ts";
import { inferenceGraph, lossGraph, model, seOf, zoo, zooEntry } from "./index.ts";

test("every network is there, with squeeze and excitation and without", () => {
  const plain = [
    ...["18", "34", "50", "101", "152", "20", "32", "56", "110"].map((depth) => `resnet-${depth}`),
    ...["50", "101", "152"].map((depth) => `resnet-${depth}-modern`),
    ...["10", "18", "34", "50", "152"].map((depth) => `resnet-${depth}-d`),
    ...["26", "50", "101", "101-32x8d", "101-64x4d", "26-d", "26-t", "101-32x8d-d"].map((form) => `resnext-${form}`),
    ...["resnet-50-t", "bn-inception"],
  ];
  const all = [...plain, ...plain.map((name) => `se-${name}`), "senet-154", "wide-resnet-50-2"];
  const ours = [...zoo].filter(([, { port }]) => port === undefined);
  assert.deepEqual(ours.map(([name]) => name).sort(), all.sort());
  for (const [name, { config }] of ours) {
    assert.deepEqual(seOf(config), name.startsWith("se") ? { reduction: 16, bias: true } : undefined, name);
  }
});

test("an unknown model is refused with the nearest names", () => {
  const nearest = (name: string): string => {
    try {
      zooEntry(name);
    } catch (error) {
      assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
      assert.ok(error.message.includes(`there is no model "${name}"`), error.message);
      return error.details.hint!;
    }
    return assert.fail(`${name} was found`);
  };
  assert.match(nearest("seresnet50"), /^se-resnet-50, /);
  assert.match(nearest("se-resent-50"), /^se-resnet-50, /);
  assert.match(nearest("SE_ResNet_101"), /^se-resnet-101, /);
  assert.match(nearest("resnet-35"), /resnet-34/);
  // What every object has is no model.
  assert.match(nearest("constructor"), /senet models lists all/);
  assert.throws(() => model("toString"), SenetError);
});

test("any side from 32 pixels up works, for any number of classes", () => {
  for (const name of [
    "se-resnet-18",
    "se-resnet-50",
    "se-resnet-20",
    "resnet-34",
    "se-resnext-50",
    "senet-154",
    "se-resnet-18-d",
    "resnet-50-d",
    "se-bn-inception",
  ]) {
    for (const imageSize of [32, 33, 47, 64, 97, 225]) {
      for (const classes of [2, 11]) {
        const graph = inferenceGraph(model(name, classes), { batch: 3, imageSize });
        assert.deepEqual(graph.outputs.get("logits")!.type.shape, [3, classes], `${name} at ${imageSize}`);
      }
    }
  }
});

test("a side that is too small is refused by the operation that it does not fit", () => {
  // The 7x7 stem leaves one position of 2 pixels, too few for the 3x3 pooling.
  assert.throws(() => inferenceGraph(model("se-resnet-18"), { batch: 1, imageSize: 2 }), /maxpool \(maxPool\)/);
});

test("SE-ResNet-50 at 224 has the maps of the released model", () => {
  const graph = inferenceGraph(model("se-resnet-50"), { batch: 1, imageSize: 224 });
  const shape = (name: string) => graph.nodes.find((node) => node.name === name)!.outputs[0]!.type.shape;
  assert.deepEqual(shape("conv1"), [1, 64, 112, 112]);
  // Rounded up as in Caffe; 55 otherwise.
  assert.deepEqual(shape("maxpool"), [1, 64, 56, 56]);
  assert.deepEqual(shape("layer1.2.relu"), [1, 256, 56, 56]);
  assert.deepEqual(shape("layer2.3.relu"), [1, 512, 28, 28]);
  assert.deepEqual(shape("layer3.5.relu"), [1, 1024, 14, 14]);
  assert.deepEqual(shape("layer4.2.relu"), [1, 2048, 7, 7]);
  assert.deepEqual(shape("layer4.2.se.fc1"), [1, 128, 1, 1]);
  const blocks = (stage: number) =>
    graph.nodes.filter(({ name, op }) => op === "seScaleAdd" && name.startsWith(`layer${stage}.`)).length;
  assert.deepEqual([1, 2, 3, 4].map(blocks), [3, 4, 6, 3]);
});

test("the released SE-ResNets have the stride on the first 1x1", () => {
  const graph = inferenceGraph(model("se-resnet-50"), { batch: 1, imageSize: 64 });
  const stride = (name: string) => {
    const node = graph.nodes.find((candidate) => candidate.name === name)!;
    return node.op === "conv2d" ? node.attrs.stride : assert.fail(name);
  };
  assert.equal(stride("layer2.0.conv1"), 2);
  assert.equal(stride("layer2.0.conv2"), 1);
  assert.equal(stride("layer1.0.downsample.0"), 1);
});

test("the D networks average where a shortcut changes the shape, also at odd sides, and never leave a pixel out", () => {
  const graph = inferenceGraph(model("se-resnet-50-d"), { batch: 1, imageSize: 225 });
  const node = (name: string) => graph.nodes.find((candidate) => candidate.name === name);
  const shape = (name: string) => node(name)!.outputs[0]!.type.shape;
  assert.deepEqual(
    [1, 2, 3].map((n) => shape(`stem.conv${n}`)[1]),
    [32, 32, 64],
  );
  assert.deepEqual(shape("maxpool"), [1, 64, 57, 57]);
  assert.equal(node("layer1.0.downsample.0"), undefined);
  assert.deepEqual(node("layer2.0.downsample.0")!.attrs, { kernel: 2, stride: 2, pad: 0, ceil: true });
  assert.deepEqual(shape("layer2.0.downsample.0"), [1, 256, 29, 29]);
  assert.deepEqual(shape("layer2.0.downsample.2"), [1, 512, 29, 29]);
  const strides = graph.nodes.flatMap((each) => (each.op === "conv2d" && each.attrs.stride !== 1 ? [each.name] : []));
  assert.deepEqual(strides, ["stem.conv1", ...[2, 3, 4].map((stage) => `layer${stage}.0.conv2`)]);
});

test("a fresh block of a D network passes its shortcut on; those of the others do not", () => {
  const fresh = (name: string) => {
    const graph = lossGraph(model(name, 3), { batch: 2, imageSize: 32 });
    // To draw all weights takes seconds.
    const gammas = graph.parameters.filter(({ role }) => role === "gamma");
    return { graph, weights: initialWeights({ ...graph, parameters: gammas }, 1) };
  };
  for (const [name, last] of [
    ["se-resnet-18-d", "bn2"],
    ["resnet-50-d", "bn3"],
  ] as const) {
    const { graph, weights } = fresh(name);
    const zero = [...weights].flatMap(([parameter, { data }]) =>
      /bn\d\.weight$/.test(parameter) && data.every((value) => value === 0) ? [parameter] : [],
    );
    const blocks = new Set(graph.nodes.flatMap(({ block }) => (block === undefined ? [] : [block.name])));
    assert.deepEqual(
      zero,
      [...blocks].map((block) => `${block}.${last}.weight`),
      name,
    );
  }
  const { weights: plain } = fresh("se-resnet-18");
  assert.ok(plain.size > 8 && [...plain.values()].every(({ data }) => data.every((value) => value === 1)));
});

test("the loss graph has a scalar loss, targets, and an update for each running statistic", () => {
  const graph = lossGraph(model("se-resnet-20", 5), { batch: 4, imageSize: 32 });
  assert.deepEqual(graph.outputs.get("loss")!.type.shape, []);
  assert.deepEqual(graph.outputs.get("logits")!.type.shape, [4, 5]);
  assert.deepEqual(
    graph.inputs.map(({ name, type }) => [name, type.dtype, type.shape]),
    [
      ["image", "float32", [4, 3, 32, 32]],
      ["targets", "float32", [4, 5]],
    ],
  );
  const running = graph.parameters.filter(({ role }) => role === "mean" || role === "variance");
  assert.deepEqual(new Set(graph.updates.keys()), new Set(running));
  assert.equal(graph.nodes.at(-1)!.op, "softmaxCrossEntropy");
  const binary = lossGraph(model("se-resnet-20", 5), { batch: 4, imageSize: 32, loss: "binaryCrossEntropy" });
  assert.equal(binary.nodes.at(-1)!.op, "binaryCrossEntropy");
});

test("both graphs of a model have the same parameters, so that weights move between them", () => {
  for (const name of ["se-resnet-20", "resnet-50"]) {
    const describe = (graph: ReturnType<typeof inferenceGraph>) =>
      graph.parameters.map((p) => `${p.name} ${p.role} ${p.type.dtype}[${p.type.shape}]`);
    assert.deepEqual(
      describe(inferenceGraph(model(name), { batch: 1, imageSize: 64 })),
      describe(lossGraph(model(name), { batch: 8, imageSize: 32 })),
    );
  }
});
