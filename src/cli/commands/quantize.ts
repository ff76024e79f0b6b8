/** `senet quantize`: quantises a trained network to eight bits, and says what that costs. */

import { basename } from "node:path";
import type { Command } from "commander";
import { openPictures } from "../../evaluate/labelled.node.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { replaceFile } from "../../files/replace.node.ts";
import { type RangeMethodName, rangeMethodNames } from "../../quantize/methods.ts";
import { quantizeNetwork } from "../../quantize/quantize.node.ts";
import { movedTo } from "../../quantize/source.node.ts";
import { renderQuantization } from "../../report/quantization.ts";
import { encodeCheckpoint } from "../../weights/checkpoint-write.ts";
import { FailureReport } from "../failures.ts";
import {
  choiceOption,
  count,
  executorOption,
  natural,
  notNegative,
  stateOption,
  threadsOption,
  workersOption,
} from "../options.ts";
import { checkKeeps, checkOutFile } from "../out-file.ts";
import { grouped, LiveLine, print, printLines, say, table } from "../output.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import { type WeightsOptions, weightsOf } from "../weights.ts";

interface QuantizeOptions extends WeightsOptions {
  readonly weights: string;
  readonly data: string;
  readonly out: string;
  readonly report?: string;
  readonly images: number;
  readonly checkImages: number;
  readonly method: RangeMethodName;
  readonly budget: number;
  readonly seed: number;
  readonly executor?: string;
  readonly threads?: number;
  readonly workers?: number;
}

export function quantizeCommand(program: Command): void {
  const command = program
    .command("quantize")
    .description("quantize a network to eight bits, and measure what it loses")
    .requiredOption("--weights <file>", "a weight file in any supported format, or the name of released weights")
    .addOption(stateOption())
    .requiredOption("--data <path>", "labelled pictures, as for evaluate")
    .requiredOption("--out <file>", "the .safetensors file to write")
    .option("--report <file>", "also write the table of layers as an HTML page")
    .option("--images <n>", "number of pictures used to choose the ranges of activations", count, 256)
    .option("--check-images <n>", "number of other pictures used to measure the loss of accuracy", count, 1024)
    .addOption(
      choiceOption("--method <name>", "how ranges are chosen", rangeMethodNames).default(
        "mse",
        "mse: least squared error",
      ),
    )
    .option(
      "--budget <points>",
      "largest acceptable increase of the top-1 error; the layers that cost most stay in float32",
      notNegative,
      0.3,
    )
    .option("--seed <n>", "chooses the pictures", natural, 0)
    .addOption(workersOption())
    .addOption(executorOption())
    .addOption(threadsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet quantize --weights runs/first/best.safetensors --data pictures --out net.int8.safetensors\n" +
        "  senet quantize --weights se-resnet-50 --data imagenet/train --images 512 --budget 0.1 --out small.safetensors --report layers.html",
    )
    .action(quantize);
  for (const option of [...preprocessingOptions(), labelsOption()]) command.addOption(option);
}

async function quantize(options: QuantizeOptions): Promise<void> {
  const { weights, out, data } = options;
  checkOutFile(out, [".safetensors"]);
  if (options.report !== undefined) checkOutFile(options.report, [".html"], "report");
  const opened = await weightsOf(weights, options);
  checkKeeps(out, opened.read, "another --out");
  const pictures = { data, list: undefined, listOrder: undefined, allowMissing: false, held: undefined };
  const dataset = openPictures({ ...pictures, areNamed: options.labels !== undefined }, opened.labels);
  const { executor, reason } = await selectExecutor({ name: options.executor, say });
  say(`${weights}: ${opened.model.name} on executor ${executor.name}: ${reason}`);
  const { told: _, read: __, ...network } = opened;
  const checkpoint = { ...network, labels: dataset.classes };
  const { images, checkImages, method, budget, seed, threads, workers } = options;
  const settings = { images, checkImages, method, budget, seed, threads, workers, file: weights };
  const line = new LiveLine();
  const failures = new FailureReport((text) => line.print(text));
  const made = await quantizeNetwork({
    checkpoint,
    dataset,
    executor,
    ...settings,
    say: (text) => line.print(text),
    onFailure: (failure) => failures.met(failure),
    onLayer: (name, done, total) =>
      line.show(() => `${done} of ${total} layers measured, each alone in eight bits: ${name}`),
  });
  failures.summary();
  await replaceFile(out, encodeCheckpoint(movedTo(out, made.checkpoint)));
  const { float, int8, checked, rows } = made;
  if (options.report !== undefined) {
    const { method, images } = made.checkpoint.quantization!;
    const facts = { name: basename(out), model: opened.model.name, method, images };
    await replaceFile(
      options.report,
      [renderQuantization({ ...facts, float, int8, checked, rows })],
      "another --report",
    );
  }
  printLines(
    table(
      ["layer", "weights", "divergence alone", "computes in"],
      rows.map(({ name, weights, divergence, isFloat }) => [
        ...[name, grouped(weights), divergence.toExponential(2), isFloat ? "float32" : "int8"],
      ]),
    ),
  );
  const inBits = rows.filter(({ isFloat }) => !isFloat).length;
  print(
    `${out}: ${inBits} of ${rows.length} layers in eight bits; top-1 error ${int8.toFixed(2)} %, in float32 ${float.toFixed(2)} %, on ${grouped(checked)} ${checked === 1 ? "picture" : "pictures"}`,
  );
}
