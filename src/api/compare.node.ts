/** Whether two forms of a network are the same: both run on the same pictures. */

import { SenetError } from "../errors.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { createRandom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { channelsOf, inferenceGraph, inputName } from "../zoo/index.ts";

/** Largest difference of logits, relative to the largest logit: of the same weights, and of those that were rounded. */
const sameWeights = 1e-4;
export const roundedWeights = 2e-2;

/** Two seeded pictures of noise, as the network takes them. */
export function seededPictures({ model, preprocessing: { crop } }: Checkpoint): Tensor {
  const random = createRandom(1);
  const shape = [2, channelsOf(model.config), crop, crop];
  return tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
  );
}

/** The network as it is, on the default executor. */
export async function logitsOf(
  { model, preprocessing, weights, quantization }: Checkpoint,
  pictures: Tensor,
): Promise<ArrayLike<number>> {
  const { executor } = await selectExecutor();
  const graph = inferenceGraph(model, { batch: pictures.shape[0]!, imageSize: preprocessing.crop });
  // Unfolded, where that can be: so the passes are compared too.
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
 * @throws SenetError `executor` where it is beyond the tolerance, or not a number; `weights` where the source's are none
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
    // Not a number stays one.
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
