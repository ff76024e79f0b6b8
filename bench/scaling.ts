/**
 * What more servers bring: steps measured on two hosts of this machine (network namespaces, a shaped link), held against
 * the model of docs/scaling.md, and computed by it for up to 64 servers.
 *
 * `node dist/bench/scaling.js [--rounds 3] [--turn 6000]`, as root, with Open MPI, after `npm run build`. The last line is
 * one JSON object.
 */

import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import { Hosts } from "../tests/hosts.ts";
import { launch } from "../tests/mpi.ts";
import { machine, median, takeTurns, whole } from "./measure.ts";
import { Side } from "./mpi-side.ts";
import { countParameters, parseWorkload } from "./workload.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, turn: { type: "string", default: "6000" } },
});
const length = { milliseconds: whole("turn", values.turn), runs: 5 };
/** Gigabits a second between two hosts, or the memory of one. */
const ways = [1, 10, "memory"] as const;
type Way = (typeof ways)[number];
/** The link is measured by the sums of the first two; the steps of all are predicted. A batch is one process's. */
const workloads = ["se-resnet-20@32x64", "se-resnet-18@96x32", "se-resnet-50@224x8"] as const;
type WorkloadName = (typeof workloads)[number];
const bytesOf = (workload: string): number => 4 * countParameters(parseWorkload(workload));

/** A line through sums of two lengths: what a sum takes however short it is, and each byte of it. */
interface Link {
  readonly milliseconds: number;
  readonly perByte: number;
}

/** The bytes that each of `count` servers sends for a sum of so many: all but its own share, twice. */
const sentBytes = (bytes: number, count: number): number => (2 * bytes * (count - 1)) / count;

/** A message for each of the others, bucket by bucket. */
const sumMs = ({ milliseconds, perByte }: Link, bytes: number, count: number, buckets = 1): number =>
  buckets * milliseconds * (count - 1) + perByte * sentBytes(bytes, count);

/** The backward pass computes twice what the forward pass does, and hides what is sent meanwhile. */
const backwardShare = 2 / 3;
const bucketBytes = 4 * 2 ** 20;

/**
 * A step: what it computes, and of the sum what the backward pass cannot hide; at least the last bucket, which is full
 * only when the backward pass is over.
 */
function stepMs(link: Link, bytes: number, count: number, computeMs: number): number {
  const sum = sumMs(link, bytes, count, Math.ceil(bytes / bucketBytes));
  const last = sumMs(link, Math.min(bytes, bucketBytes), count);
  return computeMs + Math.max(last, sum - backwardShare * computeMs);
}

interface Measured {
  /** Of the sum alone, of a step without sums, and of one with them. */
  readonly sum: number;
  readonly unsummed: number;
  readonly summed: number;
}

async function measure(launcher: readonly string[], workload: string): Promise<Measured> {
  const side = new Side({ launcher, workload, threads: 1, executor: "onednn" });
  const contenders = {
    sum: side.contender("sum"),
    unsummed: side.contender("unsummed"),
    summed: side.contender("summed"),
  };
  const rounds = await takeTurns(contenders, whole("rounds", values.rounds), length);
  await side.end();
  return { sum: median(rounds.sum), unsummed: median(rounds.unsummed), summed: median(rounds.summed) };
}

const measured = new Map<Way, ReadonlyMap<WorkloadName, Measured>>();
const hosts = new Hosts();
try {
  for (const way of ways) {
    if (way !== "memory") hosts.setSpeed(way);
    const launcher = way === "memory" ? launch("Open MPI", 2) : hosts.launch("Open MPI", 2);
    const found = new Map<WorkloadName, Measured>();
    for (const workload of workloads) found.set(workload, await measure(launcher, workload));
    measured.set(way, found);
  }
} finally {
  hosts.end();
}

const shown = (ms: number): string => ms.toFixed(ms < 100 ? 1 : 0);
const percent = (ratio: number): string => `${(100 * ratio).toFixed(0)} %`;
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const links = new Map<Way, Link>();
const checks: { way: Way; workload: string; measured: Measured; predicted: { sum: number; summed: number } }[] = [];
for (const [way, found] of measured) {
  const [small, large] = [workloads[0], workloads[1]] as const;
  const [less, more] = [sentBytes(bytesOf(small), 2), sentBytes(bytesOf(large), 2)];
  const perByte = (found.get(large)!.sum - found.get(small)!.sum) / (more - less);
  const link = { perByte, milliseconds: Math.max(0, found.get(small)!.sum - perByte * less) };
  links.set(way, link);
  for (const [workload, one] of found) {
    const bytes = bytesOf(workload);
    const predicted = { sum: sumMs(link, bytes, 2), summed: stepMs(link, bytes, 2, one.unsummed) };
    checks.push({ way, workload, measured: one, predicted });
  }
}
console.log("Measured on two hosts, and predicted:");
const header = [
  "Gbit/s",
  "network, batch of each",
  "MiB",
  "sum, ms",
  "predicted",
  "step without",
  "step",
  "predicted",
  "off by",
];
console.log(
  table(
    header,
    checks.map(({ way, workload, measured: one, predicted }) => [
      ...[`${way}`, workload, mebibytes(bytesOf(workload))],
      ...[one.sum, predicted.sum, one.unsummed, one.summed, predicted.summed].map(shown),
      percent(predicted.summed / one.summed - 1),
    ]),
  ),
);

const counts = [2, 4, 8, 16, 32, 64];
/** How many times as fast as one thread here a server may be: the faster, the less time to hide what is sent. */
const faster = [1, 20, 100];
/** As much of a link's speed as was had of ten gigabits, but no more than memory gave. */
const measuredGigabits = 8e-6 / links.get(10)!.perByte;
const linkOf = (gigabits: number): Link => ({
  milliseconds: links.get(10)!.milliseconds,
  perByte: Math.max(8e-6 / ((gigabits * measuredGigabits) / 10), links.get("memory")!.perByte),
});
const computed = [10, 100].flatMap((gigabits) =>
  faster.flatMap((times) =>
    [workloads[1], workloads[2]].map((workload) => {
      const computeMs = measured.get(10)!.get(workload)!.unsummed / times;
      const kept = counts.map((count) => computeMs / stepMs(linkOf(gigabits), bytesOf(workload), count, computeMs));
      return { gigabits, times, workload, computeMs, kept };
    }),
  ),
);
console.log(
  "\nComputed: what is kept of each server's speed, where a server is so many times as fast as one thread here:",
);
console.log(
  table(
    ["Gbit/s", "times as fast", "network, batch of each", "step alone, ms", ...counts.map((count) => `${count}`)],
    computed.map(({ gigabits, times, workload, computeMs, kept }) => [
      ...[`${gigabits}`, `${times}`, workload, shown(computeMs)],
      ...kept.map(percent),
    ]),
  ),
);
console.log(JSON.stringify({ ...machine(), links: Object.fromEntries(links), checks, counts, computed }));
