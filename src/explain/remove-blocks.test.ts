import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaCheckpoint } from "../../tests/explain.ts";
import { formulaPictures } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { gatesOf } from "../evaluate/excitation.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import type { Program } from "../passes/index.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { encodeCheckpoint } from "../weights/checkpoint-write.ts";
import { decodeCheckpoint } from "../weights/decode-checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName, model, parametersOf } from "../zoo/index.ts";
import { withConstantGates } from "./prune.ts";
import { removableBlocks, withoutBlocks } from "./remove-blocks.ts";

const imageSize = 16;
const images = formulaPictures(2, imageSize, 0);

const programOf = (checkpoint: Checkpoint) =>
  inferenceProgram(inferenceGraph(checkpoint.model, { batch: 2, imageSize }), checkpoint);
async function logitsOf({ graph, weights }: Program) {
  await using network = await ortExecutor.compile(graph, weights);
  return (await network.run(new Map([[inputName, images]]))).get("logits")!;
}

for (const name of ["se-resnet-20", "moskomule-se-preact-resnet-20"]) {
  test(`${name} without blocks computes what it does with their gates closed`, async () => {
    const whole = formulaCheckpoint(name, 3, imageSize);
    const blocks = ["layer3.1", "layer1.2", "layer1.1"];
    const smaller = withoutBlocks(whole, blocks);
    assert.ok("depths" in smaller.model.config);
    assert.deepEqual(smaller.model.config.depths, [1, 3, 2]);
    assert.deepEqual(
      [...smaller.weights.keys()].sort(),
      parametersOf(smaller.model)
        .map((parameter) => parameter.name)
        .sort(),
    );
    const program = await programOf(whole);
    const closed = gatesOf(program.graph).filter(({ block }) => blocks.includes(block));
    assert.equal(closed.length, blocks.length);
    const expected = await logitsOf(
      withConstantGates(
        program,
        new Map(closed.map(({ value, channels }) => [value.name, new Float64Array(channels)])),
      ),
    );
    const found = await logitsOf(await programOf(smaller));
    assertClose(found.data, expected.data, 1e-5, "logits");
    // Another network would not do.
    assert.notDeepEqual([...found.data], [...(await logitsOf(program)).data]);
    const read = await decodeCheckpoint(Buffer.concat(encodeCheckpoint(smaller)), "smaller");
    assert.deepEqual([...(await logitsOf(await programOf(read))).data], [...found.data]);
  });
}

test("the first block of a stage stays, and so does what is no block", () => {
  const checkpoint = formulaCheckpoint("se-resnet-8", 3, imageSize);
  assert.deepEqual(removableBlocks(checkpoint.model), []);
  assert.deepEqual(removableBlocks(model("se-resnet-18")), ["layer1.1", "layer2.1", "layer3.1", "layer4.1"]);
  const refused = (given: Checkpoint, block: string, words: RegExp) =>
    assert.throws(
      () => withoutBlocks(given, [block]),
      (error) => error instanceof SenetError && error.code === "usage" && words.test(error.message),
    );
  refused(checkpoint, "layer1.0", /more than one block in a stage/);
  const deep = formulaCheckpoint("se-resnet-20", 3, imageSize);
  for (const block of ["layer1.0", "layer1.3", "layer4.1", "layer1", "fc"])
    refused(deep, block, /one of layer1\.1, layer1\.2, layer2\.1/);
});
