/**
 * Compares our executor with PyTorch, in turns within one run, never at the same time: milliseconds an image.
 *
 * `node dist/bench/against-pytorch.js [MODE:MODEL@SIDExBATCH[/bf16|/int8]...] [--rounds 5] [--turn 2000] [--executor NAME]
 * [--threads 2] [--python FILE]`, after `npm run build`; without cases, those that have a target. Without an executor, the one
 * that `senet` itself would choose. Inference in bf16 is also beside our own in float32; in eight bits it is beside that alone.
 * The last line is one JSON object.
 */

import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { table } from "../src/cli/output.ts";
import { kindsTable, Profile } from "../src/cli/profile.ts";
import type { Executor } from "../src/executors/executor.ts";
import { type Precision, selectExecutor } from "../src/executors/select.node.ts";
import { instructionSets } from "../src/machine.node.ts";
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
import { defaultPython, PyTorch } from "./pytorch.ts";
import { createStep, learningRate, noise, type Ours, ourInference, parseWorkload, type Workload } from "./workload.ts";

/** Targets: how many times as fast as PyTorch of Debian 12 (1.13), as PyTorch of today, and as our own float32. */
const targets: Readonly<Record<string, Partial<Record<"1.13" | "today" | "float32", number>>>> = {
  "inference:se-resnet-50@224x1": { "1.13": 1.3, today: 1.4 },
  "inference:se-resnet-50@224x8": { "1.13": 1.3, today: 1.4 },
  "inference:se-resnet-50@224x8/bf16": { today: 2.2 },
  "inference:se-resnet-50@224x8/int8": { float32: 2.5 },
  "training:se-resnet-50@224x16": { "1.13": 2, today: 1.7 },
  "training:se-resnet-50@224x16/bf16": { "1.13": 1.4, today: 1.8 },
  "training:se-resnet-20@32x128": { "1.13": 2, today: 2 },
  "training:se-resnet-20@32x128/bf16": { today: 2 },
  "training:se-resnext-50@224x16": { "1.13": 1.3 },
  "training:senet-154@224x4": { "1.13": 1.3 },
};

function targetOf(name: string, pytorch: PyTorch | undefined): number | undefined {
  const against = pytorch === undefined ? "float32" : pytorch.facts.torch.startsWith("1.13") ? "1.13" : "today";
  return targets[name]?.[against];
}

/** Columns of the others: PyTorch's variants, of which training has the first three; then our own other forms. */
const columns: Readonly<Record<string, string>> = {
  plain: "plain",
  "channels-last": "ch.-last",
  compiled: "compiled",
  "frozen plain": "frozen",
  "frozen channels-last": "frozen ch.-last",
  optimised: "optimised",
  "float32 ort": "ours, ort",
  "float32 onednn": "ours, onednn",
  "bf16 onednn": "ours, bf16",
  "int8 ort": "ours, int8, ort",
};

/** Debian's reference BLAS reaches 5, OpenBLAS on two slow cores 50. */
const slowBlasGflops = 20;

interface Case extends Workload {
  readonly name: string;
  readonly mode: "inference" | "training";
  readonly precision: Precision | "int8";
}

function parseCase(name: string): Case {
  const [, rest = "", suffix = "float32"] = /^(.*?)(?:\/(bf16|int8))?$/.exec(name)!;
  const [mode, workload, ...more] = rest.split(":");
  const precision = suffix as Case["precision"];
  const isMode = mode === "inference" || (mode === "training" && precision !== "int8");
  if (!isMode || workload === undefined || more.length > 0) {
    throw new Error(`"${name}" is not written MODE:MODEL@SIDExBATCH, like ${Object.keys(targets).join(" ")}`);
  }
  return { name, mode, precision, ...parseWorkload(workload) };
}

/** Elsewhere both sides emulate bf16, which is of no interest. */
const hasBf16 = ["avx512_bf16", "amx_bf16", "bf16"].some((name) => instructionSets().includes(name));

function requireBf16(name: string): void {
  if (!hasBf16) throw new Error(`${name}: this processor does not multiply in bf16, so that nothing is compared`);
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
  /** By name; absent: the one that `senet` would choose. */
  readonly executor: string | undefined;
  readonly threads: number;
  readonly rounds: number;
  readonly length: TurnLength;
  readonly python: string;
}

const warmUps = 3;

/** Other forms of ours to compare with. */
async function otherForms({ mode, precision, ...workload }: Case, threads: number): Promise<Map<string, Ours>> {
  const forms = new Map<string, Ours>();
  if (mode === "training" || precision === "float32") return forms;
  const add = async (form: string, name: string, as: Precision, bits?: 8) => {
    if (as === "bf16" && !hasBf16) return;
    const { executor } = await selectExecutor({ name, precision: as });
    forms.set(form, await ourInference(executor, workload, threads, bits));
  };
  await add("float32 ort", "ort", "float32");
  if (precision === "bf16") return forms;
  await add("float32 onednn", "onednn", "float32");
  await add("bf16 onednn", "onednn", "bf16");
  await add("int8 ort", "ort", "float32", 8);
  return forms;
}

async function measure(one: Case, settings: Settings) {
  const { threads, rounds, length, python } = settings;
  const { name, mode, precision, batchSize } = one;
  if (precision === "bf16") requireBf16(name);
  const say = (line: string) => console.error(line);
  const inEightBits = precision === "int8";
  const { executor } = await selectExecutor({
    name: settings.executor,
    purpose: mode,
    precision: inEightBits ? "float32" : precision,
    inEightBits,
    say,
  });
  const { classes } = model(one.model);
  await using ours =
    mode === "training"
      ? await ourTraining(executor, one, threads)
      : await ourInference(executor, one, threads, inEightBits ? 8 : undefined);
  for (let run = 0; run < warmUps; run++) await ours.run();
  const others = await otherForms(one, threads);
  for (const { run } of others.values()) await run();
  await settle();
  const peer = { ...one, precision: precision === "int8" ? "float32" : precision, classes, threads } as const;
  await using pytorch = inEightBits ? undefined : await PyTorch.start(python, peer);

  const neighbours = new Neighbours();
  const processorBefore = pytorch?.processorMilliseconds ?? 0;
  const contenders: Record<string, Contender> = { ours: contender(ours.run) };
  for (const [form, { run }] of others) contenders[form] = contender(run);
  const variants = pytorch?.facts.variants ?? ["float32 ort", "float32 onednn"];
  if (pytorch !== undefined) for (const variant of variants) contenders[variant] = pytorch.contender(variant);
  const turns = await takeTurns(contenders, rounds, length);
  const othersPercent = neighbours.percent((pytorch?.processorMilliseconds ?? 0) - processorBefore);
  for (const form of others.values()) await form[Symbol.asyncDispose]();

  const perImage = Object.fromEntries(Object.entries(turns).map(([who, medians]) => [who, spread(medians, batchSize)]));
  const best = [...variants].sort((a, b) => perImage[a]!.median - perImage[b]!.median)[0]!;
  const ratio = perImage[best]!.median / perImage.ours!.median;
  const ratios = turns[best]!.map((time, round) => time / turns.ours![round]!);
  const target = targetOf(name, pytorch);
  return {
    case: name,
    executor: executor.name,
    engine: executor.description,
    ...(pytorch && { torch: pytorch.facts.torch, blas_gflops: pytorch.facts.blas_gflops }),
    milliseconds_per_image: perImage,
    best_of_others: best,
    ratio,
    ratio_by_round: ratios,
    ...(ours.profile && { where_ours_goes: Object.fromEntries(ours.profile.kinds(batchSize)) }),
    ...(target === undefined ? {} : { target, reached: ratio >= target }),
    others_percent: othersPercent,
    ...processor,
    load: loadavg()[0],
  };
}

/** Milliseconds an image, from the medians of the rounds. */
const spread = (medians: readonly number[], batchSize: number) => ({
  lowest: Math.min(...medians) / batchSize,
  median: median(medians) / batchSize,
  highest: Math.max(...medians) / batchSize,
});

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    turn: { type: "string", default: "2000" },
    executor: { type: "string" },
    threads: { type: "string", default: "2" },
    python: { type: "string", default: defaultPython },
  },
});
const { processor: processorName, instruction_sets } = machine();
const processor = { processor: processorName, instruction_sets };
const standard = Object.keys(targets).filter((one) => hasBf16 || !one.endsWith("/bf16"));
const cases = (positionals.length > 0 ? positionals : standard).map(parseCase);
const threads = whole("threads", values.threads);
const rounds = whole("rounds", values.rounds);
const length = { milliseconds: whole("turn", values.turn), runs: 2 };
const before = machine();

const results: Awaited<ReturnType<typeof measure>>[] = [];
for (const one of cases) {
  console.error(`${one.name} ...`);
  results.push(await measure(one, { executor: values.executor, threads, rounds, length, python: values.python }));
}

const torch = results.find(({ torch }) => torch !== undefined)?.torch;
console.log(
  `${processorName} (${instruction_sets.join(", ")}), ${threads} threads${torch === undefined ? "" : `; PyTorch ${torch}`}`,
);
console.log(
  `milliseconds an image, medians of ${rounds} rounds (lowest to highest); ratio: the best of the others by ours\n`,
);
const shown = Object.entries(columns).filter(([form]) => results.some((one) => form in one.milliseconds_per_image));
const header = ["case", "executor", "ours", "lowest to highest", ...shown.map(([, heading]) => heading), "ratio"];
console.log(
  table(
    [...header, "lowest to highest", "target", "reached", "others' CPU"],
    results.map((one) => {
      const { milliseconds_per_image: ms, ratio, ratio_by_round: ratios, target, reached } = one;
      const range = (low: number, high: number) => `${low.toFixed(2)} to ${high.toFixed(2)}`;
      const { median: ours, lowest, highest } = ms.ours!;
      return [
        ...[one.case, one.executor, ours.toFixed(2), range(lowest, highest)],
        ...shown.map(([form]) => ms[form]?.median.toFixed(2) ?? "-"),
        ...[ratio.toFixed(2), range(Math.min(...ratios), Math.max(...ratios))],
        target === undefined ? "-" : `${target}`,
        reached === undefined ? "-" : reached ? "yes" : "no",
        percent(one.others_percent),
      ];
    }),
  ),
);
for (const { case: name, reached, where_ours_goes: where = {} } of results) {
  const kinds = Object.entries(where);
  if (reached !== false || kinds.length === 0) continue;
  console.log(`\n${name} is not reached; where our time goes:\n\n${kindsTable(kinds)}`);
}
if (results.some(({ blas_gflops }) => blas_gflops !== undefined && blas_gflops < slowBlasGflops)) {
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
