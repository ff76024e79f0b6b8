/**
 * Batches for training and evaluation, made ahead of the step on worker threads.
 *
 * What a batch holds is a function of the seed, the epoch and its number alone, not of the number of workers nor of
 * timing, so that a run that resumes at any batch goes on as if it had not stopped.
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { option, SenetError } from "../errors.ts";
import { requireDecoder } from "../images/decode.node.ts";
import { mostWorkers, usableThreads } from "../machine.node.ts";
import { availableAddresses, availableMemory } from "../memory.node.ts";
import { type Tensor, zeros } from "../tensor.ts";
import type { Dataset, Failure } from "./dataset.ts";
import { type EpochOrder, fillOrder, type Share } from "./epoch.ts";
import { Failures } from "./failures.ts";
import { preparePictureCache } from "./picture-cache.node.ts";
import { type PictureMemory, pictureMemory } from "./picture-memory.node.ts";
import { batchCount, Cell, createRing, type Ring, UNBOUNDED } from "./ring.ts";
import { packSources } from "./sources.ts";
import {
  checkTransform,
  type ImageTransform,
  planesOfTransform,
  sizeOfTransform,
  transformAt,
  viewsOfTransform,
} from "./transform.ts";
import type { WorkerJob, WorkerMessage } from "./worker.node.ts";

export interface LoaderOptions {
  readonly dataset: Dataset;
  readonly batchSize: number;
  /** A training transform replaces a picture that cannot be decoded; an evaluation transform leaves it out. */
  readonly transform: ImageTransform;
  /** Shuffles anew in each epoch, and augments. Absent: the order of the folder; training transforms want a seed. */
  readonly seed?: number;
  /** See `EpochOrder`. */
  readonly shuffle?: "anew" | "once";
  /**
   * How often each picture of an epoch comes, one time after another, augmented anew each time; an epoch has as many
   * pictures as without, of fewer (Hoffer et al., arXiv 1901.09335; timm). 1 by default.
   */
  readonly repeats?: number;
  /** Leave out the last batch where it is not full; false by default. */
  readonly dropLast?: boolean;
  /**
   * Which part of each batch this loader makes, of how many that share the batches (`placeOf`); wants `dropLast`. By default
   * all of it.
   */
  readonly share?: Share;
  /** Threads; by default one less than this process may use, at most 8, never more than `mostWorkers`: the engine wants the cores, and waits when it must share one (docs/log.md). Fewer start where little memory is left. */
  readonly workers?: number;
  /** How many batches are made ahead of the one in use; 3 by default. */
  readonly prefetch?: number;
  /**
   * Bytes for decoded pictures that are kept for the next epoch; beyond it pictures are decoded anew. 0: none. By
   * default 4 GiB, but at most a quarter of the memory that is free.
   */
  readonly cacheBytes?: number;
  /** Memory for decoded pictures that is shared with other loaders, instead of `cacheBytes` for this one alone. */
  readonly memory?: PictureMemory;
  /** A folder in which decoded pictures are kept for other runs too; it is made where it is not there. */
  readonly cacheFolder?: string;
  /** Told what the user should know: that no more pictures can be kept there. */
  readonly onRemark?: (remark: string) => void;
  /** Go on also when every picture of a class has failed; false by default. */
  readonly tolerant?: boolean;
  /** Told of each picture that cannot be decoded, once, when it is met. */
  readonly onFailure?: (failure: Failure) => void;
}

/** What whoever goes through a data set leaves to its caller. */
export interface LoadingOptions {
  /** Threads; see `LoaderOptions`. */
  readonly workers?: number | undefined;
  /** Stops after the batch at hand. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each picture that cannot be decoded, once, when it is met. */
  readonly onFailure?: ((failure: Failure) => void) | undefined;
}

/** The same memory each time: the next batch is written over it. */
export interface Batch {
  /** float32 `[batchSize · views, planes, S, S]`: the views of a picture follow each other; zero from `size · views` on. */
  readonly images: Tensor;
  /** int32 `[batchSize]`; −1 from `size` on. */
  readonly labels: Tensor;
  /** The place of each row in the dataset's samples; −1 from `size` on. */
  readonly samples: Int32Array;
  /**
   * Rows 0 to `size` − 1 are pictures: fewer than `batchSize` in a last batch, and where pictures failed in evaluation,
   * but at least one.
   */
  readonly size: number;
}

/**
 * Memory for each thread: about 100 MB with photographs of 12 megapixels, of which the collector leaves two lying about,
 * for each of a run's two loaders; and the engine wants as much again.
 */
const THREAD_BYTES = 384 * 2 ** 20;

/** Address space that a thread reserves, most of it never used. Without it V8 ends the process. */
const THREAD_ADDRESSES = 768 * 2 ** 20;

export class Loader {
  readonly batchSize: number;
  /** Images that each picture becomes: 1, but for evaluation with mirror images or ten crops. */
  readonly views: number;
  /** Batches in an epoch. */
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
  readonly #workers: Worker[] = [];
  readonly #ports: MessagePort[] = [];
  #images: Tensor;
  readonly #labels: Tensor;
  readonly #samples: Int32Array;
  #fault: SenetError | undefined;
  /** Whoever waits to look at the ring again. */
  #waiting: (() => void)[] = [];
  /** Which call of `epoch` may go on. */
  #turn = 0;
  /** An epoch that the threads have begun before it was asked for. */
  #prepared: { readonly epoch: number; readonly startBatch: number } | undefined;
  /** The next batch to be taken in the current epoch, and the end of its positions. */
  #batch = 0;
  #end = 0;
  #disposed = false;

  /**
   * Starts the threads; they do not keep the process alive.
   * @throws SenetError `usage` where an option is out of its range, `data` where the dataset has no samples, `io`
   * where the decoder does not load
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
    requireDecoder();
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
    checkFits(batchSize, prefetch, imageLength * 4);
    this.#failures = new Failures(dataset, options.onFailure);
    this.#onRemark = options.onRemark ?? (() => {});
    this.#cacheFolder = options.cacheFolder;
    if (this.#cacheFolder !== undefined) preparePictureCache(this.#cacheFolder);
    this.#ring = createRing({
      ...{ depth: prefetch, batchSize, imageLength, samples: count, share },
      hasFolder: this.#cacheFolder !== undefined,
    });
    this.#images = zeros("float32", [batchSize * this.views, planes, size, size]);
    this.#labels = zeros("int32", [batchSize]);
    this.#samples = new Int32Array(batchSize);

    const sources = packSources(dataset.samples);
    const started = Math.min(workers, mostWorkers(), affordableThreads());
    for (let i = 0; i < started; i++) {
      const cacheFolder = this.#cacheFolder;
      this.#start({ ring: this.#ring, memory, sources, transform, cacheFolder, seed: seed ?? 0 });
    }
  }

  #start(job: Omit<WorkerJob, "port">): void {
    const { port1, port2 } = new MessageChannel();
    const workerData: WorkerJob = { ...job, port: port2 };
    const worker = new Worker(new URL("./worker.node.js", import.meta.url), {
      workerData,
      transferList: [port2],
      // Flags of the main thread's own, such as --input-type, would keep the worker's file from being loaded.
      execArgv: [],
    });
    // While the loader waits; otherwise it reads what has come when it looks (`#listen`).
    port1.on("message", (message: WorkerMessage) => {
      this.#hear(message);
      this.#wake();
    });
    const die = (cause: unknown) => {
      if (this.#disposed) return;
      this.#fault ??= threadDied(cause);
      this.#wake();
    };
    worker.on("error", die);
    // After an error, or instead of one: whoever waits for its batches would wait for ever.
    worker.on("exit", (code) => die(`it ended by itself, with code ${code}`));
    worker.unref();
    port1.unref();
    this.#workers.push(worker);
    this.#ports.push(port1);
  }

  /**
   * Lets the threads begin with the first epoch that will be asked for. Until its first batch has been used, they also read ahead
   * into the memory for decoded pictures: while a training compiles, they have processors to themselves.
   */
  prepare(epoch: number, startBatch = 0): void {
    checkWhole("epoch", epoch, 0);
    checkWhole("startBatch", startBatch, 0);
    if (this.#turn > 0 || this.#prepared !== undefined) return;
    this.#prepared = { epoch, startBatch };
    this.#begin(epoch, startBatch);
  }

  /**
   * The batches of an epoch, from `startBatch` on. A batch is valid until the next one is asked for. Leaving the loop
   * early is fine; starting another epoch ends this one.
   * @throws SenetError `data` when every picture of a class has failed, `usage` when the loader has been disposed
   */
  async *epoch(epoch: number, startBatch = 0): AsyncGenerator<Batch, void, undefined> {
    checkWhole("epoch", epoch, 0);
    checkWhole("startBatch", startBatch, 0);
    const turn = ++this.#turn;
    this.#wake();
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared?.epoch !== epoch || prepared.startBatch !== startBatch) {
      await this.#stop(turn);
      // After every wait: another epoch may have been started meanwhile.
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
      // Only the epoch that is still the current one may stop the workers, if there still are any.
      if (turn === this.#turn && !this.#disposed) await this.#stop(turn);
    }
  }

  /** Pictures that could not be decoded, each once, in the order in which they were met. */
  get failures(): readonly Failure[] {
    return this.#failures.list;
  }

  /** How many batches stand ready. At 0 during training, the loader is what the training waits for. */
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

  /** Ends the threads. Their memory goes with the loader itself. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    const { control } = this.#ring;
    this.#askToStop();
    Atomics.store(control, Cell.generation, -1);
    Atomics.notify(control, Cell.generation);
    this.#wake();
    for (const port of this.#ports) port.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Lays out an epoch in the ring and lets the workers, which are idle, run. */
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
    Atomics.store(control, Cell.active, this.#workers.length);
    Atomics.store(control, Cell.epoch, epoch);
    Atomics.add(control, Cell.generation, 1);
    Atomics.notify(control, Cell.generation);
  }

  /**
   * Copies the next batch out of the ring and frees its slot. A copy, because engines refuse shared memory; it is
   * small beside any step.
   */
  #take(): Batch {
    const { control, images, samples, done, depth, batchSize, imageLength } = this.#ring;
    const slot = this.#batch % depth;
    const count = batchCount(this.#ring, this.#batch, this.#end);
    const target = this.#images.data;
    const labels = this.#labels.data;
    const first = slot * batchSize;
    // Of the ring's row, which has room for the largest pictures.
    const length = target.length / batchSize;
    let size = 0;
    // Rows that failed are closed up.
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
    // A changed value, not only a notification: a worker that is about to wait must not miss it.
    Atomics.store(control, Cell.released, UNBOUNDED);
    Atomics.notify(control, Cell.released);
  }

  /** Waits until all workers are idle. */
  async #stop(turn: number): Promise<void> {
    this.#askToStop();
    await this.#until(turn, () => Atomics.load(this.#ring.control, Cell.active) === 0);
  }

  /** Waits for the workers; only while waiting do they keep the process alive. */
  async #until(turn: number, isSo: () => boolean): Promise<void> {
    for (;;) {
      this.#listen();
      this.#check(turn);
      if (isSo()) return;
      // The threads too, so that the end of one is heard.
      for (const waited of [...this.#ports, ...this.#workers]) waited.ref();
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
      // All who waited were woken, but one of them may have begun to wait again.
      if (this.#waiting.length === 0) for (const waited of [...this.#ports, ...this.#workers]) waited.unref();
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #check(turn: number): void {
    if (this.#disposed) throw new SenetError("usage", "the loader has been disposed");
    if (turn !== this.#turn) throw new SenetError("usage", "another epoch of this loader has been started");
    if (this.#fault !== undefined) throw this.#fault;
    if (!this.#tolerant) this.#failures.check();
  }

  /** Reads what has been told so far, without a turn of the event loop, which the steps may leave no time for. */
  #listen(): void {
    for (const port of this.#ports) {
      for (let told = receiveMessageOnPort(port); told !== undefined; told = receiveMessageOnPort(port)) {
        this.#hear(told.message as WorkerMessage);
      }
    }
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === "unkept") {
      this.#onRemark(`no more decoded pictures are kept in ${this.#cacheFolder}: ${message.reason}`);
      // Each thread says it.
      this.#onRemark = () => {};
    }
    if (message.kind === "failed") this.#failures.add(message.sample, message.reason);
  }
}

/** One at least. @throws SenetError `usage` where `ulimit -v` leaves no address space for even that */
function affordableThreads(): number {
  const addresses = availableAddresses();
  if (addresses >= THREAD_ADDRESSES) {
    return Math.max(1, Math.floor(Math.min(availableMemory() / THREAD_BYTES, addresses / THREAD_ADDRESSES)));
  }
  const mib = (bytes: number) => `${Math.max(0, Math.floor(bytes / 2 ** 20))} MiB`;
  throw new SenetError("usage", "there is too little address space to prepare pictures in", {
    expected: `${mib(THREAD_ADDRESSES)} for a thread`,
    found: `${mib(addresses)} left by \`ulimit -v\``,
    hint: "ulimit -v unlimited, or 4000000 at least",
  });
}

/** @throws SenetError `usage` where the batches made ahead, and the one in use, are more than the memory that is left */
function checkFits(batchSize: number, prefetch: number, imageBytes: number): void {
  const wanted = (prefetch + 1) * batchSize * imageBytes;
  const available = availableMemory();
  if (wanted <= available) return;
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new SenetError("usage", "the batches are too large for the memory that is left", {
    where: option("batchSize"),
    expected: `at most ${gib(available)} for ${prefetch + 1} batches`,
    found: `${gib(wanted)} for batches of ${batchSize} pictures`,
    hint: `${option("batchSize")} ${Math.max(1, Math.floor(available / 4 / (prefetch + 1) / imageBytes))}, or smaller pictures`,
  });
}

function threadDied(cause: unknown): SenetError {
  const isMemory = (cause as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY";
  return new SenetError("data", `a loader thread has ${isMemory ? "run out of memory" : "died"}`, {
    found: String(cause),
    hint: `fewer threads (${option("workers")} 1) take less memory`,
    cause,
  });
}

function checkWhole(option: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) unusableOption(option, `a whole number, ${least} or more`, value);
}

function unusableOption(where: string, expected: string, found: unknown): never {
  throw new SenetError("usage", "a loader option is unusable", { where, expected, found: `${found}` });
}
