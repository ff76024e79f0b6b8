/** `senet classify`: what is on these pictures. */

import type { Command } from "commander";
import { namedPictures } from "../../data/pictures.node.ts";
import { isArchiveAddress, localData } from "../../data/remote.node.ts";
import { SenetError } from "../../errors.ts";
import { Classifier } from "../../evaluate/classify.node.ts";
import type { Classification } from "../../evaluate/classify.ts";
import { type PrecisionChoice, selectExecutor } from "../../executors/select.node.ts";
import { packagedName } from "../../pull/packaged.node.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { count, executorOption, jsonOption, precisionOption, stateOption, threadsOption } from "../options.ts";
import { JsonList, print, say, sayLines } from "../output.ts";
import { PictureReader } from "../pictures.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import { networkName, type WeightsOptions, weightsOf, withItsFiles } from "../weights.ts";

interface ClassifyOptions extends WeightsOptions {
  readonly weights?: string;
  readonly top: number;
  readonly recursive: boolean;
  readonly executor?: string;
  readonly precision?: PrecisionChoice;
  readonly threads?: number;
  readonly json?: true;
}

export function classifyCommand(program: Command): void {
  const command = program
    .command("classify")
    .description("say what is in pictures")
    .argument(
      "<picture...>",
      "files, folders, archives (.tar), patterns ('*.jpg', also quoted), http(s) addresses; - is standard input",
    )
    .option(
      "--weights <file>",
      "a weight file in any supported format, or the name of released weights (senet pull lists them);\n" +
        `of a Caffe network a prototxt and its caffemodel; default: ${packagedName}, which comes with the package and knows ten classes`,
    )
    .addOption(stateOption())
    .option("--top <k>", "predictions per picture", count, 5)
    .option("--no-recursive", "take only the pictures directly in a folder, not in its subfolders")
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addOption(labelsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet classify dog.jpg\n  senet classify cat.jpg dog.png --weights runs/first/best.safetensors\n" +
        "  senet classify holiday/ --weights runs/first/best.safetensors --top 1 --json\n" +
        "  curl -s https://host/cat.jpg | senet classify - 'photos/**/*.jpg' --weights se-resnet-50\n" +
        "  senet classify cat.jpg --weights SE-ResNet-50.caffemodel --threads 2\n" +
        "  senet classify cat.jpg --weights net.pth --mean 0.5 --std 0.5 --labels names.txt",
    )
    .action(classifyPictures);
  for (const option of preprocessingOptions()) command.addOption(option);
}

async function classifyPictures(names: readonly string[], options: ClassifyOptions): Promise<void> {
  const { weights, others } = withItsFiles(options.weights ?? packagedName, names);
  const local = await Promise.all(others.map((name) => (isArchiveAddress(name) ? localData(name, { say }) : name)));
  const { pictures, notes } = namedPictures(local, options.recursive);
  for (const note of notes) say(`senet: ${note}`);
  const checkpoint = await weightsOf(weights, options);
  if (options.weights === undefined) say(packagedNote(checkpoint));
  say(`${networkName(weights)}: pictures as ${checkpoint.told}`);
  const { precision, threads } = options;
  const inEightBits = checkpoint.quantization !== undefined;
  const { executor, reason } = await selectExecutor({ name: options.executor, precision, inEightBits });
  if (precision === "auto" || inEightBits) say(`${checkpoint.model.name} on executor ${executor.name}: ${reason}`);
  const classifier = await Classifier.create(checkpoint, executor, threads === undefined ? {} : { threads });
  const reader = new PictureReader();
  const list = options.json === true ? new JsonList() : undefined;
  try {
    // Told as they come: there may be thousands.
    for (const picture of pictures) {
      const result = await unlessUnreadable(async () => classifier.classify(await reader.open(picture), options.top));
      if (result === undefined) continue;
      if (list === undefined) printResult(result);
      else list.add(result);
    }
  } finally {
    await reader.close();
    await classifier.dispose();
  }
  list?.end();
}

/** Whoever names no network learns which one answers, and that it takes everything for one of a few classes. */
function packagedNote({ model, labels, training }: Checkpoint): string {
  const { recipe, seed, top1Error } = training ?? {};
  const facts = [
    ...(recipe === undefined || recipe === null ? [] : [`recipe ${recipe}`]),
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(top1Error === undefined ? [] : [`${(100 - top1Error).toFixed(1)} % right of its pictures to validate with`]),
  ];
  const known = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return (
    `senet: no --weights: ${packagedName} answers, the ${model.name} that comes with the package${known}. ` +
    `It knows ${labels.length} classes, and nothing else: ${labels.join(", ")}`
  );
}

/** One bad picture must not take the others' answers away; the exit code still tells. */
async function unlessUnreadable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SenetError && error.code === "data")) throw error;
    sayLines(`senet: ${error.message}`);
    process.exitCode = 1;
    return undefined;
  }
}

function printResult({ file, predictions }: Classification): void {
  print(file);
  for (const { label, probability } of predictions)
    print(`  ${(100 * probability).toFixed(2).padStart(6)} %  ${label}`);
}
