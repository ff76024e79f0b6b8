/**
 * One process of `bench/mpi.ts`: runs turns of training steps as requested on standard input, alone or as a rank of a
 * job. An input line is a turn, `MODE MILLISECONDS RUNS`; an output line has the milliseconds of its steps and of their
 * parts after the backward pass.
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

/** How gradients are sent: during the backward pass, after it, or not at all. */
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

/** Sums as many numbers in buckets of the usual size, and does nothing else. */
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

/** Largest number of runs in a turn: messages take microseconds, and all must fit into a line. */
const mostRuns = 10_000;

interface Turn {
  readonly times: readonly number[];
  /** The rest of the sums, and the optimiser. */
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
    // All processes start together and end after the same step.
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
