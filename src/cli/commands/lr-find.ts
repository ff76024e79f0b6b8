/** `senet lr-find`: a short trial that shows which learning rate to train with. */

import type { Command } from "commander";
import { replaceFile } from "../../files/replace.node.ts";
import { rateChart, shownRate } from "../../report/rates.ts";
import { findRates } from "../../train/lr-find.node.ts";
import { suggestRates } from "../../train/lr-find.ts";
import { withoutAuto } from "../../train/resume.ts";
import { interruptible } from "../interrupt.ts";
import {
  count,
  type EngineFlags,
  executorOption,
  jsonOption,
  notNegative,
  precisionOption,
  real,
  threadsOption,
  workersOption,
} from "../options.ts";
import { checkOutFile } from "../out-file.ts";
import { LiveLine, print, printJson } from "../output.ts";
import { addConfigOptions, givenConfig, newConfig, sourceOf, withPretrained } from "../train-config.ts";
import { quoted } from "../training.ts";

interface LrFindOptions extends EngineFlags {
  readonly data: string;
  readonly list?: string;
  readonly valList?: string;
  readonly allowMissing?: true;
  readonly startLr: number;
  readonly endLr: number;
  readonly steps: number;
  readonly out: string;
  readonly recompute?: true;
  readonly workers?: number;
  readonly cache?: number;
  readonly cacheDir?: string;
  readonly json?: true;
}

export function lrFindCommand(program: Command): void {
  const command = program
    .command("lr-find")
    .description("find a learning rate: a short trial that raises it until the loss explodes")
    .requiredOption("--data <path>", "the pictures, as for senet train")
    .option("--list <file>", "training pictures, one per line: NAME LABEL; names are relative to --data")
    .option("--val-list <file>", "the same for validation pictures")
    .option("--allow-missing", "train on the listed pictures that exist, and skip the others")
    .option("--start-lr <rate>", "the rate of the first step", real, 1e-7)
    .option("--end-lr <rate>", "the rate of the last step, if it comes to it", real, 10)
    .option("--steps <n>", "steps of the trial", count, 100)
    .option("--out <file>", "the curve, as an SVG file", "lr-find.svg")
    .addOption(workersOption())
    .option("--cache <GiB>", "memory for decoded pictures; default: a quarter of what is free, at most 4", notNegative)
    .option("--cache-dir <dir>", "keep decoded pictures in a folder, for the training to come")
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .option("--recompute", "compute activations again instead of keeping them: less memory, about a third more time")
    .addOption(jsonOption());
  addConfigOptions(command);
  command
    .addHelpText(
      "after",
      "\nExamples:\n  senet lr-find --data pictures --model se-resnet-18 --image-size 96\n" +
        "  senet lr-find --data pictures --weights se-resnet-50 --freeze stage3 --steps 60 --json\n\n" +
        "Use the options of the training: the rate depends on batch size, optimiser and frozen parts.",
    )
    .action(findRate);
}

async function findRate(options: LrFindOptions, command: Command): Promise<void> {
  const { data, startLr, endLr, steps, out, json, cache, ...running } = options;
  checkOutFile(out, [".svg"], "lr-find");
  const { fitBatch, ...given } = withoutAuto(await withPretrained(givenConfig(command), command));
  const source = await sourceOf(given);
  const config = newConfig(given, source);
  const line = new LiveLine();
  let exitCode: number | undefined;
  const points = await interruptible(
    (code) => {
      exitCode = code;
      line.print("stopping after this step");
    },
    (signal) =>
      findRates({
        list: running.list,
        valList: running.valList,
        allowMissing: running.allowMissing,
        executor: running.executor,
        precision: running.precision,
        threads: running.threads,
        workers: running.workers,
        recompute: running.recompute,
        cacheFolder: running.cacheDir,
        ...(cache !== undefined && { cacheBytes: cache * 2 ** 30 }),
        data,
        config,
        source,
        fitBatch,
        signal,
        trial: { from: startLr, to: endLr, steps },
        say: (text) => line.print(text),
        onPoint: ({ rate, smoothed }, step) =>
          line.show(() => `step ${step + 1}/${steps}: rate ${shownRate(rate)}, loss ${smoothed.toFixed(4)}`),
      }),
  );
  if (exitCode !== undefined) {
    line.print("stopped; nothing was written");
    process.exitCode = exitCode;
    return;
  }
  const title = `Learning rates: ${config.model} on ${data}`;
  // The curve is useful even if no rate can be read from it.
  await replaceFile(out, [rateChart(title, points)]);
  const found = suggestRates(points);
  await replaceFile(out, [rateChart(title, points, found)]);
  const { valley, steepest, minimum } = found;
  if (json === true) printJson({ suggested: valley, ...found, curve: out, points }, 2);
  else {
    print(`suggested rate: ${shownRate(valley)}`);
    print(`steepest fall at ${shownRate(steepest)}; a tenth of where the loss is lowest: ${shownRate(minimum)}`);
    print(`curve: ${out}`);
  }
  line.print(
    `next: senet train --data ${quoted(data)} --lr ${shownRate(valley)}, with the other options of this trial`,
  );
}
