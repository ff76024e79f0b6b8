/** Histogram of an activation's magnitudes, from which the range for eight bits is chosen. */

import type { TensorData } from "../tensor.ts";

/** Many more bins than eight bits can distinguish, so that a bin can stand for its centre. */
export const binCount = 4096;

/** Counts magnitudes. Its range grows by doubling. */
export class Histogram {
  readonly counts = new Float64Array(binCount);
  /** Upper end of the last bin; 0 as long as all numbers are 0. */
  limit = 0;
  largest = 0;
  /** Number of values, including zeros. */
  total = 0;

  add(data: TensorData): void {
    let largest = 0;
    for (let i = 0; i < data.length; i++) largest = Math.max(largest, Math.abs(data[i]!));
    this.total += data.length;
    this.largest = Math.max(this.largest, largest);
    if (largest === 0) {
      this.counts[0]! += data.length;
      return;
    }
    if (this.limit === 0) this.limit = largest;
    while (this.limit < largest) this.#double();
    const perStep = binCount / this.limit;
    const { counts } = this;
    for (let i = 0; i < data.length; i++) {
      counts[Math.min(binCount - 1, Math.floor(Math.abs(data[i]!) * perStep))]!++;
    }
  }

  /** Centre of a bin. */
  centre(bin: number): number {
    return ((bin + 0.5) * this.limit) / binCount;
  }

  #double(): void {
    const { counts } = this;
    for (let bin = 0; bin < binCount; bin++) {
      const [left, right] = [2 * bin, 2 * bin + 1];
      counts[bin] = right < binCount ? counts[left]! + counts[right]! : 0;
    }
    this.limit *= 2;
  }
}
