/** Networks as ONNX files, checked by running them in ONNX Runtime itself. */

import { encodeOnnx } from "../index.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import type { Tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkSameLogits, logitsOf, seededPictures } from "./compare.ts";

/**
 * The bytes of an ONNX model with batch norm folded, for batches of any size, with model, labels and pre-processing in
 * its metadata.
 * @param where the file that they are for, for errors
 * @returns with the largest difference of its logits from the source's, relative to the largest
 * @throws SenetError `executor` where it does not give what the source gives
 */
export async function checkedOnnx(
  checkpoint: Checkpoint,
  where: string,
): Promise<{ bytes: Uint8Array; difference: number }> {
  const { model, labels, preprocessing, weights } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = runPasses({ graph, weights }, inferencePasses);
  const bytes = encodeOnnx(program.graph, program.weights, {
    model: JSON.stringify(model),
    labels: JSON.stringify(labels),
    preprocessing: JSON.stringify(preprocessing),
  });
  const pictures = seededPictures(checkpoint);
  const source = await logitsOf(checkpoint, pictures);
  return { bytes, difference: checkSameLogits(source, await runOnnx(bytes, pictures), where) };
}

async function runOnnx(onnx: Uint8Array, { data, shape }: Tensor): Promise<Float32Array> {
  // Here, so that commands that need no engine start without one.
  const { InferenceSession, Tensor: OrtTensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(onnx, { logSeverityLevel: 3 });
  const outputs = await session.run({ [inputName]: new OrtTensor("float32", data as Float32Array, shape) });
  const logits = outputs.logits!.data as Float32Array;
  await session.release();
  return logits;
}
