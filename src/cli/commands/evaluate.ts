/** `senet evaluate`: top-1 and top-5 error of networks on pictures, next to the published figures. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { localData } from "../../data/remote.node.ts";
import { SenetError } from "../../errors.ts";
import { Journal } from "../../evaluate/journal.node.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { replaceFile } from "../../files/replace.node.ts";
import type { Views } from "../../images/views.ts";
import type { ClassOrder } from "../../import/imagenet-classes.ts";
import { renderEvaluation } from "../../report/evaluation.ts";
import { classesCsv, evaluateOne, type Row, resultOf, summary, tableOf } from "../evaluating.ts";
import { floatSource } from "../float-source.ts";
import { interruptible } from "../interrupt.ts";
import {
  choiceOption,
  count,
  type EngineFlags,
  executorOption,
  jsonOption,
  natural,
  precisionOption,
  stateOption,
  threadsOption,
  valSplitOption,
  workersOption,
} from "../options.ts";
import { checkKeeps, checkOutFile } from "../out-file.ts";
import { LiveLine, printJson, printLines, say } from "../output.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import { networkName, networksOf, type WeightsOptions } from "../weights.ts";

interface EvaluateOptions extends WeightsOptions, EngineFlags {
  readonly weights: readonly string[];
  readonly data: string;
  readonly list?: string;
  readonly listOrder?: ClassOrder;
  readonly allowMissing?: true;
  readonly valSplit?: number;
  readonly seed: number;
  readonly check?: true;
  readonly crops: "1" | "10";
  readonly mirror?: true;
  readonly perClass?: string;
  readonly report?: string;
  readonly journal?: string;
  readonly batchSize: number;
  readonly workers?: number;
  readonly source?: string | boolean;
  readonly json?: true;
}

export function evaluateCommand(program: Command): void {
  const command = program
    .command("evaluate")
    .description("measure top-1 and top-5 error on pictures; several networks in one run")
    .addOption(
      new Option(
        "--weights <file...>",
        "weight files, or names of released weights (senet pull lists them); for a Caffe network, its prototxt and caffemodel",
      ).makeOptionMandatory(),
    )
    .addOption(stateOption())
    .requiredOption(
      "--data <path>",
      "a folder with one folder per class, named after the class or its WordNet id; the same in a .tar; WebDataset's archives; CIFAR's binary files",
    )
    .option("--list <file>", "the pictures and their labels, one per line: NAME LABEL; names are relative to --data")
    .addOption(
      choiceOption(
        "--list-order <order>",
        "order of ImageNet's classes in the list or .cls files; default: detected from the pictures' names",
        ["devkit", "sorted"],
      ),
    )
    .option("--allow-missing", "measure on the listed pictures that exist, and skip the others")
    .addOption(valSplitOption())
    .option("--seed <n>", "seed of --val-split: the training's", natural, 0)
    .option("--check", "decode every picture first, and stop if any cannot be decoded")
    .addOption(
      choiceOption("--crops <n>", "1: the centre; 10: also the corners, and their mirror images", ["1", "10"]).default(
        "1",
      ),
    )
    .option("--mirror", "average over the picture and its mirror image")
    .option("--per-class <file>", "write the errors of each class as CSV")
    .option(
      "--source <file>",
      "the float32 network from which an eight-bit network was made, to measure both; default: the file named in it, if it exists",
    )
    .option("--no-source", "measure only the network in eight bits")
    .option("--report <file>", "write a page (.html) with the confusion matrix and the worst mistakes, explained")
    .option("--journal <file>", "record results as they come; the same command continues from there")
    .option("--batch-size <n>", "images per run of the network", count, 32)
    .addOption(workersOption())
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet evaluate --weights runs/first/best.safetensors --data pictures/val\n" +
        "  senet evaluate --weights se-resnet-50 senet-154 --data imagenet/val --journal evaluation.jsonl\n" +
        "  senet evaluate --weights senet-154 --data imagenet/val --crop 320 --crops 10 --per-class classes.csv\n" +
        "  senet evaluate --weights se-resnet-50 --data photos --list ILSVRC2017_val.txt --allow-missing --json",
    )
    .action(evaluateWeights);
  for (const option of [...preprocessingOptions(), labelsOption()]) command.addOption(option);
}

async function evaluateWeights(options: EvaluateOptions): Promise<void> {
  const { list, listOrder, batchSize, threads, workers, perClass, valSplit, seed } = options;
  const { report } = options;
  if (report !== undefined) checkOutFile(report, [".html"], "evaluation");
  if (perClass !== undefined) {
    const files = [...options.weights, list, options.labels, options.journal].filter((file) => file !== undefined);
    checkKeeps(perClass, files, "another --per-class");
  }
  const allowMissing = options.allowMissing === true;
  const data = await localData(options.data, { say });
  const protocol = {
    data,
    list,
    listOrder,
    allowMissing,
    held: valSplit === undefined ? undefined : { valSplit, seed },
    views: viewsOf(options),
    opening: options,
    isShown: report !== undefined,
  };
  const choice = { name: options.executor, precision: options.precision };
  // Report an engine that does not load before opening anything.
  await selectExecutor(choice);
  const engine = { choice, batchSize, threads, workers };
  const journal = options.journal === undefined ? undefined : new Journal(options.journal);
  const line = new LiveLine();
  const rows: Row[] = [];
  const networks = networksOf(options.weights);
  /** The float32 source of a network in eight bits, which is measured next unless it is among the others. */
  const sourceOf = async ({ weights, quantization }: Row): Promise<{ source?: string }> => {
    if (quantization === undefined || options.source === false) return {};
    const asked = typeof options.source === "string" ? options.source : undefined;
    const found = await floatSource(weights, quantization, asked, options);
    if (found === undefined) return {};
    const listed = networks.map(networkName).find((name) => resolve(name) === resolve(found));
    if (listed === undefined) networks.splice(rows.length + 1, 0, [found]);
    return { source: listed ?? found };
  };
  let exitCode = 130;
  try {
    await interruptible(
      (code) => {
        exitCode = code;
        line.print("stopping after this batch; press Ctrl-C again to stop at once");
      },
      async (signal) => {
        for (const files of networks) {
          if (signal.aborted) return;
          const check = options.check === true && rows.length === 0;
          const one = await evaluateOne(files, { ...protocol, check }, engine, line, signal, journal);
          line.print(summary(one));
          if (!one.measured.finished) return;
          const row = { ...one, ...(await sourceOf(one)) };
          rows.push(row);
          if (options.json === true) printJson(resultOf(row));
        }
      },
    );
  } finally {
    // Print what was measured, even if the next weights cannot be opened.
    journal?.close();
    if (perClass !== undefined && rows.length > 0)
      await replaceFile(perClass, [classesCsv(rows)], "another --per-class");
    const pages = rows.flatMap(({ page }) => page ?? []);
    if (report !== undefined && pages.length > 0)
      await replaceFile(report, [renderEvaluation(data, pages)], "another --report");
    if (options.json !== true && rows.length > 0) printLines(tableOf(rows));
  }
  if (rows.length === networks.length) return;
  const next = journal === undefined ? "with --journal FILE it could be continued" : "run the same command to continue";
  line.print(`stopped; ${next}`);
  process.exitCode = exitCode;
}

function viewsOf({ crops, mirror }: EvaluateOptions): Views {
  if (crops === "1") return mirror === true ? "mirror" : "centre";
  if (mirror !== true) return "ten-crop";
  throw new SenetError("usage", "ten crops have their mirror images already", {
    where: "--mirror",
    hint: "leave --mirror out, or --crops 10",
  });
}
