import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { networks } from "../../tests/zoo.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { tensor } from "../tensor.ts";
import { familyOf } from "../zoo/families.ts";
import { inferenceGraph, inputName, type Model, model, seOf } from "../zoo/index.ts";
import { type EvaluationBatch, type PicturePrediction, predict } from "./evaluate.ts";
import { meanGates } from "./excitation.ts";

/** A CIFAR network of two narrow blocks. */
function tiny(se: boolean): Model {
  const { config } = model(se ? "se-resnet-20" : "resnet-20");
  assert.ok(config.family === "resnet");
  return { name: "tiny", config: { ...config, depths: [1, 1], widths: [4, 6] }, classes: 3 };
}
const batchSize = 2;
const imageSize = 6;

/** Two batches of which the second is not full: pictures of the classes 0, 2 and 0. */
async function* batches(): AsyncGenerator<EvaluationBatch> {
  const labels = (...values: number[]) => tensor([batchSize], Int32Array.from(values));
  yield { images: formulaPictures(batchSize, imageSize, 0), labels: labels(0, 2), samples: [0, 1], size: 2 };
  yield { images: formulaPictures(batchSize, imageSize, 1), labels: labels(0, -1), samples: [2, -1], size: 1 };
}

test("the mean gate of a class is that of its pictures, block by block; a class without pictures has none", async () => {
  const graph = inferenceGraph(tiny(true), { batch: batchSize, imageSize });
  const weights = formulaWeights(graph);
  const options = { executor: referenceExecutor, model: tiny(true), weights, batchSize, imageSize };
  const found = await meanGates({ ...options, batches: batches() });
  assert.deepEqual(
    found.map(({ block, stage, channels }) => [block, stage, channels]),
    [
      ["layer1.0", 1, 4],
      ["layer2.0", 2, 6],
    ],
  );

  // The gates of each picture, from the graph as it is, without a pass.
  const nodes = graph.nodes.filter(({ op }) => op === "sigmoid");
  const exposed = { ...graph, outputs: new Map(nodes.map((node) => [node.name, node.outputs[0]!])) };
  const network = await referenceExecutor.compile(exposed, weights);
  const gates: number[][][] = [];
  for await (const { images } of batches()) {
    const outputs = await network.run(new Map([[inputName, images]]));
    gates.push(nodes.map(({ name }) => [...outputs.get(name)!.data]));
  }
  for (const [i, { channels, means }] of found.entries()) {
    const [first, second] = gates;
    const row = (values: number[], at: number) => values.slice(at * channels, (at + 1) * channels);
    const class0 = row(first![i]!, 0).map((gate, c) => (gate + row(second![i]!, 0)[c]!) / 2);
    assertClose(means.subarray(0, channels), class0, 1e-5, "class 0");
    assert.ok(means.subarray(channels, 2 * channels).every(Number.isNaN), "class 1 has no pictures");
    assertClose(means.subarray(2 * channels), row(first![i]!, 1), 1e-5, "class 2");
  }
});

test("a network without squeeze and excitation has no gates", async () => {
  const weights = formulaWeights(inferenceGraph(tiny(false), { batch: batchSize, imageSize }));
  const options = { executor: referenceExecutor, model: tiny(false), weights, batchSize, imageSize };
  assert.deepEqual(await meanGates({ ...options, batches: batches() }), []);
});

test("one pass gives the gates and what the network says of each picture, with gates or without", async () => {
  for (const se of [true, false]) {
    const network = tiny(se);
    const graph = inferenceGraph(network, { batch: batchSize, imageSize });
    const weights = formulaWeights(graph);
    const options = { executor: referenceExecutor, model: network, weights, batchSize, imageSize };
    const said: PicturePrediction[] = [];
    const gates = await meanGates({
      ...options,
      batches: batches(),
      onPredictions: (predictions) => said.push(...predictions),
    });
    assert.equal(gates.length, se ? 2 : 0);
    const executable = await referenceExecutor.compile(graph, weights);
    const expected: PicturePrediction[] = [];
    for await (const predictions of predict(executable, batches())) expected.push(...predictions);
    assert.equal(said.length, 3);
    const rounded = (predictions: readonly PicturePrediction[]) =>
      predictions.map(({ top, loss, ...rest }) => ({
        ...rest,
        loss: loss.toFixed(5),
        top: top.map(({ index, probability }) => [index, probability.toFixed(5)]),
      }));
    assert.deepEqual(rounded(said), rounded(expected));
  }
});

test("every SE network of the zoo has its gates, by block and stage", () => {
  for (const [name, { config }] of networks) {
    const graph = inferenceGraph(model(name, 4), { batch: 1, imageSize: familyOf(config).imageSize(config) });
    const gates = graph.nodes.filter(({ tag }) => tag === "se.gate");
    const scales = graph.nodes.filter(({ op }) => op === "seScale" || op === "seScaleAdd");
    assert.deepEqual(new Set(gates.map(({ outputs }) => outputs[0])), new Set(scales.map(({ inputs }) => inputs[0])));
    assert.equal(gates.length > 0, seOf(config) !== undefined, name);
    assert.ok(gates.every(({ block }) => block !== undefined && block.stage >= 1 && block.stage <= 4));
  }
});

test("SE-BN-Inception has a gate for each module", async () => {
  const inception = model("se-bn-inception", 3);
  const size = 32;
  const weights = formulaWeights(inferenceGraph(inception, { batch: 1, imageSize: size }));
  async function* one(): AsyncGenerator<EvaluationBatch> {
    const labels = tensor([1], Int32Array.of(1));
    yield { images: formulaPictures(1, size, 0), labels, samples: [0], size: 1 };
  }
  const options = { executor: referenceExecutor, model: inception, weights, batchSize: 1, imageSize: size };
  const found = await meanGates({ ...options, batches: one() });
  assert.deepEqual(found.map(({ block, stage, channels }) => [block, stage, channels]).slice(0, 4), [
    ["inception_3a", 1, 256],
    ["inception_3b", 1, 320],
    ["inception_3c", 1, 576],
    ["inception_4a", 2, 576],
  ]);
  assert.equal(found.length, 10);
});
