/** `senet train`: a training run in a folder, with a live line, that Ctrl-C stops without loss. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { openTrainingFolders } from "../../data/split.node.ts";
import { SenetError } from "../../errors.ts";
import type { Precision } from "../../executors/select.node.ts";
import { decodeText } from "../../text-file.ts";
import { type TrainingConfig, trainingConfig } from "../../train/config.ts";
import { openRun } from "../../train/run.node.ts";
import { zooEntry } from "../../zoo/index.ts";
import { requireSound } from "../failures.ts";
import {
  choiceOption,
  count,
  executorOption,
  natural,
  precisionOption,
  real,
  realList,
  threadsOption,
} from "../options.ts";
import { LiveLine } from "../output.ts";
import { quoted, runTraining } from "../training.ts";

interface TrainOptions {
  readonly data: string;
  readonly out?: string;
  readonly config?: string;
  readonly resume?: true;
  readonly executor?: string;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly recompute?: true;
  readonly workers?: number;
  readonly cache?: number;
  readonly check?: true;
  /** The rest are keys of TrainingConfig, present where given. */
  readonly [key: string]: unknown;
}

export function trainCommand(program: Command): void {
  program
    .command("train")
    .description("train a network on a folder of pictures")
    .requiredOption("--data <dir>", "a folder with train/ and val/, one folder a class in each")
    .option("--model <name>", "a model of the zoo (senet models lists them); default: se-resnet-18")
    .option("--out <dir>", "where the run's files go; default: runs/MODEL, runs/MODEL-2, ...")
    .option("--resume", "go on with the run in --out, on the same curve")
    .option("--config <file>", "options from a JSON file such as a run's config.json; flags go before it")
    .option("--epochs <n>", "passes over the training pictures; default: 20", count)
    .option("--batch-size <n>", "pictures a step; default: 64", count)
    .option("--image-size <n>", "side in pixels; default: the model's own", count)
    .option("--lr <rate>", "highest learning rate; default: 0.1 for each 256 pictures of a batch", real)
    .addOption(choiceOption("--schedule <name>", "how the rate falls; default: cosine", ["cosine", "step"]))
    .option("--warmup-epochs <n>", "epochs in which the rate rises; default: 1", real)
    .option("--step-epochs <list>", "step: epochs at which the rate is cut; default: 30,60,90", realList)
    .option("--step-factor <f>", "step: what it is cut to; default: 0.1", real)
    .option("--momentum <m>", "default: 0.9", real)
    .option("--no-nesterov", "plain momentum")
    .option("--weight-decay <d>", "default: 5e-5", real)
    .option("--decay-all", "decay biases and batch-norm parameters too")
    .option("--label-smoothing <s>", "default: 0", real)
    .option("--crop-scale <s>", "smallest part of the area that a random crop keeps; default: 0.25", real)
    .option("--no-mirror", "do not mirror pictures at random")
    .addOption(choiceOption("--interpolation <name>", "default: bilinear", ["bilinear", "bicubic"]))
    .option("--evaluation-resize <n>", "shorter side before the centre crop; default: image size / 0.875", count)
    .option("--seed <n>", "default: 0", natural)
    .option("--workers <n>", "threads that prepare pictures", count)
    .option("--cache <GiB>", "memory for decoded pictures; default: a quarter of what is free, at most 4", real)
    .option("--check", "decode every picture first, and stop where one cannot be")
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option("--recompute", "less memory, about a third more time: activations are computed again, not kept")
    .addHelpText(
      "after",
      "\nExamples:\n  senet train --data pictures --model se-resnet-18 --image-size 96 --epochs 20 --out runs/first\n" +
        "  senet train --data pictures --out runs/first --resume\n\n" +
        "The out folder has best.safetensors, last.safetensors, metrics.csv, metrics.jsonl and config.json.\n" +
        "Ctrl-C saves; --resume goes on from there.",
    )
    .action(async (options: TrainOptions, command: Command) => {
      if (options.resume === true && options.out === undefined) {
        throw new SenetError("usage", "which run is to go on is not said", {
          where: "--resume",
          expected: "--out with the folder of that run",
          hint: `senet train --data ${quoted(options.data)} --out runs/NAME --resume`,
        });
      }
      const out = options.out ?? freeFolder(String(options.model ?? "se-resnet-18"));
      const config = await configOf(options, command, out);
      const { data, resume, cache, check, executor, precision, threads, recompute, workers } = options;
      const given = Object.entries({ executor, precision, threads, recompute, workers }).filter(
        ([, value]) => value !== undefined,
      );
      const run = {
        data,
        out,
        config,
        resume: resume === true,
        ...(cache === undefined ? {} : { cacheBytes: cache * 2 ** 30 }),
        ...Object.fromEntries(given),
      };
      if (check === true) {
        const { train, val } = openTrainingFolders(data);
        await requireSound([train, val], workers, new LiveLine());
      }
      await runTraining(run, ["senet train --resume", ...resumeOptions(options, out)].join(" "));
    });
}

/** Options of the command line that are not keys of the config under the same name. */
const renamed: Readonly<Record<string, keyof TrainingConfig>> = { lr: "learningRate" };

/** What a resumed run is not told by its checkpoint: where things are, and how this machine is to be used. */
function resumeOptions({ data, executor, precision, threads, recompute, workers, cache }: TrainOptions, out: string) {
  const told = Object.entries({ data, out, executor, precision, threads, workers, cache });
  const options = told.flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${quoted(String(value))}`]));
  return recompute === true ? [...options, "--recompute"] : options;
}

/** The config: what the flags say, over --config, over the saved run's with --resume, over the defaults. */
async function configOf(options: TrainOptions, command: Command, out: string): Promise<TrainingConfig> {
  const known = new Set(Object.keys(trainingConfig({})));
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(options)) {
    const name = renamed[key] ?? key;
    if (known.has(name) && command.getOptionValueSource(key) === "cli") given[name] = value;
  }
  if (options.resume === true) {
    const { config: saved } = await openRun(out);
    for (const [key, value] of Object.entries(given)) {
      const before = saved[key as keyof TrainingConfig];
      if (JSON.stringify(before) === JSON.stringify(value)) continue;
      throw new SenetError("usage", `a resumed run keeps its "${key}"`, {
        where: out,
        expected: String(before),
        found: String(value),
        hint: "leave the option out, or start a new run in another --out",
      });
    }
    return saved;
  }
  const file = options.config === undefined ? {} : readConfig(options.config);
  const merged = { ...file, ...given };
  const name = typeof merged.model === "string" ? merged.model : trainingConfig({}).model;
  return trainingConfig({ imageSize: zooEntry(name).imageSize, ...merged });
}

function readConfig(path: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(decodeText(readFileSync(path)));
  } catch (cause) {
    throw new SenetError("usage", "the config cannot be read", { where: path, found: String(cause), cause });
  }
  if (typeof config === "object" && config !== null && !Array.isArray(config)) return { ...config };
  throw new SenetError("usage", "the config cannot be used", {
    where: path,
    expected: "a JSON object such as a run's config.json",
    found: JSON.stringify(config).slice(0, 80),
  });
}

/** `runs/NAME`, or the first of `runs/NAME-2`, ... that is not there. */
function freeFolder(name: string): string {
  for (let n = 1; ; n++) {
    const folder = join("runs", n === 1 ? name : `${name}-${n}`);
    if (!existsSync(folder)) return folder;
  }
}
