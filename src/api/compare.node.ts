/** Checks that two forms of a network compute the same, by running both on the same pictures. */

import { SenetError } from "../errors.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { createRandom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { channelsOf, inferenceGraph, inputName } from "../zoo/index.ts";

/** Tolerated difference of logits, relative to the largest logit: for the same weights, and for rounded ones. */
const sameWeights = 1e-4;
export const roundedWeights = 2e-2;

/** Two pictures of seeded noise, `[2,channels,crop,crop]`. */
export function seededPictures({ model, preprocessing: { crop } }: Checkpoint): Tensor {
  const random = createRandom(1);
  const shape = [2, channelsOf(model.config), crop, crop];
  return tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
}

/** The network's logits, on the executor of this name, else the default one. */
export async function logitsOf(
  { model, preprocessing, weights, quantization }: Checkpoint,
  pictures: Tensor,
  name?: string,
): Promise<ArrayLike<number>> {
  const { executor } = await selectExecutor({ name });
  const graph = inferenceGraph(model, { batch: pictures.shape[0]!, imageSize: preprocessing.crop });
  // Batch norm is not folded where that is possible, so that the passes are checked too.
  const program =
    quantization === undefined ? { graph, weights } : await inferenceProgram(graph, { weights, quantization });
  const network = await executor.compile(program.graph, program.weights);
  try {
    return (await network.run(new Map([[inputName, pictures]]))).get("logits")!.data.slice();
  } finally {
    await network.dispose();
  }
}

/**
 * The largest difference of the logits, relative to the largest logit.
 * @throws SenetError `executor` where it exceeds the tolerance or is not a number; `weights` where the source's own
 * logits are not numbers
 */
export function checkSameLogits(
  source: ArrayLike<number>,
  result: ArrayLike<number>,
  where: string,
  tolerance = sameWeights,
): number {
  if (!Array.from(source).every(Number.isFinite)) {
    throw new SenetError("weights", "the network's own logits are not numbers; nothing was written", {
      where,
      hint: "its weights overflow: take a checkpoint from before",
    });
  }
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < source.length; i++) {
    largest = Math.max(largest, Math.abs(source[i]!));
    // Math.max passes a NaN on.
    difference = Math.max(difference, Math.abs(source[i]! - result[i]!));
  }
  const relative = difference / Math.max(largest, 1e-30);
  if (relative <= tolerance) return relative;
  throw new SenetError("executor", "the result and the source compute different things; nothing was written", {
    where,
    expected: `logits within ${tolerance} of the largest`,
    found: `${relative}`,
  });
}
