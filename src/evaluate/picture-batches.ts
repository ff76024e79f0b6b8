/** Batches from pictures in memory. */

import { type Preprocessing, planesOf, preprocess } from "../images/preprocess.ts";
import { tensor } from "../tensor.ts";
import type { EvaluationBatch } from "./evaluate.ts";
import { type Decode, type PictureData, pixelsOf } from "./picture-input.ts";

export interface LabelledPicture {
  readonly picture: PictureData;
  /** Index of its class. */
  readonly label: number;
}

export interface PictureBatchOptions {
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  /** Needed if pictures are encoded. */
  readonly decode?: Decode;
}

/**
 * Batches for `predict`, `evaluate` and `meanGates` from pictures in memory. The last batch may have unused rows.
 * @throws SenetError `data` where a picture cannot be decoded
 */
export async function* pictureBatches(
  pictures: Iterable<LabelledPicture> | AsyncIterable<LabelledPicture>,
  { preprocessing, batchSize, decode }: PictureBatchOptions,
): AsyncGenerator<EvaluationBatch, void, undefined> {
  const { crop } = preprocessing;
  const shape = [batchSize, planesOf(preprocessing), crop, crop];
  const length = planesOf(preprocessing) * crop * crop;
  let [images, labels] = [new Float32Array(batchSize * length), new Int32Array(batchSize)];
  let size = 0;
  let sample = 0;
  const batch = (): EvaluationBatch => ({
    images: tensor(shape, images),
    labels: tensor([batchSize], labels),
    samples: Array.from({ length: size }, (_, i) => sample - size + i),
    size,
  });
  for await (const { picture, label } of pictures) {
    preprocess(await pixelsOf(picture, decode), preprocessing, images.subarray(size * length, (size + 1) * length));
    labels[size++] = label;
    sample++;
    if (size < batchSize) continue;
    yield batch();
    [images, labels] = [new Float32Array(batchSize * length), new Int32Array(batchSize)];
    size = 0;
  }
  if (size > 0) yield batch();
}
