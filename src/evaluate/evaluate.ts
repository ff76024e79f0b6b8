/** Evaluates a network by the usual protocol: top-1 and top-5 error in percent (paper, section 5.1). */

import type { Executable, Running } from "../executors/executor.ts";
import type { Tensor } from "../tensor.ts";
import { inputName } from "../zoo/graphs.ts";
import { hasTopFive, meanSoftmax, rankOf, rowOf } from "./metrics.ts";
import { topK } from "./probabilities.ts";

/** A batch of pictures with labels and indices in the data set; the first `size` rows count. */
export interface EvaluationBatch {
  /** `[N · views, C, S, S]`; the views of a picture are adjacent. */
  readonly images: Tensor;
  /** `[N]` */
  readonly labels: Tensor;
  readonly samples: ArrayLike<number>;
  readonly size: number;
}

/** The prediction for one picture, averaged over its views' probabilities. */
export interface PicturePrediction {
  /** The picture's index in the data set. */
  readonly sample: number;
  readonly label: number;
  /** Number of other classes at least as likely as the label: 0 if the prediction is right. */
  readonly rank: number;
  /** Cross-entropy without label smoothing, or as `PictureLoss` has it; NaN if logits are not finite. */
  readonly loss: number;
  /** The most probable classes, at most five. */
  readonly top: readonly { readonly index: number; readonly probability: number }[];
}

/** The probabilities of all classes for one picture. */
export interface PictureProbabilities {
  readonly sample: number;
  readonly label: number;
  /** `[classes]`, averaged over the views; NaN if logits are not finite. */
  readonly probabilities: Float64Array;
  /**
   * Values by which classes are ranked: for a single view the logits, which still differ where probabilities underflow
   * to 0.
   */
  readonly ranked: ArrayLike<number>;
}

/** @param logits `[N · views, K]`: what the network said of a batch */
function rowsOf(logits: Tensor, { images, labels, samples, size }: EvaluationBatch): PictureProbabilities[] {
  const views = images.shape[0]! / labels.data.length;
  return Array.from({ length: size }, (_, i) => {
    const probabilities = meanSoftmax(logits, i * views, views);
    const ranked = views === 1 ? rowOf(logits, i) : probabilities;
    return { sample: samples[i]!, label: labels.data[i]!, probabilities, ranked };
  });
}

/** The loss of one picture. */
export type PictureLoss = (picture: PictureProbabilities) => number;

const crossEntropy: PictureLoss = ({ label, probabilities }) =>
  -Math.log(Math.max(probabilities[label]!, Number.MIN_VALUE));

function predictionOf(picture: PictureProbabilities, lossOf: PictureLoss = crossEntropy): PicturePrediction {
  const { sample, label, probabilities, ranked } = picture;
  return {
    sample,
    label,
    rank: rankOf(ranked, label),
    loss: lossOf(picture),
    top: topK(probabilities, 5).map((index) => ({ index, probability: probabilities[index]! })),
  };
}

/** @param logits `[N · views, K]`: what the network said of a batch */
export const predictionsOf = (logits: Tensor, batch: EvaluationBatch): PicturePrediction[] =>
  rowsOf(logits, batch).map((picture) => predictionOf(picture));

/** Runs the network and yields the probabilities of all classes, batch by batch. */
export async function* probabilitiesOf(
  network: Executable,
  batches: AsyncIterable<EvaluationBatch>,
  running?: Running,
): AsyncGenerator<readonly PictureProbabilities[], void, undefined> {
  for await (const batch of batches) {
    const outputs = await network.run(new Map([[inputName, batch.images]]), running);
    yield rowsOf(outputs.get("logits")!, batch);
  }
}

/** Runs the network and yields predictions, batch by batch. */
export async function* predict(
  network: Executable,
  batches: AsyncIterable<EvaluationBatch>,
  running?: Running & { readonly lossOf?: PictureLoss | undefined },
): AsyncGenerator<readonly PicturePrediction[], void, undefined> {
  for await (const batch of probabilitiesOf(network, batches, running)) {
    yield batch.map((picture) => predictionOf(picture, running?.lossOf));
  }
}

export interface Errors {
  readonly images: number;
  /** Percent of pictures whose label is not the most probable class; NaN without pictures. */
  readonly top1Error: number;
  /**
   * Percent of pictures whose label is not among the five most probable classes; NaN without pictures, `null` below six
   * classes, where it means nothing.
   */
  readonly top5Error: number | null;
}

/** Top-1 and top-5 error of predictions. @param classes the network's number of classes */
export function errorsOf(predictions: readonly { readonly rank: number }[], classes: number): Errors {
  const images = predictions.length;
  const errorOf = (k: number) => (100 * predictions.filter(({ rank }) => rank >= k).length) / images;
  return { images, top1Error: errorOf(1), top5Error: hasTopFive(classes) ? errorOf(5) : null };
}

export interface Evaluation extends Errors {
  /** The mean of the pictures' losses. */
  readonly loss: number;
  /** `confusion[label · classes + predicted]` counts pictures. */
  readonly confusion: Uint32Array;
  readonly predictions: readonly PicturePrediction[];
}

/** Evaluates predictions for a network with `classes` classes. */
export async function evaluate(
  batches: AsyncIterable<readonly PicturePrediction[]>,
  classes: number,
): Promise<Evaluation> {
  const predictions: PicturePrediction[] = [];
  for await (const batch of batches) predictions.push(...batch);
  return summary(predictions, classes);
}

export function summary(predictions: readonly PicturePrediction[], classes: number): Evaluation {
  const confusion = new Uint32Array(classes * classes);
  for (const { label, top } of predictions) confusion[label * classes + top[0]!.index]!++;
  const loss = predictions.reduce((sum, prediction) => sum + prediction.loss, 0) / predictions.length;
  return { ...errorsOf(predictions, classes), loss, confusion, predictions };
}
