/** `senet data suspects`: pictures whose label is probably wrong, judging by a network's predictions. */

import type { Command } from "commander";
import type { Dataset } from "../../../data/dataset.ts";
import { localData } from "../../../data/remote.node.ts";
import { pathsOfParts } from "../../../data/split.node.ts";
import { SenetError } from "../../../errors.ts";
import { openPictures } from "../../../evaluate/labelled.node.ts";
import { type LabelSuspects, labelSuspects, type SuspectPicture } from "../../../evaluate/suspects.node.ts";
import { isGuessing, type SuspectRank, suspectRanks } from "../../../evaluate/suspects.ts";
import { selectExecutor } from "../../../executors/select.node.ts";
import { replaceFile } from "../../../files/replace.node.ts";
import type { ClassOrder } from "../../../import/imagenet-classes.ts";
import { renderSuspects, shownSuspects } from "../../../report/suspects.ts";
import { thumbnailsOf } from "../../../report/thumbnails.node.ts";
import { FailureReport } from "../../failures.ts";
import { interruptible } from "../../interrupt.ts";
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
} from "../../options.ts";
import { checkOutFile } from "../../out-file.ts";
import { clock, grouped, LiveLine, print, printJson, printLines, say, table } from "../../output.ts";
import { labelsOption, preprocessingOptions } from "../../preprocessing.ts";
import { type WeightsOptions, weightsOf } from "../../weights.ts";

interface SuspectsOptions extends WeightsOptions, EngineFlags {
  readonly weights: string;
  readonly part?: "train" | "val";
  readonly list?: string;
  readonly listOrder?: ClassOrder;
  readonly allowMissing?: true;
  readonly valSplit?: number;
  readonly seed: number;
  readonly rank: SuspectRank;
  readonly top: number;
  readonly batchSize: number;
  readonly workers?: number;
  readonly html?: string;
  readonly json?: true;
}

/** The suspects in one part of the data. */
export type PartSuspects = LabelSuspects & { readonly part: string };

export function suspectsCommand(group: Command): void {
  const command = group
    .command("suspects")
    .description("rank pictures whose label is probably wrong, with a trained network (confident learning)")
    .argument("<data>", "what --data of senet evaluate takes; of data with train/ and val/ each by itself")
    .requiredOption("--weights <file>", "a weight file, or the name of released weights (senet pull lists them)")
    .addOption(stateOption())
    .addOption(choiceOption("--part <name>", "check only this part", ["train", "val"]))
    .option("--list <file>", "the pictures and their labels, one per line: NAME LABEL; names are relative to the data")
    .addOption(choiceOption("--list-order <order>", "order of ImageNet's classes in the list", ["devkit", "sorted"]))
    .option("--allow-missing", "use the listed pictures that exist")
    .addOption(valSplitOption())
    .option("--seed <n>", "seed of --val-split: the training's", natural, 0)
    .addOption(
      choiceOption("--rank <name>", "by the label's probability, less that of the likeliest other class or not", [
        ...suspectRanks,
      ]).default("normalized-margin"),
    )
    .option("--top <n>", "how many of each part the table shows", count, 20)
    .option("--html <file>", "write a page with the pictures, too")
    .option("--batch-size <n>", "images per run of the network", count, 32)
    .addOption(workersOption())
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet data suspects pictures --weights runs/first/best.safetensors --html suspects.html\n" +
        "  senet data suspects pictures --part val --weights runs/first/best.safetensors --json\n\n" +
        "After arXiv 1911.00068. A network has learnt some of the wrong labels of the pictures that it was trained on: it is\n" +
        "surest about others. To look through all pictures that way, train on one half (--val-split 0.5) and look at the\n" +
        "other, then with another --seed.",
    )
    .action(suspects);
  for (const option of [...preprocessingOptions(), labelsOption()]) command.addOption(option);
}

async function suspects(data: string, options: SuspectsOptions): Promise<void> {
  const { html, json, rank, batchSize, workers, threads, top } = options;
  if (html !== undefined) checkOutFile(html, [".html"]);
  const checkpoint = await weightsOf(options.weights, options);
  const { executor: name, precision } = options;
  const inEightBits = checkpoint.quantization !== undefined;
  const { executor } = await selectExecutor({ name, precision, inEightBits, say });
  const line = new LiveLine();
  const local = await localData(data, { say: (text) => line.print(text) });
  const datasets = openDatasets(local, options, checkpoint.labels);
  for (const remark of new Set(datasets.flatMap(({ dataset }) => dataset.remarks ?? []))) line.print(remark);
  const bad = new FailureReport((text) => line.print(text));
  const parts: PartSuspects[] = [];
  let exitCode = 0;
  await interruptible(
    (code) => {
      exitCode = code;
      line.print("stopping after this batch; press Ctrl-C again to stop at once");
    },
    async (signal) => {
      for (const { part, dataset } of datasets) {
        if (signal.aborted) return;
        const start = performance.now();
        const labels = { ...checkpoint, labels: dataset.classes };
        const found = await labelSuspects({
          checkpoint: labels,
          dataset,
          executor,
          rank,
          batchSize,
          workers,
          threads,
          signal,
          onFailure: (failure) => bad.met(failure),
          onProgress: (done, total) =>
            line.show(() => {
              const seconds = (performance.now() - start) / 1000;
              const left = clock(((total - done) * seconds) / done);
              return `${part}: ${grouped(done)} of ${grouped(total)}, ${left} left, ${(done / seconds).toFixed(1)} images/s`;
            }),
        });
        parts.push({ part, ...found });
        if (isGuessing(found.agreement, checkpoint.model.classes)) {
          line.print(
            `${part}: the network gives ${percent(found.agreement)} of the pictures their label, hardly more than guessing ` +
              "would: it has not learnt these classes, and what it suspects says nothing",
          );
        }
      }
    },
  );
  bad.summary();
  if (html !== undefined) {
    const thumbnails = await thumbnailsOf(shownSuspects(parts).map(({ sample }) => sample));
    await replaceFile(html, [renderSuspects(data, parts, thumbnails)], "another --html");
  }
  if (json === true) printJson(jsonOf(parts), 2);
  else for (const part of parts) show(part, top);
  if (exitCode === 0) return;
  line.print("stopped: these are the suspects among the pictures seen so far");
  process.exitCode = exitCode;
}

function openDatasets(
  data: string,
  { part: wanted, list, listOrder, allowMissing, valSplit, seed, labels: named }: SuspectsOptions,
  labels: readonly string[],
): readonly { readonly part: string; readonly dataset: Dataset }[] {
  const held = valSplit === undefined ? undefined : { valSplit, seed };
  const whole = { list, listOrder, allowMissing: allowMissing === true, held, areNamed: named !== undefined };
  const parts = list === undefined && held === undefined ? pathsOfParts(data) : [];
  const chosen = parts.filter(({ part }) => wanted === undefined || part === wanted);
  if (wanted !== undefined && chosen.length === 0) {
    throw new SenetError("usage", `there is no part "${wanted}" to look at alone`, {
      where: data,
      hint: "leave out --part",
    });
  }
  if (chosen.length === 0) return [{ part: "all", dataset: openPictures({ ...whole, data }, labels) }];
  return chosen.map(({ part, path }) => ({ part, dataset: openPictures({ ...whole, data: path, part }, labels) }));
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

function show({ part, pictures, suspects: found, noise, confusions }: PartSuspects, top: number): void {
  print(
    `${part}: ${grouped(found.length)} of ${grouped(pictures)} labels are suspect; ` +
      `about ${percent(noise)} of the labels are wrong, by the paper's estimate`,
  );
  if (found.length === 0) return;
  printLines(
    table(
      ["picture", "label", "its probability", "probably", "margin"],
      found
        .slice(0, top)
        .map((one) => [one.sample.file, one.label, percent(one.probability), one.guess, one.margin.toFixed(3)]),
    ),
  );
  if (found.length > top) print(`and ${grouped(found.length - top)} more: --top, --json or --html shows them`);
  const most = confusions.slice(0, 5).map(({ label, guess, count: times }) => `${label} as ${guess} (${times})`);
  print(`taken for another class most often: ${most.join(", ")}`);
  print();
}

/** The suspects as JSON; samples appear as their names. */
const jsonOf = (parts: readonly PartSuspects[]): unknown =>
  parts.map(({ suspects: found, ...rest }) => ({
    ...rest,
    suspects: found.map(({ sample, ...one }: SuspectPicture) => ({ picture: sample.file, ...one })),
  }));
