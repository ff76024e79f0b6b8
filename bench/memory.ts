/**
 * Memory of training: the peak, and whether it stays flat.
 *
 * `node dist/bench/memory.js [MODEL@SIDExBATCH] [--steps 200] [--data FOLDER] [--cache-mib 0] [--executor ort]
 * [--threads N]`, after `npm run build`; se-resnet-50@224x16 by default. On one batch of noise, or with FOLDER (one
 * folder a class) on the loader's batches. Linux only. The last line is one JSON object.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import { openFolder } from "../src/data/folder.node.ts";
import { selectExecutor } from "../src/executors/select.node.ts";
import { model } from "../src/zoo/index.ts";
import { machine, mean, whole } from "./measure.ts";
import { createStep, endless, learningRate, noise, parseWorkload, trainingLoader } from "./workload.ts";

const peakLimitMiB = 4096;
/** The first steps fill pools and compile functions. */
const warmUpShare = 0.1;
/** Growth from the first quarter to the last that still counts as flat: the JavaScript heap varies. */
const flatMiB = 32;
const flatShare = 0.01;

/** The system's figures for this process, in MiB: `VmRSS` now, `VmHWM` at its peak. */
function residentMiB(field: "VmRSS" | "VmHWM"): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  if (match === null) throw new Error(`this system does not tell ${field}`);
  return Number(match[1]) / 1024;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "200" },
    data: { type: "string" },
    "cache-mib": { type: "string", default: "0" },
    executor: { type: "string" },
    threads: { type: "string" },
  },
});
const name = positionals[0] ?? "se-resnet-50@224x16";
const workload = parseWorkload(name);
const steps = whole("steps", values.steps);
const threads = values.threads === undefined ? undefined : whole("threads", values.threads);
const { executor } = await selectExecutor({ name: values.executor, purpose: "training" });

const dataset = values.data === undefined ? undefined : openFolder(values.data);
const network = model(workload.model, dataset?.classes.length);
const step = await createStep(executor, network, workload, threads);
const compiledMiB = residentMiB("VmRSS");
const loader = dataset && trainingLoader(workload, dataset, Number(values["cache-mib"]) * 2 ** 20);
const batches = loader === undefined ? undefined : endless(loader);
const resident = noise(workload, network.classes);

const rss: number[] = [];
for (let i = 0; i < steps; i++) {
  const { images, labels } = batches === undefined ? resident : (await batches.next()).value;
  await step.run(images, labels, learningRate);
  // As in training: lets the garbage collector work between turns of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  rss.push(residentMiB("VmRSS"));
  if ((i + 1) % 10 === 0) console.error(`step ${i + 1}/${steps}: ${rss.at(-1)!.toFixed(0)} MiB`);
}
const peak = residentMiB("VmHWM");
await batches?.return(undefined as never);
await loader?.dispose();
await step.dispose();

const steady = rss.slice(Math.floor(steps * warmUpShare));
const quarter = Math.max(1, Math.floor(steady.length / 4));
const first = mean(steady.slice(0, quarter));
const last = mean(steady.slice(-quarter));
const growth = last - first;
const flat = growth <= Math.max(flatMiB, flatShare * first);

const mib = (value: number): string => value.toFixed(1);
console.log(
  `${name}, ${executor.name}, ${steps} steps on ${values.data === undefined ? "noise" : "the loader's batches"}\n`,
);
console.log(
  table(
    ["resident memory", "MiB"],
    [
      ["compiled, before the first step", mib(compiledMiB)],
      ["mean of the first quarter", mib(first)],
      ["mean of the last quarter", mib(last)],
      ["peak", mib(peak)],
    ],
  ),
);
console.log(`\npeak ${peak < peakLimitMiB ? "under" : "NOT under"} ${peakLimitMiB} MiB; ${flat ? "flat" : "NOT flat"}`);
console.log(
  JSON.stringify({
    bench: "memory",
    workload: name,
    executor: executor.name,
    engine: executor.description,
    steps,
    batches: values.data === undefined ? "noise" : "loader",
    compiled_mib: compiledMiB,
    first_quarter_mib: first,
    last_quarter_mib: last,
    growth_mib: growth,
    flat,
    peak_mib: peak,
    peak_limit_mib: peakLimitMiB,
    reached: flat && peak < peakLimitMiB,
    rss_mib: rss.map(Math.round),
    machine: machine(),
  }),
);
