/**
 * Whether the loader keeps up: the rate of training from a folder of pictures against the step's own rate on a batch
 * that is in memory already, turn by turn in one run. Three rows: a first epoch from its loader's and its step's beginning to its
 * end, where it is not too long to be tried; epochs of pictures that memory has no room for; epochs from memory.
 *
 * `node dist/bench/train-rate.js FOLDER [MODEL@SIDExBATCH...] [--rounds 3] [--turn 10000] [--pictures 2048]
 * [--executor ort] [--precision bf16] [--threads N]`, after `npm run build`; FOLDER has one folder a class, all of which is a first
 * epoch, and so many of its pictures are the others. The last line is one JSON object.
 */

import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { openFolder } from "../src/data/folder.node.ts";
import type { Loader } from "../src/data/loader.node.ts";
import type { Executor } from "../src/executors/executor.ts";
import { precisions, selectExecutor } from "../src/executors/select.node.ts";
import type { TrainingStep } from "../src/train/step.ts";
import { model } from "../src/zoo/index.ts";
import { type Contender, machine, median, Neighbours, percent, settle, takeTurns, whole } from "./measure.ts";
import {
  createStep,
  endless,
  type LabelledImages,
  learningRate,
  noise,
  parseWorkload,
  trainingLoader,
} from "./workload.ts";

const defaults = ["se-resnet-18@96x64", "se-resnet-50@224x16"];
/** Targets for the first epoch, for an epoch with all pictures decoded anew, and for the others. */
const targets = { first: 0.9, decoding: 0.9, cached: 0.95 } as const;
/** The first epoch is measured only if it takes no longer than this many turns. */
const mostTurns = 3;
/** The first steps of a turn are not counted: batches that the loader prepared before would flatter it. */
const uncounted = 5;

type Source = () => AsyncIterable<LabelledImages>;

async function* forever<T>(value: T): AsyncGenerator<T, never, undefined> {
  for (;;) yield value;
}

/** A turn runs steps as an epoch of `senet train` does; a run lasts from the end of one step to the end of the next. */
function trainer(step: TrainingStep, source: Source): Contender {
  return async ({ milliseconds, runs }) => {
    const times: number[] = [];
    let count = 0;
    let mark = performance.now();
    let end = Number.POSITIVE_INFINITY;
    for await (const { images, labels } of source()) {
      await step.run(images, labels, learningRate);
      await new Promise((resolve) => setImmediate(resolve));
      const now = performance.now();
      count++;
      if (count === uncounted) end = now + milliseconds;
      if (count > uncounted) times.push(now - mark);
      mark = now;
      if (times.length >= runs && now >= end) break;
    }
    await settle();
    // The mean, not the median: waiting for batches comes in bursts, and all of it counts.
    return [times.reduce((sum, time) => sum + time, 0) / times.length];
  };
}

/** Milliseconds of the first epoch's steps, including all preparation. */
async function firstEpoch(create: () => Promise<TrainingStep>, steps: number, source: Source): Promise<number> {
  const start = performance.now();
  const batches = source();
  await using step = await create();
  let count = 0;
  for await (const { images, labels } of batches) {
    await step.run(images, labels, learningRate);
    await new Promise((resolve) => setImmediate(resolve));
    if (++count === steps) break;
  }
  return performance.now() - start;
}

interface Settings {
  readonly executor: Executor;
  readonly threads: number | undefined;
  readonly rounds: number;
  readonly milliseconds: number;
}

async function measure(name: string, all: Dataset, dataset: Dataset, settings: Settings) {
  const { executor, threads, rounds, milliseconds } = settings;
  const workload = parseWorkload(name);
  const network = model(workload.model, dataset.classes.length);
  const create = () => createStep(executor, network, workload, threads);
  const step = await create();
  await using decoding = trainingLoader(workload, dataset, 0);
  await using cached = trainingLoader(workload, dataset, undefined);
  await fillCache(cached);
  await settle();

  const batch = noise(workload, dataset.classes.length);
  const contenders = {
    own: trainer(step, () => forever(batch)),
    decoding: trainer(step, nextEpochs(decoding, 0)),
    cached: trainer(step, nextEpochs(cached, 1)),
  };
  const neighbours = new Neighbours();
  const turns = await takeTurns(contenders, rounds, { milliseconds, runs: 5 });
  await step.dispose();

  const steps = Math.floor(all.samples.length / workload.batchSize);
  const firsts: Record<"own" | "first", number[]> = { own: [], first: [] };
  const isTried = steps * median(turns.own) <= mostTurns * milliseconds;
  for (let round = 0; isTried && round < rounds; round++) {
    for (const side of round % 2 === 0 ? (["own", "first"] as const) : (["first", "own"] as const)) {
      const loader = side === "first" ? trainingLoader(workload, all, undefined) : undefined;
      loader?.prepare(0);
      const time = await firstEpoch(create, steps, () => loader?.epoch(0) ?? forever(batch));
      firsts[side].push(time / steps);
      await loader?.dispose();
      await settle();
    }
  }
  const others = neighbours.percent();

  const rate = (times: readonly number[]): number => (1000 * workload.batchSize) / median(times);
  const row = (pictures: keyof typeof targets, times: readonly number[], ownTimes: readonly number[]) => {
    const own = rate(ownTimes);
    const ratio = rate(times) / own;
    const ratios = times.map((time, round) => ownTimes[round]! / time);
    const target = targets[pictures];
    const facts = { workload: name, pictures, images_per_second: rate(times), own_images_per_second: own };
    return { ...facts, ratio, ratio_by_round: ratios, target, reached: ratio >= target, others_percent: others };
  };
  return [
    ...(isTried ? [row("first", firsts.first, firsts.own)] : []),
    row("decoding", turns.decoding, turns.own),
    row("cached", turns.cached, turns.own),
  ];
}

/** Each turn starts a new epoch. */
function nextEpochs(loader: Loader, first: number): Source {
  let epoch = first;
  return () => {
    const batches = endless(loader, epoch);
    epoch += 1000;
    return batches;
  };
}

/** Runs epoch 0 without steps. */
async function fillCache(loader: Loader): Promise<void> {
  for await (const _ of loader.epoch(0));
}

/** Pictures evenly spread over all classes, as a sample. */
function part(all: Dataset, count: number): Dataset {
  const wanted = Math.min(all.samples.length, count);
  const samples = Array.from({ length: wanted }, (_, i) => all.samples[Math.floor((i * all.samples.length) / wanted)]!);
  return { ...all, samples };
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    turn: { type: "string", default: "10000" },
    pictures: { type: "string", default: "2048" },
    executor: { type: "string" },
    precision: { type: "string", default: "float32" },
    threads: { type: "string" },
  },
});
const [folder, ...given] = positionals;
if (folder === undefined) throw new Error("which folder? It has one folder a class.");
const all = openFolder(folder);
const dataset = part(all, whole("pictures", values.pictures));
const precision = precisions.find((known) => known === values.precision);
if (precision === undefined) throw new Error(`--precision is one of ${precisions.join(", ")}`);
const { executor } = await selectExecutor({ name: values.executor, purpose: "training", precision });
const settings: Settings = {
  executor,
  threads: values.threads === undefined ? undefined : whole("threads", values.threads),
  rounds: whole("rounds", values.rounds),
  milliseconds: whole("turn", values.turn),
};
const before = machine();

const results = [];
for (const name of given.length > 0 ? given : defaults) {
  console.error(`${name} ...`);
  results.push(...(await measure(name, all, dataset, settings)));
}

console.log(`images a second, ${executor.name}, medians of ${settings.rounds} rounds\n`);
console.log(
  table(
    [
      "training",
      "pictures",
      "from the folder",
      "the step's own",
      "ratio",
      "lowest to highest",
      "target",
      "reached",
      "others' CPU",
    ],
    results.map((row) => [
      row.workload,
      row.pictures,
      row.images_per_second.toFixed(1),
      row.own_images_per_second.toFixed(1),
      row.ratio.toFixed(3),
      `${Math.min(...row.ratio_by_round).toFixed(3)} to ${Math.max(...row.ratio_by_round).toFixed(3)}`,
      `${row.target}`,
      row.reached ? "yes" : "no",
      percent(row.others_percent),
    ]),
  ),
);
const facts = {
  executor: executor.name,
  precision,
  engine: executor.description,
  rounds: settings.rounds,
  images: dataset.samples.length,
};
console.log(
  JSON.stringify({
    bench: "train-rate",
    ...facts,
    results,
    machine: { ...machine(), load_before: before.load_average },
  }),
);
