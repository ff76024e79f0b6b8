/**
 * One process of `bench/mpi.ts`: takes turns of training steps as it is told on its standard input, alone or as a rank of a
 * job. A line in is a turn, `MODE MILLISECONDS RUNS`; a line out the milliseconds of its steps, and of what comes behind
 * their backward pass.
 */

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { selectExecutor } from "../src/executors/select.node.ts";
import { openJob } from "../src/mpi/launch.node.ts";
import { alone, fromFirst } from "../src/ranks.ts";
import { type TrainingStep, usualBucketBytes } from "../src/train/step.ts";
import { model } from "../src/zoo/index.ts";
import { settle } from "./measure.ts";
import { createStep, learningRate, noise, parseWorkload } from "./workload.ts";

const { values } = parseArgs({
  options: {
    workload: { type: "string" },
    threads: { type: "string" },
    executor: { type: "string", default: "onednn" },
  },
});
const job = await openJob();
const workload = parseWorkload(values.workload!);
const threads = Number(values.threads);
const { executor } = await selectExecutor({ name: values.executor, purpose: "training" });
const network = model(workload.model);
const batch = noise(workload, network.classes);

/** What is done with the gradients: sent while the backward pass goes on, all of them behind it, or nothing. */
const exchanges = {
  summed: { ranks: job },
  behind: { ranks: job, bucketBytes: Number.MAX_SAFE_INTEGER },
  unsummed: { ranks: alone },
} as const;
type Mode = keyof typeof exchanges | "sum" | "message";
const steps = new Map<keyof typeof exchanges, TrainingStep>();
let index = 0;

async function stepOf(mode: keyof typeof exchanges): Promise<TrainingStep> {
  const step = steps.get(mode) ?? (await createStep(executor, network, workload, threads, undefined, exchanges[mode]));
  steps.set(mode, step);
  return step;
}

/** As many numbers in buckets of the usual size (all gradients: what there is to hide), and nothing else. */
function sumAlone(length: number): () => Promise<number> {
  const data = new Float32Array(length);
  const size = usualBucketBytes / 4;
  const buckets = Array.from({ length: Math.ceil(length / size) }, (_, index) =>
    job.bucket(data.subarray(index * size, (index + 1) * size), "float32", index),
  );
  return async () => {
    for (const bucket of buckets) bucket.start();
    for (const bucket of buckets) await bucket.finish();
    return 0;
  };
}

/** Of a turn: messages take microseconds, and a line holds them all. */
const mostRuns = 10_000;

interface Turn {
  readonly times: readonly number[];
  /** Sums that were not done before, and the optimiser. */
  readonly behind: readonly number[];
}

async function turn(mode: Mode, milliseconds: number, runs: number): Promise<Turn> {
  const step = await stepOf(mode === "sum" || mode === "message" ? "unsummed" : mode);
  const length = step.gradientData.reduce((sum, data) => sum + data.length, 0);
  const run =
    mode === "sum" || mode === "message"
      ? sumAlone(mode === "sum" ? length : job.count)
      : async () =>
          (await step.run(batch.images, batch.labels, learningRate, { index: index++ })).optimiserMilliseconds;
  await run();
  const times: number[] = [];
  const behind: number[] = [];
  let taken = 0;
  for (;;) {
    // All begin together, and end after the same step.
    const isEnough = times.length >= runs && (taken >= milliseconds || times.length >= mostRuns);
    if (await fromFirst(job, () => isEnough)) return { times, behind };
    const start = performance.now();
    behind.push(await run());
    const time = performance.now() - start;
    times.push(time);
    taken += time;
  }
}

const lines = job.rank === 0 ? createInterface({ input: process.stdin })[Symbol.asyncIterator]() : undefined;
for (;;) {
  const line = await fromFirst(job, async () => {
    const next = await lines!.next();
    return next.done === true ? "" : next.value;
  });
  if (line === "") break;
  const [mode, milliseconds, runs] = line.split(" ");
  const taken = await turn(mode as Mode, Number(milliseconds), Number(runs));
  if (job.count === 1) await settle();
  if (job.rank === 0) console.log(JSON.stringify(taken));
}
for (const step of steps.values()) await step.dispose();
await job.close();
