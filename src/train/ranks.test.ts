/** Several ranks with a part of the batch each learn what one process learns of all of it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { formulaLabels, formulaPictures, formulaWeights } from "../../tests/formula.ts";
import { ranksHere } from "../../tests/ranks.ts";
import { assertClose } from "../../tests/support.ts";
import { placeOf } from "../data/epoch.ts";
import { SenetError } from "../errors.ts";
import type { Executor, Trainer } from "../executors/executor.ts";
import { referenceExecutor } from "../executors/reference/reference.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { isTrainable } from "../ir/graph.ts";
import { alone, type Ranks } from "../ranks.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { lossGraph, model } from "../zoo/index.ts";
import { type StepOptions, TrainingStep } from "./step.ts";

const [batchSize, imageSize, classes, steps] = [8, 8, 3, 2];
const network = model("se-resnet-8", classes);
const base: Omit<StepOptions, "batchSize" | "ranks"> = {
  imageSize,
  optimizer: { name: "sgd", momentum: 0.9 },
  average: { decay: 0.9, warmup: false },
  clipping: { mode: "norm", bound: 1 },
  dropPath: 0.5,
  syncBatchNorm: true,
};

/** The rows of a rank, as the loader gives them. */
function rowsOf({ shape, data }: Tensor, { rank, count }: Ranks): Tensor {
  const [rows, ...rest] = shape as [number, ...number[]];
  const length = data.length / rows;
  const own = rows / count;
  const values = data.slice(0, own * length);
  for (let row = 0; row < own; row++) {
    const from = placeOf({ share: { rank, count }, batchSize: own }, row) * length;
    values.set(data.subarray(from, from + length), row * length);
  }
  return tensor([own, ...rest], values);
}

interface Trained {
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly average: ReadonlyMap<string, Tensor>;
  readonly loss: number;
}

async function train(executor: Executor, ranks: Ranks, options: Partial<StepOptions>, parts: number): Promise<Trained> {
  const weights = formulaWeights(lossGraph(network, { batch: 1, imageSize }));
  const own = { ...base, ...options, ranks, batchSize: batchSize / ranks.count };
  await using step = await TrainingStep.create(executor, network, weights, { ...own, threads: 1 });
  let loss = 0;
  for (let index = 0; index < steps; index++) {
    for (let part = 0; part < parts; part++) {
      const images = formulaPictures(batchSize, imageSize, parts * index + part);
      const labels = formulaLabels(batchSize, classes, parts * index + part);
      const position = { index, part, parts };
      const result = await step.run(rowsOf(images, ranks), rowsOf(labels, ranks), 0.05, position);
      loss += result.loss;
    }
  }
  await step.synchronise();
  return { weights, average: step.average!, loss };
}

const together = (executor: Executor, count: number, options: Partial<StepOptions> = {}, parts = 1) =>
  Promise.all(ranksHere(count).map((ranks) => train(executor, ranks, options, parts)));

function assertSame(found: Trained, expected: Trained, tolerance: number): void {
  for (const kind of ["weights", "average"] as const) {
    for (const [name, { data }] of expected[kind]) {
      assertClose(found[kind].get(name)!.data, data, tolerance, `${kind} ${name}`);
    }
  }
}

const onednn = await selectExecutor({ name: "onednn", purpose: "training" }).catch(() => undefined);
const engines = [
  { name: "reference", executor: referenceExecutor },
  { name: "onednn", executor: onednn?.executor },
];

for (const { name, executor } of engines) {
  const skip = executor === undefined ? { skip: "there is no oneDNN here" } : {};
  test(`${name}: two ranks with batch norm over both learn what one process does, also in parts`, skip, async () => {
    for (const parts of name === "reference" ? [2] : [1, 2]) {
      const whole = await train(executor!, alone, {}, parts);
      const [first, second] = await together(executor!, 2, { bucketBytes: 1000 }, parts);
      assertSame(first!, whole, 2e-5);
      assertSame(second!, first!, 0);
      assertClose([(first!.loss + second!.loss) / 2], [whole.loss], 1e-6, "loss");
    }
  });
}

test("with batch norm by rank the ranks' weights are the same, and running statistics are their mean", async () => {
  const [first, second] = await together(referenceExecutor, 2, { syncBatchNorm: false });
  assertSame(second!, first!, 0);
  const whole = await train(referenceExecutor, alone, {}, 1);
  // The mean of means is the mean of all; the variances lack what is between the ranks.
  const name = "bn1.running_mean";
  assertClose(first!.weights.get(name)!.data, whole.weights.get(name)!.data, 5e-3, name);
  assert.notDeepEqual(first!.weights.get("fc.weight")!.data, whole.weights.get("fc.weight")!.data);
});

test("gradients are sent while the backward pass goes on, also those of the last part of a batch, and of no other", async () => {
  let running = 0;
  const watched: Executor = {
    ...referenceExecutor,
    async compileTraining(...given): Promise<Trainer> {
      const trainer = await referenceExecutor.compileTraining(...given);
      const dispose = () => trainer.dispose();
      return {
        async gradients(inputs) {
          running++;
          const outputs = await trainer.gradients(inputs);
          running--;
          return outputs;
        },
        areFinite: () => trainer.areFinite(),
        get gradientData() {
          return trainer.gradientData;
        },
        update: (options) => trainer.update(options),
        synchronise: () => trainer.synchronise(),
        ...{ dispose, [Symbol.asyncDispose]: dispose },
      };
    },
  };
  for (const parts of [1, 3]) {
    const sent: boolean[] = [];
    const one: Ranks = {
      ...alone,
      count: 2,
      bucket: () => ({ start: () => sent.push(running > 0), finish: async () => {} }),
    };
    const bucketBytes = 4096;
    await train(watched, one, { bucketBytes, syncBatchNorm: false }, parts);
    const learnt = [...lossGraph(network, { batch: 1, imageSize }).parameters].filter(isTrainable);
    const numbers = learnt.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
    assert.ok(4 * numbers > 10 * bucketBytes);
    assert.deepEqual(sent, new Array(steps * Math.ceil((4 * numbers) / bucketBytes)).fill(true), `${parts} parts`);
  }
});

test("sums of gradients do not depend on the size of buckets", async () => {
  const executor = onednn?.executor ?? referenceExecutor;
  const [small] = await together(executor, 2, { bucketBytes: 400 });
  const [large] = await together(executor, 2, { bucketBytes: 1e9 });
  assertSame(small!, large!, 0);
});

test("a gradient that is not finite on one rank is told by all, with where it began", async () => {
  const ranks = ranksHere(2);
  const runs = ranks.map(async (own) => {
    const weights = formulaWeights(lossGraph(network, { batch: 1, imageSize }));
    const options = { ...base, syncBatchNorm: false, ranks: own, batchSize: 4 };
    await using step = await TrainingStep.create(referenceExecutor, network, weights, options);
    const images = formulaPictures(4, imageSize, own.rank);
    if (own.rank === 1) images.data[5] = Number.NaN;
    await step.run(images, formulaLabels(4, classes, own.rank), 0.05, { index: 0, where: "epoch 1, step 1" });
  });
  for (const run of await Promise.allSettled(runs)) {
    assert.ok(run.status === "rejected" && run.reason instanceof SenetError);
    assert.match(run.reason.message, /^epoch 1, step 1: the (loss|gradient) is not a finite number/);
    assert.match(run.reason.message, /the first that is not finite: the input "image", on rank 1/);
  }
});

test("an engine that runs a graph in one piece refuses batch norm over several ranks, and says what to do", async () => {
  const ort = await selectExecutor({ name: "ort", purpose: "training" }).catch(() => undefined);
  if (ort === undefined) return;
  const refused = Promise.all(ranksHere(2).map((ranks) => train(ort.executor, ranks, {}, 1)));
  await assert.rejects(
    refused,
    (error) => error instanceof SenetError && /executor.*onednn.*syncBn/.test(error.message),
  );
});
