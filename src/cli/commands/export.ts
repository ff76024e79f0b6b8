/** `senet export`: a network for other programs, checked by running it. */

import type { Command } from "commander";
import { SenetError } from "../../errors.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { encodeOnnx } from "../../index.ts";
import { inferencePasses, runPasses } from "../../passes/index.ts";
import { createRandom } from "../../random.ts";
import { type Tensor, tensor } from "../../tensor.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { replaceFile } from "../../weights/files.node.ts";
import { inferenceGraph, inputName } from "../../zoo/index.ts";
import { weightsOf } from "../weights.ts";

interface ExportOptions {
  readonly weights: string;
  readonly out: string;
}

/** Largest difference of logits, relative to the largest logit. */
const tolerance = 1e-4;

export function exportCommand(program: Command): void {
  program
    .command("export")
    .description("write a network as ONNX, and check it by running it")
    .requiredOption("--weights <file>", "a file that senet train wrote; it carries model, labels and pre-processing")
    .requiredOption("--out <file>", "the .onnx file to write")
    .addHelpText("after", "\nExamples:\n  senet export --weights runs/first/best.safetensors --out model.onnx")
    .action(exportNetwork);
}

async function exportNetwork({ weights: file, out }: ExportOptions): Promise<void> {
  const checkpoint = await weightsOf(file);
  const { model, labels, preprocessing, weights } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = runPasses({ graph, weights }, inferencePasses);
  const bytes = encodeOnnx(program.graph, program.weights, {
    model: JSON.stringify(model),
    labels: JSON.stringify(labels),
    preprocessing: JSON.stringify(preprocessing),
  });
  const difference = await compare(checkpoint, bytes);
  if (!(difference <= tolerance)) {
    throw new SenetError("executor", "the exported network does not give what the source gives; nothing was written", {
      where: out,
      expected: `logits within ${tolerance} of the largest`,
      found: `${difference}`,
    });
  }
  await replaceFile(out, [bytes]);
  console.log(
    `${out}: ${model.name}, ${bytes.length} bytes; logits differ by ${difference.toExponential(1)}, relative`,
  );
}

/** Two seeded pictures through the source as it is and through the ONNX file: the largest relative difference of logits. */
async function compare({ model, preprocessing, weights }: Checkpoint, onnx: Uint8Array): Promise<number> {
  const { crop } = preprocessing;
  const batch = 2;
  const random = createRandom(1);
  const length = batch * 3 * crop * crop;
  const image = tensor(
    [batch, 3, crop, crop],
    Float32Array.from({ length }, () => random.normal()),
  );
  const source = await runSource(inferenceGraph(model, { batch, imageSize: crop }), weights, image);
  // Here, so that commands that need no engine start without one.
  const { InferenceSession, Tensor: OrtTensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(onnx, { logSeverityLevel: 3 });
  const outputs = await session.run({ [inputName]: new OrtTensor("float32", image.data as Float32Array, image.shape) });
  const logits = outputs.logits!.data as Float32Array;
  await session.release();
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < source.length; i++) {
    largest = Math.max(largest, Math.abs(source[i]!));
    // Not a number stays one.
    difference = Math.max(difference, Math.abs(source[i]! - logits[i]!));
  }
  return difference / Math.max(largest, 1e-30);
}

async function runSource(
  graph: ReturnType<typeof inferenceGraph>,
  weights: Checkpoint["weights"],
  image: Tensor,
): Promise<ArrayLike<number>> {
  const { executor } = await selectExecutor();
  const executable = await executor.compile(graph, weights);
  const { data } = (await executable.run(new Map([[inputName, image]]))).get("logits")!;
  const logits = data.slice();
  await executable.dispose();
  return logits;
}
