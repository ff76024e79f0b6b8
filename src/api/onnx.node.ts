/** Writes networks as ONNX, checked by running the result in ONNX Runtime. */

import { absenceOf, encodeOnnx, runOnnx } from "../executors/select.node.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { checkSameLogits, logitsOf, seededPictures } from "./compare.node.ts";

/**
 * The bytes of an ONNX model with batch norm folded, for batches of any size, with model, labels and pre-processing in
 * its metadata.
 * @param where the file that the bytes are for, for errors
 * @param say is told, in one line, if ONNX Runtime does not load and nothing can be checked
 * @returns the bytes, and the largest difference of their logits from the source's, relative to the largest; no
 * difference where nothing was checked
 * @throws SenetError `executor` where the two differ
 */
export async function checkedOnnx(
  checkpoint: Checkpoint,
  where: string,
  say: (line: string) => void = () => {},
): Promise<{ bytes: Uint8Array; difference: number | undefined }> {
  const { model, labels, preprocessing } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = await inferenceProgram(graph, checkpoint);
  const bytes = encodeOnnx(program.graph, program.weights, {
    model: JSON.stringify(model),
    labels: JSON.stringify(labels),
    preprocessing: JSON.stringify(preprocessing),
  });
  const absence = await absenceOf("ort");
  if (absence !== undefined) {
    say(`${where} was written, but not checked by running it: ${absence}`);
    return { bytes, difference: undefined };
  }
  const pictures = seededPictures(checkpoint);
  // In eight bits engines differ by a step of rounding here and there: the file is compared with its own engine.
  const source = await logitsOf(checkpoint, pictures, checkpoint.quantization && "ort");
  const result = (await runOnnx(bytes, new Map([[inputName, pictures]]), where)).get("logits")!;
  return { bytes, difference: checkSameLogits(source, result, where) };
}
