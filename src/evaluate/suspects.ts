/**
 * Finds labels that are probably wrong, by confident learning (Northcutt, Jiang and Chuang, arXiv 1911.00068): a
 * picture is suspect if the network is as sure of another class as it usually is for pictures with that label.
 */

import { topK } from "./probabilities.ts";

/** How suspects are ranked, with those that the network is surest about first. */
export type SuspectRank = "normalized-margin" | "self-confidence";
export const suspectRanks = ["normalized-margin", "self-confidence"] as const satisfies readonly SuspectRank[];

export interface Suspect {
  /** Index of the picture in the order of `add`. */
  readonly place: number;
  readonly label: number;
  /** The class that it probably shows. */
  readonly guess: number;
  /** Probability of its label; "self-confidence" in the paper. */
  readonly probability: number;
  /** Probability of its label minus that of the likeliest other class, −1 to 1; "normalised margin" in the paper. */
  readonly margin: number;
}

export interface Suspects {
  /** Most suspect first. */
  readonly suspects: readonly Suspect[];
  /**
   * For each class, the network's mean confidence in it for pictures with that label; NaN for a class without pictures.
   */
  readonly thresholds: Float64Array;
  /** Estimated share of wrong labels, 0 to 1. */
  readonly noise: number;
  /** Share of labels that agree with the network's top class, 0 to 1. */
  readonly agreement: number;
  /**
   * Off-diagonal counts of the confident joint: pictures with a label that are confidently of another class; largest
   * first.
   */
  readonly confusions: readonly { readonly label: number; readonly guess: number; readonly count: number }[];
}

/** Whether a network agrees with labels hardly more often than by chance, so that its suspects mean nothing. */
export function isGuessing(agreement: number, classes: number): boolean {
  const chance = 1 / classes;
  return agreement < chance + (1 - chance) / 10;
}

/** Classes kept per picture; all of them in most data sets. */
const mostKept = 32;

/** Tolerance: the mean of equal numbers may come out slightly above them. */
const rounding = 1e-6;

/**
 * Collects predictions for labelled pictures, a few bytes per class, and finds suspects.
 *
 * If there are more than 32 classes, only the 32 likeliest of each picture are kept. This changes nothing for classes
 * whose threshold is above 1/33, since at most 32 classes can be as likely.
 */
export class ConfidentLearning {
  readonly #classes: number;
  readonly #kept: number;
  #count = 0;
  #labels = new Uint32Array(1024);
  #probabilities = new Float32Array(1024);
  #tops: Uint32Array;
  #topProbabilities: Float32Array;

  constructor(classes: number) {
    this.#classes = classes;
    this.#kept = Math.min(classes, mostKept);
    this.#tops = new Uint32Array(1024 * this.#kept);
    this.#topProbabilities = new Float32Array(1024 * this.#kept);
  }

  /** @param probabilities `[classes]`; if possible for a picture that the network was not trained on */
  add(label: number, probabilities: ArrayLike<number>): void {
    const place = this.#count++;
    if (place === this.#labels.length) this.#grow();
    this.#labels[place] = label;
    this.#probabilities[place] = probabilities[label]!;
    for (const [i, index] of topK(probabilities, this.#kept).entries()) {
      this.#tops[place * this.#kept + i] = index;
      this.#topProbabilities[place * this.#kept + i] = probabilities[index]!;
    }
  }

  #grow(): void {
    const grown = <T extends Uint32Array | Float32Array>(old: T, larger: T): T => {
      larger.set(old);
      return larger;
    };
    const { length } = this.#labels;
    this.#labels = grown(this.#labels, new Uint32Array(2 * length));
    this.#probabilities = grown(this.#probabilities, new Float32Array(2 * length));
    this.#tops = grown(this.#tops, new Uint32Array(2 * length * this.#kept));
    this.#topProbabilities = grown(this.#topProbabilities, new Float32Array(2 * length * this.#kept));
  }

  /** The suspects among all pictures added so far. */
  find(rank: SuspectRank = "normalized-margin"): Suspects {
    const thresholds = this.#thresholds();
    const suspects: Suspect[] = [];
    /** The confident joint, indexed by label · classes + guess. */
    const joint = new Map<number, number>();
    for (let place = 0; place < this.#count; place++) {
      const label = this.#labels[place]!;
      const guess = this.#confidentOf(place, thresholds);
      if (guess === undefined) continue;
      const cell = label * this.#classes + guess;
      joint.set(cell, (joint.get(cell) ?? 0) + 1);
      // If the label is the top class after all, the picture is not worth checking.
      if (guess === label || this.#tops[place * this.#kept] === label) continue;
      const probability = this.#probabilities[place]!;
      suspects.push({
        place,
        label,
        guess,
        probability,
        margin: probability - this.#topProbabilities[place * this.#kept]!,
      });
    }
    const by = rank === "self-confidence" ? ("probability" as const) : ("margin" as const);
    return {
      suspects: suspects.sort((a, b) => a[by] - b[by] || a.place - b.place),
      thresholds,
      noise: this.#noise(joint),
      agreement: this.#agreement(),
      confusions: this.#confusions(joint),
    };
  }

  #agreement(): number {
    let count = 0;
    for (let place = 0; place < this.#count; place++) {
      if (this.#tops[place * this.#kept] === this.#labels[place]) count++;
    }
    return this.#count === 0 ? 0 : count / this.#count;
  }

  /** Thresholds by the paper's equation 2. */
  #thresholds(): Float64Array {
    const sums = new Float64Array(this.#classes);
    const counts = this.#counts();
    for (let place = 0; place < this.#count; place++) sums[this.#labels[place]!]! += this.#probabilities[place]!;
    return sums.map((sum, label) => sum / counts[label]!);
  }

  #counts(): Float64Array {
    const counts = new Float64Array(this.#classes);
    for (let place = 0; place < this.#count; place++) counts[this.#labels[place]!]!++;
    return counts;
  }

  /** Equation 1: the likeliest class among those that reach their threshold. */
  #confidentOf(place: number, thresholds: Float64Array): number | undefined {
    for (let i = place * this.#kept; i < (place + 1) * this.#kept; i++) {
      if (this.#topProbabilities[i]! >= thresholds[this.#tops[i]!]! - rounding) return this.#tops[i]!;
    }
    return undefined;
  }

  /** Equation 3: each row of the joint is scaled to all pictures with its label. */
  #noise(joint: ReadonlyMap<number, number>): number {
    const rows = new Float64Array(this.#classes);
    const wrong = new Float64Array(this.#classes);
    for (const [cell, count] of joint) {
      const label = Math.floor(cell / this.#classes);
      rows[label]! += count;
      if (cell % this.#classes !== label) wrong[label]! += count;
    }
    const errors = this.#counts().map((count, label) =>
      rows[label] === 0 ? 0 : (count * wrong[label]!) / rows[label]!,
    );
    return this.#count === 0 ? 0 : errors.reduce((sum, count) => sum + count, 0) / this.#count;
  }

  #confusions(joint: ReadonlyMap<number, number>): Suspects["confusions"] {
    return [...joint]
      .map(([cell, count]) => ({ label: Math.floor(cell / this.#classes), guess: cell % this.#classes, count }))
      .filter(({ label, guess }) => label !== guess)
      .sort((a, b) => b.count - a.count || a.label - b.label || a.guess - b.guess);
  }
}
