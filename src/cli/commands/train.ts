/** `senet train`: a training run in a folder, with a live line; Ctrl-C stops it without loss. */

import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { type Command, Option } from "commander";
import { localData } from "../../data/remote.node.ts";
import { openTrainingData } from "../../data/split.node.ts";
import { SenetError } from "../../errors.ts";
import type { Job } from "../../mpi/job.ts";
import { givenOptions } from "../../options.ts";
import { fromFirst, type Wire } from "../../ranks.ts";
import type { RecipeConfig } from "../../recipes/recipe.ts";
import { recipe } from "../../recipes/recipes.ts";
import { reportAfter } from "../../report/run.node.ts";
import { hideCredentials } from "../../text-output.ts";
import type { TrainingConfig } from "../../train/config.ts";
import { lastFile, newRunFolder, openRun } from "../../train/out.node.ts";
import { askedBy, forAllRanks, givenForAllRanks, withRecipeBatch } from "../../train/rank-batches.ts";
import { readRecord } from "../../train/record.node.ts";
import { type Given, resumedConfig, withoutAuto } from "../../train/resume.ts";
import type { RunResult } from "../../train/run.node.ts";
import type { WithBatch } from "../../train/smaller-batch.ts";
import type { SourceNetwork } from "../../train/start.ts";
import { requireSound } from "../failures.ts";
import { together } from "../job.ts";
import {
  choiceOption,
  count,
  duration,
  type EngineFlags,
  executorOption,
  notNegative,
  positiveDuration,
  precisionOption,
  threadsOption,
  workersOption,
} from "../options.ts";
import { LiveLine, say, sayLines } from "../output.ts";
import { addConfigOptions, besidesRecipe, givenConfig, newConfig, sourceOf, withPretrained } from "../train-config.ts";
import { quoted, runTraining } from "../training.ts";

interface TrainOptions extends EngineFlags {
  readonly data?: string;
  readonly out?: string;
  readonly list?: string;
  readonly valList?: string;
  readonly allowMissing?: true;
  readonly config?: string;
  readonly resume?: true;
  readonly acceptChanges?: true;
  readonly recompute?: true;
  readonly report: boolean;
  readonly workers?: number;
  readonly cache?: number;
  readonly cacheDir?: string;
  readonly saveEvery?: number;
  readonly keepBest?: number;
  readonly timeBudget?: number;
  readonly check?: true;
  readonly pretrained?: true;
  readonly bucketMib?: number;
  readonly wire?: Wire;
  /** The other keys are those of TrainingConfig, if given. */
  readonly [key: string]: unknown;
}

export function trainCommand(program: Command): void {
  const command = program
    .command("train")
    .description("train a network on pictures")
    .option(
      "--data <path>",
      "a folder with train/ and val/, each with one folder per class; the same in a .tar; WebDataset's archives, also by " +
        "http(s) addresses and patterns (train-{0000..0146}.tar); CIFAR's binary files; default with --resume: the run's own",
    )
    .option("--list <file>", "training pictures, one per line: NAME LABEL; names are relative to --data")
    .option("--val-list <file>", "the same for validation pictures")
    .option("--allow-missing", "train on the listed pictures that exist, and skip the others")
    .option("--out <dir>", "folder for the run's files; default: runs/MODEL, runs/MODEL-2, ...")
    .option("--resume", "continue the run in --out exactly where it stopped; with more --epochs, train longer")
    .option("--accept-changes", "continue even if the pictures have changed")
    .addOption(workersOption())
    .option("--cache <GiB>", "memory for decoded pictures; default: a quarter of what is free, at most 4", notNegative)
    .option("--cache-dir <dir>", "keep decoded pictures in a folder, for later epochs and runs")
    .option("--check", "decode every picture first, and stop if any cannot be decoded")
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option("--no-report", "write no report.html")
    .option("--save-every <time>", "also save within epochs, every 90s, 15m, 2h; default: 15m", duration)
    .option(
      "--keep-best <n>",
      "keep the weights of the n best epochs (epoch-N.safetensors); default: only the best",
      count,
    )
    .option(
      "--time-budget <time>",
      "save and stop after this time; --resume continues; default: no limit",
      positiveDuration,
    )
    .addOption(
      choiceOption("--wire <type>", "several processes: type in which gradients are sent; default: float32", [
        "float32",
        "bf16",
      ]).helpGroup("Several processes:"),
    )
    .addOption(
      new Option("--bucket-mib <n>", "several processes: MiB of gradients sent at a time; default: measured")
        .argParser(count)
        .helpGroup("Several processes:"),
    )
    .option("--recompute", "compute activations again instead of keeping them: less memory, about a third more time");
  addConfigOptions(command);
  command
    .addHelpText(
      "after",
      "\nExamples:\n  senet train --data pictures --model se-resnet-18 --image-size 96 --epochs 20 --out runs/first\n" +
        "  senet train --resume --out runs/first\n" +
        "  senet train --data imagenette --recipe imagenette-5 --seed 1\n" +
        "  senet train --data class-folders --val-split 0.1\n" +
        "  senet train --data class-folders --val-split 0.1 --pretrained --freeze backbone --epochs 5\n" +
        "  senet train --data photos --list train.txt --val-list val.txt\n" +
        "  mpirun -np 4 senet train --data pictures --batch-size 32 --sync-bn --out runs/four\n" +
        "  senet train --data 'https://host/{train-{0000..0146},val-{0000..0006}}.tar'\n\n" +
        "The out folder has best.safetensors, last.safetensors, config.json, report.html, and the metrics as\n" +
        "metrics.csv, metrics.jsonl and TensorBoard's events: tensorboard --logdir runs.\n" +
        "Ctrl-C, SIGTERM and a closed terminal save; --resume continues from there.",
    )
    .action(train);
}

/** How to continue a run that has ended. */
interface Resumption {
  readonly out: string;
  readonly command: string;
}

async function train(options: TrainOptions, command: Command): Promise<void> {
  let resumption: Resumption | undefined;
  const lastWords = () =>
    resumption !== undefined && existsSync(lastFile(resumption.out))
      ? `saved before: ${lastFile(resumption.out)}; continue with: ${resumption.command}`
      : undefined;
  await together(async (job) => {
    checkResuming(options);
    // Report a missing run to resume before anything else.
    const named = options.resume === true ? undefined : await picturesOf(options);
    const { fitBatch, ...given } = withoutAuto(await startingFrom(givenConfig(command), command, options));
    const source = options.resume === true ? undefined : await sourceOf(given);
    const fresh = options.resume === true ? undefined : newRunConfig(given, source, job);
    const isNamed = options.out !== undefined;
    const out = options.out ?? (await fromFirst(job, () => newRunFolder(fresh!.config.model)));
    const config = fresh?.config ?? (await resumed(out, given, job));
    const mpirun = job.count === 1 ? "" : `mpirun -np ${job.count} `;
    resumption = { out, command: [`${mpirun}senet train --resume`, ...resumeOptions(options, out)].join(" ") };
    sayAboutJob(job, resumption);
    const pictures = named ?? (await picturesOf(options));
    const run = {
      source,
      out,
      config,
      fitBatch,
      resume: options.resume === true,
      ...(fresh && { withBatch: fresh.withBatch }),
      ...togetherOptions(options, job),
      command: [`${mpirun}senet`, ...process.argv.slice(2).map(hideCredentials).map(quoted)].join(" "),
      ...runningOptions(options, pictures),
    };
    try {
      if (options.check === true && job.rank === 0) await checkPictures(pictures, config, options.workers);
      const result = await runTraining(run, resumption.command, () => sayOnSignal(job, lastWords()));
      if (options.report && job.rank === 0) await writeReport(result, run);
    } finally {
      // Frees the folder's name again if the run could not begin.
      if (!isNamed) await rmdir(out).catch(() => {});
    }
  }, lastWords);
}

/** @throws SenetError `usage` where what is said of resuming does not fit together */
function checkResuming({ resume, out, acceptChanges }: TrainOptions): void {
  if (resume === true && out === undefined) {
    throw new SenetError("usage", "no run to resume was named", {
      where: "--resume",
      expected: "--out with that run's folder",
      hint: "senet train --out runs/NAME --resume",
    });
  }
  if (acceptChanges === true && resume !== true) {
    throw new SenetError("usage", "a new run has no earlier pictures", {
      where: "--accept-changes",
      hint: "leave it out, or --resume",
    });
  }
}

function sayAboutJob(job: Job, resumption: Resumption): void {
  if (job.count > 1) say(`${job.count} processes, ${job.where}; if one of them dies: ${resumption.command}`);
  if (job.idleProcessors > 0) {
    say(
      `${job.idleProcessors} processors of this host are unused: mpirun has bound the processes to others; with --bind-to none they use all`,
    );
  }
}

/** The flags that say how to run, not what to train, as far as they are given, under the names of `RunOptions`. */
function runningOptions(options: TrainOptions, { data, ...lists }: NamedPictures) {
  const { acceptChanges, executor, precision, threads, recompute, workers, cache } = options;
  const running = {
    ...lists,
    acceptChanges,
    executor,
    precision,
    threads,
    recompute,
    workers,
    cacheBytes: cache === undefined ? undefined : cache * 2 ** 30,
    cacheFolder: options.cacheDir,
    saveEverySeconds: options.saveEvery,
    keepBest: options.keepBest,
    timeBudgetSeconds: options.timeBudget,
  };
  return { data, ...givenOptions(running) };
}

/** Decodes every picture. @throws SenetError `data` where one cannot be decoded */
async function checkPictures(
  { data, ...lists }: NamedPictures,
  { valSplit, seed }: TrainingConfig,
  workers: number | undefined,
): Promise<void> {
  const { train, val } = openTrainingData(await localData(data, { say }), { ...lists, valSplit, seed });
  await requireSound([train, val], workers, new LiveLine());
}

/** As `withPretrained`; a resumed run has its own weights. */
function startingFrom(given: Given, command: Command, { resume, pretrained }: TrainOptions): Promise<Given> {
  if (resume !== true) return withPretrained(given, command);
  if (pretrained !== true) return Promise.resolve(given);
  throw new SenetError("usage", "a resumed run has its own weights", {
    where: "--pretrained",
    hint: "leave it out, or --resume",
  });
}

interface NamedPictures {
  readonly data: string;
  readonly list: string | undefined;
  readonly valList: string | undefined;
  readonly allowMissing: boolean | undefined;
}

/** Where the pictures are, and their lists; a resumed run takes from its record what is not given. */
async function picturesOf({ data, list, valList, allowMissing, resume, out }: TrainOptions): Promise<NamedPictures> {
  const lists = { list, valList, allowMissing };
  if (data !== undefined) return { data, ...lists };
  const earlier = resume === true && out !== undefined ? await readRecord(out) : undefined;
  if (earlier === undefined) {
    throw new SenetError("usage", "no pictures were named", {
      where: "--data",
      expected: "a folder with train/ and val/, or what else senet train --help names",
      ...(resume === true && { found: `${out} does not say which data the run had` }),
    });
  }
  if (list !== undefined || valList !== undefined) return { data: earlier.data, ...lists };
  const { list: theirs, valList: valTheirs, allowMissing: mayMiss } = earlier;
  return { data: earlier.data, list: theirs, valList: valTheirs, allowMissing: allowMissing ?? mayMiss };
}

/**
 * The configuration of a new run, and what adapts it to its batch. With several processes flags are per process; a
 * recipe's rate and steps scale with the total batch, also for one process.
 */
function newRunConfig(
  given: Given,
  source: SourceNetwork | undefined,
  job: Job,
): { readonly config: TrainingConfig; readonly withBatch: WithBatch } {
  const asked = askedBy(given);
  const config = forAllRanks(newConfig(given, source), asked, job);
  const { recipe: name } = given.values;
  const own = typeof name === "string" ? recipeNamed(name) : undefined;
  return { config, withBatch: withRecipeBatch(own, asked) };
}

/** The recipe that a configuration names as `NAME@VERSION`. */
const recipeNamed = (name: string): RecipeConfig => recipe(name.split("@")[0]!).config;

/**
 * On a signal, says at once how to resume: a launcher that ends a job gives its processes about a second, which may be
 * too short for the step under way.
 */
function sayOnSignal(job: Job, lastWords: string | undefined): void {
  if (job.count > 1 && lastWords !== undefined && job.speaks) sayLines(lastWords);
}

async function resumed(out: string, given: Given, job: Job): Promise<TrainingConfig> {
  const run = await openRun(out);
  return resumedConfig(run, givenForAllRanks(besidesRecipe(given, run.config), job), out, say);
}

/** Options for training with several processes. */
function togetherOptions({ bucketMib, wire }: TrainOptions, job: Job) {
  if (job.count === 1) return {};
  return {
    ranks: job,
    ...(wire !== undefined && { wire }),
    ...(bucketMib !== undefined && { bucketBytes: bucketMib * 2 ** 20 }),
  };
}

/** The weights are already saved, so a missing report does not fail the training. */
async function writeReport(
  result: RunResult,
  run: { readonly out: string; readonly executor?: string },
): Promise<void> {
  try {
    const path = await reportAfter(result, run);
    if (path !== undefined) say(`report: ${path}`);
  } catch (error) {
    if (!(error instanceof SenetError)) throw error;
    say(`there is no report: ${error.message}`);
  }
}

/** The flags to repeat when resuming: where things are, and how to use this machine. The checkpoint holds the rest. */
function resumeOptions(options: TrainOptions, out: string): string[] {
  const { data, list, valList, executor, precision, threads, recompute, workers, cache, cacheDir } = options;
  const { resume, allowMissing, acceptChanges, epochs, wire, bucketMib } = options;
  const told: [string, unknown][] = Object.entries({
    data,
    list,
    "val-list": valList,
    out,
    executor,
    precision,
    threads,
    workers,
    cache,
    "cache-dir": cacheDir,
    wire,
    "bucket-mib": bucketMib,
  });
  // If these flags lengthened the run, it may have stopped before it could save the change.
  if (resume === true && epochs !== undefined) told.push(["epochs", epochs]);
  const flags = told.flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${quoted(String(value))}`]));
  if (!options.report) flags.push("--no-report");
  if (options.saveEvery !== undefined) flags.push(`--save-every ${options.saveEvery}s`);
  if (options.keepBest !== undefined) flags.push(`--keep-best ${options.keepBest}`);
  if (options.timeBudget !== undefined) flags.push(`--time-budget ${options.timeBudget}s`);
  if (allowMissing === true) flags.push("--allow-missing");
  if (acceptChanges === true) flags.push("--accept-changes");
  return recompute === true ? [...flags, "--recompute"] : flags;
}
