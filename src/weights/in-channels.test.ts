import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaWeights } from "../../tests/formula.ts";
import { SenetError } from "../errors.ts";
import { imagenetPreprocessing } from "../images/preprocess.ts";
import { namingByName } from "../import/rename.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { channelsOf, inferenceGraph, type Model, model } from "../zoo/index.ts";
import { encodeWeights } from "./encode.ts";
import { withChannels } from "./in-channels.ts";
import { openFiles } from "./open.ts";

const checkpointOf = (network: Model, first?: Tensor) => {
  const weights = formulaWeights(inferenceGraph(network, { batch: 1, imageSize: 32 }));
  if (first !== undefined) weights.set("conv1.weight", first);
  return { model: network, labels: ["a", "b"], preprocessing: imagenetPreprocessing, weights };
};
const eighths = tensor(
  [2, 3, 2, 1],
  Float32Array.from({ length: 12 }, (_, i) => i / 8),
);

/** By timm's adapt_input_conv, computed by PyTorch. */
const expected: Readonly<Record<number, readonly number[]>> = {
  1: [0.75, 1.125, 3, 3.375],
  2: [0, 0.1875, 0.375, 0.5625, 1.125, 1.3125, 1.5, 1.6875],
  4: [
    ...[0, 0.09375, 0.1875, 0.28125, 0.375, 0.46875, 0, 0.09375],
    ...[0.5625, 0.65625, 0.75, 0.84375, 0.9375, 1.03125, 0.5625, 0.65625],
  ],
};

test("the first convolution is summed or repeated as timm does", () => {
  for (const [channels, values] of Object.entries(expected)) {
    const found = withChannels(checkpointOf(model("resnet-20", 2), eighths), Number(channels));
    assert.deepEqual(found.weights.get("conv1.weight"), tensor([2, Number(channels), 2, 1], Float32Array.from(values)));
    assert.equal(channelsOf(found.model.config), Number(channels));
  }
});

test("a network of one channel takes grey pictures, of four those of nobody; both come back from files", async () => {
  for (const [channels, order] of [
    [1, "grey"],
    [4, "rgb"],
  ] as const) {
    const adapted = withChannels(checkpointOf(model("se-resnet-20", 2)), channels);
    assert.equal(adapted.preprocessing.channels, order);
    for (const naming of ["senet", "timm"]) {
      const bytes = new Uint8Array(Buffer.concat(encodeWeights(adapted, namingByName(naming))));
      assert.deepEqual((await openFiles([{ bytes, where: "file" }])).checkpoint, adapted);
    }
  }
  const grey = withChannels(checkpointOf(model("se-resnet-20", 2)), 1).preprocessing;
  assert.deepEqual(
    [grey.mean, grey.std],
    [
      [0.449, 0.449, 0.449],
      [0.226, 0.226, 0.226],
    ],
  );
});

test("networks that cannot be adapted are refused", () => {
  const refused = (network: Model, channels: number) =>
    assert.throws(
      () => withChannels(checkpointOf(network), channels),
      (error) => error instanceof SenetError && error.code === "usage",
    );
  const plain = model("resnet-20", 2);
  refused({ ...plain, config: { ...plain.config, channels: 1 } as Model["config"] }, 4);
  refused(plain, 5000);
  const same = checkpointOf(plain);
  assert.equal(withChannels(same, 3), same);
});
