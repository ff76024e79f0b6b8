/** Networks as ONNX files, checked by running them in ONNX Runtime itself. */

import { absenceOf, runOnnx } from "../executors/select.node.ts";
import { encodeOnnx } from "../index.ts";
import { inferencePasses, runPasses } from "../passes/index.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkSameLogits, logitsOf, seededPictures } from "./compare.ts";
import { say } from "./output.ts";

/**
 * The bytes of an ONNX model with batch norm folded, for batches of any size, with model, labels and pre-processing in
 * its metadata.
 * @param where the file that they are for, for errors
 * @returns with the largest difference of its logits from the source's, relative to the largest; none, and a line on
 * standard error, where ONNX Runtime does not load
 * @throws SenetError `executor` where it does not give what the source gives
 */
export async function checkedOnnx(
  checkpoint: Checkpoint,
  where: string,
): Promise<{ bytes: Uint8Array; difference: number | undefined }> {
  const { model, labels, preprocessing, weights } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = runPasses({ graph, weights }, inferencePasses);
  const bytes = encodeOnnx(program.graph, program.weights, {
    model: JSON.stringify(model),
    labels: JSON.stringify(labels),
    preprocessing: JSON.stringify(preprocessing),
  });
  const absence = await absenceOf("ort");
  if (absence !== undefined) {
    say(`senet: ${where} is written, but was not run to check it: ${absence}`);
    return { bytes, difference: undefined };
  }
  const pictures = seededPictures(checkpoint);
  const source = await logitsOf(checkpoint, pictures);
  const result = (await runOnnx(bytes, new Map([[inputName, pictures]]), where)).get("logits")!;
  return { bytes, difference: checkSameLogits(source, result, where) };
}

/** `logits differ by 1.2e-7, relative` */
export const shownDifference = (difference: number | undefined): string =>
  difference === undefined ? "not checked" : `logits differ by ${difference.toExponential(1)}, relative`;
