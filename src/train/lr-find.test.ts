import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { tensor } from "../tensor.ts";
import { checkTrial, type RatePoint, suggestRates, trialRate, tryRates } from "./lr-find.ts";

const trial = { from: 1e-6, to: 1, steps: 61 };
async function* batches() {
  for (;;) yield { images: tensor([1], new Float32Array(1)), labels: tensor([1], new Int32Array(1)) };
}
/** A step whose loss is a function of the rate alone. */
const stepOf = (loss: (rate: number) => number) => ({
  run: async (_images: unknown, _labels: unknown, rates: unknown) => ({
    ...{ loss: loss(rates as number), correct: 0, optimiserMilliseconds: 0 },
  }),
});
const smooth = (values: readonly number[]): RatePoint[] =>
  values.map((smoothed, i) => ({ rate: trialRate({ ...trial, steps: values.length }, i), loss: smoothed, smoothed }));

test("rates rise by the same factor; the mean of losses has no weight of a beginning", async () => {
  const points = await tryRates({ ...trial, step: stepOf(() => 2), batches: batches() });
  assert.equal(points.length, 61);
  assertClose([points[0]!.rate, points[10]!.rate, points[60]!.rate], [1e-6, 1e-5, 1], 1e-12, "rates");
  for (const { smoothed } of points) assertClose([smoothed], [2], 1e-12, "the mean of equal numbers");
});

test("a trial ends where the loss explodes, or is not a number any more", async () => {
  const exploding = stepOf((rate) => (rate < 1e-3 ? 1 : 1000));
  assert.equal((await tryRates({ ...trial, step: exploding, batches: batches() })).length, 31);
  const broken = {
    run: async (_: unknown, __: unknown, rates: unknown) => {
      if ((rates as number) > 1e-4) throw new SenetError("training", "the loss is not a finite number");
      return { loss: 1, correct: 0, optimiserMilliseconds: 0 };
    },
  };
  const points = await tryRates({ ...trial, step: broken, batches: batches() });
  assert.ok(points.length >= 20 && points.length <= 22, `${points.length}`);
  const fault = { run: () => Promise.reject(new SenetError("executor", "failed")) };
  await assert.rejects(tryRates({ ...trial, step: fault, batches: batches() }), /failed/);
  const stop = new AbortController();
  const onPoint = () => stop.abort(new Error("enough"));
  const stopped = tryRates({ ...trial, step: stepOf(() => 1), batches: batches(), onPoint, signal: stop.signal });
  await assert.rejects(stopped, /enough/);
});

test("the parts of a step are at one rate, and its loss is their mean", async () => {
  const seen: [number, number | undefined][] = [];
  const step = {
    run: async (_: unknown, __: unknown, rates: unknown, position: { readonly part?: number } = {}) => {
      seen.push([rates as number, position.part]);
      return { loss: 1 + (position.part ?? 0), correct: 0, optimiserMilliseconds: 0 };
    },
  };
  const points = await tryRates({ from: 1e-3, to: 1e-1, steps: 3, step, batches: batches(), parts: 2 });
  assertClose(
    points.map(({ loss }) => loss),
    [1.5, 1.5, 1.5],
    1e-12,
    "means",
  );
  assert.deepEqual(
    seen.map(([, part]) => part),
    [0, 1, 0, 1, 0, 1],
  );
  assert.deepEqual(
    seen.map(([rate]) => rate.toFixed(6)),
    [1e-3, 1e-3, 1e-2, 1e-2, 1e-1, 1e-1].map((rate) => rate.toFixed(6)),
  );
});

test("suggestions are read where the curve falls", () => {
  // Flat to 1e-4, falls to 1e-2, is lowest there, and rises: 61 points, ten a decade.
  const values = Array.from({ length: 61 }, (_, i) =>
    i < 20 ? 2 : i <= 40 ? 2 - 0.05 * (i - 20) : 1 + 0.2 * (i - 40),
  );
  const steeper = values.map((value, i) => (i === 31 ? value - 0.04 : i > 31 && i <= 40 ? value - 0.02 : value));
  const { valley, steepest, minimum } = suggestRates(smooth(steeper));
  // The fall is from place 19 to 40, that is around 10^(-6 + 29.5/10).
  assert.ok(valley > 10 ** -3.2 && valley < 10 ** -2.9, `${valley}`);
  assertClose([steepest], [1e-3], 1e-9, "the steepest step begins at place 30");
  assertClose([minimum], [1e-3], 1e-9, "a tenth of 1e-2");
});

test("where nothing falls nothing is suggested", () => {
  const refused = (values: readonly number[]) =>
    assert.throws(
      () => suggestRates(smooth(values)),
      (error) =>
        error instanceof SenetError && error.code === "training" && /no learning rate can be read/.test(error.message),
    );
  refused(Array.from({ length: 60 }, (_, i) => i));
  refused([3, 2, 1]);
  refused([]);
});

test("a trial that cannot be made is refused", () => {
  checkTrial({ from: 1e-7, to: 10, steps: 2 });
  for (const wrong of [{ steps: 0 }, { steps: 1 }, { steps: 2.5 }, { from: 0 }, { from: 20 }, { to: Number.NaN }]) {
    assert.throws(
      () => checkTrial({ from: 1e-7, to: 10, steps: 100, ...wrong }),
      (error) => error instanceof SenetError && error.code === "usage" && /at least 2 steps/.test(error.message),
      JSON.stringify(wrong),
    );
  }
});
