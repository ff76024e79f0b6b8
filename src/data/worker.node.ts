/**
 * One thread of the loader: takes samples of the epoch, decodes them or finds them decoded, and transforms them into
 * their row of the ring.
 */

import { type MessagePort, workerData } from "node:worker_threads";
import { SenetError } from "../errors.ts";
import { decodedFor, reductionFor } from "../images/augment.ts";
import { PictureFault } from "../images/fault.ts";
import { type Reduction, reducedExtent } from "../images/jpeg.ts";
import { sameRoom } from "../images/read.node.ts";
import type { Picture } from "../images/resize.ts";
import { type PictureView, viewOf, wholeOf } from "../images/view.ts";
import { augmentationAt, placeOf, triedAt } from "./epoch.ts";
import { reasonOf } from "./failures.ts";
import { PictureCache } from "./picture-cache.node.ts";
import type { PictureMemory } from "./picture-memory.node.ts";
import { batchCount, Cell, cacheBlock, Entry, nameBytes, type Ring, State } from "./ring.ts";
import { SourceReader } from "./source.node.ts";
import { type Sources, sourceAt } from "./sources.ts";
import { applyTransform, type ImageTransform, transformAt } from "./transform.ts";

export interface WorkerJob {
  readonly ring: Ring;
  readonly memory: PictureMemory;
  readonly sources: Sources;
  readonly transform: ImageTransform;
  /** Folder of decoded pictures for other runs; `undefined`: none. */
  readonly cacheFolder: string | undefined;
  readonly seed: number;
  readonly port: MessagePort;
}

/** Messages from a worker. It gets none: the ring tells it what to do. */
export type WorkerMessage =
  /** A batch is complete, or the last worker has become idle: look at the ring. */
  | { readonly kind: "look" }
  /** The first failure of this sample. */
  | { readonly kind: "failed"; readonly sample: number; readonly reason: string }
  /** No more pictures can be kept in the folder. */
  | { readonly kind: "unkept"; readonly reason: string };

const reader = new SourceReader(sameRoom());
let folder: PictureCache | undefined;

// This file is only run as a thread; the loader imports only its types.
await work(workerData as WorkerJob);

async function work(job: WorkerJob): Promise<void> {
  const { cacheFolder, transform } = job;
  if (cacheFolder !== undefined) {
    const recipe = transform.kind === "train" ? decodedFor(transform) : "exact";
    folder = new PictureCache(cacheFolder, recipe, (reason) => tell(job, { kind: "unkept", reason }));
  }
  const { control } = job.ring;
  let generation = 0;
  for (;;) {
    Atomics.wait(control, Cell.generation, generation);
    generation = Atomics.load(control, Cell.generation);
    if (generation < 0) break;
    await workThroughEpoch(job);
    if (Atomics.sub(control, Cell.active, 1) === 1) tell(job, { kind: "look" });
  }
  job.port.close();
}

async function workThroughEpoch(job: WorkerJob): Promise<void> {
  const { ring } = job;
  const { control, batchSize, depth, done } = ring;
  const end = Atomics.load(control, Cell.end);
  const epoch = Atomics.load(control, Cell.epoch);
  for (;;) {
    const position = Atomics.add(control, Cell.next, 1);
    if (position >= end) return;
    const batch = Math.floor(position / batchSize);
    for (;;) {
      const released = Atomics.load(control, Cell.released);
      if (batch < released + depth) break;
      // Later, reading ahead would take processor time from the steps.
      const isEarly = released <= Atomics.load(control, Cell.first) + 1;
      if (!isEarly || !(await readAhead(job, end))) Atomics.wait(control, Cell.released, released);
    }
    if (Atomics.load(control, Cell.stop) === 1) return;
    const slot = batch % depth;
    await fillRow(job, placeOf(ring, position), epoch, slot * batchSize + (position % batchSize));
    if (Atomics.add(done, slot, 1) + 1 === batchCount(ring, batch, end)) tell(job, { kind: "look" });
  }
}

/** Decodes and keeps the next picture of the epoch that is not kept yet; false if there is none, or no more room. */
async function readAhead(job: WorkerJob, end: number): Promise<boolean> {
  const { ring } = job;
  const { control, order, entries } = ring;
  for (;;) {
    const position = Atomics.add(control, Cell.ahead, 1);
    if (position >= end) break;
    const sample = order[placeOf(ring, position)]!;
    const state = Atomics.load(entries, sample * Entry.size + Entry.state);
    if (state !== State.unknown && state !== State.sound) continue;
    if (await withPicture(job, sample)) return true;
    if (Atomics.load(entries, sample * Entry.size + Entry.state) !== State.failed) break;
  }
  // No worker tries again.
  Atomics.store(control, Cell.ahead, end);
  return false;
}

/** Writes the sample at this position of the epoch, or its replacement, or marks the row with −1. */
async function fillRow(job: WorkerJob, position: number, epoch: number, row: number): Promise<void> {
  const { ring, seed } = job;
  // Pictures are decoded and kept for the largest size of all epochs.
  const transform = transformAt(job.transform, epoch);
  const { order, images, imageLength, samples } = ring;
  const into = images.subarray(row * imageLength, (row + 1) * imageLength);
  const use = (picture: PictureView) =>
    applyTransform(picture, transform, () => augmentationAt(seed, epoch, position), into);
  const count = order.length;
  const tries = transform.kind === "train" ? count : 1;
  for (let attempt = 0; attempt < tries; attempt++) {
    const sample = order[triedAt(position, attempt, count)]!;
    if (!(await withPicture(job, sample, use))) continue;
    samples[row] = sample;
    return;
  }
  samples[row] = -1;
}

/**
 * Calls `use` with a sample's picture, from the cache or from its file; false if it cannot be decoded.
 * @param use default: the picture is only kept, and the result is false if there is no room
 */
async function withPicture(job: WorkerJob, sample: number, use?: (picture: PictureView) => void): Promise<boolean> {
  const { entries } = job.ring;
  const { cache } = job.memory;
  const entry = sample * Entry.size;
  const state = Atomics.load(entries, entry + Entry.state);
  if (state === State.failed) return false;
  if (state === State.cached) {
    const width = entries[entry + Entry.width]!;
    const height = entries[entry + Entry.height]!;
    const start = entries[entry + Entry.block]! * cacheBlock;
    use?.(viewOf({ width, height, data: new Uint8Array(cache, start, width * height * 3) }));
    return true;
  }
  if (state === State.stored) {
    if (use === undefined || useStored(job, sample, use)) return true;
    Atomics.compareExchange(entries, entry + Entry.state, State.stored, State.unknown);
  }
  let held = 0;
  try {
    const source = sourceAt(job.sources, sample);
    const name = folder?.nameOf(source);
    const found = name === undefined ? undefined : folder!.read(name);
    if (found !== undefined) {
      use?.(viewOf(found));
      store(job, sample, name!, found);
      keep(job, entry, found);
      return true;
    }
    const opened = reader.open(source);
    held = waitForMemory(job, opened.bytes);
    const { transform } = job;
    const reduction = transform.kind === "train" && opened.size ? reductionFor(transform, opened.size) : 1;
    // A picture to be kept is decoded completely.
    const isKept = name !== undefined || (opened.size !== undefined && hasRoom(job, opened.size, reduction));
    if (use === undefined && !isKept) return false;
    if (use !== undefined && transform.kind === "train" && opened.view !== undefined && !isKept) {
      if (usePart(opened.view(reduction, state !== State.sound), use)) {
        if (state === State.unknown) Atomics.store(entries, entry + Entry.state, State.sound);
        return true;
      }
    }
    const picture = await opened.decode(reduction, true);
    use?.(viewOf(picture));
    if (name !== undefined && folder!.write(name, picture)) store(job, sample, name, picture);
    keep(job, entry, picture);
    return true;
  } catch (error) {
    // Not the picture's fault: there is no decoder for its kind (`threadDied`).
    if (!(error instanceof SenetError) || error.code === "io") throw error;
    const before = Atomics.compareExchange(entries, entry + Entry.state, State.unknown, State.failed);
    if (before === State.unknown) tell(job, { kind: "failed", sample, reason: reasonOf(error) });
    return false;
  } finally {
    giveBack(job, held);
  }
}

/** Calls `use` with a picture from the folder; false if it is no longer there. */
function useStored(job: WorkerJob, sample: number, use: (picture: PictureView) => void): boolean {
  const { entries, names } = job.ring;
  const entry = sample * Entry.size;
  const name = Buffer.from(names.buffer, sample * nameBytes, nameBytes).toString("hex");
  const view = folder!.view(name, { width: entries[entry + Entry.width]!, height: entries[entry + Entry.height]! });
  if (!hasRoom(job, view, 1)) return usePart(view, use);
  return usePart(view, (stored) => {
    const picture = wholeOf(stored);
    use(viewOf(picture));
    keep(job, entry, picture);
  });
}

/** Records that the picture is in the folder, so that no thread looks for it again. */
function store({ ring: { entries, names } }: WorkerJob, sample: number, name: string, size: Picture): void {
  names.set(Buffer.from(name, "hex"), sample * nameBytes);
  const entry = sample * Entry.size;
  entries[entry + Entry.width] = size.width;
  entries[entry + Entry.height] = size.height;
  Atomics.store(entries, entry + Entry.state, State.stored);
}

/** Calls `use`; false if the part cannot be decoded on its own. */
function usePart(view: PictureView, use: (picture: PictureView) => void): boolean {
  try {
    use(view);
    return true;
  } catch (error) {
    if (error instanceof PictureFault) return false;
    throw error;
  }
}

function blocksOf(bytes: number): number {
  return Math.ceil(bytes / cacheBlock);
}

function hasRoom(
  { memory: { cache, used } }: WorkerJob,
  size: Pick<Picture, "width" | "height">,
  reduction: Reduction,
) {
  const bytes = 3 * reducedExtent(size.width, reduction) * reducedExtent(size.height, reduction);
  return Atomics.load(used, 0) + blocksOf(bytes) <= Math.floor(cache.byteLength / cacheBlock);
}

/**
 * Waits until pictures being decoded leave room for one of `bytes` bytes; one larger than the limit waits until it is
 * alone.
 * @returns KiB reserved, to be released by the caller
 */
function waitForMemory({ ring: { control }, memory }: WorkerJob, bytes: number): number {
  const most = Math.ceil(memory.decodingBytes / 1024);
  const wanted = Math.min(most, Math.ceil(bytes / 1024));
  for (;;) {
    const taken = Atomics.load(control, Cell.decoding);
    if (taken + wanted > most) Atomics.wait(control, Cell.decoding, taken);
    else if (Atomics.compareExchange(control, Cell.decoding, taken, taken + wanted) === taken) return wanted;
  }
}

function giveBack({ ring: { control } }: WorkerJob, held: number): void {
  if (held === 0) return;
  Atomics.sub(control, Cell.decoding, held);
  Atomics.notify(control, Cell.decoding);
}

/** Copies the picture into the cache if there is room; a picture that two workers decode at once is stored twice. */
function keep({ ring: { entries }, memory }: WorkerJob, entry: number, { width, height, data }: Picture): void {
  const { cache, used } = memory;
  const blocks = blocksOf(data.length);
  const capacity = Math.floor(cache.byteLength / cacheBlock);
  let block = Atomics.load(used, 0);
  for (;;) {
    if (block + blocks > capacity) return;
    const found = Atomics.compareExchange(used, 0, block, block + blocks);
    if (found === block) break;
    block = found;
  }
  new Uint8Array(cache, block * cacheBlock, data.length).set(data);
  entries[entry + Entry.block] = block;
  entries[entry + Entry.width] = width;
  entries[entry + Entry.height] = height;
  Atomics.store(entries, entry + Entry.state, State.cached);
}

function tell(job: WorkerJob, message: WorkerMessage): void {
  job.port.postMessage(message);
}
