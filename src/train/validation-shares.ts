/** Validation shared by several ranks: each evaluates its part of the pictures, and all get the same sums. */

import { type Evaluation, type PicturePrediction, summary } from "../evaluate/evaluate.ts";
import type { Ranks } from "../ranks.ts";

/** A rank's share of a list: every `count`-th element, so that all ranks have equally much to do. */
export const shareOf = <T>(list: readonly T[], { rank, count }: Pick<Ranks, "rank" | "count">): readonly T[] =>
  list.filter((_, index) => index % count === rank);

/**
 * Combines the parts, as if one process had evaluated all pictures in the order of the data set.
 * @param own predictions for this rank's part; `undefined` if it was stopped
 * @returns `undefined` if any rank was stopped
 */
export async function shared(
  ranks: Ranks,
  own: readonly PicturePrediction[] | undefined,
  classes: number,
): Promise<Evaluation | undefined> {
  const told = await ranks.gather(encode(own));
  const parts = told.map(decode);
  const predictions: PicturePrediction[] = [];
  for (const [rank, part] of parts.entries()) {
    if (part === undefined) return undefined;
    for (const prediction of part) {
      predictions.push({ ...prediction, sample: prediction.sample * ranks.count + rank });
    }
  }
  return summary(
    predictions.sort((a, b) => a.sample - b.sample),
    classes,
  );
}

const encode = (own: readonly PicturePrediction[] | undefined): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify(own?.map(({ sample, label, rank, loss, top }) => [sample, label, rank, loss, top]) ?? null),
  );

type Row = readonly [number, number, number, number | null, PicturePrediction["top"]];

function decode(bytes: Uint8Array): readonly PicturePrediction[] | undefined {
  const rows = JSON.parse(new TextDecoder().decode(bytes)) as readonly Row[] | null;
  // JSON has no NaN.
  return rows?.map(([sample, label, rank, loss, top]) => ({ sample, label, rank, loss: loss ?? Number.NaN, top }));
}
