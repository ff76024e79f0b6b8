/** `senet export`: writes a network as ONNX and checks it by running it. */

import type { Command } from "commander";
import { checkedOnnx } from "../../api/onnx.node.ts";
import { replaceFile } from "../../files/replace.node.ts";
import { stateOption } from "../options.ts";
import { checkKeeps, checkOutFile } from "../out-file.ts";
import { print, say, shownDifference } from "../output.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import { type WeightsOptions, weightsOf } from "../weights.ts";

interface ExportOptions extends WeightsOptions {
  readonly weights: string;
  readonly out: string;
}

export function exportCommand(program: Command): void {
  const command = program
    .command("export")
    .description("write a network as ONNX, and check it by running it")
    .requiredOption("--weights <file>", "a weight file in any supported format, or the name of released weights")
    .addOption(stateOption())
    .requiredOption("--out <file>", "the .onnx file to write")
    .addHelpText("after", "\nExamples:\n  senet export --weights runs/first/best.safetensors --out model.onnx")
    .action(exportNetwork);
  for (const option of [...preprocessingOptions(), labelsOption()]) command.addOption(option);
}

async function exportNetwork(options: ExportOptions): Promise<void> {
  const { weights: file, out } = options;
  checkOutFile(out, [".onnx"]);
  const checkpoint = await weightsOf(file, options);
  checkKeeps(out, checkpoint.read, "another --out");
  const { bytes, difference } = await checkedOnnx(checkpoint, out, (line) => say(`senet: ${line}`));
  await replaceFile(out, [bytes]);
  const { name } = checkpoint.model;
  print(`${out}: ${name}, ${bytes.length} bytes; ${shownDifference(difference)}`);
}
