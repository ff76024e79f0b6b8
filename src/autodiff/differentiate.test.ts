import assert from "node:assert/strict";
import { test } from "node:test";
import { networks } from "../../tests/zoo.ts";
import { SenetError } from "../errors.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { type Graph, isTrainable } from "../ir/graph.ts";
import { printGraph } from "../ir/print.ts";
import { inferenceGraph, lossGraph, model } from "../zoo/index.ts";
import { differentiate, gradientOf } from "./differentiate.ts";

test("a residual sum hands its gradient to both sides and sums them where they meet", () => {
  const builder = new GraphBuilder("residual");
  const x = builder.input("x", [2, 3]);
  const w = builder.parameter("w", [3, 3], "weight");
  const targets = builder.input("targets", [2, 3]);
  const branch = builder.apply("linear", "fc", [builder.apply("linear", "stem", [x, w], {}), w], {});
  const sum = builder.apply("add", "sum", [branch, builder.apply("relu", "act", [branch], {})], {});
  builder.output("loss", builder.apply("softmaxCrossEntropy", "loss", [sum, targets], {}));
  const lines = printGraph(differentiate(builder.build())).split("\n");
  assert.deepEqual(lines.slice(lines.findIndex((line) => line.includes("fill"))), [
    "  loss.backward.one: float32[] = fill() {value: 1, shape: [], dtype: float32}",
    "  loss.backward: float32[2, 3] = softmaxCrossEntropyBackward(sum, targets, loss.backward.one)",
    "  act.backward: float32[2, 3] = reluBackward(act, loss.backward)",
    "  act.backward.sum0: float32[2, 3] = add(loss.backward, act.backward)",
    "  fc.backward.input: float32[2, 3] = linearBackwardInput(act.backward.sum0, w)",
    "  fc.backward.weight: float32[3, 3] = linearBackwardWeight(stem, act.backward.sum0)",
    "  stem.backward.weight: float32[3, 3] = linearBackwardWeight(x, fc.backward.input)",
    "  stem.backward.sum1: float32[3, 3] = add(fc.backward.weight, stem.backward.weight)",
    "  output loss = loss",
    "  output gradient/w = stem.backward.sum1",
    "}",
  ]);
});

test("every trainable parameter of every zoo model receives a gradient of its own shape, from the loss", () => {
  for (const [name, { imageSize }] of networks) {
    const graph = differentiate(lossGraph(model(name, 7), { batch: 2, imageSize }));
    for (const parameter of graph.parameters) {
      const gradient = graph.outputs.get(gradientOf(parameter.name));
      assert.equal(gradient !== undefined, isTrainable(parameter), `${name}: ${parameter.name}`);
      if (gradient === undefined) continue;
      assert.deepEqual(gradient.type, parameter.type);
      assert.ok(!gradient.name.endsWith(".backward.zero"), `${name}: ${parameter.name} gets only zeros`);
    }
  }
});

test("the gradient that comes in may be another number than 1", () => {
  const graph = lossGraph(model("se-resnet-8"), { batch: 2, imageSize: 8 });
  const [first, ...rest] = [undefined, 0.25].map(
    (incoming) => differentiate(graph, incoming ? { incoming } : {}).nodes,
  );
  assert.deepEqual(
    rest[0]!.filter(({ op }) => op === "fill").map(({ attrs }) => attrs),
    [{ value: 0.25, shape: [], dtype: "float32" }],
  );
  assert.equal(rest[0]!.length, first!.length);
});

test("the picture's own gradient is not computed", () => {
  const graph = differentiate(lossGraph(model("se-resnet-20"), { batch: 2, imageSize: 32 }));
  assert.ok(!graph.nodes.some((node) => node.name === "conv1.backward.input"));
});

test("a graph without a loss, or through an operation without a gradient, cannot be differentiated", () => {
  const inference = inferenceGraph(model("se-resnet-20"), { batch: 2, imageSize: 32 });
  assert.throws(() => differentiate(inference), /no scalar output "loss"/);
  assert.throws(() => differentiate(inference, { of: "logits" }), /no scalar output "logits"/);

  const builder = GraphBuilder.from(inference);
  const targets = builder.input("targets", [2, 10]);
  const probabilities = builder.apply("softmax", "probabilities", [inference.outputs.get("logits")!], {});
  builder.output("loss", builder.apply("softmaxCrossEntropy", "loss", [probabilities, targets], {}));
  assert.throws(
    () => differentiate(builder.build()),
    (error) => error instanceof SenetError && /softmax has no gradient/.test(error.message),
  );
});

/** `y = relu(fc2(relu(fc1(x))))`, with a gradient that comes in. */
function layers() {
  const builder = new GraphBuilder("layers");
  const x = builder.input("x", [2, 3]);
  const dy = builder.input("dy", [2, 4]);
  const [w1, b1] = [builder.parameter("w1", [3, 3], "weight"), builder.parameter("b1", [3], "bias")];
  const w2 = builder.parameter("w2", [4, 3], "weight");
  const hidden = builder.apply("relu", "hidden", [builder.apply("linear", "fc1", [x, w1, b1], {})], {});
  builder.output("y", builder.apply("linear", "fc2", [hidden, w2], {}));
  return { graph: builder.build(), x, dy, w1, b1, w2 };
}

const backwardOps = (graph: Graph) => graph.nodes.map(({ op }) => op).filter((op) => /Backward|channelSum/.test(op));

test("only what is asked for is computed: a parameter that is not learnt gets no gradient, nor does what lies before it", () => {
  const { graph, dy, w1, b1, w2, x } = layers();
  const of = "y";
  const seed = dy;
  assert.deepEqual(backwardOps(differentiate(graph, { of, seed, wrt: [w2] })), ["linearBackwardWeight"]);
  assert.deepEqual(backwardOps(differentiate(graph, { of, seed, wrt: [b1] })), [
    "linearBackwardInput",
    "reluBackward",
    "channelSum",
  ]);
  assert.deepEqual(backwardOps(differentiate(graph, { of, seed, wrt: [x] })), [
    "linearBackwardInput",
    "reluBackward",
    "linearBackwardInput",
  ]);
  const both = differentiate(graph, { of, seed, wrt: [x, w1] });
  assert.deepEqual(both.outputs.get("gradient/x")?.type, x.type);
  assert.deepEqual(both.outputs.get("gradient/w1")?.type, w1.type);
  assert.equal(both.outputs.get("gradient/w2"), undefined);
});

test("a gradient that comes in has the type of what is differentiated", () => {
  const { graph, x } = layers();
  assert.throws(() => differentiate(graph, { of: "y", seed: x }), /cannot be the gradient of "y"/);
});
