/** `senet demo`: the whole path from data to report, on pictures that it draws itself; needs no network and no data. */

import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { writeDemoPictures } from "../../demo/write.node.ts";
import { SenetError } from "../../errors.ts";
import { makeFolder } from "../../files/files.node.ts";
import { Lock } from "../../files/lock.node.ts";
import { report, reportFile } from "../../report/run.node.ts";
import { trainingConfig } from "../../train/config.ts";
import { count, executorOption, natural } from "../options.ts";
import { print, say } from "../output.ts";
import { quoted, runTraining } from "../training.ts";

interface DemoOptions {
  readonly out: string;
  readonly epochs: number;
  readonly seed: number;
  readonly executor?: string;
}

export function demoCommand(program: Command): void {
  program
    .command("demo")
    .description("draw pictures, train on them, evaluate, classify, and write a report; needs no data or internet")
    .option("--out <dir>", "where pictures, weights and report.html go", join("runs", "demo"))
    .option("--epochs <n>", "passes over the training pictures", count, 15)
    .option("--seed <n>", "seed of the pictures and of the training", natural, 0)
    .addOption(executorOption())
    .addHelpText("after", "\nExamples:\n  senet demo\n  senet demo --out /tmp/demo --seed 7")
    .action(runDemo);
}

async function runDemo(options: DemoOptions): Promise<void> {
  const { out } = options;
  await makeFolder(out);
  const lock = new Lock(join(out, "demo.lock"), "another demo is using this folder", "another --out, or wait for it");
  try {
    await showDemo(options);
  } finally {
    lock.release();
  }
}

async function showDemo({ out, epochs, seed, executor }: DemoOptions): Promise<void> {
  const chosen = executor === undefined ? {} : { executor };

  say("1. drawing pictures");
  const pictures = await writeDemoPictures(join(out, "pictures"), { seed });
  say(`   ${pictures.trainImages} to train on, ${pictures.valImages} to validate: ${pictures.classes.join(", ")}`);

  say("2. training");
  const config = trainingConfig({
    model: "se-resnet-20",
    imageSize: 32,
    epochs,
    batchSize: 32,
    learningRate: 0.05,
    weightDecay: 5e-4,
    cropScale: 0.6,
    // No crop: the drawn things reach to the margins.
    evaluationResize: 32,
    seed,
  });
  // A demo starts afresh each time and replaces what an earlier one left.
  const run = join(out, "run");
  const command = `senet demo --epochs ${epochs} --seed ${seed}`;
  const { finished } = await runTraining(
    { command, data: pictures.folder, out: run, config, resume: false, fresh: true, ...chosen },
    `senet train --resume --data ${quoted(pictures.folder)} --out ${quoted(run)}`,
  );
  if (!finished) return;

  say("3. evaluating and classifying pictures that were held back");
  const title = "SE-ResNet-20 on drawn scenes";
  const heldBack = pictures.heldBack.map((file) => ({ file, label: labelOf(file, pictures.classes) }));
  const { path, data } = await report({ title, out: run, heldBack, ...chosen }, reportFile(out));
  for (const { file, top } of data.samples[0]!.samples) {
    say(
      `   ${basename(file).padEnd(18)} ${top.map((p) => `${pictures.classes[p.index]} ${(100 * p.probability).toFixed(1)} %`).join(", ")}`,
    );
  }

  print(`top-1 error ${data.top1Error.toFixed(2)} % on ${data.measuredImages} pictures that training did not see`);
  print(`report: ${pathToFileURL(path).href}`);
}

/** The class of a held-back file, which is named `held-back/CLASS-N.jpg`. */
function labelOf(file: string, classes: readonly string[]): number {
  const name = basename(file).replace(/-\d+\.jpg$/, "");
  const label = classes.indexOf(name);
  if (label < 0) throw new SenetError("data", "a held-back picture is named after no class", { where: file });
  return label;
}
