/** Measures a network with the field's protocol: top-1 and top-5 error in percent (paper, section 5.1). */

import type { Executable } from "../executors/executor.ts";
import type { Tensor } from "../tensor.ts";
import { inputName } from "../zoo/index.ts";
import { rankOf, softmaxRow, topK } from "./metrics.ts";

/** Pictures `[N,3,S,S]` with their labels and places in the data set, of which the first `size` count. */
export interface EvaluationBatch {
  readonly images: Tensor;
  readonly labels: Tensor;
  readonly samples: ArrayLike<number>;
  readonly size: number;
}

/** What the network said of one picture. */
export interface PicturePrediction {
  /** Its place in the data set. */
  readonly sample: number;
  readonly label: number;
  /** The most probable classes, five at most. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

export interface Evaluation {
  readonly images: number;
  /** Percent of pictures whose label is not the most probable class. */
  readonly top1Error: number;
  /** Percent of pictures whose label is not among the five most probable classes. */
  readonly top5Error: number;
  /** Mean cross-entropy without label smoothing. */
  readonly loss: number;
  /** `confusion[label · classes + predicted]` counts pictures. */
  readonly confusion: Uint32Array;
  readonly predictions: readonly PicturePrediction[];
  readonly seconds: number;
}

/** @param onBatch told the pictures done so far */
export async function evaluate(
  network: Executable,
  batches: AsyncIterable<EvaluationBatch>,
  classes: number,
  onBatch: (images: number) => void = () => {},
): Promise<Evaluation> {
  const confusion = new Uint32Array(classes * classes);
  const predictions: PicturePrediction[] = [];
  let top1 = 0;
  let top5 = 0;
  let loss = 0;
  const start = performance.now();
  for await (const { images, labels, samples, size } of batches) {
    const logits = (await network.run(new Map([[inputName, images]]))).get("logits")!;
    for (let row = 0; row < size; row++) {
      const label = labels.data[row]!;
      const rank = rankOf(logits, row, label);
      if (rank < 1) top1++;
      if (rank < 5) top5++;
      const probabilities = softmaxRow(logits, row);
      loss -= Math.log(Math.max(probabilities[label]!, Number.MIN_VALUE));
      const top = topK(probabilities, 5).map((index) => ({ index, probability: probabilities[index]! }));
      confusion[label * classes + top[0]!.index]!++;
      predictions.push({ sample: samples[row]!, label, top });
    }
    onBatch(predictions.length);
  }
  const images = predictions.length;
  return {
    images,
    top1Error: (100 * (images - top1)) / images,
    top5Error: (100 * (images - top5)) / images,
    loss: loss / images,
    confusion,
    predictions,
    seconds: (performance.now() - start) / 1000,
  };
}
