/** A preview of training pictures: each as it is, and several times as augmented. */

import type { Failure } from "../data/dataset.ts";
import { type Dataset, type Sample, sourceOf } from "../data/dataset.ts";
import { augmentationAt } from "../data/epoch.ts";
import { reasonOf } from "../data/failures.ts";
import { SourceReader } from "../data/source.node.ts";
import { SenetError } from "../errors.ts";
import { augment } from "../images/augment.ts";
import { planesOf } from "../images/preprocess.ts";
import { type Picture, resize } from "../images/resize.ts";
import { paste } from "../images/sheet.ts";
import { shownInput } from "../images/shown.ts";
import { tensor } from "../tensor.ts";
import type { TrainingConfig } from "./config.ts";
import { drawnMix, mixImages } from "./mix.ts";
import { trainingTransformOf } from "./pictures.ts";

export interface PreviewRow {
  readonly sample: Sample;
  readonly className: string;
  /** `size × size` each: first the whole picture, padded to a square, then its variants. */
  readonly cells: readonly Picture[];
}

export interface PreviewOptions {
  /** Number of pictures, spread evenly over the classes; fewer if there are fewer. */
  readonly pictures: number;
  /** Number of augmented variants of each picture. */
  readonly variants: number;
  /** Called for a picture that cannot be decoded; another one replaces it. */
  readonly onFailure: (failure: Failure) => void;
}

/**
 * The rows of a sheet. All first variants are augmented and mixed as one batch of the first epoch would be, all second
 * ones as one of the second epoch, and so on: with the same functions, seeds and settings as in training, but other
 * pictures.
 * @throws SenetError `data` where no picture can be decoded
 */
export async function previewRows(
  dataset: Dataset,
  config: TrainingConfig,
  { pictures: count, variants, onFailure }: PreviewOptions,
): Promise<PreviewRow[]> {
  const decoded = await decode(dataset, count, onFailure);
  const transform = trainingTransformOf(config);
  const { size, normalization } = transform;
  const length = planesOf(normalization) * size * size;
  const cells = decoded.map(({ picture }) => [fitted(picture, size)]);
  for (let epoch = 0; epoch < variants; epoch++) {
    const batch = tensor(
      [decoded.length, length / (size * size), size, size],
      new Float32Array(decoded.length * length),
    );
    const inputOf = (row: number) => batch.data.subarray(row * length, (row + 1) * length) as Float32Array;
    for (const [row, { picture }] of decoded.entries()) {
      augment(picture, transform, augmentationAt(config.seed, epoch, row), inputOf(row));
    }
    const mix = drawnMix(config, size, epoch, 0);
    if (mix !== undefined) mixImages(batch, mix);
    for (const [row, own] of cells.entries()) own.push(shownInput(inputOf(row), size, normalization));
  }
  return decoded.map(({ sample }, row) => ({
    sample,
    className: dataset.classes[sample.label]!,
    cells: cells[row]!,
  }));
}

interface Decoded {
  readonly sample: Sample;
  readonly picture: Picture;
}

/** Decodes pictures at equal distances in the list; if one is bad, the next good one. */
async function decode(
  { root, samples }: Dataset,
  count: number,
  onFailure: PreviewOptions["onFailure"],
): Promise<Decoded[]> {
  const reader = new SourceReader();
  const rows: Decoded[] = [];
  const wanted = Math.min(count, samples.length);
  try {
    for (let row = 0, at = 0; row < wanted; row++) {
      at = Math.max(at, Math.floor((row * samples.length) / wanted));
      for (; at < samples.length && rows.length === row; at++) {
        const sample = samples[at]!;
        try {
          rows.push({ sample, picture: await (await reader.open(sourceOf(sample))).decode() });
        } catch (error) {
          if (!(error instanceof SenetError && error.code === "data")) throw error;
          onFailure({ file: sample.file, reason: reasonOf(error) });
        }
      }
    }
  } finally {
    reader.close();
  }
  if (rows.length === 0) throw new SenetError("data", "no picture can be decoded", { where: root });
  return rows;
}

/** Fits the whole picture into a grey square. */
function fitted(picture: Picture, size: number): Picture {
  const scale = size / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale))) as [
    number,
    number,
  ];
  const { data } = resize(picture, width, height, "bilinear");
  const square = { width: size, height: size, data: new Uint8Array(3 * size * size).fill(224) };
  paste({ width, height, data }, square, Math.floor((size - width) / 2), Math.floor((size - height) / 2));
  return square;
}
