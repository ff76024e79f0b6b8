import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { assertClose } from "../../tests/support.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { GradientSum } from "./gradient-sum.ts";
import { type StepOptions, TrainingStep } from "./step.ts";

const [batchSize, parts, imageSize, classes] = [6, 3, 8, 3];
const network = model("se-resnet-8", classes);
const fresh = () => formulaWeights(lossGraph(network, { batch: 1, imageSize }));
// Batch norm by running statistics: its own are of the pictures that are computed together.
const base = { imageSize, freezeBatchNorm: true, optimizer: { name: "sgd", momentum: 0.9 } } as const;

/** A part of a batch's rows. */
function rowsOf({ shape, data }: Tensor, part: number): Tensor {
  const [rows, ...rest] = shape as [number, ...number[]];
  const length = data.length / parts;
  return tensor([rows / parts, ...rest], data.slice(part * length, (part + 1) * length));
}

async function train(options: Partial<StepOptions>, isWhole: boolean): Promise<Map<string, Tensor>> {
  const weights = fresh();
  const size = isWhole ? batchSize : batchSize / parts;
  const step = await TrainingStep.create(referenceExecutor, network, weights, { ...base, ...options, batchSize: size });
  for (let index = 0; index < 3; index++) {
    const [images, labels] = [formulaPictures(batchSize, imageSize, index), formulaLabels(batchSize, classes, index)];
    const before = weights.get("fc.weight")!.data.slice();
    for (let part = 0; part < (isWhole ? 1 : parts); part++) {
      await step.synchronise();
      assert.deepEqual(weights.get("fc.weight")!.data, before, "weights wait for the last part");
      if (isWhole) await step.run(images, labels, 0.1, { index });
      else await step.run(rowsOf(images, part), rowsOf(labels, part), 0.1, { index, part, parts });
    }
    await step.synchronise();
    assert.notDeepEqual(weights.get("fc.weight")!.data, before);
  }
  await step.dispose();
  return weights;
}

for (const [name, options] of Object.entries<Partial<StepOptions>>({
  "as they are": {},
  "clipped by norm": { clipping: { bound: 0.01, mode: "norm" } },
  "clipped by value": { clipping: { bound: 1e-3, mode: "value" } },
})) {
  test(`gradients of a batch in parts are those of the whole, ${name}`, async () => {
    const [whole, inParts] = [await train(options, true), await train(options, false)];
    for (const [name, { data }] of whole) assertClose(inParts.get(name)!.data, data, 1e-6, name);
    if (options.clipping === undefined) return;
    const free = await train({}, true);
    assert.notDeepEqual(free.get("fc.weight"), whole.get("fc.weight"), "it was clipped");
  });
}

test("what a step that failed has kept is not in the next one", () => {
  const sum = new GradientSum();
  const gradients = [Float32Array.of(1, 2)];
  sum.keep(gradients);
  sum.keep(gradients);
  sum.addTo(gradients);
  assert.equal(sum.end(), 3);
  assert.deepEqual(gradients, [Float32Array.of(3, 6)]);
  sum.keep(gradients);
  sum.clear();
  sum.addTo(gradients);
  assert.equal(sum.end(), 1);
  assert.deepEqual(gradients, [Float32Array.of(3, 6)]);
});

test("what was kept lies as gradients do, until the step ends", () => {
  const sum = new GradientSum();
  assert.deepEqual(sum.kept, []);
  sum.keep([Float32Array.of(1, 2), Float32Array.of(3)]);
  sum.keep([Float32Array.of(1, 1), Float32Array.of(1)]);
  assert.deepEqual(sum.kept, [Float32Array.of(2, 3), Float32Array.of(4)]);
  sum.end();
  assert.deepEqual(sum.kept, []);
});
