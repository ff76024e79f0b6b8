/**
 * Batches for training and evaluation, made ahead of the step on worker threads.
 *
 * A batch's contents depend only on the seed, the epoch and the batch's number, not on the number of workers or on timing,
 * so that a run that resumes at any batch continues as if it had not stopped.
 */

import { SenetError } from "../errors.ts";
import { mostWorkers, usableThreads } from "../machine.node.ts";
import { checkBatchesFit } from "../memory.node.ts";
import { type Tensor, zeros } from "../tensor.ts";
import type { Dataset, Failure } from "./dataset.ts";
import { type EpochOrder, fillOrder, type Share } from "./epoch.ts";
import { Failures } from "./failures.ts";
import { preparePictureCache } from "./picture-cache.node.ts";
import { type PictureMemory, pictureMemory } from "./picture-memory.node.ts";
import { batchCount, Cell, createRing, type Ring, unbounded } from "./ring.ts";
import { packSources } from "./sources.ts";
import { affordableThreads, LoaderThreads } from "./threads.node.ts";
import {
  checkTransform,
  type ImageTransform,
  planesOfTransform,
  sizeOfTransform,
  transformAt,
  viewsOfTransform,
} from "./transform.ts";
import type { WorkerMessage } from "./worker.node.ts";

export interface LoaderOptions {
  readonly dataset: Dataset;
  readonly batchSize: number;
  /**
   * With a training transform, another picture replaces one that cannot be decoded; with an evaluation transform it is
   * left out.
   */
  readonly transform: ImageTransform;
  /** Seed of shuffling and augmentation. Absent: the order of the data set; training transforms need a seed. */
  readonly seed?: number;
  /** See `EpochOrder`. */
  readonly shuffle?: "anew" | "once";
  /**
   * How often each picture comes in a row, augmented differently each time. The epoch's length does not change, so it
   * has fewer different pictures (Hoffer et al., arXiv 1901.09335; timm). Default 1.
   */
  readonly repeats?: number;
  /** Leave out the last batch if it is not full; default false. */
  readonly dropLast?: boolean;
  /**
   * The part of each batch that this loader makes, if several loaders share the batches (`placeOf`); needs `dropLast`.
   * Default: all of it.
   */
  readonly share?: Share;
  /**
   * Number of threads. Default: one less than this process may use, at most 8 and at most `mostWorkers`: the engine
   * needs the cores, and is slowed down if it has to share one (docs/log.md). Fewer are started if memory is short.
   */
  readonly workers?: number;
  /** Number of batches made ahead of the one in use; default 3. */
  readonly prefetch?: number;
  /**
   * Bytes of memory in which to keep decoded pictures for the next epoch; pictures beyond it are decoded again. 0:
   * none. Default: a quarter of the free memory, at most 4 GiB.
   */
  readonly cacheBytes?: number;
  /** Memory for decoded pictures shared with other loaders, instead of `cacheBytes` for this one. */
  readonly memory?: PictureMemory;
  /** A folder in which to keep decoded pictures for other runs too; created if it does not exist. */
  readonly cacheFolder?: string;
  /** Is told remarks for the user: that no more pictures can be kept in `cacheFolder`. */
  readonly onRemark?: (remark: string) => void;
  /** Continue even if every picture of a class has failed; default false. */
  readonly tolerant?: boolean;
  /** Told of each picture that cannot be decoded, once, when it is met. */
  readonly onFailure?: (failure: Failure) => void;
}

/** Loader options that functions over a data set take from their callers. */
export interface LoadingOptions {
  /** Number of threads; see `LoaderOptions`. */
  readonly workers?: number | undefined;
  /** Stops after the current batch. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each picture that cannot be decoded, once, when it is met. */
  readonly onFailure?: ((failure: Failure) => void) | undefined;
}

/** A batch; the next one overwrites its memory. */
export interface Batch {
  /** float32 `[batchSize · views, planes, S, S]`; the views of a picture are adjacent. Zero from `size · views` on. */
  readonly images: Tensor;
  /** int32 `[batchSize]`; −1 from `size` on. */
  readonly labels: Tensor;
  /** Index of each row in the data set's samples; −1 from `size` on. */
  readonly samples: Int32Array;
  /**
   * Number of rows that are pictures: at least one, and fewer than `batchSize` in a last batch, or where pictures
   * failed in evaluation.
   */
  readonly size: number;
}

export class Loader {
  readonly batchSize: number;
  /** Views of each picture: 1, except for evaluation with mirror images or ten crops. */
  readonly views: number;
  /** Number of batches in an epoch. */
  readonly batches: number;
  readonly #dataset: Dataset;
  readonly #seed: number | undefined;
  readonly #repeats: number;
  readonly #shuffle: EpochOrder["shuffle"];
  readonly #transform: ImageTransform;
  readonly #dropLast: boolean;
  readonly #tolerant: boolean;
  readonly #failures: Failures;
  readonly #cacheFolder: string | undefined;
  #onRemark: (remark: string) => void;
  readonly #ring: Ring;
  readonly #threads: LoaderThreads;
  #images: Tensor;
  readonly #labels: Tensor;
  readonly #samples: Int32Array;
  /** Number of the latest call of `epoch`; earlier ones have ended. */
  #turn = 0;
  /** An epoch that the threads have already started. */
  #prepared: { readonly epoch: number; readonly startBatch: number } | undefined;
  /** The next batch to take in the current epoch, and the end of its positions. */
  #batch = 0;
  #end = 0;
  #disposed = false;

  /**
   * Starts the threads; they do not keep the process alive.
   * @throws SenetError `usage` where an option is out of its range, `data` where the dataset has no samples
   */
  constructor(options: LoaderOptions) {
    const { dataset, batchSize, transform, seed, dropLast = false, tolerant = false, prefetch = 3 } = options;
    const { repeats = 1, share = { rank: 0, count: 1 } } = options;
    const { workers = Math.min(8, Math.max(1, usableThreads() - 1)), cacheBytes } = options;
    checkTransform(transform);
    checkWhole("batchSize", batchSize, 1);
    checkWhole("prefetch", prefetch, 1);
    checkWhole("workers", workers, 1);
    checkWhole("repeats", repeats, 1);
    if (share.count > 1 && !dropLast) unusableOption("share", "dropLast, so that all parts are alike", share.count);
    if (cacheBytes !== undefined && !(cacheBytes >= 0))
      unusableOption("cacheBytes", "a number of bytes, 0 or more", cacheBytes);
    if (seed !== undefined) checkWhole("seed", seed, 0);
    else if (transform.kind === "train")
      unusableOption("seed", "a whole number, because the transform is random", seed);
    const count = dataset.samples.length;
    if (count === 0) throw new SenetError("data", "there are no pictures", { where: dataset.root });

    this.batchSize = batchSize;
    this.views = viewsOfTransform(transform);
    this.batches = dropLast ? Math.floor(count / (batchSize * share.count)) : Math.ceil(count / batchSize);
    this.#dataset = dataset;
    this.#seed = seed;
    this.#repeats = repeats;
    this.#shuffle = options.shuffle;
    this.#transform = transform;
    this.#dropLast = dropLast;
    this.#tolerant = tolerant;
    const size = sizeOfTransform(transform);
    const planes = planesOfTransform(transform);
    const imageLength = this.views * planes * size * size;
    const { memory = pictureMemory(cacheBytes) } = options;
    checkBatchesFit(batchSize, imageLength * 4, prefetch + 1);
    this.#failures = new Failures(dataset, options.onFailure);
    this.#onRemark = options.onRemark ?? (() => {});
    this.#cacheFolder = options.cacheFolder;
    if (this.#cacheFolder !== undefined) preparePictureCache(this.#cacheFolder);
    this.#ring = createRing({
      depth: prefetch,
      batchSize,
      imageLength,
      samples: count,
      share,
      hasFolder: this.#cacheFolder !== undefined,
    });
    this.#images = zeros("float32", [batchSize * this.views, planes, size, size]);
    this.#labels = zeros("int32", [batchSize]);
    this.#samples = new Int32Array(batchSize);

    const sources = packSources(dataset.samples);
    const job = { ring: this.#ring, memory, sources, transform, cacheFolder: this.#cacheFolder, seed: seed ?? 0 };
    const threads = Math.min(workers, mostWorkers(), affordableThreads());
    this.#threads = new LoaderThreads(threads, job, (message) => this.#hear(message));
  }

  /**
   * Starts the first epoch before it is asked for. Until its first batch has been used, the threads also read ahead
   * into the memory for decoded pictures: they have the processors to themselves while a training compiles.
   */
  prepare(epoch: number, startBatch = 0): void {
    checkWhole("epoch", epoch, 0);
    checkWhole("startBatch", startBatch, 0);
    if (this.#turn > 0 || this.#prepared !== undefined) return;
    this.#prepared = { epoch, startBatch };
    this.#begin(epoch, startBatch);
  }

  /**
   * The batches of an epoch, from `startBatch` on. A batch is valid until the next one is requested. The loop may be
   * left early; starting another epoch ends this one.
   * @throws SenetError `data` when every picture of a class has failed, `usage` when the loader has been disposed
   */
  async *epoch(epoch: number, startBatch = 0): AsyncGenerator<Batch, void, undefined> {
    checkWhole("epoch", epoch, 0);
    checkWhole("startBatch", startBatch, 0);
    const turn = ++this.#turn;
    this.#threads.wake();
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared?.epoch !== epoch || prepared.startBatch !== startBatch) {
      await this.#stop(turn);
      // Checked after every wait: another epoch may have started meanwhile.
      this.#check(turn);
      this.#begin(epoch, startBatch);
    }
    try {
      for (;;) {
        this.#check(turn);
        if (this.#batch >= this.batches) return;
        await this.#until(turn, () => this.#isReady(this.#batch));
        this.#check(turn);
        const batch = this.#take();
        if (batch.size > 0) yield batch;
      }
    } finally {
      // Only the current epoch may stop the workers, if there are any left.
      if (turn === this.#turn && !this.#disposed) await this.#stop(turn);
    }
  }

  /** Pictures that could not be decoded, each once, in the order in which they were found. */
  get failures(): readonly Failure[] {
    return this.#failures.list;
  }

  /** Number of finished batches. If it is 0 during training, the loader is the bottleneck. */
  get ready(): number {
    let count = 0;
    while (count < this.#ring.depth && this.#isReady(this.#batch + count)) count++;
    return count;
  }

  #isReady(batch: number): boolean {
    const { done, depth } = this.#ring;
    const count = batchCount(this.#ring, batch, this.#end);
    return count > 0 && Atomics.load(done, batch % depth) === count;
  }

  /** Ends the threads. Shared memory is freed with the loader. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    const { control } = this.#ring;
    this.#askToStop();
    Atomics.store(control, Cell.generation, -1);
    Atomics.notify(control, Cell.generation);
    await this.#threads.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Sets up an epoch in the ring and starts the workers, which are idle. */
  #begin(epoch: number, startBatch: number): void {
    const { control, order, done, batchSize } = this.#ring;
    const count = order.length;
    fillOrder(order, { seed: this.#seed, epoch, repeats: this.#repeats, shuffle: this.#shuffle });
    const size = sizeOfTransform(transformAt(this.#transform, epoch));
    const [rows, planes, side] = this.#images.shape as [number, number, number, number];
    if (side !== size) this.#images = zeros("float32", [rows, planes, size, size]);
    const end = this.#dropLast ? this.batches * batchSize : count;
    this.#batch = startBatch;
    this.#end = end;
    done.fill(0);
    Atomics.store(control, Cell.stop, 0);
    Atomics.store(control, Cell.next, Math.min(startBatch * batchSize, end));
    Atomics.store(control, Cell.end, end);
    Atomics.store(control, Cell.released, startBatch);
    Atomics.store(control, Cell.first, startBatch);
    Atomics.store(control, Cell.ahead, (startBatch + this.#ring.depth) * batchSize);
    Atomics.store(control, Cell.active, this.#threads.count);
    Atomics.store(control, Cell.epoch, epoch);
    Atomics.add(control, Cell.generation, 1);
    Atomics.notify(control, Cell.generation);
  }

  /**
   * Copies the next batch out of the ring and frees its slot. Engines refuse shared memory, and a copy takes little
   * time next to any step.
   */
  #take(): Batch {
    const { control, images, samples, done, depth, batchSize, imageLength } = this.#ring;
    const slot = this.#batch % depth;
    const count = batchCount(this.#ring, this.#batch, this.#end);
    const target = this.#images.data;
    const labels = this.#labels.data;
    const first = slot * batchSize;
    // Length used of a ring row, which has room for the largest pictures.
    const length = target.length / batchSize;
    let size = 0;
    // Skip failed rows.
    for (let row = first; row < first + count; row++) {
      const sample = samples[row]!;
      if (sample < 0) continue;
      target.set(images.subarray(row * imageLength, row * imageLength + length), size * length);
      labels[size] = this.#dataset.samples[sample]!.label;
      this.#samples[size] = sample;
      size++;
    }
    target.fill(0, size * length);
    labels.fill(-1, size);
    this.#samples.fill(-1, size);
    done[slot] = 0;
    this.#batch++;
    Atomics.add(control, Cell.released, 1);
    Atomics.notify(control, Cell.released);
    return { images: this.#images, labels: this.#labels, samples: this.#samples, size };
  }

  #askToStop(): void {
    const { control } = this.#ring;
    Atomics.store(control, Cell.stop, 1);
    // Change the value, rather than only notify: a worker that is about to wait must not miss it.
    Atomics.store(control, Cell.released, unbounded);
    Atomics.notify(control, Cell.released);
  }

  /** Waits until all workers are idle. */
  async #stop(turn: number): Promise<void> {
    this.#askToStop();
    await this.#until(turn, () => Atomics.load(this.#ring.control, Cell.active) === 0);
  }

  #until(turn: number, isSo: () => boolean): Promise<void> {
    return this.#threads.until(() => {
      this.#check(turn);
      return isSo();
    });
  }

  #check(turn: number): void {
    if (this.#disposed) throw new SenetError("usage", "the loader has been disposed");
    if (turn !== this.#turn) throw new SenetError("usage", "another epoch of this loader has been started");
    this.#threads.check();
    if (!this.#tolerant) this.#failures.check();
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === "unkept") {
      this.#onRemark(`no more decoded pictures are kept in ${this.#cacheFolder}: ${message.reason}`);
      // Every thread reports it; pass it on once.
      this.#onRemark = () => {};
    }
    if (message.kind === "failed") this.#failures.add(message.sample, message.reason);
  }
}

function checkWhole(option: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) unusableOption(option, `a whole number, ${least} or more`, value);
}

function unusableOption(where: string, expected: string, found: unknown): never {
  throw new SenetError("usage", "a loader option is unusable", { where, expected, found: `${found}` });
}
