/** Gates that are new to a network whose branches do not all end in layers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import type { Tensor } from "../tensor.ts";
import { inferenceGraph, inputName, type Model, model } from "../zoo/index.ts";
import { transfer } from "./transfer.ts";

const imageSize = 64;
const labels = ["a", "b", "c", "d"];
const graphOf = (of: Model) => inferenceGraph(of, { batch: 2, imageSize });

async function logitsOf(of: Model, weights: ReadonlyMap<string, Tensor>) {
  const executable = await referenceExecutor.compile(graphOf(of), weights);
  const outputs = await executable.run(new Map([[inputName, formulaPictures(2, imageSize, 1)]]));
  await executable.dispose();
  return outputs.get("logits")!.data;
}

test("a branch that cannot be doubled has a gate that is all but open", async () => {
  const [from, to] = [model("bn-inception", 4), model("se-bn-inception", 4)];
  const source = { labels, weights: formulaWeights(graphOf(from)) };
  const { weights, opened } = transfer(source, to, { labels, seed: 3 });
  assert.equal(opened.length, 10);
  const [found, expected] = [await logitsOf(to, weights), await logitsOf(from, source.weights)];
  const largest = Math.max(...expected.map(Math.abs));
  assert.ok(
    found.every((value, i) => Math.abs(value - expected[i]!) < 0.01 * largest),
    `${found} ${expected}`,
  );
  // Pooling passes the block's own input on in these two.
  const halves = opened.filter((block) => weights.get(`${block}.se.fc2.bias`)!.data.every((value) => value === 0));
  assert.deepEqual(
    opened.filter((block) => !halves.includes(block)),
    ["inception_3c", "inception_4e"],
  );
});
