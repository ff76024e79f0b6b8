/** Which picture comes when: a function of the seed and the epoch alone, whoever loads. */

import { createRandom, type Random } from "../random.ts";

/** Keys that keep the loader's random numbers apart: `createRandom(seed, stream, epoch, ...)`. */
const Stream = { order: 0, augment: 1 } as const;

export interface EpochOrder {
  /** Shuffles anew in each epoch. Absent: the order of the data set. */
  readonly seed: number | undefined;
  readonly epoch: number;
  /** How often each picture comes, one time after another, of so many fewer. */
  readonly repeats: number;
  /** `once`: every epoch has the first one's order; default: each its own. */
  readonly shuffle?: "anew" | "once" | undefined;
}

/** Writes the sample at each position of an epoch. */
export function fillOrder(order: Int32Array, { seed, epoch, repeats, shuffle }: EpochOrder): void {
  const count = order.length;
  if (seed === undefined) for (let i = 0; i < count; i++) order[i] = i;
  else {
    const shuffled = createRandom(seed, Stream.order, shuffle === "once" ? 0 : epoch).shuffled(count);
    for (let i = 0; i < count; i++) order[i] = shuffled[Math.floor(i / repeats)]!;
  }
}

/** What augments the picture at a position of an epoch. */
export const augmentationAt = (seed: number, epoch: number, position: number): Random =>
  createRandom(seed, Stream.augment, epoch, position);

/**
 * The position whose picture is tried at one, after so many that cannot be decoded: the first replacement lies half an
 * epoch away, in another batch; then whatever follows.
 */
export const triedAt = (position: number, attempt: number, count: number): number =>
  attempt === 0 ? position : (position + Math.floor(count / 2) + attempt - 1) % count;

/** Which part of every batch a loader prepares, where several share the batches of a data set. */
export interface Share {
  readonly rank: number;
  readonly count: number;
}

/**
 * The place in the epoch of a loader's row, counted over its own batches. Half of its rows are from the front of the whole
 * batch and half from its end, each with the one that stands in its place when the batch is turned round: what is mixed
 * (train/mix.ts) is then in one place. An odd batch's middle row has no such partner.
 */
export function placeOf(
  { share: { rank, count }, batchSize }: { readonly share: Share; readonly batchSize: number },
  row: number,
): number {
  if (count === 1) return row;
  const whole = count * batchSize;
  const half = Math.floor(batchSize / 2);
  const start = Math.floor(row / batchSize) * whole;
  const at = row % batchSize;
  if (at < half) return start + rank * half + at;
  const fromEnd = batchSize - 1 - at;
  if (fromEnd < half) return start + whole - 1 - (rank * half + fromEnd);
  return start + count * half + rank;
}
