/**
 * Training by several processes against one with as many threads, turn by turn in one run: `--ranks` processes with one
 * thread each and their part of the batch, beside one process with the whole batch. And how much of the time that the sums of
 * the gradients take is hidden behind the backward pass.
 *
 * `node dist/bench/mpi.js [MODEL@SIDExBATCH...] [--ranks 2] [--rounds 3] [--turn 10000] [--mpirun "mpirun --allow-run-as-root"]
 * [--executor ort]`, after `npm run build`; BATCH is that of all together. The last line is one JSON object.
 */

import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import { machine, median, takeTurns, whole } from "./measure.ts";
import { Side } from "./mpi-side.ts";
import { countParameters, parseWorkload } from "./workload.ts";

const target = 0.9;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ranks: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    turn: { type: "string", default: "10000" },
    mpirun: { type: "string", default: "mpirun.openmpi --allow-run-as-root --oversubscribe --bind-to none" },
    executor: { type: "string", default: "onednn" },
  },
});
const ranks = whole("ranks", values.ranks);
const workloads = (positionals.length > 0 ? positionals : ["se-resnet-18@96x64", "se-resnet-50@224x16"]).map(
  parseWorkload,
);

const rows: string[][] = [];
const results: object[] = [];
for (const { model, imageSize, batchSize } of workloads) {
  const of = (size: number) => `${model}@${imageSize}x${size}`;
  const launcher = [...values.mpirun.split(" "), "-np", `${ranks}`];
  const { executor } = values;
  const one = new Side({ launcher: [], workload: of(batchSize), threads: ranks, executor });
  const several = new Side({ launcher, workload: of(batchSize / ranks), threads: 1, executor });
  const after = { summed: [] as number[], behind: [] as number[], unsummed: [] as number[] };
  const contenders = {
    one: one.contender("unsummed"),
    summed: several.contender("summed", after.summed),
    behind: several.contender("behind", after.behind),
    unsummed: several.contender("unsummed", after.unsummed),
    sum: several.contender("sum"),
  };
  const rounds = await takeTurns(contenders, whole("rounds", values.rounds), {
    milliseconds: whole("turn", values.turn),
    runs: 5,
  });
  await Promise.all([one.end(), several.end()]);
  const ms = Object.fromEntries(Object.entries(rounds).map(([name, times]) => [name, median(times)])) as Record<
    keyof typeof contenders,
    number
  >;
  const ratios = rounds.one.map((time, round) => time / rounds.summed[round]!);
  const ratio = median(ratios);
  // The part of the sums that remains after the backward pass, relative to sums that only start then.
  const rest = median(after.unsummed);
  const exposed = { summed: median(after.summed) - rest, behind: median(after.behind) - rest };
  const hidden = 1 - exposed.summed / exposed.behind;
  const mib = (4 * countParameters({ model, imageSize, batchSize })) / 2 ** 20;
  const shown = (time: number) => time.toFixed(time < 100 ? 1 : 0);
  rows.push([
    of(batchSize),
    ...[ms.one, ms.summed, ms.behind, ms.unsummed, ms.sum].map(shown),
    ratio.toFixed(3),
    ratio >= target ? "yes" : "no",
    `${(100 * hidden).toFixed(0)} %`,
  ]);
  results.push({ workload: of(batchSize), milliseconds: ms, exposed, ratios, ratio, hidden, mebibytes: mib });
}
const header = ["ms a step", `one, ${ranks} threads`, `${ranks} ranks`, "sums behind", "no sums", "sums alone"];
console.log(table([...header, "rate / one's", `≥ ${target}`, "hidden"], rows));
console.log(JSON.stringify({ ...machine(), ranks, executor: values.executor, results }));
