/** `senet classify`: what is on these pictures. */

import type { Command } from "commander";
import { SenetError } from "../../errors.ts";
import { type Classification, Classifier, listPictures } from "../../evaluate/classify.node.ts";
import { type Precision, selectExecutor } from "../../executors/select.node.ts";
import { count, executorOption, jsonOption, precisionOption, stateOption, threadsOption } from "../options.ts";
import { opening, weightsOf } from "../weights.ts";

interface ClassifyOptions {
  readonly weights: string;
  readonly state?: string;
  readonly top: number;
  readonly executor?: string;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly json?: true;
}

export function classifyCommand(program: Command): void {
  program
    .command("classify")
    .description("name what is on pictures")
    .argument("<picture...>", "picture files, or folders of them")
    .requiredOption(
      "--weights <file>",
      "a weight file of any format that is read, or a name of released weights (senet pull lists them)",
    )
    .addOption(stateOption())
    .option("--top <k>", "predictions a picture", count, 5)
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet classify cat.jpg dog.png --weights runs/first/best.safetensors\n" +
        "  senet classify holiday/ --weights runs/first/best.safetensors --top 1 --json\n" +
        "  senet classify cat.jpg --weights SE-ResNet-50.caffemodel --threads 2",
    )
    .action(classifyPictures);
}

async function classifyPictures(paths: readonly string[], options: ClassifyOptions): Promise<void> {
  const files = listPictures(paths);
  const checkpoint = await weightsOf(options.weights, opening(options));
  const { executor } = await selectExecutor({ name: options.executor, precision: options.precision });
  const { threads } = options;
  const classifier = await Classifier.create(checkpoint, executor, threads === undefined ? {} : { threads });
  const results: Classification[] = [];
  for (const file of files) {
    try {
      results.push(await classifier.classify(file, options.top));
    } catch (error) {
      // One bad picture must not take the others' answers away; the exit code still tells.
      if (!(error instanceof SenetError && error.code === "data")) throw error;
      process.stderr.write(`senet: ${error.message}\n`);
      process.exitCode = 1;
    }
  }
  await classifier.dispose();
  if (options.json === true) {
    console.log(JSON.stringify(results, null, 2));
    return;
  }
  for (const { file, predictions } of results) {
    console.log(file);
    for (const { label, probability } of predictions)
      console.log(`  ${(100 * probability).toFixed(2).padStart(6)} %  ${label}`);
  }
}
