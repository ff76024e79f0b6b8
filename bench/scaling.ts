/**
 * What more servers bring: steps measured on two hosts of this machine (network namespaces, a shaped link), held against
 * the model of docs/scaling.md, and computed by it for up to 64 servers.
 *
 * `node dist/bench/scaling.js [--rounds 3] [--turn 6000]`, as root, with Open MPI, after `npm run build`. The last line is
 * one JSON object; `--measured FILE` computes anew from such a line, and measures nothing.
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import { usualBucketBytes } from "../src/train/step.ts";
import { Hosts } from "../tests/hosts.ts";
import { launch } from "../tests/mpi.ts";
import { machine, median, takeTurns, whole } from "./measure.ts";
import { Side } from "./mpi-side.ts";
import { countParameters, parseWorkload } from "./workload.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    turn: { type: "string", default: "6000" },
    measured: { type: "string" },
  },
});
const length = { milliseconds: whole("turn", values.turn), runs: 5 };
/** Gigabits per second between two hosts, or the memory of one host. */
const ways = [1, 10, "memory"] as const;
type Way = (typeof ways)[number];
/**
 * The link is measured with the sums of the first and last; the steps of all are predicted. The batch is per process.
 */
const workloads = ["se-resnet-20@32x64", "se-resnet-18@96x32", "se-resnet-50@224x8"] as const;
type WorkloadName = (typeof workloads)[number];
const bytesOf = (workload: string): number => 4 * countParameters(parseWorkload(workload));

/**
 * A line through sums of two sizes: the time of a sum however short (at least that of a single number), and of each
 * byte.
 */
interface Link {
  readonly milliseconds: number;
  readonly perByte: number;
}

/** The bytes that each of `count` servers sends for a sum: all but its own share, twice. */
const sentBytes = (bytes: number, count: number): number => (2 * bytes * (count - 1)) / count;

/** The time of a sum, with a message to each of the others for every bucket. */
const sumMs = ({ milliseconds, perByte }: Link, bytes: number, count: number, buckets = 1): number =>
  buckets * milliseconds * (count - 1) + perByte * sentBytes(bytes, count);

/** The backward pass takes twice as long as the forward pass, and hides the sending meanwhile. */
const backwardShare = 2 / 3;

/**
 * The time of a step: its computation; the processors' work for a sum, which is the time of a sum in memory; and the
 * part of the link's time that the backward pass cannot hide, at least that of the last bucket, which is full only at
 * its end.
 */
function stepMs({ link, memory }: { link: Link; memory: Link }, bytes: number, count: number, computeMs: number) {
  const sum = sumMs(link, bytes, count, Math.ceil(bytes / usualBucketBytes));
  const work = Math.min(sum, sumMs(memory, bytes, count));
  const last = sumMs(link, Math.min(bytes, usualBucketBytes), count);
  return computeMs + work + Math.max(last, sum - work - backwardShare * computeMs);
}

interface Measured {
  /**
   * Milliseconds of a sum of one number each, of the sum of all gradients alone, of a step without sums, and of one
   * with them.
   */
  readonly message: number;
  readonly sum: number;
  readonly unsummed: number;
  readonly summed: number;
}

async function measureOn(launcher: readonly string[], workload: string): Promise<Measured> {
  const side = new Side({ launcher, workload, threads: 1, executor: "onednn" });
  const contenders = {
    message: side.contender("message"),
    sum: side.contender("sum"),
    unsummed: side.contender("unsummed"),
    summed: side.contender("summed"),
  };
  const rounds = await takeTurns(contenders, whole("rounds", values.rounds), length);
  await side.end();
  const { message, sum, unsummed, summed } = rounds;
  return { message: median(message), sum: median(sum), unsummed: median(unsummed), summed: median(summed) };
}

type MeasuredWays = ReadonlyMap<Way, ReadonlyMap<WorkloadName, Measured>>;

async function measureAll(): Promise<MeasuredWays> {
  const measured = new Map<Way, Map<WorkloadName, Measured>>();
  const hosts = new Hosts();
  try {
    for (const way of ways) {
      if (way !== "memory") hosts.setSpeed(way);
      const launcher = way === "memory" ? launch("Open MPI", 2) : hosts.launch("Open MPI", 2);
      const found = new Map<WorkloadName, Measured>();
      for (const workload of workloads) {
        const one = await measureOn(launcher, workload);
        found.set(workload, one);
        console.error(`${way} ${workload}: ${JSON.stringify(one)}`);
      }
      measured.set(way, found);
    }
  } finally {
    hosts.end();
  }
  return measured;
}

interface Check {
  readonly way: Way;
  readonly workload: WorkloadName;
  readonly measured: Measured;
  readonly predicted: { readonly sum: number; readonly summed: number };
}

/** Reads the last line of an earlier run. */
function readMeasured(file: string): MeasuredWays {
  const { checks } = JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1)!) as { checks: readonly Check[] };
  const of = (way: Way) => new Map(checks.filter((check) => check.way === way).map((c) => [c.workload, c.measured]));
  return new Map(ways.map((way) => [way, of(way)]));
}

const measured = values.measured === undefined ? await measureAll() : readMeasured(values.measured);

const shown = (ms: number): string => ms.toFixed(ms < 100 ? 1 : 0);
const percent = (ratio: number): string => `${(100 * ratio).toFixed(0)} %`;
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const links = new Map<Way, Link>();
for (const [way, found] of measured) {
  const [small, large] = [workloads[0], workloads[2]] as const;
  const [less, more] = [sentBytes(bytesOf(small), 2), sentBytes(bytesOf(large), 2)];
  const perByte = (found.get(large)!.sum - found.get(small)!.sum) / (more - less);
  const link = { perByte, milliseconds: Math.max(found.get(small)!.message, found.get(small)!.sum - perByte * less) };
  links.set(way, link);
}
const memory = links.get("memory")!;
const checks = [...measured].flatMap(([way, found]) => {
  const link = links.get(way)!;
  return [...found].map(([workload, one]): Check => {
    const bytes = bytesOf(workload);
    const predicted = { sum: sumMs(link, bytes, 2), summed: stepMs({ link, memory }, bytes, 2, one.unsummed) };
    return { way, workload, measured: one, predicted };
  });
});
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
/** Milliseconds that a server computes between two sums, which depends on its speed and batch. */
const computing = [2000, 500, 100];
const networks = ["se-resnet-18", "se-resnet-50", "senet-154"];
/** A faster link reaches the same share of its speed as ten gigabits, but no more than memory. */
const measuredGigabits = 8e-6 / links.get(10)!.perByte;
const linkOf = (gigabits: number): Link => ({
  milliseconds: links.get(10)!.milliseconds,
  perByte: Math.max(8e-6 / ((gigabits * measuredGigabits) / 10), memory.perByte),
});
const computed = [10, 100].flatMap((gigabits) =>
  networks.flatMap((network) =>
    computing.map((computeMs) => {
      const bytes = 4 * countParameters({ model: network, imageSize: 224, batchSize: 1 });
      const ways = { link: linkOf(gigabits), memory };
      const kept = counts.map((count) => computeMs / stepMs(ways, bytes, count, computeMs));
      return { gigabits, network, mebibytes: bytes / 2 ** 20, computeMs, kept };
    }),
  ),
);
console.log("\nComputed: what each of so many servers keeps of its speed, which computes so long between two sums:");
console.log(
  table(
    ["Gbit/s", "network", "MiB", "computing, ms", ...counts.map((count) => `${count}`)],
    computed.map(({ gigabits, network, mebibytes: size, computeMs, kept }) => [
      ...[`${gigabits}`, network, size.toFixed(0), `${computeMs}`],
      ...kept.map(percent),
    ]),
  ),
);
console.log(JSON.stringify({ ...machine(), links: Object.fromEntries(links), checks, counts, computed }));
