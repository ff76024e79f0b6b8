import assert from "node:assert/strict";
import { test } from "node:test";
import { assertClose } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import type { Evaluation } from "../evaluate/evaluate.ts";
import { tensor } from "../tensor.ts";
import { learningRateOf, type TrainingConfig, trainingConfig, withinSteps } from "./config.ts";
import { type LoopOptions, type Progress, partsOf, type TrainingBatch, trainingLoop } from "./loop.ts";
import { type EpochMetrics, initialState, type TrainingState } from "./state.ts";
import type { StepRates } from "./step.ts";

const stepsPerEpoch = 4;
const usual = trainingConfig({ epochs: 3, batchSize: 2, learningRate: 0.4, warmupEpochs: 1 });

/**
 * A run whose "weights" are one number that every step changes by what it is given, so that a step too many, too few
 * or out of order shows in it.
 */
class FakeRun {
  weight = 1;
  readonly rates: number[] = [];
  readonly wheres: string[] = [];
  readonly progress: Progress[] = [];
  readonly epochs: (readonly [EpochMetrics, boolean])[] = [];
  readonly saved: { readonly state: TrainingState; readonly isBest: boolean; readonly weight: number }[] = [];
  readonly #interrupt = new AbortController();
  readonly #errors: readonly number[];
  readonly #stopAt: number | undefined;
  readonly #stopWithin: number | undefined;
  readonly #validationLoss: number;
  readonly #saveEverySeconds: number;
  readonly #stopInValidation: number | undefined;
  readonly #config: TrainingConfig;

  constructor({
    weight = 1,
    errors = [30, 10, 20],
    stopAt,
    stopWithin,
    validationLoss = 0.5,
    saveEverySeconds = 900,
    stopInValidation,
    config = usual,
  }: {
    weight?: number;
    errors?: readonly number[];
    stopAt?: number;
    /** The step that the engine gives up half done. */
    stopWithin?: number;
    validationLoss?: number;
    saveEverySeconds?: number;
    /** The epoch whose validation is stopped. */
    stopInValidation?: number;
    config?: TrainingConfig;
  } = {}) {
    this.weight = weight;
    this.#errors = errors;
    this.#stopAt = stopAt;
    this.#stopWithin = stopWithin;
    this.#validationLoss = validationLoss;
    this.#saveEverySeconds = saveEverySeconds;
    this.#stopInValidation = stopInValidation;
    this.#config = config;
  }

  options(): LoopOptions {
    return {
      config: this.#config,
      stepsPerEpoch,
      step: {
        run: async ({ data }, _labels, rates, position) => {
          const { rate } = rates as StepRates;
          if (this.rates.length === this.#stopWithin) {
            this.#interrupt.abort();
            position!.signal?.throwIfAborted();
          }
          this.weight = (this.weight * 31 + data[0]! * rate) % 1009;
          this.rates.push(rate);
          this.wheres.push(position!.where!);
          return { loss: this.weight / 1009, correct: data[0]! % 3, optimiserMilliseconds: 0 };
        },
      },
      batches: (epoch, start) => this.#batches(epoch, start),
      evaluate: async () => {
        if (this.epochs.length === this.#stopInValidation) this.#interrupt.abort();
        return this.#interrupt.signal.aborted ? undefined : { weights: this.#evaluation() };
      },
      saveEverySeconds: this.#saveEverySeconds,
      onStep: (progress) => {
        this.progress.push(progress);
        if (this.progress.length === this.#stopAt) this.#interrupt.abort();
      },
      onEpoch: (metrics, isBest) => this.epochs.push([metrics, isBest]),
      save: async (state, isBest) => {
        this.saved.push({ state: structuredClone(state), isBest, weight: this.weight });
      },
      signal: this.#interrupt.signal,
    };
  }

  async *#batches(epoch: number, start: number): AsyncGenerator<TrainingBatch> {
    for (let batch = start; batch < stepsPerEpoch * partsOf(this.#config); batch++) {
      const images = tensor([2], Float32Array.of(10 * epoch + batch, 0));
      yield { images, labels: tensor([2], new Int32Array(2)) };
    }
  }

  #evaluation(): Evaluation {
    const top1Error = this.#errors[this.epochs.length]!;
    const rest = { confusion: new Uint32Array(), predictions: [] };
    return { images: 10, top1Error, top5Error: top1Error / 2, loss: this.#validationLoss, ...rest };
  }
}

/** A state without what depends on the clock. */
function timeless(state: TrainingState): TrainingState {
  const history = state.history.map((m) => ({ ...m, seconds: 0, imagesPerSecond: 0, waitShare: 0 }));
  return { ...state, history, sums: { ...state.sums, seconds: 0, waitSeconds: 0 } };
}

test("a run goes through its epochs, saves before and after each validation, and knows its best", async () => {
  const run = new FakeRun();
  const state = await trainingLoop(run.options());
  assert.equal(run.rates.length, 12);
  assert.deepEqual(
    run.saved.map(({ state, isBest }) => [state.epoch, state.step, isBest]),
    [
      [0, 4, false],
      [1, 0, true],
      [1, 4, false],
      [2, 0, true],
      [2, 4, false],
      [3, 0, false],
    ],
  );
  assert.deepEqual(
    run.epochs.map(([{ epoch, validationTop1Error, validationTop5Error }, isBest]) => [
      epoch,
      validationTop1Error,
      validationTop5Error,
      isBest,
    ]),
    [
      [0, 30, 15, true],
      [1, 10, 5, true],
      [2, 20, 10, false],
    ],
  );
  assert.equal(state.bestTop1Error, 10);
  assert.equal(state.epoch, 3);
  assert.deepEqual(state, run.saved.at(-1)!.state);
});

test("an equal error is not better: the first of two equal epochs stays the best", async () => {
  const run = new FakeRun({ errors: [10, 10, 10] });
  await trainingLoop(run.options());
  assert.deepEqual(
    run.saved.filter(({ state }) => state.step === 0).map(({ isBest }) => isBest),
    [true, false, false],
  );
});

test("a run of so many steps ends after them, in the midst of its last epoch, and is validated there", async () => {
  const config = withinSteps(trainingConfig({ maxSteps: 10, batchSize: 2, schedule: "poly", warmupEpochs: 0 }), 4);
  assert.equal(config.epochs, 3);
  const whole = new FakeRun({ config });
  const expected = await trainingLoop(whole.options());
  assertClose(
    whole.rates,
    Array.from({ length: 10 }, (_, it) => learningRateOf(config) * (1 - it / 10)),
    1e-12,
    "rates",
  );
  assert.equal(expected.history.at(-1)!.learningRate, whole.rates[9]);
  assert.deepEqual(
    whole.progress.slice(6).map(({ epoch, epochs, step, steps, left }) => [epoch, epochs, step, steps, left]),
    [
      [1, 3, 3, 4, 3],
      [1, 3, 4, 4, 2],
      [2, 3, 1, 2, 1],
      [2, 3, 2, 2, 0],
    ],
  );
  assert.equal(whole.wheres.at(-1), "epoch 3, step 2 of 2");
  assert.deepEqual([expected.epoch, whole.epochs.length], [3, 3]);
  for (const stopAt of [3, 8, 9, 10]) {
    const first = new FakeRun({ stopAt, config });
    await trainingLoop(first.options());
    const { state, weight } = first.saved.at(-1)!;
    const second = new FakeRun({ weight, config, errors: [30, 10, 20].slice(state.epoch) });
    assert.deepEqual(timeless(await trainingLoop(second.options(), state)), timeless(expected), `after step ${stopAt}`);
  }
  // The epochs may have fewer.
  const short = withinSteps(trainingConfig({ maxSteps: 100, epochs: 2, batchSize: 2 }), 4);
  const run = new FakeRun({ config: short });
  await trainingLoop(run.options());
  assert.deepEqual([run.rates.length, run.progress[0]!.left], [8, 7]);
});

test("a step that is given up half done is none: the run is saved as it was before, and goes on with that step", async () => {
  const whole = new FakeRun();
  const expected = await trainingLoop(whole.options());
  for (const stopWithin of [0, 2, 4, 7]) {
    const first = new FakeRun({ stopWithin });
    const reached = await trainingLoop(first.options());
    assert.deepEqual([4 * reached.epoch + reached.step, first.rates.length], [stopWithin, stopWithin]);
    if (stopWithin > 0) assert.deepEqual(first.saved.at(-1)!.state, reached);
    const second = new FakeRun({ weight: first.weight, errors: [30, 10, 20].slice(reached.epoch) });
    assert.deepEqual(timeless(await trainingLoop(second.options(), reached)), timeless(expected), `in ${stopWithin}`);
  }
});

test("a step in parts is given up before its first part is done, or comes to its end: statistics have moved", async () => {
  const config = trainingConfig({ ...usual, microBatch: 1 });
  for (const [stopWithin, steps] of [
    [2, 1],
    [3, 2],
    [9, 5],
  ] as const) {
    const run = new FakeRun({ stopWithin, config });
    const reached = await trainingLoop(run.options());
    assert.deepEqual([4 * reached.epoch + reached.step, run.rates.length], [steps, 2 * steps], `in part ${stopWithin}`);
    assert.deepEqual(run.saved.at(-1)!.state, reached);
  }
});

test("losses and errors are means over the epoch's pictures, and progress is of the epoch so far", async () => {
  const run = new FakeRun();
  const { history } = await trainingLoop(run.options());
  const losses = run.progress.map(({ loss }) => loss);
  assert.equal(history[0]!.trainLoss, losses[3]);
  // Correct of two pictures at each step: 0, 1, 2, 0 (the batch's number modulo 3).
  assert.deepEqual(
    run.progress.slice(0, 4).map(({ top1 }) => top1),
    [0, 25, 50, 37.5],
  );
  assert.equal(history[0]!.trainTop1Error, 62.5);
  assert.deepEqual(
    run.progress.slice(3, 6).map(({ epoch, epochs, step, steps }) => [epoch, epochs, step, steps]),
    [
      [0, 3, 4, 4],
      [1, 3, 1, 4],
      [1, 3, 2, 4],
    ],
  );
  assert.deepEqual(run.wheres.slice(3, 5), ["epoch 1, step 4 of 4", "epoch 2, step 1 of 4"]);
});

test("the rate is the schedule's at each step of the whole run", async () => {
  const run = new FakeRun();
  const { history } = await trainingLoop(run.options());
  assert.deepEqual(
    run.rates.slice(0, 4).map((rate) => rate.toFixed(4)),
    ["0.0800", "0.1600", "0.2400", "0.3200"],
  );
  assert.equal(run.rates[4], 0.4);
  assert.ok(run.rates.slice(4).every((rate, i, rest) => i === 0 || rate < rest[i - 1]!));
  assert.deepEqual(
    history.map(({ learningRate }) => learningRate),
    [run.rates[3], run.rates[7], run.rates[11]],
  );
});

test("a run stopped at any step, saved and resumed, ends as one that was not", async () => {
  const whole = new FakeRun();
  const expected = await trainingLoop(whole.options());
  for (let stopAt = 1; stopAt <= 12; stopAt++) {
    const first = new FakeRun({ stopAt });
    const stopped = await trainingLoop(first.options());
    const { state, weight } = first.saved.at(-1)!;
    assert.deepEqual(state, stopped, "what is given back has been saved");
    assert.equal(first.progress.length, stopAt, "it stops after the step under way");
    assert.equal(state.epoch * stepsPerEpoch + state.step, stopAt);
    assert.equal(first.epochs.length, state.epoch, "an epoch is told of once");

    const second = new FakeRun({ weight, errors: [30, 10, 20].slice(state.epoch) });
    const resumed = await trainingLoop(second.options(), JSON.parse(JSON.stringify(state)) as TrainingState);
    assert.deepEqual(timeless(resumed), timeless(expected), `stopped after step ${stopAt}`);
    assert.equal(second.weight, whole.weight);
    assert.deepEqual([...first.rates, ...second.rates], whole.rates);
    assert.equal(first.epochs.length + second.epochs.length, 3);
  }
});

test("stopped while it validates, a run has saved the steps before, and validates again when it goes on", async () => {
  const whole = new FakeRun();
  const expected = await trainingLoop(whole.options());
  for (const stopInValidation of [0, 1, 2]) {
    const first = new FakeRun({ stopInValidation });
    const stopped = await trainingLoop(first.options());
    assert.deepEqual([stopped.epoch, stopped.step], [stopInValidation, stepsPerEpoch]);
    assert.deepEqual(first.saved.at(-1)!.state, stopped);
    const errors = [30, 10, 20].slice(stopInValidation);
    const second = new FakeRun({ weight: first.weight, errors });
    assert.deepEqual(timeless(await trainingLoop(second.options(), stopped)), timeless(expected));
    assert.equal(second.weight, whole.weight);
    assert.deepEqual(second.saved[0]!.state.step, 0, "what was saved is not saved once more");
    const best = [...first.saved, ...second.saved].filter(({ isBest }) => isBest).at(-1)!;
    assert.equal(best.state.epoch, 2);
  }
});

test("a long epoch is saved now and then, and goes on from there as if nothing had been", async () => {
  const whole = new FakeRun();
  const expected = await trainingLoop(whole.options());
  const often = new FakeRun({ saveEverySeconds: 0 });
  assert.deepEqual(timeless(await trainingLoop(often.options())), timeless(expected));
  assert.deepEqual(
    often.saved.slice(0, 5).map(({ state }) => [state.epoch, state.step]),
    [
      [0, 1],
      [0, 2],
      [0, 3],
      [0, 4],
      [1, 0],
    ],
  );
  const { state, weight } = often.saved[1]!;
  assert.deepEqual(timeless(await trainingLoop(new FakeRun({ weight }).options(), state)), timeless(expected));
});

test("a run that was finished does nothing more", async () => {
  const finished = await trainingLoop(new FakeRun().options());
  const again = new FakeRun();
  assert.deepEqual(await trainingLoop(again.options(), finished), finished);
  assert.equal(again.rates.length + again.saved.length + again.epochs.length, 0);
});

test("a failure leaves what was saved before as the last word", async () => {
  const run = new FakeRun();
  const options = run.options();
  const failing: LoopOptions = {
    ...options,
    step: {
      run: async (...given) => {
        if (run.rates.length === 6) throw new SenetError("training", "the loss is not a finite number");
        return options.step.run(...given);
      },
    },
  };
  await assert.rejects(trainingLoop(failing, initialState), /not a finite number/);
  assert.deepEqual(
    run.saved.map(({ state }) => [state.epoch, state.step]),
    [
      [0, 4],
      [1, 0],
    ],
  );
});

test("a validation loss that is no number stops the run, and is not saved", async () => {
  const run = new FakeRun({ validationLoss: Number.NaN });
  await assert.rejects(trainingLoop(run.options()), (error) => {
    assert.ok(error instanceof SenetError && error.code === "training");
    assert.match(error.message, /^epoch 1, after its last step: the validation loss is not a finite number/);
    assert.match(error.message, /try: .*`learningRate`.*`warmupEpochs`/);
    return true;
  });
  assert.deepEqual(
    run.saved.map(({ state }) => [state.epoch, state.step, state.history.length]),
    [[0, 4, 0]],
  );
});

test("a state beyond its epoch is refused before anything is done", async () => {
  const run = new FakeRun();
  await assert.rejects(
    trainingLoop(run.options(), { ...initialState, step: stepsPerEpoch + 1 }),
    (error) => error instanceof SenetError && error.code === "weights" && error.message.includes("5 steps"),
  );
  assert.equal(run.saved.length, 0);
});
