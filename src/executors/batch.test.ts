import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaPictures } from "../../tests/formula.ts";
import { networks } from "../../tests/zoo.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { tensor } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { isBatchFree } from "./batch.ts";
import { ortExecutor } from "./ort/executor.node.ts";

test("every network takes smaller batches than it was compiled for", () => {
  const stuck = networks.filter(
    ([name, { imageSize }]) => !isBatchFree(inferenceGraph(model(name, 3), { batch: 2, imageSize })),
  );
  assert.deepEqual(stuck, []);
});

test("a scaled tensor has as many rows as it had", async () => {
  const builder = new GraphBuilder("scaled");
  const image = builder.input("image", [4, 3, 2, 2]);
  builder.output("y", builder.apply("multiply", "y", [image], { factor: 0.5 }));
  await using network = await ortExecutor.compile(builder.build(), new Map());
  const { data } = formulaPictures(3, 2, 0);
  const found = (await network.run(new Map([["image", tensor([3, 3, 2, 2], data)]]))).get("y")!;
  assert.deepEqual(found.shape, [3, 3, 2, 2]);
  assert.deepEqual(
    [...found.data],
    Array.from(data, (value) => value * 0.5),
  );
});
