import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaCheckpoint } from "../../tests/explain.ts";
import { formulaPictures } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import type { EvaluationBatch } from "../evaluate/evaluate.ts";
import { gatesOf } from "../evaluate/excitation.ts";
import { ortExecutor } from "../executors/ort/executor.node.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { tensor } from "../tensor.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { pruneCosts, withConstantGates } from "./prune.ts";

const imageSize = 8;
const batchSize = 4;

/** Two batches, of which the second is not full. */
async function* batches(): AsyncGenerator<EvaluationBatch> {
  for (const [i, size] of [4, 3].entries()) {
    const labels = tensor([batchSize], Int32Array.of(0, 1, 2, 0));
    yield { images: formulaPictures(batchSize, imageSize, i), labels, samples: [0, 1, 2, 3], size };
  }
}

for (const name of ["se-resnet-8", "legacy"]) {
  test(`constant gates are constant, and the others as they were (${name === "legacy" ? "without" : "with"} biases)`, async () => {
    const whole = formulaCheckpoint("se-resnet-8", 3, imageSize);
    assert.ok(whole.model.config.family === "resnet");
    const se = { reduction: 4, bias: name !== "legacy" };
    const model = { ...whole.model, config: { ...whole.model.config, se } };
    const graph = inferenceGraph(model, { batch: 2, imageSize });
    const { formulaWeights } = await import("../../tests/formula.ts");
    const checkpoint = { ...whole, model, weights: formulaWeights(graph) };
    const gates = gatesOf(graph);
    const outputs = new Map(gates.map(({ value }) => [value.name, value]));
    const program = await inferenceProgram({ ...graph, outputs }, checkpoint);
    const first = gates[0]!.value.name;
    const constant = new Float64Array(gates[0]!.channels).fill(Number.NaN);
    constant[1] = 0;
    constant[3] = 0.25;
    const fixed = withConstantGates(program, new Map([[first, constant]]));
    const run = async ({ graph, weights }: typeof program) => {
      const network = await referenceExecutor.compile(graph, weights);
      return (await network.run(new Map([[inputName, formulaPictures(2, imageSize, 0)]]))).get(first)!.data;
    };
    const [before, after] = [await run(program), await run(fixed)];
    const { channels } = gates[0]!;
    const expected = Array.from(before, (gate, i) => (i % channels === 1 ? 0 : i % channels === 3 ? 0.25 : gate));
    assertClose(after, expected, 1e-6, "gates");
    assert.notDeepEqual([...before], [...after]);
  });
}

test("blocks and channels come in the order of their gates, with the errors without them", async () => {
  const checkpoint = formulaCheckpoint("se-resnet-8", 3, imageSize);
  const told: number[] = [];
  const onProgress = (done: number, total: number) => told.push(done, total);
  const found = await pruneCosts({
    checkpoint,
    executor: ortExecutor,
    batches,
    batchSize,
    parts: [0, 0.5, 1],
    onProgress,
  });
  assert.equal(found.whole.images, 7);
  assert.deepEqual(told.slice(-2), [11, 11]);
  assert.deepEqual(found.blocks.map(({ block }) => block).sort(), ["layer1.0", "layer2.0", "layer3.0"]);
  for (const ranked of [found.blocks, found.channels]) {
    const means = ranked.map(({ mean }) => mean);
    assert.deepEqual(
      means,
      means.toSorted((a, b) => a - b),
    );
  }
  assert.equal(found.channels.length, 16 + 32 + 64);
  assert.deepEqual(
    found.parts.map(({ channels }) => channels),
    [0, 56, 112],
  );
  // With nothing closed nothing has changed.
  assert.equal(found.parts[0]!.top1Error, found.whole.top1Error);
  // A hidden unit that its ReLU has closed for all pictures lets nothing vary.
  assert.ok(found.blocks.some(({ spread }) => spread > 0));
});

test("a network without gates has nothing to rank", async () => {
  const checkpoint = formulaCheckpoint("resnet-8", 3, imageSize);
  await assert.rejects(
    pruneCosts({ checkpoint, executor: ortExecutor, batches, batchSize }),
    (error) => error instanceof SenetError && error.code === "usage",
  );
});
