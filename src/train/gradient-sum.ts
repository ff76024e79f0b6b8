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

  /** What was kept of one of them; `undefined` where nothing was. @param gradient a part of `gradients`, in the same memory */
  keptOf(gradient: TensorData, gradients: readonly TensorData[]): TensorData | undefined {
    if (this.#count === 0) return undefined;
    for (const [i, sum] of this.#sums.entries()) {
      const whole = gradients[i]!;
      const start = (gradient.byteOffset - whole.byteOffset) / whole.BYTES_PER_ELEMENT;
      const end = start + gradient.length;
      if (gradient.buffer === whole.buffer && start >= 0 && end <= whole.length) return sum.subarray(start, end);
    }
    throw new Error("a gradient is not where gradients lie");
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
