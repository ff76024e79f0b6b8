import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assertClose, golden } from "../../tests/support.ts";
import { trainingConfig } from "./config.ts";
import { beyondTheEnd, learningRateAt, momentumAt, type ScheduleConfig } from "./schedule.ts";

/** The rates of these steps of a run of 10 epochs of 10 steps, the highest 0.4, without a warm-up. */
function rates(given: Partial<ScheduleConfig>, ...steps: number[]): number[] {
  const config: ScheduleConfig = { schedule: "cosine", learningRate: 0.4, epochs: 10, warmupEpochs: 0, ...given };
  return steps.map((step) => learningRateAt(config, step, 10));
}
const assertRates = (given: Partial<ScheduleConfig>, steps: readonly number[], expected: readonly number[]) =>
  assertClose(rates(given, ...steps), expected, 1e-12, JSON.stringify(given));

const root = Math.SQRT1_2;

test("cosine: half the rate half-way, almost none at the end, never negative", () => {
  assertRates({}, [0, 25, 50, 75, 100, 120], [0.4, 0.2 * (1 + root), 0.2, 0.2 * (1 - root), 0, 0]);
  assertRates({ minLr: 0.1 }, [0, 25, 50, 100, 120], [0.4, 0.25 + 0.15 * root, 0.25, 0.1, 0.1]);
  const [last] = rates({}, 99);
  assert.ok(last! > 0 && last! < 2e-4);
});

test("step: a part of it from each of the epochs on", () => {
  const step = { schedule: "step", stepEpochs: [4, 8], stepFactor: 0.1 } as const;
  assertRates(step, [0, 39, 40, 79, 80, 99], [0.4, 0.4, 0.04, 0.04, 0.004, 0.004]);
  assertRates({ ...step, minLr: 0.01 }, [39, 40, 80], [0.4, 0.04, 0.01]);
  assertRates({ ...step, stepEpochs: [2.5] }, [24, 25], [0.4, 0.04]);
});

test("poly: a straight line, or a power of what is left", () => {
  assertRates({ schedule: "poly" }, [0, 25, 50, 99, 100], [0.4, 0.3, 0.2, 0.004, 0]);
  assertRates({ schedule: "poly", polyPower: 2 }, [0, 50, 90], [0.4, 0.1, 0.004]);
  assertRates({ schedule: "poly", minLr: 0.2 }, [0, 50, 100], [0.4, 0.3, 0.2]);
});

test("poly as Caffe has it: lr = base (1 - it/max), where the epochs have as many steps or more", () => {
  const line: ScheduleConfig = { schedule: "poly", learningRate: 0.1, epochs: 100, warmupEpochs: 0 };
  const shicai: ScheduleConfig = { ...line, maxSteps: 500_000 };
  for (const it of [0, 1, 250_000, 499_999]) {
    assertClose([learningRateAt(line, it, 5000)], [0.1 * (1 - it / 500_000)], 1e-12, `${it}`);
    assertClose([learningRateAt(shicai, it, 5004)], [0.1 * (1 - it / 500_000)], 1e-12, `${it} by steps`);
  }
  // Fewer pictures: the epochs end it.
  assertClose([learningRateAt(shicai, 360, 36)], [0.1 * (1 - 360 / 3600)], 1e-12, "by epochs");
  const byEpoch: ScheduleConfig = { ...shicai, scheduleBy: "epoch" };
  assertClose([learningRateAt(byEpoch, 99 * 5004 + 4603, 5004)], [0.1 / 100], 1e-12, "by epochs");
});

test("exponential: a part of it in so many epochs, steadily, no lower than the lowest", () => {
  const falling = { schedule: "exponential", decayRate: 0.25, decayEpochs: 4 } as const;
  assertRates(falling, [0, 20, 40, 60, 80], [0.4, 0.2, 0.1, 0.05, 0.025]);
  assertRates({ ...falling, minLr: 0.06 }, [40, 60], [0.1, 0.06]);
  assertRates({ ...falling, warmupEpochs: 2 }, [20, 40, 60], [0.4, 0.2, 0.1]);
});

test("one-cycle: up from a 25th and down again, in half waves; the momentum goes the other way", () => {
  const cycle = { schedule: "one-cycle", pctStart: 0.4 } as const;
  assertRates(cycle, [0, 20, 40, 70, 100], [0.016, 0.208, 0.4, 0.2, 0]);
  assertRates({ ...cycle, warmupLr: 0.1, minLr: 0.02 }, [0, 20, 40, 70, 100], [0.1, 0.25, 0.4, 0.21, 0.02]);
  assertRates({ ...cycle, warmupEpochs: 5 }, [0], [0.016]);
  assertRates({ schedule: "one-cycle" }, [30], [0.4]);
  const at = (step: number, more: Partial<ScheduleConfig> = {}) =>
    momentumAt({ ...cycle, learningRate: 0.4, epochs: 10, ...more }, step, 10)!;
  assertClose(
    [0, 20, 40, 70, 100].map((step) => at(step)),
    [0.95, 0.9, 0.85, 0.9, 0.95],
    1e-12,
    "momentum",
  );
  assertClose([at(40, { cycleMomentum: [0.5, 0.9] })], [0.5], 1e-12, "the lowest");
  assert.equal(at(0, { schedule: "cosine" }), undefined);
});

test("flat-cosine: the highest rate for most of the run, and a half wave down", () => {
  const flat = { schedule: "flat-cosine", pctStart: 0.5 } as const;
  assertRates(flat, [0, 49, 50, 75, 100], [0.4, 0.4, 0.4, 0.2, 0]);
  assertRates({ ...flat, minLr: 0.1 }, [75, 100], [0.25, 0.1]);
  assertRates({ schedule: "flat-cosine" }, [74, 75, 87, 88], [0.4, 0.4, ...rates({ schedule: "flat-cosine" }, 87, 88)]);
  assert.ok(rates({ schedule: "flat-cosine" }, 76)[0]! < 0.4);
});

test("the warm-up rises in equal parts and meets the schedule", () => {
  const warm = { warmupEpochs: 2 };
  assertRates(warm, [0, 1, 19, 20, 60, 100], [0.4 / 21, 0.8 / 21, 8 / 21, 0.4, 0.2, 0]);
  assertRates({ ...warm, warmupLr: 0.1 }, [0, 5, 10, 20], [0.1, 0.175, 0.25, 0.4]);
  // tensorpack: from 0.1 to the base in 5 epochs.
  assertRates({ schedule: "step", warmupEpochs: 5, warmupLr: 0.1 }, [0, 10, 25, 50], [0.1, 0.16, 0.25, 0.4]);
});

test("a constant warm-up stays where it is, as nutszebra's first epoch", () => {
  const steps = { schedule: "step", epochs: 250, learningRate: 0.1, stepEpochs: [150, 200] } as const;
  const nutszebra: ScheduleConfig = { ...steps, warmup: "constant", warmupEpochs: 1, warmupLr: 0.01 };
  const epochs = [0, 0.999, 1, 149.999, 150, 199.999, 200];
  const found = epochs.map((epoch) => learningRateAt(nutszebra, Math.floor(epoch * 781), 781));
  assertClose(found, [0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001], 1e-12, "rates");
  assertRates({ warmup: "constant", warmupEpochs: 1 }, [0, 9, 10], [0.04, 0.04, 0.4]);
});

test("from epoch to epoch, all steps of an epoch have one rate", () => {
  const byEpoch = { scheduleBy: "epoch" } as const;
  assertRates(byEpoch, [0, 9, 50, 59], [0.4, 0.4, 0.2, 0.2]);
  assertRates({ ...byEpoch, schedule: "poly" }, [0, 9, 10, 19, 95], [0.4, 0.4, 0.36, 0.36, 0.04]);
  assertRates({ ...byEpoch, warmupEpochs: 2 }, [0, 9, 10, 19, 20], [0.4 / 3, 0.4 / 3, 0.8 / 3, 0.8 / 3, 0.4]);
});

interface TimmCase {
  readonly timm: string;
  readonly config: ScheduleConfig;
  readonly stepsPerEpoch: number;
  /** Of each epoch, or of each step where the schedule goes by steps. */
  readonly rates: readonly number[];
}

test("the rates are those of timm's schedulers with a warm-up before them", () => {
  const { cases } = JSON.parse(readFileSync(golden("schedules.json"), "utf8")) as { cases: readonly TimmCase[] };
  assert.equal(cases.length, 7);
  for (const { timm, config, stepsPerEpoch, rates } of cases) {
    const stride = config.scheduleBy === "step" ? 1 : stepsPerEpoch;
    const own = rates.map((_, at) => learningRateAt(config, at * stride, stepsPerEpoch));
    assertClose(own, rates, 1e-12, `${timm}: ${JSON.stringify(config)}`);
  }
});

test("a warm-up and cuts beyond the run's end are told", () => {
  const lines = (given: object) => beyondTheEnd(trainingConfig(given));
  assert.deepEqual(lines({ epochs: 2, warmupEpochs: 5 }), [
    "the warm-up takes 5 epochs, the run 2 epochs: the highest rate is never reached",
  ]);
  assert.deepEqual(lines({ epochs: 2, warmupEpochs: 0, schedule: "step", stepEpochs: [125, 200] }), [
    "the rate is cut after epochs 125, 200, the run has 2 epochs: it never falls",
  ]);
  assert.deepEqual(lines({ epochs: 126, schedule: "step", stepEpochs: [125, 200] }), []);
  assert.deepEqual(lines({ epochs: 1 }), []);
  assert.deepEqual(lines({ epochs: 2, warmupEpochs: 5, schedule: "one-cycle" }), []);
});
