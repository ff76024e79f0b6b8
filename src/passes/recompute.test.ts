import assert from "node:assert/strict";
import { test } from "node:test";
import { peak } from "../../tests/memory.ts";
import { differentiate } from "../autodiff/differentiate.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { verify } from "../ir/verify.ts";
import { zeros } from "../tensor.ts";
import { initialWeights } from "../weights/init.ts";
import { inputName, lossGraph, model, targetsName } from "../zoo/index.ts";
import { recompute } from "./recompute.ts";

const forward = lossGraph(model("se-resnet-20", 4), { batch: 2, imageSize: 16 });
const graph = differentiate(forward);

test("recomputing gives the same gradients to the last bit", async () => {
  const less = recompute(graph, forward);
  verify(less, "recompute");
  const weights = initialWeights(forward, 1);
  const image = zeros("float32", [2, 3, 16, 16]);
  image.data.forEach((_, i) => {
    image.data[i] = Math.sin(i);
  });
  const targets = zeros("float32", [2, 4]);
  targets.data.fill(0.25);
  const inputs = new Map([
    [inputName, image],
    [targetsName, targets],
  ]);
  const [a, b] = await Promise.all(
    [graph, less].map(async (one) => (await referenceExecutor.compile(one, weights)).run(inputs)),
  );
  for (const [name, { data }] of a!) assert.deepEqual(b!.get(name)!.data, data, name);
});

test("recomputing keeps less alive", () => {
  // Pictures so large that activations outweigh gradients.
  const forward = lossGraph(model("se-resnet-20", 4), { batch: 8, imageSize: 64 });
  const graph = differentiate(forward);
  const less = recompute(graph, forward);
  assert.ok(less.nodes.length > graph.nodes.length);
  assert.ok(peak(less) < 0.6 * peak(graph), `${peak(less)} bytes of ${peak(graph)}`);
});

test("no block is computed again before the gradients of the blocks behind it are there", () => {
  const less = recompute(graph, forward);
  const forwardValues = new Set(forward.nodes.flatMap((node) => node.outputs));
  const copies = less.nodes.filter(({ name }) => name.endsWith(".again"));
  assert.ok(copies.length > 50);
  for (const { name, inputs } of copies) {
    for (const input of inputs) assert.ok(!forwardValues.has(input), `${name} could begin with ${input.name} at once`);
  }
  for (const node of less.nodes) {
    if (node.op === "after") assert.ok(node.inputs.length > 1, node.name);
  }
});
