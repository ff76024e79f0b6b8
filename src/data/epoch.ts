/** The order of pictures in an epoch: a function of seed and epoch only, however many load them. */

import { createRandom, type Random } from "../random.ts";

/** Second keys of the loader's random numbers: `createRandom(seed, stream, epoch, ...)`. */
const Stream = { order: 0, augment: 1 } as const;

export interface EpochOrder {
  /** Shuffles each epoch. Absent: the order of the data set. */
  readonly seed: number | undefined;
  readonly epoch: number;
  /** How often each picture comes in a row; the epoch then has correspondingly fewer different pictures. */
  readonly repeats: number;
  /** `once`: every epoch has the order of the first; default: each its own. */
  readonly shuffle?: "anew" | "once" | undefined;
}

/** Fills in the sample at each position of an epoch. */
export function fillOrder(order: Int32Array, { seed, epoch, repeats, shuffle }: EpochOrder): void {
  const count = order.length;
  if (seed === undefined) for (let i = 0; i < count; i++) order[i] = i;
  else {
    const shuffled = createRandom(seed, Stream.order, shuffle === "once" ? 0 : epoch).shuffled(count);
    for (let i = 0; i < count; i++) order[i] = shuffled[Math.floor(i / repeats)]!;
  }
}

/** The random numbers that augment the picture at a position of an epoch. */
export const augmentationAt = (seed: number, epoch: number, position: number): Random =>
  createRandom(seed, Stream.augment, epoch, position);

/**
 * The position whose picture replaces one that cannot be decoded, after `attempt` failures: first one half an epoch
 * away, in another batch, then those that follow it.
 */
export const triedAt = (position: number, attempt: number, count: number): number =>
  attempt === 0 ? position : (position + Math.floor(count / 2) + attempt - 1) % count;

/** The part of every batch that a loader prepares, if several loaders share the batches of a data set. */
export interface Share {
  readonly rank: number;
  readonly count: number;
}

/**
 * The position in the epoch of a loader's row, counted over its own batches. Half of its rows come from the front of
 * the whole batch and half from the end, so that each row is in the same loader as the row at its mirrored position,
 * with which it may be mixed (train/mix.ts). The middle row of an odd batch has no partner.
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
