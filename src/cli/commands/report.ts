/** `senet report`: writes a run's report page. */

import type { Command } from "commander";
import { report } from "../../report/run.node.ts";
import { count, executorOption, jsonOption } from "../options.ts";
import { checkOutFile } from "../out-file.ts";
import { grouped, LiveLine, print, printJson } from "../output.ts";

interface ReportOptions {
  readonly data?: string;
  readonly out?: string;
  readonly sample?: number;
  readonly executor?: string;
  readonly json?: true;
}

export function reportCommand(program: Command): void {
  program
    .command("report")
    .description("write the report of a training run as one HTML page: curves, mistakes, confusion matrix, gates")
    .argument("<run>", "the run's folder, as train's --out")
    .option("--data <path>", "where its pictures are now; default: where they were in training")
    .option("--out <file>", "the .html file to write; default: report.html in the run's folder")
    .option("--sample <n>", "use this many of the validation pictures, evenly spread; default: all", count)
    .addOption(executorOption())
    .addOption(jsonOption())
    .addHelpText("after", "\nExamples:\n  senet report runs/first\n  senet report runs/first --json | jq .top1Error")
    .action(reportRun);
}

async function reportRun(run: string, options: ReportOptions): Promise<void> {
  if (options.out !== undefined) checkOutFile(options.out, [".html"], "report");
  const { data: pictures, executor, sample: mostPictures } = options;
  const line = new LiveLine();
  const onProgress = (done: number, total: number) =>
    line.show(() => `${grouped(done)} of ${grouped(total)} pictures checked`);
  const looking = { data: pictures, executor, mostPictures, onProgress };
  const { path, data } = await report({ out: run, ...looking }, options.out);
  if (options.json !== true) {
    for (const remark of data.remarks) line.print(remark);
    print(`report: ${path}`);
    return;
  }
  // JSON has the findings without pictures; typed arrays would become objects.
  const { confusion, gates, samples, ...rest } = data;
  printJson({
    ...rest,
    report: path,
    confusion: data.classes.map((_, row) => rowOf(confusion, row, data.classes.length)),
    samples: samples.map((group) => ({
      ...group,
      samples: group.samples.map(({ file, label, top }) => ({ file, label, top })),
    })),
    gates: gates.map(({ means, ...gate }) => ({
      ...gate,
      means: data.classes.map((_, row) => rowOf(means, row, gate.channels)),
    })),
  });
}

const rowOf = (values: ArrayLike<number>, row: number, length: number): number[] =>
  Array.from({ length }, (_, i) => values[row * length + i]!);
