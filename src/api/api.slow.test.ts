/** Runs and what they meet: slow readers of their events, batches found by trial, too little memory, too little time. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { writeDrawnPictures } from "../../tests/drawn.ts";
import { SenetError } from "../errors.ts";
import type { RunFacts } from "../train/facts.ts";
import type { Progress } from "../train/loop.ts";
import { openRun } from "../train/out.node.ts";
import { type TrainedRun, train } from "./train.node.ts";

const folder = temporaryFolder();
const data = join(folder, "pictures");
const quick = { model: "se-resnet-8", epochs: 2, batchSize: 6, workers: 1, report: false } as const;

before(() => void writeDrawnPictures(data));

const isUsage = (error: unknown) => error instanceof SenetError && error.code === "usage";

test("whoever is slower than the run gets every epoch, and of steps the newest", async () => {
  const kinds: string[] = [];
  let last = 0;
  for await (const event of train(data, { ...quick, epochs: 3, out: join(folder, "slow") })) {
    kinds.push(event.kind);
    // Until the run is over: nothing that comes meanwhile may pile up.
    if (event.kind === "start") await new Promise((resolve) => setTimeout(resolve, 1500));
    if (event.kind === "epoch") last = event.epoch;
  }
  assert.equal(kinds.filter((kind) => kind === "epoch").length, 3);
  assert.equal(last, 2);
  assert.ok(kinds.filter((kind) => kind === "step").length <= 2 * 3, kinds.join(" "));
});

test("a batch that is found by itself fits the memory, is recorded as a number, and stays when the run goes on", async () => {
  const notes: string[] = [];
  const running = { ...quick, batchSize: "auto", epochs: 1, say: (line: string) => notes.push(line) } as const;
  const out = join(folder, "auto");
  const found = await train(data, { ...running, out });
  assert.ok(Number.isInteger(found.config.batchSize) && found.config.batchSize >= 2);
  assert.ok(
    notes.some((line) => line.startsWith(`batches of ${found.config.batchSize} pictures: `)),
    notes.join("\n"),
  );
  const said = JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as { readonly batchSize: unknown };
  assert.equal(said.batchSize, found.config.batchSize);
  const longer = await train(data, { out, batchSize: "auto", memoryLimit: 1, resume: true, epochs: 2, report: false });
  assert.equal(longer.config.batchSize, found.config.batchSize);
  await assert.rejects(
    async () => await train(data, { ...running, microBatch: 2, out: join(folder, "parts") }),
    isUsage,
  );
});

test("a run out of memory goes on from what it saved, with half of the batch and of the rate", async () => {
  const notes: string[] = [];
  let faults = 0;
  const shortAt = (epoch: number) => ({
    onStep: (progress: { readonly epoch: number; readonly step: number }) => {
      if (progress.epoch !== epoch || progress.step !== 2 || faults > 0) return;
      faults++;
      throw new SenetError("executor", "there is not enough memory for the plan");
    },
    say: (line: string) => notes.push(line),
  });
  for (const [epoch, first] of [
    [0, 0],
    [1, 1],
  ] as const) {
    faults = 0;
    notes.length = 0;
    const starts: RunFacts[] = [];
    const out = join(folder, `short-${epoch}`);
    const options = { ...quick, out, saveEverySeconds: 900, onStart: (facts: RunFacts) => starts.push(facts) };
    const ended = await train(data, { ...options, ...shortAt(epoch) });
    assert.equal(faults, 1);
    assert.deepEqual([ended.finished, ended.config.batchSize, ended.history.length], [true, 3, 2]);
    assert.deepEqual(
      starts.map(({ batchSize, startEpoch }) => [batchSize, startEpoch]),
      [
        [6, 0],
        [3, first],
      ],
    );
    assert.equal(starts[1]!.learningRate, starts[0]!.learningRate / 2);
    assert.match(notes.join("\n"), /^out of memory: going on with batches of 3 pictures instead of 6, with a rate of/m);
    const said = JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as { readonly batchSize: unknown };
    assert.equal(said.batchSize, 3);
    assert.equal((await openRun(out)).config.batchSize, 3);
  }
});

test("a run whose time is up is saved and goes on with the schedule that it had", async () => {
  const epochs = 1000;
  // A machine that is busy may not come to a step in the first of these times, and then there is nothing to save.
  const within = async (seconds: number): Promise<TrainedRun> => {
    const out = join(folder, `budget-${seconds}`);
    const run = await train(data, { ...quick, epochs, out, timeBudgetSeconds: seconds });
    return existsSync(run.last) ? run : within(4 * seconds);
  };
  const stopped = await within(0.4);
  const { out } = stopped;
  assert.equal(stopped.finished, false);
  assert.ok(stopped.history.length < epochs);
  const { config, state } = await openRun(out);
  assert.equal(config.epochs, epochs);
  const starts: RunFacts[] = [];
  const again = await train(data, {
    ...{ out, resume: true, timeBudgetSeconds: 0.4, report: false, workers: 1 },
    onStart: (facts) => starts.push(facts),
  });
  assert.equal(again.finished, false);
  assert.deepEqual([starts[0]!.startEpoch, starts[0]!.startStep], [state.epoch, state.step]);
});

test("an epoch more is what a resumed run may be asked for; nothing else", async () => {
  const out = join(folder, "longer");
  await train(data, { ...quick, epochs: 1, out });
  await assert.rejects(
    async () => await train(data, { out, resume: true, batchSize: 4 }),
    /a resumed run keeps its options/,
  );
  const longer = await train(data, { out, resume: true, epochs: 2, workers: 1, report: false });
  assert.equal(longer.history.length, 2);
});

test("runs without a name are numbered; an option that is undefined is none", async () => {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const first = await train(data, { ...quick, epochs: 1 });
    const second = await train(data, { ...quick, epochs: 1, ...({ executor: undefined } as object) });
    assert.deepEqual([first.out, second.out], [join("runs", "se-resnet-8"), join("runs", "se-resnet-8-2")]);
  } finally {
    process.chdir(before);
  }
});

test("a run of so many steps, with a last batch that is not full, one order and statistics that move twice", async () => {
  const options = { ...quick, batchSize: 5, epochs: 9, maxSteps: 7, lastBatch: "keep", shuffle: "once" } as const;
  const run = async (name: string, stopAt: number, more: object) => {
    const out = join(folder, name);
    const stop = new AbortController();
    const steps: string[] = [];
    const onStep = ({ epoch, step, steps: of, left }: Progress) => {
      steps.push(`${epoch}: ${step} of ${of}, ${left} left`);
      if (steps.length === stopAt) stop.abort();
    };
    const { config, history, finished } = await train(data, { ...options, ...more, out, onStep, signal: stop.signal });
    return {
      config,
      steps,
      finished,
      history: history.map(({ trainLoss, validationLoss }) => [trainLoss, validationLoss]),
    };
  };
  const twice = { runningStatistics: "twice" } as const;
  const whole = await run("steps", 0, twice);
  assert.deepEqual([whole.finished, whole.config.epochs, whole.history.length], [true, 3, 3]);
  assert.deepEqual(whole.steps, [
    ...["0: 1 of 3, 6 left", "0: 2 of 3, 5 left", "0: 3 of 3, 4 left"],
    ...["1: 1 of 3, 3 left", "1: 2 of 3, 2 left", "1: 3 of 3, 1 left"],
    "2: 1 of 1, 0 left",
  ]);
  // Stopped behind the small batch of an epoch, and before one.
  for (const stopAt of [3, 5]) {
    const first = await run(`steps-${stopAt}`, stopAt, twice);
    assert.equal(first.finished, false);
    const rest = await run(`steps-${stopAt}`, 0, { ...twice, epochs: 3, resume: true });
    assert.deepEqual([rest.finished, rest.history], [true, whole.history]);
    assert.equal(first.steps.length + rest.steps.length, 7);
  }
  // What is learnt is the same; what it is validated by is not.
  const once = await run("steps-once", 0, {});
  assert.deepEqual(
    once.history.map(([loss]) => loss),
    whole.history.map(([loss]) => loss),
  );
  assert.notDeepEqual(once.history, whole.history);
});
