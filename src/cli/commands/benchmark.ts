/** `senet benchmark`: milliseconds per image, by parts of a step. */

import type { Command } from "commander";
import type { Executor, PlanFacts, TrainingOptions } from "../../executors/executor.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { usableThreads } from "../../machine.node.ts";
import { checkBatchesFit } from "../../memory.node.ts";
import { type Activation, activations } from "../../nn/layers.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { createRandom } from "../../random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../../tensor.ts";
import { TrainingStep } from "../../train/step.ts";
import { initialWeights } from "../../weights/init.ts";
import {
  channelsOf,
  inferenceGraph,
  inputName,
  lossGraph,
  type Model,
  model,
  withAct,
  zooEntry,
} from "../../zoo/index.ts";
import {
  choiceOption,
  count,
  type EngineFlags,
  executorOption,
  jsonOption,
  precisionOption,
  threadsOption,
} from "../options.ts";
import { printJson, printLines, say, table } from "../output.ts";
import { type Kinds, kindsTable, Profile } from "../profile.ts";

interface BenchmarkOptions extends EngineFlags {
  readonly model: string;
  readonly act?: Activation;
  readonly mode: "inference" | "training";
  readonly batchSize: number;
  readonly imageSize?: number;
  readonly recompute?: true;
  readonly runs: number;
  readonly profile?: true;
  readonly json?: true;
}

/** Result of a benchmark. */
interface Measured {
  /** For each part, the milliseconds of each run, in order. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  readonly plan: PlanFacts | undefined;
}

export function benchmarkCommand(program: Command): void {
  program
    .command("benchmark")
    .description("measure milliseconds per image (median of many runs after a warm-up)")
    .requiredOption("--model <name>", "a model of the zoo (senet models lists them)")
    .addOption(choiceOption("--act <name>", "activation of a residual network; default: its own, relu", activations))
    .addOption(choiceOption("--mode <mode>", "what to measure", ["inference", "training"]).default("inference"))
    .option("--batch-size <n>", "pictures per run", count, 1)
    .option("--image-size <n>", "side in pixels; default: the model's own", count)
    .option("--runs <n>", "measured runs", count, 20)
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option("--recompute", "training: compute activations again instead of keeping them")
    .option("--profile", "also show where the time goes and how memory is planned (executor onednn)")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet benchmark --model se-resnet-50 --batch-size 8\n" +
        "  senet benchmark --model se-resnet-20 --mode training --batch-size 128 --profile\n\nThe last line of standard output is one JSON object.",
    )
    .action(runBenchmark);
}

async function runBenchmark(options: BenchmarkOptions): Promise<void> {
  const named = model(options.model);
  const network = options.act === undefined ? named : withAct(named, options.act);
  const imageSize = options.imageSize ?? zooEntry(options.model).imageSize;
  const { executor, reason } = await selectExecutor({
    name: options.executor,
    purpose: options.mode,
    precision: options.precision,
    say,
  });
  say(`${executor.name}: ${reason}`);
  const measure = options.mode === "inference" ? measureInference : measureTraining;
  const profile = new Profile();
  const shape = [options.batchSize, channelsOf(network.config), imageSize, imageSize];
  checkBatchesFit(options.batchSize, 4 * sizeOf(shape.slice(1)));
  const { samples, plan } = await measure(executor, network, randomPictures(shape), options, profile);

  const parts = Object.entries(samples).map(([part, times]) => ({ part, ...perImage(times, options.batchSize) }));
  const { model: name, mode, batchSize } = options;
  const total = parts[0]!;
  const summary = {
    model: name,
    mode,
    batchSize,
    imageSize,
    executor: executor.name,
    threads: options.threads ?? usableThreads(),
    runs: options.runs,
    millisecondsPerImage: total.median,
    imagesPerSecond: 1000 / total.median,
    parts: Object.fromEntries(parts.map(({ part, median }) => [part, median])),
    ...(options.profile && { kinds: Object.fromEntries(profile.kinds(batchSize)), plan }),
  };
  if (options.json !== true) {
    const row = (p: (typeof parts)[number]) => [p.part, p.median.toFixed(3), p.lowest.toFixed(3), p.highest.toFixed(3)];
    printLines(table(["ms an image", "median", "lowest", "highest"], parts.map(row)));
    if (options.profile === true) printLines(`\n${profileText(profile.kinds(batchSize), plan)}`);
  }
  printJson(summary);
}

function profileText(kinds: Kinds, plan: PlanFacts | undefined): string {
  if (plan === undefined) return "This executor does not report where its time goes.";
  const { steps, arenaBytes, reorders, reorderedBytes } = plan;
  const moved = `${reorders.join(", ")}: ${(reorderedBytes / 1e6).toFixed(1)} MB written`;
  const lines = [
    kindsTable(kinds),
    "",
    `plan: ${steps} steps; activations share ${Math.ceil(arenaBytes / 2 ** 20)} MiB`,
    `activations that change their layout on the way: ${reorders.length === 0 ? "none" : moved}`,
  ];
  return lines.join("\n");
}

function perImage(times: readonly number[], batchSize: number) {
  const sorted = times.map((time) => time / batchSize).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, lowest: sorted[0]!, highest: sorted.at(-1)! };
}

function randomPictures(shape: Shape): Tensor {
  const random = createRandom(1);
  return tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
}

const warmUps = 3;

async function measureInference(
  executor: Executor,
  network: Model,
  pictures: Tensor,
  options: BenchmarkOptions,
  profile: Profile,
): Promise<Measured> {
  const { batchSize, runs } = options;
  const imageSize = pictures.shape[2]!;
  const graph = inferenceGraph(network, { batch: batchSize, imageSize });
  const program = runPasses({ graph, weights: initialWeights(graph, 0) }, inferencePasses);
  const executable = await executor.compile(program.graph, program.weights, engineOptions(options, profile));
  const inputs = new Map([[inputName, pictures]]);
  const total: number[] = [];
  for (let run = -warmUps; run < runs; run++) {
    const start = performance.now();
    await executable.run(inputs);
    if (run >= 0) total.push(performance.now() - start);
    profile.endRun(run >= 0);
  }
  await executable.dispose();
  return { samples: { total }, plan: executable.plan };
}

const engineOptions = ({ threads, profile: wanted }: BenchmarkOptions, profile: Profile): TrainingOptions => ({
  // Passed even where it is the default, so that it cannot change during the measurement.
  threads: threads ?? usableThreads(),
  ...(wanted === true && { observe: profile.observe }),
});

async function measureTraining(
  executor: Executor,
  network: Model,
  pictures: Tensor,
  options: BenchmarkOptions,
  profile: Profile,
): Promise<Measured> {
  const { batchSize, runs } = options;
  const imageSize = pictures.shape[2]!;
  const weights = initialWeights(lossGraph(network, { batch: batchSize, imageSize }), 0);
  const step = await TrainingStep.create(executor, network, weights, {
    batchSize,
    imageSize,
    labelSmoothing: 0.1,
    recompute: options.recompute === true,
    optimizer: { name: "sgd", nesterov: true },
    weightDecay: 5e-5,
    ...engineOptions(options, profile),
  });
  const labels = tensor(
    [batchSize],
    Int32Array.from({ length: batchSize }, (_, i) => i % network.classes),
  );
  const samples = { total: [] as number[], "forward and backward": [] as number[], optimiser: [] as number[] };
  for (let run = -warmUps; run < runs; run++) {
    const start = performance.now();
    const { optimiserMilliseconds } = await step.run(pictures, labels, 1e-3);
    const total = performance.now() - start;
    profile.endRun(run >= 0);
    if (run < 0) continue;
    samples.total.push(total);
    samples.optimiser.push(optimiserMilliseconds);
    samples["forward and backward"].push(total - optimiserMilliseconds);
  }
  await step.dispose();
  return { samples, plan: step.plan };
}
