import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { senetHere, temporaryFolder } from "../../tests/command.ts";
import { formulaWeights } from "../../tests/formula.ts";
import { asMatconvnet, matSources } from "../../tests/matconvnet.ts";
import { matlab5 } from "../../tests/ports.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { imagenetLabels } from "../import/imagenet-classes.ts";
import { namingByName } from "../import/rename.ts";
import type { Tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { encodeWeights } from "../weights/encode.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { agreementOf, noisePictures } from "./agreement.ts";

const network = model("se-resnet-20", 1000);
const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
const naming = namingByName("caffe");
const caffe: Checkpoint = {
  model: network,
  labels: imagenetLabels("devkit"),
  preprocessing: naming.preprocessing(network.config),
  weights,
};

/** With one value of a tensor changed. */
function changed(name: string, by: number): Checkpoint {
  const tensor: Tensor = weights.get(name)!;
  const data = Float32Array.from(tensor.data);
  data[0]! += by;
  return { ...caffe, weights: new Map([...weights, [name, { ...tensor, data }]]) };
}
/** As MatConvNet has them: the first convolution takes red first. */
const stem = weights.get("conv1.weight")!;
const redFirst = new Map(weights).set("conv1.weight", {
  ...stem,
  data: stem.data.map((_, i) => stem.data[i - (Math.floor(i / 9) % 3) * 9 + (2 - (Math.floor(i / 9) % 3)) * 9]!),
});
const compare = (a: Checkpoint, b: Checkpoint) => agreementOf(a, b, noisePictures(32), ortExecutor);

test("a network agrees with itself, in all layers", async () => {
  const { agrees, layers, first, logits, notes } = await compare(caffe, caffe);
  assert.deepEqual([agrees, first, logits, notes], [true, undefined, 0, []]);
  assert.equal(layers, inferenceGraph(network, { batch: 1, imageSize: 32 }).nodes.length);
});

for (const name of ["layer2.1.bn2.weight", "layer3.0.se.fc1.weight", "conv1.weight", "fc.bias"]) {
  test(`the first layer that differs is the one whose ${name} was changed`, async () => {
    const { agrees, first } = await compare(caffe, changed(name, 3));
    assert.equal(agrees, false);
    const layer = name.slice(0, name.lastIndexOf("."));
    assert.deepEqual([first?.a, first?.b], [layer, layer]);
    assert.ok(first!.difference > 1e-4);
  });
}

test("a tensor that differs where the pictures do not show it is told", async () => {
  // A channel that is closed by its batch norm: what the next layer makes of it is of no consequence.
  const closed = new Map(weights);
  for (const name of ["layer1.0.bn1.weight", "layer1.0.bn1.bias"]) {
    const { data, ...rest } = closed.get(name)!;
    closed.set(name, { ...rest, data: Float32Array.from(data, (value, i) => (i === 0 ? 0 : value)) });
  }
  const { data, ...rest } = closed.get("layer1.0.conv2.weight")!;
  const changedKernel = { ...rest, data: Float32Array.from(data, (value, i) => (i === 0 ? value + 5 : value)) };
  const other = new Map(closed).set("layer1.0.conv2.weight", changedKernel);
  const { agrees, notes } = await compare({ ...caffe, weights: closed }, { ...caffe, weights: other });
  assert.equal(agrees, true);
  assert.deepEqual(notes, ["one tensor differs, which these pictures do not show: layer1.0.conv2.weight"]);
});

test("networks that are built differently from some layer on are compared up to there", async () => {
  const shorter = { ...network, config: { ...network.config, depths: [3, 3, 2] } as typeof network.config };
  const graph = inferenceGraph(shorter, { batch: 1, imageSize: 32 });
  const short: Checkpoint = {
    ...{ ...caffe, model: shorter },
    weights: new Map(graph.parameters.map(({ name }) => [name, weights.get(name)!])),
  };
  const same = await compare(short, caffe);
  assert.deepEqual([same.agrees, same.first], [false, undefined]);
  assert.match(
    same.notes.join(),
    /^from \S+ on they are built differently: the layers before it and the results are compared/,
  );
  assert.ok(same.layers > 30, `${same.layers}`);
  const other = await compare(short, changed("layer2.0.conv1.weight", 3));
  assert.match(other.first!.a, /^layer2\.0\.relu1$/);
  const narrow = { ...network, config: { ...network.config, widths: [8, 16, 32] } as typeof network.config };
  const different: Checkpoint = {
    ...{ ...caffe, model: narrow },
    weights: formulaWeights(inferenceGraph(narrow, { batch: 1, imageSize: 32 })),
  };
  const none = await compare(caffe, different);
  assert.deepEqual([none.layers, none.agrees], [0, false]);
  assert.match(none.notes.join(), /of different kinds: only the results are compared/);
});

test("the classes of one are in another order: that is made up for", async () => {
  const labels = imagenetLabels("sorted");
  const places = new Map(caffe.labels.map((label, i) => [label, i]));
  const sorted = (name: string): readonly [string, Tensor] => {
    const { data, ...tensor } = weights.get(name)!;
    const width = data.length / 1000;
    const rows = labels.flatMap((label) => [
      ...data.subarray(places.get(label)! * width, (places.get(label)! + 1) * width),
    ]);
    return [name, { ...tensor, data: Float32Array.from(rows) }];
  };
  const other = { ...caffe, labels, weights: new Map([...weights, sorted("fc.weight"), sorted("fc.bias")]) };
  const { logits, notes } = await compare(caffe, other);
  assert.deepEqual(notes, ["their classes are in a different order, which is allowed for"]);
  assert.ok(logits < 1e-6, `${logits}`);
});

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const write = (name: string, checkpoint: Checkpoint, to: string) =>
  writeFileSync(at(name), Buffer.concat(encodeWeights(checkpoint, namingByName(to))));
write("a.caffemodel", caffe, "caffe");
write("b.safetensors", changed("layer2.1.bn2.weight", 3), "timm");
writeFileSync(at("c.mat"), matlab5(matSources(asMatconvnet(network, redFirst, 32)), true));

test("a Caffe file and MatConvNet's, whose pictures are red first, agree", async () => {
  const { code, stdout, stderr } = await senetHere(["verify", at("a.caffemodel"), at("c.mat")]);
  assert.match(stdout, /^they agree: \d+ layers within 0.0001, logits differ by/);
  assert.equal(code, 0);
  assert.match(stderr, /prepare pictures differently/);
});

test("what differs is named, with exit code 1, for programs too", async () => {
  const { code, stdout } = await senetHere(["verify", at("a.caffemodel"), at("b.safetensors"), "--json"]);
  assert.equal(code, 1);
  const found = JSON.parse(stdout);
  assert.deepEqual(
    [found.agrees, found.first.a, found.first.op, found.pictures],
    [false, "layer2.1.bn2", "batchNorm", 2],
  );
  const shown = await senetHere(["verify", at("a.caffemodel"), at("b.safetensors")]);
  assert.match(shown.stdout, /^the first layer that differs is layer2\.1\.bn2, batchNorm, by/);
});

test("of different networks it is said that they are", async () => {
  const other = model("resnet-20", 3);
  const drawn = formulaWeights(inferenceGraph(other, { batch: 1, imageSize: 32 }));
  const checkpoint: Checkpoint = { ...caffe, model: other, labels: ["a", "b", "c"], weights: drawn };
  write("other.safetensors", checkpoint, "senet");
  const { code, stdout } = await senetHere(["verify", at("a.caffemodel"), at("other.safetensors")]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^these are two networks, se-resnet-20 and resnet-20, built differently from \S+ on; the \d+ layers before agree; they have 1000 and 3 classes, on 2/,
  );
});

test("fewer or more than two networks are refused", async () => {
  const one = await senetHere(["verify", at("a.caffemodel")]);
  assert.equal(one.code, 2);
  assert.match(one.stderr, /two networks are compared/);
});
