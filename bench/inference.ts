/**
 * Inference of the released networks: our executor beside PyTorch, and beside ONNX Runtime on the file that PyTorch's own
 * exporter writes, turn by turn in one run, never at the same time. Milliseconds an image.
 *
 * `node dist/bench/inference.js [MODEL@SIDExBATCH...] [--rounds 5] [--turn 2000] [--executor ort] [--threads 2]
 * [--python /usr/bin/python3] [--no-pytorch]`, after `npm run build`; without cases, the seven networks at 224, batch 1
 * and 8. The last line is one JSON object.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { table } from "../src/cli/output.ts";
import type { Executor } from "../src/executors/executor.ts";
import { selectExecutor } from "../src/executors/select.node.ts";
import { model, zoo } from "../src/zoo/index.ts";
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
import { noise, type Ours, ourInference, parseWorkload, type Workload } from "./workload.ts";

/** "Never slower than ONNX Runtime on a plain export", within the measuring error. */
const target = 0.98;

const released = [...zoo].filter(([, entry]) => entry.published !== undefined).map(([name]) => name);
const standardCases = released.flatMap((name) => [1, 8].map((batch) => `${name}@224x${batch}`));

/** ONNX Runtime with default options, including all graph optimisations. */
async function plainExport(file: string, workload: Workload, threads: number): Promise<Ours> {
  const session = await InferenceSession.create(file, { intraOpNumThreads: threads });
  const { data, shape } = noise(workload, 1).images;
  const feeds = { [session.inputNames[0]!]: new Tensor("float32", data, shape) };
  return { run: () => session.run(feeds), [Symbol.asyncDispose]: () => session.release() };
}

interface Settings {
  readonly executor: Executor;
  readonly threads: number;
  readonly rounds: number;
  readonly length: TurnLength;
  readonly python: string;
  readonly withPyTorch: boolean;
}

const warmUps = 3;

async function measure(name: string, { executor, threads, rounds, length, python, withPyTorch }: Settings) {
  const workload = parseWorkload(name);
  const { classes } = model(workload.model);
  const folder = mkdtempSync(join(tmpdir(), "senet-inference-"));
  try {
    const ways = ["plain", "channels-last"];
    await using pytorch = await PyTorch.start(python, { ...workload, mode: "inference", classes, threads, ways });
    const file = join(folder, "model.onnx");
    await pytorch.export(file);
    await using ours = await ourInference(executor, workload, threads);
    await using onnxruntime = await plainExport(file, workload, threads);
    for (let run = 0; run < warmUps; run++) {
      await ours.run();
      await onnxruntime.run();
    }
    await settle();

    const neighbours = new Neighbours();
    const processorBefore = pytorch.processorMilliseconds;
    const contenders: Record<string, Contender> = {
      ours: contender(ours.run),
      "plain export": contender(onnxruntime.run),
    };
    if (withPyTorch) for (const way of ways) contenders[way] = pytorch.contender(way);
    const turns = await takeTurns(contenders, rounds, length);
    const others = neighbours.percent(pytorch.processorMilliseconds - processorBefore);

    const perImage = Object.fromEntries(
      Object.entries(turns).map(([who, medians]) => [who, median(medians) / workload.batchSize]),
    );
    const best = Math.min(...ways.map((way) => perImage[way] ?? Number.POSITIVE_INFINITY));
    // Ratios within rounds, in which both had the same conditions.
    const ratios = turns["plain export"]!.map((time, round) => time / turns.ours![round]!);
    const ratio = median(ratios);
    return {
      case: name,
      milliseconds_per_image: perImage,
      ratio_to_plain_export: ratio,
      ratio_by_round: ratios,
      ...(withPyTorch && { ratio_to_pytorch: best / perImage.ours! }),
      reached: ratio >= target,
      others_percent: others,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    turn: { type: "string", default: "2000" },
    executor: { type: "string", default: "ort" },
    threads: { type: "string", default: "2" },
    python: { type: "string", default: defaultPython },
    "no-pytorch": { type: "boolean", default: false },
  },
});
const { executor } = await selectExecutor({ name: values.executor });
const threads = whole("threads", values.threads);
const rounds = whole("rounds", values.rounds);
const length = { milliseconds: whole("turn", values.turn), runs: 2 };
const withPyTorch = !values["no-pytorch"];
const before = machine();

const results = [];
for (const name of positionals.length > 0 ? positionals : standardCases) {
  console.error(`${name} ...`);
  results.push(await measure(name, { executor, threads, rounds, length, python: values.python, withPyTorch }));
}

console.log(`milliseconds an image, ${threads} threads, medians of ${rounds} rounds; ratios: theirs by ours\n`);
const ms = (value: number | undefined) => value?.toFixed(1) ?? "-";
console.log(
  table(
    [
      "case",
      executor.name,
      "plain export",
      "ratio",
      "lowest to highest",
      "reached",
      "PyTorch",
      "ch.-last",
      "ratio",
      "others' CPU",
    ],
    results.map((result) => [
      result.case,
      ms(result.milliseconds_per_image.ours),
      ms(result.milliseconds_per_image["plain export"]),
      result.ratio_to_plain_export.toFixed(2),
      `${Math.min(...result.ratio_by_round).toFixed(2)} to ${Math.max(...result.ratio_by_round).toFixed(2)}`,
      result.reached ? "yes" : "no",
      ms(result.milliseconds_per_image.plain),
      ms(result.milliseconds_per_image["channels-last"]),
      result.ratio_to_pytorch?.toFixed(2) ?? "-",
      percent(result.others_percent),
    ]),
  ),
);
console.log(
  JSON.stringify({
    bench: "inference",
    executor: executor.name,
    engine: executor.description,
    threads,
    rounds,
    turn_milliseconds: length.milliseconds,
    target,
    results,
    machine: { ...machine(), load_before: before.load_average },
  }),
);
