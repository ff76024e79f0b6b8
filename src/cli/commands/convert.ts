/**
 * `senet convert`: converts a network from one format and naming to another, and checks it by reading it back and
 * running both.
 */

import { extname } from "node:path";
import type { Command } from "commander";
import { checkSameLogits, logitsOf, roundedWeights, seededPictures } from "../../api/compare.node.ts";
import { checkedOnnx } from "../../api/onnx.node.ts";
import { SenetError } from "../../errors.ts";
import { replaceFile } from "../../files/replace.node.ts";
import { samePreprocessing } from "../../images/preprocessing-facts.ts";
import { classOrderOf } from "../../import/imagenet-classes.ts";
import type { Naming } from "../../import/naming.ts";
import { namings } from "../../import/namings.ts";
import { namingByName } from "../../import/rename.ts";
import { sizeOf } from "../../tensor.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { encodeWeights, followsConventions } from "../../weights/encode.ts";
import { inHalf, isHalved } from "../../weights/half.ts";
import { withChannels } from "../../weights/in-channels.ts";
import { openPaths } from "../../weights/open.node.ts";
import { openFiles } from "../../weights/open.ts";
import { requireFloat32 } from "../../weights/program.ts";
import { choiceOption, count, jsonOption, stateOption } from "../options.ts";
import { checkKeeps, checkOutFile } from "../out-file.ts";
import { grouped, print, printJson, say, shownDifference } from "../output.ts";
import { labelsOption, overruled, preprocessingOptions, shownPreprocessing } from "../preprocessing.ts";
import { opening, printNotes, type WeightsOptions } from "../weights.ts";

interface ConvertOptions extends WeightsOptions {
  readonly model?: string;
  readonly from?: string;
  readonly to?: string;
  readonly inChans?: number;
  readonly dtype: "float32" | "float16";
  readonly json?: true;
}

const names = namings.map(({ name }) => name).join(", ");

export function convertCommand(program: Command): void {
  const command = program
    .command("convert")
    .description("write a network in another format or naming, and check it by running both")
    .usage("[options] <in...> <out>")
    .argument(
      "<files...>",
      "a weight file in any supported format, or a prototxt and its caffemodel;\n" +
        "last, the .safetensors, .caffemodel or .onnx file to write",
    )
    .option("--model <name>", "the model of the weights; default: detected")
    .option("--from <naming>", `naming used by the file: ${names}; default: detected from the file`)
    .option("--to <naming>", "naming to write; default: senet, or caffe for a .caffemodel")
    .addOption(labelsOption())
    .option(
      "--in-chans <n>",
      "input channels of the result: the first convolution is summed (1) or repeated, as timm does",
      count,
    )
    .addOption(
      choiceOption("--dtype <name>", "type of the weights in a .safetensors file", ["float32", "float16"]).default(
        "float32",
      ),
    )
    .addOption(stateOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  senet convert SE-ResNet-50.caffemodel se-resnet-50.safetensors\n" +
        "  senet convert deploy.prototxt net.caffemodel net.safetensors --labels classes.txt\n" +
        "  senet convert se_resnet50-ce0d4300.pth se-resnet-50.caffemodel\n" +
        "  senet convert SE-ResNet-50-mcn.mat se-resnet-50.safetensors\n" +
        "  senet convert runs/first/best.safetensors for-timm.safetensors --to timm\n" +
        "  senet convert runs/first/best.safetensors small.safetensors --dtype float16\n" +
        "  senet convert seresnet50.safetensors seresnet50.onnx",
    )
    .action(convert);
  for (const option of preprocessingOptions()) command.addOption(option);
}

async function convert(files: readonly string[], options: ConvertOptions): Promise<void> {
  const inputs = files.slice(0, -1);
  const out = files.at(-1)!;
  if (inputs.length === 0) {
    throw new SenetError("usage", "no output file was given", {
      expected: "senet convert IN... OUT",
      found: `only ${out}`,
    });
  }
  const target = targetOf(out, options.to);
  const isHalf = options.dtype === "float16";
  if (isHalf && extname(out).toLowerCase() !== ".safetensors") {
    throw new SenetError("usage", "only safetensors are written as float16", { where: out, found: "--dtype float16" });
  }
  const opened = await openPaths(inputs, {
    ...opening(options),
    ...(options.model !== undefined && { model: options.model }),
    ...(options.from !== undefined && { from: options.from }),
  });
  checkKeeps(out, opened.files, "another name for the result");
  const given = opened.checkpoint;
  if (isHalf || options.inChans !== undefined) requireFloat32(given, inputs.join(", "));
  const source = options.inChans === undefined ? given : withChannels(given, options.inChans);
  const checkpoint = { ...source, preprocessing: overruled(source.preprocessing, options) };
  printNotes(inputs.join(", "), opened.notes);
  const { bytes, difference } =
    target === "onnx" ? await onnx(checkpoint, out) : await checkedWeights(checkpoint, target, out, isHalf);
  await replaceFile(out, bytes);

  const { model, labels, preprocessing, weights, training } = checkpoint;
  const summary = {
    file: out,
    from: { format: opened.format, naming: opened.naming ?? null },
    to: target === "onnx" ? { format: "onnx" } : { format: formats[extname(out).toLowerCase()], naming: target.name },
    model: model.name,
    tensors: weights.size,
    parameters: learnable(checkpoint),
    classes: model.classes,
    classOrder: classOrderOf(labels) ?? null,
    preprocessing,
    dtype: options.dtype,
    training: training ?? null,
    difference: difference ?? null,
  };
  if (options.json === true) printJson(summary, 2);
  else {
    const { from } = summary;
    const order = summary.classOrder === null ? "" : ` in ${summary.classOrder} order`;
    print(
      `${out}: ${model.name}, ${grouped(summary.parameters)} parameters, ${grouped(model.classes)} classes${order}; ` +
        `wants ${shownPreprocessing(preprocessing)}; from ${from.format} with ${from.naming === null ? "names of its own" : `the names of ${from.naming}`}, ` +
        shownDifference(difference),
    );
  }
  if (target !== "onnx" && target.name !== "senet" && !followsConventions(checkpoint, target)) {
    const usual = target.preprocessing(model.config);
    say(
      `senet: of files with the names of ${target.name} other programs expect ${shownPreprocessing(usual)}, and of ` +
        `1,000 classes the ${target.classOrder} order; tell them what this one needs`,
    );
  }
}

const formats: Readonly<Record<string, string>> = {
  ".safetensors": "safetensors",
  ".caffemodel": "caffemodel",
  ".onnx": "onnx",
};

/** The target: ONNX, or the naming of the weights. */
function targetOf(out: string, to: string | undefined): Naming | "onnx" {
  const extension = checkOutFile(out, Object.keys(formats));
  const naming = to === undefined ? undefined : namingByName(to);
  const refuse = (what: string, expected: string, found: string): never => {
    throw new SenetError("usage", what, { where: out, expected, found });
  };
  if (extension === ".onnx") {
    return naming === undefined ? "onnx" : refuse("an ONNX file has its own names", "no --to", `--to ${to}`);
  }
  const style = extension === ".caffemodel" ? "caffe" : "torch";
  const isFitting = (naming: Naming) =>
    naming.style === style && !(naming.style === "torch" && naming.isForeign === true);
  const fitting = namings.filter(isFitting).map(({ name }) => name);
  const chosen = naming ?? namingByName(style === "caffe" ? "caffe" : "senet");
  if (isFitting(chosen)) return chosen;
  return refuse("files of this kind cannot have these names", `--to ${fitting.join(", ")}`, `--to ${to}`);
}

interface Converted {
  readonly bytes: readonly Uint8Array[];
  /**
   * Largest difference of the logits, relative to the largest logit; absent where nothing here could run the result.
   */
  readonly difference: number | undefined;
}

async function onnx(checkpoint: Checkpoint, out: string): Promise<Converted> {
  const { bytes, difference } = await checkedOnnx(checkpoint, out, (line) => say(`senet: ${line}`));
  return { bytes: [bytes], difference };
}

/** Writes the file, reads it back, and checks that it is the same network with the same pre-processing and classes. */
async function checkedWeights(source: Checkpoint, naming: Naming, out: string, isHalf: boolean): Promise<Converted> {
  const checkpoint = isHalf ? { ...source, weights: inHalf(source.weights, out) } : source;
  const bytes = encodeWeights(checkpoint, naming, isHalf ? isHalved : undefined);
  const whole = new Uint8Array(Buffer.concat(bytes));
  const { checkpoint: result } = await openFiles([{ bytes: whole, where: out }]);
  const faults: string[] = [];
  if (JSON.stringify(result.labels) !== JSON.stringify(checkpoint.labels)) faults.push("labels");
  if (!samePreprocessing(result.preprocessing, checkpoint.preprocessing)) faults.push("preprocessing");
  for (const [name, { data }] of checkpoint.weights) {
    // A different eps is compensated in the variance, which rounds it.
    const isExact = naming.style === "torch" || naming.eps === 1e-5 || !name.endsWith("running_var");
    if (isExact && !sameBits(data, result.weights.get(name)!.data)) faults.push(name);
  }
  if (faults.length > 0) {
    throw new SenetError("weights", "the result does not read back unchanged; nothing was written", {
      where: out,
      found: `differences in ${faults.slice(0, 5).join(", ")}`,
    });
  }
  const pictures = seededPictures(source);
  const wanted = await logitsOf(source, pictures);
  const found = await logitsOf(result, pictures);
  return { bytes, difference: checkSameLogits(wanted, found, out, isHalf ? roundedWeights : undefined) };
}

const bitsOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);
const sameBits = (a: ArrayBufferView, b: ArrayBufferView) => bitsOf(a).equals(bitsOf(b));

/** How many values are learnt; running statistics are not. */
function learnable({ weights }: Checkpoint): number {
  let count = 0;
  for (const [name, { shape }] of weights) if (!/\.running_(?:mean|var)$/.test(name)) count += sizeOf(shape);
  return count;
}
