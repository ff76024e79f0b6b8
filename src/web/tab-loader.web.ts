/** Batches for training and evaluation in a tab: the same batches in the same order as from Node's loader. */

import type { Dataset } from "../data/dataset.ts";
import { augmentationAt, type EpochOrder, fillOrder, triedAt } from "../data/epoch.ts";
import { type Failures, reasonOf } from "../data/failures.ts";
import {
  applyTransform,
  type ImageTransform,
  planesOfTransform,
  sizeOfTransform,
  transformAt,
} from "../data/transform.ts";
import { SenetError } from "../errors.ts";
import type { EvaluationBatch } from "../evaluate/evaluate.ts";
import { pixelsOf } from "../evaluate/picture-input.ts";
import { reductionFor } from "../images/augment.ts";
import { decodeInBrowser } from "../images/decode.web.ts";
import { decodeJpeg } from "../images/jpeg.ts";
import { readJpeg } from "../images/jpeg-header.ts";
import type { Picture } from "../images/resize.ts";
import { viewOf } from "../images/view.ts";
import { zeros } from "../tensor.ts";
import type { NamedPicture } from "./calls.web.ts";
import { pictureData } from "./pixels.web.ts";

/** Bytes of decoded pictures that loaders sharing this may still keep. */
export interface Room {
  left: number;
}

/** Samples, and their pictures in the same order. */
export interface Pictures {
  readonly dataset: Dataset;
  readonly pictures: readonly NamedPicture[];
}

export interface TabLoaderOptions extends Pictures {
  readonly batchSize: number;
  /**
   * With a training transform, another picture replaces one that cannot be decoded; with an evaluation transform it is
   * left out.
   */
  readonly transform: ImageTransform;
  /** Seed of shuffling and augmentation. Absent: the order of the data set. */
  readonly seed?: number;
  readonly repeats?: number;
  readonly shuffle?: EpochOrder["shuffle"];
  /** Leave out the last batch if it is not full. */
  readonly dropLast?: boolean;
  readonly room: Room;
  readonly failures: Failures;
}

export class TabLoader {
  readonly #options: TabLoaderOptions;
  /** Decoded pictures by sample; `undefined` as value if decoding failed. */
  readonly #known = new Map<number, Picture | undefined>();

  constructor(options: TabLoaderOptions) {
    this.#options = options;
  }

  /** @throws SenetError `data` when every picture of a class has failed */
  async *epoch(epoch: number, startBatch = 0): AsyncGenerator<EvaluationBatch, void, undefined> {
    const { dataset, batchSize, seed, repeats = 1, shuffle, dropLast = false, failures } = this.#options;
    const count = dataset.samples.length;
    const order = new Int32Array(count);
    fillOrder(order, { seed, epoch, repeats, shuffle });
    const transform = transformAt(this.#options.transform, epoch);
    const side = sizeOfTransform(transform);
    const shape = [batchSize, planesOfTransform(transform), side, side];
    const end = dropLast ? count - (count % batchSize) : count;
    for (let first = startBatch * batchSize; first < end; first += batchSize) {
      const [images, labels] = [zeros("float32", shape), zeros("int32", [batchSize])];
      labels.data.fill(-1);
      const samples: number[] = [];
      const length = images.data.length / batchSize;
      const positions = Array.from({ length: Math.min(batchSize, end - first) }, (_, i) => first + i);
      // The browser decodes in parallel.
      await Promise.all(positions.map((position) => this.#picture(order[position]!)));
      for (const position of positions) {
        const found = await this.#found(order, position);
        failures.check();
        if (found === undefined) continue;
        const { sample, picture } = found;
        const at = samples.length * length;
        const into = images.data.subarray(at, at + length) as Float32Array;
        applyTransform(viewOf(picture), transform, () => augmentationAt(seed!, epoch, position), into);
        labels.data[samples.length] = dataset.samples[sample]!.label;
        samples.push(sample);
      }
      if (samples.length > 0) yield { images, labels, samples, size: samples.length };
    }
  }

  /** The picture at a position, or in training its replacement. */
  async #found(order: Int32Array, position: number) {
    const tries = this.#options.transform.kind === "train" ? order.length : 1;
    for (let attempt = 0; attempt < tries; attempt++) {
      const sample = order[triedAt(position, attempt, order.length)]!;
      const picture = await this.#picture(sample);
      if (picture !== undefined) return { sample, picture };
    }
    return undefined;
  }

  async #picture(sample: number): Promise<Picture | undefined> {
    if (this.#known.has(sample)) return this.#known.get(sample);
    const { pictures, room, failures } = this.#options;
    try {
      const picture = await this.#decoded(pictures[sample]!);
      if (room.left >= picture.data.length && !this.#known.has(sample)) {
        room.left -= picture.data.length;
        this.#known.set(sample, picture);
      }
      return picture;
    } catch (error) {
      if (!(error instanceof SenetError)) throw error;
      if (!this.#known.has(sample)) failures.add(sample, reasonOf(error));
      this.#known.set(sample, undefined);
      return undefined;
    }
  }

  /** Reduces JPEGs when decoding if the training transform allows it, as in Node. */
  async #decoded(named: NamedPicture): Promise<Picture> {
    const { transform } = this.#options;
    return pixelsOf(pictureData(named), (bytes) => {
      const frame = transform.kind === "train" && transform.decode !== "exact" ? readJpeg(bytes) : undefined;
      const reduction = frame && transform.kind === "train" ? reductionFor(transform, frame) : 1;
      const reduced = reduction > 1 ? decodeJpeg(bytes, { reduction, isChecked: true }) : undefined;
      return reduced ?? decodeInBrowser(bytes, named.name);
    });
  }

  /** Frees decoded pictures. */
  dispose(): void {
    for (const picture of this.#known.values()) this.#options.room.left += picture?.data.length ?? 0;
    this.#known.clear();
  }
}
