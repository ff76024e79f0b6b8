import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bestErrors,
  type EpochMetrics,
  errorOf,
  impossible,
  initialState,
  isBestAfter,
  isFinished,
  noSums,
  type TrainingState,
  trainingStateSchema,
} from "./state.ts";

const epoch = {
  ...{ epoch: 0, learningRate: 0.1, trainLoss: 2, trainTop1Error: 90, validationLoss: 2.5, validationTop1Error: 80 },
  ...{ validationTop5Error: 40, seconds: 3, imagesPerSecond: 20, waitShare: 0.1 },
};
const state: TrainingState = {
  epoch: 1,
  step: 3,
  sums: { loss: 5, correct: 2, images: 6, seconds: 1, waitSeconds: 0.5 },
  bestTop1Error: 80,
  history: [epoch],
};

const isSound = (changes: Record<string, unknown>) => trainingStateSchema.safeParse({ ...state, ...changes }).success;

test("states that a run can have are taken", () => {
  assert.ok(isSound({}));
  assert.ok(trainingStateSchema.safeParse(initialState).success);
  assert.ok(isSound({ step: 0, sums: noSums }));
});

test("states that cannot be are refused", () => {
  for (const changes of [
    { epoch: 1e15 },
    { epoch: -1 },
    { epoch: 0.5 },
    { epoch: 2 },
    { epoch: 0, history: [] },
    { step: -1 },
    { step: 1.5 },
    { step: 1e12 },
    { bestTop1Error: NaN },
    { bestTop1Error: null },
    { bestTop1Error: -1 },
    { bestTop1Error: 101 },
    { bestTop1Error: "80" },
    { sums: { ...state.sums, images: -6 } },
    { sums: { ...state.sums, correct: 7 } },
    { sums: { ...state.sums, loss: Infinity } },
    { history: [{ ...epoch, validationTop1Error: -5 }] },
    { history: [{ ...epoch, epoch: -1 }] },
    { history: [epoch, epoch] },
    { history: [{ ...epoch, epoch: 1 }] },
    { sums: noSums },
    { step: 0 },
  ]) {
    assert.ok(!isSound(changes), JSON.stringify(changes));
  }
});

test("a state beyond its run's last epoch is told", () => {
  assert.equal(impossible(state, 2), undefined);
  assert.equal(impossible({ ...state, step: 0 }, 1), undefined);
  assert.match(impossible(state, 1) ?? "", /step 3 after the last epoch/);
  assert.match(impossible({ ...state, epoch: 5 }, 2) ?? "", /epoch 6 of 2/);
  assert.ok(isSound({ history: [{ ...epoch, validationTop5Error: null }] }), "of five classes or fewer");
});

test("a run is finished after its epochs, or when its patience is at an end; the average is what counts", () => {
  const after = (...errors: number[]): TrainingState => ({
    ...{ ...initialState, epoch: errors.length, bestTop1Error: Math.min(...errors) },
    history: errors.map((validationTop1Error, i) => ({ ...epoch, epoch: i, validationTop1Error })),
  });
  assert.ok(!isFinished(after(50, 40), { epochs: 3, patience: null }));
  assert.ok(isFinished(after(50, 40, 60), { epochs: 3, patience: null }));
  const patient = { epochs: 100, patience: 2 };
  assert.ok(!isFinished(initialState, patient));
  assert.ok(!isFinished(after(50, 40, 60), patient));
  assert.ok(isFinished(after(50, 40, 60, 41), patient));
  assert.ok(isFinished(after(50, 40, 60, 40), patient), "as good is not better");
  assert.ok(!isFinished(after(50, 40, 60, 39), patient));
  assert.equal(errorOf({ ...epoch, averageTop1Error: 12 }), 12);
  assert.equal(errorOf(epoch), 80);
});

test("the best epoch is the one whose weights are kept: by the average where there is one", () => {
  const of = (...errors: Partial<EpochMetrics>[]) =>
    bestErrors(errors.map((metrics, i) => ({ ...epoch, epoch: i, ...metrics })));
  const [worse, better] = [{ validationTop1Error: 70 }, { validationTop1Error: 60, validationTop5Error: 30 }];
  assert.deepEqual(of(worse, better, better), { top1Error: 60, top5Error: 30 });
  const [early, late] = [
    { averageTop1Error: 65, averageTop5Error: 20 },
    { averageTop1Error: 50, averageTop5Error: 10 },
  ];
  assert.deepEqual(of({ ...better, ...early }, { ...worse, ...late }), { top1Error: 50, top5Error: 10 });
  assert.equal(of({ ...worse, averageTop1Error: 50, averageTop5Error: null }).top5Error, null, "of few classes");
});

test("of epochs with equal errors the one with the lowest loss is the best, the average's if there is one", () => {
  const row = (epoch: number, validationTop1Error: number, validationLoss: number) => {
    return { ...history[0]!, epoch, validationTop1Error, validationLoss };
  };
  const history: EpochMetrics[] = [epoch];
  const few = [row(0, 20, 0.9), row(1, 20, 0.7)];
  assert.ok(isBestAfter([], few[0]!));
  assert.ok(isBestAfter(few.slice(0, 1), few[1]!), "as many errors, and a lower loss");
  assert.ok(!isBestAfter(few, row(2, 20, 0.7)), "the first of equal ones");
  assert.ok(!isBestAfter(few, row(2, 20, 0.8)));
  assert.ok(!isBestAfter(few, row(2, 21, 0.1)));
  assert.ok(isBestAfter(few, row(2, 19, 3)));
  const averaged = (averageLoss: number, validationLoss: number) => {
    return { ...row(0, 50, validationLoss), averageTop1Error: 20, averageLoss };
  };
  assert.ok(isBestAfter([averaged(0.5, 0.1)], { ...averaged(0.4, 0.2), epoch: 1 }));
  const patient = { epochs: 100, patience: 2 };
  const state = (history: readonly EpochMetrics[]) => ({
    ...{ ...initialState, epoch: history.length, bestTop1Error: 20 },
    history: [...history],
  });
  assert.ok(!isFinished(state([...few, row(2, 20, 0.8)]), patient));
  assert.ok(isFinished(state([...few, row(2, 20, 0.8), row(3, 20, 0.8)]), patient));
});
