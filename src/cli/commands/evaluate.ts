/** `senet evaluate`: top-1 and top-5 error of weights on a folder of pictures. */

import type { Command } from "commander";
import { openFolder } from "../../data/folder.node.ts";
import { Loader } from "../../data/loader.node.ts";
import { evaluateFolder } from "../../evaluate/folder.node.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { count, executorOption, jsonOption, threadsOption } from "../options.ts";
import { clock, grouped, LiveLine } from "../output.ts";
import { weightsOf } from "../weights.ts";

interface EvaluateOptions {
  readonly weights: string;
  readonly data: string;
  readonly resize?: number;
  readonly crop?: number;
  readonly batchSize: number;
  readonly workers?: number;
  readonly executor?: string;
  readonly threads?: number;
  readonly json?: true;
}

export function evaluateCommand(program: Command): void {
  program
    .command("evaluate")
    .description("measure top-1 and top-5 error on a folder of pictures")
    .requiredOption("--weights <file>", "a file that senet train wrote; it carries model, labels and pre-processing")
    .requiredOption("--data <dir>", "a folder with one folder a class")
    .option("--resize <s>", "shorter side before the crop; default: the weight file's", count)
    .option("--crop <c>", "side of the centre crop; default: the weight file's", count)
    .option("--batch-size <n>", "pictures a run", count, 32)
    .option("--workers <n>", "threads that prepare pictures", count)
    .addOption(executorOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet evaluate --weights runs/first/best.safetensors --data pictures/val\n" +
        "  senet evaluate --weights runs/first/best.safetensors --data pictures/val --resize 128 --crop 112 --json",
    )
    .action(evaluateWeights);
}

async function evaluateWeights(options: EvaluateOptions): Promise<void> {
  const { model, labels, weights, preprocessing } = await weightsOf(options.weights);
  const dataset = await openFolder(options.data, { classes: labels });
  const { executor, reason } = await selectExecutor(options.executor);
  const line = new LiveLine();
  line.print(`${model.name} on executor ${executor.name}: ${reason}`);
  const crop = options.crop ?? preprocessing.crop;
  const loader = new Loader({
    dataset,
    batchSize: options.batchSize,
    transform: {
      kind: "evaluate",
      preprocessing: { ...preprocessing, resize: options.resize ?? preprocessing.resize, crop },
    },
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    cacheBytes: 0,
  });
  const start = performance.now();
  try {
    const total = dataset.samples.length;
    const result = await evaluateFolder({
      executor,
      model,
      weights,
      loader,
      batchSize: options.batchSize,
      imageSize: crop,
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      onBatch: (images) =>
        line.show(() => {
          const seconds = (performance.now() - start) / 1000;
          const left = clock((seconds / images) * (total - images));
          return `${grouped(images)} of ${grouped(total)}, ${(images / seconds).toFixed(1)} images/s, ${left} left`;
        }),
    });
    for (const { file, reason } of loader.failures) line.print(`left out ${file}: ${reason}`);
    const { images, top1Error, top5Error, seconds } = result;
    const rate = images / seconds;
    if (loader.failures.length > 0) line.print(`${loader.failures.length} pictures left out`);
    if (options.json === true) {
      console.log(JSON.stringify({ images, top1_error: top1Error, top5_error: top5Error, images_per_second: rate }));
      return;
    }
    console.log(
      `${grouped(images)} pictures: top-1 error ${top1Error.toFixed(2)} %, top-5 error ${top5Error.toFixed(2)} %`,
    );
    console.log(`${rate.toFixed(1)} images/s`);
  } finally {
    await loader.dispose();
  }
}
