/**
 * Which channels a picture opens and closes, against the pictures of a class: the paper's figure of excitations by class
 * (arXiv 1709.01507, figures 6 and 7), for one picture. A page needs no network for it.
 */

import type { GateAtlas, PictureGates } from "./gates.ts";

/** A channel that a picture opens, or closes, unlike the pictures of its class. */
export interface UnusualGate {
  readonly channel: number;
  readonly gate: number;
  /** Of the pictures of the class. */
  readonly mean: number;
  /** The pictures that open this channel most, by their places in the data set. */
  readonly openers: readonly number[];
}

/** A block's gates for one picture against their means over the pictures of a class. */
export interface ComparedGates extends PictureGates {
  /** `[channels]`: the class's means; NaN where the class has no pictures. */
  readonly means: Float64Array;
  /** More open than in the mean, by how much. */
  readonly opened: readonly UnusualGate[];
  readonly closed: readonly UnusualGate[];
}

/** Channels of a block that are told. */
const mostUnusual = 3;

export function comparedGates(picture: readonly PictureGates[], atlas: GateAtlas, target: number): ComparedGates[] {
  return picture.map((block, i) => {
    const { gates, channels } = block;
    const means = atlas.means[i]!.means.slice(target * channels, (target + 1) * channels);
    const byDifference = Array.from(gates, (gate, channel): UnusualGate => {
      return { channel, gate, mean: means[channel]!, openers: atlas.openers[i]![channel]! };
    }).sort((a, b) => b.gate - b.mean - (a.gate - a.mean));
    return {
      ...{ ...block, means },
      opened: byDifference.filter(({ gate, mean }) => gate > mean).slice(0, mostUnusual),
      closed: byDifference
        .filter(({ gate, mean }) => gate < mean)
        .slice(-mostUnusual)
        .reverse(),
    };
  });
}
