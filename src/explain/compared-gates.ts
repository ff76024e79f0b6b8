/**
 * Compares one picture's gates with the mean gates of a class (arXiv 1709.01507, figures 6 and 7). Needs no network, so
 * pages can use it alone.
 */

import type { GateAtlas, PictureGates } from "./gates.ts";

/** A channel whose gate differs from the class's mean. */
export interface UnusualGate {
  readonly channel: number;
  readonly gate: number;
  /** Mean over the class's pictures. */
  readonly mean: number;
  /** The pictures that open this channel most, as indices in the data set. */
  readonly openers: readonly number[];
}

/** A block's gates for one picture, compared with their means over a class. */
export interface ComparedGates extends PictureGates {
  /** `[channels]`: the class's means; NaN if the class has no pictures. */
  readonly means: Float64Array;
  /** Channels more open than the mean, largest difference first. */
  readonly opened: readonly UnusualGate[];
  readonly closed: readonly UnusualGate[];
}

/** Channels reported per block. */
const mostUnusual = 3;

export function comparedGates(picture: readonly PictureGates[], atlas: GateAtlas, target: number): ComparedGates[] {
  return picture.map((block, i) => {
    const { gates, channels } = block;
    const means = atlas.means[i]!.means.slice(target * channels, (target + 1) * channels);
    const byDifference = Array.from(gates, (gate, channel): UnusualGate => {
      return { channel, gate, mean: means[channel]!, openers: atlas.openers[i]![channel]! };
    }).sort((a, b) => b.gate - b.mean - (a.gate - a.mean));
    return {
      ...block,
      means,
      opened: byDifference.filter(({ gate, mean }) => gate > mean).slice(0, mostUnusual),
      closed: byDifference
        .filter(({ gate, mean }) => gate < mean)
        .slice(-mostUnusual)
        .reverse(),
    };
  });
}
