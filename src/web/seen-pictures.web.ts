/**
 * Batches of features, the input of a network's head, computed once before training: the fast start, where only the
 * head learns. A training picture is seen as it is and, if there are few, also augmented.
 */

import type { TrainingEvent } from "../api/training.ts";
import { fillOrder, triedAt } from "../data/epoch.ts";
import type { Failures } from "../data/failures.ts";
import type { ImageTransform } from "../data/transform.ts";
import type { EvaluationBatch } from "../evaluate/evaluate.ts";
import { turn, unlessAborted } from "../event-loop.ts";
import type { ChosenEngine } from "../executors/select.web.ts";
import { featuresIn } from "../nn/from-features.ts";
import { zeros } from "../tensor.ts";
import type { TrainingConfig } from "../train/config.ts";
import { trainingTransformOf } from "../train/pictures.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { type Pictures, type Room, TabLoader } from "./tab-loader.web.ts";

export interface SeenOptions {
  readonly train: Pictures;
  readonly val: Pictures;
  readonly failures: { readonly train: Failures; readonly val: Failures };
  /** Pictures per training batch. */
  readonly partSize: number;
  readonly config: TrainingConfig;
  /** Memory for pictures that are seen several times, so that each is decoded once. */
  readonly room: Room;
  readonly signal: AbortSignal;
  readonly tell: (event: TrainingEvent) => void;
}

/** Batch size for computing features. */
const lookSize = 8;

/** Features by sample, without those that could not be decoded. */
type Seen = ReadonlyMap<number, Float32Array>;

/** Number of views of all training pictures together (a few seconds' work), and most views of one. */
const [mostLooks, mostOfOne] = [480, 8];

/** Number of views of each picture. */
const looksAtEach = (pictures: number): number => Math.max(1, Math.min(mostOfOne, Math.floor(mostLooks / pictures)));

export class SeenPictures {
  readonly #options: SeenOptions;
  /** Features of the pictures as they are, and augmented. */
  readonly #train: readonly [Seen, ...Seen[]];
  readonly #val: Seen;
  readonly #length: number;

  private constructor(options: SeenOptions, train: readonly [Seen, ...Seen[]], val: Seen, length: number) {
    this.#options = options;
    this.#train = train;
    this.#val = val;
    this.#length = length;
  }

  /** If `signal` stops it, the rest is missing. @throws SenetError `data`, `executor` */
  static async create(checkpoint: Checkpoint, { executor, facts }: ChosenEngine, options: SeenOptions) {
    const { train, val, failures, config, room, signal, tell } = options;
    const { model, preprocessing } = checkpoint;
    const graph = inferenceGraph(model, { batch: lookSize, imageSize: preprocessing.crop });
    const features = featuresIn(graph);
    const program = await inferenceProgram({ ...graph, outputs: new Map([["features", features]]) }, checkpoint);
    await using network = await executor.compile(program.graph, program.weights, { threads: facts.threads });
    const looks = looksAtEach(train.pictures.length);
    const total = looks * train.pictures.length + val.pictures.length;
    let done = 0;
    const look = async (loader: TabLoader, epoch: number): Promise<Seen> => {
      const seen = new Map<number, Float32Array>();
      for await (const { images, samples, size } of loader.epoch(epoch)) {
        await turn();
        if (signal.aborted) break;
        const outputs = await unlessAborted(signal, network.run(new Map([[inputName, images]]), { signal }));
        if (outputs === undefined) break;
        const { data } = outputs.get("features")!;
        const length = data.length / lookSize;
        for (let row = 0; row < size; row++) {
          seen.set(samples[row]!, Float32Array.from(data.subarray(row * length, (row + 1) * length)));
        }
        done += size;
        tell({ kind: "features", done, total });
      }
      return seen;
    };
    const loaderOf = (part: "train" | "val", transform: ImageTransform, room: Room) => {
      const { seed } = config;
      const common = { ...options[part], failures: failures[part], batchSize: lookSize, transform, room };
      return new TabLoader(transform.kind === "train" ? { ...common, seed } : common);
    };
    const asIs = { kind: "evaluate", preprocessing } as const;
    // Each is decoded once.
    const once: Room = { left: 0 };
    const ofTrain: [Seen, ...Seen[]] = [await look(loaderOf("train", asIs, once), 0)];
    const augmented = loaderOf("train", trainingTransformOf({ ...config, progressive: null }, preprocessing), room);
    for (let epoch = 0; epoch < looks - 1; epoch++) ofTrain.push(await look(augmented, epoch));
    augmented.dispose();
    return new SeenPictures(options, ofTrain, await look(loaderOf("val", asIs, once), 0), features.type.shape[1]!);
  }

  /**
   * Like the loader's batches: the same samples at the same positions, each with another view than in the epoch before.
   */
  async *epoch(epoch: number, startBatch = 0): AsyncGenerator<EvaluationBatch, void, undefined> {
    const { train, config, partSize, signal } = this.#options;
    if (signal.aborted) return;
    const order = new Int32Array(train.pictures.length);
    const { seed, shuffle, augRepeats } = config;
    fillOrder(order, { seed, epoch, repeats: Math.max(1, augRepeats), shuffle });
    const end = config.lastBatch === "keep" ? order.length : order.length - (order.length % partSize);
    for (let first = startBatch * partSize; first < end; first += partSize) {
      const count = Math.min(partSize, end - first);
      const samples = Array.from({ length: count }, (_, i) => this.#sampleAt(order, first + i));
      const seen = (sample: number) => {
        const look = this.#train[(epoch + sample) % this.#train.length]!;
        return (look.get(sample) ?? this.#train[0].get(sample))!;
      };
      yield this.#batch(train, seen, samples, partSize);
    }
  }

  async *validation(): AsyncGenerator<EvaluationBatch, void, undefined> {
    const { val, config } = this.#options;
    const samples = [...this.#val.keys()];
    for (let first = 0; first < samples.length; first += config.batchSize) {
      const some = samples.slice(first, first + config.batchSize);
      yield this.#batch(val, (sample) => this.#val.get(sample)!, some, config.batchSize);
    }
  }

  #sampleAt(order: Int32Array, position: number): number {
    for (let attempt = 0; ; attempt++) {
      const sample = order[triedAt(position, attempt, order.length)]!;
      if (this.#train[0].has(sample) || attempt === order.length) return sample;
    }
  }

  #batch(
    { dataset }: Pictures,
    seen: (sample: number) => Float32Array,
    samples: readonly number[],
    rows: number,
  ): EvaluationBatch {
    const [images, labels] = [zeros("float32", [rows, this.#length]), zeros("int32", [rows])];
    for (const [row, sample] of samples.entries()) {
      images.data.set(seen(sample), row * this.#length);
      labels.data[row] = dataset.samples[sample]!.label;
    }
    return { images, labels, samples, size: samples.length };
  }
}
