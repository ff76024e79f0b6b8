/** `senet classify`: classifies pictures. */

import type { Command } from "commander";
import { Classifier } from "../../evaluate/classify.node.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { packagedName } from "../../pull/packaged.node.ts";
import {
  count,
  type EngineFlags,
  executorOption,
  jsonOption,
  precisionOption,
  stateOption,
  threadsOption,
} from "../options.ts";
import { JsonList, say } from "../output.ts";
import { PictureReader, picturesAndNetwork, printClassification, unlessUnreadable } from "../pictures.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import type { WeightsOptions } from "../weights.ts";

interface ClassifyOptions extends WeightsOptions, EngineFlags {
  readonly weights?: string;
  readonly top: number;
  readonly recursive: boolean;
  readonly json?: true;
}

export function classifyCommand(program: Command): void {
  const command = program
    .command("classify")
    .description("classify pictures")
    .argument(
      "<picture...>",
      "files, folders, archives (.tar), patterns ('*.jpg', also quoted), http(s) addresses; - is standard input",
    )
    .option(
      "--weights <file>",
      "a weight file in any supported format, or the name of released weights (senet pull lists them);\n" +
        `for a Caffe network, its prototxt and caffemodel; default: ${packagedName}, which is included and knows ten classes`,
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
  const { pictures, checkpoint } = await picturesAndNetwork(names, options);
  const { precision, threads } = options;
  const inEightBits = checkpoint.quantization !== undefined;
  const { executor, reason } = await selectExecutor({ name: options.executor, precision, inEightBits, say });
  if (precision === "auto" || inEightBits) say(`${checkpoint.model.name} on executor ${executor.name}: ${reason}`);
  const classifier = await Classifier.create(checkpoint, executor, { threads });
  const reader = new PictureReader();
  const list = options.json === true ? new JsonList() : undefined;
  try {
    // Print each result as it comes: there may be thousands.
    for (const picture of pictures) {
      const result = await unlessUnreadable(async () => classifier.classify(await reader.open(picture), options.top));
      if (result === undefined) continue;
      if (list === undefined) printClassification(result);
      else list.add(result);
    }
  } finally {
    await reader.close();
    await classifier.dispose();
  }
  list?.end();
}
