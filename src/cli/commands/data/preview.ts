/** `senet data preview`: a sheet that shows what a network will see of its training pictures. */

import { basename } from "node:path";
import type { Command } from "commander";
import { localData } from "../../../data/remote.node.ts";
import { openTrainingData } from "../../../data/split.node.ts";
import { SenetError } from "../../../errors.ts";
import { replaceFile } from "../../../files/replace.node.ts";
import { encodePng } from "../../../images/decode.node.ts";
import { sheetOf } from "../../../images/sheet.ts";
import { renderPreview } from "../../../report/preview.ts";
import { trainingTransformOf } from "../../../train/pictures.ts";
import { previewRows } from "../../../train/preview.node.ts";
import { FailureReport } from "../../failures.ts";
import { count, natural, valSplitOption } from "../../options.ts";
import { checkKeeps, checkOutFile } from "../../out-file.ts";
import { print, say } from "../../output.ts";
import { addConfigOptions, givenConfig, newConfig } from "../../train-config.ts";

interface PreviewOptions {
  readonly data?: string;
  readonly out: string;
  readonly pictures: number;
  readonly variants: number;
  readonly list?: string;
  readonly valList?: string;
  readonly allowMissing?: true;
}

export function previewCommand(group: Command): void {
  const command = group
    .command("preview")
    .description("draw a sheet of what the network will see: each picture, and its augmented versions")
    .argument("[data]", "what --data of senet train takes")
    .option("--data <path>", "the same, so that the options of senet train can be given as they are")
    .requiredOption("--out <file>", "where the sheet goes: a picture (.png), or a page with names and steps (.html)")
    .option("--pictures <n>", "how many, evenly from all classes", count, 8)
    .option("--variants <n>", "of each picture", count, 7)
    .option("--model <name>", "whose size pictures have; default: se-resnet-18")
    .option("--image-size <n>", "side in pixels; default: the model's own", count)
    .option("--seed <n>", "default: 0", natural)
    .addOption(valSplitOption())
    .option("--list <file>", "training pictures, one per line: NAME LABEL; names are relative to --data")
    .option("--val-list <file>", "the same for validation pictures")
    .option("--allow-missing", "leave out listed pictures that do not exist");
  addConfigOptions(command, ["Augmentation"]);
  command
    .addHelpText(
      "after",
      "\nExamples:\n  senet data preview pictures --out sheet.png --rotate 10 --pixel-jitter 20\n" +
        "  senet data preview pictures --out sheet.html --aa rand-m9-mstd0.5-inc1 --mixup 0.2",
    )
    .action(preview);
}

async function preview(given: string | undefined, options: PreviewOptions, command: Command): Promise<void> {
  const { out, pictures, variants } = options;
  const path = dataOf(given, options.data);
  const isPage = checkOutFile(out, [".png", ".html"]) === ".html";
  const config = newConfig(givenConfig(command), undefined);
  // Before anything is read, so that an impossible step is reported first.
  const { steps } = trainingTransformOf(config);
  const { train, val, remarks } = openTrainingData(await localData(path, { say }), {
    ...options,
    valSplit: config.valSplit,
    seed: config.seed,
  });
  // Only those of its name: the system is asked about each.
  const files = [...train.samples, ...val.samples].map(({ file }) => file);
  const named = files.filter((file) => basename(file) === basename(out));
  checkKeeps(out, named, "another --out");
  for (const remark of remarks) say(remark);
  const bad = new FailureReport(say, "bad:");
  const rows = await previewRows(train, config, { pictures, variants, onFailure: (failure) => bad.met(failure) });
  const strips = isPage ? rows.map(({ cells }) => [cells]) : [rows.map(({ cells }) => cells)];
  const sheets = await Promise.all(strips.map((cells) => encodePng(sheetOf(cells))));
  const texts = sheets.map((sheet) => Buffer.from(sheet).toString("base64"));
  const content = isPage ? renderPreview(path, { ...config, steps }, rows, texts) : sheets[0]!;
  await replaceFile(out, [content], "another --out");
  for (const [row, { className, sample }] of rows.entries()) print(`row ${row + 1}: ${className}, ${sample.file}`);
  say(`${rows.length} pictures and ${variants} variants of each, ${config.imageSize} pixels wide: ${out}`);
}

/** The data's path. @throws SenetError `usage` where it is given twice or not at all */
function dataOf(argument: string | undefined, option: string | undefined): string {
  const data = argument ?? option;
  if (data !== undefined && (argument === undefined || option === undefined)) return data;
  throw new SenetError("usage", data === undefined ? "no pictures were named" : "the pictures are named twice", {
    expected: "one folder, or what else --data of senet train takes",
    found: data === undefined ? "nothing" : `${argument} and --data ${option}`,
    hint: "senet data preview pictures --out sheet.png",
  });
}
