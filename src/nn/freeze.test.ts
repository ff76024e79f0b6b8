import assert from "node:assert/strict";
import { test } from "node:test";
import { differentiate } from "../autodiff/differentiate.ts";
import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { type AnyNode, type Graph, isTrainable } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { lossGraph, type Model, model } from "../zoo/index.ts";
import { type Freezing, freezeGraph } from "./freeze.ts";
import { batchNorm, conv2d, dropout, linear } from "./layers.ts";
import { Scope } from "./scope.ts";

const network = model("se-resnet-8", 4);
const options = { batch: 2, imageSize: 16 };
const training = (freezing: Freezing, of: Model = network) => lossGraph(of, { ...options, ...freezing });

/** How often each operation stands in a graph. */
function kinds({ nodes }: Pick<Graph, "nodes">): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { op } of nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}
const learnt = (graph: Graph) => graph.parameters.filter(isTrainable).map(({ name }) => name);
const backwardOf = (graph: Graph): readonly AnyNode[] => differentiate(graph).nodes.slice(graph.nodes.length);

test("of frozen stages there is no way back, and their batch norms run as in inference", () => {
  const [whole, frozen] = [training({}), training({ freeze: "stage1" })];
  // The stem's, and the two of the first block.
  assert.equal(kinds(whole).batchNormTraining, 9);
  assert.deepEqual(
    [kinds(frozen).batchNormTraining, kinds(frozen).batchNorm, kinds(frozen).runningAverage],
    [6, 3, 12],
  );
  assert.equal(frozen.updates.size, 12);
  assert.ok([...frozen.updates.keys()].every(({ name }) => /^layer[23]\./.test(name)));
  assert.ok(learnt(frozen).every((name) => /^(layer[23]|fc)\./.test(name)));
  assert.equal(learnt(frozen).length, learnt(whole).filter((name) => /^(layer[23]|fc)\./.test(name)).length);

  const back = backwardOf(frozen);
  assert.ok(
    back.every(({ name }) => !/^(conv1|bn1|relu1|layer1)\b/.test(name)),
    back.map(({ name }) => name).join(" "),
  );
  const [all, rest] = [kinds({ nodes: backwardOf(whole) }), kinds({ nodes: back })];
  // Three convolutions of the picture and two of the gate; the first two of the second stage (branch, shortcut) want no
  // gradient of what comes in.
  assert.equal(all.conv2dBackwardWeight! - rest.conv2dBackwardWeight!, 5);
  assert.equal(all.conv2dBackwardInput! - rest.conv2dBackwardInput!, 4 + 2);
  assert.equal(all.batchNormBackward! - rest.batchNormBackward!, 3);
  assert.equal(all.seScaleBackward! - rest.seScaleBackward!, 1);
  assert.equal(rest.batchNormFrozenBackward, undefined);
});

test("what is frozen is told by stage, by block, or by a function", () => {
  const kept = (freezing: Freezing, of?: Model) => new Set(learnt(training(freezing, of)).map((n) => n.split(".")[0]));
  assert.deepEqual(kept({ freeze: "stem" }), new Set(["layer1", "layer2", "layer3", "fc"]));
  assert.deepEqual(kept({ freeze: "stage2" }), new Set(["layer3", "fc"]));
  assert.deepEqual(kept({ freeze: "layer2" }), new Set(["layer3", "fc"]));
  assert.deepEqual(kept({ freeze: "layer2.0" }), new Set(["layer3", "fc"]));
  assert.deepEqual(kept({ freeze: "stage3" }), new Set(["fc"]));
  assert.deepEqual(kept({ freeze: "backbone" }), new Set(["fc"]));
  assert.deepEqual(
    kept({ freeze: ({ block }) => block?.stage === 2 }),
    new Set(["conv1", "bn1", "layer1", "layer3", "fc"]),
  );
  const inception = model("se-bn-inception", 4);
  const left = kept({ freeze: "inception_4e" }, inception);
  assert.deepEqual(left, new Set(["inception_5a", "inception_5b", "fc"]));
  assert.deepEqual(kept({ freeze: "stage2" }, inception), left);
});

test("a stage that is frozen in the middle lets the gradient through", () => {
  const back = backwardOf(training({ freeze: ({ block }) => block?.stage === 2 }));
  const inside = kinds({ nodes: back.filter(({ name }) => name.startsWith("layer2")) });
  assert.equal(inside.conv2dBackwardWeight, undefined);
  assert.equal(inside.batchNormFrozenBackward, 3);
  assert.equal(inside.channelSum, undefined);
  assert.ok(back.some(({ name }) => name === "conv1.backward.weight"));
});

test("batch norms can be frozen alone", () => {
  const frozen = training({ freezeBatchNorm: true });
  assert.equal(kinds(frozen).batchNormTraining, undefined);
  assert.equal(frozen.updates.size, 0);
  assert.ok(learnt(frozen).every((name) => !/(^|\.)(bn\d|downsample\.1)\./.test(name)));
  assert.ok(learnt(frozen).includes("conv1.weight"));
  const { batchNormFrozenBackward, batchNormBackward, conv2dBackwardWeight } = kinds({ nodes: backwardOf(frozen) });
  assert.deepEqual([batchNormFrozenBackward, batchNormBackward], [9, undefined]);
  assert.equal(conv2dBackwardWeight, kinds({ nodes: backwardOf(training({})) }).conv2dBackwardWeight);
});

/** A network without blocks, with dropout before its classifier and in front of it. */
function plain(batchNormed = true): Graph {
  const builder = new GraphBuilder("plain");
  const scope = new Scope(builder, { training: true, dtype: "float32" });
  const x = builder.input("image", [2, 3, 4, 4]);
  const first = dropout(scope.at("early"), conv2d(scope.at("conv"), x, { out: 4, kernel: 1 }), 0.5);
  const raw = () => {
    const gamma = scope.at("bn").parameter("weight", [4], "gamma");
    const beta = scope.at("bn").parameter("bias", [4], "beta");
    return scope.at("bn").apply("batchNormTraining", [first, gamma, beta], { eps: 1e-5 })[0];
  };
  const normed = batchNormed ? batchNorm(scope.at("bn"), first) : raw();
  const flat = scope.at("flat").apply("flatten", [normed], {});
  const logits = linear(scope.at("fc"), dropout(scope.at("late"), flat, 0.5), 3);
  builder.output("logits", logits);
  const targets = builder.input("targets", logits.type.shape);
  builder.output("loss", builder.apply("softmaxCrossEntropy", "loss", [logits, targets], {}));
  return builder.build();
}

test("a network without blocks has a stem and a head; frozen dropout is nothing, and is fed nothing", () => {
  const frozen = freezeGraph(plain(), { freeze: "backbone" });
  assert.deepEqual(learnt(frozen), ["fc.weight", "fc.bias"]);
  assert.deepEqual(
    frozen.inputs.map(({ name }) => name),
    ["image", "targets"],
  );
  assert.ok(!frozen.nodes.some(({ op }) => op === "dropout"));
  assert.match(printGraph(frozen), /^ {2}frozen weight conv\.weight: float32/m);
  const only = freezeGraph(plain(), { freeze: ({ name }) => name === "early" || name === "conv" });
  assert.deepEqual(
    only.inputs.map(({ name }) => name),
    ["image", "late.keep", "targets"],
  );
  assert.equal(freezeGraph(frozen, {}), frozen);
});

test("what is not there, and what would leave nothing to learn, is refused", () => {
  const refused = (run: () => unknown, words: RegExp) =>
    assert.throws(run, (error) => error instanceof SenetError && words.test(error.message));
  refused(
    () => training({ freeze: "stage4" }),
    /"stage4"[\s\S]*stem, stage1, stage2, stage3, backbone[\s\S]*layer3\.0/,
  );
  refused(() => training({ freeze: "layer" }), /"layer"/);
  refused(() => freezeGraph(plain(), { freeze: "stage1" }), /stem, backbone$/m);
  refused(() => training({ freeze: () => true }), /nothing is left to learn/);
  refused(() => freezeGraph(plain(false), { freezeBatchNorm: true }), /running statistics[\s\S]*batchNorm/);
});
