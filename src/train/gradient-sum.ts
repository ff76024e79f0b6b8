/** Gradients of several batches added up, so that they are those of one large batch. */

import { dtypeOf, type TensorData, zeros } from "../tensor.ts";

export class GradientSum {
  #sums: readonly TensorData[] = [];
  /** Batches in it. */
  #count = 0;

  /** Forgets what a step that failed has left. */
  clear(): void {
    this.#count = 0;
  }

  /** Keeps a batch's gradients, which the next ones are written over. */
  keep(gradients: readonly TensorData[]): void {
    // The first time, and where an engine lays them out anew.
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

  /** Adds what was kept to the last batch's gradients. */
  addTo(gradients: readonly TensorData[]): void {
    if (this.#count > 0) for (const [i, sum] of this.#sums.entries()) add(sum, gradients[i]!);
  }

  /** What was kept, laid out as gradients are; nothing, where there was nothing to keep. */
  get kept(): readonly TensorData[] {
    return this.#count === 0 ? [] : this.#sums;
  }

  /** Begins anew. @returns of how many batches the last one's gradients are the sum now */
  end(): number {
    const count = this.#count + 1;
    this.#count = 0;
    return count;
  }
}

/** Element by element. */
export function add(from: TensorData, into: TensorData): void {
  for (let i = 0; i < into.length; i++) into[i] = into[i]! + from[i]!;
}
