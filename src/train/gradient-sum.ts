/** Sums the gradients of several batches, as if they were one large batch. */

import { dtypeOf, type TensorData, zeros } from "../tensor.ts";

export class GradientSum {
  #sums: readonly TensorData[] = [];
  /** Number of batches summed so far. */
  #count = 0;

  /** Discards what a failed step left. */
  clear(): void {
    this.#count = 0;
  }

  /** Adds a batch's gradients to the sum, before the next batch overwrites them. */
  keep(gradients: readonly TensorData[]): void {
    // On first use, and when an engine has changed the gradients' layout.
    if (
      !this.#sums.every(({ length }, i) => length === gradients[i]?.length) ||
      this.#sums.length !== gradients.length
    ) {
      this.#sums = gradients.map((data) => zeros(dtypeOf(data), [data.length]).data);
    }
    for (const [i, sum] of this.#sums.entries()) {
      if (this.#count === 0) sum.set(gradients[i]!);
      else add(gradients[i]!, sum);
    }
    this.#count++;
  }

  /** Adds the sum so far to the last batch's gradients. */
  addTo(gradients: readonly TensorData[]): void {
    if (this.#count > 0) for (const [i, sum] of this.#sums.entries()) add(sum, gradients[i]!);
  }

  /** The sum so far, laid out as the gradients are; empty if there is none. */
  get kept(): readonly TensorData[] {
    return this.#count === 0 ? [] : this.#sums;
  }

  /** Resets the sum. @returns how many batches the last one's gradients are the sum of now */
  end(): number {
    const count = this.#count + 1;
    this.#count = 0;
    return count;
  }
}

/** Adds element by element. */
export function add(from: TensorData, into: TensorData): void {
  for (let i = 0; i < into.length; i++) into[i] = into[i]! + from[i]!;
}
