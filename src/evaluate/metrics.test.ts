import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import type { Executable } from "../executors/executor.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { type EvaluationBatch, evaluate, predict } from "./evaluate.ts";
import { countCorrect, meanSoftmax, rankOf, rowOf } from "./metrics.ts";
import { softmaxRow, topK } from "./probabilities.ts";

const rows = (classes: number, ...values: number[]): Tensor =>
  tensor([values.length / classes, classes], Float32Array.from(values));
const labels = (...values: number[]): Tensor => tensor([values.length], Int32Array.from(values));

test("the rank counts the classes that are at least as likely", () => {
  const logits = rows(4, 1, 3, 2, 0);
  assert.deepEqual(
    [0, 1, 2, 3].map((label) => rankOf(rowOf(logits, 0), label)),
    [2, 0, 1, 3],
  );
});

test("ties count against the prediction, in any order", () => {
  // A network that answers the same for all classes has learnt nothing, and must not score.
  const flat = rows(4, 2, 2, 2, 2);
  for (const label of [0, 1, 2, 3]) assert.equal(rankOf(rowOf(flat, 0), label), 3);
  assert.equal(rankOf(rowOf(rows(3, 5, 5, 1), 0), 0), 1);
  assert.equal(rankOf(rowOf(rows(3, 5, 5, 1), 0), 1), 1);
});

test("values that are not numbers are never right", () => {
  assert.equal(rankOf(rowOf(rows(3, NaN, NaN, NaN), 0), 0), 2);
  assert.equal(rankOf(rowOf(rows(3, NaN, 1, 0), 0), 0), 2);
  assert.equal(rankOf(rowOf(rows(3, NaN, 1, 0), 0), 1), 1);
  assert.equal(rankOf(rowOf(rows(3, Infinity, Infinity, 0), 0), 0), 1);
});

test("top-k counts rows, each by itself", () => {
  const logits = rows(3, 3, 2, 1, 1, 2, 3, 2, 3, 1);
  assert.equal(countCorrect(logits, labels(0, 0, 0), 1), 1);
  assert.equal(countCorrect(logits, labels(0, 0, 0), 2), 2);
  assert.equal(countCorrect(logits, labels(0, 0, 0), 3), 3);
});

test("softmax sums to 1, keeps to its row, and bears large logits", () => {
  const logits = rows(2, 0, 0, 0, Math.log(3));
  assert.deepEqual([...softmaxRow(logits, 0)], [0.5, 0.5]);
  assertClose(softmaxRow(logits, 1), [0.25, 0.75], 1e-6, "row 1");
  assert.deepEqual([...softmaxRow(rows(2, 1e30, -1e30), 0)], [1, 0]);
});

test("probabilities are averaged over rows, not logits", () => {
  const logits = rows(2, 9, 9, 0, 0, 0, Math.log(3));
  assertClose(meanSoftmax(logits, 1, 2), [0.375, 0.625], 1e-6, "rows 1 and 2");
  assert.deepEqual(meanSoftmax(logits, 0, 1), softmaxRow(logits, 0));
});

test("top-k is in order of probability, of equals the lower index, and no more than there are", () => {
  assert.deepEqual(topK([0.1, 0.4, 0.1, 0.4], 3), [1, 3, 0]);
  assert.deepEqual(topK([0.1, 0.9], 5), [1, 0]);
});

/** A network whose logits are the first numbers of each picture. */
const echo = (classes: number): Executable => ({
  [Symbol.asyncDispose]: async () => {},
  run: async (inputs) => {
    const { shape, data } = inputs.get("image")!;
    const length = data.length / shape[0]!;
    const logits = Array.from({ length: shape[0]! }, (_, i) => [...data.subarray(i * length, i * length + classes)]);
    return new Map([["logits", rows(classes, ...logits.flat())]]);
  },
  dispose: async () => {},
});

async function* batches(...given: readonly Partial<EvaluationBatch>[]): AsyncGenerator<EvaluationBatch> {
  for (const batch of given) yield { images: rows(1), labels: labels(), samples: [], size: 0, ...batch };
}

test("an evaluation counts the pictures of every batch, and none of the padding", async () => {
  const images = tensor([2, 3, 1, 2], Float32Array.of(5, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6));
  const padded = tensor([2, 3, 1, 2], Float32Array.of(0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0));
  const found = await evaluate(
    predict(
      echo(6),
      batches(
        { images, labels: labels(0, 0), samples: [4, 2], size: 2 },
        { images: padded, labels: labels(5, -1), samples: [3, -1], size: 1 },
      ),
    ),
    6,
  );
  assert.equal(found.images, 3);
  // Pictures 4 and 3 are right; of picture 2 all five others are likelier.
  assertClose([found.top1Error, found.top5Error!], [100 / 3, 100 / 3], 1e-11, "errors");
  assert.deepEqual(
    found.predictions.map(({ sample, label, rank, top }) => [sample, label, rank, top[0]!.index, top.length]),
    [
      [4, 0, 0, 0, 5],
      [2, 0, 5, 5, 5],
      [3, 5, 0, 5, 5],
    ],
  );
  const confusion = new Uint32Array(36);
  confusion[0 * 6 + 0] = 1;
  confusion[0 * 6 + 5] = 1;
  confusion[5 * 6 + 5] = 1;
  assert.deepEqual(found.confusion, confusion);
  const row = (values: number[], label: number) =>
    Math.log(values.reduce((sum, v) => sum + Math.exp(v), 0)) - values[label]!;
  const loss = (row([5, 1, 0, 0, 0, 0], 0) + row([1, 2, 3, 4, 5, 6], 0) + row([0, 1, 2, 3, 4, 5], 5)) / 3;
  assertClose([found.loss], [loss], 1e-6, "loss");
});

test("a picture's views are one answer: the mean of their probabilities", async () => {
  // Three views each of two pictures, the second of them padding. Twice class 1 faintly, once class 0 surely.
  const views = [0, 1, 0, 0, 1, 0, 9, 0, 0];
  const images = tensor([6, 3, 1, 1], Float32Array.from([...views, ...new Array<number>(9).fill(7)]));
  const given = { images, labels: labels(0, -1), samples: [5, -1], size: 1 };
  const [prediction, ...none] = (await evaluate(predict(echo(3), batches(given)), 3)).predictions;
  assert.deepEqual(none, []);
  const e = Math.E;
  const second = (2 * (e / (e + 2)) + 1 / (Math.exp(9) + 2)) / 3;
  const first = (2 / (e + 2) + Math.exp(9) / (Math.exp(9) + 2)) / 3;
  assert.deepEqual([prediction!.sample, prediction!.label, prediction!.rank], [5, 0, 0]);
  assert.deepEqual(
    prediction!.top.map(({ index }) => index),
    [0, 1, 2],
  );
  assertClose(
    prediction!.top.slice(0, 2).map(({ probability }) => probability),
    [first, second],
    1e-6,
    "probabilities",
  );
  assertClose([prediction!.loss], [-Math.log(first)], 1e-6, "loss");
});

test("a single view is ranked by logits, where probabilities are all 0", async () => {
  const images = tensor([1, 3, 1, 1], Float32Array.of(5000, 10, 20));
  const found = await evaluate(predict(echo(3), batches({ images, labels: labels(2), samples: [0], size: 1 })), 3);
  assert.equal(found.predictions[0]!.rank, 1);
});

test("an answer that is not a number is wrong, and shows in the loss", async () => {
  const images = tensor([1, 3, 1, 1], Float32Array.of(NaN, 1, 2));
  const found = await evaluate(predict(echo(3), batches({ images, labels: labels(2), samples: [0], size: 1 })), 3);
  assert.equal(found.top1Error, 100);
  assert.ok(Number.isNaN(found.loss));
  // A certain and wrong answer is bad, not infinitely so: one picture must not swallow a mean.
  const sure = tensor([1, 3, 1, 1], Float32Array.of(1e30, 0, 0));
  const wrong = await evaluate(
    predict(echo(3), batches({ images: sure, labels: labels(2), samples: [0], size: 1 })),
    3,
  );
  assert.ok(Number.isFinite(wrong.loss) && wrong.loss > 700);
});
