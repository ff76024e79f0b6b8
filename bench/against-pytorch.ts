/**
 * Our executor and PyTorch side by side, turn by turn in one run, never at the same time: milliseconds an image.
 *
 * `node dist/bench/against-pytorch.js [MODE:MODEL@SIDExBATCH[/bf16]...] [--rounds 5] [--turn 2000] [--executor NAME]
 * [--threads 2] [--python /usr/bin/python3]`, after `npm run build`; without cases, those that have a target. Without an executor, the one that
 * `senet` itself would choose. Inference in bf16 is also beside our own in float32 on ONNX Runtime. The last
 * line is one JSON object.
 */

import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import { kindsTable, Profile } from "../src/cli/profile.ts";
import type { Executor } from "../src/executors/executor.ts";
import { type Precision, selectExecutor } from "../src/executors/select.node.ts";
import { model } from "../src/zoo/index.ts";
import {
  type Contender,
  contender,
  machine,
  median,
  Neighbours,
  percent,
  settle,
  type TurnLength,
  takeTurns,
  whole,
} from "./measure.ts";
import { PyTorch } from "./pytorch.ts";
import { createStep, learningRate, noise, type Ours, ourInference, parseWorkload, type Workload } from "./workload.ts";

/** How many times PyTorch's speed is asked for. */
const targets: Readonly<Record<string, number>> = {
  "inference:se-resnet-50@224x1": 1.3,
  "inference:se-resnet-50@224x8": 1.3,
  "training:se-resnet-50@224x16": 1.5,
  "training:se-resnet-50@224x16/bf16": 1.3,
  "training:se-resnet-20@32x128": 1.8,
  "training:se-resnext-50@224x16": 1.3,
  "training:senet-154@224x4": 1.3,
};

/** PyTorch's columns: its ways by their headings; training has the first two. */
const columns: Readonly<Record<string, string>> = {
  plain: "plain",
  "channels-last": "ch.-last",
  "frozen plain": "frozen",
  "frozen channels-last": "frozen ch.-last",
  optimised: "optimised",
};

/** Debian's plain BLAS reaches 5, OpenBLAS on two slow cores 50. */
const slowBlasGflops = 20;

interface Case extends Workload {
  readonly name: string;
  readonly mode: "inference" | "training";
  readonly precision: Precision;
}

function parseCase(name: string): Case {
  const [mode, workload, ...rest] = name.replace(/\/bf16$/, "").split(":");
  if ((mode !== "inference" && mode !== "training") || workload === undefined || rest.length > 0) {
    throw new Error(`"${name}" is not written MODE:MODEL@SIDExBATCH, like ${Object.keys(targets).join(" ")}`);
  }
  return { name, mode, precision: name.endsWith("/bf16") ? "bf16" : "float32", ...parseWorkload(workload) };
}

/** The step of `senet train`, optimiser and checks included. */
async function ourTraining(executor: Executor, workload: Workload, threads: number): Promise<Ours> {
  const network = model(workload.model);
  const profile = new Profile();
  const step = await createStep(executor, network, workload, threads, profile.observe);
  const { images, labels } = noise(workload, network.classes);
  const run = async () => {
    await step.run(images, labels, learningRate);
    profile.endRun(true);
  };
  return { run, profile, [Symbol.asyncDispose]: () => step.dispose() };
}

interface Settings {
  /** By name; the one that `senet` would choose where it is absent. */
  readonly executor: string | undefined;
  readonly threads: number;
  readonly rounds: number;
  readonly length: TurnLength;
  readonly python: string;
}

const warmUps = 3;

async function measure(one: Case, settings: Settings) {
  const { threads, rounds, length, python } = settings;
  const { name, mode, precision, batchSize } = one;
  const say = (line: string) => console.error(line);
  const { executor } = await selectExecutor({ name: settings.executor, purpose: mode, precision, say });
  const { classes } = model(one.model);
  await using ours = await (mode === "inference" ? ourInference : ourTraining)(executor, one, threads);
  for (let run = 0; run < warmUps; run++) await ours.run();
  const alsoFloat32 = mode === "inference" && precision === "bf16";
  await using float32 = alsoFloat32
    ? await ourInference((await selectExecutor({ name: "ort" })).executor, one, threads)
    : undefined;
  await settle();
  await using pytorch = await PyTorch.start(python, { ...one, classes, threads });
  const { torch, blas_gflops, variants } = pytorch.facts;

  const neighbours = new Neighbours();
  const processorBefore = pytorch.processorMilliseconds;
  const contenders: Record<string, Contender> = { ours: contender(ours.run) };
  if (float32 !== undefined) contenders["ours, float32 on ort"] = contender(float32.run);
  for (const variant of variants) contenders[variant] = pytorch.contender(variant);
  const turns = await takeTurns(contenders, rounds, length);
  const others = neighbours.percent(pytorch.processorMilliseconds - processorBefore);

  const perImage = Object.fromEntries(
    Object.entries(turns).map(([who, medians]) => [who, median(medians) / batchSize]),
  );
  const best = [...variants].sort((a, b) => perImage[a]! - perImage[b]!)[0]!;
  const ratio = perImage[best]! / perImage.ours!;
  const ratios = turns[best]!.map((time, round) => time / turns.ours![round]!);
  const target = targets[name];
  return {
    case: name,
    executor: executor.name,
    engine: executor.description,
    torch,
    blas_gflops,
    milliseconds_per_image: perImage,
    best_of_pytorch: best,
    ratio,
    ratio_by_round: ratios,
    ...(ours.profile && { where_ours_goes: Object.fromEntries(ours.profile.kinds(batchSize)) }),
    ...(target === undefined ? {} : { target, reached: ratio >= target }),
    others_percent: others,
  };
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    turn: { type: "string", default: "2000" },
    executor: { type: "string" },
    threads: { type: "string", default: "2" },
    python: { type: "string", default: "/usr/bin/python3" },
  },
});
const cases = (positionals.length > 0 ? positionals : Object.keys(targets)).map(parseCase);
const threads = whole("threads", values.threads);
const rounds = whole("rounds", values.rounds);
const length = { milliseconds: whole("turn", values.turn), runs: 2 };
const before = machine();

const results = [];
for (const one of cases) {
  console.error(`${one.name} ...`);
  results.push(await measure(one, { executor: values.executor, threads, rounds, length, python: values.python }));
}

console.log(`milliseconds an image, ${threads} threads, medians of ${rounds} rounds; ratio: PyTorch's best by ours\n`);
const header = [
  "case",
  "executor",
  "ours",
  ...Object.values(columns),
  "ours, ort",
  "ratio",
  "lowest to highest",
  "target",
  "reached",
  "others' CPU",
];
console.log(
  table(
    header,
    results.map(
      ({
        case: name,
        executor,
        milliseconds_per_image: ms,
        ratio,
        ratio_by_round,
        target,
        reached,
        others_percent,
      }) => [
        name,
        executor,
        ms.ours!.toFixed(2),
        ...Object.keys(columns).map((variant) => ms[variant]?.toFixed(2) ?? "-"),
        ms["ours, float32 on ort"]?.toFixed(2) ?? "-",
        ratio.toFixed(2),
        `${Math.min(...ratio_by_round).toFixed(2)} to ${Math.max(...ratio_by_round).toFixed(2)}`,
        target === undefined ? "-" : `${target}`,
        reached === undefined ? "-" : reached ? "yes" : "no",
        percent(others_percent),
      ],
    ),
  ),
);
for (const { case: name, reached, where_ours_goes: where = {} } of results) {
  const kinds = Object.entries(where);
  if (reached !== false || kinds.length === 0) continue;
  console.log(`\n${name} is not reached; where our time goes:\n\n${kindsTable(kinds)}`);
}
if (results.some(({ blas_gflops }) => blas_gflops < slowBlasGflops)) {
  console.log("\nPyTorch found a slow BLAS, which costs it time: install libopenblas0.");
}
const facts = {
  threads,
  rounds,
  turn_milliseconds: length.milliseconds,
};
console.log(
  JSON.stringify({
    bench: "against-pytorch",
    ...facts,
    results,
    machine: { ...machine(), load_before: before.load_average },
  }),
);
