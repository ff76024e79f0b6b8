/** How often numbers of which size occur in an activation; from it comes the range that eight bits are to cover. */

import type { TensorData } from "../tensor.ts";

/** Many more than eight bits tell apart, so that a bin stands for its centre. */
export const binCount = 4096;

/** Of sizes, without their signs. Its range grows with what it is given, by doublings. */
export class Histogram {
  readonly counts = new Float64Array(binCount);
  /** The upper end of the last bin; 0 until a number above 0 has come. */
  limit = 0;
  largest = 0;
  /** How many numbers there were, zeros among them. */
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

  /** The middle of a bin. */
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
